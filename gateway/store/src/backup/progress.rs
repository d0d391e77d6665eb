//! How far a backup or a restore has come, for whoever waits for it.

use std::fmt;

/// A step that is being taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// The database is being copied.
    Database {
        /// So far.
        copied_bytes: u64,
        /// What the original weighs; its copy may weigh less.
        of_bytes: u64,
    },
    /// A file is being copied.
    Copying {
        /// From the directory of the store.
        file: &'a str,
    },
    /// A copy is being checked from its first page to its last.
    Checking {
        /// From the directory of the store.
        file: &'a str,
    },
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        match self {
            Progress::Database {
                copied_bytes,
                of_bytes,
            } => write!(
                f,
                "copying {}: {} of {} MiB",
                super::DATABASE,
                mebibytes(*copied_bytes),
                mebibytes(*of_bytes)
            ),
            Progress::Copying { file } => write!(f, "copying {file}"),
            Progress::Checking { file } => write!(f, "checking {file}"),
        }
    }
}
