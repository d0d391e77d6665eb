//! One visit: the doctor prescribes, and the practice does about it what practices do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::world::caller::{Caller, Reply};
use tests::world::prescription;
use tokio::time::{sleep, timeout};

use crate::log::{Cancel, Log, Offered, RedForm};
use crate::morning::{Morning, Spell};

/// Every third patient waits at the desk.
const WAITING_EVERY: u64 = 3;
/// Every other desk waits no longer than it says.
const PREFERS_EVERY: u64 = 2 * WAITING_EVERY;
/// How long, in seconds.
const PREFERRED_WAIT: u32 = 2;
/// Some desks lose their connection, hear nothing and repeat the key.
const HANGS_UP_EVERY: u64 = 9 * WAITING_EVERY;
/// After this long.
const HANGS_UP_AFTER: Duration = Duration::from_millis(300);
/// Every fourth doctor does not agree to an automatic annul.
const NO_CONSENT_EVERY: u64 = 4;
/// Every other one while commits are late, so that the morning surely has a conflict.
const NO_CONSENT_LATE_EVERY: u64 = 2;
/// Some red forms are written and never confirmed.
const FORGETS_EVERY: u64 = 10;
/// How long it takes to write one, well below `paper_within`.
const PAPER_AFTER: Duration = Duration::from_millis(700);
/// Every fifth prescription is for a specialist.
const SPECIALIST_EVERY: u64 = 5;
/// One of forty has a mistake that only the SAC finds.
const MISTAKE_EVERY: u64 = 40;
/// One of so many registered ones is taken back.
const CANCELS_REGISTERED_EVERY: u64 = 25;
/// Every second of these is dispensed before.
const DISPENSED_EVERY: u64 = 2 * CANCELS_REGISTERED_EVERY;
/// Of so many that wait one is taken back after a while, and one at once, perhaps on its way.
const CANCELS_WAITING_EVERY: u64 = 20;
/// How long a doctor takes to change their mind.
const CANCELS_AFTER: Duration = Duration::from_secs(1);
/// How often practice software repeats a request that was not answered for good.
const REPEATS_MAX: u32 = 20;
/// Between two repeats; the outage is shorter than all of them together.
const REPEAT_AFTER: Duration = Duration::from_millis(500);

/// One visit, and the practice it is at.
pub(crate) struct Visit {
    /// What the day is like.
    pub(crate) morning: Morning,
    /// When it began.
    pub(crate) began: Instant,
    /// Where the practice notes what it knows.
    pub(crate) log: Log,
    /// Which practice it is.
    pub(crate) practice: usize,
    /// How many visits there were up to this one.
    pub(crate) number: u64,
    /// The practice's software.
    pub(crate) caller: Caller,
}

/// What the gateway said for good.
enum Told {
    /// On disk: registered, or to be registered later.
    Accepted(Reply),
    /// The desk is to write a red form.
    RedForm(Reply),
    /// No.
    Refused,
}

impl Visit {
    /// Prescribes, and does what is to be done about the answer.
    pub(crate) async fn go(self) {
        let sent = self.began.elapsed();
        let spell = self.morning.spell(sent);
        let consent = self.consents(spell);
        let mut body = self.body();
        body["annul_consent"] = json!(consent);
        body["patient_waiting"] = json!(self.is_waiting());
        let place = self.log.open(Offered {
            practice: self.practice,
            spell,
            words: words(&body),
            waiting: self.is_waiting(),
            consent,
            status: 0,
            id: None,
            accepted: false,
            accepted_in_spell: false,
            red_form: RedForm::None,
            cancel: Cancel::None,
        });
        match self.prescribe(place, sent, &body).await {
            Some(Told::Accepted(reply)) => self.think_again(place, &reply).await,
            Some(Told::RedForm(reply)) => self.write_red_form(place, &reply).await,
            Some(Told::Refused) | None => {}
        }
    }

    /// Repeats the key until the answer is one: before that nobody may write a red form.
    async fn prescribe(&self, place: usize, sent: Duration, body: &Value) -> Option<Told> {
        let key = prescription::key();
        for attempt in 0..REPEATS_MAX {
            let reply = self.send(&key, body, attempt).await;
            let status = reply.as_ref().map_or(0, |reply| reply.status);
            self.log.amend(place, |offered| offered.status = status);
            if let Some(told) = reply.and_then(told) {
                self.note(place, sent, &told);
                return Some(told);
            }
            sleep(REPEAT_AFTER).await;
        }
        None
    }

    async fn send(&self, key: &str, body: &Value, attempt: u32) -> Option<Reply> {
        let caller = &self.caller;
        if attempt == 0 && self.number.is_multiple_of(HANGS_UP_EVERY) {
            let sent = timeout(HANGS_UP_AFTER, caller.try_prescribe(key, body));
            return sent.await.ok()?.ok();
        }
        if self.number.is_multiple_of(PREFERS_EVERY) {
            let sent = caller.try_prescribe_within(key, body, PREFERRED_WAIT);
            return sent.await.ok();
        }
        caller.try_prescribe(key, body).await.ok()
    }

    fn note(&self, place: usize, sent: Duration, told: &Told) {
        let in_time = self.morning.is_in_time(sent, self.began.elapsed());
        self.log.amend(place, |offered| match told {
            Told::Accepted(reply) => {
                offered.id = Some(reply.id());
                offered.accepted = true;
                offered.accepted_in_spell = in_time;
            }
            Told::RedForm(reply) => {
                offered.id = Some(reply.id());
                offered.red_form = RedForm::Told;
            }
            Told::Refused => {}
        });
    }

    async fn write_red_form(&self, place: usize, reply: &Reply) {
        if self.number.is_multiple_of(FORGETS_EVERY) {
            return;
        }
        sleep(PAPER_AFTER).await;
        let number = json!({ "number": prescription::paper_number() });
        if self.tell(&reply.id(), "paper", Some(&number)).await == 200 {
            let confirmed = |offered: &mut Offered| offered.red_form = RedForm::Confirmed;
            self.log.amend(place, confirmed);
        }
    }

    /// Takes back a few: registered, waiting, or on their way this very moment.
    async fn think_again(&self, place: usize, reply: &Reply) {
        // A patient at the desk has left with the prescription.
        if self.is_waiting() {
            return;
        }
        match reply.text("/state").as_str() {
            "registered" if self.number % CANCELS_REGISTERED_EVERY == 1 => {
                if self.number % DISPENSED_EVERY == 1 {
                    self.log.take_to_pharmacy(reply.text("/nre"));
                }
                sleep(CANCELS_AFTER).await;
            }
            "registered" => return,
            _ if self.number % CANCELS_WAITING_EVERY == 1 => sleep(CANCELS_AFTER).await,
            _ if self.number % CANCELS_WAITING_EVERY == 2 => {}
            _ => return,
        }
        let status = self.tell(&reply.id(), "cancel", None).await;
        let cancel = if (200..300).contains(&status) {
            Cancel::Asked
        } else {
            Cancel::Refused
        };
        self.log.amend(place, |offered| offered.cancel = cancel);
    }

    /// Does `what` about a prescription, under the same key until it is answered for good.
    async fn tell(&self, id: &str, what: &str, body: Option<&Value>) -> u16 {
        let key = prescription::key();
        for _ in 0..REPEATS_MAX {
            let reply = self.caller.try_about_under(&key, id, what, body).await;
            if let Some(reply) = reply.ok().filter(|reply| !is_not_now(reply)) {
                return reply.status;
            }
            sleep(REPEAT_AFTER).await;
        }
        0
    }

    fn is_waiting(&self) -> bool {
        self.number.is_multiple_of(WAITING_EVERY)
    }

    fn consents(&self, spell: Spell) -> bool {
        let every = match spell {
            Spell::LateCommits => NO_CONSENT_LATE_EVERY,
            _ => NO_CONSENT_EVERY,
        };
        !self.number.is_multiple_of(every)
    }

    fn body(&self) -> Value {
        if self.number.is_multiple_of(SPECIALIST_EVERY) {
            return prescription::specialist();
        }
        let mut body = prescription::drug();
        if self.number % MISTAKE_EVERY == 7 {
            // A health unit that does not exist: the SAC alone knows (code 1020).
            body["prescriber"]["health_unit"] = json!("999");
        }
        body
    }
}

fn told(reply: Reply) -> Option<Told> {
    match reply.status {
        200..300 => Some(Told::Accepted(reply)),
        503 if reply.code() == "issue-red-recipe" => Some(Told::RedForm(reply)),
        _ if is_not_now(&reply) => None,
        _ => Some(Told::Refused),
    }
}

/// Whether the answer is no answer yet.
fn is_not_now(reply: &Reply) -> bool {
    matches!(reply.status, 429 | 500..) || reply.code() == "key-in-flight"
}

/// What the doctor wrote in words, as the SAC's book shows it.
fn words(body: &Value) -> String {
    let diagnosis = body.pointer("/diagnosis/text");
    let words = diagnosis.or_else(|| body.pointer("/rows/0/drug_note"));
    let words = words.and_then(Value::as_str);
    words.unwrap_or_default().to_owned()
}
