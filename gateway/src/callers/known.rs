//! Signatures that were checked already: a token is presented many times and signed once.
//!
//! # Invariants
//!
//! 1. Only the verdict on a signature is remembered, and only a good one: what a token says (times,
//!    audience, organisation, certificate) is looked at every time it is presented.
//! 2. A token is known whole, key id and signature included, by its SHA-256; it is not kept.
//! 3. A verdict lives no longer than the keys it was given under: both belong to one
//!    [`super::Callers`].
//!
//! # Limits
//!
//! Two generations of [`GENERATION_MAX`] tokens; when one is full, the older is forgotten.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// Tokens of a generation: five minutes of a region's desks, in 1 MiB.
const GENERATION_MAX: usize = 16_384;

type Digest = [u8; SHA256_OUTPUT_LEN];

/// Tokens whose signature is good.
#[derive(Default)]
pub(super) struct Known(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
}

impl Known {
    /// Whether `token` is well signed: `check` is asked unless it has said so before.
    pub(super) fn is_signed(&self, token: &str, check: impl FnOnce() -> bool) -> bool {
        let mut name = Digest::default();
        name.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if self.lock().holds(&name) {
            return true;
        }
        // Checked without the lock: it takes longer than everything else here.
        let is_signed = check();
        if is_signed {
            self.lock().add(name);
        }
        is_signed
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn holds(&mut self, name: &Digest) -> bool {
        if self.young.contains(name) {
            return true;
        }
        let was_old = self.old.remove(name);
        if was_old {
            self.add(*name);
        }
        was_old
    }

    fn add(&mut self, name: Digest) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_good_signature_is_checked_once_and_a_bad_one_every_time() {
        let known = Known::default();
        let checks = Cell::new(0);
        let present = |token: &str, verdict| {
            known.is_signed(token, || {
                checks.set(checks.get() + 1);
                verdict
            })
        };
        assert!(present("head.claims.good", true));
        assert!(present("head.claims.good", false), "it was good");
        assert_eq!(checks.get(), 1);
        assert!(!present("head.claims.bad", false));
        assert!(!present("head.claims.bad", false));
        assert_eq!(checks.get(), 3);
    }

    #[test]
    fn what_is_not_presented_any_more_is_forgotten() {
        let known = Known::default();
        assert!(known.is_signed("in use", || true));
        for other in 0..3 * GENERATION_MAX {
            assert!(known.is_signed(&other.to_string(), || true));
            assert!(known.is_signed("in use", || false));
        }
        assert!(!known.is_signed("0", || false), "long not presented");
        let generations = known.lock();
        assert!(generations.young.len() <= GENERATION_MAX);
        assert!(generations.old.len() <= GENERATION_MAX);
    }
}
