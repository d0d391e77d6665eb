//! What the upstream knows.

use std::collections::{BTreeMap, BTreeSet};

use engine::ports::{Fact, Request};
use policies::delivery::Standing;
use policies::failure::Opaque;
use policies::operation::OpName;

use super::range;
use crate::operations::{ANNUL, LOT, SEND};
use crate::payload::Payload;

/// The key of prescriptions that never came through this gateway.
const FOREIGN: u64 = u64::MAX;

/// How a prescription stands in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Live,
    Taken,
    Closed(Closed),
}

/// Who cancelled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The gateway.
    Here,
    /// Somebody else.
    Elsewhere,
}

/// One prescription in the book.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) payload: Payload,
    pub(crate) held: Held,
}

impl Record {
    /// Whether it is the prescription of this key.
    pub(crate) fn is_of(&self, theirs: &Payload) -> bool {
        let name = |payload: &Payload| (payload.organization, payload.key);
        name(&self.payload) == name(theirs)
    }

    /// Whether somebody may act, or has acted, on it.
    pub(crate) fn has_effect(&self) -> bool {
        !matches!(self.held, Held::Closed(_))
    }
}

/// What the book says to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Fact(Fact),
    /// No, for its content.
    Refused,
    /// The number is there, with another's content.
    Others,
}

/// Prescriptions by number, lots, and whom it does not trust any more.
pub(crate) struct Book {
    pub(crate) records: BTreeMap<Opaque, Record>,
    authorities_refused: BTreeSet<Opaque>,
    lots: u64,
    lot_digits: u8,
}

impl Book {
    /// A book that holds `foreign` prescriptions under numbers that callers may bring.
    pub(super) fn new(lot_digits: u8, foreign: u64) -> Book {
        let payload = Payload {
            organization: 0,
            key: FOREIGN,
            body: 0,
            request: 0,
            refusable: false,
        };
        let record = Record {
            payload,
            held: Held::Live,
        };
        let number = |place| Opaque(format!("OWN-{place:04}").into_bytes());
        Book {
            records: (0..foreign)
                .map(|place| (number(place), record.clone()))
                .collect(),
            authorities_refused: BTreeSet::new(),
            lots: 0,
            lot_digits,
        }
    }

    /// Whether another's prescription is under this number.
    pub(crate) fn is_foreign(&self, number: &Opaque) -> bool {
        let record = self.records.get(number);
        record.is_some_and(|record| record.payload.key == FOREIGN)
    }

    pub(crate) fn is_authority_refused(&self, authority: &Opaque) -> bool {
        self.authorities_refused.contains(authority)
    }

    pub(super) fn refuse_authority(&mut self, authority: &Opaque) {
        self.authorities_refused.insert(authority.clone());
    }

    /// Others act on a prescription; `false` if it is too late for that.
    pub(super) fn handle(&mut self, number: &Opaque, held: Held) -> bool {
        let record = self.records.get_mut(number);
        let live = record.filter(|record| record.held == Held::Live);
        live.map(|record| record.held = held).is_some()
    }

    pub(super) fn apply(&mut self, op: OpName, request: &Request) -> Said {
        if op == LOT {
            self.lots += 1;
            return Said::Fact(Fact::Range(range(self.lots, self.lot_digits)));
        }
        let theirs = Payload::read(&request.payload);
        let record = self.records.get_mut(&request.number);
        match (op, record) {
            (SEND, None) if !theirs.refusable => {
                let record = Record {
                    payload: theirs,
                    held: Held::Live,
                };
                self.records.insert(request.number.clone(), record);
                Said::Fact(Fact::Done)
            }
            (ANNUL, Some(record)) if record.held == Held::Live => {
                record.held = Held::Closed(Closed::Here);
                Said::Fact(Fact::Done)
            }
            (SEND | ANNUL, _) => Said::Refused,
            (_, None) => Said::Fact(Fact::Absent),
            (_, Some(record)) if !record.is_of(&theirs) => Said::Others,
            (_, Some(record)) => Said::Fact(Fact::Found(match record.held {
                Held::Live => Standing::Live,
                Held::Taken => Standing::Taken,
                Held::Closed(_) => Standing::Closed,
            })),
        }
    }
}
