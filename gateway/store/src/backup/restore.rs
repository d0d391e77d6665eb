//! Putting a backup in the place of a store that is gone.
//!
//! # Invariants
//!
//! 1. Everything is read, compared with the manifest and checked before anything gets its name.
//! 2. The database gets its name last, and the directory the files were gathered in goes after it:
//!    as long as that is there no gateway starts, and what lies beside it is compared with the
//!    backup, never written over.
//! 3. The guard is held from before the first file until the end, and is left without a word, as of
//!    a store that was never opened here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use policies::time::Timestamp;

use super::error::{FileError, RestoreError};
use super::manifest::{FileLine, MANIFEST, Manifest};
use super::{DATABASE, GROWING, KEYS, Progress, REPLACED, files, make_parents, sync_all};
use crate::sealing::Key;
use crate::sqlite::copy;
use crate::sqlite::guard::{self, Guard, Left};
use crate::sqlite::start::{STAGING, create_directory};

/// What else a store leaves in its directory: a sign of one, and in no backup.
const SIGNS: &[&str] = &[
    "entries.db-wal",
    "entries.db-shm",
    "persons.db",
    "persons.db-wal",
];

/// What is to be put back, and where.
#[derive(Clone, Copy)]
pub struct Restoring<'a> {
    /// The directory of the backup.
    pub from: &'a Path,
    /// The directory of the store: empty, or not there yet.
    pub store: &'a Path,
    /// The key of both.
    pub key: &'a Key,
}

/// What was put back, and what the next start will make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// When the copy was made: what happened later is not in it.
    pub made_at: Timestamp,
    /// Prescriptions in it.
    pub prescriptions: u64,
    /// Entries that are not settled in it: the upstream is asked about them.
    pub unsettled: u64,
    /// Numbers that nobody holds in it: none of them is given.
    pub numbers: u64,
}

/// Puts a backup in the place of a store.
///
/// # Errors
///
/// Why nothing was restored.
pub fn restore(
    restoring: &Restoring<'_>,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Restored, RestoreError> {
    let Restoring { from, store, key } = *restoring;
    let manifest = Manifest::read(from, key)?;
    compare_listing(from, &manifest)?;
    create_directory(store)?;
    let (_guard, left) = Guard::take(store)?;
    let staging = store.join(STAGING);
    let is_repeated = files::is_there(&staging)?;
    refuse_store(store, left, is_repeated)?;
    files::make_directory(&staging)?;
    files::sync(store)?;
    let gathered = gather(restoring, &manifest, &staging, tell);
    if gathered.is_err() && !is_repeated {
        // Where this fails too, repeating the restore does it.
        drop(files::remove(&staging));
    }
    let contents = gathered?;
    put_in_place(store, &staging)?;
    Ok(Restored {
        made_at: manifest.made_at_ms,
        prescriptions: contents.prescriptions,
        unsettled: contents.unsettled,
        numbers: contents.numbers,
    })
}

/// Refuses a backup in which something is missing, or is that does not belong there.
fn compare_listing(from: &Path, manifest: &Manifest) -> Result<(), RestoreError> {
    let found: BTreeSet<String> = files::walk(from)?.into_iter().collect();
    let listed: BTreeSet<&str> = manifest.files.iter().map(|line| &*line.path).collect();
    if let Some(strange) = listed.iter().find(|path| !is_ours(path)) {
        return Err(RestoreError::Extra {
            path: from.join(strange),
        });
    }
    if let Some(missing) = listed.iter().find(|path| !found.contains(**path)) {
        return Err(RestoreError::Missing {
            path: from.join(missing),
        });
    }
    let is_extra = |path: &&String| path.as_str() != MANIFEST && !listed.contains(path.as_str());
    match found.iter().find(is_extra) {
        None => Ok(()),
        Some(extra) => Err(RestoreError::Extra {
            path: from.join(extra),
        }),
    }
}

/// Whether a backup may have a file of this path in it.
fn is_ours(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    let is_plain = parts.all(|part| matches!(part, Component::Normal(_)));
    let top = path.split('/').next().unwrap_or_default();
    is_plain && (path == DATABASE || REPLACED.contains(&path) || GROWING.contains(&top))
}

/// Refuses a directory with anything of a store in it; beside what an interrupted restore gathered,
/// its files are looked at one by one ([`gather`]).
fn refuse_store(store: &Path, left: Left, is_repeated: bool) -> Result<(), RestoreError> {
    if left != Left::New {
        return Err(RestoreError::StoreThere {
            path: store.join(guard::FILE),
        });
    }
    let copied = [DATABASE].iter().chain(REPLACED).chain(GROWING);
    let copied = copied.filter(|_| !is_repeated);
    for name in copied.chain(SIGNS) {
        let path = store.join(name);
        if files::is_there(&path)? {
            return Err(RestoreError::StoreThere { path });
        }
    }
    Ok(())
}

/// Gathers what is not in place yet, and checks all of it.
fn gather(
    restoring: &Restoring<'_>,
    manifest: &Manifest,
    staging: &Path,
    tell: &dyn Fn(Progress<'_>),
) -> Result<copy::Contents, RestoreError> {
    let Restoring { from, store, key } = *restoring;
    for name in files::names(staging)? {
        files::remove(&staging.join(name))?;
    }
    for line in &manifest.files {
        tell(Progress::Copying { file: &line.path });
        let placed = store.join(&line.path);
        if files::is_there(&placed)? {
            if !line.is(&files::sum(&placed)?) {
                return Err(RestoreError::StoreThere { path: placed });
            }
        } else {
            fetch(&from.join(&line.path), line, staging)?;
        }
    }
    // Of a restore that is repeated some may be in place already.
    let [database, ring] = [DATABASE, KEYS].map(|name| {
        let gathered = staging.join(name).exists();
        if gathered { staging } else { store }
    });
    tell(Progress::Checking { file: DATABASE });
    let examined = copy::examine(&database.join(DATABASE), ring, key);
    let contents = examined.map_err(|error| RestoreError::examining(from.join(DATABASE), error))?;
    sync_all(staging)?;
    Ok(contents)
}

/// Copies one file of the backup, and compares what was copied.
fn fetch(from: &Path, line: &FileLine, staging: &Path) -> Result<(), RestoreError> {
    let to = staging.join(&line.path);
    make_parents(&to, staging)?;
    // One byte more than there should be shows that there are more.
    let sum = files::copy(from, &to, line.size_bytes + 1)?;
    if line.is(&sum) {
        Ok(())
    } else {
        Err(RestoreError::Changed {
            path: from.to_owned(),
        })
    }
}

/// Invariant 2.
fn put_in_place(store: &Path, staging: &Path) -> Result<(), FileError> {
    let place = |name: &str| -> Result<(), FileError> {
        let (from, to): (PathBuf, PathBuf) = (staging.join(name), store.join(name));
        if !files::is_there(&from)? {
            return Ok(());
        }
        fs::rename(&from, &to).map_err(|error| FileError::new(to, error))
    };
    for name in REPLACED.iter().chain(GROWING) {
        place(name)?;
    }
    files::sync(store)?;
    place(DATABASE)?;
    files::sync(store)?;
    files::remove(staging)?;
    files::sync(store)
}
