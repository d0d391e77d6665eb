//! One-time tokens: each `jti` of an issuer is admitted once.
//!
//! # Invariants
//!
//! 1. A `jti` that was admitted is refused until its token is worth nothing by itself: what still lives
//!    is never forgotten to make room.
//! 2. Of two presentations at the same time one is admitted.
//! 3. Nothing is known of what an earlier process has admitted, so that a token signed before this one
//!    began is refused. Signing again is all its caller has to do.
//! 4. One issuer fills its own part and no other's.
//! 5. Whatever the wall clock does while this process runs, what it has admitted it does not admit again:
//!    a name is forgotten once both the wall and the machine's own running time are past its end, and
//!    what ends where names have been forgotten already is refused.
//!
//! # Limits
//!
//! [`ISSUER_MAX`] tokens of an issuer, [`TOKENS_MAX`] and [`ISSUERS_MAX`] in all, about 60 bytes each. At
//! a limit new tokens are refused.
//!
//! # Failure
//!
//! A wall clock that was ahead at the start and is put right costs what is signed nothing at first; when
//! the time comes that it already showed, tokens are refused for as long as it had been wrong. While it
//! is ahead of the running time (also after a pause of the machine that this did not notice), names are
//! remembered longer by as much.
//!
//! # Not here
//!
//! A signer whose clock is ahead of ours dates its tokens into the future. One of those, presented in the
//! last seconds of a process, could be presented once more to the next one, within the clock skew; its
//! connection would have to be its own caller's even then. When this process began is counted back from
//! what the wall shows now: if that is put back wrongly, what the process before has admitted in as many
//! seconds before its end could be presented once more.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use engine::ports::Clock;
use policies::time::Timestamp;

/// One-time tokens of one issuer that live at a time: those of a hundred requests a second, each living
/// for ten minutes.
pub(crate) const ISSUER_MAX: usize = 1 << 18;
/// One-time tokens that one request can carry: a pair, a signature of the body, and evidence.
pub(crate) const TOKENS_OF_REQUEST: u32 = 4;
/// The same of all issuers together, in about 60 MiB.
pub(crate) const TOKENS_MAX: usize = 1 << 20;
/// Issuers of whom something is remembered.
pub(crate) const ISSUERS_MAX: usize = 16_384;

/// A clock that shows less than this before what it has shown was not put back: a request takes its time
/// once, and may wait for PDND before its tokens are admitted.
const STEP_MIN: Duration = Duration::from_secs(60);

/// Half a SHA-256: to find two `jti` of one digest is harder than to make a new one.
type Name = [u8; 16];

/// A token that may be presented once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OneTime<'a> {
    /// The organisation that signed it.
    pub(crate) issuer: &'a str,
    /// What kind of token it is: software gives all the tokens of one request one `jti`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) jti: &'a str,
    /// When it lives.
    pub(crate) life: Life,
}

/// When a one-time token was signed, and when it is worth nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// Its `iat`.
    pub(crate) issued: Timestamp,
    /// Its `exp`, and the clock skew that it is granted.
    pub(crate) until: Timestamp,
}

/// A one-time token is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// It was signed before this process began, or ends when names have been forgotten already.
    SignedBefore,
    /// It was admitted already.
    Replayed,
    /// There is no room before this has passed.
    Full(Duration),
}

/// What this process has admitted.
pub(crate) struct Replay {
    /// Counts how long the process has been running.
    clock: Arc<dyn Clock>,
    began: Timestamp,
    issuer_max: usize,
    tokens_max: usize,
    memory: Mutex<Memory>,
}

struct Memory {
    issuers: HashMap<String, Part>,
    tokens: usize,
    /// Where names may have been forgotten, since the clock was last put back.
    passed: Passed,
    /// The same of before.
    passed_before: Option<Passed>,
}

/// From the first moment that was shown to the last.
#[derive(Debug, Clone, Copy)]
struct Passed {
    from: Timestamp,
    to: Timestamp,
}

/// What is remembered of one issuer.
#[derive(Default)]
struct Part {
    seen: HashSet<Name>,
    ends: BinaryHeap<Reverse<(Timestamp, Name)>>,
}

impl Replay {
    /// The memory of a process that begins now, by `clock`.
    pub(crate) fn since(clock: Arc<dyn Clock>) -> Replay {
        Replay::bounded(clock, ISSUER_MAX, TOKENS_MAX)
    }

    fn bounded(clock: Arc<dyn Clock>, issuer_max: usize, tokens_max: usize) -> Replay {
        let began = clock.now();
        Replay {
            clock,
            began,
            issuer_max,
            tokens_max,
            memory: Mutex::new(Memory {
                issuers: HashMap::new(),
                tokens: 0,
                passed: Passed {
                    from: began,
                    to: began,
                },
                passed_before: None,
            }),
        }
    }

    /// Admits `token` at `wall`, by the wall clock, once.
    ///
    /// Asked last, when everything else about the token holds: a refused token uses nothing up.
    pub(crate) fn admit(&self, token: &OneTime<'_>, wall: Timestamp) -> Result<(), NotAdmitted> {
        let running = self.clock.now();
        if token.life.issued + running.since(self.began) < wall {
            return Err(NotAdmitted::SignedBefore);
        }
        let now = wall.min(running);
        let (issuer, name) = (token.issuer, name(token));
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.pass(now);
        memory.forget_of(issuer, now);
        if memory.has(issuer, name) {
            return Err(NotAdmitted::Replayed);
        }
        if memory.has_passed(token.life.until) {
            return Err(NotAdmitted::SignedBefore);
        }
        if memory.tokens >= self.tokens_max || memory.issuers.len() >= ISSUERS_MAX {
            memory.forget(now);
        }
        if let Some(full_for) = memory.full_for(issuer, self.issuer_max, self.tokens_max, now) {
            return Err(NotAdmitted::Full(full_for));
        }
        memory.add(issuer, name, token.life.until);
        Ok(())
    }
}

impl Memory {
    /// Notes that it is `now`, which may be earlier than it was.
    fn pass(&mut self, now: Timestamp) {
        if now + STEP_MIN < self.passed.to {
            let (before, passed) = (self.passed_before, self.passed);
            self.passed_before = Some(before.map_or(passed, |before| Passed {
                from: before.from.min(passed.from),
                to: before.to.max(passed.to),
            }));
            self.passed = Passed { from: now, to: now };
        }
        self.passed.to = self.passed.to.max(now);
    }

    /// Whether what ends at `until` may have been forgotten.
    fn has_passed(&self, until: Timestamp) -> bool {
        let mut passed = [Some(self.passed), self.passed_before]
            .into_iter()
            .flatten();
        passed.any(|passed| (passed.from..=passed.to).contains(&until))
    }

    fn has(&self, issuer: &str, name: Name) -> bool {
        let part = self.issuers.get(issuer);
        part.is_some_and(|part| part.seen.contains(&name))
    }

    fn add(&mut self, issuer: &str, name: Name, until: Timestamp) {
        let part = match self.issuers.get_mut(issuer) {
            Some(part) => part,
            None => self.issuers.entry(issuer.to_owned()).or_default(),
        };
        part.seen.insert(name);
        part.ends.push(Reverse((until, name)));
        self.tokens += 1;
    }

    /// Forgets what `issuer` can no longer present.
    fn forget_of(&mut self, issuer: &str, now: Timestamp) {
        if let Some(part) = self.issuers.get_mut(issuer) {
            self.tokens -= part.forget(now);
        }
    }

    /// Forgets what nobody can present any more, and who has presented nothing else.
    fn forget(&mut self, now: Timestamp) {
        let mut forgotten = 0;
        self.issuers.retain(|_, part| {
            forgotten += part.forget(now);
            !part.seen.is_empty()
        });
        self.tokens -= forgotten;
    }

    /// How long there is no room for a token of `issuer`, if there is none.
    fn full_for(
        &self,
        issuer: &str,
        issuer_max: usize,
        tokens_max: usize,
        now: Timestamp,
    ) -> Option<Duration> {
        let own = self.issuers.get(issuer);
        if let Some(part) = own.filter(|part| part.seen.len() >= issuer_max) {
            return Some(part.first_end(now));
        }
        let is_new = own.is_none();
        if self.tokens < tokens_max && !(is_new && self.issuers.len() >= ISSUERS_MAX) {
            return None;
        }
        let ends = self.issuers.values().map(|part| part.first_end(now));
        Some(ends.min().unwrap_or_default())
    }
}

impl Part {
    /// Forgets what is worth nothing at `now`; says how many.
    fn forget(&mut self, now: Timestamp) -> usize {
        let before = self.seen.len();
        while let Some(Reverse((until, name))) = self.ends.peek() {
            if *until > now {
                break;
            }
            self.seen.remove(name);
            self.ends.pop();
        }
        before - self.seen.len()
    }

    fn first_end(&self, now: Timestamp) -> Duration {
        let first = self.ends.peek().map(|Reverse((until, _))| *until);
        first.map_or(Duration::ZERO, |until| until.since(now))
    }
}

fn name(token: &OneTime<'_>) -> Name {
    let mut whole = Context::new(&SHA256);
    for part in [token.kind, token.jti] {
        whole.update(part.as_bytes());
        whole.update(&[0]);
    }
    let mut name = Name::default();
    name.copy_from_slice(&whole.finish().as_ref()[..size_of::<Name>()]);
    name
}

#[cfg(test)]
mod tests;
