//! The one way a lane calls its upstream: through the gate of the operation, within a deadline,
//! with the outcome told to the gate, and how it was borne to the limit on calls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policies::admission::{Load, Turn};
use policies::budget::RetryBudget;
use policies::failure::{Code, Failure, Outcome, Retry, Stops};
use policies::gate::{Mode, Passing};
use policies::operation::{OpName, Operation, Strategy};
use policies::rules::{CALL_OVERTIME, CallRules, LaneRules};
use policies::time::Timestamp;
use tracing::Instrument;

use crate::door::GateView;
use crate::gate::{Gate, Permit};
use crate::live::Live;
use crate::ports::{Answer, Clock, Request, Rng, Signals, Upstream};
use crate::slots::{Slot, Slots};
use crate::stop::Stop;

/// The calls of one lane: room for them, a gate an operation, and the budget of those that are
/// tried again.
pub struct Calls {
    upstream: Arc<dyn Upstream>,
    gates: BTreeMap<OpName, (Operation, Arc<Gate>)>,
    slots: Arc<Slots>,
    retries: Mutex<RetryBudget>,
    mode: Live<Mode>,
    slow_after: Live<Duration>,
    clock: Arc<dyn Clock>,
    signals: Arc<dyn Signals>,
    stop: Stop,
}

impl Calls {
    /// Closed gates for every one of `operations`, in the mode of the policy.
    pub fn new(
        upstream: Arc<dyn Upstream>,
        operations: &[Operation],
        rules: &LaneRules,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        signals: Arc<dyn Signals>,
        stop: Stop,
    ) -> Calls {
        let gates = operations
            .iter()
            .map(|row| {
                let passing = passing(row, &rules.calls);
                let (clock, rng) = (Arc::clone(&clock), Arc::clone(&rng));
                let gate = Gate::new(&rules.gate, passing, rules.mode, clock, rng);
                (row.op, (*row, Arc::new(gate)))
            })
            .collect();
        Calls {
            upstream,
            gates,
            slots: Arc::new(Slots::new(&rules.calls, Arc::clone(&clock))),
            retries: Mutex::new(RetryBudget::new(
                rules.retry_share,
                rules.retry_floor_per_second,
            )),
            mode: Live::new(rules.mode),
            slow_after: Live::new(rules.gate.slow_after),
            clock,
            signals,
            stop,
        }
    }

    /// Who watches the lane.
    pub(crate) fn signals(&self) -> &dyn Signals {
        &*self.signals
    }

    /// The row of this operation, as it was named when it was stored.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.gates
            .values()
            .map(|(row, _)| row)
            .find(|row| row.op.0 == name)
    }

    /// Leave to call `op` now; refused, says how long to wait at least.
    pub fn try_enter(&self, op: OpName) -> Result<Permit, Duration> {
        self.try_enter_as(op, Turn::Live)
    }

    /// As [`Calls::try_enter`], for delivery to leave a ramping gate's room to live requests.
    pub(crate) fn try_enter_as(&self, op: OpName, turn: Turn) -> Result<Permit, Duration> {
        self.gate(op).try_enter(turn)
    }

    /// Room for one call now, if there is some. It is not leave of a gate.
    pub(crate) fn try_slot(&self, turn: Turn) -> Option<Slot> {
        self.slots.try_take(turn)
    }

    /// Calls that may be under way at present, and those that are.
    pub fn room(&self) -> (usize, usize) {
        self.slots.view()
    }

    /// When the next retry of this lane may begin; that instant is given to nobody else.
    pub(crate) fn reserve_retry(&self) -> Timestamp {
        let now = self.clock.now();
        self.retries().reserve(now)
    }

    /// How long until a call of `op` may be admitted, a probe's time included; `None` if one would be
    /// now, as far as the gate is concerned.
    pub fn retry_after(&self, op: OpName) -> Option<Duration> {
        self.gate(op).view().retry_after
    }

    /// Who decides whether calls pass.
    pub fn mode(&self) -> Mode {
        *self.mode.load()
    }

    /// Goes by other rules from now on, one gate after the other. What gates, room and budget have seen,
    /// said and let in stays; what is under way goes on as it began, and what has leave and has not begun
    /// asks again.
    pub fn adopt(&self, rules: &LaneRules) {
        if rules.mode != self.mode() {
            tracing::warn!(mode = rules.mode.as_str(), "the mode of a lane was set");
        }
        self.mode.replace(Arc::new(rules.mode));
        self.slow_after.replace(Arc::new(rules.gate.slow_after));
        self.slots.adopt(&rules.calls);
        self.retries()
            .adopt(rules.retry_share, rules.retry_floor_per_second);
        for (row, gate) in self.gates.values() {
            gate.adopt(&rules.gate, passing(row, &rules.calls), rules.mode);
        }
    }

    /// When the gate of `op` last let calls pass again, after it had not.
    pub fn recovered_at(&self, op: OpName) -> Option<Timestamp> {
        self.gate(op).recovered_at()
    }

    /// How every gate stands.
    pub fn view(&self) -> Vec<GateView> {
        self.gates
            .values()
            .map(|(row, gate)| GateView {
                lane: row.lane,
                op: row.op,
                view: gate.view(),
            })
            .collect()
    }

    /// Calls `op` under `permit`; not at all if its gate has opened since the permit was given.
    pub async fn call(
        &self,
        mut permit: Permit,
        op: OpName,
        request: &Request,
        within: Duration,
    ) -> Result<Answer, Failure> {
        permit.begin().map_err(gate_open)?;
        let begun = self.clock.now();
        self.retries().note_call(begun);
        let span = self.signals.call(op);
        let upstream = self.upstream.call(op, request, within);
        let result = tokio::select! {
            biased;
            result = upstream.instrument(span.clone()) => result,
            () = self.clock.sleep(within + CALL_OVERTIME) => {
                Err(Failure::upstream(Code::UpstreamTimeout, Outcome::Unknown))
            }
            () = self.stop.forced() => {
                let retry = Retry::After(Duration::ZERO);
                Err(Failure::gateway(Code::ShuttingDown, Outcome::Unknown, retry))
            }
        };
        if let Some(load) = self.load(&result, begun) {
            self.slots.learn(load, begun);
        }
        let outcome = match &result {
            Ok(_) => "ok",
            Err(failure) => failure.code.as_str(),
        };
        let took = self.clock.now().since(begun);
        let lane = self.row(op).lane;
        self.signals.called(&span, lane, op, outcome, took);
        self.tell_gate(permit, &result);
        result
    }

    /// What a call shows of the upstream's load; nothing, if it never got as far.
    fn load(&self, result: &Result<Answer, Failure>, begun: Timestamp) -> Option<Load> {
        let took = self.clock.now().since(begun);
        let is_answered = match result {
            Ok(_) => true,
            Err(failure) => match failure.code {
                Code::UpstreamTimeout | Code::UpstreamUnavailable => return Some(Load::Strained),
                Code::ShuttingDown => false,
                _ => failure.stops == Stops::Nothing,
            },
        };
        is_answered.then_some(if took > *self.slow_after.load() {
            Load::Strained
        } else {
            Load::Borne
        })
    }

    fn tell_gate(&self, permit: Permit, result: &Result<Answer, Failure>) {
        match result {
            Ok(_) => permit.answered(),
            Err(failure) => match failure.stops {
                Stops::Gate => permit.failed(),
                Stops::Lane => {
                    permit.failed();
                    self.gates.values().for_each(|(_, gate)| gate.trip());
                }
                // Our own refusal: it was never on the wire, and the next call may be the probe.
                Stops::Identity if failure.code == Code::AuthorityExpired => permit.unused(),
                // The upstream is up, or we cut the call short: no evidence either way.
                Stops::Identity => drop(permit),
                Stops::Nothing if failure.code == Code::ShuttingDown => drop(permit),
                Stops::Nothing => permit.answered(),
            },
        }
    }

    /// A panic under this lock can only be arithmetic on plain values: it is used on.
    fn retries(&self) -> MutexGuard<'_, RetryBudget> {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gate(&self, op: OpName) -> &Arc<Gate> {
        &self.known(op).1
    }

    fn row(&self, op: OpName) -> &Operation {
        &self.known(op).0
    }

    fn known(&self, op: OpName) -> &(Operation, Arc<Gate>) {
        let known = self.gates.get(&op);
        known.expect("a lane calls only operations of its table")
    }
}

fn passing(row: &Operation, rules: &CallRules) -> Passing {
    Passing {
        calls_max: rules.calls_max,
        call_within: call_within(row, rules),
    }
}

/// How long a call of `row` may take; a write may have to wait for the read ahead of it.
fn call_within(row: &Operation, rules: &CallRules) -> Duration {
    let read = rules.read_within + CALL_OVERTIME;
    match row.strategy {
        Strategy::WriteBehind => rules.write_within + CALL_OVERTIME + read,
        _ => read,
    }
}

/// The call was not made: its gate would not let it through.
pub(crate) fn gate_open(wait: Duration) -> Failure {
    Failure::gateway(Code::GateOpen, Outcome::NotDone, Retry::After(wait))
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("gates", &self.gates)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
