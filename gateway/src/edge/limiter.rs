//! How many requests each organisation has left in its window.
//!
//! # Limits
//!
//! `organizations_max` counters. When all are in use, whoever comes next shares one counter: a
//! stranger who invents certificates can exhaust that one, and nobody else's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use policies::time::Timestamp;

use crate::config::Limits;

/// Who shares a counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A registered organisation.
    Organization(String),
    /// A certificate that no organisation has registered.
    Certificate([u8; 32]),
    /// Everyone who found no counter free.
    Rest,
}

/// What is left after a request was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Requests per window.
    pub(crate) limit: u32,
    /// Requests left in this one.
    pub(crate) remaining: u32,
    /// When the next one begins, from now.
    pub(crate) reset: Duration,
    /// Whether this request was still within the limit.
    pub(crate) admitted: bool,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Timestamp,
    used: u32,
}

/// The counters of all organisations.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    windows: Mutex<HashMap<Subject, Window>>,
}

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Limiter {
        Limiter {
            limits,
            windows: Mutex::new(HashMap::new()),
        }
    }

    /// Counts one request of `subject`.
    pub(crate) fn count(&self, subject: Subject, now: Timestamp) -> Quota {
        // A panic between two writes of plain numbers leaves nothing half-done.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let subject = self.place(&mut windows, subject, now);
        let fresh = Window {
            began: now,
            used: 0,
        };
        let window = windows.entry(subject).or_insert(fresh);
        if self.is_over(window, now) {
            *window = fresh;
        }
        let admitted = window.used < self.limits.requests_max;
        if admitted {
            window.used += 1;
        }
        Quota {
            limit: self.limits.requests_max,
            remaining: self.limits.requests_max - window.used,
            reset: self.limits.window.saturating_sub(now.since(window.began)),
            admitted,
        }
    }

    fn is_over(&self, window: &Window, now: Timestamp) -> bool {
        now.since(window.began) >= self.limits.window
    }

    fn place(
        &self,
        windows: &mut HashMap<Subject, Window>,
        subject: Subject,
        now: Timestamp,
    ) -> Subject {
        let room = self.limits.organizations_max;
        if windows.len() < room || windows.contains_key(&subject) {
            return subject;
        }
        windows.retain(|_, window| !self.is_over(window, now));
        if windows.len() < room {
            subject
        } else {
            Subject::Rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn limiter(requests_max: u32, organizations_max: usize) -> Limiter {
        Limiter::new(Limits {
            requests_max,
            window: WINDOW,
            organizations_max,
        })
    }

    fn named(name: &str) -> Subject {
        Subject::Organization(name.to_owned())
    }

    #[test]
    fn a_window_admits_its_limit_and_says_when_the_next_begins() {
        let limiter = limiter(2, 10);
        let start = Timestamp(1_000_000);
        let seen: Vec<_> = (0..3)
            .map(|second| {
                let now = start + Duration::from_secs(second);
                let quota = limiter.count(named("a"), now);
                (quota.admitted, quota.remaining, quota.reset.as_secs())
            })
            .collect();
        assert_eq!(seen, [(true, 1, 60), (true, 0, 59), (false, 0, 58)]);
        assert!(limiter.count(named("b"), start).admitted, "another's quota");
        assert!(
            limiter.count(named("a"), start + WINDOW).admitted,
            "the next window"
        );
    }

    #[test]
    fn counters_are_bounded_and_the_rest_share_one() {
        let limiter = limiter(1, 2);
        let now = Timestamp(1_000_000);
        for name in ["a", "b", "c"] {
            assert!(limiter.count(named(name), now).admitted, "{name}");
        }
        assert!(
            !limiter.count(named("d"), now).admitted,
            "shares c's counter"
        );
        assert!(limiter.windows.lock().unwrap().len() <= 3);
        assert!(
            limiter.count(named("d"), now + WINDOW).admitted,
            "old windows make room"
        );
    }
}
