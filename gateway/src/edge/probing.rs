//! Who of the organisations tries tax codes out: remembered here, decided in `policies::probing`.
//!
//! # Limits
//!
//! One memory for each registered organisation that asks, until its window or its quiet time is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::entry::Organization;
use engine::lookup::LookupKey;
use policies::probing::{Probing, ProbingRules, Verdict};
use policies::time::Timestamp;

use super::codes;
use super::respond::Problem;
use crate::telemetry::{ENUMERATION, Watcher};

/// Memories from which on those that are over are looked for.
const SWEPT_FROM: usize = 64;

/// What came of a look-up, as far as it says anything of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Somebody whom the caller may see.
    Known,
    /// Nobody, or nobody for this caller.
    Unknown,
}

/// The memories of all organisations.
pub(crate) struct Suspicion {
    rules: ProbingRules,
    memories: Mutex<Memories>,
    watcher: Arc<Watcher>,
}

#[derive(Default)]
struct Memories {
    of: HashMap<String, Probing>,
    /// How many there may be before those that are over are looked for again.
    swept_at: usize,
}

impl Suspicion {
    pub(crate) fn new(rules: ProbingRules, watcher: Arc<Watcher>) -> Suspicion {
        Suspicion {
            rules,
            memories: Mutex::default(),
            watcher,
        }
    }

    /// Lets a look-up go on, of somebody who is not known to be known.
    ///
    /// # Errors
    ///
    /// Tells a suspect how long to wait.
    pub(crate) fn admit(&self, caller: &Organization, now: Timestamp) -> Result<(), Problem> {
        let mut memories = self.memories();
        let Some(memory) = memories.of.get_mut(&caller.0) else {
            return Ok(());
        };
        match memory.decide(&self.rules, now) {
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

    /// Counts what came of a look-up.
    pub(crate) fn note(&self, caller: &Organization, key: LookupKey, found: Found, now: Timestamp) {
        // A card is guessed by its number: another question about one person is another guess.
        let (half, _) = key.question.split_at(8);
        let person = half.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let mut memories = self.memories();
        memories.sweep(&self.rules, now);
        let memory = memories.of.entry(caller.0.clone());
        let memory = memory.or_insert_with(|| Probing::new(now));
        let suspected = memory.asked(&self.rules, person, found == Found::Unknown, now);
        drop(memories);
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

    fn memories(&self) -> MutexGuard<'_, Memories> {
        // A panic in between leaves counts that are too low by one at most.
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memories {
    /// Forgets what is over, whenever there are twice as many as after the last time.
    fn sweep(&mut self, rules: &ProbingRules, now: Timestamp) {
        if self.of.len() >= self.swept_at.max(SWEPT_FROM) {
            self.of.retain(|_, memory| !memory.is_over(rules, now));
            self.swept_at = 2 * self.of.len();
        }
    }
}
