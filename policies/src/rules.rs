//! The policy values of each lane, as typed structures.
//!
//! Defaults are compiled in from `rules/*.toml`; what an operator's file says is laid over them
//! before these structures are read, so that every value has exactly one origin.

mod callbacks;
mod calls;
mod desk;
mod gate;
pub mod knobs;
mod registry;

use std::time::Duration;

use serde::Deserialize;

use crate::delivery::Uncertain;
use crate::duration;
use crate::gate::Mode;
pub use callbacks::CallbackRules;
pub use calls::{AdmissionKind, CallRules};
pub use desk::{AuthnAgeRules, FallbackRules, LegalBasis, WatchRules};
pub use gate::GateRules;
pub use registry::{CacheRules, CallerRules, FreshnessRules, ReadCallRules, RegistryRules};

/// The defaults for the lanes of the SAC, every key commented.
pub const SAC_DEFAULTS: &str = include_str!("../rules/sac.toml");

/// How much longer than its deadline a call is waited for before it is cut off from outside: the
/// adapter knows better than the lane whether anything was written.
pub const CALL_OVERTIME: Duration = Duration::from_millis(500);

/// An authentication that is older is nobody's who is there now.
const AUTHN_AGE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// More numbers than this are not held at a time: a whole region's of many days.
const LOW_WATER_MAX: u64 = 1_000_000;

/// Everything the lanes of the SAC are governed by.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SacRules {
    /// Lane `sac.prescriptions`.
    pub prescriptions: WriteBehindRules,
    /// Lane `sac.lots`.
    pub lots: LotRules,
    /// Lane `sac.registry`.
    pub registry: RegistryRules,
    /// Pushes of events to callers.
    pub callbacks: CallbackRules,
}

/// A lane of writes that are stored first.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteBehindRules {
    /// Who decides whether its calls pass.
    pub mode: Mode,
    /// How long a caller is made to wait for the upstream's answer.
    #[serde(deserialize_with = "duration::text")]
    pub answer_within: Duration,
    /// How long an entry may stay unsettled before it is parked.
    #[serde(deserialize_with = "duration::text")]
    pub entry_deadline: Duration,
    /// What becomes of a send whose outcome is unknown.
    pub uncertain: Uncertain,
    /// Edge checks that are switched off, by id.
    pub checks_off: Vec<String>,
    /// What desks do while the upstream does not answer.
    pub fallback: FallbackRules,
    /// How a number that was given up is looked after.
    pub watch: WatchRules,
    /// How old an authentication may be when it is used.
    pub authn_age_max: AuthnAgeRules,
    /// Limits on calls.
    pub calls: CallRules,
    /// The pace of delivery.
    pub delivery: DeliveryRules,
    /// When its gates open.
    pub gate: GateRules,
}

/// The pace of delivery.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryRules {
    /// Deliveries begun per second at most.
    pub rate_per_second: u32,
    /// How long a deliverer may hold an entry.
    #[serde(deserialize_with = "duration::text")]
    pub lease_for: Duration,
    /// Waits before an entry that was surely not applied is sent again.
    #[serde(deserialize_with = "duration::texts")]
    pub resend_after: Vec<Duration>,
    /// Waits before an unknown outcome is asked for.
    #[serde(deserialize_with = "duration::texts")]
    pub verify_after: Vec<Duration>,
    /// Share by which every wait is spread to either side.
    pub jitter_share: f64,
    /// Tries again, as a share of the lane's calls.
    pub retry_share: f64,
    /// Tries again per second that are always allowed.
    pub retry_floor_per_second: u32,
}

/// A lane that keeps numbers in stock.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LotRules {
    /// Who decides whether its calls pass.
    pub mode: Mode,
    /// Kind of lot asked for (IdentificativoLotto).
    pub kind: u8,
    /// Fewer numbers left than this: another lot is asked for.
    pub low_water: u64,
    /// Numbers a process takes at a time.
    pub block: u64,
    /// The whole time one request may take.
    #[serde(deserialize_with = "duration::text")]
    pub request_within: Duration,
    /// Waits before a failed request is repeated.
    #[serde(deserialize_with = "duration::texts")]
    pub retry_after: Vec<Duration>,
}

/// What the calls of one lane are governed by, whatever the lane does with them.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneRules {
    /// Who decides whether they pass.
    pub mode: Mode,
    /// Limits on them.
    pub calls: CallRules,
    /// When its gates open.
    pub gate: GateRules,
    /// Tries again, as a share of them.
    pub retry_share: f64,
    /// Tries again per second that are always allowed.
    pub retry_floor_per_second: u32,
}

impl WriteBehindRules {
    /// The rules of its calls.
    pub fn lane(&self) -> LaneRules {
        LaneRules {
            mode: self.mode,
            calls: self.calls.clone(),
            gate: self.gate.clone(),
            retry_share: self.delivery.retry_share,
            retry_floor_per_second: self.delivery.retry_floor_per_second,
        }
    }
}

/// A value that contradicts another, or itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {rule}")]
pub struct RuleError {
    /// The key, dotted.
    pub key: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl SacRules {
    /// Everything that is wrong with these values; empty if nothing is.
    pub fn problems(&self) -> Vec<RuleError> {
        let prescriptions = &self.prescriptions;
        let deadline_holds = prescriptions.entry_deadline > prescriptions.answer_within;
        let mut problems = broken(
            "prescriptions",
            &[(
                deadline_holds,
                "entry_deadline",
                "must be longer than answer_within",
            )],
        );
        problems.extend(prescriptions.fallback.problems(prescriptions.uncertain));
        problems.extend(prescriptions.watch.problems());
        problems.extend(
            prescriptions
                .authn_age_max
                .problems(prescriptions.watch.horizon),
        );
        problems.extend(prescriptions.calls.problems("prescriptions.calls"));
        problems.extend(prescriptions.delivery.problems(&prescriptions.calls));
        problems.extend(prescriptions.gate.problems("prescriptions.gate"));
        problems.extend(self.lots.problems());
        problems.extend(self.registry.problems());
        problems.extend(self.callbacks.problems());
        problems
    }
}

impl DeliveryRules {
    fn problems(&self, calls: &CallRules) -> Vec<RuleError> {
        broken(
            "prescriptions.delivery",
            &[
                (
                    self.lease_for > calls.attempt_longest(),
                    "lease_for",
                    "must exceed write_within and three times read_within by 2s, or a lease ends in mid-call",
                ),
                (
                    (1..=10_000).contains(&self.rate_per_second),
                    "rate_per_second",
                    "must lie between 1 and 10000",
                ),
                (
                    !self.resend_after.is_empty(),
                    "resend_after",
                    "needs at least one wait",
                ),
                (
                    !self.verify_after.is_empty(),
                    "verify_after",
                    "needs at least one wait",
                ),
                (
                    (0.0..=1.0).contains(&self.jitter_share),
                    "jitter_share",
                    "must lie between 0 and 1",
                ),
                (
                    (0.0..=1.0).contains(&self.retry_share),
                    "retry_share",
                    "must lie between 0 and 1",
                ),
                (
                    (1..=10_000).contains(&self.retry_floor_per_second),
                    "retry_floor_per_second",
                    "must lie between 1 and 10000, or a quiet lane never tries again",
                ),
            ],
        )
    }
}

impl LotRules {
    /// The rules of its calls: one at a time, under gates like those of `prescriptions`.
    pub fn lane(&self, prescriptions: &WriteBehindRules) -> LaneRules {
        let within = self.request_within;
        LaneRules {
            mode: self.mode,
            calls: CallRules {
                calls_max: 1,
                calls_min: 1,
                admission: AdmissionKind::Fixed,
                live_reserve: 0,
                queue_max: 1,
                write_within: within,
                read_within: within,
            },
            ..prescriptions.lane()
        }
    }

    fn problems(&self) -> Vec<RuleError> {
        broken(
            "lots",
            &[
                (
                    (1..=7).contains(&self.kind),
                    "kind",
                    "must be 1 to 7: kind 0 is a single doctor's (specification §4.1, §5.1)",
                ),
                (
                    self.block > 0 && self.block <= self.low_water,
                    "block",
                    "must be at least 1 and at most low_water",
                ),
                (
                    self.low_water <= LOW_WATER_MAX,
                    "low_water",
                    "must be at most 1000000: numbers that nobody needs are lost to others",
                ),
                (
                    !self.retry_after.is_empty(),
                    "retry_after",
                    "needs at least one wait",
                ),
                (
                    !self.request_within.is_zero(),
                    "request_within",
                    "must be longer than zero",
                ),
            ],
        )
    }
}

/// The rules that do not hold, of keys in the table `at`.
fn broken(at: &str, rules: &[(bool, &'static str, &'static str)]) -> Vec<RuleError> {
    rules
        .iter()
        .filter(|(holds, _, _)| !holds)
        .map(|(_, key, rule)| RuleError {
            key: format!("{at}.{key}"),
            rule,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> SacRules {
        toml::from_str(SAC_DEFAULTS).expect("the compiled-in defaults parse")
    }

    #[test]
    fn defaults_hold_every_rule() {
        assert_eq!(defaults().problems(), Vec::new());
    }

    #[test]
    fn every_problem_is_listed_not_only_the_first() {
        let mut rules = defaults();
        rules.prescriptions.calls.live_reserve = rules.prescriptions.calls.calls_max;
        rules.prescriptions.calls.queue_max = rules.prescriptions.calls.calls_max;
        rules.prescriptions.delivery.lease_for = rules.prescriptions.calls.write_within;
        rules.lots.kind = 0;
        rules.callbacks.requests_per_host_max = rules.callbacks.requests_max;
        rules.lots.low_water = 1_000_001;
        rules.prescriptions.authn_age_max.send = AUTHN_AGE_MAX + Duration::from_secs(1);
        let keys: Vec<_> = rules
            .problems()
            .into_iter()
            .map(|problem| problem.key)
            .collect();
        let expected = [
            "prescriptions.authn_age_max.send",
            "prescriptions.calls.live_reserve",
            "prescriptions.calls.queue_max",
            "prescriptions.delivery.lease_for",
            "lots.kind",
            "lots.low_water",
            "callbacks.requests_per_host_max",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = SAC_DEFAULTS.replace("answer_within", "answer_whithin");
        let error = toml::from_str::<SacRules>(&text).expect_err("the key is misspelt");
        assert!(error.to_string().contains("answer_whithin"), "{error}");
    }
}
