//! The name of an entry in a path.

use engine::entry::EntryId;
use uuid::Uuid;

use crate::edge::codes;
use crate::edge::respond::Problem;

/// The entry that a path names; a name that cannot be one is no entry.
pub(crate) fn entry_id(text: &str) -> Result<EntryId, Problem> {
    Uuid::try_parse(text)
        .map(EntryId)
        .map_err(|_| Problem::from(&codes::NO_SUCH_PRESCRIPTION))
}
