//! Tokens that were believed already: a token is presented many times and signed once.
//!
//! # Invariants
//!
//! 1. Only what does not depend on the moment or the connection is remembered, and only of a token that
//!    was believed: its times, its certificates and the connection are looked at every time.
//! 2. A token is known whole, key id and signature included, by its SHA-256; its text is not kept.
//! 3. What is remembered lives no longer than the keys it was believed under: both belong to one
//!    [`super::Callers`].
//!
//! # Limits
//!
//! Two generations of [`GENERATION_MAX`] tokens; when one is full, the older is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// Tokens of a generation: five minutes of a region's desks, in about 10 MiB.
const GENERATION_MAX: usize = 16_384;

type Digest = [u8; SHA256_OUTPUT_LEN];

/// What is remembered of tokens.
pub(super) struct Known<T>(Mutex<Generations<T>>);

struct Generations<T> {
    young: HashMap<Digest, Arc<T>>,
    old: HashMap<Digest, Arc<T>>,
}

impl<T> Default for Known<T> {
    fn default() -> Known<T> {
        Known(Mutex::new(Generations {
            young: HashMap::new(),
            old: HashMap::new(),
        }))
    }
}

impl<T> Known<T> {
    /// What is remembered of the token of this text.
    pub(super) fn get(&self, text: &str) -> Option<Arc<T>> {
        self.lock().get(&name(text))
    }

    /// Remembers `token` under its text.
    pub(super) fn add(&self, text: &str, token: Arc<T>) {
        self.lock().add(name(text), token);
    }

    fn lock(&self) -> MutexGuard<'_, Generations<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Generations<T> {
    fn get(&mut self, name: &Digest) -> Option<Arc<T>> {
        if let Some(token) = self.young.get(name) {
            return Some(Arc::clone(token));
        }
        let token = self.old.remove(name)?;
        self.add(*name, Arc::clone(&token));
        Some(token)
    }

    fn add(&mut self, name: Digest, token: Arc<T>) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, token);
    }
}

fn name(text: &str) -> Digest {
    let mut name = Digest::default();
    name.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_the_whole_of_its_text() {
        let known = Known::default();
        known.add("head.claims.good", Arc::new(1));
        assert_eq!(known.get("head.claims.good").as_deref(), Some(&1));
        assert_eq!(known.get("head.claims.bad"), None);
        assert_eq!(known.get("head.claims."), None);
    }

    #[test]
    fn what_is_not_presented_any_more_is_forgotten() {
        let known = Known::default();
        known.add("in use", Arc::new(0));
        for other in 0..3 * GENERATION_MAX {
            known.add(&other.to_string(), Arc::new(other));
            assert!(known.get("in use").is_some());
        }
        assert_eq!(known.get("0"), None, "long not presented");
        let generations = known.lock();
        assert!(generations.young.len() <= GENERATION_MAX);
        assert!(generations.old.len() <= GENERATION_MAX);
    }
}
