//! Limits on calls to the upstream.

use std::time::Duration;

use serde::Deserialize;

use super::{CALL_OVERTIME, RuleError, broken};
use crate::duration;

/// The longest queue of any lane: far below what a counter of places can hold.
pub(super) const QUEUE_MAX: usize = 65_536;
pub(super) const QUEUE_RULE: &str = "must be at most 65536";

/// Limits on calls to the upstream.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRules {
    /// Calls at the same time, at most.
    pub calls_max: usize,
    /// Calls at the same time that the limit never shrinks below.
    pub calls_min: usize,
    /// Whether the limit follows how the upstream bears it.
    pub admission: AdmissionKind,
    /// Of `calls_max`, how many delivery leaves free for live requests; fewer as the limit shrinks.
    pub live_reserve: usize,
    /// Requests served at a time, and as many again that may wait for it. More than `calls_max`: whoever
    /// is only stored, or has an answer on disk, must not wait until the calls of others have ended.
    pub queue_max: usize,
    /// The whole time one write may take.
    #[serde(deserialize_with = "duration::text")]
    pub write_within: Duration,
    /// The whole time one read may take.
    #[serde(deserialize_with = "duration::text")]
    pub read_within: Duration,
}

/// How the limit on calls at the same time is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdmissionKind {
    /// Between `calls_min` and `calls_max`, by how the upstream bears it.
    Adaptive,
    /// Always `calls_max`.
    Fixed,
}

impl CallRules {
    /// The longest one attempt may take: a probe's read, the write, and every read of a verify.
    pub fn attempt_longest(&self) -> Duration {
        self.write_within + self.read_within * 3 + CALL_OVERTIME * 4
    }

    pub(super) fn problems(&self, at: &str) -> Vec<RuleError> {
        broken(
            at,
            &[
                (self.calls_max > 0, "calls_max", "must be at least 1"),
                (
                    (1..=self.calls_max).contains(&self.calls_min),
                    "calls_min",
                    "must be at least 1 and at most calls_max",
                ),
                (
                    self.live_reserve < self.calls_max,
                    "live_reserve",
                    "must be less than calls_max, or delivery never gets a turn",
                ),
                (
                    self.queue_max > self.calls_max,
                    "queue_max",
                    "must exceed calls_max, or those who need no call wait for the calls of others",
                ),
                (self.queue_max <= QUEUE_MAX, "queue_max", QUEUE_RULE),
                (
                    !self.write_within.is_zero(),
                    "write_within",
                    "must be longer than zero",
                ),
                (
                    !self.read_within.is_zero(),
                    "read_within",
                    "must be longer than zero",
                ),
            ],
        )
    }
}
