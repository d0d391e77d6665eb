//! Practices that write, repeat, err, lose patience and come back; that take back what they wrote,
//! write it on paper, and take note of how it ended.

use std::sync::Arc;
use std::time::Duration;

use engine::door::{Matter, Refusal, Submitted, Write};
use engine::entry::{EntryId, Organization};
use policies::delivery::Fallback;
use policies::failure::{Code, Opaque};
use policies::family::Role;
use policies::state::State;
use tokio::task::JoinSet;

use super::asks::About;
use super::chance::Chance;
use super::options::{millis, seconds};
use super::payload::Payload;
use super::world::World;

/// Requests that one caller makes for one thing at most, answered or not.
const REQUESTS_MAX: u64 = 8;

/// Keys of what is done about a prescription begin here, ten to each.
const ABOUT_KEYS: u64 = 10_000;

/// On top of what the policy promises: waiting for a block of numbers, and for the disk.
const SLACK: Duration = millis(500);

/// What a caller who names the longest wait is left of it for the way back.
const WAY_BACK: Duration = seconds(1);

/// The name of an organisation.
pub(crate) fn organization(number: u64) -> Organization {
    Organization(format!("practice-{number}"))
}

/// Sends every caller on its way.
pub(crate) fn arrive(world: &Arc<World>, callers: &mut JoinSet<()>) {
    let chance = Arc::new(Chance::new(world.seed, "callers"));
    let end = world.options.faults_for.as_millis() as u64;
    for key in 0..world.options.callers.writes {
        let caller = Caller::draw(world, &chance, key);
        let at = millis(chance.between(0, end));
        callers.spawn(async move {
            tokio::time::sleep(at).await;
            caller.live().await;
        });
    }
}

/// One caller with one prescription.
#[derive(Clone)]
struct Caller {
    world: Arc<World>,
    chance: Arc<Chance>,
    payload: Payload,
    doctor: u64,
    own_number: Option<Opaque>,
    /// What it asks for; `None`: what the policy says.
    fallback: Option<Fallback>,
    patient_waiting: bool,
    consents: bool,
}

/// What is asked for with one key.
#[derive(Clone, Copy)]
enum Errand {
    Prescribe,
    About(EntryId, Role),
}

impl Caller {
    fn draw(world: &Arc<World>, chance: &Arc<Chance>, key: u64) -> Caller {
        let options = &world.options.callers;
        let organization = chance.between(1, options.organizations);
        // Some bring one that another brings too, or that lies in a lot of ours.
        let place = chance.between(0, 9);
        let number = if chance.hit(0.2) {
            format!(
                "L001-{place:0width$}",
                width = usize::from(world.options.lot_digits)
            )
        } else {
            format!("OWN-{place:04}")
        };
        let own_number = chance
            .hit(options.own_number)
            .then_some(Opaque(number.into_bytes()));
        Caller {
            payload: Payload {
                organization,
                key,
                body: 0,
                request: 0,
                refusable: chance.hit(options.refusable),
            },
            doctor: chance.between(1, options.doctors),
            own_number,
            fallback: None,
            patient_waiting: chance.hit(options.at_the_desk),
            consents: chance.hit(options.consents),
            world: Arc::clone(world),
            chance: Arc::clone(chance),
        }
    }

    /// Writes, and then does something about what it wrote.
    async fn live(self) {
        let Some(told) = self.insist(Errand::Prescribe).await else {
            return;
        };
        let errands = self.errands(&told);
        let mut all = JoinSet::new();
        for (nth, errand, after) in errands {
            let mut caller = self.clone();
            caller.payload.key = ABOUT_KEYS + self.payload.key * 10 + nth;
            all.spawn(async move {
                tokio::time::sleep(after).await;
                caller.insist(errand).await;
            });
        }
        while all.join_next().await.is_some() {}
    }

    /// What it will do, and when.
    fn errands(&self, told: &Submitted) -> Vec<(u64, Errand, Duration)> {
        let options = &self.world.options.callers;
        let entry = &told.entry;
        let is_told_to = entry.state == State::Withdrawn
            && entry.terms.fallback == Fallback::RedRecipe
            && entry.reason != Some(Code::CancelRequested);
        let writes_paper = if is_told_to {
            options.obeys
        } else {
            options.writes_paper
        };
        let drawn = [
            (Role::Paper, writes_paper),
            (Role::Cancel, options.cancels),
            (Role::Cancel, options.cancels * options.repeats),
            (Role::Acknowledge, options.acknowledges),
            (Role::Acknowledge, options.acknowledges * options.repeats),
        ];
        let mut errands = Vec::new();
        for (nth, (role, share)) in drawn.into_iter().enumerate() {
            let (hit, after) = (
                self.chance.hit(share),
                self.chance.span(millis(10), options.within),
            );
            if hit {
                errands.push((nth as u64, Errand::About(entry.id, role), after));
            }
        }
        errands
    }

    /// Asks until it has an answer, and sometimes again after it. What it was told first of all.
    async fn insist(&self, errand: Errand) -> Option<Submitted> {
        let options = self.world.options.callers.clone();
        let mut told = None;
        for _ in 0..REQUESTS_MAX {
            let body = u64::from(self.chance.hit(options.repeats * options.other_body));
            let twice = self.chance.hit(options.at_once);
            let answer = if twice {
                let twin = self.clone();
                let (one, _) = tokio::join!(biased; self.ask(errand, body), twin.ask(errand, body));
                one
            } else {
                self.ask(errand, body).await
            };
            let is_final = match &answer {
                Some(Ok(_)) => true,
                Some(Err(refusal)) => is_final(*refusal),
                None => false,
            };
            if let (Some(Ok(submitted)), None) = (answer, &told) {
                told = Some(submitted);
            }
            if is_final && !self.chance.hit(options.repeats) {
                break;
            }
            tokio::time::sleep(self.chance.span(millis(50), seconds(30))).await;
        }
        told
    }

    /// One request; `None` if there is no gateway, or the caller did not wait for the answer.
    async fn ask(&self, errand: Errand, body: u64) -> Option<Result<Submitted, Refusal>> {
        let (world, options) = (&self.world, &self.world.options.callers);
        let (door, instance) = world.door()?;
        let mut payload = self.payload.clone();
        payload.body = body;
        let mut doctor = self.doctor;
        if matches!(errand, Errand::About(..)) && self.chance.hit(options.meddles) {
            payload.organization = self.chance.between(1, options.organizations + 1);
            doctor = self.chance.between(1, options.doctors + 1);
        }
        let about = match errand {
            Errand::Prescribe => About::New(self.own_number()),
            Errand::About(parent, role) => About::Parent(parent, role),
        };
        world.asks.begin(&mut payload, about.clone());
        let request = payload.request;
        let is_patient = !self.chance.hit(options.leaves);
        let patience = self.chance.span(millis(1), seconds(10));
        let wait_max = self
            .chance
            .hit(options.wait_max)
            .then(|| self.chance.span(millis(1), seconds(10)));
        let again = self.chance.hit(options.authenticates);
        let authority = world.logins.authority(payload.organization, doctor, again);
        let write = Write {
            organization: organization(payload.organization),
            key: payload.key.to_string(),
            fingerprint: Opaque(payload.body.to_be_bytes().to_vec()),
            identity: Opaque(doctor.to_be_bytes().to_vec()),
            authority,
            resumes: true,
            matter: self.matter(&payload, about, instance),
            wait_max,
            trace: None,
            audit: Opaque::default(),
            reply_to: None,
            rules: Arc::new(world.options.policy(instance).clone()),
        };
        let asking = door.submit(write);
        let answer = if is_patient {
            asking.await
        } else {
            match tokio::time::timeout(patience, asking).await {
                Ok(answer) => answer,
                Err(_) => {
                    world.asks.left(request);
                    return None;
                }
            }
        };
        world.asks.hear(world, request, &answer);
        self.was_in_time(request, wait_max);
        Some(answer)
    }

    /// Nobody has a number of a lot that was not given yet.
    fn own_number(&self) -> Option<Opaque> {
        let number = self.own_number.as_ref()?;
        let is_given = self.world.disk.look(|rows| rows.is_ours(number));
        (is_given || number.0.starts_with(b"OWN")).then(|| number.clone())
    }

    /// As the edge makes it, by the policy in force.
    fn matter(&self, payload: &Payload, about: About, instance: u64) -> Matter {
        let rules = &self.world.options.policy(instance).fallback;
        let standard = || rules.standard(self.patient_waiting);
        match about {
            About::New(own_number) => Matter::New {
                payload: payload.bytes(),
                person: None,
                own_number,
                fallback: self.fallback.unwrap_or_else(standard),
                annul_consent: self.consents,
            },
            About::Parent(parent, role) => Matter::About {
                parent,
                role,
                payload: payload.bytes(),
            },
        }
    }

    /// Where disk and process are well, no answer comes later than promised.
    fn was_in_time(&self, request: u64, wait_max: Option<Duration>) {
        let options = &self.world.options;
        let is_well = options.process.freezes == 0
            && options.disk.stalls == 0.0
            && options.process.troubles == 0;
        let answer_within = options.longest(|rules| rules.answer_within);
        let wait_max = wait_max.map(|wait| wait.saturating_sub(WAY_BACK));
        let promised = wait_max.unwrap_or(answer_within).min(answer_within);
        // Every write ahead of it in the one writer's queue, and its own.
        let queue_max = options.writes[0].calls.queue_max as u32;
        let disk = options.disk.write_max * (queue_max + 8) * 2;
        let waited = self.world.asks.waited(request);
        self.world.journal.hold(
            !is_well || waited <= promised + SLACK + disk,
            format_args!("request {request} waited {waited:?}, promised {promised:?}"),
        );
    }
}

/// Whether asking again would bring nothing else.
fn is_final(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::KeyReused
            | Refusal::NumberOurs
            | Refusal::NumberUsed
            | Refusal::NoParent
            | Refusal::OtherIdentity
            | Refusal::Moot(_)
    )
}

/// One more write by a doctor whose entries wait for it, newly authenticated. It is held as long as it
/// takes: one for the desk may be given up before the probe's look ahead of it has ended, every time.
pub(crate) async fn log_in(world: &Arc<World>, organization: u64, doctor: u64, key: u64) {
    let caller = Caller {
        world: Arc::clone(world),
        chance: Arc::new(Chance::new(world.seed, "log in")),
        payload: Payload {
            organization,
            key,
            body: 0,
            request: 0,
            refusable: false,
        },
        doctor,
        own_number: None,
        fallback: Some(Fallback::Hold),
        patient_waiting: false,
        consents: false,
    };
    world.logins.authority(organization, doctor, true);
    drop(caller.ask(Errand::Prescribe, 0).await);
}
