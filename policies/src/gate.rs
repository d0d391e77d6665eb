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
//! 5. Once it has closed, calls come back along the [ramp]; opening again before its end counts as
//!    the same trouble, and keeps it open for longer than before.
//! 6. A [`Mode`] overrules what the gate would do and not what it has seen.
//! 7. Other rules change what it will do, and not what it has seen or said: an open gate stays open as
//!    long as was told, a ramp goes on from the share it has reached, and leave that was given counts.
//!
//! [ramp]: crate::rules::GateRules::ramp
//!
//! # Not here
//!
//! Locking, and what happens to a permit that is dropped: `engine::gate`.

mod mode;
mod ramp;
mod tap;
mod verdict;

use std::time::Duration;

use failsafe::StateMachine;

use crate::admission::Turn;
use crate::rules::GateRules;
use crate::time::Timestamp;
pub use mode::Mode;
use ramp::Ramp;
use tap::Tap;
use verdict::Verdict;

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

/// What a gate must know of the calls that pass it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passing {
    /// How many the lane makes at the same time at most.
    pub calls_max: usize,
    /// How long one may take: of a write, with the read that goes ahead of a probe.
    pub call_within: Duration,
}

/// How a gate looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// What the gate itself says.
    pub state: GateState,
    /// Whether it is listened to.
    pub mode: Mode,
    /// The share of calls that may pass while it comes back to full load.
    pub ramp_percent: Option<u8>,
    /// Calls let in whose outcome is not there yet.
    pub under_way: usize,
    /// How long until a call may be admitted, a probe's time included; `None` if one would be now.
    pub retry_after: Option<Duration>,
}

/// The breaker of one operation.
#[derive(Debug)]
pub struct Breaker {
    machine: StateMachine<Verdict, Tap>,
    tap: Tap,
    verdict: Verdict,
    rules: GateRules,
    passing: Passing,
    mode: Mode,
    ramp: Option<Ramp>,
    /// Calls let in whose outcome is not there yet.
    under_way: usize,
    open_until: Timestamp,
    opened_in_row: u32,
    epoch: u64,
    probing: bool,
    probe_until: Timestamp,
}

impl Breaker {
    /// A closed gate.
    pub fn new(rules: GateRules, passing: Passing, mode: Mode) -> Breaker {
        let tap = Tap::default();
        let verdict = Verdict::new(rules.clone());
        Breaker {
            machine: StateMachine::new(verdict.clone(), tap.clone()),
            tap,
            verdict,
            rules,
            passing,
            mode,
            ramp: None,
            under_way: 0,
            open_until: Timestamp::default(),
            opened_in_row: 0,
            epoch: 0,
            probing: false,
            probe_until: Timestamp::default(),
        }
    }

    /// How it stands.
    pub fn view(&self, now: Timestamp) -> View {
        let ramp = self.ramp.as_ref().filter(|ramp| !ramp.is_over(now));
        View {
            state: self.tap.state(),
            mode: self.mode,
            ramp_percent: ramp.map(|ramp| percent(ramp.share(now))),
            under_way: self.under_way,
            retry_after: self.retry_after(ramp, now),
        }
    }

    /// Overrules the gate, or lets it decide again. An upstream that was left alone on purpose comes
    /// back to full load along a ramp, as one that had failed.
    pub fn set_mode(&mut self, mode: Mode, now: Timestamp) {
        let was_shut = std::mem::replace(&mut self.mode, mode).is_shut();
        if was_shut && !mode.is_shut() && self.tap.state() == GateState::Closed {
            self.begin_ramp(now);
        }
    }

    /// Goes by other rules from now on. Equal ones change nothing.
    pub fn adopt(&mut self, rules: GateRules, passing: Passing, mode: Mode, now: Timestamp) {
        self.end_ramp(now);
        self.verdict.adopt(rules.clone(), now);
        if let Some(ramp) = &mut self.ramp {
            ramp.adopt(passing.calls_max, rules.ramp, now);
        }
        (self.rules, self.passing) = (rules, passing);
        self.set_mode(mode, now);
    }

    /// Asks for leave to call; refused, says how long to wait at least. Every leave is given back by
    /// [`Breaker::finish`].
    pub fn admit(&mut self, turn: Turn, now: Timestamp) -> Result<Admission, Duration> {
        self.end_ramp(now);
        match self.mode {
            Mode::ForcedOpen | Mode::Disabled => return Err(self.rules.open_for_max),
            Mode::ForcedClosed => return Ok(self.leave(false)),
            Mode::Auto => {}
        }
        if self.tap.state() == GateState::Closed {
            if let Some(ramp) = &mut self.ramp {
                ramp.admit(turn, self.under_way, now)?;
            }
            return Ok(self.leave(false));
        }
        if now < self.open_until {
            return Err(self.open_until.since(now));
        }
        if self.probing {
            return Err(self.probe_left(now));
        }
        if !self.machine.is_call_permitted() {
            return Err(self.rules.open_for);
        }
        self.epoch += 1;
        self.probing = true;
        self.probe_until = now + self.passing.call_within;
        Ok(self.leave(true))
    }

    /// Whether the admitted call may begin only now; refused, says how long to wait at least.
    ///
    /// Between leave and call lies a write to the disk, which may take long: leave given by a gate
    /// that has opened since is void, or every call waiting for a disk would follow the one probe;
    /// once it is closed again it passes by the ramp like any other.
    pub fn confirm(&mut self, admission: Admission, now: Timestamp) -> Result<(), Duration> {
        self.end_ramp(now);
        match self.mode {
            Mode::ForcedOpen | Mode::Disabled => return Err(self.rules.open_for_max),
            Mode::ForcedClosed => return Ok(()),
            Mode::Auto => {}
        }
        let is_current = admission.epoch == self.epoch;
        match (self.tap.state(), &mut self.ramp) {
            (GateState::Closed, Some(ramp)) if !is_current => {
                ramp.admit(Turn::Live, self.under_way.saturating_sub(1), now)
            }
            (GateState::Closed, _) => Ok(()),
            _ if is_current && admission.probe => Ok(()),
            _ => Err(self.open_until.since(now).max(self.rules.open_for)),
        }
    }

    /// Records what the admitted call told; `chance` in `[0, 1)` spreads the time it stays open.
    pub fn finish(
        &mut self,
        admission: Admission,
        outcome: CallOutcome,
        now: Timestamp,
        chance: f64,
    ) {
        self.under_way = self
            .under_way
            .checked_sub(1)
            .expect("every leave gives one outcome");
        self.end_ramp(now);
        if admission.epoch != self.epoch {
            return;
        }
        if admission.probe {
            self.probing = false;
        } else if self.tap.state() != GateState::Closed {
            // Forced through an open gate: only a probe decides about that.
            return;
        }
        self.verdict.set_now(now);
        match outcome {
            CallOutcome::Neutral if admission.probe => {
                self.open_until = now + self.open_for(chance);
            }
            CallOutcome::Neutral => {}
            CallOutcome::Unused => {
                if let Some(ramp) = &mut self.ramp {
                    ramp.give_back();
                }
            }
            CallOutcome::Answered(took) if took > self.rules.slow_after => self.slow(now, chance),
            CallOutcome::Answered(_) => {
                self.machine.on_success();
                if admission.probe {
                    self.epoch += 1;
                    self.begin_ramp(now);
                }
            }
            CallOutcome::Failed => self.fail(now, chance),
        }
    }

    /// Opens the gate at once, whatever its window says: no call can succeed.
    pub fn trip(&mut self, now: Timestamp, chance: f64) {
        self.end_ramp(now);
        self.verdict.set_now(now);
        self.verdict.set_condemned(true);
        if self.tap.state() != GateState::Open {
            self.fail(now, chance);
        }
        self.verdict.set_condemned(false);
    }

    /// A slow answer is driven as an error of its own kind: it trips by its own share only.
    fn slow(&mut self, now: Timestamp, chance: f64) {
        self.verdict.set_slow(true);
        self.fail(now, chance);
        self.verdict.set_slow(false);
    }

    fn fail(&mut self, now: Timestamp, chance: f64) {
        self.machine.on_error();
        if self.tap.state() == GateState::Open {
            self.open_until = now + self.open_for(chance);
            self.opened_in_row = self.opened_in_row.saturating_add(1);
            self.epoch += 1;
            self.probing = false;
            self.ramp = None;
        }
    }

    fn leave(&mut self, probe: bool) -> Admission {
        self.under_way += 1;
        Admission {
            epoch: self.epoch,
            probe,
        }
    }

    fn begin_ramp(&mut self, now: Timestamp) {
        self.ramp = Some(Ramp::new(self.passing.calls_max, self.rules.ramp, now));
        self.end_ramp(now);
    }

    /// Only a whole ramp shows that it has recovered: what closes for one write and opens again under
    /// load goes on doubling.
    fn end_ramp(&mut self, now: Timestamp) {
        if self.ramp.as_ref().is_some_and(|ramp| ramp.is_over(now)) {
            self.ramp = None;
            self.opened_in_row = 0;
        }
    }

    fn retry_after(&self, ramp: Option<&Ramp>, now: Timestamp) -> Option<Duration> {
        match (self.mode, self.tap.state()) {
            (Mode::ForcedOpen | Mode::Disabled, _) => Some(self.rules.open_for_max),
            (Mode::ForcedClosed, _) => None,
            (Mode::Auto, GateState::Closed) => {
                let wait = ramp?.wait(Turn::Live, self.under_way, now)?;
                // Room that others hold is free once their calls have ended.
                Some(wait.min(self.passing.call_within))
            }
            (Mode::Auto, _) if now < self.open_until => {
                Some(self.open_until.since(now) + self.passing.call_within)
            }
            (Mode::Auto, _) => self.probing.then(|| self.probe_left(now)),
        }
    }

    /// By when the probe under way has told its outcome; one that is late is not waited for more
    /// often than an open gate.
    fn probe_left(&self, now: Timestamp) -> Duration {
        let left = self.probe_until.since(now);
        if left.is_zero() {
            self.rules.open_for
        } else {
            left
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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share lies between 0 and 1"
)]
fn percent(share: f64) -> u8 {
    (share * 100.0) as u8
}

#[cfg(test)]
mod tests;
