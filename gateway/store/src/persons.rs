//! Answers about persons, kept through a restart in a SQLite file of their own.
//!
//! # Invariants
//!
//! Those of [`engine::ports::Shelf`], each tested by its number, and:
//!
//! 1. Nothing personal is in clear on disk, and what was purged or swept is in no file of the shelf any
//!    more, not even sealed. (The file system may still hold blocks that were given back to it.)
//! 2. A purge, once answered, outlasts a power cut; everything else outlasts its process.
//! 3. Whatever happens to the file, the gateway goes on: a row that does not open is gone, a damaged
//!    file (or one under another key) is begun anew, and one that cannot be opened is tried again
//!    with every group of writes.
//!
//! # Limits
//!
//! [`PersonsSettings::size_bytes_max`] on disk: beyond it the oldest answers go. An answer of more than
//! [`PersonsSettings::answer_bytes_max`] is refused. [`PersonsSettings::queue_max`] writes and reads
//! wait.
//!
//! # Failure
//!
//! On a full disk puts are refused and reads go on. The shelf lets its reserve of space go, gives its
//! log back to the disk and then, once a second at most, some of its oldest answers: it is first to go,
//! before a prescription has no room. It keeps nothing new before its reserve fits on the disk again.
//!
//! # Not here
//!
//! The lock: only who holds the store of the same directory opens its shelf. How old an answer may
//! be is `policies::freshness`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::ports::{Clock, Digest, LookupKey, ReadError, Shelf, Shelved, WriteError};
use futures_util::future::BoxFuture;
use policies::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::keys::Keys;
use crate::sealing::Sealer;
use crate::sqlite::reader::{Readers, Unread};
use change::Change;
pub use machine::{Machine, Reading, ThisMachine};
use row::Row;
use scale::Scale;
use writer::{Shared, Writer};

mod change;
mod file;
mod machine;
mod reseal;
mod reserve;
mod row;
mod scale;
mod writer;

/// Answers that one step of a sweep deletes: puts are written in between, and wait for some
/// milliseconds.
const SWEPT_AT_ONCE: usize = 100;

/// What a shelf needs to know.
pub struct PersonsSettings {
    /// The directory of the store, which this process has open already.
    pub directory: PathBuf,
    /// What it seals with, as the store does.
    pub keys: Arc<Keys>,
    /// What its callers measure time by.
    pub clock: Arc<dyn Clock>,
    /// Whose clocks tell how long no process was there.
    pub machine: Arc<dyn Machine>,
    /// How large the file may grow; its log (4 MiB and a group) and 8 MiB of reserve
    /// come on top.
    pub size_bytes_max: u64,
    /// The largest answer that is kept, its relations included.
    pub answer_bytes_max: usize,
    /// How many writes, and how many reads, may wait in front of the threads.
    pub queue_max: usize,
    /// How many threads read.
    pub readers: usize,
}

impl PersonsSettings {
    /// Settings for `directory` with every limit at its default.
    pub fn new(directory: PathBuf, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> PersonsSettings {
        PersonsSettings {
            directory,
            keys,
            clock,
            machine: Arc::new(ThisMachine),
            // A million persons in two views of some two kilobytes each.
            size_bytes_max: 4 * 1024 * 1024 * 1024,
            // A person with a hundred exemptions has a tenth of it.
            answer_bytes_max: 64 * 1024,
            queue_max: 1_024,
            readers: 2,
        }
    }
}

/// An open shelf.
///
/// Dropping it lets its threads finish what was handed over, without waiting for them;
/// [`Persons::close`] waits.
pub struct Persons {
    shared: Arc<Shared>,
    writer: Writer,
    readers: Readers<Reader>,
    answer_bytes_max: usize,
}

impl Persons {
    /// Opens the shelf, or creates it where there is none. One that cannot be opened is no error:
    /// until it can be, nothing is found and nothing is kept.
    ///
    /// # Errors
    ///
    /// Its threads could not be started.
    pub fn open(settings: &PersonsSettings) -> io::Result<Persons> {
        let shared = Arc::new(Shared {
            directory: settings.directory.clone(),
            keys: Arc::clone(&settings.keys),
            scale: Scale::new(Arc::clone(&settings.clock), Arc::clone(&settings.machine)),
            size_bytes_max: settings.size_bytes_max,
            generation: AtomicU64::new(0),
        });
        let writer = Writer::start(Arc::clone(&shared), settings.queue_max)?;
        let connections = (0..settings.readers.max(1)).map(|_| Reader::default());
        Ok(Persons {
            readers: Readers::start("persons", connections.collect(), settings.queue_max)?,
            writer,
            shared,
            answer_bytes_max: settings.answer_bytes_max,
        })
    }

    /// Finishes what was handed over and waits for the threads to end. What comes later is refused.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn find(&self, key: LookupKey) -> Result<Option<Shelved>, ReadError> {
        let generation = self.shared.generation.load(Ordering::Acquire);
        let shared = Arc::clone(&self.shared);
        let sealer = self.shared.keys.sealer();
        let found = self
            .readers
            .read(move |reader| reader.find(&shared, &sealer, key))
            .await;
        match found {
            Ok(Found::Nothing) => Ok(None),
            Ok(Found::Answer(answer)) => Ok(Some(answer)),
            Ok(Found::Damaged) => {
                tracing::error!("an answer about a person cannot be unsealed and is forgotten");
                self.writer.pass(Change::Remove(key));
                Ok(None)
            }
            Err(ReadError::Damaged) => {
                self.writer.broken(generation);
                Ok(None)
            }
            Err(ReadError::Unavailable) => Err(ReadError::Unavailable),
        }
    }

    /// Seals `answer` here, on the caller's side, so that the one writing thread only writes.
    fn seal(&self, answer: &Shelved) -> Option<Change> {
        let sealer = self.shared.keys.sealer();
        let Some(moment) = self.shared.scale.moment() else {
            // The file was never opened; this may open it, and the next answer is kept.
            self.writer.pass(Change::Remove(answer.key));
            return None;
        };
        let row = Row::seal(sealer, &moment, answer).ok();
        let row = row.filter(|row| row.sealed.len() <= self.answer_bytes_max);
        if row.is_none() {
            tracing::error!("an answer about a person is too large to be kept");
        }
        row.map(Change::Put)
    }
}

impl Shelf for Persons {
    fn get(&self, key: LookupKey) -> BoxFuture<'_, Result<Option<Shelved>, ReadError>> {
        Box::pin(self.find(key))
    }

    fn put(&self, answer: Shelved) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            let put = self.seal(&answer).ok_or(WriteError::Refused)?;
            self.writer.write(put).await.map(drop)
        })
    }

    fn remove(&self, key: LookupKey) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(async move { self.writer.write(Change::Remove(key)).await.map(drop) })
    }

    fn purge(&self, person: Digest) -> BoxFuture<'_, Result<usize, WriteError>> {
        Box::pin(self.writer.write(Change::Purge(person)))
    }

    fn sweep(
        &self,
        before: Timestamp,
        answers_max: usize,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        Box::pin(async move {
            let moment = self.shared.scale.moment().ok_or(WriteError::Refused)?;
            let before = moment.stamp(before);
            let mut swept = 0;
            while swept < answers_max {
                let answers_max = SWEPT_AT_ONCE.min(answers_max - swept);
                let step = Change::Sweep {
                    before,
                    answers_max,
                };
                let more = self.writer.write(step).await?;
                swept += more;
                if more < answers_max {
                    break;
                }
            }
            Ok(swept)
        })
    }
}

/// What lies under a key.
enum Found {
    Nothing,
    Answer(Shelved),
    Damaged,
}

/// What a reading thread owns.
#[derive(Default)]
struct Reader {
    conn: Option<Connection>,
    generation: u64,
}

impl Reader {
    fn find(&mut self, shared: &Shared, sealer: &Sealer, key: LookupKey) -> Result<Found, Unread> {
        let conn = self.open(shared)?;
        let row = conn
            .prepare_cached(
                "SELECT fetched_at, sealed FROM answers WHERE person = ?1 AND question = ?2",
            )?
            .query_row(params![key.person, key.question], |row| {
                Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))
            })
            .optional();
        let (fetched_at, sealed) = match row {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(Found::Nothing),
            Err(error @ rusqlite::Error::SqliteFailure(..)) => return Err(error.into()),
            // A column holds something else than it must.
            Err(_) => return Ok(Found::Damaged),
        };
        let Some(moment) = shared.scale.moment() else {
            return Ok(Found::Nothing);
        };
        let opened = row::open(sealer, &moment, key, fetched_at, &sealed);
        Ok(opened.map_or(Found::Damaged, Found::Answer))
    }

    /// The connection to the file that is open now.
    fn open(&mut self, shared: &Shared) -> Result<&Connection, Unread> {
        let generation = shared.generation.load(Ordering::Acquire);
        if self.conn.is_none() || self.generation != generation {
            self.conn = None;
            if generation == 0 {
                return Err(Unread::Failed(rusqlite::Error::InvalidQuery));
            }
            self.conn = Some(file::open_reader(&shared.directory)?);
            self.generation = generation;
        }
        self.conn
            .as_ref()
            .ok_or(Unread::Failed(rusqlite::Error::InvalidQuery))
    }
}
