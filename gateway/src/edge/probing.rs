//! Who of the organisations tries tax codes out: remembered here, decided in `policies::probing`.
//!
//! # Invariants
//!
//! 1. An unknown person counts when the SAC says so, whatever has become of who asked: the lane tells it
//!    at the landing ([`Landings`]).
//! 2. Who is known counts whether the SAC said so or we did.
//!
//! # Limits
//!
//! One memory for each registered organisation that asks, until its window or its quiet time is over.

mod seen;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use engine::entry::Organization;
use engine::lookup::LookupKey;
use engine::ports::{Clock, Found, Landings};
use policies::probing::{Probing, ProbingRules, Verdict};
use policies::time::Timestamp;

use self::seen::Seen;
use super::codes;
use super::respond::Problem;
use crate::telemetry::{ENUMERATION, Watcher};

/// Memories from which on those that are over are looked for.
const SWEPT_FROM: usize = 64;

/// The memories of all organisations.
pub struct Suspicion {
    rules: ProbingRules,
    memories: RwLock<Memories>,
    clock: Arc<dyn Clock>,
    watcher: Arc<Watcher>,
}

/// What is remembered of one organisation.
struct Memory {
    probing: Mutex<Probing>,
    /// The known persons it has asked for in the window.
    known: Seen,
}

#[derive(Default)]
struct Memories {
    of: HashMap<Organization, Arc<Memory>>,
    /// How many there may be before those that are over are looked for again.
    swept_at: usize,
}

impl Suspicion {
    /// Of organisations that have asked for nobody.
    pub fn new(rules: ProbingRules, clock: Arc<dyn Clock>, watcher: Arc<Watcher>) -> Suspicion {
        Suspicion {
            rules,
            memories: RwLock::default(),
            clock,
            watcher,
        }
    }

    /// Lets a look-up go on, of somebody who is not known to be known.
    ///
    /// # Errors
    ///
    /// Tells a suspect how long to wait.
    pub(crate) fn admit(&self, caller: &Organization) -> Result<(), Problem> {
        let Some(memory) = self.known_of(caller) else {
            return Ok(());
        };
        let verdict = memory.probing().decide(&self.rules, self.clock.now());
        match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Wait(wait) => {
                self.watcher.probing("slowed");
                Err(Problem {
                    repeat: Some(codes::PROBING_SLOWED.repeat.past(wait)),
                    ..Problem::from(&codes::PROBING_SLOWED)
                })
            }
        }
    }

    /// Counts somebody whom `caller` was shown. Nobody waits here for anybody else who asks.
    pub(crate) fn shown(&self, caller: &Organization, key: LookupKey) {
        self.memory_of(caller).known.add(person(key));
    }

    /// Counts somebody who is not known.
    fn unknown(&self, caller: &Organization, key: LookupKey) {
        let (memory, now) = (self.memory_of(caller), self.clock.now());
        let mut probing = memory.probing();
        if probing.renew(&self.rules, memory.known.count(), now) {
            memory.known.clear();
        }
        let known = memory.known.count();
        let suspected = probing.asked_unknown(&self.rules, person(key), known, now);
        drop(probing);
        if let Some(suspected) = suspected {
            self.watcher.probing("suspected");
            tracing::warn!(
                target: ENUMERATION,
                organization = caller.0,
                unknown = suspected.unknown,
                asked = suspected.asked,
                "an organisation asks for many persons who are unknown"
            );
        }
    }

    // A panic under the lock of the memories leaves all of them: they are used on.
    fn known_of(&self, caller: &Organization) -> Option<Arc<Memory>> {
        let memories = self.memories.read().unwrap_or_else(PoisonError::into_inner);
        memories.of.get(caller).cloned()
    }

    fn memory_of(&self, caller: &Organization) -> Arc<Memory> {
        if let Some(memory) = self.known_of(caller) {
            return memory;
        }
        let now = self.clock.now();
        let mut memories = self
            .memories
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        memories.sweep(&self.rules, now);
        let memory = memories.of.entry(caller.clone());
        Arc::clone(memory.or_insert_with(|| {
            Arc::new(Memory {
                probing: Mutex::new(Probing::new(now)),
                known: Seen::default(),
            })
        }))
    }
}

impl Landings for Suspicion {
    fn landed(&self, organization: &Organization, key: LookupKey, found: Found) {
        match found {
            Found::Known => self.shown(organization, key),
            Found::Unknown => self.unknown(organization, key),
        }
    }
}

impl Memory {
    fn probing(&self) -> MutexGuard<'_, Probing> {
        // A panic in between leaves counts that are too low by one at most.
        self.probing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memories {
    /// Forgets what is over, whenever there are twice as many as after the last time.
    fn sweep(&mut self, rules: &ProbingRules, now: Timestamp) {
        if self.of.len() >= self.swept_at.max(SWEPT_FROM) {
            self.of
                .retain(|_, memory| !memory.probing().is_over(rules, now));
            self.swept_at = 2 * self.of.len();
        }
    }
}

/// A card is guessed by its number: another question about one person is another guess.
fn person(key: LookupKey) -> u64 {
    let (half, _) = key.question.split_at(8);
    half.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
