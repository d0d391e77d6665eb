//! How much each organisation may ask.

use std::time::Duration;

use super::section::Section;

/// Requests per organisation and window.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests in one window.
    pub requests_max: u32,
    /// The window.
    pub window: Duration,
    /// Organisations counted apart.
    pub organizations_max: usize,
}

impl Limits {
    pub(super) fn read(section: &mut Section<'_>) -> Limits {
        let requests_max = section.integer("requests_max", 1..=u64::from(u32::MAX));
        Limits {
            requests_max: u32::try_from(requests_max).expect("lies in the range of u32"),
            window: section.duration("window", Duration::from_secs(3600)),
            organizations_max: section.count("organizations_max", 1..=1_000_000),
        }
    }
}
