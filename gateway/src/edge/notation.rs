//! How entries and instants are written in paths and bodies.

use engine::entry::EntryId;
use policies::time::Timestamp;
use uuid::Uuid;

use super::codes;
use super::respond::Problem;

/// The header under which whatever is pushed about an entry names it (ModI `NONBLOCK_PUSH_REST`).
pub(crate) const X_CORRELATION_ID: &str = "X-Correlation-ID";

/// The entry that a path names; a name that cannot be one is no entry.
pub(crate) fn entry_id(text: &str) -> Result<EntryId, Problem> {
    Uuid::try_parse(text)
        .map(EntryId)
        .map_err(|_| Problem::from(&codes::NO_SUCH_PRESCRIPTION))
}

/// Where an entry is found.
pub(crate) fn location(id: EntryId) -> String {
    format!("/v1/prescriptions/{id}")
}

/// An instant of our clock in UTC (RFC 3339).
pub(crate) fn instant(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string()
}
