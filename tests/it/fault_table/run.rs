//! One cell in a world of its own: the fault strikes, the faults end, everything comes to rest.

use std::time::Duration;

use policies::state::State;
use serde_json::{Value, json};
use tests::upstreams::sac::book::Book;
use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::caller::{Caller, Reply};
use tests::world::prescription::{OTHER_PATIENT, drug, key, paper_number};
use tests::world::wait::{found, passed, until};
use tests::world::{Setup, World};
use tokio::task::JoinHandle;

use super::cells::{Cell, Standing, Verb};
use super::moments::Effect;

/// How long a request that is raced with is on its way. Shorter than a caller waits.
const ON_ITS_WAY_MS: u64 = 700;
/// How long a fault of connections is left to be met by what nobody waits for.
const MET_WITHIN: Duration = Duration::from_millis(300);
const SOON: Duration = Duration::from_secs(15);
/// How long everything may take to come to rest. Past every wait of [`setup`], twice.
const REST_WITHIN: Duration = Duration::from_secs(25);

/// One answer, as its caller heard it.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) verb: Verb,
    /// None came, if there is none.
    pub(super) status: Option<u16>,
    /// The code of a problem, or else the state.
    pub(super) word: String,
    /// Of a problem.
    pub(super) outcome: String,
    pub(super) id: String,
    pub(super) nre: String,
}

/// Everything that is known of a cell at its end.
pub(super) struct Seen {
    /// Every answer, in order.
    pub(super) told: Vec<Heard>,
    /// What the same keys heard at the end.
    pub(super) finally: Vec<Heard>,
    pub(super) is_at_rest: bool,
    pub(super) entry: Reply,
    /// The reasons of its events, in order.
    pub(super) reasons: Vec<String>,
    pub(super) is_unacknowledged: bool,
    /// Prescriptions on disk, without the one that brought a new authentication.
    pub(super) stored: usize,
    pub(super) book: Book,
}

/// Short waits, and a horizon well past the latest commit.
fn setup(cell: &Cell) -> Setup {
    // What is queued stays queued until its caller has spoken.
    let resend_after = if cell.standing == Standing::Queued {
        "10s"
    } else {
        "300ms"
    };
    Setup::default()
        .policy("prescriptions.uncertain", cell.uncertain.as_str())
        .policy("prescriptions.answer_within", "1500ms")
        .policy("prescriptions.calls.write_within", "3s")
        .policy("prescriptions.calls.read_within", "1s")
        .policy("prescriptions.delivery.lease_for", "10s")
        .policy("prescriptions.delivery.resend_after", json!([resend_after]))
        .policy(
            "prescriptions.delivery.verify_after",
            json!(["100ms", "300ms"]),
        )
        .policy("prescriptions.fallback.paper_within", "5s")
        .policy(
            "prescriptions.watch.look_after",
            json!(["300ms", "900ms", "1800ms", "3300ms"]),
        )
        .policy("prescriptions.watch.look_after_recovery", "300ms")
        .policy("prescriptions.watch.horizon", "4500ms")
}

fn body(cell: &Cell) -> Value {
    let mut body = drug();
    body["fallback"] = json!(cell.fallback.as_str());
    body["annul_consent"] = json!(cell.consent);
    body
}

/// The practice at work in one cell.
struct Desk<'a> {
    cell: &'a Cell,
    world: World,
    caller: Caller,
    key: String,
    body: Value,
    /// Of what is done about the prescription.
    about_key: String,
    about_body: Option<Value>,
    told: Vec<Heard>,
}

/// Runs a cell to its end.
///
/// # Panics
///
/// When something that must happen in it does not.
pub(super) async fn run(cell: &Cell) -> Seen {
    let mut desk = Desk::open(cell).await;
    match cell.standing {
        Standing::New => desk.create().await,
        Standing::Sending => desk.race_the_send().await,
        Standing::Registered => desk.race_the_annul().await,
        Standing::Queued | Standing::Uncertain | Standing::Withdrawn => desk.after_the_send().await,
    }
    desk.rest().await
}

impl<'a> Desk<'a> {
    async fn open(cell: &'a Cell) -> Desk<'a> {
        let world = World::with(setup(cell)).await;
        // An authentication is told from the next one by its second.
        let earlier = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
        let caller = world
            .caller("practice-a")
            .authenticated_at(&earlier.to_string());
        let number = || json!({ "number": paper_number() });
        Desk {
            cell,
            caller,
            world,
            key: key(),
            body: body(cell),
            about_key: key(),
            about_body: (cell.verb == Verb::Paper).then(number),
            told: Vec::new(),
        }
    }

    fn prescribing(&self) -> JoinHandle<Heard> {
        let (caller, key, body) = (self.caller.clone(), self.key.clone(), self.body.clone());
        tokio::spawn(async move {
            let reply = caller.try_prescribe(&key, &body).await;
            Heard::of(Verb::Create, reply.ok())
        })
    }

    /// Does what the cell is about.
    fn doing(&self, id: String) -> JoinHandle<Heard> {
        let (caller, key) = (self.caller.clone(), self.about_key.clone());
        let (verb, body) = (self.cell.verb, self.about_body.clone());
        tokio::spawn(async move {
            let what = verb.as_str();
            let reply = caller.try_about_under(&key, &id, what, body.as_ref()).await;
            Heard::of(verb, reply.ok())
        })
    }

    async fn hears(&mut self, answer: JoinHandle<Heard>) {
        self.told.push(answer.await.expect("a caller waits"));
    }

    async fn create(&mut self) {
        self.world.faults(self.cell.strike.rules(Operation::Invio));
        let sent = self.prescribing();
        if self.cell.is_killed() && !self.cell.strike.is_of_connections() {
            self.struck(Operation::Invio).await;
            self.world.kill().await;
            self.hears(sent).await;
            self.restart().await;
        } else {
            self.hears(sent).await;
            self.kill_if_due().await;
        }
        if self.cell.is_killed() {
            self.hears(self.prescribing()).await;
        }
    }

    /// The request for the prescription is still on its way.
    async fn race_the_send(&mut self) {
        let delay = Delay::Fixed { ms: ON_ITS_WAY_MS };
        let mut rules = vec![Rule::on(Operation::Invio, Fault::Slow { delay }).times(1)];
        rules.extend(self.cell.strike.rules(Operation::Invio));
        self.world.faults(rules);
        let sent = self.prescribing();
        self.struck(Operation::Invio).await;
        let id = self.id().await;
        self.hears(self.doing(id.clone())).await;
        if self.cell.is_killed() {
            self.kill_if_due().await;
            self.hears(sent).await;
            self.hears(self.doing(id)).await;
        } else {
            self.hears(sent).await;
        }
    }

    /// The request for the prescription has failed, and nobody looks before its caller has spoken.
    async fn after_the_send(&mut self) {
        let mut rules = self.cell.strike.rules(Operation::Invio);
        let settling = [
            Operation::Visualizza,
            Operation::Interroga,
            Operation::Annulla,
        ];
        let blocked = |operation| Rule::on(operation, Fault::Status { status: 503 });
        rules.extend(settling.map(blocked));
        self.world.faults(rules);
        self.hears(self.prescribing()).await;
        let id = self.id().await;
        if self.cell.standing == Standing::Uncertain {
            self.until_uncertain(&id).await;
        }
        self.hears(self.doing(id.clone())).await;
        self.kill_if_due().await;
        if self.cell.is_killed() {
            self.hears(self.doing(id)).await;
        }
    }

    async fn until_uncertain(&self, id: &str) {
        let is_uncertain =
            |reply: &Reply| matches!(reply.text("/state").as_str(), "uncertain" | "verifying");
        self.caller.until_so(id, "is uncertain", is_uncertain).await;
    }

    /// The prescription is registered, and the annul is struck.
    async fn race_the_annul(&mut self) {
        self.hears(self.prescribing()).await;
        let id = self.id().await;
        self.world
            .faults(self.cell.strike.rules(Operation::Annulla));
        let done = self.doing(id.clone());
        let sends = self.cell.verb == Verb::Cancel || self.cell.consent;
        if !sends || self.cell.strike.is_of_connections() {
            self.hears(done).await;
            if sends {
                passed(MET_WITHIN).await;
            }
            self.kill_if_due().await;
        } else {
            self.struck(Operation::Annulla).await;
            if self.cell.is_killed() {
                self.world.kill().await;
                self.hears(done).await;
                self.restart().await;
            } else {
                self.hears(done).await;
            }
        }
        if self.cell.is_killed() {
            self.hears(self.doing(id)).await;
        }
    }

    async fn struck(&self, operation: Operation) {
        until("the fault has struck", SOON, async || {
            self.has_struck(operation).then_some(())
        })
        .await;
    }

    /// Whether the fault has hit a call; of a delay, whether there was a call.
    fn has_struck(&self, operation: Operation) -> bool {
        let calls = self.world.book().calls(operation);
        match self.cell.strike.fault {
            Fault::Slow { .. } => calls.received > 0,
            _ => calls.faulted > 0,
        }
    }

    async fn kill_if_due(&mut self) {
        if self.cell.is_killed() {
            self.world.kill().await;
            self.restart().await;
        }
    }

    async fn restart(&mut self) {
        self.world.recover();
        let started = self.world.restart().await;
        started.expect("a killed gateway starts again");
    }

    /// The id of the one prescription there is.
    async fn id(&self) -> String {
        until("the prescription is on disk", SOON, async || {
            let reply = self.caller.try_get("/v1/prescriptions").await.ok()?;
            let id = reply.text("/items/0/id");
            (!id.is_empty()).then_some(id)
        })
        .await
    }

    /// A fault that hit nothing shows nothing. Those of connections are not counted.
    fn assert_struck(&self) {
        let operation = match self.cell.standing {
            Standing::Registered => Operation::Annulla,
            _ => Operation::Invio,
        };
        let is_counted = !self.cell.strike.is_of_connections();
        assert!(
            !is_counted || self.has_struck(operation),
            "the fault struck nothing"
        );
    }

    /// The doctor authenticates anew, and writes for another patient.
    async fn authenticate_again(&self) {
        let anew = jiff::Timestamp::now().to_string();
        let mut body = drug();
        body["patient"]["code"] = json!(OTHER_PATIENT);
        let caller = self.caller.clone().authenticated_at(&anew);
        let reply = caller.prescribe(&key(), &body).await;
        assert!(matches!(reply.status, 201 | 202), "{}", reply.code());
    }

    /// The faults end; what everybody knows once nothing moves any more.
    async fn rest(mut self) -> Seen {
        self.assert_struck();
        self.world.recover();
        let id = self.id().await;
        let state = self.caller.prescription(&id).await.text("/state");
        let waits = matches!(state.as_str(), "needs-authorization" | "cancelling");
        let renewed = waits && self.cell.strike.effect == Effect::Unauthorized;
        if renewed {
            self.authenticate_again().await;
        }
        let rested = found(REST_WITHIN, async || {
            let reply = self.caller.prescription(&id).await;
            is_at_rest(&reply).then_some(())
        });
        let is_at_rest = rested.await.is_some();
        let told = std::mem::take(&mut self.told);
        self.hears(self.prescribing()).await;
        if self.cell.verb != Verb::Create {
            self.hears(self.doing(id.clone())).await;
        }
        let events = self.caller.events(&id).await;
        let reason = |event: &Value| event["reason"].as_str().map(str::to_owned);
        Seen {
            told,
            finally: std::mem::take(&mut self.told),
            is_at_rest,
            entry: self.caller.prescription(&id).await,
            reasons: events.iter().filter_map(reason).collect(),
            is_unacknowledged: self.caller.unacknowledged().await.contains(&id),
            stored: self.world.entries().len() - usize::from(renewed),
            book: self.world.book(),
        }
    }
}

/// Nothing of it is moved by the gateway any more, and nothing is waited for.
fn is_at_rest(reply: &Reply) -> bool {
    let state = State::parse(&reply.text("/state"));
    state.is_some_and(|state| !state.is_pending() && state != State::NeedsAuthorization)
        && reply.at("/watched") == false
        && reply.at("/paper_due").is_null()
}

impl Heard {
    fn of(verb: Verb, reply: Option<Reply>) -> Heard {
        let text = |pointer| reply.as_ref().map(|reply| reply.text(pointer));
        let code = text("/code").filter(|code| !code.is_empty());
        Heard {
            verb,
            status: reply.as_ref().map(|reply| reply.status),
            word: code.or(text("/state")).unwrap_or_default(),
            outcome: text("/outcome").unwrap_or_default(),
            id: reply.as_ref().map(Reply::id).unwrap_or_default(),
            nre: text("/nre").unwrap_or_default(),
        }
    }
}
