//! Folding a log into the database for good, and saying so in the guard.
//!
//! # Invariants
//!
//! 1. The log is copied and synced, then the guard says *closed*, then the log is emptied. An empty
//!    log beside a guard that says *open* would be taken for a lost one by every later start, and a
//!    process may be killed at any moment.
//! 2. The guard of a copy that was put back is left without a word, so that a start that is cut off
//!    here does not make the next one trust it.

use rusqlite::Connection;

use super::guard::{Guard, Left};
use super::{OpenError, schema};

/// Takes what stands in the log into the database and empties it; false if someone else is reading
/// it, and everything is left as it is. `left` is how the guard stands now.
pub(super) fn retire(conn: &Connection, guard: &mut Guard, left: Left) -> Result<bool, OpenError> {
    let failed = |error| OpenError::sqlite("fold the log into the database", error);
    if !schema::fold(conn).map_err(failed)? {
        return Ok(false);
    }
    if left == Left::Open {
        guard.mark_closed()?;
    }
    schema::empty(conn).map_err(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
