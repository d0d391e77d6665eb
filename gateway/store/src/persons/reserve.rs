//! Space held back, so that a shelf can give space back to a disk that has none left.
//!
//! Folding a log makes the database grow before the log shrinks, and deleting a row writes a log
//! first. Letting the reserve go makes room for both.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FILE: &str = "persons.reserve";
/// The longest log, and a group of the largest answers on top.
const RESERVE_BYTES: u64 = 8 * 1024 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;

/// A file of zeros.
pub(super) struct Reserve {
    path: PathBuf,
    is_there: bool,
}

impl Reserve {
    pub(super) fn of(directory: &Path) -> Reserve {
        let path = directory.join(FILE);
        let length = fs::metadata(&path).map(|file| file.len());
        Reserve {
            is_there: length.is_ok_and(|length| length == RESERVE_BYTES),
            path,
        }
    }

    /// Takes the space, if it is not held; an error if there is none.
    pub(super) fn hold(&mut self) -> io::Result<()> {
        if !self.is_there {
            self.write().inspect_err(|_| self.release())?;
            self.is_there = true;
        }
        Ok(())
    }

    /// Gives the space back.
    pub(super) fn release(&mut self) {
        self.is_there = false;
        // One that cannot be deleted is found there by the next `hold`, and written over.
        drop(fs::remove_file(&self.path));
    }

    fn write(&self) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.path)?;
        for _ in 0..RESERVE_BYTES / CHUNK_BYTES as u64 {
            // Written, not only named: a hole takes no space.
            file.write_all(&[0; CHUNK_BYTES])?;
        }
        Ok(())
    }
}
