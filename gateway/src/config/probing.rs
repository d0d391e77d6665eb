//! When an organisation seems to try tax codes out, and how it is slowed then.

use std::time::Duration;

use policies::probing::ProbingRules;

use super::section::Section;

/// Fewer persons than are told apart in a window: else nobody would ever be suspected.
const UNKNOWN_MAX: usize = 2_000;
const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn read(section: &mut Section<'_>) -> ProbingRules {
    let rules = ProbingRules {
        unknown_max: section.count("unknown_persons_max", 1..=UNKNOWN_MAX),
        unknown_share: section.share("unknown_persons_share"),
        window: section.duration("window", 24 * HOUR),
        wait: section.duration("wait", HOUR),
        wait_max: section.duration("wait_max", HOUR),
        quiet: section.duration("quiet", 24 * HOUR),
    };
    if rules.wait_max < rules.wait && !section.has_problems() {
        section.refuse("wait_max", "must be at least probing.wait");
    }
    if rules.quiet <= rules.wait_max && !section.has_problems() {
        section.refuse("quiet", "must exceed probing.wait_max");
    }
    rules
}
