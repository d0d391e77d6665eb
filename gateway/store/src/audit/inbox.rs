//! Records that commands leave for the gateway: one process alone writes to the chain.
//!
//! A command leaves its record in a file of its own, sealed, and only then does what it is a record of. The
//! gateway takes it on within about a second, or at its next start.
//!
//! # Invariants
//!
//! 1. Only the user who owns the store leaves records: the file of anybody else the gateway could not read.
//! 2. A file that cannot be read is kept and tried again. One that does not open is kept under another name,
//!    and a record says so.
//!
//! # Limits
//!
//! Whoever may write to the directory may take a file away again before it is taken on, or put an old one
//! back. The name of a record is to be in it, so that its reader counts one that came twice once.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use policies::time::Timestamp;
use uuid::Uuid;

use super::{DIRECTORY, RECORD_BYTES_MAX, Record};
use crate::keys::{Keys, RingError};
use crate::sealing::Key;

const INBOX: &str = "inbox";
const ENDING: &str = "record";
const UNFINISHED: &str = "unfinished";
const DAMAGED: &str = "damaged";
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
    /// What another user leaves the gateway cannot read.
    #[error("{path} is of user {owner}: run this as that user, as the gateway does")]
    NotOwner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
}

/// Leaves `record`, of what is done at `at`, under `name` for the gateway of the store in `directory`. It is
/// on disk when this returns.
///
/// # Errors
///
/// When it is not, and then what it is a record of must not be done.
pub fn leave(
    directory: &Path,
    key: &Key,
    at: Timestamp,
    name: Uuid,
    record: &Record,
) -> Result<(), LeaveError> {
    if record.0.len() > RECORD_BYTES_MAX {
        return Err(LeaveError::TooLong);
    }
    is_owned(directory)?;
    let mut plain = at.0.to_be_bytes().to_vec();
    plain.extend_from_slice(&record.0);
    let keys = Keys::look(directory, key)?;
    let audit_key = keys.audit_key().ok_or(LeaveError::NoAudit)?;
    let sealed = keys.seal_audit(audit_key, *name.as_bytes(), &plain);
    let sealed = sealed.map_err(|_| LeaveError::TooLong)?;
    let inbox = directory.join(DIRECTORY).join(INBOX);
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| LeaveError::File { path, source }
    };
    create(&inbox).map_err(failed(&inbox))?;
    is_owned(&inbox)?;
    let path = inbox.join(format!("{name}.{ENDING}"));
    let unfinished = path.with_extension(UNFINISHED);
    let write = || -> io::Result<()> {
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
        failed(&path)(source)
    })
}

/// Nothing, if `directory` is of the user this process acts as.
fn is_owned(directory: &Path) -> Result<(), LeaveError> {
    let owner = fs::metadata(directory).map_err(|source| LeaveError::File {
        path: directory.to_owned(),
        source,
    })?;
    if owner.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(LeaveError::NotOwner {
        path: directory.to_owned(),
        owner: owner.uid(),
    })
}

/// Makes the directory, and that of the segments, for nobody else.
fn create(inbox: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(inbox)
}

/// What was left in `segments`, the directory of the segments, each with its file, which is removed once
/// the record is on disk ([`remove`]). Of one that does not open the record is what `damaged` makes of its
/// name. Makes the directory, if it is not there.
pub(super) fn collect(
    segments: &Path,
    keys: &Keys,
    damaged: &dyn Fn(&str) -> Record,
    now: Timestamp,
) -> Vec<(PathBuf, Timestamp, Record)> {
    let inbox = segments.join(INBOX);
    let files = match fs::read_dir(&inbox) {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Err(error) = create(&inbox) {
                tracing::warn!(error = %error, "commands can leave nothing for the audit");
            }
            return Vec::new();
        }
        Err(error) => {
            tracing::error!(error = %error, "what commands left for the audit cannot be listed");
            return Vec::new();
        }
    };
    let paths = files.filter_map(|file| Some(file.ok()?.path()));
    let paths = paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING));
    let mut left: Vec<PathBuf> = paths.collect();
    // The oldest first: those that stay must not keep the others out.
    left.sort_unstable();
    let mut taken = Vec::new();
    for path in left {
        if taken.len() == FILES_MAX {
            break;
        }
        match fs::read(&path) {
            Ok(sealed) => match open(&path, keys, &sealed) {
                Some((at, record)) => taken.push((path, at, record)),
                None => {
                    tracing::error!(file = %path.display(), "what a command left for the audit is damaged");
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let record = damaged(&name);
                    taken.push((path.with_extension(DAMAGED), now, record));
                }
            },
            Err(error) => {
                tracing::error!(error = %error, file = %path.display(), "what a command left for the audit cannot be read, and stays");
            }
        }
    }
    taken
}

fn open(path: &Path, keys: &Keys, sealed: &[u8]) -> Option<(Timestamp, Record)> {
    let name = Uuid::parse_str(path.file_stem()?.to_str()?).ok()?;
    let plain = keys.open_audit(*name.as_bytes(), sealed).ok()?.0;
    let (at, record) = plain.split_at_checked(8)?;
    let at = u64::from_be_bytes(at.try_into().ok()?);
    Some((Timestamp(at), Record(record.to_vec())))
}

/// Removes files that were taken on, and gives those that are damaged their name. What stays is taken on
/// once more.
pub(super) fn remove(files: impl Iterator<Item = PathBuf>) {
    for path in files {
        let removed = if path.extension().is_some_and(|ending| ending == DAMAGED) {
            fs::rename(path.with_extension(ENDING), &path)
        } else {
            fs::remove_file(&path)
        };
        if let Err(error) = removed {
            tracing::warn!(error = %error, "what a command left for the audit stays");
        }
    }
}
