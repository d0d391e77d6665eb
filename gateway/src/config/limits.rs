//! How much each organisation may ask.

use std::num::NonZeroU32;

use super::section::Section;

/// The allowance of one organisation.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests it may make one after the other, once it has made none for a while.
    pub burst: NonZeroU32,
    /// Requests that come back to it each second.
    pub rate: NonZeroU32,
}

impl Limits {
    pub(super) fn read(section: &mut Section<'_>) -> Limits {
        let mut number = |key| {
            let number = section.integer(key, 1..=1_000_000_000);
            let number = u32::try_from(number).expect("lies in the range of u32");
            NonZeroU32::new(number).expect("is at least one")
        };
        Limits {
            burst: number("requests_burst"),
            rate: number("requests_per_second"),
        }
    }
}
