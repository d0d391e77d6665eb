//! The directory that a backup is made in, from the first name in it to the last.
//!
//! # Invariants
//!
//! 1. What is in it is cleared away only beside the mark of a backup that was not finished, and only
//!    what backups are made of.
//! 2. One process makes a backup there at a time: the mark is locked.
//! 3. A backup that is given up leaves the directory as it was found.
//! 4. Nothing is written through a link that lies there, of either kind.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::{BackupError, FileError};
use super::manifest::{MANIFEST, Manifest};
use super::{DATABASE, GROWING, REPLACED, files, sync_all};

/// The mark of an unfinished backup: what becomes the manifest in the end.
const UNFINISHED: &str = "manifest.unfinished";

/// A directory that is being filled. Dropped before [`Target::finish`], it is emptied.
pub(super) struct Target {
    path: PathBuf,
    mark: File,
    is_ours: bool,
    is_finished: bool,
}

impl Target {
    /// Takes the directory `to` for a backup of the one in `store`.
    pub(super) fn claim(to: &Path, store: &Path) -> Result<Target, BackupError> {
        let path = resolve(to).map_err(|error| FileError::new(to, error))?;
        let store = store
            .canonicalize()
            .map_err(|error| FileError::new(store, error))?;
        if path.starts_with(&store) {
            return Err(BackupError::Inside { directory: path });
        }
        let is_ours = match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(FileError::new(path, error).into()),
        };
        refuse_others(&path)?;
        let mark = lock(&path)?;
        let target = Target {
            path,
            mark,
            is_ours,
            is_finished: false,
        };
        target.clear()?;
        files::sync(&target.path)?;
        Ok(target)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it a backup.
    pub(super) fn finish(mut self, manifest: &Manifest) -> Result<(), FileError> {
        let mark = self.path.join(UNFINISHED);
        sync_all(&self.path)?;
        self.mark
            .write_all(manifest.text().as_bytes())
            .and_then(|()| self.mark.sync_all())
            .and_then(|()| fs::rename(&mark, self.path.join(MANIFEST)))
            .map_err(|error| FileError::new(mark, error))?;
        // It is a backup from here on, whether or not the disk says that it has kept the name.
        self.is_finished = true;
        files::sync(&self.path)
    }

    fn clear(&self) -> Result<(), FileError> {
        for name in files::names(&self.path)? {
            if is_part(&name) {
                files::remove(&self.path.join(name))?;
            }
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        // Where this fails the mark stays, and the next backup clears the rest away.
        let cleared = self
            .clear()
            .and_then(|()| files::remove(&self.path.join(UNFINISHED)));
        if cleared.is_ok() && self.is_ours {
            drop(fs::remove_dir(&self.path));
        }
    }
}

/// The path without links, of what may not be there yet; its parent is.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = std::path::absolute(path)?;
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(error);
            };
            Ok(parent.canonicalize()?.join(name))
        }
        resolved => resolved,
    }
}

/// Invariant 1.
fn refuse_others(path: &Path) -> Result<(), BackupError> {
    let names = files::names(path)?;
    let is_unfinished = names.iter().any(|name| name == UNFINISHED);
    let is_in_the_way = |name: &&String| !(is_unfinished && (*name == UNFINISHED || is_part(name)));
    match names.iter().find(is_in_the_way) {
        None => Ok(()),
        Some(name) => Err(BackupError::NotEmpty {
            path: path.join(name),
        }),
    }
}

/// Whether backups have something of this name in them, the manifest left out.
fn is_part(name: &str) -> bool {
    let database = name.strip_prefix(DATABASE);
    database.is_some_and(|rest| ["", "-journal", "-wal", "-shm"].contains(&rest))
        || REPLACED.contains(&name)
        || GROWING.contains(&name)
}

/// Invariants 2 and 4. Nothing is changed before the lock is held and the name still leads to what is
/// locked: whoever had it before may have finished, or given up, in between.
fn lock(directory: &Path) -> Result<File, BackupError> {
    let path = directory.join(UNFINISHED);
    let failed = |error| FileError::new(&path, error);
    let mark = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&path)
        .map_err(failed)?;
    match mark.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(BackupError::Busy {
                directory: directory.to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error).into()),
    }
    let locked = mark.metadata().map_err(failed)?;
    let named = fs::symlink_metadata(&path).ok();
    if named.is_none_or(|named| (named.dev(), named.ino()) != (locked.dev(), locked.ino())) {
        return Err(BackupError::Busy {
            directory: directory.to_owned(),
        });
    }
    // Another name of it is another use of it.
    if !locked.is_file() || locked.nlink() != 1 {
        return Err(BackupError::NotEmpty { path });
    }
    if let Err(refused) = refuse_others(directory) {
        // Finished in between: the mark is ours, and nothing of a backup.
        if locked.len() == 0 {
            files::remove(&path)?;
        }
        return Err(refused);
    }
    mark.set_len(0).map_err(failed)?;
    Ok(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What another backup has finished between the first look and the lock is left as it is.
    #[test]
    fn a_backup_that_was_finished_meanwhile_is_kept() {
        let place = tempfile::tempdir().unwrap();
        for part in [MANIFEST, DATABASE] {
            fs::write(place.path().join(part), "whole").unwrap();
        }
        let refused = lock(place.path()).unwrap_err();
        assert!(matches!(refused, BackupError::NotEmpty { .. }), "{refused}");
        let names = files::names(place.path()).unwrap();
        assert_eq!(names, [DATABASE, MANIFEST], "a mark was left");
    }
}
