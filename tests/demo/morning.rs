//! The morning that the demo goes through: what the SAC does, and when.

use std::time::Duration;

use ::tests::upstreams::sac::faults::{Fault, Rule};
use ::tests::upstreams::sac::operation::Operation;

/// A spell of the morning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spell {
    /// The SAC answers.
    Well,
    /// Nobody answers at all: connections hang, then are refused.
    Outage,
    /// The SAC commits, and many an answer is lost on the way.
    AnswersLost,
    /// Some requests die unanswered, and the SAC applies them seconds later.
    LateCommits,
    /// No new prescriptions; what waits is registered.
    Closing,
}

/// When the surgeries open, in minutes after midnight.
const OPENS_AT: f64 = 8.0 * 60.0;
/// How long the morning is, in minutes.
const MORNING: f64 = 5.0 * 60.0;

/// Which spell begins at which share of the morning.
const SPELLS: &[(f64, Spell)] = &[
    (0.00, Spell::Well),
    (0.16, Spell::Outage),
    (0.42, Spell::Well),
    (0.52, Spell::AnswersLost),
    (0.60, Spell::Well),
    (0.66, Spell::LateCommits),
    (0.78, Spell::Well),
    (0.84, Spell::Closing),
];

/// When the gateway is killed and started again, in the middle of the outage.
const KILLED_AT: f64 = 0.29;
/// When a caller tries out tax codes: while the SAC is well, so that it is the caller's own limit that
/// it meets.
const SWEPT: std::ops::Range<f64> = 0.02..0.14;
/// Of the morning, how long a look-up is fresh; in a region, a quarter of an hour.
const FRESH_SHARE: f64 = 1.0 / 15.0;
/// And how long it may be shown while the SAC fails: some cross it during the outage.
const STALE_SHARE: f64 = 2.0 / 3.0;
/// How long before the morning the oldest look-up was made that is still known.
const OLDEST_SHARE: f64 = 0.5;
/// Look-ups per second over all desks.
const LOOKUPS_PER_SECOND: f64 = 120.0;

/// Share of the answers that are lost in that spell.
const LOST_SHARE: f64 = 0.3;
/// Share of the prescriptions that are applied late in that spell, each of two ways.
const LATE_SHARE: f64 = 0.15;
/// How late, in milliseconds: between two looks of the policy, and long before its horizon.
const LATE_MS: u64 = 4_200;

/// What is accepted so soon owes nothing to the end of a spell: a little more than `answer_within`.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(2);

/// For how long what was looked up may be shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    /// Without asking.
    pub(crate) fresh_for: Duration,
    /// While the SAC fails.
    pub(crate) stale_for: Duration,
}

/// A morning compressed into `whole`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Morning {
    /// How long it takes to go through.
    pub(crate) whole: Duration,
}

impl Morning {
    /// What the SAC does `elapsed` into it.
    pub(crate) fn spell(&self, elapsed: Duration) -> Spell {
        let share = self.share(elapsed);
        let begun = SPELLS.iter().rev().find(|(from, _)| share >= *from);
        begun.map_or(Spell::Well, |(_, spell)| *spell)
    }

    /// Whether what was sent at `sent` was accepted while the SAC still did the same, or so soon that it
    /// did not wait for anything else.
    pub(crate) fn is_in_time(&self, sent: Duration, accepted: Duration) -> bool {
        let took = accepted.saturating_sub(sent);
        self.spell(sent) == self.spell(accepted) || took <= ACCEPTED_WITHIN
    }

    /// The time of day, as the clock on the wall of the surgery shows it.
    pub(crate) fn clock(&self, elapsed: Duration) -> String {
        let minutes = (OPENS_AT + MORNING * self.share(elapsed)) as u32;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }

    /// Prescriptions per second over all practices: a rush at the opening that wears off.
    pub(crate) fn pace(&self, elapsed: Duration) -> f64 {
        if self.spell(elapsed) == Spell::Closing {
            return 0.0;
        }
        40.0 - 20.0 * self.share(elapsed)
    }

    /// Look-ups per second over all desks.
    pub(crate) fn lookups_per_second(&self) -> f64 {
        LOOKUPS_PER_SECOND
    }

    /// Whether the moment has come to kill the gateway.
    pub(crate) fn is_past_kill(&self, elapsed: Duration) -> bool {
        self.share(elapsed) >= KILLED_AT
    }

    /// Whether a caller tries out tax codes.
    pub(crate) fn is_swept(&self, elapsed: Duration) -> bool {
        SWEPT.contains(&self.share(elapsed))
    }

    /// Whether it has given up.
    pub(crate) fn sweep_is_over(&self, elapsed: Duration) -> bool {
        self.share(elapsed) >= SWEPT.end
    }

    /// For how long what was looked up may be shown.
    pub(crate) fn freshness(&self) -> Freshness {
        Freshness {
            fresh_for: self.whole.mul_f64(FRESH_SHARE),
            stale_for: self.whole.mul_f64(STALE_SHARE),
        }
    }

    /// How old the oldest look-up is that is known when the surgeries open.
    pub(crate) fn oldest_lookup(&self) -> Duration {
        self.whole.mul_f64(OLDEST_SHARE)
    }

    fn share(&self, elapsed: Duration) -> f64 {
        (elapsed.as_secs_f64() / self.whole.as_secs_f64()).min(1.0)
    }
}

impl Spell {
    /// How the demo names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Spell::Well => "SAC answers",
            Spell::Outage => "SAC IS DOWN",
            Spell::AnswersLost => "answers are lost",
            Spell::LateCommits => "late commits",
            Spell::Closing => "surgeries close",
        }
    }

    /// What the SAC does in it.
    pub(crate) fn faults(self) -> Vec<Rule> {
        let late = |hang| {
            let fault = Fault::LateCommit {
                after_ms: LATE_MS,
                hang,
            };
            Rule::on(Operation::Invio, fault).share(LATE_SHARE)
        };
        match self {
            Spell::Well | Spell::Closing => Vec::new(),
            Spell::Outage => vec![Rule::everywhere(Fault::Refuse)],
            Spell::AnswersLost => vec![Rule::everywhere(Fault::LostAnswer).share(LOST_SHARE)],
            Spell::LateCommits => vec![late(false), late(true)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_morning_goes_through_its_spells_in_order() {
        let morning = Morning {
            whole: Duration::from_secs(100),
        };
        let at = |seconds| morning.spell(Duration::from_secs(seconds));
        assert_eq!(at(0), Spell::Well);
        assert_eq!(at(20), Spell::Outage);
        assert_eq!(at(41), Spell::Outage);
        assert_eq!(at(42), Spell::Well);
        assert_eq!(at(55), Spell::AnswersLost);
        assert_eq!(at(70), Spell::LateCommits);
        assert_eq!(at(99), Spell::Closing);
        assert_eq!(at(500), Spell::Closing);
        assert_eq!(morning.clock(Duration::from_secs(50)), "10:30");
    }

    #[test]
    fn some_lookups_and_not_all_cross_the_bound_during_the_outage() {
        let morning = Morning {
            whole: Duration::from_secs(100),
        };
        let (begins, ends) = (Duration::from_secs(16), Duration::from_secs(42));
        let bound = morning.freshness().stale_for;
        assert!(morning.oldest_lookup() + begins < bound, "none before");
        assert!(morning.oldest_lookup() + ends > bound);
        assert!(ends < bound, "the youngest never do");
        assert!(!morning.is_past_kill(begins) && morning.is_past_kill(ends));
        assert!(!morning.is_swept(begins) && morning.sweep_is_over(begins));
    }

    #[test]
    fn what_had_to_wait_for_the_end_of_the_outage_is_not_in_time() {
        let morning = Morning {
            whole: Duration::from_secs(100),
        };
        let in_time = |sent, accepted| {
            let [sent, accepted] = [sent, accepted].map(Duration::from_secs_f64);
            morning.is_in_time(sent, accepted)
        };
        assert!(in_time(17.0, 41.9));
        assert!(in_time(41.9, 42.1), "under way as the outage ended");
        assert!(!in_time(30.0, 42.1), "waited for the end of the outage");
        assert!(!in_time(39.9, 42.0));
    }
}
