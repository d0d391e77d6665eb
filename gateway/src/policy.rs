//! The policy in force, as one generation: every value of every lane, replaced as a whole.
//!
//! # Invariants
//!
//! 1. A generation never changes. Whoever has loaded one goes by all of it to the end.

use std::sync::Arc;

use adapters::sac::AuthnAgeMax;
use policies::access::Table;
use policies::rules::{
    CallbackRules, LaneRules, LotRules, RegistryRules, SacRules, WriteBehindRules,
};

use crate::rules::Fingerprint;

/// One generation of the policy.
#[derive(Debug)]
pub struct Policy {
    /// Which generation it is: a later one has a higher number.
    pub number: u64,
    /// Tells the files it was made of from all others.
    pub(crate) files: Fingerprint,
    /// Of lane `sac.prescriptions`.
    pub prescriptions: Arc<WriteBehindRules>,
    /// Of lane `sac.lots`.
    pub lots: Arc<LotRules>,
    /// Of lane `sac.registry`.
    pub registry: Arc<RegistryRules>,
    /// Who may do what.
    pub access: Table,
    /// Of pushes to callers.
    pub callbacks: Arc<CallbackRules>,
}

impl Policy {
    /// `rules`, which keep every rule, and what `access` allows, of `files`, as generation `number`.
    pub(crate) fn new(number: u64, files: Fingerprint, rules: SacRules, access: Table) -> Policy {
        Policy {
            number,
            files,
            access,
            prescriptions: Arc::new(rules.prescriptions),
            lots: Arc::new(rules.lots),
            registry: Arc::new(rules.registry),
            callbacks: Arc::new(rules.callbacks),
        }
    }

    /// How old an authentication may be that a call to the SAC states.
    pub fn authn_age_max(&self) -> AuthnAgeMax {
        authn_age_max(&self.prescriptions, &self.registry)
    }

    /// What the calls of lane `sac.prescriptions` are governed by.
    pub fn prescriptions_lane(&self) -> LaneRules {
        self.prescriptions.lane()
    }

    /// What the calls of lane `sac.lots` are governed by.
    pub fn lots_lane(&self) -> LaneRules {
        self.lots.lane(&self.prescriptions)
    }

    /// What the calls of lane `sac.registry` are governed by.
    pub fn registry_lane(&self) -> LaneRules {
        self.registry.lane()
    }
}

/// How old an authentication may be that a call to the SAC states, in every lane that states one.
pub(crate) fn authn_age_max(
    prescriptions: &WriteBehindRules,
    registry: &RegistryRules,
) -> AuthnAgeMax {
    let ages = prescriptions.authn_age_max;
    AuthnAgeMax {
        send: ages.send,
        annul: ages.annul,
        read: ages.read,
        registry: registry.authn_age_max,
    }
}
