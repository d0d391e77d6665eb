//! When a gate opens, for how long, and how it comes back.

use std::time::Duration;

use serde::Deserialize;

use super::{RuleError, broken};
use crate::duration;

/// A lane that takes longer to come back is one that an operator should force.
const RAMP_MAX: Duration = Duration::from_secs(3600);

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
    /// How long it takes from a tenth of the calls to all of them once it has closed.
    #[serde(deserialize_with = "duration::text")]
    pub ramp: Duration,
}

impl GateRules {
    pub(super) fn problems(&self, at: &str) -> Vec<RuleError> {
        let share = |share: f64| share > 0.0 && share <= 1.0;
        broken(
            at,
            &[
                (
                    self.failures_in_row > 0,
                    "failures_in_row",
                    "must be at least 1",
                ),
                (
                    share(self.failure_share),
                    "failure_share",
                    "must lie above 0 and at most at 1",
                ),
                (
                    share(self.slow_share),
                    "slow_share",
                    "must lie above 0 and at most at 1",
                ),
                (
                    self.window >= Duration::from_millis(10),
                    "window",
                    "must be at least 10ms: ten buckets of a millisecond",
                ),
                (self.calls_min > 0, "calls_min", "must be at least 1"),
                (
                    !self.open_for.is_zero() && self.open_for <= self.open_for_max,
                    "open_for",
                    "must be longer than zero and at most open_for_max",
                ),
                (self.ramp <= RAMP_MAX, "ramp", "must be at most 1h"),
            ],
        )
    }
}
