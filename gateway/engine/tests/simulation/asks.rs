//! What callers asked and what they were told, and whether that was true when they heard it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::door::{Refusal, Submitted};
use engine::ports::{Entry, EntryId};
use policies::failure::Opaque;
use policies::family::Role;
use policies::state::State;
use policies::time::Timestamp;

use super::callers::organization;
use super::journal::Journal;
use super::payload::Payload;
use super::rows::Rows;
use super::world::World;

/// What came of one request.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    /// Nothing yet.
    Waits,
    /// Its caller went away.
    Left,
    /// It is on disk, and stands so.
    Stored(Box<Entry>),
    /// Nobody knows.
    Unknown,
    /// Surely not stored by this request.
    NotStored,
}

/// What a request is about.
#[derive(Debug, Clone)]
pub(crate) enum About {
    /// A new prescription, under its caller's own number or one of ours.
    New(Option<Opaque>),
    /// One that is there.
    Parent(EntryId, Role),
}

/// One request.
pub(crate) struct Ask {
    pub(crate) payload: Payload,
    pub(crate) about: About,
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
    pub(crate) fn begin(&self, payload: &mut Payload, about: About) {
        let mut asks = self.all();
        payload.request = asks.len() as u64;
        let role = match &about {
            About::New(_) => Role::Create,
            About::Parent(_, role) => *role,
        };
        asks.push(Ask {
            payload: payload.clone(),
            about,
            heard: Heard::Waits,
            began_at: self.journal.now(),
        });
        self.journal.note(format_args!(
            "request {}: {} by key {} of {}",
            payload.request,
            role.as_str(),
            payload.key,
            payload.organization
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
            Ok(submitted) => Heard::Stored(Box::new(submitted.entry.clone())),
            Err(Refusal::Unknown) => Heard::Unknown,
            Err(_) => Heard::NotStored,
        };
        let (payload, about) = {
            let mut asks = self.all();
            let ask = &mut asks[request as usize];
            ask.heard = heard;
            (ask.payload.clone(), ask.about.clone())
        };
        match told {
            Ok(submitted) => self.told_stored(world, &payload, &about, submitted),
            Err(refusal) => {
                self.journal
                    .note(format_args!("request {request}: {refusal:?}"));
                let is_true = self.is_reason(world, &payload, &about, *refusal);
                self.journal.hold(
                    is_true,
                    format_args!("request {request} was told {refusal:?} without a reason"),
                );
            }
        }
    }

    fn told_stored(&self, world: &World, payload: &Payload, about: &About, submitted: &Submitted) {
        let entry = &submitted.entry;
        let place = world.disk.look(|rows| rows.place(entry.id));
        let request = payload.request;
        self.journal.note(format_args!(
            "request {request}: entry {place:?} {} {:?}, replayed {}",
            entry.state.as_str(),
            entry.reason,
            submitted.replayed
        ));
        self.journal.hold(
            place.is_some(),
            format_args!("request {request} was told stored, and nothing is"),
        );
        if let About::Parent(..) = about {
            return;
        }
        let book = world.far.book();
        let record = book.records.get(&entry.number);
        let is_theirs = record.is_some_and(|record| record.is_of(payload));
        self.journal.hold(
            entry.state != State::Registered || is_theirs,
            format_args!("request {request} was told registered, and the book has nothing"),
        );
        self.journal.hold(
            entry.state != State::Rejected || !is_theirs || entry.watched,
            format_args!("request {request} was told rejected, and the book has it"),
        );
    }

    fn is_reason(&self, world: &World, payload: &Payload, about: &About, refusal: Refusal) -> bool {
        let (organization, key) = (organization(payload.organization), payload.key.to_string());
        let own_number = match about {
            About::New(number) => number.as_ref(),
            About::Parent(..) => None,
        };
        let rows = |at: &dyn Fn(&Rows) -> bool| world.disk.look(at);
        match refusal {
            Refusal::KeyReused => rows(&|rows| {
                let row = rows.of_key(&organization, &key);
                row.is_some_and(|row| Payload::read(&row.new.payload).body != payload.body)
            }),
            Refusal::InFlight => self.all().iter().any(|other| {
                let waits = matches!(other.heard, Heard::Waits | Heard::Left);
                let same = other.payload.key == payload.key
                    && other.payload.organization == payload.organization;
                waits && same && other.payload.request != payload.request
            }),
            Refusal::NumberOurs => {
                rows(&|rows| own_number.is_some_and(|number| rows.is_ours(number)))
            }
            Refusal::NumberUsed => {
                rows(&|rows| own_number.is_some_and(|number| rows.of_number(number).is_some()))
            }
            Refusal::Full => rows(&|rows| rows.pending() >= world.options.disk.entries_max),
            Refusal::Refused => world.disk.has_refused(payload.request),
            Refusal::Disabled => false,
            Refusal::NoParent => match about {
                About::Parent(id, _) => rows(&|rows| rows.entry(&organization, *id).is_none()),
                About::New(_) => false,
            },
            Refusal::OtherIdentity => matches!(about, About::Parent(_, Role::Cancel | Role::Paper)),
            Refusal::Moot(_) => matches!(about, About::Parent(..)),
            Refusal::NumbersExhausted | Refusal::Busy | Refusal::Stopping | Refusal::Unknown => {
                true
            }
        }
    }

    /// How long the request has waited.
    pub(crate) fn waited(&self, request: u64) -> std::time::Duration {
        let began_at = self.all()[request as usize].began_at;
        self.journal.now().since(began_at)
    }
}
