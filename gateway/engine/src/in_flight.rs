//! The keys of requests that are on their way to the disk: from the door until the store has answered.
//!
//! # Invariants
//!
//! 1. Of equal keys, one is on its way. While it is, nobody can say that nothing was stored under it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::entry::Organization;

/// A key, within its organisation.
type Key = (Organization, String);

/// What is on its way.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<Mutex<BTreeSet<Key>>>);

impl InFlight {
    /// Claims the key; `None` while another holds it.
    pub(crate) fn claim(&self, organization: &Organization, key: &str) -> Option<Claim> {
        let key = (organization.clone(), key.to_owned());
        let claimed = self.lock().insert(key.clone());
        // Lazily: a claim that is merely built and dropped would free the key of its rightful holder.
        claimed.then(|| Claim {
            keys: self.clone(),
            key,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One key on its way, until dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    keys: InFlight,
    key: Key,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.keys.lock().remove(&self.key);
    }
}
