//! The commands that copy a store and put a copy back, in words for whoever typed them.
//!
//! Progress goes to standard error, a line a step; what came of it is returned.

use std::path::Path;

use engine::clock::AnchoredClock;
use engine::ports::Clock;
use store::backup::{self, BackupError, Making, Progress, RestoreError, Restored, Restoring};
use store::sealing::{Key, KeyError};

use crate::config::StoreFiles;

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Nothing was restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

impl CommandError {
    /// Whether something else must be named or set: what is on disk is not to blame.
    pub fn is_misuse(&self) -> bool {
        match self {
            CommandError::Key(_) => true,
            CommandError::Backup(error) => error.is_misuse(),
            CommandError::Restore(error) => error.is_misuse(),
        }
    }
}

/// Makes a backup in `to`, whether or not a gateway is using the store.
///
/// # Errors
///
/// Why there is none.
pub fn make(files: &StoreFiles, to: &Path) -> Result<String, CommandError> {
    let key = Key::from_file(&files.key_file)?;
    let making = Making {
        store: &files.directory,
        to,
        key: &key,
        now: AnchoredClock::start().now(),
        release: env!("CARGO_PKG_VERSION"),
        log_bytes_max: backup::LOG_BYTES_MAX,
    };
    let made = backup::make(&making, &tell)?;
    Ok(format!(
        "{}: {} prescriptions, {} files, {} bytes\n\
         The key ({}) is not in it: without it nobody can read this backup. Keep it elsewhere too.\n",
        to.display(),
        made.prescriptions,
        made.files,
        made.size_bytes,
        files.key_file.display(),
    ))
}

/// Puts the backup in `from` in the place of a store that is gone.
///
/// # Errors
///
/// Why nothing was restored.
pub fn restore(files: &StoreFiles, from: &Path) -> Result<String, CommandError> {
    let key = Key::from_file(&files.key_file)?;
    let restoring = Restoring {
        from,
        store: &files.directory,
        key: &key,
    };
    let restored = backup::restore(&restoring, &tell)?;
    Ok(outlook(&files.directory, &restored))
}

/// What the next start will do, and what nobody can do but people.
fn outlook(store: &Path, restored: &Restored) -> String {
    let millis = i64::try_from(restored.made_at.0).unwrap_or(i64::MAX);
    let made_at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let Restored {
        prescriptions,
        unsettled,
        numbers,
        ..
    } = restored;
    format!(
        "{store}: {prescriptions} prescriptions, as they stood at {made_at:.0}\n\
         \n\
         When the gateway starts:\n\
         - {unsettled} entries that were not settled then count as uncertain. The SAC is asked about\n\
         \x20 each before anything is sent for it.\n\
         - {numbers} numbers (NRE) that were left then are discarded: they may have been given since. New\n\
         \x20 lots are asked for, and no number is given before they have come.\n\
         - Nothing is known of persons: each is asked for again.\n\
         \n\
         What was written after {made_at:.0} is not here, nor are its keys: a request that is repeated\n\
         from then counts as new. Tell the practices before you open the door to them.\n",
        store = store.display(),
    )
}

/// Nobody can be told that standard error is gone.
fn tell(progress: Progress<'_>) {
    eprintln!("argine: {progress}");
}
