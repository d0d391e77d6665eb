//! How events are pushed to callers.

use std::time::Duration;

use serde::Deserialize;

use super::{RuleError, broken};
use crate::duration;

/// Longer than a receiver may be away and still be served: by then its people have asked.
const GIVE_UP_AFTER_MAX: Duration = Duration::from_secs(30 * 86_400);
/// One push is one small request: what takes longer hangs.
const REQUEST_WITHIN_MAX: Duration = Duration::from_secs(60);
/// Pushes at the same time are file descriptors and memory of ours.
const REQUESTS_MAX: usize = 1_024;

/// How events are pushed to callers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackRules {
    /// Waits before a push that was not received is repeated.
    #[serde(deserialize_with = "duration::texts")]
    pub retry_after: Vec<Duration>,
    /// Share by which every wait is spread to either side.
    pub jitter_share: f64,
    /// How long after its event a push is repeated.
    #[serde(deserialize_with = "duration::text")]
    pub give_up_after: Duration,
    /// The whole time one push may take, connection included.
    #[serde(deserialize_with = "duration::text")]
    pub request_within: Duration,
    /// Pushes at the same time.
    pub requests_max: usize,
    /// Of these, to one host.
    pub requests_per_host_max: usize,
}

impl CallbackRules {
    pub(super) fn problems(&self) -> Vec<RuleError> {
        let waits = !self.retry_after.is_empty() && !self.retry_after.contains(&Duration::ZERO);
        broken(
            "callbacks",
            &[
                (
                    waits,
                    "retry_after",
                    "needs at least one wait, and none of zero",
                ),
                (
                    (0.0..1.0).contains(&self.jitter_share),
                    "jitter_share",
                    "must be at least 0 and less than 1",
                ),
                (
                    !self.give_up_after.is_zero() && self.give_up_after <= GIVE_UP_AFTER_MAX,
                    "give_up_after",
                    "must be longer than zero and at most 30d",
                ),
                (
                    !self.request_within.is_zero() && self.request_within <= REQUEST_WITHIN_MAX,
                    "request_within",
                    "must be longer than zero and at most 60s",
                ),
                (
                    (2..=REQUESTS_MAX).contains(&self.requests_max),
                    "requests_max",
                    "must lie between 2 and 1024",
                ),
                (
                    (1..=self.requests_max / 2).contains(&self.requests_per_host_max),
                    "requests_per_host_max",
                    "must be at least 1 and at most half of requests_max, or one host is all of them",
                ),
            ],
        )
    }
}
