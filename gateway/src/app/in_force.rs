//! The policy in force, as each part of the gateway reads it, and how another takes its place.

use std::sync::{Arc, Mutex, PoisonError};

use adapters::sac::Sac;
use engine::calls::Calls;
use engine::live::Live;
use policies::gate::GateState;
use policies::rules::{LotRules, RegistryRules, WriteBehindRules};

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
        self.policy.replace(Arc::clone(policy));
        tracing::info!(policy.number, "a policy was put in force");
    }

    /// Whether some gate of `lane` does not let calls pass.
    pub(super) fn is_down(&self, lane: &str) -> bool {
        let gates = self.calls.iter().flat_map(|calls| calls.view());
        let mut of_lane = gates.filter(|gate| gate.lane.0 == lane);
        of_lane.any(|gate| gate.view.state != GateState::Closed)
    }
}
