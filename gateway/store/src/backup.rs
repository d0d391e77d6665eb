//! A copy of a store that is in use, and the way back from it.
//!
//! # Invariants
//!
//! 1. A backup is whole or it is none: its manifest gets its name last, when everything else is on
//!    disk. What a backup that was cut off has left is cleared away by the next one in its place.
//! 2. The gateway goes on writing meanwhile, and waits for nothing.
//! 3. Everything in it is sealed as it is in the store; the key is not in it.
//! 4. What is restored is what was backed up, byte for byte, or nothing; and it is known as restored
//!    until a gateway has taken that into account ([`crate::sqlite`], invariant 3).
//! 5. The ring in it opens every row and every segment of the audit in it, and the audit is not behind the
//!    rows.
//! 6. A restore writes over nothing. Cut off anywhere, it has not happened, no gateway starts on what
//!    there is, and repeating it finishes it.
//!
//! # Limits
//!
//! While the database is copied its log is not reused, and grows by what is written meanwhile; the gateway
//! folds it in one go when the copy has ended. A copy is given up when the log passes
//! [`Making::log_bytes_max`], or its disk has less than `FREE_BYTES_MIN` left.
//!
//! # Not here
//!
//! `persons.db` can be asked for again, and the less of it lies around the better; `entries.guard`
//! says how a store was left on this machine, and a copy was not left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use policies::time::Timestamp;

use crate::keys::KeyId;
use crate::sealing::Key;
use crate::sqlite::OpenError;
use crate::sqlite::copy::{self, CopyError};
pub use error::{BackupError, FileError, RestoreError};
use files::Sum;
use manifest::{FileLine, Manifest, StoreLine};
pub use progress::Progress;
pub use restore::{Restored, Restoring, restore};
use target::Target;

mod error;
mod files;
mod manifest;
mod progress;
mod restore;
mod target;

/// The database.
const DATABASE: &str = "entries.db";
/// The ring of keys, wrapped.
const KEYS: &str = crate::keys::file::FILE;
/// Its log.
const LOG: &str = "entries.db-wal";
/// Files that are replaced whole when they change. What is sealed in the database needs them.
const REPLACED: &[&str] = &[KEYS];
/// Directories of files that only grow at their end.
const GROWING: &[&str] = &["audit"];
/// Whoever changes keys so often is at something else: the backup can wait.
const ATTEMPTS_MAX: u32 = 3;
/// How often it is looked how long the log has become.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// After how many such looks it is said how far the copy of the database has come: a second.
const LOOKS_UNTOLD: u32 = 50;
/// What the log of a store in use may grow to: a disk takes a second or two to fold it, and for that long
/// the gateway writes nothing.
pub const LOG_BYTES_MAX: u64 = 256 << 20;
/// What a log that nobody stands in the way of may weigh: not a copy's doing.
const LOG_BYTES_USUAL: u64 = 32 << 20;
/// What a log that grows leaves of the disk of the store.
const FREE_BYTES_MIN: u64 = 128 << 20;

/// What is to be copied, and where to.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    /// The directory of the store.
    pub store: &'a Path,
    /// A directory that is empty or not there yet; its parent is there.
    pub to: &'a Path,
    /// The store's key.
    pub key: &'a Key,
    /// When.
    pub now: Timestamp,
    /// The release that does it.
    pub release: &'a str,
    /// What the log of the store may grow to meanwhile ([`LOG_BYTES_MAX`]).
    pub log_bytes_max: u64,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Prescriptions in it.
    pub prescriptions: u64,
    /// Files in it, the manifest left out.
    pub files: usize,
    /// What they weigh.
    pub size_bytes: u64,
}

/// Makes a backup of a store, whether or not a gateway is using it.
///
/// # Errors
///
/// Why there is none. Nothing of it was left, unless the disk did not let us.
pub fn make(making: &Making<'_>, tell: &dyn Fn(Progress<'_>)) -> Result<Made, BackupError> {
    let database = making.store.join(DATABASE);
    if !files::is_there(&database)? {
        return Err(BackupError::NoStore {
            directory: making.store.to_owned(),
        });
    }
    let target = Target::claim(making.to, making.store)?;
    let (contents, lines) = copy_steady(making, &database, target.path(), tell)?;
    let store = StoreLine {
        schema: contents.schema,
        instance: contents.instance,
    };
    let made = Made {
        prescriptions: contents.prescriptions,
        files: lines.len(),
        size_bytes: lines.iter().map(|line| line.size_bytes).sum(),
    };
    let made_by = (making.now, making.release);
    target.finish(&Manifest::new(making.key, made_by, store, lines))?;
    Ok(made)
}

/// Copies the database, the audit and the ring, in this order: the record of who did something may be ahead
/// of what was done and is never behind, and the ring has the key of every segment that was copied.
fn copy_steady(
    making: &Making<'_>,
    database: &Path,
    to: &Path,
    tell: &dyn Fn(Progress<'_>),
) -> Result<(copy::Contents, Vec<FileLine>), BackupError> {
    let (ring, copied) = (making.store.join(KEYS), to.join(DATABASE));
    let failed = |error| BackupError::copying(database.to_owned(), error);
    let mut changed = PathBuf::new();
    for _ in 0..ATTEMPTS_MAX {
        for part in [DATABASE].iter().chain(GROWING) {
            files::remove(&to.join(part))?;
        }
        let before = keys_of_rows(&ring, read_ring(&ring)?.as_deref(), making.key)?;
        files::create(&copied, b"")?;
        copy_database((database, &copied), making, tell).map_err(failed)?;
        let mut audit = Vec::new();
        for directory in GROWING {
            audit.extend(copy_growing(making.store, to, directory, tell)?);
        }
        let after = read_ring(&ring)?;
        // The copied rows may name a key that is gone by now, or one that was not there yet.
        if keys_of_rows(&ring, after.as_deref(), making.key)? != before {
            changed.clone_from(&ring);
            continue;
        }
        // A segment is deleted before its key is.
        let gone = audit.iter().map(|line| making.store.join(&line.path));
        if let Some(gone) = gone.into_iter().find(|path| !path.exists()) {
            changed = gone;
            continue;
        }
        sync_file(&copied)?;
        let mut lines = vec![FileLine::new(DATABASE.to_owned(), files::sum(&copied)?)];
        if let Some(bytes) = after {
            tell(Progress::Copying { file: KEYS });
            let sum = files::create(&to.join(KEYS), &bytes)?;
            lines.push(FileLine::new(KEYS.to_owned(), sum));
        }
        lines.extend(audit);
        tell(Progress::Checking { file: DATABASE });
        let contents = copy::examine(&copied, to, making.key).map_err(failed)?;
        return Ok((contents, lines));
    }
    Err(BackupError::Unsteady { path: changed })
}

/// The ring as it is now; none in a store that no release with rings has opened.
fn read_ring(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new(path, error)),
    }
}

/// Those of the audit come and go with its segments, and no row names them.
fn keys_of_rows(
    path: &Path,
    ring: Option<&[u8]>,
    key: &Key,
) -> Result<Option<Vec<KeyId>>, BackupError> {
    let read = |bytes| crate::keys::file::keys_of_rows(path, bytes, key);
    Ok(ring.map(read).transpose().map_err(OpenError::Ring)?)
}

/// Copies the database in a thread of its own; says meanwhile how far it has come, and gives it up when the
/// log grows too long.
fn copy_database(
    (from, to): (&Path, &Path),
    making: &Making<'_>,
    tell: &dyn Fn(Progress<'_>),
) -> Result<(), CopyError> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let (of_bytes, log, key) = (length(from), making.store.join(LOG), making.key);
    // The copy begins once its end has been taken, and when it is over the sender is dropped.
    let (running, ended) = sync_channel(0);
    thread::scope(|scope| {
        let copying = scope.spawn(move || {
            copy::take(from, to, key, |stop| {
                // Whoever receives it waits for the end of this thread.
                running.send(stop).expect("it is received");
                running
            })
        });
        let mut stop = None;
        let (mut is_too_long, mut looks) = (false, 0_u32);
        loop {
            if looks.is_multiple_of(LOOKS_UNTOLD) {
                tell(Progress::Database {
                    copied_bytes: length(to),
                    of_bytes,
                });
            }
            looks = looks.wrapping_add(1);
            match ended.recv_timeout(LOOK_EVERY) {
                Ok(handle) => stop = Some(handle),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let bytes = length(&log);
            is_too_long |= bytes > making.log_bytes_max
                || bytes > LOG_BYTES_USUAL && files::free_bytes(making.store) < FREE_BYTES_MIN;
            if is_too_long && let Some(stop) = &stop {
                stop.interrupt();
            }
        }
        let copied = copying.join().expect("a copy fails, and does not panic");
        copied.map_err(|error| match is_too_long {
            true => CopyError::LogGrew { log },
            false => error,
        })
    })
}

/// Copies each file of a directory up to where it ends at this moment.
fn copy_growing(
    store: &Path,
    to: &Path,
    directory: &str,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Vec<FileLine>, FileError> {
    let mut lines = Vec::new();
    for file in files::walk(&store.join(directory))? {
        let path = format!("{directory}/{file}");
        tell(Progress::Copying { file: &path });
        if let Some(sum) = copy_end(&store.join(&path), &to.join(&path), to)? {
            lines.push(FileLine::new(path, sum));
        }
    }
    Ok(lines)
}

/// None if it was removed meanwhile, for its age.
fn copy_end(from: &Path, to: &Path, top: &Path) -> Result<Option<Sum>, FileError> {
    let size_bytes = match fs::metadata(from) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::new(from, error)),
    };
    make_parents(to, top)?;
    files::copy(from, to, size_bytes).map(Some)
}

/// Makes the directories that lie between `top` and `file`.
fn make_parents(file: &Path, top: &Path) -> Result<(), FileError> {
    let mut missing: Vec<_> = file
        .ancestors()
        .skip(1)
        .take_while(|directory| *directory != top)
        .collect();
    missing.reverse();
    missing.into_iter().try_for_each(files::make_directory)
}

/// What SQLite has written is not on disk before this.
fn sync_file(path: &Path) -> Result<(), FileError> {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| FileError::new(path, error))
}

/// Puts the names in `directory`, and in every directory below it, on disk.
fn sync_all(directory: &Path) -> Result<(), FileError> {
    for name in files::names(directory)? {
        let path = directory.join(name);
        if path.is_dir() {
            sync_all(&path)?;
        }
    }
    files::sync(directory)
}
