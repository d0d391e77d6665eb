//! What passes between lanes and store: entries, leases, settlements, numbers.

mod number;
mod reply_to;

use std::fmt;
use std::time::Duration;

use policies::delivery::Terms;
use policies::failure::{Code, Opaque};
use policies::family::Role;
use policies::operation::{LaneName, OpName};
use policies::state::State;
use policies::time::Timestamp;
use uuid::Uuid;

pub use number::{BlockId, NumberBlock, NumberRange, NumberUse};
pub use reply_to::ReplyTo;

/// The name of one accepted write (UUID version 7: later ones sort later).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub Uuid);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The organisation a caller acts for; only it may see what it wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Organization(pub String);

/// A write to be stored.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Its name, chosen by the lane.
    pub id: EntryId,
    /// Its lane.
    pub lane: LaneName,
    /// Its operation.
    pub op: OpName,
    /// What it is to its prescription.
    pub role: Role,
    /// Entries under one order key leave in the order they were appended: all of one prescription.
    pub order_key: EntryId,
    /// The entry it waits for and, in any role but [`Role::Create`], is about.
    pub depends_on: Option<EntryId>,
    /// Who wrote it.
    pub organization: Organization,
    /// The caller's `Idempotency-Key`, unique within its organisation. Stored as a keyed digest.
    pub key: String,
    /// What the caller sent, to tell a repetition from another request. Stored as a keyed digest.
    pub fingerprint: Opaque,
    /// The person concerned, to search by. Stored as a keyed digest.
    pub person: Option<Opaque>,
    /// The number it goes under.
    pub number: NumberUse,
    /// The authority it acts under, as a name. Stored as a keyed digest.
    pub identity: Opaque,
    /// The request, as its adapter reads it. Stored sealed. A cancel is sent with its parent's, and
    /// brings none.
    pub payload: Opaque,
    /// The authority itself. Stored sealed.
    pub authority: Opaque,
    /// What the caller was promised.
    pub terms: Terms,
    /// How it begins.
    pub start: Start,
    /// The trace of the request that wrote it (W3C `traceparent`).
    pub trace: Option<String>,
    /// Who wrote it, as the audit will say. Stored sealed, in the entry's own row: a write that is on
    /// disk can always be accounted for.
    pub audit: Opaque,
    /// Where the events of its prescription are pushed to from now on.
    pub reply_to: Option<ReplyTo>,
}

/// How a new entry begins. A dependent begins where its parent lets it
/// ([`policies::family::turn`]); `Leased` then means: leased, if it may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As `sending`, leased for this long, its first send counted.
    Leased(Duration),
    /// Due to be sent.
    Due,
    /// Given up before anything was sent, for this reason.
    Withdrawn(Code),
}

/// What `append` did.
#[derive(Debug, Clone)]
pub enum Appended {
    /// It is on disk.
    Accepted {
        /// When, on the store's clock.
        at: Timestamp,
        /// Where it stands: a dependent may be settled already.
        state: State,
        /// The epoch of the first lease; 0 where there is none.
        epoch: u64,
        /// What to send, where it was appended leased and goes out with its parent's request.
        request: Option<Box<Request>>,
    },
    /// What it is about stands so that there is nothing it could do. Nothing was stored.
    Moot(State),
    /// What it is about is not there for this organisation. Nothing was stored.
    NoParent,
    /// What it is about was written under another identity, and it needs that one
    /// ([`policies::family::needs_writer`]). Nothing was stored.
    OtherIdentity,
    /// The key was used for the same request: this is its entry, as it stands now.
    Replay(Box<Entry>),
    /// The key was used for another request.
    KeyReused,
    /// The caller's own number lies in a range that was ever ours.
    NumberOurs,
    /// The number is held by another entry.
    NumberUsed,
}

/// What is known of an earlier write under a key.
#[derive(Debug, Clone)]
pub enum Recall {
    /// There is none.
    Nothing,
    /// The same request was stored: this is its entry, as it stands now.
    Replay(Box<Entry>),
    /// Another request was stored.
    KeyReused,
}

/// Why `append` gave no answer about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// As many entries are pending as the policy allows. Nothing was stored.
    #[error("the store holds as many pending entries as it may")]
    Full,
    /// It could not be written: no space, read-only, closed. Nothing was stored.
    #[error("the store refused the write")]
    Refused,
    /// It may be on disk or not: repeat it with the same key after the restart.
    #[error("the store does not know whether the write is on disk")]
    Unknown,
}

/// Why another write did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Nothing was written.
    #[error("the store refused the write")]
    Refused,
    /// It may be on disk or not.
    #[error("the store does not know whether the write is on disk")]
    Unknown,
}

/// Why something could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store cannot be read now.
    #[error("the store cannot be read")]
    Unavailable,
    /// The row is damaged, or sealed under another key.
    #[error("the row cannot be unsealed")]
    Damaged,
}

/// What an attempt sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The request, as the adapter reads it.
    pub payload: Opaque,
    /// The number it goes under; empty where the operation has none.
    pub number: Opaque,
    /// The authority it acts under.
    pub authority: Opaque,
    /// The trace it belongs to.
    pub trace: Option<String>,
}

impl Request {
    /// A request with nothing in it.
    pub fn empty() -> Request {
        let nothing = Opaque::default();
        Request {
            payload: nothing.clone(),
            number: nothing.clone(),
            authority: nothing,
            trace: None,
        }
    }
}

/// Which queue of a lane to lease from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The lane.
    pub lane: LaneName,
    /// The operation, which has a gate of its own. Watches are of the operation that undoes.
    pub op: OpName,
    /// Entries to send (`accepted`), or entries to verify (`uncertain`).
    pub verify: bool,
}

/// An entry in the hands of one deliverer.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Its name.
    pub id: EntryId,
    /// Its operation, as stored.
    pub op: String,
    /// What it is to its prescription.
    pub role: Role,
    /// When it was stored.
    pub accepted_at: Timestamp,
    /// The lease; a settlement must name it.
    pub epoch: u64,
    /// When the lease ends: what could outlast it must not begin.
    pub lease_until: Timestamp,
    /// `sending` or `verifying`.
    pub state: State,
    /// How often it was or may have been sent, this lease's send included.
    pub sends: u32,
    /// Attempts without an outcome since the last progress.
    pub failures: u32,
    /// Why it stood where it stood before the lease.
    pub reason: Option<Code>,
    /// What the caller was promised.
    pub terms: Terms,
    /// What to send; `Err` if the row does not unseal.
    pub request: Result<Request, ReadError>,
}

/// What became of a leased entry.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Its name.
    pub id: EntryId,
    /// The lease it was held under.
    pub epoch: u64,
    /// Its new state, never a leased one.
    pub state: State,
    /// When it is due again; `None` where nothing more is to be done.
    pub due: Option<Timestamp>,
    /// How often it was or may have been sent.
    pub sends: u32,
    /// Attempts without an outcome since the last progress.
    pub failures: u32,
    /// Why it stands there, where there is a reason to give.
    pub reason: Option<Code>,
    /// The receipt or the refusal, as the edge reads it. Stored sealed; `None` keeps what is there.
    pub answer: Option<Opaque>,
    /// The document that came with it. Stored sealed.
    pub document: Option<Opaque>,
    /// What becomes of its number.
    pub number: Renumber,
}

impl Settlement {
    /// Given up while its one send may still be under way: its number is watched.
    pub fn withdrawn(id: EntryId, epoch: u64, reason: Code) -> Settlement {
        Settlement {
            id,
            epoch,
            state: State::Withdrawn,
            due: None,
            sends: 1,
            failures: 0,
            reason: Some(reason),
            answer: None,
            document: None,
            number: Renumber::Watched,
        }
    }
}

/// What becomes of the number of an entry that is let go of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renumber {
    /// It stays the entry's.
    Kept,
    /// It stays the entry's, and a watch over it begins.
    Watched,
    /// A watch over it begins, and the entry goes on under this one.
    Replaced(NumberUse),
}

/// What `settle` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is on disk.
    Settled,
    /// Another lease or a command was faster; the entry stands here now. Where the settlement says
    /// that the upstream applied it, a watch over the entry is due at once.
    Stale(State),
    /// The number it was to go on under is held by another entry. Nothing was written.
    NumberUsed,
}

/// An entry as its owner may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// Its operation.
    pub op: String,
    /// Where it stands.
    pub state: State,
    /// Why, where there is a reason to give.
    pub reason: Option<Code>,
    /// When it was stored.
    pub accepted_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What the caller was promised.
    pub terms: Terms,
    /// Its number. May leave the gateway only once the entry is registered.
    pub number: Opaque,
    /// The receipt or the refusal.
    pub answer: Option<Opaque>,
    /// What its paper form said, where one was confirmed.
    pub paper: Option<Opaque>,
    /// Whether its prescriber has taken note of how it ended.
    pub acknowledged: bool,
    /// Whether a number of it is watched.
    pub watched: bool,
    /// Until when the number of a paper form is waited for.
    pub paper_due: Option<Timestamp>,
}

/// One step of an entry's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order of all events.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub entry: EntryId,
    /// The state it reached.
    pub state: State,
    /// Why.
    pub reason: Option<Code>,
}

/// Which entries to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only under this number.
    pub number: Option<Opaque>,
    /// Only of this person.
    pub person: Option<Opaque>,
    /// Only those that must have reached their prescriber and were not acknowledged.
    pub unacknowledged: bool,
    /// Only stored at or after this instant.
    pub from: Option<Timestamp>,
    /// Only stored before this instant.
    pub to: Option<Timestamp>,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Continue after this entry.
    pub after: Option<EntryId>,
    /// At most this many.
    pub entries_max: usize,
}

/// What a sweep over the store found to be late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Entries past their deadline, now parked.
    pub parked: usize,
    /// Withdrawn entries for which no paper form was confirmed in time.
    pub papers_missing: usize,
}

/// The document of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// No such entry for this organisation.
    NoEntry,
    /// The entry is there, and not registered: not yet, or not for long.
    NotRegistered(State),
    /// Registered, and the upstream sent no document.
    None,
    /// The document.
    Found(Opaque),
}
