//! What callers themselves know: every write they sent, and every answer they saw.
//!
//! The record is the other side of the account: the gateway's store and the simulator's book are
//! compared with it, never with each other alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

/// One write, as its caller knows it: organisation and `Idempotency-Key`.
pub type Write = (String, String);

/// What a caller heard about one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is on disk under this id.
    Stored {
        /// The HTTP status.
        status: u16,
        /// The entry's id.
        id: String,
        /// The number, where the answer gave one.
        nre: Option<String>,
    },
    /// The SAC refused it, and so says the answer; it is on disk all the same, under this id.
    Rejected {
        /// The entry's id.
        id: String,
    },
    /// Surely nothing was stored.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code of the problem.
        code: String,
    },
    /// The answer says that nobody knows, or no answer came.
    Unknown,
}

/// Every write and every answer of a world's callers.
#[derive(Debug, Default)]
pub struct Record {
    heard: Mutex<BTreeMap<Write, Vec<Heard>>>,
}

impl Record {
    /// Notes that a write was sent; what is not answered stays unknown.
    pub(super) fn sent(&self, write: &Write) {
        self.lock().entry(write.clone()).or_default();
    }

    /// Notes an answer, or that none came.
    pub(super) fn heard(&self, write: &Write, heard: Heard) {
        self.lock().entry(write.clone()).or_default().push(heard);
    }

    /// Every write with all its answers.
    pub fn writes(&self) -> BTreeMap<Write, Vec<Heard>> {
        self.lock().clone()
    }

    /// Every id that a caller was told is on disk, with the organisation that wrote it.
    pub fn stored(&self) -> BTreeMap<String, String> {
        let writes = self.lock();
        let mut stored = BTreeMap::new();
        for ((organization, _), heard) in writes.iter() {
            for id in heard.iter().filter_map(Heard::id) {
                stored.insert(id.to_owned(), organization.clone());
            }
        }
        stored
    }

    /// How many writes may be on disk although no caller knows under which id.
    pub fn nameless(&self) -> usize {
        let writes = self.lock();
        let is_nameless = |heard: &&Vec<Heard>| {
            let named = heard.iter().any(|heard| heard.id().is_some());
            let surely_not = |heard: &Heard| matches!(heard, Heard::Refused { .. });
            !named && (heard.is_empty() || !heard.iter().all(surely_not))
        };
        writes.values().filter(is_nameless).count()
    }

    /// What contradicts itself: one key that named two entries, one entry under two keys.
    pub fn contradictions(&self) -> Vec<String> {
        let writes = self.lock();
        let mut owners = BTreeMap::new();
        let mut found = Vec::new();
        for (write, heard) in writes.iter() {
            let ids: BTreeSet<&str> = heard.iter().filter_map(Heard::id).collect();
            let numbers: BTreeSet<&str> = heard.iter().filter_map(Heard::number).collect();
            if ids.len() > 1 {
                found.push(format!("{write:?} was told {ids:?}"));
            }
            if numbers.len() > 1 {
                found.push(format!("{write:?} was given {} numbers", numbers.len()));
            }
            for id in ids {
                if let Some(other) = owners.insert(id, write) {
                    found.push(format!("{id} answers both {other:?} and {write:?}"));
                }
            }
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Write, Vec<Heard>>> {
        self.heard.lock().expect("no holder of the record panics")
    }
}

impl Heard {
    /// The id of the entry, where the answer named one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Heard::Stored { id, .. } | Heard::Rejected { id } => Some(id),
            _ => None,
        }
    }

    fn number(&self) -> Option<&str> {
        match self {
            Heard::Stored { nre, .. } => nre.as_deref(),
            _ => None,
        }
    }
}
