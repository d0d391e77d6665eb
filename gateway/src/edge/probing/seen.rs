//! How many different persons were seen, counted without a lock.
//!
//! A bit for each person, by a digest: who is seen again has it set. Two may share one, so that it
//! counts too few, never too many; at half of the bits a quarter too few.

use std::sync::atomic::{AtomicU64, Ordering};

use policies::probing::ASKED_MAX;

/// Twice as many bits as persons are told apart.
const WORDS: usize = 2 * ASKED_MAX / 64;

/// A set of persons, of whom only the number is known.
pub(super) struct Seen([AtomicU64; WORDS]);

impl Default for Seen {
    fn default() -> Seen {
        Seen([const { AtomicU64::new(0) }; WORDS])
    }
}

impl Seen {
    /// Adds `person`, a digest. Who is in it already costs a look.
    pub(super) fn add(&self, person: u64) {
        let word = &self.0[(person / 64 % WORDS as u64) as usize];
        let bit = 1 << (person % 64);
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// How many there are, at least.
    pub(super) fn count(&self) -> usize {
        let ones = |word: &AtomicU64| word.load(Ordering::Relaxed).count_ones() as usize;
        self.0.iter().map(ones).sum()
    }

    /// Begins anew. Who is added meanwhile may be lost.
    pub(super) fn clear(&self) {
        for word in &self.0 {
            word.store(0, Ordering::Relaxed);
        }
    }
}
