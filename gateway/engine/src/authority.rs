//! Authorities that the upstream has refused, so that none is presented a second time: repeated
//! refusals may revoke the prescriber's user (sac.md §1.8).

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use policies::failure::Opaque;

/// Refused authorities remembered at most; the oldest is forgotten first.
const REFUSED_MAX: usize = 10_000;

/// What was refused.
#[derive(Debug, Default)]
pub(crate) struct RefusedAuthorities(Mutex<Refused>);

#[derive(Debug, Default)]
struct Refused {
    known: BTreeSet<Opaque>,
    in_order: VecDeque<Opaque>,
}

impl RefusedAuthorities {
    /// Whether this very authority was refused. A new authentication is another authority.
    pub(crate) fn contains(&self, authority: &Opaque) -> bool {
        self.lock().known.contains(authority)
    }

    /// Remembers a refusal.
    pub(crate) fn insert(&self, authority: &Opaque) {
        let mut refused = self.lock();
        if !refused.known.insert(authority.clone()) {
            return;
        }
        refused.in_order.push_back(authority.clone());
        if refused.in_order.len() > REFUSED_MAX
            && let Some(oldest) = refused.in_order.pop_front()
        {
            refused.known.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let refused = RefusedAuthorities::default();
        let authority = |n: usize| Opaque(n.to_string().into_bytes());
        for n in 0..=REFUSED_MAX {
            refused.insert(&authority(n));
            refused.insert(&authority(n));
        }
        assert!(!refused.contains(&authority(0)));
        assert!(refused.contains(&authority(1)));
        assert!(refused.contains(&authority(REFUSED_MAX)));
    }
}
