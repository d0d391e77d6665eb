//! What the upstream knows.

use std::collections::{BTreeMap, BTreeSet};

use engine::ports::{Fact, Request};
use policies::failure::Opaque;
use policies::operation::OpName;

use super::{STANDING, range};
use crate::operations::{LOT, SEND};
use crate::payload::Payload;

/// Prescriptions by number, lots, and whom it does not trust any more.
pub(crate) struct Book {
    pub(crate) live: BTreeMap<Opaque, Payload>,
    authorities_refused: BTreeSet<Opaque>,
    lots: u64,
    lot_digits: u8,
}

impl Book {
    pub(super) fn new(lot_digits: u8) -> Book {
        Book {
            live: BTreeMap::new(),
            authorities_refused: BTreeSet::new(),
            lots: 0,
            lot_digits,
        }
    }

    pub(crate) fn is_authority_refused(&self, authority: &Opaque) -> bool {
        self.authorities_refused.contains(authority)
    }

    pub(super) fn refuse_authority(&mut self, authority: &Opaque) {
        self.authorities_refused.insert(authority.clone());
    }

    /// What it says; `None`: it refuses the content.
    pub(super) fn apply(&mut self, op: OpName, request: &Request) -> Option<Fact> {
        if op == LOT {
            self.lots += 1;
            return Some(Fact::Range(range(self.lots, self.lot_digits)));
        }
        let is_known = self.live.contains_key(&request.number);
        if op != SEND {
            return Some(if is_known {
                Fact::Found(STANDING)
            } else {
                Fact::Absent
            });
        }
        let payload = Payload::read(&request.payload);
        if is_known || payload.refusable {
            return None;
        }
        self.live.insert(request.number.clone(), payload);
        Some(Fact::Done)
    }
}
