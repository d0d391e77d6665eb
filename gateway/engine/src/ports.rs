//! Everything the engine needs from outside, so that the whole core also runs under a simulator.
//!
//! The engine owns these traits; adapters implement [`Upstream`], the store implements [`Store`].
//! What they carry is bytes, operations, keys and numbers: no health data has a type here.

mod landings;

use std::time::Duration;

use futures_util::future::BoxFuture;
use policies::failure::Failure;
use policies::operation::{LaneName, OpName};
use policies::time::Timestamp;
use tracing::Span;

pub use crate::callbacks::{Callback, MayReceive, Outbox, Pushed, Receivers, Unreadable, Waiting};
pub use crate::entry::{
    AppendError, Appended, BlockId, Document, Entry, EntryId, Event, Filter, Leased, NewEntry,
    NumberBlock, NumberRange, NumberUse, Organization, Page, ReadError, Recall, Renumber, ReplyTo,
    Request, Settled, Settlement, Start, Swept, Wanted, WriteError,
};
pub use crate::lookup::{Digest, LookupKey, Shelved, Tag};
pub use landings::{Found, Landings};
use policies::failure::Opaque;
use policies::state::{State, Tally};

/// What an upstream said, once the adapter has understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The part that decides.
    pub fact: Fact,
    /// The relations of the person it is about, where it is about one.
    pub tags: Vec<Tag>,
    /// The adapter's receipt, as the edge will read it back (JSON).
    pub body: Opaque,
    /// The document that came with it (the SAC's promemoria, PDF).
    pub document: Option<Opaque>,
}

/// The part of an answer that delivery decides by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The write was applied.
    Done,
    /// The upstream holds nothing under this number.
    Absent,
    /// The upstream holds the number, with our content, in this standing.
    Found(policies::delivery::Standing),
    /// A range of numbers was given to us.
    Range(NumberRange),
}

/// One upstream system, reached through its adapter.
pub trait Upstream: Send + Sync {
    /// Calls `op`. The future ends within `within`, whatever the upstream does.
    ///
    /// Every failure is classified here, where the protocol is known: above all whether the
    /// request may have been applied.
    fn call<'a>(
        &'a self,
        op: OpName,
        request: &'a Request,
        within: Duration,
    ) -> BoxFuture<'a, Result<Answer, Failure>>;
}

/// Time, anchored to the wall clock once and monotonic from there; a suspended machine does not stop it.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
    /// Ends after `span`.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// Chance.
pub trait Rng: Send + Sync {
    /// A number in `[0, 1)`.
    fn unit(&self) -> f64;
}

/// Who watches the engine: metrics and traces. Nothing here waits or fails.
pub trait Signals: Send + Sync {
    /// The span of one attempt, linked to the request of trace `trace` (W3C `traceparent`) that
    /// caused it.
    fn attempt(&self, lane: LaneName, op: OpName, trace: Option<&str>) -> Span;

    /// The span of one call to an upstream, part of the attempt that is entered.
    fn call(&self, op: OpName) -> Span;

    /// A call has ended; `outcome` is `ok` or the word of its failure.
    fn called(
        &self,
        call: &Span,
        lane: LaneName,
        op: OpName,
        outcome: &'static str,
        took: Duration,
    );

    /// A look-up was answered or refused; `result` is the word of its way or refusal.
    fn looked_up(&self, lane: LaneName, op: OpName, result: &'static str);

    /// A write was put on disk.
    fn accepted(&self, lane: LaneName, op: OpName);

    /// A write came to rest in `state`.
    fn settled(&self, lane: LaneName, op: OpName, state: State);

    /// A push to a receiver has ended; `result` is `delivered`, `failed` or `given-up`.
    fn pushed(&self, result: &'static str);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Signals for Unwatched {
    fn attempt(&self, _: LaneName, _: OpName, _: Option<&str>) -> Span {
        Span::none()
    }

    fn call(&self, _: OpName) -> Span {
        Span::none()
    }

    fn called(&self, _: &Span, _: LaneName, _: OpName, _: &'static str, _: Duration) {}

    fn looked_up(&self, _: LaneName, _: OpName, _: &'static str) {}

    fn accepted(&self, _: LaneName, _: OpName) {}

    fn settled(&self, _: LaneName, _: OpName, _: State) {}

    fn pushed(&self, _: &'static str) {}
}

/// Answers about persons, kept through a restart. Node-local, and first to go when space runs out:
/// what it loses is asked for again.
///
/// # Invariants
///
/// 1. What is read back was put under that key, whole; what does not open is gone, never another
///    value.
/// 2. An answer never seems younger than it is, whatever the wall clock did between two processes:
///    where its age cannot be told it says so ([`Shelved::age_is_floor`]).
/// 3. What was purged or swept is not read back, not even after a restart.
pub trait Shelf: Send + Sync {
    /// The answer under `key`, whatever its age.
    fn get(&self, key: LookupKey) -> BoxFuture<'_, Result<Option<Shelved>, ReadError>>;

    /// Keeps an answer in place of what was kept under its key. Once this has ended well it
    /// survives a crash of the process, though not a power cut.
    fn put(&self, answer: Shelved) -> BoxFuture<'_, Result<(), WriteError>>;

    /// Forgets one answer.
    fn remove(&self, key: LookupKey) -> BoxFuture<'_, Result<(), WriteError>>;

    /// Forgets every answer about `person`; how many.
    fn purge(&self, person: Digest) -> BoxFuture<'_, Result<usize, WriteError>>;

    /// Forgets up to `answers_max` answers that were given before `before`; how many. Space that they
    /// took holds nothing of them any more.
    fn sweep(
        &self,
        before: Timestamp,
        answers_max: usize,
    ) -> BoxFuture<'_, Result<usize, WriteError>>;
}

/// What operators set while the gateway runs, kept through restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorState {
    /// Its name.
    pub name: String,
    /// Its value, sealed on disk: it names who set it, and why.
    pub value: Opaque,
}

/// Where what operators set is kept, beside the entries and as durably.
pub trait OperatorStates: Send + Sync {
    /// Keeps a value under `name`, or forgets it (`None`). On disk once this has ended well.
    fn put_operator_state(
        &self,
        name: String,
        value: Option<Opaque>,
    ) -> BoxFuture<'_, Result<(), WriteError>>;

    /// Everything that is kept, by name.
    fn operator_states(&self) -> BoxFuture<'_, Result<Vec<OperatorState>, ReadError>>;
}

/// Durable state. Batch-shaped: one call may carry many rows and costs one disk write.
///
/// # Invariants
///
/// 1. `append` answers `Accepted` only after the entry, its number, its idempotency key and the
///    mark of its number block are on disk, all in one transaction.
/// 2. A number is held by one entry, for ever.
/// 3. An entry is leased by one deliverer at a time; every lease raises its epoch, and a settlement
///    under an older epoch changes nothing ([`Settled::Stale`]).
/// 4. A lease that ran out, or whose process is gone, leaves its entry *uncertain*, never due.
/// 5. A full store refuses; it never evicts.
/// 6. What an entry does to its prescription, and a prescription to what depends on it
///    ([`policies::family`]), is one transaction with the step that caused it.
/// 7. Watches, cancels and everything else that is about a prescription are its dependents: a caller
///    reads of the prescription alone (`get`, `list`, events), and the tally counts it alone.
/// 8. After an error that leaves a commit unknown nothing more is written by this process, and
///    every later write is answered as unknown, not as refused: it may be a repetition.
pub trait Store: Send + Sync {
    /// Stores new entries; one result each, in order.
    fn append(&self, entries: Vec<NewEntry>) -> BoxFuture<'_, Vec<Result<Appended, AppendError>>>;

    /// What became of an earlier write under `key`; asked before a write is refused for any reason
    /// of ours, because "nothing was stored" must be true. Once a commit is unknown this is
    /// [`ReadError::Unavailable`]: only the next process can tell.
    fn recall(
        &self,
        organization: Organization,
        key: String,
        fingerprint: Opaque,
    ) -> BoxFuture<'_, Result<Recall, ReadError>>;

    /// Leases up to `entries_max` due entries of `wanted`, earliest deadline first.
    ///
    /// Entries leased to be sent have this send already counted in `sends`: if the process dies
    /// now, the count is on disk.
    fn lease_due(
        &self,
        wanted: Wanted,
        entries_max: usize,
        lease_for: Duration,
    ) -> BoxFuture<'_, Result<Vec<Leased>, WriteError>>;

    /// Records what became of leased entries; one result each, in order, each its own transaction.
    fn settle(
        &self,
        settlements: Vec<Settlement>,
    ) -> BoxFuture<'_, Result<Vec<Settled>, WriteError>>;

    /// Ends leases that ran out, whether or not anything can be leased at present. Then parks up to
    /// `entries_max` entries whose deadline has passed, unleased ones and those that wait
    /// for their prescriber, and gives as many withdrawn ones whose paper form was not confirmed in
    /// time the reason `paper-missing`. A watch has no deadline.
    fn sweep(&self, entries_max: usize) -> BoxFuture<'_, Result<Swept, WriteError>>;

    /// Lets every watch of `lane` look at `at`, unless it is due before: the upstream has recovered,
    /// and may now apply what it kept back. How many.
    fn hasten_watches(
        &self,
        lane: LaneName,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<usize, WriteError>>;

    /// Gives the entries of `identity` that need authorization a new authority and makes them due
    /// again; how many.
    fn reauthorize(
        &self,
        organization: Organization,
        identity: Opaque,
        authority: Opaque,
    ) -> BoxFuture<'_, Result<usize, WriteError>>;

    /// When the next unleased entry of `wanted` is due, or a running lease of it ends.
    fn next_due(&self, wanted: Wanted) -> BoxFuture<'_, Result<Option<Timestamp>, ReadError>>;

    /// One entry of `organization`; `None` also if it is another's.
    fn get(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>>;

    /// Entries of `organization` that pass `filter`, newest first.
    fn list(
        &self,
        organization: Organization,
        filter: Filter,
        page: Page,
    ) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>>;

    /// The events of one entry of `organization`, oldest first; `None` if it is not there.
    fn events(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Option<Vec<Event>>, ReadError>>;

    /// The events of `organization` with a sequence number above `after`, oldest first.
    fn events_after(
        &self,
        organization: Organization,
        after: u64,
        events_max: usize,
    ) -> BoxFuture<'_, Result<Vec<Event>, ReadError>>;

    /// The document that came with the registration of an entry of `organization`.
    fn document(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Document, ReadError>>;

    /// Whether some entry waits for its prescriber; costs nothing that grows with the store.
    fn authority_awaited(&self) -> BoxFuture<'_, Result<bool, ReadError>>;

    /// How many entries stand where.
    fn tally(&self) -> BoxFuture<'_, Result<Tally, ReadError>>;

    /// Stores a range of numbers; `false` if it was known, and is left as it is.
    fn add_range(&self, range: NumberRange) -> BoxFuture<'_, Result<bool, WriteError>>;

    /// Takes a block of up to `numbers_max` numbers for this process, durably, before one is given
    /// out; first what remains of blocks of processes that are gone. `None` if no range has any.
    fn lease_block(
        &self,
        numbers_max: u64,
    ) -> BoxFuture<'_, Result<Option<NumberBlock>, WriteError>>;

    /// How many numbers are in no block yet.
    fn numbers_left(&self) -> BoxFuture<'_, Result<u64, ReadError>>;
}
