//! Whether an answer that is known may still be shown.

use std::time::Duration;

use crate::rules::FreshnessRules;

/// What an answer of some age is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// To be shown without asking its source.
    Fresh,
    /// To be shown, with its age, while its source fails.
    Stale,
    /// Not to be shown, nor kept.
    Expired,
}

/// What an answer is good for at `age`. The last instant of each span belongs to it no more.
pub fn standing(age: Duration, rules: &FreshnessRules) -> Standing {
    if age < rules.fresh_for {
        Standing::Fresh
    } else if age < rules.stale_for {
        Standing::Stale
    } else {
        Standing::Expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_span_ends_before_its_last_instant() {
        let rules = FreshnessRules {
            fresh_for: Duration::from_secs(10),
            stale_for: Duration::from_secs(100),
            negative_for: Duration::from_secs(1),
            relation_for: Duration::from_secs(100),
        };
        let at = |millis: u64| standing(Duration::from_millis(millis), &rules);
        assert_eq!(at(0), Standing::Fresh);
        assert_eq!(at(9_999), Standing::Fresh);
        assert_eq!(at(10_000), Standing::Stale);
        assert_eq!(at(99_999), Standing::Stale);
        assert_eq!(at(100_000), Standing::Expired);
    }
}
