//! The one way a lane calls its upstream: through the gate of the operation, within a deadline,
//! with the outcome told to the gate.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use policies::failure::{Code, Failure, Outcome, Retry, Stops};
use policies::operation::{OpName, Operation};
use policies::rules::{CALL_OVERTIME, GateRules};
use policies::time::Timestamp;

use crate::door::GateView;
use crate::gate::{Gate, Permit};
use crate::ports::{Answer, Clock, Request, Rng, Upstream};
use crate::stop::Stop;

/// The calls of one lane, a gate an operation.
pub struct Calls {
    upstream: Arc<dyn Upstream>,
    gates: BTreeMap<OpName, (Operation, Arc<Gate>)>,
    clock: Arc<dyn Clock>,
    stop: Stop,
}

impl Calls {
    /// Closed gates for every one of `operations`.
    pub fn new(
        upstream: Arc<dyn Upstream>,
        operations: &[Operation],
        rules: &GateRules,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        stop: Stop,
    ) -> Calls {
        let gates = operations
            .iter()
            .map(|row| {
                let gate = Gate::new(rules, Arc::clone(&clock), Arc::clone(&rng));
                (row.op, (*row, Arc::new(gate)))
            })
            .collect();
        Calls {
            upstream,
            gates,
            clock,
            stop,
        }
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
        self.gate(op).try_enter()
    }

    /// When the gate of `op` last closed after it had been open.
    pub fn recovered_at(&self, op: OpName) -> Option<Timestamp> {
        self.gate(op).recovered_at()
    }

    /// How every gate stands.
    pub fn view(&self) -> Vec<GateView> {
        self.gates
            .values()
            .map(|(row, gate)| {
                let (state, retry_after) = gate.view();
                GateView {
                    lane: row.lane,
                    op: row.op,
                    state,
                    retry_after,
                }
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
        let result = tokio::select! {
            biased;
            result = self.upstream.call(op, request, within) => result,
            () = self.clock.sleep(within + CALL_OVERTIME) => {
                Err(Failure::upstream(Code::UpstreamTimeout, Outcome::Unknown))
            }
            () = self.stop.forced() => {
                let retry = Retry::After(Duration::ZERO);
                Err(Failure::gateway(Code::ShuttingDown, Outcome::Unknown, retry))
            }
        };
        self.tell_gate(permit, &result);
        result
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
                // The upstream is up, or we cut the call short: no evidence either way.
                Stops::Identity => drop(permit),
                Stops::Nothing if failure.code == Code::ShuttingDown => drop(permit),
                Stops::Nothing => permit.answered(),
            },
        }
    }

    fn gate(&self, op: OpName) -> &Arc<Gate> {
        let (_, gate) = self
            .gates
            .get(&op)
            .expect("a lane calls only operations of its table");
        gate
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
