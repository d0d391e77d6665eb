//! Records that commands leave for the gateway: one process alone writes to the chain.
//!
//! A command leaves its record in a file of its own, sealed, and only then does what it is a record of. The
//! gateway takes it on within about a second, or at its next start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use policies::time::Timestamp;
use uuid::Uuid;

use super::{DIRECTORY, RECORD_BYTES_MAX, Record};
use crate::keys::{Keys, RingError};
use crate::sealing::Key;

const INBOX: &str = "inbox";
const ENDING: &str = "record";
const UNFINISHED: &str = "unfinished";
/// Files that are taken on at a time.
const FILES_MAX: usize = 64;

/// Why a record could not be left.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    /// The file cannot be written.
    #[error("{path} cannot be written")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The keys of the store cannot be used.
    #[error(transparent)]
    Keys(#[from] RingError),
    /// No gateway has kept an audit here.
    #[error("no gateway has kept an audit here yet: start one")]
    NoAudit,
    /// It cannot be sealed.
    #[error("the record is too long")]
    TooLong,
}

/// Leaves `record`, of what is done at `at`, for the gateway of the store in `directory`. It is on disk when
/// this returns.
///
/// # Errors
///
/// When it is not, and then what it is a record of must not be done.
pub fn leave(
    directory: &Path,
    key: &Key,
    at: Timestamp,
    record: &Record,
) -> Result<(), LeaveError> {
    let inbox = directory.join(DIRECTORY).join(INBOX);
    let name = Uuid::now_v7();
    if record.0.len() > RECORD_BYTES_MAX {
        return Err(LeaveError::TooLong);
    }
    let mut plain = at.0.to_be_bytes().to_vec();
    plain.extend_from_slice(&record.0);
    let keys = Keys::look(directory, key)?;
    let audit_key = keys.audit_key().ok_or(LeaveError::NoAudit)?;
    let sealed = keys.seal_audit(audit_key, *name.as_bytes(), &plain);
    let sealed = sealed.map_err(|_| LeaveError::TooLong)?;
    let path = inbox.join(format!("{name}.{ENDING}"));
    let unfinished = path.with_extension(UNFINISHED);
    let write = || -> io::Result<()> {
        fs::create_dir_all(&inbox)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&sealed)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(&inbox)?.sync_all()
    };
    write().map_err(|source| {
        drop(fs::remove_file(&unfinished));
        LeaveError::File { path, source }
    })
}

/// What was left in `segments`, the directory of the segments, each with its file. One that does not unseal
/// is said, and comes without a record.
pub(super) fn collect(segments: &Path, keys: &Keys) -> Vec<(PathBuf, Option<(Timestamp, Record)>)> {
    let Ok(files) = fs::read_dir(segments.join(INBOX)) else {
        return Vec::new();
    };
    let paths = files.filter_map(|file| Some(file.ok()?.path()));
    let paths = paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING));
    let mut left: Vec<PathBuf> = paths.take(FILES_MAX).collect();
    left.sort_unstable();
    left.into_iter()
        .map(|path| {
            let record = open(&path, keys);
            if record.is_none() {
                tracing::error!(file = %path.display(), "what a command left for the audit is damaged");
            }
            (path, record)
        })
        .collect()
}

fn open(path: &Path, keys: &Keys) -> Option<(Timestamp, Record)> {
    let name = Uuid::parse_str(path.file_stem()?.to_str()?).ok()?;
    let sealed = fs::read(path).ok()?;
    let plain = keys.open_audit(*name.as_bytes(), &sealed).ok()?.0;
    let (at, record) = plain.split_at_checked(8)?;
    let at = u64::from_be_bytes(at.try_into().ok()?);
    Some((Timestamp(at), Record(record.to_vec())))
}

/// Removes files that were taken on. What stays is taken on once more.
pub(super) fn remove(files: impl Iterator<Item = PathBuf>) {
    for path in files {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(error = %error, "what a command left for the audit stays");
        }
    }
}
