//! How much one caller may ask of a source: a pace, and so many requests at the same time.
//!
//! # Invariants
//!
//! 1. Within any span no more begin than the burst and the pace over that span together.
//! 2. Each that began ends once, by [`Allowance::end`]; what was refused has spent nothing.
//!
//! # Limits
//!
//! `misses_burst`, `misses_per_minute` and `loads_max` of [`CallerRules`], as they are when asked: a
//! changed rule counts at once, for what was spent before it, too.

use std::time::Duration;

use crate::rules::CallerRules;
use crate::time::Timestamp;

/// What one request spends; in a millisecond as many units come back as requests are allowed a minute.
const REQUEST: u64 = 60_000;

/// What one caller has spent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowance {
    /// What has not come back yet, in parts of a request.
    spent: u64,
    /// Until when it was reckoned.
    at: Timestamp,
    under_way: usize,
}

/// Why a request may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is faster than the pace; how long until the next may begin.
    Pace(Duration),
    /// As many as may be are under way.
    UnderWay,
}

impl Allowance {
    /// Begins a request, or says why not.
    pub fn try_begin(&mut self, rules: &CallerRules, now: Timestamp) -> Result<(), Refused> {
        let pace = u64::from(rules.misses_per_minute);
        let burst = u64::from(rules.misses_burst) * REQUEST;
        self.spent = self
            .spent
            .saturating_sub(now.0.saturating_sub(self.at.0).saturating_mul(pace));
        self.at = self.at.max(now);
        if self.under_way >= rules.loads_max {
            return Err(Refused::UnderWay);
        }
        let over = (self.spent + REQUEST).saturating_sub(burst);
        if over > 0 {
            let millis = over.div_ceil(pace.max(1));
            return Err(Refused::Pace(Duration::from_millis(millis)));
        }
        self.spent += REQUEST;
        self.under_way += 1;
        Ok(())
    }

    /// A request that began has ended.
    pub fn end(&mut self) {
        assert!(self.under_way > 0, "only what began can end");
        self.under_way -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: CallerRules = CallerRules {
        misses_per_minute: 30,
        misses_burst: 3,
        loads_max: 2,
        callers_max: 1,
    };

    fn at(millis: u64) -> Timestamp {
        Timestamp(1_000_000 + millis)
    }

    /// Begins and ends one.
    fn ask(allowance: &mut Allowance, now: Timestamp) -> Result<(), Refused> {
        allowance.try_begin(&RULES, now).map(|()| allowance.end())
    }

    #[test]
    fn a_burst_then_the_pace_and_the_wait_is_what_is_missing() {
        let mut allowance = Allowance::default();
        for _ in 0..3 {
            assert_eq!(ask(&mut allowance, at(0)), Ok(()));
        }
        let wait = Duration::from_millis(2_000);
        assert_eq!(ask(&mut allowance, at(0)), Err(Refused::Pace(wait)));
        let wait = Duration::from_millis(1);
        assert_eq!(ask(&mut allowance, at(1_999)), Err(Refused::Pace(wait)));
        assert_eq!(ask(&mut allowance, at(2_000)), Ok(()));
        assert!(ask(&mut allowance, at(2_000)).is_err());
    }

    #[test]
    fn no_span_sees_more_than_the_burst_and_the_pace() {
        let mut allowance = Allowance::default();
        let begun = (0..60_000).filter(|&millis| ask(&mut allowance, at(millis)).is_ok());
        assert_eq!(begun.count(), 3 + 29);
    }

    #[test]
    fn what_is_under_way_is_limited_apart_and_spends_nothing_when_refused() {
        let mut allowance = Allowance::default();
        assert_eq!(allowance.try_begin(&RULES, at(0)), Ok(()));
        assert_eq!(allowance.try_begin(&RULES, at(0)), Ok(()));
        for _ in 0..10 {
            assert_eq!(allowance.try_begin(&RULES, at(0)), Err(Refused::UnderWay));
        }
        allowance.end();
        assert_eq!(allowance.try_begin(&RULES, at(0)), Ok(()));
    }

    #[test]
    fn a_clock_that_stands_or_steps_back_gives_nothing_away() {
        let mut allowance = Allowance::default();
        for _ in 0..3 {
            assert_eq!(ask(&mut allowance, at(5_000)), Ok(()));
        }
        assert!(ask(&mut allowance, at(0)).is_err());
        assert!(ask(&mut allowance, at(5_000)).is_err());
    }
}
