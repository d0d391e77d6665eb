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
//!
//! # Limits
//!
//! [`ISSUER_MAX`] tokens of an issuer, [`TOKENS_MAX`] and [`ISSUERS_MAX`] in all, about 60 bytes each. At
//! a limit new tokens are refused.
//!
//! # Not here
//!
//! A signer whose clock is ahead of ours dates its tokens into the future. One of those, presented in the
//! last seconds of a process, could be presented once more to the next one, within the clock skew; its
//! connection would have to be its own caller's even then.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use policies::time::Timestamp;

/// One-time tokens of one issuer that live at a time: a hundred a second, each five minutes.
pub(crate) const ISSUER_MAX: usize = 32_768;
/// The same of all issuers together, in about 60 MiB.
pub(crate) const TOKENS_MAX: usize = 1 << 20;
/// Issuers of whom something is remembered.
pub(crate) const ISSUERS_MAX: usize = 16_384;

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
    /// It was signed before this process began.
    SignedBefore,
    /// It was admitted already.
    Replayed,
    /// There is no room before this has passed.
    Full(Duration),
}

/// What this process has admitted.
pub(crate) struct Replay {
    began: Timestamp,
    issuer_max: usize,
    tokens_max: usize,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    issuers: HashMap<String, Part>,
    tokens: usize,
}

/// What is remembered of one issuer.
#[derive(Default)]
struct Part {
    seen: HashSet<Name>,
    ends: BinaryHeap<Reverse<(Timestamp, Name)>>,
}

impl Replay {
    /// The memory of a process that began at `began`, by the wall clock.
    pub(crate) fn since(began: Timestamp) -> Replay {
        Replay::bounded(began, ISSUER_MAX, TOKENS_MAX)
    }

    fn bounded(began: Timestamp, issuer_max: usize, tokens_max: usize) -> Replay {
        Replay {
            began,
            issuer_max,
            tokens_max,
            memory: Mutex::default(),
        }
    }

    /// Admits `token` at `now`, by the wall clock, once.
    ///
    /// Asked last, when everything else about the token holds: a refused token uses nothing up.
    pub(crate) fn admit(&self, token: &OneTime<'_>, now: Timestamp) -> Result<(), NotAdmitted> {
        if token.life.issued < self.began {
            return Err(NotAdmitted::SignedBefore);
        }
        let (issuer, name) = (token.issuer, name(token));
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget_of(issuer, now);
        if memory.has(issuer, name) {
            return Err(NotAdmitted::Replayed);
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
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const BEGAN: Timestamp = Timestamp(1_000_000);
    const NOW: Timestamp = Timestamp(1_010_000);

    fn token<'a>(issuer: &'a str, jti: &'a str, until_s: u64) -> OneTime<'a> {
        OneTime {
            issuer,
            kind: "Authorization",
            jti,
            life: Life {
                issued: Timestamp(1_005_000),
                until: Timestamp(until_s * 1_000),
            },
        }
    }

    #[test]
    fn a_jti_is_admitted_once_until_its_token_is_worth_nothing() {
        let replay = Replay::since(BEGAN);
        let admit = |jti, until, now| replay.admit(&token("a", jti, until), now);
        assert_eq!(admit("1", 1_020, NOW), Ok(()));
        assert_eq!(admit("1", 1_020, NOW), Err(NotAdmitted::Replayed));
        assert_eq!(
            admit("1", 9_999, NOW),
            Err(NotAdmitted::Replayed),
            "signed anew under an old name"
        );
        assert_eq!(admit("2", 1_020, NOW), Ok(()));
        let last = Timestamp(1_019_999);
        assert_eq!(admit("1", 1_020, last), Err(NotAdmitted::Replayed));
        assert_eq!(admit("1", 1_040, Timestamp(1_020_000)), Ok(()));
    }

    #[test]
    fn two_issuers_and_two_kinds_may_use_one_name() {
        let replay = Replay::since(BEGAN);
        let of_another_kind = OneTime {
            kind: "FSE-JWT-Signature",
            ..token("a", "1", 1_020)
        };
        assert_eq!(replay.admit(&of_another_kind, NOW), Ok(()));
        assert_eq!(replay.admit(&token("a", "1", 1_020), NOW), Ok(()));
        assert_eq!(replay.admit(&token("b", "1", 1_020), NOW), Ok(()));
    }

    #[test]
    fn what_was_signed_before_the_process_began_is_signed_again() {
        let replay = Replay::since(BEGAN);
        let admit = |issued| {
            let mut token = token("a", "1", 1_020);
            token.life.issued = Timestamp(issued);
            replay.admit(&token, NOW)
        };
        assert_eq!(admit(999_999), Err(NotAdmitted::SignedBefore));
        assert_eq!(admit(1_000_000), Ok(()));
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing_that_lives() {
        let replay = Replay::bounded(BEGAN, 2, 3);
        let admit = |issuer, jti, until, now| replay.admit(&token(issuer, jti, until), now);
        assert_eq!(admit("a", "1", 1_020, NOW), Ok(()));
        assert_eq!(admit("a", "2", 1_030, NOW), Ok(()));
        let ten = Duration::from_secs(10);
        assert_eq!(admit("a", "3", 1_030, NOW), Err(NotAdmitted::Full(ten)));
        assert_eq!(admit("b", "1", 1_015, NOW), Ok(()), "b has its own part");
        let five = Duration::from_secs(5);
        assert_eq!(admit("c", "1", 1_030, NOW), Err(NotAdmitted::Full(five)));
        for (issuer, jti) in [("a", "1"), ("a", "2"), ("b", "1")] {
            let again = admit(issuer, jti, 1_030, NOW);
            assert_eq!(again, Err(NotAdmitted::Replayed), "{issuer} {jti}");
        }
        let later = Timestamp(1_015_000);
        assert_eq!(admit("c", "1", 1_030, later), Ok(()), "b's has ended");
        assert_eq!(
            admit("a", "3", 1_030, later),
            Err(NotAdmitted::Full(five)),
            "a's have not"
        );
    }

    #[test]
    fn who_has_nothing_left_is_forgotten_too() {
        let replay = Replay::bounded(BEGAN, 2, 1_000_000);
        for issuer in 0..ISSUERS_MAX {
            let admitted = replay.admit(&token(&issuer.to_string(), "1", 1_020), NOW);
            assert_eq!(admitted, Ok(()));
        }
        let full = replay.admit(&token("one more", "1", 1_020), NOW);
        assert_eq!(full, Err(NotAdmitted::Full(Duration::from_secs(10))));
        let known = replay.admit(&token("0", "2", 1_020), NOW);
        assert_eq!(known, Ok(()), "who is known has room");
        let later = Timestamp(1_020_000);
        assert_eq!(replay.admit(&token("one more", "1", 1_030), later), Ok(()));
        let memory = replay.memory.lock().unwrap();
        assert_eq!((memory.issuers.len(), memory.tokens), (1, 1));
    }

    #[test]
    fn of_many_at_the_same_time_one_is_admitted() {
        const THREADS: usize = 8;
        let replay = Replay::since(BEGAN);
        for round in 0..200 {
            let (start, admitted) = (Barrier::new(THREADS), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        start.wait();
                        if replay
                            .admit(&token("a", &round.to_string(), 1_020), NOW)
                            .is_ok()
                        {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(admitted.into_inner(), 1, "round {round}");
        }
    }
}
