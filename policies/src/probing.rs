//! Whether a caller tries tax codes out, and how long such a caller waits.
//!
//! Whoever looks persons up for a living knows most of them: few of those asked for do not exist. Whoever
//! guesses codes asks for many such persons, each once. One whom the source refuses to show is neither:
//! a caller whom it refuses everybody has the wrong rights, and learns nothing.
//!
//! # Invariants
//!
//! 1. Only distinct persons count: one who is asked for again and again is no second person.
//! 2. A caller is suspected only when both the number and the share of unknown persons are over.
//! 3. Suspicion ends after a quiet time without an unknown person, and everything before is forgotten.
//!
//! # Limits
//!
//! Of one caller [`ASKED_MAX`] persons are told apart; with them a window ends, however short it was, so
//! that nobody asks for thousands to guess unseen behind them.

use std::collections::HashSet;
use std::time::Duration;

use crate::time::Timestamp;

/// Persons told apart in one window.
pub const ASKED_MAX: usize = 4_096;
/// Doublings after which a wait grows no more, whatever its bound.
const DOUBLINGS_MAX: u32 = 20;

/// When a caller is suspected, and what follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbingRules {
    /// Unknown persons in one window that nobody is suspected for; fewer than [`ASKED_MAX`].
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
    /// The unknown persons asked for in the window. How many known ones there were, whoever remembers
    /// this says: they are many, and counted where nobody waits.
    unknown: HashSet<u64>,
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
            unknown: HashSet::new(),
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

    /// Begins a new window, if the one of a caller who asked for `known` known persons in it is over;
    /// whether it has, and they count no more.
    pub fn renew(&mut self, rules: &ProbingRules, known: usize, now: Timestamp) -> bool {
        self.forgive(rules, now);
        if self.suspect.is_some() {
            return false;
        }
        let is_full = known + self.unknown.len() >= ASKED_MAX;
        let is_new = is_full || self.is_over(rules, now);
        if is_new {
            *self = Probing::new(now);
        }
        is_new
    }

    /// Counts `person` (a digest), who is unknown, of a caller who has asked for `known` known persons
    /// in the window; tells of a caller who has become a suspect.
    pub fn asked_unknown(
        &mut self,
        rules: &ProbingRules,
        person: u64,
        known: usize,
        now: Timestamp,
    ) -> Option<Suspected> {
        if let Some(suspect) = &mut self.suspect {
            suspect.last_unknown_at = now;
            suspect.doublings = (suspect.doublings + 1).min(DOUBLINGS_MAX);
            suspect.next_at = now + wait(rules, suspect.doublings);
            return None;
        }
        self.unknown.insert(person);
        let unknown = self.unknown.len();
        let asked = known + unknown;
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

    /// A caller and the known persons it has asked for, as whoever remembers it counts them.
    struct Asking {
        probing: Probing,
        known: HashSet<u64>,
    }

    impl Asking {
        fn new() -> Asking {
            Asking {
                probing: Probing::new(START),
                known: HashSet::new(),
            }
        }

        fn asked(&mut self, person: u64, unknown: bool, now: Timestamp) -> Option<Suspected> {
            if self.probing.renew(&RULES, self.known.len(), now) {
                self.known.clear();
            }
            if !unknown {
                self.known.insert(person);
                return None;
            }
            let known = self.known.len();
            self.probing.asked_unknown(&RULES, person, known, now)
        }
    }

    /// A caller who has guessed until it was found out, at the instant of the last guess.
    fn suspect() -> (Asking, Timestamp) {
        let mut asking = Asking::new();
        for n in 0..10 {
            assert_eq!(asking.asked(n, true, second(n)), None);
            assert_eq!(asking.probing.decide(&RULES, second(n)), Verdict::Pass);
        }
        let found_out = asking.asked(10, true, second(10));
        let expected = Suspected {
            unknown: 11,
            asked: 11,
        };
        assert_eq!(found_out, Some(expected));
        (asking, second(10))
    }

    #[test]
    fn who_guesses_waits_longer_each_time_and_one_guess_at_a_time() {
        let (mut asking, mut now) = suspect();
        let mut waits = Vec::new();
        for n in 11..19 {
            let Verdict::Wait(wait) = asking.probing.decide(&RULES, now) else {
                panic!("a suspect waits");
            };
            waits.push(wait.as_secs());
            now = now + wait;
            assert_eq!(asking.probing.decide(&RULES, now), Verdict::Pass);
            let meanwhile = asking.probing.decide(&RULES, now);
            assert!(matches!(meanwhile, Verdict::Wait(_)), "{meanwhile:?}");
            assert_eq!(asking.asked(n, true, now), None, "said once");
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_suspect_is_forgiven_after_a_quiet_time_and_not_before() {
        let (mut asking, now) = suspect();
        let almost = Timestamp((now + RULES.quiet).0 - 1);
        asking.asked(999, false, almost);
        assert!(!asking.probing.is_over(&RULES, almost));
        assert!(asking.probing.is_over(&RULES, now + RULES.quiet));
        let later = now + RULES.quiet;
        assert_eq!(asking.probing.decide(&RULES, later), Verdict::Pass);
        assert_eq!(asking.probing.decide(&RULES, later), Verdict::Pass);
        assert_eq!(asking.asked(1, true, later), None, "all is forgotten");
    }

    #[test]
    fn an_ordinary_morning_is_never_suspected() {
        // Six hours, a person each half minute, one in twenty not to be found; half of them come back.
        let mut asking = Asking::new();
        for n in 0..720 {
            let (person, unknown, now) = (n % 500, n % 20 == 0, second(n * 30));
            assert_eq!(asking.probing.decide(&RULES, now), Verdict::Pass);
            assert_eq!(asking.asked(person, unknown, now), None, "{n}");
        }
        // A rush of thousands within one window, and more typing errors than nobody is suspected for.
        let mut asking = Asking::new();
        for n in 0..20_000 {
            let suspected = asking.asked(n, n % 20 == 0, second(n / 100));
            assert_eq!(suspected, None, "{n}");
        }
    }

    #[test]
    fn one_person_asked_for_again_and_again_is_one_person() {
        let mut asking = Asking::new();
        for n in 0..500 {
            assert_eq!(asking.asked(7, true, second(n / 10)), None);
        }
        assert_eq!(asking.probing.unknown.len(), 1);
    }

    #[test]
    fn known_persons_do_not_hide_guesses_for_long() {
        let mut asking = Asking::new();
        let suspected = (0..2_000).find(|n| asking.asked(*n, n % 3 == 0, second(1)).is_some());
        assert_eq!(suspected, Some(30), "the eleventh guess");
    }

    #[test]
    fn nobody_guesses_unseen_behind_thousands_of_persons() {
        let mut asking = Asking::new();
        let known = ASKED_MAX as u64;
        for n in 0..known {
            asking.asked(n, false, START);
        }
        let suspected = (0..100).find(|n| asking.asked(1_000_000 + n, true, START).is_some());
        assert_eq!(suspected, Some(10), "in a window of its own");
        assert!(asking.known.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let rules = ProbingRules {
            unknown_share: 1.0,
            ..RULES
        };
        let mut probing = Probing::new(START);
        for n in 0..3 * ASKED_MAX as u64 {
            probing.renew(&rules, 0, START);
            assert_eq!(probing.asked_unknown(&rules, n, 0, START), None);
            assert!(probing.unknown.len() <= ASKED_MAX);
        }
    }
}
