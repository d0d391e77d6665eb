//! How many requests each organisation has left.
//!
//! Requests come back at a steady rate (GCRA, by `governor`), so that a caller who keeps to it never
//! waits, and one who does not is refused no longer than it takes one request to come back.
//!
//! # Limits
//!
//! One allowance for each registered organisation and [`STRANGERS`] for everybody else: a stranger who
//! invents certificates shares these with other strangers, and never an organisation's.
//!
//! # Failure
//!
//! A limiter that fails admits: it is there to protect, and refuses nobody by mistake.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use engine::ports::Clock;
use governor::clock::{Clock as _, Reference};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota as Rate, RateLimiter};

use crate::config::Limits;
use crate::telemetry::Watcher;

/// Allowances that unknown certificates share, by their digests.
const STRANGERS: u64 = 256;

/// Whose allowance a request takes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// A registered organisation.
    Organization(&'a str),
    /// A certificate that no organisation has registered.
    Certificate([u8; 32]),
    /// Whoever shows none.
    Rest,
}

/// What is left after a request was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Requests at most, one after the other.
    pub(crate) limit: u32,
    /// Requests left of them.
    pub(crate) remaining: u32,
    /// When all of them are there again, from now.
    pub(crate) reset: Duration,
    /// How long the next one must wait, if this one was not admitted.
    pub(crate) wait: Option<Duration>,
}

/// The time of the gateway's own clock, in nanoseconds.
struct Time(Arc<dyn Clock>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct At(u64);

impl std::ops::Add<Nanos> for At {
    type Output = At;

    fn add(self, span: Nanos) -> At {
        At(self.0.saturating_add(span.as_u64()))
    }
}

impl Reference for At {
    fn duration_since(&self, earlier: At) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, span: Nanos) -> At {
        At(self.0.checked_sub(span.as_u64()).unwrap_or(self.0))
    }
}

impl governor::clock::Clock for Time {
    type Instant = At;

    fn now(&self) -> At {
        At(self.0.now().0.saturating_mul(1_000_000))
    }
}

type Allowances = RateLimiter<u64, DashMapStateStore<u64>, Time, StateInformationMiddleware>;

/// The allowances of all.
pub(crate) struct Limiter {
    limits: Limits,
    allowances: Allowances,
    hasher: RandomState,
    watcher: Arc<Watcher>,
}

impl Limiter {
    pub(crate) fn new(limits: Limits, clock: Arc<dyn Clock>, watcher: Arc<Watcher>) -> Limiter {
        let rate = Rate::per_second(limits.rate).allow_burst(limits.burst);
        let store = DashMapStateStore::default();
        let allowances = Allowances::new(rate, store, Time(clock));
        Limiter {
            limits,
            allowances,
            hasher: RandomState::new(),
            watcher,
        }
    }

    /// Counts one request of `subject`.
    pub(crate) fn count(&self, subject: Subject<'_>) -> Quota {
        let key = self.key(subject);
        self.guarded(|| {
            let limit = self.limits.burst.get();
            match self.allowances.check_key(&key) {
                Ok(state) => {
                    let remaining = state.remaining_burst_capacity();
                    let used = limit.saturating_sub(remaining);
                    Quota {
                        limit,
                        remaining,
                        reset: self.time_of(used),
                        wait: None,
                    }
                }
                Err(refused) => Quota {
                    limit,
                    remaining: 0,
                    reset: self.time_of(limit),
                    wait: Some(refused.wait_time_from(self.allowances.clock().now())),
                },
            }
        })
    }

    /// What `counting` says; whatever is wrong with it, the request is admitted.
    fn guarded(&self, counting: impl FnOnce() -> Quota) -> Quota {
        catch_unwind(AssertUnwindSafe(counting)).unwrap_or_else(|_panic| {
            self.watcher.limiter_failed();
            Quota {
                limit: self.limits.burst.get(),
                remaining: self.limits.burst.get(),
                reset: Duration::ZERO,
                wait: None,
            }
        })
    }

    /// How long so many requests take to come back.
    fn time_of(&self, requests: u32) -> Duration {
        Duration::from_secs(1) * requests / self.limits.rate.get()
    }

    fn key(&self, subject: Subject<'_>) -> u64 {
        match subject {
            // Two organisations with one digest of 64 bits would share: there are not that many.
            Subject::Organization(name) => self.hasher.hash_one(name) | STRANGERS,
            Subject::Certificate(digest) => u64::from(digest[0]) % STRANGERS,
            Subject::Rest => 0,
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
