//! Names that are presented, on clocks that are turned by hand.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::*;

const BEGAN: Timestamp = Timestamp(1_000_000);
const NOW: Timestamp = Timestamp(1_010_000);
const HOUR: Duration = Duration::from_secs(3_600);

struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        unreachable!("nobody waits here")
    }
}

/// A memory, and the running time of its machine.
struct Ground {
    replay: Replay,
    running: Arc<Hand>,
}

impl Ground {
    fn new() -> Ground {
        Ground::bounded(ISSUER_MAX, TOKENS_MAX)
    }

    fn bounded(issuer_max: usize, tokens_max: usize) -> Ground {
        let running = Arc::new(Hand(AtomicU64::new(BEGAN.0)));
        let clock = Arc::clone(&running) as _;
        Ground {
            replay: Replay::bounded(clock, issuer_max, tokens_max),
            running,
        }
    }

    /// On clocks that agree.
    fn admit(&self, token: &OneTime<'_>, now: Timestamp) -> Result<(), NotAdmitted> {
        self.admit_apart(token, now, now)
    }

    /// While the wall shows something else than the machine has been running.
    fn admit_apart(
        &self,
        token: &OneTime<'_>,
        wall: Timestamp,
        running: Timestamp,
    ) -> Result<(), NotAdmitted> {
        self.running.0.store(running.0, Ordering::Relaxed);
        self.replay.admit(token, wall)
    }
}

fn token<'a>(issuer: &'a str, jti: &'a str, until_s: u64) -> OneTime<'a> {
    living(
        issuer,
        jti,
        Timestamp(1_005_000),
        Timestamp(until_s * 1_000),
    )
}

fn living<'a>(issuer: &'a str, jti: &'a str, issued: Timestamp, until: Timestamp) -> OneTime<'a> {
    OneTime {
        issuer,
        kind: "Authorization",
        jti,
        life: Life { issued, until },
    }
}

/// One that is signed when the clock of its signer shows `at`, and lives for five minutes.
fn signed(jti: &str, at: Timestamp) -> OneTime<'_> {
    living("a", jti, at, at + Duration::from_secs(300))
}

#[test]
fn a_jti_is_admitted_once_until_its_token_is_worth_nothing() {
    let ground = Ground::new();
    let admit = |jti, until, now| ground.admit(&token("a", jti, until), now);
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
    let later = signed("1", Timestamp(1_020_000));
    assert_eq!(ground.admit(&later, Timestamp(1_020_000)), Ok(()));
}

#[test]
fn a_wall_clock_that_is_put_forward_and_back_makes_nothing_new_again() {
    let ground = Ground::new();
    let old = signed("1", NOW);
    assert_eq!(ground.admit(&old, NOW), Ok(()));
    let second = Duration::from_secs(1);
    // A day ahead: whose clock is as wrong is admitted, and once.
    let ahead = NOW + 24 * HOUR;
    let wrong = signed("2", ahead);
    assert_eq!(ground.admit_apart(&wrong, ahead, NOW + second), Ok(()));
    // Put right again after an hour that was as wrong: what lives is remembered, and others pass.
    let now = NOW + 2 * second;
    assert_eq!(ground.admit(&old, now), Err(NotAdmitted::Replayed));
    assert_eq!(ground.admit(&signed("3", now), now), Ok(()));
    let later = NOW + 24 * HOUR;
    assert_eq!(ground.admit(&wrong, later), Err(NotAdmitted::Replayed));
}

#[test]
fn what_was_forgotten_is_not_admitted_by_a_clock_that_is_put_back() {
    let ground = Ground::new();
    let old = signed("1", NOW);
    assert_eq!(ground.admit(&old, NOW), Ok(()));
    let later = NOW + HOUR;
    assert_eq!(ground.admit(&signed("2", later), later), Ok(()));
    // Back by the hour, to when the old one lived.
    let wall = NOW + Duration::from_secs(1);
    let again = ground.admit_apart(&old, wall, later);
    assert_eq!(again, Err(NotAdmitted::SignedBefore));
}

#[test]
fn a_start_with_a_clock_that_is_ahead_costs_nothing_once_it_is_put_right() {
    let ground = Ground::new();
    let ten = Duration::from_secs(10);
    assert_eq!(ground.admit(&signed("1", BEGAN), BEGAN), Ok(()));
    // It was ten minutes ahead.
    let (wall, running) = (BEGAN - Duration::from_secs(600) + ten, BEGAN + ten);
    let admit = |token: &OneTime<'_>| ground.admit_apart(token, wall, running);
    assert_eq!(admit(&signed("2", wall)), Ok(()));
    assert_eq!(admit(&signed("2", wall)), Err(NotAdmitted::Replayed));
    let before = signed("3", wall - ten - ten);
    assert_eq!(admit(&before), Err(NotAdmitted::SignedBefore));
    assert_eq!(admit(&signed("1", BEGAN)), Err(NotAdmitted::Replayed));
}

#[test]
fn two_issuers_and_two_kinds_may_use_one_name() {
    let ground = Ground::new();
    let of_another_kind = OneTime {
        kind: "FSE-JWT-Signature",
        ..token("a", "1", 1_020)
    };
    assert_eq!(ground.admit(&of_another_kind, NOW), Ok(()));
    assert_eq!(ground.admit(&token("a", "1", 1_020), NOW), Ok(()));
    assert_eq!(ground.admit(&token("b", "1", 1_020), NOW), Ok(()));
}

#[test]
fn what_was_signed_before_the_process_began_is_signed_again() {
    let ground = Ground::new();
    let admit = |issued| {
        let token = living("a", "1", Timestamp(issued), Timestamp(1_020_000));
        ground.admit(&token, NOW)
    };
    assert_eq!(admit(999_999), Err(NotAdmitted::SignedBefore));
    assert_eq!(admit(1_000_000), Ok(()));
}
#[test]
fn a_full_memory_refuses_and_forgets_nothing_that_lives() {
    let ground = Ground::bounded(2, 3);
    let admit = |issuer, jti, until, now| ground.admit(&token(issuer, jti, until), now);
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
    let ground = Ground::bounded(2, 1_000_000);
    for issuer in 0..ISSUERS_MAX {
        let admitted = ground.admit(&token(&issuer.to_string(), "1", 1_020), NOW);
        assert_eq!(admitted, Ok(()));
    }
    let full = ground.admit(&token("one more", "1", 1_020), NOW);
    assert_eq!(full, Err(NotAdmitted::Full(Duration::from_secs(10))));
    let known = ground.admit(&token("0", "2", 1_020), NOW);
    assert_eq!(known, Ok(()), "who is known has room");
    let later = Timestamp(1_020_000);
    assert_eq!(ground.admit(&token("one more", "1", 1_030), later), Ok(()));
    let memory = ground.replay.memory.lock().unwrap();
    assert_eq!((memory.issuers.len(), memory.tokens), (1, 1));
}

#[test]
fn of_many_at_the_same_time_one_is_admitted() {
    const THREADS: usize = 8;
    let ground = Ground::new();
    for round in 0..200 {
        let (start, admitted) = (Barrier::new(THREADS), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    if ground
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
