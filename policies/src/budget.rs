//! How fast what has failed may be tried again.
//!
//! Retries are a share of the lane's calls, with a floor so that a quiet lane retries at all: when a
//! third of all calls fails, tries for the third time must not become half of the load. Each retry
//! is given an instant of its own; what was never tried yet is not delayed.
//!
//! # Limits
//!
//! No retry waits longer than [`AHEAD_MAX`] for the budget. If the instants lie further ahead than
//! that, each waits [`AHEAD_MAX`] from its own failure: no two wait for one instant because of the
//! limit.

use std::time::Duration;

use crate::pace::Meter;
use crate::time::Timestamp;

/// The longest wait for the budget: what the longest wait of the schedule is by default.
pub const AHEAD_MAX: Duration = Duration::from_secs(15 * 60);

/// The retry budget of one lane.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    share: f64,
    floor_per_second: f64,
    calls: Meter,
    /// The first instant that is not given away.
    free_from: Timestamp,
}

impl RetryBudget {
    /// `share` of the lane's calls, and never fewer than `floor_per_second`.
    pub fn new(share: f64, floor_per_second: u32) -> RetryBudget {
        RetryBudget {
            share,
            floor_per_second: f64::from(floor_per_second),
            calls: Meter::default(),
            free_from: Timestamp::default(),
        }
    }

    /// Goes by another share and floor from now on. Instants that were given away stay given away.
    pub fn adopt(&mut self, share: f64, floor_per_second: u32) {
        self.share = share;
        self.floor_per_second = f64::from(floor_per_second);
    }

    /// A call begins.
    pub fn note_call(&mut self, now: Timestamp) {
        self.calls.note(now);
    }

    /// When the next retry may begin; nobody else is given that instant.
    pub fn reserve(&mut self, now: Timestamp) -> Timestamp {
        let at = self.free_from.max(now);
        if at.since(now) >= AHEAD_MAX {
            return now + AHEAD_MAX;
        }
        let per_second = (self.calls.per_second(now) * self.share).max(self.floor_per_second);
        let millis = (1_000.0 / per_second).ceil();
        self.free_from = at + Duration::from_secs_f64(millis / 1_000.0);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn a_quiet_lane_retries_at_the_floor() {
        let mut budget = RetryBudget::new(0.1, 2);
        let given: Vec<_> = (0..4).map(|_| budget.reserve(at(0))).collect();
        let waits: Vec<_> = given
            .iter()
            .map(|due| due.since(at(0)).as_millis())
            .collect();
        assert_eq!(waits, [0, 500, 1_000, 1_500]);
        assert_eq!(
            budget.reserve(at(60)),
            at(60),
            "what was not used is not saved up"
        );
    }

    #[test]
    fn a_busy_lane_retries_a_share_of_its_calls() {
        let mut budget = RetryBudget::new(0.1, 1);
        for n in 0..1_000 {
            budget.note_call(Timestamp(at(0).0 + n * 10));
        }
        // A hundred calls a second: ten retries.
        let given: Vec<_> = (0..51).map(|_| budget.reserve(at(9))).collect();
        assert_eq!(given[50].since(given[0]), Duration::from_secs(5));
    }

    #[test]
    fn instants_that_were_given_stay_given_under_another_budget() {
        let mut budget = RetryBudget::new(0.1, 1);
        let given: Vec<_> = (0..3).map(|_| budget.reserve(at(0))).collect();
        budget.adopt(0.1, 10);
        let next = budget.reserve(at(0));
        assert_eq!(next, given[2] + Duration::from_secs(1));
        assert_eq!(budget.reserve(at(0)), next + Duration::from_millis(100));
    }

    #[test]
    fn nobody_waits_longer_than_the_limit_and_nobody_shares_an_instant() {
        let mut budget = RetryBudget::new(0.1, 1);
        let far: Vec<_> = (0..2_000).map(|_| budget.reserve(at(0))).collect();
        assert!(far.iter().all(|due| due.since(at(0)) <= AHEAD_MAX));
        assert_eq!(far[899].since(at(0)), Duration::from_secs(899));
        let [one, other] = [at(1), at(2)].map(|now| budget.reserve(now));
        assert!(one < other, "the burst of failures became one of retries");
    }
}
