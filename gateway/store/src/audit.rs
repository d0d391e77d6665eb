//! Who saw what, and who did what: records that nobody without the key can change, take away or put in
//! unnoticed.
//!
//! # Invariants
//!
//! 1. Each record is bound to everything before it ([`chain`](self), HMAC-SHA256), and how far the chain
//!    goes is kept in the store ([`ANCHOR_EVERY`]) and logged: what is changed, moved or cut off is found by
//!    [`verify`], which names the first bad record.
//! 2. The record of a write is in the row of its entry, in one transaction, and is copied from there: no
//!    crash loses it, and none copies it twice.
//! 3. A record is taken only if its place on disk is there already: [`Settings::reserve_bytes`] are held
//!    ahead of what is written. Once they are used up records are refused, and taken again as soon as there
//!    is space, without anybody's help.
//! 4. [`Audit::note_synced`] returns `Ok` once the record is on disk, whatever happens then.
//! 5. Nobody's code or name is in a segment: a person is a keyed digest of a purpose of its own, and all
//!    else is sealed, for its own place in the chain.
//!
//! # Limits
//!
//! [`RECORD_BYTES_MAX`], [`NOTES_MAX`] that wait to be written, [`Settings::segment_bytes_max`] or one day a
//! segment, and what is kept for [`Settings::keep_for`].
//!
//! # Failure
//!
//! Of what [`Audit::note`] took, a kill loses the last [`GATHER_FOR`], and a power cut the last
//! [`SYNC_EVERY`]; [`Audit::close`] loses nothing. What is damaged behind the last anchor, in the last segment,
//! may be what a power cut left: it is kept aside (`*.torn`), cut away, and said ([`Found`]). Any other damage
//! stays as it is, for [`verify`] to name; records go on in a new segment that says so, and those of writes
//! which the store has are taken on once more.
//!
//! Whoever can put back the segments, the database and the ring, all at once, to what they were before, is
//! seen only by a head of the chain that was copied elsewhere: each anchor is logged ([`Known`]).
//!
//! If the thread that writes dies, nothing is taken any more, and [`Settings::on_death`] is told.
//!
//! # Not here
//!
//! What a record says: the gateway writes and reads it, here it is bytes.

mod chain;
mod export;
mod inbox;
mod inlet;
mod segment;
mod start;
mod verify;
mod walk;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use engine::ports::Clock;
use policies::failure::Opaque;
use policies::time::Timestamp;
use tokio::sync::oneshot;

use crate::keys::RingError;
use crate::sqlite::{OpenError, Sqlite};
pub use export::{ExportError, Exported, Seen, export};
pub use inbox::{LeaveError, leave};
use inlet::{Inlet, Note};
pub use verify::{BAD_MAX, Known, NotKnown, Verified, VerifyError, verify};
pub use walk::{Bad, Wrong};
use writer::Writer;

/// The directory of the segments, in that of the store.
pub(crate) const DIRECTORY: &str = "audit";
/// Longest record: a page of a thousand events, and who asked for it.
pub const RECORD_BYTES_MAX: usize = 32 * 1024;
/// Records that may wait to be written: some ten seconds of a gateway at its busiest, a few megabytes.
pub const NOTES_MAX: usize = 16_384;
/// How long records are gathered before they are written, so that a request wakes no thread.
pub const GATHER_FOR: Duration = Duration::from_millis(5);
/// How often what was written is synced, where nobody waits for it.
pub const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How often it is kept in the store how far the chain goes, if it went on.
pub const ANCHOR_EVERY: Duration = Duration::from_secs(60);
/// A person has a right to hear who looked for so long (Garante, 4/6/2015): 24 months.
pub const KEEP_FOR_MIN: Duration = Duration::from_secs(730 * 86_400);

/// One record: what it says, and whom it is about.
///
/// Whom it is about is kept as a keyed digest, and the rest sealed.
#[derive(Clone)]
pub struct Record(Vec<u8>);

impl Record {
    /// A record that says `body` of `person`; empty if it is of nobody in particular.
    pub fn new(body: Vec<u8>, person: &[u8]) -> Record {
        let mut bytes = body;
        let length = u8::try_from(person.len()).unwrap_or(u8::MAX);
        bytes.extend_from_slice(&person[..usize::from(length)]);
        bytes.push(length);
        Record(bytes)
    }

    /// As it is kept in the row of an entry.
    pub fn into_opaque(self) -> Opaque {
        Opaque(self.0)
    }

    fn of(opaque: Opaque) -> Record {
        Record(opaque.0)
    }

    /// The person, if it is about one, and what it says.
    fn parts(&self) -> (Option<&[u8]>, &[u8]) {
        let (length, rest) = self.0.split_last().unwrap_or((&0, &[]));
        let begin = rest.len().saturating_sub(usize::from(*length));
        let (body, person) = rest.split_at(begin);
        (Some(person).filter(|person| !person.is_empty()), body)
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record(…)")
    }
}

/// What an audit needs to know.
pub struct Settings {
    /// The directory of the store.
    pub directory: PathBuf,
    /// What it dates segments by, and tells when their time is over.
    pub clock: Arc<dyn Clock>,
    /// The name of this gateway.
    pub node: String,
    /// Space held ahead of what is written, in bytes.
    pub reserve_bytes: u64,
    /// How long records are kept, at least.
    pub keep_for: Duration,
    /// How long a segment may be, in bytes.
    pub segment_bytes_max: u64,
    /// Told when the thread that writes has died of a defect: only a restart can mend that.
    pub on_death: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Settings {
    /// Settings for the store in `directory` with every limit at its default.
    pub fn new(directory: PathBuf, clock: Arc<dyn Clock>) -> Settings {
        Settings {
            directory,
            clock,
            node: "local".to_owned(),
            // A minute of look-ups at a thousand a second.
            reserve_bytes: 16 * 1024 * 1024,
            keep_for: KEEP_FOR_MIN,
            // What a start reads back at once.
            segment_bytes_max: 64 * 1024 * 1024,
            on_death: None,
        }
    }

    fn segments(&self) -> PathBuf {
        self.directory.join(DIRECTORY)
    }
}

/// Why an audit could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file cannot be read or written.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The keys of the store cannot be used.
    #[error(transparent)]
    Keys(#[from] RingError),
    /// The store does not open to it.
    #[error("the audit cannot read the store")]
    Store(#[source] OpenError),
    /// A row of the store cannot be read.
    #[error("the audit cannot read what the store keeps of it")]
    Row(#[source] rusqlite::Error),
    /// The first anchor cannot be written: without one nobody could tell that there was an audit.
    #[error("the store does not keep that there is an audit")]
    Unanchored,
}

/// The record was not taken: there is no space for it, or the audit has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no record can be written")]
pub struct Unavailable;

/// What a start found that a record should be written of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Bytes behind the anchor that were no records, as a crash leaves them, and were cut away.
    pub torn_bytes: u64,
    /// The first bad record that was met. All of them are found by [`verify`] only.
    pub bad: Option<Bad>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records written since the start.
    pub written: u64,
    /// Records that wait to be written.
    pub waiting: u64,
    /// Records that were refused.
    pub refused: u64,
}

/// Lets nobody wait for a thread that has ended, in whatever way.
struct End {
    inlet: Arc<Inlet>,
    on_death: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.inlet.end();
        if thread::panicking()
            && let Some(tell) = &self.on_death
        {
            tell();
        }
    }
}

/// An audit that takes records.
pub struct Audit {
    inlet: Arc<Inlet>,
    found: Found,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Audit {
    /// Goes on with the chain beside `store`, or begins one. What `store` has of writes that the chain does
    /// not know is written first.
    ///
    /// # Errors
    ///
    /// Where files cannot be read or written. A chain that is damaged is no error ([`Audit::found`]).
    pub fn open(settings: Settings, store: Arc<Sqlite>) -> Result<Audit, StartError> {
        let inlet = Arc::new(Inlet::default());
        let on_death = settings.on_death.clone();
        let (writer, found) = Writer::open(settings, Arc::clone(&store), Arc::clone(&inlet))?;
        let waker = Arc::clone(&inlet);
        store.on_account(Box::new(move || waker.account()));
        let ended = Arc::clone(&inlet);
        let spawned = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || {
                let end = End {
                    inlet: ended,
                    on_death,
                };
                writer.run();
                drop(end);
            });
        let thread = spawned.map_err(|source| StartError::File {
            path: PathBuf::from("the thread of the audit"),
            source,
        })?;
        Ok(Audit {
            inlet,
            found,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What the start found.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Takes a record of what happened at `at`, to be written within [`GATHER_FOR`]. Waits for nothing.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], and then what it is a record of must not be done, or not be shown.
    pub fn note(&self, at: Timestamp, record: Record) -> Result<(), Unavailable> {
        self.inlet.take(Note::new(at, record, None))
    }

    /// The same, once it is on disk.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]: it may be on disk or not.
    pub async fn note_synced(&self, at: Timestamp, record: Record) -> Result<(), Unavailable> {
        let (done, synced) = oneshot::channel();
        self.inlet.take(Note::new(at, record, Some(done)))?;
        synced.await.map_err(|_| Unavailable)
    }

    /// Whether a record would be taken now.
    pub fn is_open(&self) -> bool {
        self.inlet.is_open()
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.inlet.counts()
    }

    /// Waits until all that was taken, and all that the store has, is on disk and anchored.
    pub async fn close(&self) {
        let closed = self.inlet.close();
        // There is no answer: the thread drops its end when it is done, in whatever way.
        drop(closed.await);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}
