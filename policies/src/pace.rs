//! How often something has happened lately, and how long it has taken.

use std::time::Duration;

use crate::time::Timestamp;

const BUCKETS: usize = 10;
const BUCKET_MILLIS: u64 = 1_000;

/// Counts what happened in the last ten seconds.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    /// Which second each counts, and how often it happened in it.
    buckets: [(u64, u32); BUCKETS],
}

impl Meter {
    /// It happened.
    pub fn note(&mut self, now: Timestamp) {
        let second = now.0 / BUCKET_MILLIS;
        let place = usize::try_from(second % BUCKETS as u64).expect("a remainder of ten is small");
        let bucket = &mut self.buckets[place];
        if bucket.0 != second {
            *bucket = (second, 0);
        }
        bucket.1 = bucket.1.saturating_add(1);
    }

    /// How often a second.
    pub fn per_second(&self, now: Timestamp) -> f64 {
        let newest = now.0 / BUCKET_MILLIS;
        let live = self
            .buckets
            .iter()
            .filter(|(second, _)| second + BUCKETS as u64 > newest);
        let count: u64 = live.map(|(_, count)| u64::from(*count)).sum();
        // Ten seconds of anything fit into the 32 bits that a float holds exactly.
        f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / BUCKETS as f64
    }

    /// How long `count` of them take at this pace; `None` if none has happened lately.
    pub fn time_for(&self, count: usize, now: Timestamp) -> Option<Duration> {
        let per_second = self.per_second(now);
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        (per_second > 0.0).then(|| Duration::from_secs_f64(count / per_second))
    }
}

/// The part of a new measure in the smoothed one.
const NEWEST_SHARE: f64 = 0.2;

/// How long something takes, smoothed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Smoothed(Duration);

impl Smoothed {
    /// It has taken this long.
    pub fn note(&mut self, took: Duration) {
        self.0 = self.0.mul_f64(1.0 - NEWEST_SHARE) + took.mul_f64(NEWEST_SHARE);
    }

    /// How long it takes; zero before the first.
    pub fn value(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_last_ten_seconds_and_no_more() {
        let mut meter = Meter::default();
        let at = |second: u64| Timestamp(1_000_000 + second * 1_000);
        assert_eq!(meter.time_for(1, at(0)), None);
        for n in 0..40 {
            meter.note(at(n / 4));
        }
        assert_eq!(meter.per_second(at(9)), 4.0);
        assert_eq!(meter.time_for(8, at(9)), Some(Duration::from_secs(2)));
        assert_eq!(meter.per_second(at(14)), 2.0);
        assert_eq!(meter.per_second(at(19)), 0.0);
    }

    #[test]
    fn what_takes_longer_is_heard_of_soon() {
        let mut took = Smoothed::default();
        for _ in 0..10 {
            took.note(Duration::from_secs(10));
        }
        assert!(took.value() > Duration::from_secs(8));
    }
}
