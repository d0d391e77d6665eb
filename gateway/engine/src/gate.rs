//! A gate in use: the breaker of `policies::gate` behind a lock, and permits that free themselves.
//!
//! # Invariants
//!
//! 1. Every permit gives exactly one outcome; a dropped one says *neutral*, so that a cancelled
//!    probe cannot keep the gate half-open for ever.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policies::admission::Turn;
use policies::gate::{Admission, Breaker, CallOutcome, GateState, Mode, Passing, View};
use policies::rules::GateRules;
use policies::time::Timestamp;

use crate::ports::{Clock, Rng};

/// The gate of one operation.
pub struct Gate {
    breaker: Mutex<Breaker>,
    /// When calls last began to pass after they had not; zero: never.
    recovered_at: AtomicU64,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Gate {
    /// A closed gate.
    pub fn new(
        rules: &GateRules,
        passing: Passing,
        mode: Mode,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Gate {
        Gate {
            breaker: Mutex::new(Breaker::new(rules.clone(), passing, mode)),
            recovered_at: AtomicU64::new(0),
            clock,
            rng,
        }
    }

    /// Leave to make one call now; refused, says how long to wait at least.
    pub fn try_enter(self: &Arc<Self>, turn: Turn) -> Result<Permit, Duration> {
        let entered = self.clock.now();
        let admission = self.breaker().admit(turn, entered)?;
        Ok(Permit {
            gate: Arc::clone(self),
            admission: Some(admission),
            entered,
        })
    }

    /// How it stands; looking changes nothing.
    pub fn view(&self) -> View {
        self.breaker().view(self.clock.now())
    }

    /// When it last closed after it had been open, or was last overruled to let calls pass again.
    pub fn recovered_at(&self) -> Option<Timestamp> {
        match self.recovered_at.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Timestamp(at)),
        }
    }

    /// Goes by other rules from now on, and keeps what it has seen and said.
    pub(crate) fn adopt(&self, rules: &GateRules, passing: Passing, mode: Mode) {
        self.change(|breaker, now| breaker.adopt(rules.clone(), passing, mode, now));
    }

    /// What an operator changes, who may let calls pass again by it.
    fn change(&self, change: impl FnOnce(&mut Breaker, Timestamp)) {
        let now = self.clock.now();
        let mut breaker = self.breaker();
        let was_passing = breaker.view(now).is_passing();
        change(&mut breaker, now);
        if !was_passing && breaker.view(now).is_passing() {
            self.recovered_at.store(now.0, Ordering::Relaxed);
        }
    }

    /// Opens it at once.
    pub fn trip(&self) {
        self.breaker().trip(self.clock.now(), self.rng.unit());
    }

    /// A panic under this lock can only be a broken assertion of the breaker, whose fields are
    /// plain values: it is used on.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("breaker", &*self.breaker())
            .finish_non_exhaustive()
    }
}

/// Leave to make one call.
#[derive(Debug)]
pub struct Permit {
    gate: Arc<Gate>,
    admission: Option<Admission>,
    entered: Timestamp,
}

impl Permit {
    /// Whether this call alone decides about a half-open gate.
    pub fn is_probe(&self) -> bool {
        self.admission.is_some_and(|admission| admission.probe)
    }

    /// The call begins now: what it takes counts from here. Refused if the gate has opened since
    /// leave was given; says how long to wait at least.
    pub fn begin(&mut self) -> Result<(), Duration> {
        self.entered = self.gate.clock.now();
        match self.admission {
            Some(admission) => self.gate.breaker().confirm(admission, self.entered),
            None => Ok(()),
        }
    }

    /// The call was answered.
    pub fn answered(mut self) {
        let took = self.gate.clock.now().since(self.entered);
        self.give(CallOutcome::Answered(took));
    }

    /// The call failed.
    pub fn failed(mut self) {
        self.give(CallOutcome::Failed);
    }

    /// The call was never made.
    pub fn unused(mut self) {
        self.give(CallOutcome::Unused);
    }

    fn give(&mut self, outcome: CallOutcome) {
        if let Some(admission) = self.admission.take() {
            let (now, chance) = (self.gate.clock.now(), self.gate.rng.unit());
            let mut breaker = self.gate.breaker();
            breaker.finish(admission, outcome, now, chance);
            if admission.probe && breaker.view(now).state == GateState::Closed {
                self.gate.recovered_at.store(now.0, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.give(CallOutcome::Neutral);
    }
}
