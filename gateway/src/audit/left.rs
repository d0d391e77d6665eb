//! What commands leave for the audit: the gateway alone writes to the chain.

use policies::access::Profile;
use policies::time::Timestamp;
use store::audit::LeaveError;
use store::sealing::Key;
use uuid::Uuid;

use super::{Deed, Draft, Outcome};
use crate::config::StoreFiles;

/// Who the records of commands are of.
const COMMAND: &str = "argine";

/// A record of what a command does.
pub(crate) fn deed(deed: Deed, outcome: Outcome) -> Draft {
    let mut draft = Draft::of(COMMAND, Profile::Operator, None);
    draft.deed(deed).outcome(outcome);
    draft
}

/// Leaves `draft` for the gateway of the store of `files`. It is on disk when this returns.
///
/// # Errors
///
/// When it is not.
pub(crate) fn leave(files: &StoreFiles, key: &Key, mut draft: Draft) -> Result<(), LeaveError> {
    let (now, name) = (jiff::Timestamp::now(), Uuid::now_v7());
    let now = Timestamp(u64::try_from(now.as_millisecond()).unwrap_or(0));
    let user = rustix::process::getuid().as_raw();
    draft.left(name).system_user(user);
    store::audit::leave(&files.directory, key, now, name, &draft.into_record())
}
