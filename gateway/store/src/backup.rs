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
//! 5. A restore writes over nothing. Cut off anywhere, it has not happened, no gateway starts on what
//!    there is, and repeating it finishes it.
//!
//! # Limits
//!
//! While the database is copied its log is not reused, and grows by what is written meanwhile.
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

use crate::sealing::Key;
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
/// Files that are replaced whole when they change. What is sealed in the database needs them.
const REPLACED: &[&str] = &[KEYS];
/// Directories of files that only grow at their end.
const GROWING: &[&str] = &["audit"];
/// Whoever changes keys so often is at something else: the backup can wait.
const ATTEMPTS_MAX: u32 = 3;
/// How often it is said how far the copy of the database has come.
const TELL_EVERY: Duration = Duration::from_secs(1);

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
    let (contents, mut lines) = copy_steady(making, &database, target.path(), tell)?;
    // After the database: the record of who did something may be ahead of what was done, and is
    // never behind.
    for directory in GROWING {
        lines.extend(copy_growing(making.store, target.path(), directory, tell)?);
    }
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

/// Copies the database and what is needed to read it, of one moment: what is replaced was the same
/// before and after.
fn copy_steady(
    making: &Making<'_>,
    database: &Path,
    to: &Path,
    tell: &dyn Fn(Progress<'_>),
) -> Result<(copy::Contents, Vec<FileLine>), BackupError> {
    let mut changed = PathBuf::new();
    for _ in 0..ATTEMPTS_MAX {
        let before = replaced(making.store)?;
        let copied = to.join(DATABASE);
        let failed = |error| BackupError::copying(database.to_owned(), error);
        files::remove(&copied)?;
        files::create(&copied, b"")?;
        copy_database((database, &copied), making.key, tell).map_err(failed)?;
        let after = replaced(making.store)?;
        if let Some(name) = differing(&before, &after) {
            changed = making.store.join(name);
            continue;
        }
        sync_file(&copied)?;
        let mut lines = vec![FileLine::new(DATABASE.to_owned(), files::sum(&copied)?)];
        for (name, bytes) in after {
            tell(Progress::Copying { file: name });
            let sum = files::create(&to.join(name), &bytes)?;
            lines.push(FileLine::new(name.to_owned(), sum));
        }
        tell(Progress::Checking { file: DATABASE });
        let contents = copy::examine(&copied, to, making.key).map_err(failed)?;
        return Ok((contents, lines));
    }
    Err(BackupError::Unsteady { path: changed })
}

type Replaced = Vec<(&'static str, Vec<u8>)>;

/// The files that are replaced whole, as they are now.
fn replaced(store: &Path) -> Result<Replaced, FileError> {
    let mut found = Vec::new();
    for name in REPLACED {
        let path = store.join(name);
        match fs::read(&path) {
            Ok(bytes) => found.push((*name, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FileError::new(path, error)),
        }
    }
    Ok(found)
}

fn differing(before: &Replaced, after: &Replaced) -> Option<&'static str> {
    let of = |all: &Replaced, name: &str| {
        let found = all.iter().find(|(known, _)| *known == name);
        found.map(|(_, bytes)| bytes.clone())
    };
    let mut names = REPLACED.iter();
    names
        .find(|name| of(before, name) != of(after, name))
        .copied()
}

/// Copies the database in a thread of its own, and says meanwhile how far it has come.
fn copy_database(
    (from, to): (&Path, &Path),
    key: &Key,
    tell: &dyn Fn(Progress<'_>),
) -> Result<(), CopyError> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let of_bytes = length(from);
    let (running, ended) = sync_channel::<()>(0);
    thread::scope(|scope| {
        let copying = scope.spawn(move || {
            let _running = running;
            copy::take(from, to, key)
        });
        loop {
            tell(Progress::Database {
                copied_bytes: length(to),
                of_bytes,
            });
            // Nothing is ever sent: it ends when the other side does.
            if ended.recv_timeout(TELL_EVERY) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        copying.join().expect("a copy fails, and does not panic")
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
