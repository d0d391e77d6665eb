//! What callers asked and what they were told, and whether that was true when they heard it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::door::{Refusal, Submitted};
use engine::ports::EntryId;
use policies::failure::Opaque;
use policies::state::State;
use policies::time::Timestamp;

use super::callers::organization;
use super::journal::Journal;
use super::payload::Payload;
use super::world::World;

/// What came of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing yet.
    Waits,
    /// Its caller went away.
    Left,
    /// 2xx: it is on disk.
    Stored(EntryId),
    /// Nobody knows.
    Unknown,
    /// Surely not stored by this request.
    NotStored(Refusal),
}

/// One request.
pub(crate) struct Ask {
    pub(crate) payload: Payload,
    pub(crate) own_number: Option<Opaque>,
    pub(crate) heard: Heard,
    began_at: Timestamp,
}

/// All requests, in order.
pub(crate) struct Asks {
    asks: Mutex<Vec<Ask>>,
    journal: Arc<Journal>,
}

impl Asks {
    pub(crate) fn new(journal: Arc<Journal>) -> Asks {
        Asks {
            asks: Mutex::default(),
            journal,
        }
    }

    pub(crate) fn all(&self) -> MutexGuard<'_, Vec<Ask>> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins; its payload is told its number.
    pub(crate) fn begin(&self, payload: &mut Payload, own_number: Option<Opaque>) {
        let mut asks = self.all();
        payload.request = asks.len() as u64;
        asks.push(Ask {
            payload: payload.clone(),
            own_number,
            heard: Heard::Waits,
            began_at: self.journal.now(),
        });
        self.journal.note(format_args!(
            "request {} for key {} of {}",
            payload.request, payload.key, payload.organization
        ));
    }

    pub(crate) fn left(&self, request: u64) {
        self.journal
            .note(format_args!("request {request}: its caller left"));
        self.all()[request as usize].heard = Heard::Left;
    }

    /// The caller has heard: it must be true now.
    pub(crate) fn hear(&self, world: &World, request: u64, told: &Result<Submitted, Refusal>) {
        let heard = match told {
            Ok(submitted) => Heard::Stored(submitted.entry.id),
            Err(Refusal::Unknown) => Heard::Unknown,
            Err(refusal) => Heard::NotStored(*refusal),
        };
        let (payload, own_number) = {
            let mut asks = self.all();
            let ask = &mut asks[request as usize];
            ask.heard = heard;
            (ask.payload.clone(), ask.own_number.clone())
        };
        match told {
            Ok(submitted) => self.told_stored(world, &payload, submitted),
            Err(refusal) => self.told_refused(world, &payload, own_number.as_ref(), *refusal),
        }
    }

    fn told_stored(&self, world: &World, payload: &Payload, submitted: &Submitted) {
        let entry = &submitted.entry;
        let place = world.disk.look(|rows| rows.place(entry.id));
        let state = entry.state.as_str();
        let request = payload.request;
        self.journal.note(format_args!(
            "request {request}: entry {place:?} {state}, replayed {}",
            submitted.replayed
        ));
        let in_book = world.far.book().live.get(&entry.number).cloned();
        let is_theirs = in_book.as_ref().is_some_and(|live| live.key == payload.key);
        self.journal.hold(
            entry.state != State::Registered || is_theirs,
            format_args!("request {request} was told registered, and the book has nothing"),
        );
        self.journal.hold(
            entry.state != State::Rejected || in_book.is_none(),
            format_args!("request {request} was told rejected, and the book has it"),
        );
        self.journal.hold(
            place.is_some(),
            format_args!("request {request} was told stored, and nothing is"),
        );
    }

    fn told_refused(
        &self,
        world: &World,
        payload: &Payload,
        own_number: Option<&Opaque>,
        refusal: Refusal,
    ) {
        let request = payload.request;
        self.journal
            .note(format_args!("request {request}: {refusal:?}"));
        let (organization, key) = (organization(payload.organization), payload.key.to_string());
        let is_true = match refusal {
            Refusal::KeyReused => world.disk.look(|rows| {
                let row = rows.of_key(&organization, &key);
                row.is_some_and(|row| Payload::read(&row.new.payload).body != payload.body)
            }),
            Refusal::InFlight => self.all().iter().any(|other| {
                let waits = matches!(other.heard, Heard::Waits | Heard::Left);
                let same = other.payload.key == payload.key
                    && other.payload.organization == payload.organization;
                waits && same && other.payload.request != request
            }),
            Refusal::NumberOurs => world
                .disk
                .look(|rows| own_number.is_some_and(|number| rows.is_ours(number))),
            Refusal::NumberUsed => world
                .disk
                .look(|rows| own_number.is_some_and(|number| rows.of_number(number).is_some())),
            Refusal::Full => world
                .disk
                .look(|rows| rows.pending() >= world.options.disk.entries_max),
            Refusal::Refused => world.disk.has_refused(request),
            Refusal::Disabled => false,
            Refusal::NumbersExhausted | Refusal::Busy | Refusal::Stopping | Refusal::Unknown => {
                true
            }
        };
        self.journal.hold(
            is_true,
            format_args!("request {request} was told {refusal:?} without a reason"),
        );
    }

    /// How long the request has waited.
    pub(crate) fn waited(&self, request: u64) -> std::time::Duration {
        let began_at = self.all()[request as usize].began_at;
        self.journal.now().since(began_at)
    }
}
