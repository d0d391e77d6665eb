//! What the sources of look-ups know of, as whoever watches for it is told.

use crate::entry::Organization;
use crate::lookup::LookupKey;

/// What a source has said of whom it was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Somebody whom it has shown.
    Known,
    /// Nobody. Not so whom it does not show to this caller.
    Unknown,
}

/// Who watches what the sources of look-ups know of. Nothing here waits or fails.
pub trait Landings: Send + Sync {
    /// A load that was begun for `organization` has brought this, whether or not anybody waits for it.
    fn landed(&self, organization: &Organization, key: LookupKey, found: Found);
}
