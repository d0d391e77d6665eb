//! The way back to full load once a gate has closed.
//!
//! Two limits grow in a straight line from a tenth to the whole. *Calls under way*: that share of the
//! lane's `calls_max`, because what a recovering upstream dies of is work at the same time. *Calls
//! begun*: that share of `calls_max` a second, as though every call took a second, because an upstream
//! that answers fast from cold caches would otherwise meet everybody who waited within the first
//! second. Both are read off the one number that an operator set.
//!
//! # Limits
//!
//! At least one call under way; at most a tenth of a second's worth of calls, or two, at one instant.

use std::time::Duration;

use crate::admission::Turn;
use crate::time::Timestamp;

/// The share it begins with.
const FIRST_SHARE: f64 = 0.1;
/// The part of a second whose calls may begin at one instant.
const BURST_SHARE: f64 = 0.1;
/// What must be there before delivery takes of it: its own call, and one for a live request.
const DELIVERY_LEAVES: f64 = 1.0;

/// A ramp that has begun.
#[derive(Debug, Clone)]
pub(super) struct Ramp {
    began: Timestamp,
    /// From nothing to all of it.
    lasts: Duration,
    /// The part of it, from 0 to 1, that was behind it when it began: under other rules.
    behind: f64,
    calls_max: f64,
    /// Calls that may begin, as filled at `filled_at`.
    credit: f64,
    filled_at: Timestamp,
}

impl Ramp {
    /// Begins with leave for one call.
    pub(super) fn new(calls_max: usize, lasts: Duration, now: Timestamp) -> Ramp {
        Ramp {
            began: now,
            lasts,
            behind: 0.0,
            calls_max: float(calls_max),
            credit: 1.0,
            filled_at: now,
        }
    }

    /// Goes on from the share that it has reached, at the slope of a ramp of this length: neither does an
    /// upstream that has borne half of the calls meet all of them at once, nor is that forgotten.
    pub(super) fn adopt(&mut self, calls_max: usize, lasts: Duration, now: Timestamp) {
        let calls_max = float(calls_max);
        // Equal: not even what has dripped in is counted anew.
        if (self.calls_max, self.lasts) == (calls_max, lasts) {
            return;
        }
        (self.credit, self.filled_at) = (self.credit(now), now);
        (self.behind, self.began) = (self.passed(now), now);
        (self.calls_max, self.lasts) = (calls_max, lasts);
    }

    /// Whether all may pass again.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.began) >= self.ahead()
    }

    /// The share that may pass, from 0.1 to 1.
    pub(super) fn share(&self, now: Timestamp) -> f64 {
        FIRST_SHARE + (1.0 - FIRST_SHARE) * self.passed(now)
    }

    /// The part of it that is behind it, from 0 to 1.
    fn passed(&self, now: Timestamp) -> f64 {
        let since = now.since(self.began).as_secs_f64() / self.lasts.as_secs_f64();
        (self.behind + since).clamp(0.0, 1.0)
    }

    /// What was ahead of it when it began, in the whole milliseconds that the clock counts in.
    fn ahead(&self) -> Duration {
        let nanos = self.lasts.mul_f64(1.0 - self.behind).as_nanos();
        Duration::from_millis(u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }

    /// Begins a call, with `under_way` others; refused, says how long until there may be room.
    pub(super) fn admit(
        &mut self,
        turn: Turn,
        under_way: usize,
        now: Timestamp,
    ) -> Result<(), Duration> {
        self.credit = self.credit(now);
        self.filled_at = now;
        match self.wait(turn, under_way, now) {
            Some(wait) => Err(wait),
            None => {
                self.credit -= 1.0;
                Ok(())
            }
        }
    }

    /// A call that was let in was never made.
    pub(super) fn give_back(&mut self) {
        self.credit += 1.0;
    }

    /// How long until a call may begin; `None` if it may now.
    pub(super) fn wait(&self, turn: Turn, under_way: usize, now: Timestamp) -> Option<Duration> {
        let under_way = float(under_way);
        let room = (self.calls_max * self.share(now)).ceil().max(1.0);
        let for_room = if under_way < room {
            Duration::ZERO
        } else {
            self.until_share(under_way / self.calls_max, now)
        };
        let needed = match turn {
            Turn::Live => 1.0,
            Turn::Delivery => 1.0 + DELIVERY_LEAVES,
        };
        let missing = (needed - self.credit(now)).max(0.0);
        let for_credit = Duration::from_secs_f64(missing / self.per_second());
        let wait = for_room.max(for_credit);
        (!wait.is_zero()).then(|| whole_millis(wait).min(self.left(now)))
    }

    fn left(&self, now: Timestamp) -> Duration {
        (self.began + self.ahead()).since(now)
    }

    fn until_share(&self, share: f64, now: Timestamp) -> Duration {
        let part = ((share - FIRST_SHARE) / (1.0 - FIRST_SHARE)).clamp(0.0, 1.0);
        let part = (part - self.behind).max(0.0);
        (self.began + whole_millis(self.lasts.mul_f64(part))).since(now)
    }

    /// Calls a second, as of the last filling: the share grows, so that a wait told by it is never
    /// too short.
    fn per_second(&self) -> f64 {
        self.calls_max * self.share(self.filled_at)
    }

    fn credit(&self, now: Timestamp) -> f64 {
        let dripped = now.since(self.filled_at).as_secs_f64() * self.per_second();
        let room = (self.per_second() * BURST_SHARE).max(1.0 + DELIVERY_LEAVES);
        (self.credit + dripped).min(room)
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The next whole millisecond, which is what the clock counts in.
fn whole_millis(span: Duration) -> Duration {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX - 1);
    Duration::from_millis(millis + 1)
}
