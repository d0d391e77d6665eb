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
//! 6. Nothing is annulled but for its prescriber's cancel, or because it was given up with consent and
//!    shown to be there, or because its entry goes on under another number; and nothing before the
//!    outcome of its prescription is known.
//! 7. Nothing goes on under another number before the old one was annulled, closed or shown absent.
//! 8. A watch ends in silence only after a look at a closed gate, a horizon after the last send and the
//!    last recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use engine::calls::Calls;
use engine::ports::{Answer, Fact, Request};
use policies::delivery::Standing;
use policies::failure::{Code, Failure, Opaque, Outcome, Stops};
use policies::gate::GateState;
use policies::operation::OpName;
use policies::time::Timestamp;

use super::disk::{Disk, Grounds};
use super::journal::Journal;
use super::operations::{ANNUL, LIST, LOOK, LOT, SEND};

/// What is known of a number's sends. It outlives the process: so does the upstream's memory.
#[derive(Default, Clone)]
struct Known {
    may_be_there: bool,
    absent_by: BTreeSet<OpName>,
    /// A read or a send has shown it there.
    shown: bool,
    /// A read or an annul has shown it closed.
    closed: bool,
    /// It holds another's prescription.
    taken: bool,
    sent_at: Option<Timestamp>,
    absent_at: Option<Timestamp>,
    /// Whether the gate of the write was closed then.
    absent_in_order: bool,
}

impl Known {
    fn is_shown_absent(&self) -> bool {
        [LOOK, LIST]
            .iter()
            .all(|read| self.absent_by.contains(read))
    }
}

/// What all processes together have shown of themselves.
#[derive(Default)]
pub(crate) struct Ledger {
    numbers: Mutex<BTreeMap<Opaque, Known>>,
    /// When the upstream was seen to recover, or a process began to look; the newest last.
    recoveries: Mutex<Vec<Timestamp>>,
}

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
        let is_probe = self.gate(op) == Some(GateState::HalfOpen);
        let trips = self.count(op, &request.authority, is_probe);
        let before = (op == SEND).then(|| self.sends(&request.number));
        if op == ANNUL {
            self.annuls(&request.number);
        }
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
        let text = String::from_utf8_lossy(&number.0);
        self.journal.hold(
            !known.may_be_there || known.is_shown_absent(),
            format_args!("{text} is sent again unasked"),
        );
        self.journal.hold(
            self.disk.is_held(number),
            format_args!("{text} is sent by one who does not hold it"),
        );
        *known = Known {
            may_be_there: true,
            absent_by: BTreeSet::new(),
            sent_at: Some(self.journal.now()),
            ..before.clone()
        };
        for old in self.disk.superseded(number) {
            let is_let_go = ledger
                .get(&old)
                .is_none_or(|old| !old.may_be_there || old.closed || old.is_shown_absent());
            self.journal.hold(
                is_let_go,
                format_args!("{text} is sent while {old:?} may be there"),
            );
        }
        before
    }

    /// The number is about to be annulled.
    fn annuls(&self, number: &Opaque) {
        let is_shown = self
            .ledger
            .known()
            .get(number)
            .is_some_and(|known| known.shown);
        let grounds = self.disk.grounds(number);
        let is_lawful = grounds.iter().any(|grounds| match grounds {
            Grounds::Superseding => true,
            Grounds::Consent => is_shown,
            Grounds::Cancel { is_known, before } => *is_known && (is_shown || before.is_some()),
        });
        let text = String::from_utf8_lossy(&number.0);
        self.journal.hold(
            is_lawful,
            format_args!("{text} is annulled, shown there: {is_shown}, for {grounds:?}"),
        );
    }

    /// How the gate of `op` stands in this process.
    fn gate(&self, op: OpName) -> Option<GateState> {
        let calls = self.calls.get().and_then(Weak::upgrade);
        let gates = calls.map_or_else(Vec::new, |calls| calls.view());
        let mut gates = gates.iter().filter(|gate| gate.op == op);
        gates.next().map(|gate| gate.view.state)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn known(&self) -> MutexGuard<'_, BTreeMap<Opaque, Known>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recoveries(&self) -> MutexGuard<'_, Vec<Timestamp>> {
        let recoveries = self.recoveries.lock();
        recoveries.unwrap_or_else(PoisonError::into_inner)
    }

    /// What the upstream kept back may be applied from now on.
    pub(crate) fn recovers(&self, at: Timestamp) {
        self.recoveries().push(at);
    }

    /// The watch over `number` ends, and nobody is told.
    pub(crate) fn closes(&self, journal: &Journal, number: &Opaque, horizon: Duration) {
        let known = self.known().get(number).cloned().unwrap_or_default();
        let text = String::from_utf8_lossy(&number.0);
        let Some(looked_at) = known.absent_at else {
            journal.hold(
                known.taken,
                format_args!("the watch over {text} ended without a look"),
            );
            return;
        };
        journal.hold(
            known.taken || known.absent_in_order,
            format_args!("the watch over {text} ended while its upstream had yet to recover"),
        );
        let recovered_at = self
            .recoveries()
            .iter()
            .copied()
            .rfind(|at| *at < looked_at);
        let begins = known.sent_at.max(recovered_at).unwrap_or_default();
        journal.hold(
            known.taken || looked_at >= begins + horizon,
            format_args!("the watch over {text} ended before its horizon"),
        );
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

impl Known {
    fn hears(&mut self, op: OpName, fact: &Fact, now: Timestamp, is_closed: bool) {
        match fact {
            Fact::Absent => {
                self.absent_by.insert(op);
                if op == LOOK {
                    self.absent_at = Some(now);
                    self.absent_in_order = is_closed;
                }
            }
            Fact::Done if op == ANNUL => self.closed = true,
            Fact::Found(Standing::Closed) => self.closed = true,
            _ => self.shown = true,
        }
    }
}

impl Call<'_> {
    /// A probe may have closed the gate: known once the gate has heard of it, too.
    fn may_recover(&self, result: &Result<Answer, Failure>) {
        let is_answered = match result {
            Ok(_) => true,
            Err(failure) => failure.stops == Stops::Nothing,
        };
        if self.op != SEND || !self.is_probe || !is_answered {
            return;
        }
        let now = self.witness.journal.now();
        let ledger = Arc::clone(&self.witness.ledger);
        let calls = self.witness.calls.get().cloned();
        drop(tokio::spawn(async move {
            let calls = calls.and_then(|calls| calls.upgrade());
            let gates = calls.map_or_else(Vec::new, |calls| calls.view());
            let mut gates = gates.iter().filter(|gate| gate.op == SEND);
            if gates.any(|gate| gate.view.state == GateState::Closed) {
                ledger.recovers(now);
            }
        }));
    }

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
            Err(failure) => {
                let known = ledger.entry(number.clone()).or_default();
                known.taken |= failure.code == Code::NumberTaken;
            }
            Ok(answer) if self.op != LOT => {
                let known = ledger.entry(number.clone()).or_default();
                let is_closed = self.witness.gate(SEND) == Some(GateState::Closed);
                known.hears(self.op, &answer.fact, self.witness.journal.now(), is_closed);
            }
            Ok(_) => {}
        }
        drop(ledger);
        self.may_recover(result);
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
