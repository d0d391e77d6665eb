//! When enough has failed: counted by calls in ten buckets, never averaged over time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use failsafe::FailurePolicy;

use crate::rules::GateRules;
use crate::time::Timestamp;

/// The window of one gate, shared by the gate and its machine, whose interface has no room for what the
/// gate must tell it before each call into it. Locked for each of these by itself: some come from
/// within the machine.
#[derive(Debug, Clone)]
pub(super) struct Verdict(Arc<Mutex<Window>>);

impl Verdict {
    pub(super) fn new(rules: GateRules) -> Verdict {
        Verdict(Arc::new(Mutex::new(Window {
            rules,
            buckets: [Bucket::default(); BUCKETS],
            failures_in_row: 0,
            now: Timestamp::default(),
            next_is_slow: false,
            is_condemned: false,
        })))
    }

    /// Counts by `rules` from now on. What was counted stays as far as it fits into their window, and by
    /// itself opens nothing: the next failure is judged by it.
    pub(super) fn adopt(&self, rules: GateRules, now: Timestamp) {
        self.window().adopt(rules, now);
    }

    pub(super) fn set_now(&self, now: Timestamp) {
        self.window().now = now;
    }

    /// The next error is a slow answer.
    pub(super) fn set_slow(&self, slow: bool) {
        self.window().next_is_slow = slow;
    }

    /// The next error opens the gate whatever came before.
    pub(super) fn set_condemned(&self, condemned: bool) {
        self.window().is_condemned = condemned;
    }

    /// Its fields are plain values: it is used on after a panic.
    fn window(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FailurePolicy for Verdict {
    fn record_success(&mut self) {
        let mut window = self.window();
        window.failures_in_row = 0;
        window.current().calls += 1;
    }

    /// Zero, because how long it stays open is the gate's own business.
    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        let mut window = self.window();
        window.count_error();
        window.is_dead().then_some(Duration::ZERO)
    }

    fn revived(&mut self) {
        let mut window = self.window();
        window.buckets = [Bucket::default(); BUCKETS];
        window.failures_in_row = 0;
    }
}

const BUCKETS: usize = 10;

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Which span of time it counts, as a number of bucket lengths since the epoch.
    span: u64,
    calls: u32,
    failures: u32,
    slow: u32,
}

impl Bucket {
    fn add(&mut self, other: Bucket) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }
}

#[derive(Debug)]
struct Window {
    rules: GateRules,
    buckets: [Bucket; BUCKETS],
    failures_in_row: u32,
    now: Timestamp,
    next_is_slow: bool,
    is_condemned: bool,
}

impl Window {
    fn adopt(&mut self, rules: GateRules, now: Timestamp) {
        self.now = now;
        let was_millis = self.bucket_millis();
        let counted: Vec<Bucket> = self.live().collect();
        self.rules = rules;
        let millis = self.bucket_millis();
        if millis == was_millis {
            return;
        }
        self.buckets = [Bucket::default(); BUCKETS];
        let newest = self.span_now();
        for counted in counted {
            // By its beginning: what was counted may leave sooner than it would have, and never later.
            let span = counted.span * was_millis / millis;
            if is_live(span, newest) {
                self.bucket(span).add(counted);
            }
        }
    }

    fn bucket_millis(&self) -> u64 {
        u64::try_from(self.rules.window.as_millis())
            .unwrap_or(u64::MAX)
            .max(BUCKETS as u64)
            / BUCKETS as u64
    }

    fn span_now(&self) -> u64 {
        self.now.0 / self.bucket_millis()
    }

    fn bucket(&mut self, span: u64) -> &mut Bucket {
        let place = usize::try_from(span % BUCKETS as u64).expect("a remainder of ten is small");
        let bucket = &mut self.buckets[place];
        if bucket.span != span {
            *bucket = Bucket {
                span,
                ..Bucket::default()
            };
        }
        bucket
    }

    fn current(&mut self) -> &mut Bucket {
        self.bucket(self.span_now())
    }

    fn live(&self) -> impl Iterator<Item = Bucket> {
        let newest = self.span_now();
        let live = move |bucket: &Bucket| is_live(bucket.span, newest);
        self.buckets.into_iter().filter(live)
    }

    fn count_error(&mut self) {
        let slow = self.next_is_slow;
        let bucket = self.current();
        bucket.calls += 1;
        if slow {
            bucket.slow += 1;
            self.failures_in_row = 0;
        } else {
            bucket.failures += 1;
            self.failures_in_row = self.failures_in_row.saturating_add(1);
        }
    }

    fn is_dead(&self) -> bool {
        if self.is_condemned || self.failures_in_row >= self.rules.failures_in_row {
            return true;
        }
        let mut sum = Bucket::default();
        self.live().for_each(|bucket| sum.add(bucket));
        let calls = f64::from(sum.calls);
        sum.calls >= self.rules.calls_min
            && (f64::from(sum.failures) / calls >= self.rules.failure_share
                || f64::from(sum.slow) / calls >= self.rules.slow_share)
    }
}

fn is_live(span: u64, newest: u64) -> bool {
    span + BUCKETS as u64 > newest
}
