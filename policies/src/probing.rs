//! Whether a caller tries tax codes out, and how long such a caller waits.
//!
//! Whoever looks persons up for a living knows most of them: few of those asked for do not exist, are
//! nobody's they may see, or are refused. Whoever guesses codes asks for many such persons, each once.
//!
//! # Invariants
//!
//! 1. Only distinct persons count: one who is asked for again and again is no second person.
//! 2. A caller is suspected only when both the number and the share of unknown persons are over.
//! 3. Suspicion ends after a quiet time without an unknown person, and everything before is forgotten.
//!
//! # Limits
//!
//! Of one caller [`ASKED_MAX`] persons are told apart in one window; beyond it the share is taken of
//! that many.

use std::collections::HashMap;
use std::time::Duration;

use crate::time::Timestamp;

/// Persons told apart in one window.
pub const ASKED_MAX: usize = 4_096;
/// Doublings after which a wait grows no more, whatever its bound.
const DOUBLINGS_MAX: u32 = 20;

/// When a caller is suspected, and what follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbingRules {
    /// Unknown persons in one window that nobody is suspected for.
    pub unknown_max: usize,
    /// The share of unknown persons, of all asked for, that nobody is suspected for.
    pub unknown_share: f64,
    /// The window.
    pub window: Duration,
    /// The first wait between two look-ups of a suspect.
    pub wait: Duration,
    /// The longest: each unknown person more doubles it.
    pub wait_max: Duration,
    /// How long a suspect must have asked for nobody unknown to be one no more.
    pub quiet: Duration,
}

/// What may come of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on.
    Pass,
    /// Not before this has passed.
    Wait(Duration),
}

/// A caller has just become a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspected {
    /// Unknown persons it has asked for in the window.
    pub unknown: usize,
    /// Persons it has asked for.
    pub asked: usize,
}

/// What is remembered of one caller.
#[derive(Debug, Clone)]
pub struct Probing {
    since: Timestamp,
    /// The persons asked for in the window, and whether each was unknown.
    persons: HashMap<u64, bool>,
    unknown: usize,
    suspect: Option<Suspect>,
}

#[derive(Debug, Clone, Copy)]
struct Suspect {
    /// Waits so far that were doubled.
    doublings: u32,
    next_at: Timestamp,
    last_unknown_at: Timestamp,
}

impl Probing {
    /// Of a caller who has asked for nobody.
    pub fn new(now: Timestamp) -> Probing {
        Probing {
            since: now,
            persons: HashMap::new(),
            unknown: 0,
            suspect: None,
        }
    }

    /// Whether a look-up that is not known to be of somebody known may go on.
    ///
    /// One that may takes the turn of a suspect: what is asked meanwhile waits for the next.
    pub fn decide(&mut self, rules: &ProbingRules, now: Timestamp) -> Verdict {
        self.forgive(rules, now);
        let Some(suspect) = &mut self.suspect else {
            return Verdict::Pass;
        };
        if now < suspect.next_at {
            return Verdict::Wait(suspect.next_at.since(now));
        }
        suspect.next_at = now + wait(rules, suspect.doublings);
        Verdict::Pass
    }

    /// Counts `person` (a digest), who was `unknown` or not; tells of a caller who has become a suspect.
    pub fn asked(
        &mut self,
        rules: &ProbingRules,
        person: u64,
        unknown: bool,
        now: Timestamp,
    ) -> Option<Suspected> {
        self.forgive(rules, now);
        if let Some(suspect) = &mut self.suspect {
            if unknown {
                suspect.last_unknown_at = now;
                suspect.doublings = (suspect.doublings + 1).min(DOUBLINGS_MAX);
                suspect.next_at = now + wait(rules, suspect.doublings);
            }
            return None;
        }
        if now.since(self.since) >= rules.window {
            *self = Probing::new(now);
        }
        self.count(person, unknown);
        let (unknown, asked) = (self.unknown, self.persons.len());
        if unknown <= rules.unknown_max || share(unknown, asked) <= rules.unknown_share {
            return None;
        }
        self.suspect = Some(Suspect {
            doublings: 0,
            next_at: now + rules.wait,
            last_unknown_at: now,
        });
        Some(Suspected { unknown, asked })
    }

    /// Whether nothing of this caller need be remembered at `now`.
    pub fn is_over(&self, rules: &ProbingRules, now: Timestamp) -> bool {
        match &self.suspect {
            Some(suspect) => now.since(suspect.last_unknown_at) >= rules.quiet,
            None => now.since(self.since) >= rules.window,
        }
    }

    fn forgive(&mut self, rules: &ProbingRules, now: Timestamp) {
        if self.suspect.is_some() && self.is_over(rules, now) {
            *self = Probing::new(now);
        }
    }

    fn count(&mut self, person: u64, unknown: bool) {
        let is_full = self.persons.len() >= ASKED_MAX;
        match self.persons.get_mut(&person) {
            Some(was_unknown) if unknown && !*was_unknown => *was_unknown = true,
            None if !is_full => _ = self.persons.insert(person, unknown),
            // One more than can be told apart is another one.
            None => {}
            Some(_) => return,
        }
        self.unknown += usize::from(unknown);
    }
}

/// The wait of a suspect after so many unknown persons more.
fn wait(rules: &ProbingRules, doublings: u32) -> Duration {
    let factor = 1_u32 << doublings.min(DOUBLINGS_MAX);
    rules.wait.saturating_mul(factor).min(rules.wait_max)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a few thousand persons are whole numbers of a double"
)]
fn share(unknown: usize, asked: usize) -> f64 {
    unknown as f64 / asked.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: ProbingRules = ProbingRules {
        unknown_max: 10,
        unknown_share: 0.2,
        window: Duration::from_secs(600),
        wait: Duration::from_secs(2),
        wait_max: Duration::from_secs(60),
        quiet: Duration::from_secs(900),
    };
    const START: Timestamp = Timestamp(1_000_000);

    fn second(n: u64) -> Timestamp {
        START + Duration::from_secs(n)
    }

    /// A caller who has guessed until it was found out, at the instant of the last guess.
    fn suspect() -> (Probing, Timestamp) {
        let mut probing = Probing::new(START);
        for n in 0..10 {
            assert_eq!(probing.asked(&RULES, n, true, second(n)), None);
            assert_eq!(probing.decide(&RULES, second(n)), Verdict::Pass);
        }
        let found_out = probing.asked(&RULES, 10, true, second(10));
        let expected = Suspected {
            unknown: 11,
            asked: 11,
        };
        assert_eq!(found_out, Some(expected));
        (probing, second(10))
    }

    #[test]
    fn who_guesses_waits_longer_each_time_and_one_guess_at_a_time() {
        let (mut probing, mut now) = suspect();
        let mut waits = Vec::new();
        for n in 11..19 {
            let Verdict::Wait(wait) = probing.decide(&RULES, now) else {
                panic!("a suspect waits");
            };
            waits.push(wait.as_secs());
            now = now + wait;
            assert_eq!(probing.decide(&RULES, now), Verdict::Pass);
            let meanwhile = probing.decide(&RULES, now);
            assert!(matches!(meanwhile, Verdict::Wait(_)), "{meanwhile:?}");
            assert_eq!(probing.asked(&RULES, n, true, now), None, "said once");
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_suspect_is_forgiven_after_a_quiet_time_and_not_before() {
        let (mut probing, now) = suspect();
        let almost = Timestamp((now + RULES.quiet).0 - 1);
        probing.asked(&RULES, 999, false, almost);
        assert!(!probing.is_over(&RULES, almost));
        assert!(probing.is_over(&RULES, now + RULES.quiet));
        let later = now + RULES.quiet;
        assert_eq!(probing.decide(&RULES, later), Verdict::Pass);
        assert_eq!(probing.decide(&RULES, later), Verdict::Pass);
        assert_eq!(
            probing.asked(&RULES, 1, true, later),
            None,
            "all is forgotten"
        );
    }

    #[test]
    fn an_ordinary_morning_is_never_suspected() {
        // Six hours, a person each half minute, one in twenty not to be found; half of them come back.
        let mut probing = Probing::new(START);
        for n in 0..720 {
            let (person, unknown, now) = (n % 500, n % 20 == 0, second(n * 30));
            assert_eq!(probing.decide(&RULES, now), Verdict::Pass);
            assert_eq!(probing.asked(&RULES, person, unknown, now), None, "{n}");
        }
        // A rush of hundreds within one window, and more typing errors than nobody is suspected for.
        let mut probing = Probing::new(START);
        for n in 0..600 {
            let suspected = probing.asked(&RULES, n, n % 20 == 0, second(n / 2));
            assert_eq!(suspected, None, "{n}");
        }
    }

    #[test]
    fn one_person_asked_for_again_and_again_is_one_person() {
        let mut probing = Probing::new(START);
        for n in 0..500 {
            assert_eq!(probing.asked(&RULES, 7, true, second(n / 10)), None);
        }
        assert_eq!(probing.persons.len(), 1);
    }

    #[test]
    fn known_persons_do_not_hide_guesses_for_long() {
        let mut probing = Probing::new(START);
        let suspected = (0..2_000).find(|n| {
            let unknown = n % 3 == 0;
            probing.asked(&RULES, *n, unknown, second(1)).is_some()
        });
        assert_eq!(suspected, Some(30), "the eleventh guess");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut probing = Probing::new(START);
        for n in 0..3 * ASKED_MAX as u64 {
            probing.asked(&RULES, n, false, START);
        }
        assert_eq!(probing.persons.len(), ASKED_MAX);
        let guesses = (0..=ASKED_MAX as u64).find(|n| {
            let person = 1_000_000 + n;
            probing.asked(&RULES, person, true, START).is_some()
        });
        assert!(
            guesses.is_some(),
            "guesses count though nobody more is told apart"
        );
    }
}
