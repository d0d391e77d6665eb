//! The lane of lookups of assisted persons: what it keeps, for how long, and whom it serves.

use std::time::Duration;

use serde::Deserialize;

use super::calls::{QUEUE_MAX, QUEUE_RULE};
use super::{AUTHN_AGE_MAX, AdmissionKind, CallRules, GateRules, LaneRules, RuleError, broken};
use crate::duration;
use crate::gate::Mode;

/// Data of persons are kept no longer, whatever a policy says.
const STALE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// A relation that nobody has used for longer is none.
const RELATION_MAX: Duration = Duration::from_secs(366 * 86_400);
/// Less than this holds no hundred persons; more is another machine.
const MEMORY_BYTES: std::ops::RangeInclusive<u64> = (1 << 20)..=(16 << 30);
/// A caller that may ask for more persons than that a minute is not held back at all.
const MISSES: std::ops::RangeInclusive<u32> = 1..=10_000;
const MISSES_RULE: &str = "must lie between 1 and 10000";

/// A lane of lookups that are answered from what is known while its source is away.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryRules {
    /// Who decides whether its calls pass.
    pub mode: Mode,
    /// How long a caller waits for the source before it is answered from what is known, or refused.
    #[serde(deserialize_with = "duration::text")]
    pub answer_within: Duration,
    /// How old the doctor's authentication may be when it is used.
    #[serde(deserialize_with = "duration::text")]
    pub authn_age_max: Duration,
    /// How long answers are usable.
    pub freshness: FreshnessRules,
    /// How much is kept.
    pub cache: CacheRules,
    /// How much one caller may ask.
    pub callers: CallerRules,
    /// Limits on calls.
    pub calls: ReadCallRules,
    /// When its gates open.
    pub gate: GateRules,
}

/// How long an answer may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreshnessRules {
    /// Without asking the source.
    #[serde(deserialize_with = "duration::text")]
    pub fresh_for: Duration,
    /// While the source fails; from then on it is gone from memory and disk.
    #[serde(deserialize_with = "duration::text")]
    pub stale_for: Duration,
    /// That there is nothing, told again to who was told so.
    #[serde(deserialize_with = "duration::text")]
    pub negative_for: Duration,
    /// How long a look-up that the source answered shows that its caller may see the person. Shorter
    /// than `stale_for`, a caller that is not listed loses sight of what others still see.
    #[serde(deserialize_with = "duration::text")]
    pub relation_for: Duration,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheRules {
    /// Of memory; the rest is on disk.
    pub memory_bytes_max: u64,
    /// Answers that there is nothing, in memory alone.
    pub negative_max: u64,
    /// Callers remembered with an answer for their look-up; the oldest is forgotten first.
    pub seen_by_max: usize,
    /// How often what has expired is swept from memory and disk.
    #[serde(deserialize_with = "duration::text")]
    pub sweep_every: Duration,
}

/// How much one caller may ask of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerRules {
    /// Look-ups a minute that the cache cannot answer.
    pub misses_per_minute: u32,
    /// As many of them at once before the pace counts.
    pub misses_burst: u32,
    /// Of them, under way at the same time.
    pub loads_max: usize,
    /// Callers counted apart; beyond it the one seen longest ago starts anew.
    pub callers_max: u64,
}

/// Limits on the calls of a lane that only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadCallRules {
    /// Calls at the same time, at most.
    pub calls_max: usize,
    /// Calls at the same time that the limit never shrinks below.
    pub calls_min: usize,
    /// Whether the limit follows how the source bears it.
    pub admission: AdmissionKind,
    /// Requests that may wait to be served by the lane.
    pub queue_max: usize,
    /// The whole time one read may take.
    #[serde(deserialize_with = "duration::text")]
    pub read_within: Duration,
}

impl RegistryRules {
    /// The rules of its calls. A read is made inside a request or not at all: there is no budget of
    /// retries.
    pub fn lane(&self) -> LaneRules {
        let calls = &self.calls;
        LaneRules {
            mode: self.mode,
            calls: CallRules {
                calls_max: calls.calls_max,
                calls_min: calls.calls_min,
                admission: calls.admission,
                live_reserve: 0,
                queue_max: calls.queue_max,
                write_within: calls.read_within,
                read_within: calls.read_within,
            },
            gate: self.gate.clone(),
            retry_share: 0.0,
            retry_floor_per_second: 1,
        }
    }

    pub(super) fn problems(&self) -> Vec<RuleError> {
        let mut problems = broken(
            "registry",
            &[
                (
                    !self.answer_within.is_zero(),
                    "answer_within",
                    "must be longer than zero",
                ),
                (
                    !self.authn_age_max.is_zero() && self.authn_age_max <= AUTHN_AGE_MAX,
                    "authn_age_max",
                    "must be longer than zero and at most 30d",
                ),
            ],
        );
        problems.extend(self.freshness.problems());
        problems.extend(self.cache.problems());
        problems.extend(self.callers.problems());
        problems.extend(self.calls.problems());
        problems.extend(self.gate.problems("registry.gate"));
        problems
    }
}

impl FreshnessRules {
    fn problems(&self) -> Vec<RuleError> {
        broken(
            "registry.freshness",
            &[
                (
                    self.stale_for >= self.fresh_for,
                    "stale_for",
                    "must be at least fresh_for",
                ),
                (
                    self.stale_for <= STALE_MAX,
                    "stale_for",
                    "must be at most 30d: data of persons are kept no longer",
                ),
                (
                    self.negative_for <= self.fresh_for,
                    "negative_for",
                    "must be at most fresh_for",
                ),
                (
                    !self.relation_for.is_zero() && self.relation_for <= RELATION_MAX,
                    "relation_for",
                    "must be longer than zero and at most 366d",
                ),
            ],
        )
    }
}

impl CacheRules {
    fn problems(&self) -> Vec<RuleError> {
        broken(
            "registry.cache",
            &[
                (
                    MEMORY_BYTES.contains(&self.memory_bytes_max),
                    "memory_bytes_max",
                    "must lie between 1 MiB and 16 GiB",
                ),
                (self.negative_max > 0, "negative_max", "must be at least 1"),
                (
                    (1..=64).contains(&self.seen_by_max),
                    "seen_by_max",
                    "must lie between 1 and 64: they are kept with every person",
                ),
                (
                    (Duration::from_secs(1)..=Duration::from_secs(3600))
                        .contains(&self.sweep_every),
                    "sweep_every",
                    "must lie between 1s and 1h",
                ),
            ],
        )
    }
}

impl CallerRules {
    fn problems(&self) -> Vec<RuleError> {
        broken(
            "registry.callers",
            &[
                (
                    MISSES.contains(&self.misses_per_minute),
                    "misses_per_minute",
                    MISSES_RULE,
                ),
                (
                    MISSES.contains(&self.misses_burst),
                    "misses_burst",
                    MISSES_RULE,
                ),
                (self.loads_max > 0, "loads_max", "must be at least 1"),
                (self.callers_max > 0, "callers_max", "must be at least 1"),
            ],
        )
    }
}

impl ReadCallRules {
    fn problems(&self) -> Vec<RuleError> {
        broken(
            "registry.calls",
            &[
                (self.calls_max > 0, "calls_max", "must be at least 1"),
                (
                    (1..=self.calls_max).contains(&self.calls_min),
                    "calls_min",
                    "must be at least 1 and at most calls_max",
                ),
                (self.queue_max > 0, "queue_max", "must be at least 1"),
                (self.queue_max <= QUEUE_MAX, "queue_max", QUEUE_RULE),
                (self.calls_max <= QUEUE_MAX, "calls_max", QUEUE_RULE),
                (
                    !self.read_within.is_zero(),
                    "read_within",
                    "must be longer than zero",
                ),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SAC_DEFAULTS, SacRules};
    use super::*;

    fn problems(change: impl FnOnce(&mut RegistryRules)) -> Vec<String> {
        let mut rules: SacRules = toml::from_str(SAC_DEFAULTS).expect("the defaults parse");
        change(&mut rules.registry);
        let problems = rules.registry.problems().into_iter();
        problems.map(|problem| problem.key).collect()
    }

    #[test]
    fn each_rule_names_its_key() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(problems(|_| {}), Vec::<String>::new());
        let stale = problems(|rules| rules.freshness.stale_for = Duration::ZERO);
        assert_eq!(stale, ["registry.freshness.stale_for"]);
        let stale = problems(|rules| rules.freshness.stale_for = hours(31 * 24));
        assert_eq!(stale, ["registry.freshness.stale_for"]);
        for span in [Duration::ZERO, hours(367 * 24)] {
            let relation = problems(|rules| rules.freshness.relation_for = span);
            assert_eq!(relation, ["registry.freshness.relation_for"]);
        }
        let shorter = problems(|rules| rules.freshness.relation_for = hours(1));
        assert!(
            shorter.is_empty(),
            "a relation may end before what is known does"
        );
        let memory = problems(|rules| rules.cache.memory_bytes_max = 1);
        assert_eq!(memory, ["registry.cache.memory_bytes_max"]);
        let calls = problems(|rules| rules.calls.calls_min = 1_000_000);
        assert_eq!(calls, ["registry.calls.calls_min"]);
        let misses = problems(|rules| {
            rules.callers.misses_per_minute = 10_001;
            rules.callers.misses_burst = 10_001;
        });
        assert_eq!(
            misses,
            [
                "registry.callers.misses_per_minute",
                "registry.callers.misses_burst"
            ]
        );
        let age = problems(|rules| rules.authn_age_max = hours(30 * 24 + 1));
        assert_eq!(age, ["registry.authn_age_max"]);
        let queue = problems(|rules| rules.calls.queue_max = 65_537);
        assert_eq!(queue, ["registry.calls.queue_max"]);
        let gate = problems(|rules| rules.gate.failures_in_row = 0);
        assert_eq!(gate, ["registry.gate.failures_in_row"]);
    }
}
