//! Files copied, read and listed, each with what it weighs and its digest.
//!
//! # Invariants
//!
//! 1. What was written is on disk when the function that wrote it returns; its name is, once
//!    [`sync`] has returned for its directory.
//! 2. Only the owner may read what is made here.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use super::error::FileError;

/// What is read and written at a time.
const CHUNK: usize = 256 * 1024;

/// What a file holds, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) size_bytes: u64,
    /// SHA-256, in hexadecimal digits.
    pub(super) sha256: String,
}

/// Copies the first `size_bytes` of `from` into a new file `to`; all of it, if it is shorter.
pub(super) fn copy(from: &Path, to: &Path, size_bytes: u64) -> Result<Sum, FileError> {
    let source = File::open(from).map_err(|error| FileError::new(from, error))?;
    write(to, |target| {
        pour(source.take(size_bytes), from, |bytes| {
            let written = target.write_all(bytes);
            written.map_err(|error| FileError::new(to, error))
        })
    })
}

/// Writes `bytes` into a new file `to`.
pub(super) fn create(to: &Path, bytes: &[u8]) -> Result<Sum, FileError> {
    write(to, |target| {
        pour(bytes, to, |bytes| {
            let written = target.write_all(bytes);
            written.map_err(|error| FileError::new(to, error))
        })
    })
}

/// What the file at `path` holds.
pub(super) fn sum(path: &Path) -> Result<Sum, FileError> {
    let file = File::open(path).map_err(|error| FileError::new(path, error))?;
    pour(file, path, |_| Ok(()))
}

fn write(
    to: &Path,
    fill: impl FnOnce(&mut File) -> Result<Sum, FileError>,
) -> Result<Sum, FileError> {
    let failed = |error| FileError::new(to, error);
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(failed)?;
    let sum = fill(&mut target)?;
    target.sync_all().map_err(failed)?;
    Ok(sum)
}

fn pour(
    mut source: impl Read,
    name: &Path,
    mut sink: impl FnMut(&[u8]) -> Result<(), FileError>,
) -> Result<Sum, FileError> {
    let mut digest = Context::new(&SHA256);
    let mut size_bytes = 0;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(FileError::new(name, error)),
        };
        digest.update(&chunk[..read]);
        sink(&chunk[..read])?;
        size_bytes += read as u64;
    }
    Ok(Sum {
        size_bytes,
        sha256: hexadecimal(digest.finish().as_ref()),
    })
}

/// Lower-case hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a directory, if it is not there.
pub(super) fn make_directory(path: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(FileError::new(path, error))
        }
        _ => Ok(()),
    }
}

/// Puts the names in a directory on disk.
pub(super) fn sync(directory: &Path) -> Result<(), FileError> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| FileError::new(directory, error))
}

/// The names in a directory, in order; none where there is no directory.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, FileError> {
    let failed = |error| FileError::new(directory, error);
    let listed = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in listed {
        let name = entry.map_err(failed)?.file_name();
        let name = name.into_string().map_err(|name| {
            let rule = io::Error::new(io::ErrorKind::InvalidFilename, "its name is not UTF-8");
            FileError::new(directory.join(name), rule)
        })?;
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// Every file under `directory`, at any depth, as a path from there with `/` in it.
pub(super) fn walk(directory: &Path) -> Result<Vec<String>, FileError> {
    let mut found = Vec::new();
    for name in names(directory)? {
        let path = directory.join(&name);
        let is_directory = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        if is_directory {
            let below = walk(&path)?;
            found.extend(below.into_iter().map(|file| format!("{name}/{file}")));
        } else {
            found.push(name);
        }
    }
    Ok(found)
}

/// What is left of the disk under `path`; all there is, where that cannot be told.
pub(super) fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether there is anything under this name.
pub(super) fn is_there(path: &Path) -> Result<bool, FileError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::new(path, error)),
    }
}

/// Removes a file, or a directory with all that is in it.
pub(super) fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| FileError::new(path, error))
}
