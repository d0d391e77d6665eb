//! What is pushed to callers, and what follows when a push was not received.
//!
//! # Invariants
//!
//! 1. A push is tried at least once, however old its event is, and given up only after
//!    [`CallbackRules::give_up_after`]: a receiver that is away for a weekend misses nothing.
//! 2. What one receiver refuses does not hold up the rest of its host; a host that fails rests, and never
//!    for longer than `HOST_RESTS_MAX` at a time: one address that always fails does not silence those
//!    that others have there.
//!
//! # Limits
//!
//! Between two processes no clock is believed: the time until an event is given up begins anew with each,
//! so that one that is started more often than that gives up nothing.

use std::time::Duration;

use crate::rules::CallbackRules;
use crate::schedule;
use crate::state::State;
use crate::time::Timestamp;

/// Longest rest of a host, jitter aside: short beside what a person waits for, long beside one push.
const HOST_RESTS_MAX: Duration = Duration::from_secs(60);

/// What became of one push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The receiver has it.
    Received,
    /// The host answers, and this receiver does not take it: gone, moved, or not its own.
    Refused,
    /// The host does not answer, fails, or asks for time.
    Failed,
    /// It never left: what stands in its way is ours, and says nothing of the host.
    Unsent,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it was received.
    Done,
    /// It is pushed again at this instant.
    Again(Timestamp),
    /// Nobody pushes it any more; it can still be asked for.
    GiveUp,
}

/// Whether a step to `state` is pushed.
///
/// A caller is told where its prescription came to rest, or that it waits for somebody. It is not told
/// that its prescription is on its way: the answer to its request has said so, and nothing is to be done.
pub fn is_pushed(state: State) -> bool {
    match state {
        State::Registered
        | State::Rejected
        | State::Withdrawn
        | State::RedRecipe
        | State::Cancelled
        | State::NeedsAuthorization
        | State::Parked
        | State::Conflict => true,
        State::Accepted
        | State::Sending
        | State::Uncertain
        | State::Verifying
        | State::Cancelling => false,
    }
}

/// What follows when the push of an event was tried `tries` times, and the last of them `said` this.
///
/// `since` is when it happened, or when this process began to push, whichever is later. `chance` is
/// in `[0, 1)`.
pub fn next(
    rules: &CallbackRules,
    said: Said,
    tries: u32,
    since: Timestamp,
    now: Timestamp,
    chance: f64,
) -> Next {
    if said == Said::Received {
        Next::Done
    } else if now >= since + rules.give_up_after {
        Next::GiveUp
    } else {
        let wait = schedule::wait(&rules.retry_after, tries, rules.jitter_share, chance);
        Next::Again(now + wait)
    }
}

/// How long a host rests after its `failures`th failure in a row. `chance` is in `[0, 1)`.
pub fn host_rests(rules: &CallbackRules, failures: u32, chance: f64) -> Duration {
    let waits = rules.retry_after.iter();
    let waits: Vec<Duration> = waits.map(|wait| (*wait).min(HOST_RESTS_MAX)).collect();
    schedule::wait(&waits, failures, rules.jitter_share, chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{SAC_DEFAULTS, SacRules};

    const HAPPENED: Timestamp = Timestamp(1_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn rules() -> CallbackRules {
        let rules: SacRules = toml::from_str(SAC_DEFAULTS).expect("the defaults parse");
        CallbackRules {
            retry_after: vec![Duration::from_secs(2), Duration::from_secs(60)],
            jitter_share: 0.0,
            give_up_after: 7 * DAY,
            ..rules.callbacks
        }
    }

    fn after(said: Said, tries: u32, passed: Duration) -> Next {
        next(&rules(), said, tries, HAPPENED, HAPPENED + passed, 0.5)
    }

    #[test]
    fn what_is_received_is_done_however_late() {
        assert_eq!(after(Said::Received, 1, Duration::ZERO), Next::Done);
        assert_eq!(after(Said::Received, 99, 30 * DAY), Next::Done);
    }

    #[test]
    fn waits_grow() {
        for (tries, seconds) in [(1, 2), (2, 60), (900, 60)] {
            let again = Next::Again(HAPPENED + DAY + Duration::from_secs(seconds));
            for said in [Said::Failed, Said::Refused, Said::Unsent] {
                assert_eq!(after(said, tries, DAY), again);
            }
        }
    }

    #[test]
    fn a_host_rests_longer_each_time_and_never_for_long() {
        let rules = CallbackRules {
            retry_after: [2, 10, 300, 3_600].map(Duration::from_secs).to_vec(),
            ..rules()
        };
        for (failures, seconds) in [(1, 2), (2, 10), (3, 60), (4, 60), (u32::MAX, 60)] {
            let rests = host_rests(&rules, failures, 0.5);
            assert_eq!(rests, Duration::from_secs(seconds), "{failures}");
        }
    }

    #[test]
    fn it_is_given_up_after_its_time_and_not_before() {
        let last = 7 * DAY - Duration::from_millis(1);
        for said in [Said::Failed, Said::Refused, Said::Unsent] {
            assert!(matches!(after(said, 1, last), Next::Again(_)));
            assert_eq!(after(said, 1, 7 * DAY), Next::GiveUp);
        }
    }

    #[test]
    fn what_is_on_its_way_is_not_pushed_and_what_rests_is() {
        for state in State::ALL {
            assert_eq!(is_pushed(state), !state.is_pending(), "{state:?}");
        }
    }
}
