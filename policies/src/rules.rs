//! The policy values of each lane, as typed structures.
//!
//! Defaults are compiled in from `rules/*.toml`; what an operator's file says is laid over them
//! before these structures are read, so that every value has exactly one origin.

mod desk;

use std::time::Duration;

use serde::Deserialize;

use crate::delivery::Uncertain;
use crate::duration;
pub use desk::{AuthnAgeRules, FallbackRules, LegalBasis, WatchRules};

/// The defaults for the lanes of the SAC, every key commented.
pub const SAC_DEFAULTS: &str = include_str!("../rules/sac.toml");

/// How much longer than its deadline a call is waited for before it is cut off from outside: the
/// adapter knows better than the lane whether anything was written.
pub const CALL_OVERTIME: Duration = Duration::from_millis(500);

/// Everything the lanes of the SAC are governed by.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SacRules {
    /// Lane `sac.prescriptions`.
    pub prescriptions: WriteBehindRules,
    /// Lane `sac.lots`.
    pub lots: LotRules,
}

/// A lane of writes that are stored first.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteBehindRules {
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

/// Limits on calls to the upstream.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRules {
    /// Calls at the same time.
    pub calls_max: usize,
    /// Of these, how many delivery leaves free for live requests.
    pub live_reserve: usize,
    /// Requests that may wait for their turn.
    pub queue_max: usize,
    /// The whole time one write may take.
    #[serde(deserialize_with = "duration::text")]
    pub write_within: Duration,
    /// The whole time one read may take.
    #[serde(deserialize_with = "duration::text")]
    pub read_within: Duration,
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
}

/// When a gate opens, and for how long.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRules {
    /// Failures in a row that open it.
    pub failures_in_row: u32,
    /// Share of failures among the calls of the window that opens it.
    pub failure_share: f64,
    /// Share of slow answers among the calls of the window that opens it.
    pub slow_share: f64,
    /// An answer that takes longer is slow.
    #[serde(deserialize_with = "duration::text")]
    pub slow_after: Duration,
    /// The window.
    #[serde(deserialize_with = "duration::text")]
    pub window: Duration,
    /// Calls the window needs to give a verdict.
    pub calls_min: u32,
    /// How long an open gate refuses, the first time.
    #[serde(deserialize_with = "duration::text")]
    pub open_for: Duration,
    /// How long at most, doubling.
    #[serde(deserialize_with = "duration::text")]
    pub open_for_max: Duration,
}

/// A lane that keeps numbers in stock.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LotRules {
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

/// A value that contradicts another, or itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {rule}")]
pub struct RuleError {
    /// The key, dotted.
    pub key: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl SacRules {
    /// Everything that is wrong with these values; empty if nothing is.
    pub fn problems(&self) -> Vec<RuleError> {
        let prescriptions = &self.prescriptions;
        let deadline_holds = prescriptions.entry_deadline > prescriptions.answer_within;
        let mut problems = broken(&[(
            deadline_holds,
            "prescriptions.entry_deadline",
            "must be longer than answer_within",
        )]);
        problems.extend(prescriptions.fallback.problems(prescriptions.uncertain));
        problems.extend(prescriptions.watch.problems());
        problems.extend(
            prescriptions
                .authn_age_max
                .problems(prescriptions.watch.horizon),
        );
        problems.extend(prescriptions.calls.problems());
        problems.extend(prescriptions.delivery.problems(&prescriptions.calls));
        problems.extend(prescriptions.gate.problems());
        problems.extend(self.lots.problems());
        problems
    }
}

impl CallRules {
    /// The longest one attempt may take: a read, the write or an annul, and every read after it.
    fn attempt_longest(&self) -> Duration {
        self.write_within + self.read_within * 3 + CALL_OVERTIME * 4
    }

    fn problems(&self) -> Vec<RuleError> {
        broken(&[
            (
                self.calls_max > 0,
                "prescriptions.calls.calls_max",
                "must be at least 1",
            ),
            (
                self.live_reserve < self.calls_max,
                "prescriptions.calls.live_reserve",
                "must be less than calls_max, or delivery never gets a turn",
            ),
            (
                self.queue_max > 0,
                "prescriptions.calls.queue_max",
                "must be at least 1",
            ),
            (
                !self.write_within.is_zero(),
                "prescriptions.calls.write_within",
                "must be longer than zero",
            ),
            (
                !self.read_within.is_zero(),
                "prescriptions.calls.read_within",
                "must be longer than zero",
            ),
        ])
    }
}

impl DeliveryRules {
    fn problems(&self, calls: &CallRules) -> Vec<RuleError> {
        broken(&[
            (
                self.lease_for > calls.attempt_longest(),
                "prescriptions.delivery.lease_for",
                "must exceed write_within and three times read_within by 2s, or a lease ends in mid-call",
            ),
            (
                (1..=10_000).contains(&self.rate_per_second),
                "prescriptions.delivery.rate_per_second",
                "must lie between 1 and 10000",
            ),
            (
                !self.resend_after.is_empty(),
                "prescriptions.delivery.resend_after",
                "needs at least one wait",
            ),
            (
                !self.verify_after.is_empty(),
                "prescriptions.delivery.verify_after",
                "needs at least one wait",
            ),
            (
                (0.0..=1.0).contains(&self.jitter_share),
                "prescriptions.delivery.jitter_share",
                "must lie between 0 and 1",
            ),
        ])
    }
}

impl GateRules {
    fn problems(&self) -> Vec<RuleError> {
        let share = |share: f64| share > 0.0 && share <= 1.0;
        broken(&[
            (
                self.failures_in_row > 0,
                "prescriptions.gate.failures_in_row",
                "must be at least 1",
            ),
            (
                share(self.failure_share),
                "prescriptions.gate.failure_share",
                "must lie above 0 and at most at 1",
            ),
            (
                share(self.slow_share),
                "prescriptions.gate.slow_share",
                "must lie above 0 and at most at 1",
            ),
            (
                self.window >= Duration::from_millis(10),
                "prescriptions.gate.window",
                "must be at least 10ms: ten buckets of a millisecond",
            ),
            (
                self.calls_min > 0,
                "prescriptions.gate.calls_min",
                "must be at least 1",
            ),
            (
                !self.open_for.is_zero() && self.open_for <= self.open_for_max,
                "prescriptions.gate.open_for",
                "must be longer than zero and at most open_for_max",
            ),
        ])
    }
}

impl LotRules {
    fn problems(&self) -> Vec<RuleError> {
        broken(&[
            (
                (1..=7).contains(&self.kind),
                "lots.kind",
                "must be 1 to 7: kind 0 is a single doctor's (specification §4.1, §5.1)",
            ),
            (
                self.block > 0 && self.block <= self.low_water,
                "lots.block",
                "must be at least 1 and at most low_water",
            ),
            (
                !self.retry_after.is_empty(),
                "lots.retry_after",
                "needs at least one wait",
            ),
            (
                !self.request_within.is_zero(),
                "lots.request_within",
                "must be longer than zero",
            ),
        ])
    }
}

/// The rules that do not hold.
fn broken(rules: &[(bool, &'static str, &'static str)]) -> Vec<RuleError> {
    rules
        .iter()
        .filter(|(holds, _, _)| !holds)
        .map(|(_, key, rule)| RuleError { key, rule })
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
        rules.prescriptions.delivery.lease_for = rules.prescriptions.calls.write_within;
        rules.lots.kind = 0;
        let keys: Vec<_> = rules
            .problems()
            .into_iter()
            .map(|problem| problem.key)
            .collect();
        let expected = [
            "prescriptions.calls.live_reserve",
            "prescriptions.delivery.lease_for",
            "lots.kind",
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
