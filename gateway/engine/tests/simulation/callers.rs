//! Practices that write, repeat, err, lose patience and come back.

use std::sync::Arc;
use std::time::Duration;

use engine::door::{Refusal, Submitted, Write};
use engine::entry::Organization;
use policies::failure::Opaque;
use tokio::task::JoinSet;

use super::chance::Chance;
use super::options::{millis, seconds};
use super::payload::Payload;
use super::world::World;

/// Requests that one caller makes for one prescription at most, answered or not.
const REQUESTS_MAX: u64 = 8;

/// On top of what the policy promises: waiting for a block of numbers, and for the disk.
const SLACK: Duration = millis(500);

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
            caller.insist().await;
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
            world: Arc::clone(world),
            chance: Arc::clone(chance),
        }
    }

    /// Asks until it has an answer, and sometimes again after it.
    async fn insist(self) {
        let options = self.world.options.callers.clone();
        for _ in 0..REQUESTS_MAX {
            let body = if self.chance.hit(options.repeats * options.other_body) {
                1
            } else {
                0
            };
            let twice = self.chance.hit(options.at_once);
            let answer = if twice {
                let twin = self.clone();
                let (one, _) = tokio::join!(biased; self.ask(body), twin.ask(body));
                one
            } else {
                self.ask(body).await
            };
            let again = match answer {
                Some(Ok(_)) => self.chance.hit(options.repeats),
                Some(Err(Refusal::KeyReused | Refusal::NumberOurs | Refusal::NumberUsed)) => {
                    self.chance.hit(options.repeats)
                }
                _ => true,
            };
            if !again {
                return;
            }
            tokio::time::sleep(self.chance.span(millis(50), seconds(30))).await;
        }
    }

    /// One request; `None` if there is no gateway, or the caller did not wait for the answer.
    async fn ask(&self, body: u64) -> Option<Result<Submitted, Refusal>> {
        let (world, options) = (&self.world, &self.world.options.callers);
        let door = world.door()?;
        let mut payload = self.payload.clone();
        payload.body = body;
        let own_number = self.own_number();
        world.asks.begin(&mut payload, own_number.clone());
        let request = payload.request;
        let is_patient = !self.chance.hit(options.leaves);
        let patience = self.chance.span(millis(1), seconds(10));
        let wait_max = self
            .chance
            .hit(options.wait_max)
            .then(|| self.chance.span(millis(1), seconds(10)));
        let authority = world.logins.authority(
            self.payload.organization,
            self.doctor,
            self.chance.hit(options.authenticates),
        );
        let write = self.write(&payload, own_number, authority, wait_max);
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

    fn write(
        &self,
        payload: &Payload,
        own_number: Option<Opaque>,
        authority: Opaque,
        wait_max: Option<Duration>,
    ) -> Write {
        Write {
            organization: organization(payload.organization),
            key: payload.key.to_string(),
            fingerprint: Opaque(payload.body.to_be_bytes().to_vec()),
            person: None,
            own_number,
            identity: Opaque(self.doctor.to_be_bytes().to_vec()),
            authority,
            payload: payload.bytes(),
            wait_max,
            trace: None,
        }
    }

    /// Where disk and process are well, no answer comes later than promised.
    fn was_in_time(&self, request: u64, wait_max: Option<Duration>) {
        let options = &self.world.options;
        let is_well = options.process.freezes == 0
            && options.disk.stalls == 0.0
            && options.process.troubles == 0;
        let answer_within = options.writes.answer_within;
        let promised = wait_max.unwrap_or(answer_within).min(answer_within);
        // Every write ahead of it in the one writer's queue, and its own.
        let disk = options.disk.write_max * (options.writes.calls.queue_max as u32 + 8) * 2;
        let waited = self.world.asks.waited(request);
        self.world.journal.hold(
            !is_well || waited <= promised + SLACK + disk,
            format_args!("request {request} waited {waited:?}, promised {promised:?}"),
        );
    }
}

/// One more write by a doctor whose entries wait for it, newly authenticated.
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
    };
    world.logins.authority(organization, doctor, true);
    drop(caller.ask(0).await);
}
