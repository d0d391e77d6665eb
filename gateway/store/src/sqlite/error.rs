//! Why a store does not open, in words that an operator can act on.

use std::io;
use std::path::PathBuf;

use crate::keys::RingError;

/// Why a store could not be opened. Nothing was changed in it, unless said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the store in {directory} is in use by another process")]
    InUse {
        /// Its directory.
        directory: PathBuf,
    },
    /// A restore was cut off before its end.
    #[error("a restore into {directory} was not finished: repeat `argine restore`")]
    HalfRestored {
        /// Its directory.
        directory: PathBuf,
    },
    /// A file or the directory cannot be read, created or written.
    #[error("{path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is a database of another program, or none at all.
    #[error("{path} is not a store of argine; move it away, or name another directory")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later release has migrated it.
    #[error("the store has version {found} and this release knows {known}: use the later release")]
    Newer {
        /// Its version.
        found: i64,
        /// The latest one known here.
        known: usize,
    },
    /// Its keys cannot be used: another master key, or a ring that is damaged, gone or of another
    /// store.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The database was there once, and is not.
    #[error("{path} is gone or empty: restore it (see the store's README, \"When it refuses\")")]
    DatabaseGone {
        /// The file.
        path: PathBuf,
    },
    /// The last process did not close the store, and its log is not there.
    #[error(
        "{path} is gone or empty, and writes that were confirmed may be in it: bring it back \
         (see the store's README, \"When it refuses\")"
    )]
    LogGone {
        /// The file.
        path: PathBuf,
    },
    /// Writes that were confirmed lie behind damage in the log.
    #[error(
        "{path} is damaged, and writes that were confirmed lie behind the damage \
         (see the store's README, \"When it refuses\")"
    )]
    LogDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The database is shorter than it must be.
    #[error("{path} was cut short: restore it (see the store's README, \"When it refuses\")")]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// The file system cannot keep a write-ahead log.
    #[error("the file system under {path} cannot keep a write-ahead log")]
    NoLog {
        /// The file.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("could not {attempt}")]
    Sqlite {
        /// What was being done.
        attempt: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    /// An error of SQLite, met in the attempt to `attempt`.
    pub(super) fn sqlite(attempt: &'static str, error: rusqlite::Error) -> OpenError {
        OpenError::Sqlite {
            attempt,
            source: Box::new(error),
        }
    }
}
