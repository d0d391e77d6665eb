//! The policy values of each lane, as typed structures.
//!
//! Defaults are compiled in from `rules/*.toml`; what an operator's file says is laid over them
//! before these structures are read, so that every value has exactly one origin.

use std::time::Duration;

use serde::Deserialize;

use crate::duration;

/// The defaults for the lanes of the SAC, every key commented.
pub const SAC_DEFAULTS: &str = include_str!("../rules/sac.toml");

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
    /// Edge checks that are switched off, by id.
    pub checks_off: Vec<String>,
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
        let calls = &self.prescriptions.calls;
        let delivery = &self.prescriptions.delivery;
        let gate = &self.prescriptions.gate;
        let lots = &self.lots;
        let attempt_longest = calls.write_within + calls.read_within * 3;
        let checks = [
            (
                calls.calls_max > 0,
                "prescriptions.calls.calls_max",
                "must be at least 1",
            ),
            (
                calls.live_reserve < calls.calls_max,
                "prescriptions.calls.live_reserve",
                "must be less than calls_max, or delivery never gets a turn",
            ),
            (
                calls.queue_max > 0,
                "prescriptions.calls.queue_max",
                "must be at least 1",
            ),
            (
                !calls.write_within.is_zero() && !calls.read_within.is_zero(),
                "prescriptions.calls.write_within",
                "write_within and read_within must be longer than zero",
            ),
            (
                delivery.lease_for > attempt_longest,
                "prescriptions.delivery.lease_for",
                "must exceed write_within and three times read_within, or a lease ends in mid-call",
            ),
            (
                delivery.rate_per_second > 0,
                "prescriptions.delivery.rate_per_second",
                "must be at least 1",
            ),
            (
                !delivery.resend_after.is_empty() && !delivery.verify_after.is_empty(),
                "prescriptions.delivery.resend_after",
                "resend_after and verify_after need at least one wait",
            ),
            (
                (0.0..=1.0).contains(&delivery.jitter_share),
                "prescriptions.delivery.jitter_share",
                "must lie between 0 and 1",
            ),
            (
                self.prescriptions.entry_deadline > self.prescriptions.answer_within,
                "prescriptions.entry_deadline",
                "must be longer than answer_within",
            ),
            (
                gate.failures_in_row > 0,
                "prescriptions.gate.failures_in_row",
                "must be at least 1",
            ),
            (
                gate.failure_share > 0.0 && gate.failure_share <= 1.0,
                "prescriptions.gate.failure_share",
                "must lie above 0 and at most at 1",
            ),
            (
                gate.slow_share > 0.0 && gate.slow_share <= 1.0,
                "prescriptions.gate.slow_share",
                "must lie above 0 and at most at 1",
            ),
            (
                gate.window >= Duration::from_millis(10),
                "prescriptions.gate.window",
                "must be at least 10ms: ten buckets of a millisecond",
            ),
            (
                gate.calls_min > 0,
                "prescriptions.gate.calls_min",
                "must be at least 1",
            ),
            (
                !gate.open_for.is_zero() && gate.open_for <= gate.open_for_max,
                "prescriptions.gate.open_for",
                "must be longer than zero and at most open_for_max",
            ),
            (
                lots.kind <= 7,
                "lots.kind",
                "must be 0 to 7 (specification §5.1)",
            ),
            (
                lots.kind != 0,
                "lots.kind",
                "kind 0 is a single doctor's (specification §4.1)",
            ),
            (
                lots.block > 0 && lots.block <= lots.low_water,
                "lots.block",
                "must be at least 1 and at most low_water",
            ),
            (
                !lots.retry_after.is_empty(),
                "lots.retry_after",
                "needs at least one wait",
            ),
            (
                !lots.request_within.is_zero(),
                "lots.request_within",
                "must be longer than zero",
            ),
        ];
        checks
            .into_iter()
            .filter(|(holds, _, _)| !holds)
            .map(|(_, key, rule)| RuleError { key, rule })
            .collect()
    }
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
