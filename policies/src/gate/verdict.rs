//! When enough has failed: counted by calls in ten buckets, never averaged over time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use failsafe::FailurePolicy;

use crate::rules::GateRules;
use crate::time::Timestamp;

/// What the gate tells the verdict before each call into the machine, whose interface has no room
/// for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell(Arc<CellFields>);

#[derive(Debug, Default)]
struct CellFields {
    now: AtomicU64,
    slow: AtomicBool,
    condemned: AtomicBool,
}

impl Cell {
    pub(super) fn set_now(&self, now: Timestamp) {
        self.0.now.store(now.0, Ordering::Relaxed);
    }

    /// The next error is a slow answer.
    pub(super) fn set_slow(&self, slow: bool) {
        self.0.slow.store(slow, Ordering::Relaxed);
    }

    /// The next error opens the gate whatever came before.
    pub(super) fn set_condemned(&self, condemned: bool) {
        self.0.condemned.store(condemned, Ordering::Relaxed);
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

/// The window of one gate.
#[derive(Debug)]
pub(super) struct Verdict {
    rules: GateRules,
    cell: Cell,
    buckets: [Bucket; BUCKETS],
    failures_in_row: u32,
}

impl Verdict {
    pub(super) fn new(rules: GateRules, cell: Cell) -> Verdict {
        Verdict {
            rules,
            cell,
            buckets: [Bucket::default(); BUCKETS],
            failures_in_row: 0,
        }
    }

    fn bucket_millis(&self) -> u64 {
        u64::try_from(self.rules.window.as_millis())
            .unwrap_or(u64::MAX)
            .max(BUCKETS as u64)
            / BUCKETS as u64
    }

    fn span_now(&self) -> u64 {
        self.cell.0.now.load(Ordering::Relaxed) / self.bucket_millis()
    }

    fn current(&mut self) -> &mut Bucket {
        let span = self.span_now();
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

    fn window(&self) -> Bucket {
        let newest = self.span_now();
        let live = self
            .buckets
            .iter()
            .filter(|b| b.span + BUCKETS as u64 > newest);
        live.fold(Bucket::default(), |sum, b| Bucket {
            span: newest,
            calls: sum.calls + b.calls,
            failures: sum.failures + b.failures,
            slow: sum.slow + b.slow,
        })
    }

    fn is_dead(&self) -> bool {
        if self.cell.0.condemned.load(Ordering::Relaxed)
            || self.failures_in_row >= self.rules.failures_in_row
        {
            return true;
        }
        let window = self.window();
        let calls = f64::from(window.calls);
        window.calls >= self.rules.calls_min
            && (f64::from(window.failures) / calls >= self.rules.failure_share
                || f64::from(window.slow) / calls >= self.rules.slow_share)
    }
}

impl FailurePolicy for Verdict {
    fn record_success(&mut self) {
        self.failures_in_row = 0;
        self.current().calls += 1;
    }

    /// Zero, because how long it stays open is the gate's own business.
    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        let slow = self.cell.0.slow.load(Ordering::Relaxed);
        let bucket = self.current();
        bucket.calls += 1;
        if slow {
            bucket.slow += 1;
            self.failures_in_row = 0;
        } else {
            bucket.failures += 1;
            self.failures_in_row = self.failures_in_row.saturating_add(1);
        }
        self.is_dead().then_some(Duration::ZERO)
    }

    fn revived(&mut self) {
        self.buckets = [Bucket::default(); BUCKETS];
        self.failures_in_row = 0;
    }
}
