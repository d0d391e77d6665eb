//! The policy in force, as each part of the gateway reads it, and how another takes its place.

use std::sync::{Arc, Mutex, PoisonError};

use adapters::sac::Sac;
use engine::calls::Calls;
use engine::live::Live;
use policies::gate::{GateState, Mode, View};
use policies::rules::{CallbackRules, LotRules, RegistryRules, WriteBehindRules};

use crate::policy::Policy;

/// What governs the lanes.
pub(super) struct InForce {
    /// All of it, for the edge to load.
    pub(super) policy: Live<Policy>,
    /// The calls of `sac.prescriptions`, `sac.lots` and `sac.registry`.
    pub(super) calls: [Arc<Calls>; 3],
    /// What each lane goes by.
    pub(super) prescriptions: Live<WriteBehindRules>,
    pub(super) lots: Live<LotRules>,
    pub(super) registry: Live<RegistryRules>,
    /// What pushes go by.
    pub(super) callbacks: Live<CallbackRules>,
    sac: Arc<Sac>,
    /// One generation is put in force at a time.
    adopting: Mutex<()>,
}

impl InForce {
    /// `policy`, under which these calls and this adapter were opened.
    pub(super) fn new(policy: Policy, calls: [Arc<Calls>; 3], sac: Arc<Sac>) -> InForce {
        InForce {
            prescriptions: Live::from(Arc::clone(&policy.prescriptions)),
            lots: Live::from(Arc::clone(&policy.lots)),
            registry: Live::from(Arc::clone(&policy.registry)),
            callbacks: Live::from(Arc::clone(&policy.callbacks)),
            policy: Live::new(policy),
            calls,
            sac,
            adopting: Mutex::new(()),
        }
    }

    /// Puts `policy` in force everywhere: for requests that come from now on, for the next attempt of
    /// what is on disk, and for every gate. What is under way goes on by the policy it began under.
    pub(super) fn adopt(&self, policy: &Arc<Policy>) {
        let _one_at_a_time = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        let [prescriptions, lots, registry] = &self.calls;
        prescriptions.adopt(&policy.prescriptions_lane());
        lots.adopt(&policy.lots_lane());
        registry.adopt(&policy.registry_lane());
        self.sac.adopt(policy.authn_age_max());
        self.prescriptions
            .replace(Arc::clone(&policy.prescriptions));
        self.lots.replace(Arc::clone(&policy.lots));
        self.registry.replace(Arc::clone(&policy.registry));
        self.callbacks.replace(Arc::clone(&policy.callbacks));
        self.policy.replace(Arc::clone(policy));
        tracing::info!(policy.number, "a policy was put in force");
    }

    /// Whether some gate of `lane` does not let calls pass.
    pub(super) fn is_down(&self, lane: &str) -> bool {
        let gates = self.calls.iter().flat_map(|calls| calls.view());
        let mut of_lane = gates.filter(|gate| gate.lane.0 == lane);
        of_lane.any(|gate| refuses_calls(&gate.view))
    }
}

/// Whether a gate says of its upstream that it is down. One that would let the next call pass says
/// nothing, and stays open while nobody calls; one that an operator holds shut says nothing either.
fn refuses_calls(gate: &View) -> bool {
    gate.mode == Mode::Auto && gate.state != GateState::Closed && gate.retry_after.is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_gate_that_nobody_tries_does_not_say_that_the_lane_is_down() {
        let wait = Some(Duration::from_secs(1));
        for (state, mode, retry_after, expected) in [
            (GateState::Closed, Mode::Auto, None, false),
            // It comes back along its ramp.
            (GateState::Closed, Mode::Auto, wait, false),
            (GateState::Open, Mode::Auto, wait, true),
            (GateState::HalfOpen, Mode::Auto, wait, true),
            (GateState::Open, Mode::Auto, None, false),
            (GateState::HalfOpen, Mode::Auto, None, false),
            (GateState::Open, Mode::ForcedOpen, wait, false),
            (GateState::Closed, Mode::Disabled, wait, false),
        ] {
            let gate = View {
                state,
                mode,
                ramp_percent: None,
                under_way: 0,
                retry_after,
            };
            assert_eq!(refuses_calls(&gate), expected, "{gate:?}");
        }
    }
}
