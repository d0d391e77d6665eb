//! A probe is told from a morning, at landing, whoever asked.

use std::time::Duration;

use engine::clock::AnchoredClock;

use super::*;

fn suspicion() -> Suspicion {
    let rules = ProbingRules {
        unknown_max: 10,
        unknown_share: 0.2,
        window: Duration::from_secs(600),
        wait: Duration::from_secs(2),
        wait_max: Duration::from_secs(60),
        quiet: Duration::from_secs(900),
    };
    let clock = Arc::new(AnchoredClock::start());
    Suspicion::new(rules, clock, Arc::new(Watcher::counting()))
}

/// The digest of person `n`; digests are spread evenly.
fn key(n: u64) -> LookupKey {
    let mut question = [0; 16];
    question[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    LookupKey {
        person: question,
        question,
    }
}

fn organization() -> Organization {
    Organization("practice-a".to_owned())
}

#[test]
fn who_is_shown_from_memory_counts_as_known() {
    let (suspicion, practice) = (suspicion(), organization());
    for n in 0..200 {
        suspicion.shown(&practice, key(n));
    }
    for n in 1_000..1_030 {
        suspicion.landed(&practice, key(n), Found::Unknown);
        assert!(suspicion.admit(&practice).is_ok(), "{n}");
    }
}

#[test]
fn one_known_person_shown_again_and_again_hides_no_guess() {
    let (suspicion, practice) = (suspicion(), organization());
    for _ in 0..1_000 {
        suspicion.shown(&practice, key(1));
    }
    let guesses = (1_000..1_100).take_while(|n| {
        suspicion.landed(&practice, key(*n), Found::Unknown);
        suspicion.admit(&practice).is_ok()
    });
    assert_eq!(guesses.count(), 10);
    let other = Organization("practice-b".to_owned());
    assert!(suspicion.admit(&other).is_ok());
}

#[test]
fn persons_are_counted_nearly_as_many_as_they_are() {
    let seen = Seen::default();
    for n in 0..1_000 {
        seen.add(person(key(n)));
        seen.add(person(key(n)));
    }
    assert!((900..=1_000).contains(&seen.count()), "{}", seen.count());
    seen.clear();
    assert_eq!(seen.count(), 0);
}
