//! The transaction of a group of writes, as each of them sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::ports::{BlockId, Clock};
use policies::operation::OpName;
use policies::time::Timestamp;
use rusqlite::Connection;

use super::drift::Drift;
use super::ranges::{Change, Numbers};
use crate::sealing::Sealer;

/// What the writer counts in memory instead of asking the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// The sequence number of the next event.
    pub(super) seq_next: i64,
    /// How many entries the gateway itself will still move.
    pub(super) pending: u64,
    /// The reading of the clock that `meta` holds.
    pub(super) noted: Timestamp,
}

/// What does not change while a store is open.
pub(super) struct Fixed {
    /// Of the writing thread, which has nothing in its hands between two writes.
    pub(super) sealer: Sealer,
    /// What `meta` says of the ring of keys.
    pub(super) recorded: Vec<u8>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) node: String,
    /// The operation of every watch.
    pub(super) undo_op: OpName,
    pub(super) entries_max: u64,
    /// The number of this opening of the store.
    pub(super) instance: i64,
    /// How its clock fits that of the last opening.
    pub(super) drift: Drift,
}

/// The transaction of a group, as its writes see it.
pub(super) struct Tx<'w> {
    pub(super) conn: &'w Connection,
    pub(super) fixed: &'w Fixed,
    /// One instant for the whole group.
    pub(super) now: Timestamp,
    pub(super) counts: Counts,
    pub(super) numbers: &'w Numbers,
    /// How far each block is used up by this group, written once before its commit.
    pub(super) marks: BTreeMap<BlockId, u64>,
    /// Whether a write of this group brought an audit record, which is then to be taken on.
    pub(super) has_accounts: bool,
    /// Takes effect in memory if the group is committed.
    pub(super) changes: Vec<Change>,
    /// Whether the group puts something into the outbox.
    pub(super) has_callbacks: bool,
}

impl Tx<'_> {
    /// Counts the number at `position` of `block` as held.
    pub(super) fn use_number(&mut self, block: BlockId, position: u64) {
        let mark = self.marks.entry(block).or_default();
        *mark = (*mark).max(position + 1);
    }

    /// Takes the next place in the order of all events.
    pub(super) fn next_seq(&mut self) -> i64 {
        let seq = self.counts.seq_next;
        self.counts.seq_next += 1;
        seq
    }
}
