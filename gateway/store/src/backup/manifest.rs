//! What a backup holds, under the seal of the store's key.
//!
//! # Invariants
//!
//! 1. A manifest has one form: a file that differs from it by a byte is refused.
//! 2. Its code (HMAC-SHA256, under a subkey of the master key for nothing else) covers everything else in it, so
//!    that nobody without the key can change a file and its digest together.
//! 3. It names no person, and nothing that is in the store.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::hmac;
use policies::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::{FileError, RestoreError};
use super::files::{Sum, hexadecimal};
use crate::sealing::Key;

/// The file that makes a backup whole.
pub(super) const MANIFEST: &str = "manifest.json";
/// The format that is written here, and the latest one that is read.
const FORMAT: u32 = 1;
/// A line a file: more than a century of audit segments.
const SIZE_BYTES_MAX: u64 = 64 << 20;

/// The contents of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    /// When the copy of the database was begun.
    pub(super) made_at_ms: Timestamp,
    /// The release that made it.
    pub(super) made_by: String,
    pub(super) store: StoreLine,
    /// Recognises the key; not the key.
    key: String,
    /// By path.
    pub(super) files: Vec<FileLine>,
    /// The code over all of the above.
    code: String,
}

/// Which store it is a copy of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreLine {
    /// Migrations seen.
    pub(super) schema: usize,
    /// The number of its opening.
    pub(super) instance: u64,
}

/// One file of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLine {
    /// From the directory of the backup, and of the store.
    pub(super) path: String,
    pub(super) size_bytes: u64,
    pub(super) sha256: String,
}

impl FileLine {
    pub(super) fn new(path: String, sum: Sum) -> FileLine {
        FileLine {
            path,
            size_bytes: sum.size_bytes,
            sha256: sum.sha256,
        }
    }

    /// Whether a file that weighs `sum` is this one.
    pub(super) fn is(&self, sum: &Sum) -> bool {
        self.size_bytes == sum.size_bytes && self.sha256 == sum.sha256
    }
}

/// The part that every format has.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Manifest {
    /// A manifest under `key`.
    pub(super) fn new(
        key: &Key,
        (made_at_ms, made_by): (Timestamp, &str),
        store: StoreLine,
        mut files: Vec<FileLine>,
    ) -> Manifest {
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let mut manifest = Manifest {
            format: FORMAT,
            made_at_ms,
            made_by: made_by.to_owned(),
            store,
            key: key_name(key),
            files,
            code: String::new(),
        };
        let tag = hmac::sign(&code_key(key), manifest.text().as_bytes());
        manifest.code = hexadecimal(tag.as_ref());
        manifest
    }

    /// Its one form.
    pub(super) fn text(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("texts and numbers can be written as JSON");
        text.push('\n');
        text
    }

    /// Reads the manifest of the backup in `directory`, and believes it only under `key`.
    pub(super) fn read(directory: &Path, key: &Key) -> Result<Manifest, RestoreError> {
        let path = directory.join(MANIFEST);
        let text = match read_bounded(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RestoreError::NoBackup {
                    directory: directory.to_owned(),
                    manifest: MANIFEST,
                });
            }
            read => read.map_err(|error| FileError::new(&path, error))?,
        };
        let changed = || RestoreError::ManifestChanged { path: path.clone() };
        let head: Head = serde_json::from_slice(&text).map_err(|_| changed())?;
        if head.format > FORMAT {
            return Err(RestoreError::Newer {
                found: head.format,
                known: FORMAT,
            });
        }
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| changed())?;
        if manifest.key != key_name(key) {
            return Err(RestoreError::OtherKey);
        }
        let written = Manifest::new(
            key,
            (manifest.made_at_ms, &manifest.made_by),
            manifest.store.clone(),
            manifest.files.clone(),
        );
        // Its code is compared with ours as a whole text: who can time that has no one to ask twice.
        if written.text().as_bytes() == text {
            Ok(manifest)
        } else {
            Err(changed())
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = File::open(path)?;
    file.take(SIZE_BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

fn code_key(key: &Key) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.manifest().as_slice())
}

fn key_name(key: &Key) -> String {
    hexadecimal(&key.name())
}
