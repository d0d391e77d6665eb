//! The circuit breaker of one operation: whether it may be called now.
//!
//! `failsafe` holds the state machine; everything that its own policies get wrong for us is held
//! here: verdicts weighted by calls and not by time, the time a gate stays open (passed in, never
//! read), one probe at a time, and outcomes that say nothing.
//!
//! # Invariants
//!
//! 1. A half-open gate admits one call; the next only after that one has given its outcome.
//! 2. A call admitted before the last change of state has no vote.
//! 3. Looking at a gate changes nothing.
//! 4. Leave given before the gate opened is void until it is closed again.
//!
//! # Not here
//!
//! Locking, and what happens to a permit that is dropped: `engine::gate`.

mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use failsafe::{Instrument, StateMachine};

use crate::rules::GateRules;
use crate::time::Timestamp;
use verdict::{Cell, Verdict};

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// One call at a time passes, to see.
    HalfOpen,
}

impl GateState {
    /// The word used on the wire, in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            GateState::Closed => "closed",
            GateState::Open => "open",
            GateState::HalfOpen => "half-open",
        }
    }
}

/// What a call told about the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// It answered, after this long.
    Answered(Duration),
    /// It failed.
    Failed,
    /// Nothing: it was cut short, or its failure is not the upstream's.
    Neutral,
    /// The call was never made.
    Unused,
}

/// Leave to make one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    epoch: u64,
    /// Whether the gate is half-open and this call alone decides about it.
    pub probe: bool,
}

/// The breaker of one operation.
#[derive(Debug)]
pub struct Breaker {
    machine: StateMachine<Verdict, Tap>,
    tap: Tap,
    cell: Cell,
    rules: GateRules,
    open_until: Timestamp,
    opened_in_row: u32,
    epoch: u64,
    probing: bool,
}

impl Breaker {
    /// A closed gate.
    pub fn new(rules: GateRules) -> Breaker {
        let tap = Tap::default();
        let cell = Cell::default();
        let verdict = Verdict::new(rules.clone(), cell.clone());
        Breaker {
            machine: StateMachine::new(verdict, tap.clone()),
            tap,
            cell,
            rules,
            open_until: Timestamp::default(),
            opened_in_row: 0,
            epoch: 0,
            probing: false,
        }
    }

    /// How it stands, and how long until it may admit a call.
    pub fn view(&self, now: Timestamp) -> (GateState, Option<Duration>) {
        let wait = self.open_until.since(now);
        (self.tap.state(), (!wait.is_zero()).then_some(wait))
    }

    /// Asks for leave to call; refused, says how long to wait at least.
    pub fn admit(&mut self, now: Timestamp) -> Result<Admission, Duration> {
        if self.tap.state() == GateState::Closed {
            return Ok(Admission {
                epoch: self.epoch,
                probe: false,
            });
        }
        if now < self.open_until {
            return Err(self.open_until.since(now));
        }
        // A probe in flight: its outcome comes within one call's deadline.
        if self.probing || !self.machine.is_call_permitted() {
            return Err(self.rules.open_for);
        }
        self.epoch += 1;
        self.probing = true;
        Ok(Admission {
            epoch: self.epoch,
            probe: true,
        })
    }

    /// Whether the admitted call may begin only now; refused, says how long to wait at least.
    ///
    /// Between leave and call lies a write to the disk, which may take long: leave given by a gate
    /// that has opened since is void, or every call waiting for a disk would follow the one probe.
    pub fn confirm(&self, admission: Admission, now: Timestamp) -> Result<(), Duration> {
        if admission.epoch == self.epoch || self.tap.state() == GateState::Closed {
            return Ok(());
        }
        Err(self.open_until.since(now).max(self.rules.open_for))
    }

    /// Records what the admitted call told; `chance` in `[0, 1)` spreads the time it stays open.
    pub fn finish(
        &mut self,
        admission: Admission,
        outcome: CallOutcome,
        now: Timestamp,
        chance: f64,
    ) {
        if admission.epoch != self.epoch {
            return;
        }
        if admission.probe {
            self.probing = false;
        }
        self.cell.set_now(now);
        match outcome {
            CallOutcome::Neutral if admission.probe => {
                self.open_until = now + self.open_for(chance);
            }
            CallOutcome::Neutral | CallOutcome::Unused => {}
            CallOutcome::Answered(took) if took > self.rules.slow_after => self.slow(now, chance),
            CallOutcome::Answered(_) => {
                self.machine.on_success();
                if admission.probe {
                    self.opened_in_row = 0;
                    self.epoch += 1;
                }
            }
            CallOutcome::Failed => self.fail(now, chance),
        }
    }

    /// Opens the gate at once, whatever its window says: no call can succeed.
    pub fn trip(&mut self, now: Timestamp, chance: f64) {
        self.cell.set_now(now);
        self.cell.set_condemned(true);
        if self.tap.state() != GateState::Open {
            self.fail(now, chance);
        }
        self.cell.set_condemned(false);
    }

    /// A slow answer is driven as an error of its own kind: it trips by its own share only.
    fn slow(&mut self, now: Timestamp, chance: f64) {
        self.cell.set_slow(true);
        self.fail(now, chance);
        self.cell.set_slow(false);
    }

    fn fail(&mut self, now: Timestamp, chance: f64) {
        self.machine.on_error();
        if self.tap.state() == GateState::Open {
            self.open_until = now + self.open_for(chance);
            self.opened_in_row = self.opened_in_row.saturating_add(1);
            self.epoch += 1;
            self.probing = false;
        }
    }

    /// Doubles with every opening in a row; the upper half of the wait is left to chance.
    fn open_for(&self, chance: f64) -> Duration {
        let doublings = self.opened_in_row.min(16);
        let whole = self
            .rules
            .open_for
            .saturating_mul(1 << doublings)
            .min(self.rules.open_for_max);
        whole.mul_f64(0.5 + 0.5 * chance)
    }
}

/// Keeps the state that `failsafe` hides. It never touches the machine: some of these calls come
/// while the machine is locked.
#[derive(Debug, Clone, Default)]
struct Tap(Arc<AtomicU8>);

impl Tap {
    fn state(&self) -> GateState {
        match self.0.load(Ordering::Relaxed) {
            0 => GateState::Closed,
            1 => GateState::Open,
            _ => GateState::HalfOpen,
        }
    }
}

impl Instrument for Tap {
    fn on_call_rejected(&self) {}
    fn on_closed(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
    fn on_open(&self) {
        self.0.store(1, Ordering::Relaxed);
    }
    fn on_half_open(&self) {
        self.0.store(2, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
