//! One process a store, and whether the last one left it in order.
//!
//! The guard is a small locked file beside the database. The operating system drops the lock with
//! the process, so it is never left behind; its one line says how the store was last left.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::OpenError;

/// The file, in the directory of the store.
pub(crate) const FILE: &str = "entries.guard";
/// Both lines have one length, so that the file is rewritten in place, within one disk sector.
const OPEN: &[u8] = b"argine store 1 open  \n";
const CLOSED: &[u8] = b"argine store 1 closed\n";

/// How a store was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was never opened here: new, or a copy that was put back.
    New,
    /// By a process that is gone: what it committed last may stand in the log only.
    Open,
    /// In order: everything stands in the database.
    Closed,
}

/// The lock of a store, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    file: File,
    path: PathBuf,
}

impl Guard {
    /// Takes the lock of the store in `directory` and says how it was left.
    pub(crate) fn take(directory: &Path) -> Result<(Guard, Left), OpenError> {
        let path = directory.join(FILE);
        let failed = |source| OpenError::File {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse {
                directory: directory.to_owned(),
            },
            TryLockError::Error(source) => failed(source),
        })?;
        let mut line = Vec::with_capacity(OPEN.len());
        (&mut file)
            .take(OPEN.len() as u64 + 1)
            .read_to_end(&mut line)
            .map_err(failed)?;
        let left = match line.as_slice() {
            [] => Left::New,
            line if line == CLOSED => Left::Closed,
            // A line that cannot be read is no proof of order.
            _ => Left::Open,
        };
        Ok((Guard { file, path }, left))
    }

    /// Writes down, durably, that a process has the store open.
    pub(super) fn mark_open(&mut self) -> Result<(), OpenError> {
        self.mark(OPEN)
    }

    /// Writes down, durably, that everything stands in the database and its log is empty.
    pub(super) fn mark_closed(&mut self) -> Result<(), OpenError> {
        self.mark(CLOSED)
    }

    /// A guard whose file cannot be written.
    #[cfg(test)]
    pub(super) fn unwritable(directory: &Path) -> Guard {
        let path = directory.join(FILE);
        Guard {
            file: File::open(&path).expect("the guard is there"),
            path,
        }
    }

    fn mark(&mut self, line: &[u8]) -> Result<(), OpenError> {
        let file = &mut self.file;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(line))
            .and_then(|()| file.set_len(line.len() as u64))
            .and_then(|()| file.sync_all())
            .map_err(|source| OpenError::File {
                path: self.path.clone(),
                source,
            })
    }
}
