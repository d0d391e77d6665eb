//! Watches one process at its boundary with the upstream, and knows nothing of how it works inside.
//!
//! # Invariants it holds the process to
//!
//! 1. Never more calls at once than `calls_max` (lots apart: they are another lane in the gateway).
//! 2. At a half-open gate, one call of its operation at a time.
//! 3. Nothing is sent a second time under a number before every read has said *absent*, unless the
//!    first send surely had no effect.
//! 4. Nothing is sent by a deliverer whose lease has run out.
//! 5. A refused authority is not presented again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use engine::calls::Calls;
use engine::ports::{Answer, Fact, Request};
use policies::failure::{Code, Failure, Opaque, Outcome, Stops};
use policies::gate::GateState;
use policies::operation::OpName;

use super::disk::Disk;
use super::journal::Journal;
use super::operations::{LIST, LOOK, LOT, SEND};

/// What is known of a number's sends. It outlives the process: so does the upstream's memory.
#[derive(Default, Clone)]
struct Known {
    may_be_there: bool,
    absent_by: BTreeSet<OpName>,
}

/// What all processes together have shown of themselves.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<BTreeMap<Opaque, Known>>);

/// The witness of one process.
pub(crate) struct Witness {
    calls_max: usize,
    ledger: Arc<Ledger>,
    disk: Arc<Disk>,
    journal: Arc<Journal>,
    /// The gates of the process, once they are there.
    pub(crate) calls: OnceLock<Weak<Calls>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    under_way: usize,
    /// Calls under way that began at a half-open gate.
    probes: BTreeMap<OpName, usize>,
    /// Raised when all gates were opened at once: probes of before decide nothing any more.
    trips: u64,
    authorities_refused: BTreeSet<Opaque>,
}

impl Witness {
    pub(crate) fn new(
        calls_max: usize,
        ledger: Arc<Ledger>,
        disk: Arc<Disk>,
        journal: Arc<Journal>,
    ) -> Witness {
        Witness {
            calls_max,
            ledger,
            disk,
            journal,
            calls: OnceLock::new(),
            seen: Mutex::default(),
        }
    }

    /// A call begins.
    pub(crate) fn begins<'a>(&'a self, op: OpName, request: &'a Request) -> Call<'a> {
        let number = String::from_utf8_lossy(&request.number.0);
        self.journal
            .note(format_args!("{} {number} goes out", op.0));
        let is_probe = self.is_half_open(op);
        let trips = self.count(op, &request.authority, is_probe);
        let before = (op == SEND).then(|| self.sends(&request.number));
        Call {
            witness: self,
            op,
            request,
            is_probe,
            trips,
            before,
        }
    }

    fn count(&self, op: OpName, authority: &Opaque, is_probe: bool) -> u64 {
        let mut seen = self.seen();
        seen.under_way += usize::from(op != LOT);
        self.journal.hold(
            seen.under_way <= self.calls_max,
            format_args!("{} calls at once", seen.under_way),
        );
        self.journal.hold(
            !seen.authorities_refused.contains(authority),
            format_args!("a refused authority is presented again"),
        );
        if is_probe {
            let probes = seen.probes.entry(op).or_default();
            *probes += 1;
            let count = *probes;
            self.journal.hold(
                count == 1,
                format_args!("{count} probes of {} at once", op.0),
            );
        }
        seen.trips
    }

    /// The number is about to be sent; what was known of it before.
    fn sends(&self, number: &Opaque) -> Known {
        let mut ledger = self.ledger.known();
        let known = ledger.entry(number.clone()).or_default();
        let before = known.clone();
        let is_shown_absent = [LOOK, LIST]
            .iter()
            .all(|read| known.absent_by.contains(read));
        let text = String::from_utf8_lossy(&number.0);
        self.journal.hold(
            !known.may_be_there || is_shown_absent,
            format_args!("{text} is sent again unasked"),
        );
        self.journal.hold(
            self.disk.is_held(number),
            format_args!("{text} is sent by one who does not hold it"),
        );
        *known = Known {
            may_be_there: true,
            absent_by: BTreeSet::new(),
        };
        before
    }

    fn is_half_open(&self, op: OpName) -> bool {
        let calls = self.calls.get().and_then(Weak::upgrade);
        let gates = calls.map_or_else(Vec::new, |calls| calls.view());
        gates
            .iter()
            .any(|gate| gate.op == op && gate.view.state == GateState::HalfOpen)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn known(&self) -> MutexGuard<'_, BTreeMap<Opaque, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way.
pub(crate) struct Call<'a> {
    witness: &'a Witness,
    op: OpName,
    request: &'a Request,
    is_probe: bool,
    trips: u64,
    before: Option<Known>,
}

impl Call<'_> {
    /// The process has heard.
    pub(crate) fn ends(self, result: &Result<Answer, Failure>) {
        let number = &self.request.number;
        let text = String::from_utf8_lossy(&number.0);
        let code = result.as_ref().err().map(|failure| failure.code);
        let name = code.map_or("answered", Code::as_str);
        self.witness
            .journal
            .note(format_args!("{} {text}: {name}", self.op.0));
        let mut ledger = self.witness.ledger.known();
        match result {
            Err(failure) if failure.outcome == Outcome::NotDone => {
                if let Some(before) = &self.before {
                    ledger.insert(number.clone(), before.clone());
                }
            }
            Ok(answer) if answer.fact == Fact::Absent => {
                let known = ledger.entry(number.clone()).or_default();
                known.absent_by.insert(self.op);
            }
            _ => {}
        }
        let mut seen = self.witness.seen();
        match result.as_ref().map_err(|failure| failure.stops) {
            Err(Stops::Identity) => {
                seen.authorities_refused
                    .insert(self.request.authority.clone());
            }
            Err(Stops::Lane) => {
                seen.trips += 1;
                seen.probes.clear();
            }
            _ => {}
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut seen = self.witness.seen();
        seen.under_way -= usize::from(self.op != LOT);
        if self.is_probe
            && self.trips == seen.trips
            && let Some(probes) = seen.probes.get_mut(&self.op)
        {
            *probes -= 1;
        }
    }
}
