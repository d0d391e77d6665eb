//! Why there is no backup, or nothing was restored, in words that an operator can act on.

use std::io;
use std::path::PathBuf;

use crate::keys::RingError;
use crate::sqlite::OpenError;
use crate::sqlite::copy::CopyError;

/// A file or a directory that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk is full.
    #[error("there is no space left for {path}")]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// It cannot be read, created or written.
    #[error("{path} cannot be used")]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl FileError {
    /// What `source`, met at `path`, says to an operator.
    pub(super) fn new(path: impl Into<PathBuf>, source: io::Error) -> FileError {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                FileError::NoSpace { path }
            }
            _ => FileError::Unusable { path, source },
        }
    }
}

/// Why no backup was made. Nothing of it was left behind, and the store was not touched.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no store in {directory}")]
    NoStore {
        /// The directory of the store.
        directory: PathBuf,
    },
    /// Something lies there that no interrupted backup has left.
    #[error("{path} is in the way: a backup needs a directory that is empty or not there yet")]
    NotEmpty {
        /// What was found.
        path: PathBuf,
    },
    /// A backup inside the store burns with it.
    #[error("{directory} lies inside the store: name a directory on another disk")]
    Inside {
        /// The directory that was named.
        directory: PathBuf,
    },
    /// Another process is making a backup there.
    #[error("another backup is being made in {directory}")]
    Busy {
        /// The directory that was named.
        directory: PathBuf,
    },
    /// The keys of the rows were rotated, or segments of the audit deleted, each time the database had
    /// been copied.
    #[error("{path} changed while the store was copied: repeat it when the keys stay as they are")]
    Unsteady {
        /// The file.
        path: PathBuf,
    },
    /// So much was written meanwhile that the log of the store became a danger to the gateway.
    #[error(
        "{log} grew too long while the store was copied, or filled its disk: repeat it when less is \
         written, or make room"
    )]
    LogGrew {
        /// The log.
        log: PathBuf,
    },
    /// The store is not sound, and nor would a copy of it be.
    #[error("{path} is damaged ({said}): the last backup is better than this store")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says of it.
        said: String,
    },
    /// The database is not ours to copy.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl BackupError {
    pub(super) fn copying(path: PathBuf, error: CopyError) -> BackupError {
        match error {
            CopyError::Open(error) => BackupError::Store(error),
            CopyError::NoSpace => FileError::NoSpace { path }.into(),
            CopyError::LogGrew { log } => BackupError::LogGrew { log },
            CopyError::Damaged(said) => BackupError::Damaged { path, said },
        }
    }

    /// Whether something else must be named or set, and the disks are not to blame.
    pub fn is_misuse(&self) -> bool {
        matches!(
            self,
            BackupError::NoStore { .. }
                | BackupError::NotEmpty { .. }
                | BackupError::Inside { .. }
                | BackupError::Busy { .. }
                | BackupError::Store(OpenError::Ring(RingError::WrongKey))
        )
    }
}

/// Why nothing was restored. What lay in the place of the store lies there still.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no backup, or one that was never finished.
    #[error("{directory} holds no finished backup: {manifest} is not there")]
    NoBackup {
        /// The directory that was named.
        directory: PathBuf,
        /// The file that a backup ends with.
        manifest: &'static str,
    },
    /// A later release made it.
    #[error("the backup has format {found} and this release knows {known}: use the later release")]
    Newer {
        /// Its format.
        found: u32,
        /// The latest one known here.
        known: u32,
    },
    /// It was made under another key.
    #[error("the backup was made under another key than store.key_file holds")]
    OtherKey,
    /// The manifest is not the one that was written.
    #[error("{path} was changed or damaged: take another backup")]
    ManifestChanged {
        /// The manifest.
        path: PathBuf,
    },
    /// A file is not the one that was written.
    #[error("{path} was changed or damaged: take another backup")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file is gone.
    #[error("{path} is missing: take another backup")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file that no backup has put there.
    #[error("{path} does not belong to the backup: move it away, and ask who put it there")]
    Extra {
        /// The file.
        path: PathBuf,
    },
    /// There is a store, or something of one.
    #[error(
        "{path} is part of a store: move that store away as a whole, nothing is written over it"
    )]
    StoreThere {
        /// What was found.
        path: PathBuf,
    },
    /// The copy cannot be used though it is what was written.
    #[error("{path} cannot be used as a store ({said}): take another backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says of it.
        said: String,
    },
    /// The store is in use, or the copy is not ours to open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl RestoreError {
    pub(super) fn examining(path: PathBuf, error: CopyError) -> RestoreError {
        match error {
            CopyError::Open(OpenError::Ring(RingError::WrongKey)) => RestoreError::OtherKey,
            CopyError::Open(error) => RestoreError::Store(error),
            CopyError::NoSpace | CopyError::LogGrew { .. } => FileError::NoSpace { path }.into(),
            CopyError::Damaged(said) => RestoreError::Damaged { path, said },
        }
    }

    /// Whether something else must be named or set, and neither backup nor disks are to blame.
    pub fn is_misuse(&self) -> bool {
        matches!(
            self,
            RestoreError::NoBackup { .. }
                | RestoreError::Newer { .. }
                | RestoreError::OtherKey
                | RestoreError::StoreThere { .. }
                | RestoreError::Store(OpenError::InUse { .. })
        )
    }
}
