//! How much of who saw what is kept.

use std::time::Duration;

use store::audit::KEEP_FOR_MIN;

use super::section::Section;

/// Longer than anybody keeps anything: a value beyond it is a slip.
const KEEP_FOR_MAX: Duration = Duration::from_secs(36_500 * 86_400);

/// What is held and kept for the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// How long records are kept, at least.
    pub keep_for: Duration,
    /// Space held ahead of what is written, in bytes.
    pub reserve_bytes: u64,
}

impl Audit {
    pub(super) fn read(section: &mut Section<'_>) -> Audit {
        let keep_for = section.duration("keep_for", KEEP_FOR_MAX);
        if keep_for < KEEP_FOR_MIN {
            section.refuse(
                "keep_for",
                "must be at least 730d: who looked is kept for 24 months (Garante, 4/6/2015)",
            );
        }
        Audit {
            keep_for,
            reserve_bytes: section.integer("reserve_bytes", 1 << 20..=1 << 30),
        }
    }
}
