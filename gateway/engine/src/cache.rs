//! The memory of a read-through lane: what was answered lately, whom there was nothing for, and how
//! much each caller has asked.
//!
//! Age is reckoned by the gateway's clock and judged by whoever asks, under the rules in force then:
//! nothing here expires by itself, and [`Memory::sweep`] is called by a timer.
//!
//! # Invariants
//!
//! 1. Of two answers under one key the younger stays.
//! 2. What was forgotten, or swept, is not read again, and its memory is given back by the end of the
//!    next sweep, if no answer in flight shares it ([`crate::lookup::body`]).
//!
//! # Limits
//!
//! `memory_bytes_max` of answers and `negative_max` noes, as they were when the lane was opened. Of
//! answers, what is asked for often is kept in place of what was asked for once: a sweep of tax codes
//! displaces nothing that desks use. Of noes the newest are kept: one that was displaced, or said
//! before a restart, hides nothing any more of what is known by then.

use std::mem::size_of;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use policies::allowance::{Allowance, Refused};
use policies::freshness::{Standing, standing};
use policies::rules::{CacheRules, CallerRules, FreshnessRules};
use policies::time::Timestamp;

use crate::lookup::{Digest, LookupKey, Shelved, Tag};

/// What a cache takes for an entry besides what is in it, about.
const OVERHEAD: usize = 256;

/// That the source gave a caller no answer, though it did not fail.
#[derive(Debug, Clone, Copy)]
struct No {
    at: Timestamp,
    /// Whether it said that there is nothing, and not that this is none of the caller's business.
    is_absence: bool,
}

/// Answers, and noes by caller.
#[derive(Debug)]
pub(crate) struct Memory {
    known: Cache<LookupKey, Arc<Shelved>>,
    noes: Cache<(LookupKey, Tag), No>,
    /// What the lane loads and what it reads from its shelf are put one at a time.
    putting: Mutex<()>,
}

impl Memory {
    /// An empty memory.
    pub(crate) fn new(rules: &CacheRules) -> Memory {
        Memory {
            known: Cache::builder()
                .weigher(|_, answer: &Arc<Shelved>| weight(answer))
                .max_capacity(rules.memory_bytes_max)
                .build(),
            noes: Cache::builder()
                .max_capacity(rules.negative_max)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            putting: Mutex::default(),
        }
    }

    /// What is known under `key`, whatever its age; that it was asked for is noted, and decides what
    /// stays.
    pub(crate) fn get(&self, key: &LookupKey) -> Option<Arc<Shelved>> {
        self.known.get(key)
    }

    /// As [`Memory::get`]; a key of which nothing is known is not noted again. One look-up looks several
    /// times, and must not make what nobody else asks for seem much in demand.
    pub(crate) fn look_again(&self, key: &LookupKey) -> Option<Arc<Shelved>> {
        self.known.contains_key(key).then(|| self.known.get(key))?
    }

    /// Keeps `answer`, unless a younger one is known.
    pub(crate) fn put(&self, answer: &Arc<Shelved>) {
        // Held over a look and an insert, neither of which can panic over plain values.
        let _putting = self.putting.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.look_again(&answer.key);
        if known.is_none_or(|known| known.fetched_at <= answer.fetched_at) {
            self.known.insert(answer.key, Arc::clone(answer));
        }
    }

    /// Keeps `answer`, which has come back from the shelf, unless one as young is known.
    pub(crate) fn put_back(&self, answer: &Arc<Shelved>) {
        let _putting = self.putting.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.look_again(&answer.key);
        if known.is_none_or(|known| known.fetched_at < answer.fetched_at) {
            self.known.insert(answer.key, Arc::clone(answer));
        }
    }

    /// Forgets what is known under `key`.
    pub(crate) fn forget(&self, key: &LookupKey) {
        self.known.invalidate(key);
    }

    /// Forgets everything about `person`. Looks at all that is there: people are purged one at a time.
    pub(crate) fn forget_person(&self, person: Digest) {
        for (key, _) in &self.known {
            if key.person == person {
                self.known.invalidate(&*key);
            }
        }
        for (about, _) in &self.noes {
            if about.0.person == person {
                self.noes.invalidate(&*about);
            }
        }
    }

    /// When `caller` was told that there is nothing under `key`, if that was the last no it was told.
    pub(crate) fn absent_since(&self, key: LookupKey, caller: Tag) -> Option<Timestamp> {
        let no = self.noes.get(&(key, caller))?;
        no.is_absence.then_some(no.at)
    }

    /// When `caller` was last told no about `key`, or that there is nothing, and no answer since.
    pub(crate) fn no_since(&self, key: LookupKey, caller: Tag) -> Option<Timestamp> {
        self.noes.get(&(key, caller)).map(|no| no.at)
    }

    /// `caller` is told at `at` that there is nothing under `key`, or that it is not for this caller.
    pub(crate) fn note_no(&self, key: LookupKey, caller: Tag, at: Timestamp, is_absence: bool) {
        if self.no_since(key, caller).is_none_or(|known| known <= at) {
            self.noes.insert((key, caller), No { at, is_absence });
        }
    }

    /// `caller` is told otherwise at `at`.
    pub(crate) fn forget_no(&self, key: LookupKey, caller: Tag, at: Timestamp) {
        if self.no_since(key, caller).is_some_and(|no| no <= at) {
            self.noes.invalidate(&(key, caller));
        }
    }

    /// Forgets what has expired, and gives back the memory of all that was forgotten. An answer that
    /// takes its place meanwhile may go with it: it is on the shelf.
    pub(crate) fn sweep(&self, now: Timestamp, rules: &FreshnessRules) {
        for (key, answer) in &self.known {
            if standing(now.since(answer.fetched_at), rules) == Standing::Expired {
                self.known.invalidate(&*key);
            }
        }
        for (about, no) in &self.noes {
            // By then nothing that was known before it is shown to anybody.
            if now.since(no.at) >= rules.stale_for {
                self.noes.invalidate(&*about);
            }
        }
        self.known.run_pending_tasks();
        self.noes.run_pending_tasks();
    }
}

/// The bytes that an answer takes.
fn weight(answer: &Shelved) -> u32 {
    let bytes = OVERHEAD
        + size_of::<Shelved>()
        + answer.body.len()
        + size_of_val(answer.tags.as_slice())
        + size_of_val(answer.seen_by.as_slice());
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// What each caller has asked; the one seen longest ago starts anew when there are too many.
#[derive(Debug)]
pub(crate) struct Callers(Cache<Tag, Arc<Mutex<Allowance>>>);

impl Callers {
    /// Nobody has asked anything.
    pub(crate) fn new(rules: &CallerRules) -> Callers {
        // The newest must get in, or it would be counted never.
        let policy = EvictionPolicy::lru();
        let builder = Cache::builder().max_capacity(rules.callers_max);
        Callers(builder.eviction_policy(policy).build())
    }

    /// Begins a load for `caller`, or says why not.
    pub(crate) fn try_begin(
        &self,
        caller: Tag,
        rules: &CallerRules,
        now: Timestamp,
    ) -> Result<UnderWay, Refused> {
        let allowance = self.0.get_with(caller, Arc::default);
        lock(&allowance).try_begin(rules, now)?;
        Ok(UnderWay(allowance))
    }
}

/// A load of one caller, until dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Mutex<Allowance>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.0).end();
    }
}

/// A panic under this lock can only be a broken assertion on plain numbers: they are used on.
fn lock(allowance: &Mutex<Allowance>) -> MutexGuard<'_, Allowance> {
    allowance.lock().unwrap_or_else(PoisonError::into_inner)
}
