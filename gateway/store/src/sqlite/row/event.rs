//! Events, as they stand in their rows.

use engine::ports::{EntryId, Event};
use rusqlite::Row;

use super::{instant, optional_text, reason, state, text, uint, uuid};
use crate::sealing::Damaged;

/// An event as it stands in its row: the columns `seq, at, id, state, reason`.
#[derive(Debug)]
pub(in crate::sqlite) struct RawEvent {
    seq: i64,
    at: i64,
    pub(in crate::sqlite) entry: EntryId,
    state: String,
    reason: Option<String>,
}

impl RawEvent {
    /// Reads a row of just those columns.
    pub(in crate::sqlite) fn read(row: &Row<'_>) -> rusqlite::Result<RawEvent> {
        Ok(RawEvent {
            seq: row.get(0)?,
            at: row.get(1)?,
            entry: EntryId(uuid(row, 2)?),
            state: text(row, 3)?,
            reason: optional_text(row, 4)?,
        })
    }

    /// Understands it.
    pub(in crate::sqlite) fn open(&self) -> Result<Event, Damaged> {
        Ok(Event {
            seq: uint(self.seq),
            at: instant(self.at),
            entry: self.entry,
            state: state(&self.state)?,
            reason: reason(self.reason.as_deref())?,
        })
    }
}
