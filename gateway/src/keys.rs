//! A change of the master key, from the command line: the ring is wrapped anew, and nothing else is
//! touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use store::audit::LeaveError;
use store::sealing::{Key, KeyError};
use store::sqlite::{self, OpenError};

use crate::audit::{Deed, Outcome, deed, leave};
use crate::config::StoreFiles;

/// Why the ring was not wrapped anew.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// One of the two key files does not serve.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store is in use, or its ring does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// That it is asked for cannot be recorded, and then nothing is changed.
    #[error("cannot record who changes the master key: nothing is changed")]
    Unrecorded(#[source] LeaveError),
}

/// What is said of a key file that is.
pub const EXPOSED: &str = "the master key can be read by everybody on this machine, or written by \
     its group: give the file mode 600, or 640 with a group of the gateway's own";

/// Whether others than the owner and the readers of its group reach the master key in `path`.
///
/// Groups may read: a service of its own reads a file of root's in this way, and systemd hands credentials over so.
pub fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o027 != 0)
}

/// Accepts the key in `new` as master key of the store of `files`, which no gateway may have open. The
/// one in force goes on opening it until a gateway is started with the new one.
///
/// # Errors
///
/// Why nothing was changed.
pub fn rewrap(files: &StoreFiles, new: &Path) -> Result<(), RewrapError> {
    let current = Key::from_file(&files.key_file)?;
    let new = Key::from_file(new)?;
    match leave(files, &current, deed(Deed::Rewrap, Outcome::Asked)) {
        // Nobody has kept an audit yet; a ring that does not open is refused below.
        Ok(()) | Err(LeaveError::NoAudit | LeaveError::Keys(_)) => {}
        Err(error) => return Err(RewrapError::Unrecorded(error)),
    }
    Ok(sqlite::rewrap(&files.directory, &current, &new)?)
}
