//! One counter an organisation, few for strangers, and none that fails shut.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use policies::time::Timestamp;

use super::*;

/// A clock that stands where it was put.
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn limiter(burst: u32, rate: u32) -> (Limiter, Arc<Hand>) {
    let clock = Arc::new(Hand(AtomicU64::new(1_000_000)));
    let limits = Limits {
        burst: NonZeroU32::new(burst).unwrap(),
        rate: NonZeroU32::new(rate).unwrap(),
    };
    let watcher = Arc::new(Watcher::counting());
    (
        Limiter::new(limits, Arc::clone(&clock) as _, watcher),
        clock,
    )
}

const A: Subject<'static> = Subject::Organization("a");

#[test]
fn a_burst_is_admitted_and_comes_back_at_its_rate() {
    let (limiter, clock) = limiter(3, 2);
    let remaining: Vec<_> = (0..3).map(|_| limiter.count(A).remaining).collect();
    assert_eq!(remaining, [2, 1, 0]);
    let refused = limiter.count(A);
    assert_eq!(refused.wait, Some(Duration::from_millis(500)));
    assert_eq!(refused.reset, Duration::from_millis(1_500));
    assert_eq!((refused.limit, refused.remaining), (3, 0));
    clock.0.fetch_add(499, Ordering::Relaxed);
    assert!(limiter.count(A).wait.is_some(), "not yet");
    clock.0.fetch_add(1, Ordering::Relaxed);
    assert_eq!(limiter.count(A).wait, None);
    clock.0.fetch_add(60_000, Ordering::Relaxed);
    assert_eq!(limiter.count(A).remaining, 2, "never more than the burst");
}

#[test]
fn strangers_take_nothing_from_organisations_and_are_bounded() {
    let (limiter, _) = limiter(1, 1);
    for first in 0..=u8::MAX {
        for second in [0, 1] {
            let mut digest = [0; 32];
            (digest[0], digest[1]) = (first, second);
            limiter.count(Subject::Certificate(digest));
        }
    }
    assert!(
        limiter.count(Subject::Rest).wait.is_some(),
        "is a stranger too"
    );
    assert_eq!(limiter.allowances.len(), 256);
    assert_eq!(limiter.count(A).wait, None);
    assert_eq!(limiter.count(Subject::Organization("b")).wait, None);
    assert!(limiter.count(A).wait.is_some());
}

#[test]
fn a_limiter_that_fails_admits() {
    let (limiter, _) = limiter(5, 1);
    let quota = limiter.guarded(|| panic!("the limiter has a defect"));
    assert_eq!((quota.wait, quota.remaining), (None, 5));
    let page = limiter.watcher.metrics_text();
    assert!(page.contains("argine_limiter_failures_total 1"), "{page}");
}
