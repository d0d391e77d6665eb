//! The store of a single gateway, in one SQLite database.
//!
//! # Invariants
//!
//! Those of [`engine::ports::Store`], each tested by its number, and:
//!
//! 1. One process has a store open at a time.
//! 2. A store that has lost something is refused, with a word on what and what to do; it is never
//!    taken for an empty one.
//! 3. A copy that was put back (without its guard) gives no number that it knows of, and sends
//!    nothing before it has been asked for.
//! 4. Reads go on when writes are refused: on a full disk, and once the writer is poisoned.
//!
//! # Limits
//!
//! [`Settings::entries_max`] pending entries, [`Settings::queue_max`] writes and reads waiting, and
//! [`Settings::size_bytes_max`] on disk.
//!
//! # Failure
//!
//! After [`WriteError::Unknown`] the writer is poisoned: the process must end, start again and
//! find out from the store itself what is on disk ([`Settings::on_poison`]).
//!
//! # Not here
//!
//! Which state follows which is `policies::delivery` and `policies::family`; this module keeps what
//! it is told, and asks the second about what an entry does to its family.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::{
    AppendError, Appended, Clock, Document, Entry, EntryId, Event, Filter, Leased, NewEntry,
    NumberBlock, NumberRange, Organization, Page, ReadError, Recall, Settled, Settlement, Store,
    Swept, Wanted, WriteError,
};
use futures_util::future::BoxFuture;
use policies::failure::Opaque;
use policies::operation::{LaneName, OpName};
use policies::state::Tally;
use policies::time::Timestamp;
use tokio::sync::Notify;

use crate::keys::Keys;
use crate::sealing::{Key, Purpose};
use append::Row;
use audit::Accounts;
pub use error::OpenError;
use reader::Readers;
use settle::Sealed;
pub use start::rewrap;
use tx::Tx;
use writer::Writer;

mod append;
pub(crate) mod audit;
pub(crate) mod copy;
mod drift;
mod error;
mod family;
pub(crate) mod guard;
mod lease;
mod log;
mod numbers;
mod operator;
mod outbox;
mod pushing;
mod query;
mod ranges;
pub(crate) mod reader;
pub(crate) mod reseal;
mod restore;
mod retire;
mod row;
pub(crate) mod schema;
mod settle;
pub(crate) mod start;
mod step;
mod tx;
mod verdict;
mod watch;
mod writer;

/// Called once, by the writing thread, when this process must not write any more.
pub type Poisoned = Arc<dyn Fn() + Send + Sync>;

/// What a store needs to know.
pub struct Settings {
    /// Where its files are; created if it is not there.
    pub directory: PathBuf,
    /// What its keys are wrapped under.
    pub key: Key,
    /// What it measures leases and stamps events by.
    pub clock: Arc<dyn Clock>,
    /// The operation that takes back what was given up and is there all the same.
    pub undo_op: OpName,
    /// The name of this gateway, written with every entry it accepts.
    pub node: String,
    /// How many entries may be pending before new ones are refused.
    pub entries_max: u64,
    /// How many writes, and how many reads, may wait in front of the threads.
    pub queue_max: usize,
    /// How many threads read.
    pub readers: usize,
    /// How large the database may grow before writes are refused as if the disk were full; its log
    /// comes on top. `None`: as large as the disk.
    pub size_bytes_max: Option<u64>,
    /// Told when the writer is poisoned.
    pub on_poison: Option<Poisoned>,
}

impl Settings {
    /// Settings for `directory` with every limit at its default.
    pub fn new(directory: PathBuf, key: Key, clock: Arc<dyn Clock>, undo_op: OpName) -> Settings {
        Settings {
            directory,
            key,
            clock,
            undo_op,
            node: "local".to_owned(),
            // A regional weekend without the SAC.
            entries_max: 1_000_000,
            // Sixteen groups: a queue that is longer only makes its callers time out.
            queue_max: 1_024,
            readers: 2,
            size_bytes_max: None,
            on_poison: None,
        }
    }
}

/// An open store.
///
/// Dropping it lets its threads finish what was handed over, without waiting for them;
/// [`Sqlite::close`] waits.
pub struct Sqlite {
    writer: Writer,
    readers: Readers,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    /// Rung when something was put into the outbox.
    pushable: Arc<Notify>,
    accounts: Arc<Accounts>,
    directory: PathBuf,
}

impl Sqlite {
    /// Opens the store, or creates it where there is none. Leases of the process that had it
    /// before have ended: their entries are uncertain.
    pub fn open(settings: &Settings) -> Result<Sqlite, OpenError> {
        start::open(settings, writer::commit)
    }

    /// What it seals with.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Whether this process must not write any more, and should end.
    pub fn poisoned(&self) -> bool {
        self.writer.poisoned()
    }

    /// Finishes what was handed over, leaves the store in order and waits for its threads to end.
    /// What comes later is refused.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn append_all(&self, entries: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        let count = entries.len();
        let sealer = self.keys.sealer();
        // Sealed here, on the caller's side, so that the one writing thread only writes.
        let rows: Vec<_> = entries
            .into_iter()
            .map(|entry| Row::seal(&sealer, entry))
            .collect();
        let held = Arc::clone(&sealer);
        let write = move |tx: &mut Tx<'_>| {
            let _until_written = held;
            append::append(tx, rows)
        };
        match self.writer.write(write).await {
            Ok(outcomes) => outcomes
                .into_iter()
                .map(|outcome| outcome.and_then(|stored| stored.open(&sealer)))
                .collect(),
            Err(WriteError::Refused) => vec![Err(AppendError::Refused); count],
            Err(WriteError::Unknown) => vec![Err(AppendError::Unknown); count],
        }
    }

    async fn settle_all(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, WriteError> {
        let sealer = self.keys.sealer();
        let sealed = settlements
            .into_iter()
            .map(|settlement| Sealed::seal(&sealer, settlement))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| {
                tracing::error!("a settlement could not be sealed");
                WriteError::Refused
            })?;
        self.writer
            .write(move |tx| {
                let _until_written = sealer;
                settle::settle(tx, &sealed)
            })
            .await?
    }
}

impl Store for Sqlite {
    fn append(&self, entries: Vec<NewEntry>) -> BoxFuture<'_, Vec<Result<Appended, AppendError>>> {
        Box::pin(self.append_all(entries))
    }

    fn recall(
        &self,
        organization: Organization,
        key: String,
        fingerprint: Opaque,
    ) -> BoxFuture<'_, Result<Recall, ReadError>> {
        let sealer = self.keys.sealer();
        Box::pin(async move {
            // What a failed sync left behind, readers may see and the next process may not.
            if self.poisoned() {
                return Err(ReadError::Unavailable);
            }
            let key = append::key_digest(&sealer, &organization, &key);
            let fingerprint = sealer.digest(Purpose::Fingerprint, &[&fingerprint.0]);
            self.readers
                .read(move |conn| query::recall(conn, &sealer, &key, &fingerprint))
                .await
        })
    }

    fn lease_due(
        &self,
        wanted: Wanted,
        entries_max: usize,
        lease_for: Duration,
    ) -> BoxFuture<'_, Result<Vec<Leased>, WriteError>> {
        Box::pin(async move {
            let sealer = self.keys.sealer();
            let held = self
                .writer
                .write(move |tx| lease::lease_due(tx, wanted, entries_max, lease_for))
                .await?;
            Ok(held.into_iter().map(|held| held.open(&sealer)).collect())
        })
    }

    fn settle(
        &self,
        settlements: Vec<Settlement>,
    ) -> BoxFuture<'_, Result<Vec<Settled>, WriteError>> {
        Box::pin(self.settle_all(settlements))
    }

    fn sweep(&self, entries_max: usize) -> BoxFuture<'_, Result<Swept, WriteError>> {
        Box::pin(self.writer.write(move |tx| settle::sweep(tx, entries_max)))
    }

    fn hasten_watches(
        &self,
        lane: LaneName,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        Box::pin(async move {
            let mut hastened = 0;
            // Every watch of an outage may be among them: others write in between.
            loop {
                let more = self.writer.write(move |tx| watch::hasten(tx, lane, at));
                let more = more.await?;
                hastened += more;
                if more < watch::HASTENED_MAX {
                    return Ok(hastened);
                }
            }
        })
    }

    fn reauthorize(
        &self,
        organization: Organization,
        identity: Opaque,
        authority: Opaque,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        let identity = self.keys.sealer().digest(Purpose::Identity, &[&identity.0]);
        Box::pin(
            self.writer
                .write(move |tx| settle::reauthorize(tx, &organization.0, identity, &authority)),
        )
    }

    fn next_due(&self, wanted: Wanted) -> BoxFuture<'_, Result<Option<Timestamp>, ReadError>> {
        let now = self.clock.now();
        Box::pin(
            self.readers
                .read(move |conn| Ok(lease::next_due(conn, wanted, now)?)),
        )
    }

    fn get(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        let sealer = self.keys.sealer();
        Box::pin(
            self.readers
                .read(move |conn| query::get(conn, &sealer, &organization.0, id)),
        )
    }

    fn list(
        &self,
        organization: Organization,
        filter: Filter,
        page: Page,
    ) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        let sealer = self.keys.sealer();
        Box::pin(
            self.readers
                .read(move |conn| query::list(conn, &sealer, &organization.0, &filter, page)),
        )
    }

    fn events(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Option<Vec<Event>>, ReadError>> {
        Box::pin(
            self.readers
                .read(move |conn| query::events(conn, &organization.0, id)),
        )
    }

    fn events_after(
        &self,
        organization: Organization,
        after: u64,
        events_max: usize,
    ) -> BoxFuture<'_, Result<Vec<Event>, ReadError>> {
        Box::pin(
            self.readers
                .read(move |conn| query::events_after(conn, &organization.0, after, events_max)),
        )
    }

    fn document(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Document, ReadError>> {
        let sealer = self.keys.sealer();
        Box::pin(
            self.readers
                .read(move |conn| query::document(conn, &sealer, &organization.0, id)),
        )
    }

    fn authority_awaited(&self) -> BoxFuture<'_, Result<bool, ReadError>> {
        Box::pin(
            self.readers
                .read(|conn| Ok(query::authority_awaited(conn)?)),
        )
    }

    fn tally(&self) -> BoxFuture<'_, Result<Tally, ReadError>> {
        Box::pin(self.readers.read(query::tally))
    }

    fn add_range(&self, range: NumberRange) -> BoxFuture<'_, Result<bool, WriteError>> {
        Box::pin(async move {
            self.writer
                .write(move |tx| numbers::add_range(tx, range))
                .await?
        })
    }

    fn lease_block(
        &self,
        numbers_max: u64,
    ) -> BoxFuture<'_, Result<Option<NumberBlock>, WriteError>> {
        Box::pin(
            self.writer
                .write(move |tx| numbers::lease_block(tx, numbers_max)),
        )
    }

    fn numbers_left(&self) -> BoxFuture<'_, Result<u64, ReadError>> {
        Box::pin(self.readers.read(|conn| Ok(numbers::left(conn)?)))
    }
}
