//! How many calls a lane may make at the same time, learnt from how the upstream bears them.
//!
//! Live requests come first: delivery takes what they leave, and always leaves them a reserve.
//!
//! # Invariants
//!
//! 1. No call begins while as many are under way as the limit; the limit stays within `calls_min` and
//!    `calls_max`.
//! 2. One bad spell shrinks the limit once: a call begun before the last shrinking says nothing new.
//! 3. The limit grows only while it is what holds calls back.
//! 4. Of a limit of two or more, delivery leaves live requests a reserve; and they leave it one call,
//!    if it has waited and has none under way: neither starves.
//!
//! # Limits
//!
//! At a limit of one, live requests and delivery take turns as they come.

use std::time::Duration;

use crate::rules::{AdmissionKind, CallRules};
use crate::time::Timestamp;

/// What the limit is multiplied by when the upstream is strained.
const SHRINK_BY: f64 = 0.7;
/// How long delivery, once refused, is known to wait: it asks every second.
const DELIVERY_WAITS_FOR: Duration = Duration::from_secs(2);

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Somebody waits for the answer, or an attempt that has begun goes on.
    Live,
    /// What was stored is delivered.
    Delivery,
}

/// What a call told about the upstream's load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// It was answered in time.
    Borne,
    /// No answer in time, a slow one, or "not now".
    Strained,
}

/// The calls of one lane.
#[derive(Debug, Clone)]
pub struct Room {
    is_adaptive: bool,
    calls_min: f64,
    calls_max: f64,
    live_reserve: f64,
    limit: f64,
    live: usize,
    delivered: usize,
    delivery_waits_until: Timestamp,
    shrunk_at: Timestamp,
}

impl Room {
    /// Nothing under way, and the whole of `calls_max` to give.
    pub fn new(rules: &CallRules) -> Room {
        let calls_max = float(rules.calls_max);
        Room {
            is_adaptive: rules.admission == AdmissionKind::Adaptive,
            calls_min: float(rules.calls_min),
            calls_max,
            live_reserve: float(rules.live_reserve),
            limit: calls_max,
            live: 0,
            delivered: 0,
            delivery_waits_until: Timestamp::default(),
            shrunk_at: Timestamp::default(),
        }
    }

    /// Goes by other rules from now on. Calls that are under way end in their own time, also those that
    /// would not be let in any more. What was learnt stays, as far as the rules allow it; a limit that
    /// was the whole of `calls_max` is the whole of the new one.
    pub fn adopt(&mut self, rules: &CallRules) {
        let fresh = Room::new(rules);
        let is_learnt = fresh.is_adaptive && self.limit < self.calls_max;
        let limit = if is_learnt {
            self.limit.clamp(fresh.calls_min, fresh.calls_max)
        } else {
            fresh.calls_max
        };
        *self = Room {
            limit,
            live: self.live,
            delivered: self.delivered,
            delivery_waits_until: self.delivery_waits_until,
            shrunk_at: self.shrunk_at,
            ..fresh
        };
    }

    /// Calls that may be under way at present.
    pub fn limit(&self) -> usize {
        whole(self.limit)
    }

    /// Calls that are under way.
    pub fn under_way(&self) -> usize {
        self.live + self.delivered
    }

    /// Takes room for one call, if there is some; whoever takes it must [`Room::end`] it.
    pub fn try_begin(&mut self, turn: Turn, now: Timestamp) -> bool {
        let limit = self.limit();
        let delivery_is_owed = self.delivered == 0 && now < self.delivery_waits_until;
        let is_kept = match turn {
            Turn::Live => usize::from(limit > 1 && delivery_is_owed),
            Turn::Delivery if delivery_is_owed => 0,
            Turn::Delivery => self.reserve(limit),
        };
        let has_room = self.under_way() + is_kept < limit;
        match (turn, has_room) {
            (Turn::Live, true) => self.live += 1,
            (Turn::Delivery, true) => {
                self.delivered += 1;
                self.delivery_waits_until = Timestamp::default();
            }
            (Turn::Live, false) => {}
            (Turn::Delivery, false) => self.delivery_waits_until = now + DELIVERY_WAITS_FOR,
        }
        has_room
    }

    /// Gives the room of one call back.
    ///
    /// # Panics
    ///
    /// If no such call is under way: room would come from nowhere.
    pub fn end(&mut self, turn: Turn) {
        let count = match turn {
            Turn::Live => &mut self.live,
            Turn::Delivery => &mut self.delivered,
        };
        *count = count.checked_sub(1).expect("only a call under way ends");
    }

    /// Learns from a call that began at `begun` and ends now.
    pub fn learn(&mut self, load: Load, begun: Timestamp, now: Timestamp) {
        if !self.is_adaptive {
            return;
        }
        match load {
            Load::Strained if begun >= self.shrunk_at => {
                self.limit = (self.limit * SHRINK_BY).max(self.calls_min);
                self.shrunk_at = now;
            }
            Load::Strained => {}
            // One more for every round of calls, and only if half of the room is used: answers to a
            // few calls say nothing about many.
            Load::Borne if self.under_way() * 2 > self.limit() => {
                self.limit = (self.limit + 1.0 / self.limit).min(self.calls_max);
            }
            Load::Borne => {}
        }
    }

    /// What delivery leaves free, in proportion to the present limit; never all of it.
    fn reserve(&self, limit: usize) -> usize {
        let scaled = self.live_reserve * self.limit / self.calls_max;
        whole(scaled.ceil()).min(limit - 1)
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limits lie between one and calls_max"
)]
fn whole(count: f64) -> usize {
    count as usize
}

#[cfg(test)]
mod tests;
