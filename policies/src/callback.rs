//! What is pushed to callers, and what follows when a push was not received.
//!
//! # Invariants
//!
//! 1. A push is tried at least once, however old its event is, and given up only after
//!    [`CallbackRules::give_up_after`]: a receiver that is away for a weekend misses nothing.
//! 2. What one receiver refuses does not hold up the rest of its host; a host that fails rests.

use crate::rules::CallbackRules;
use crate::schedule;
use crate::state::State;
use crate::time::Timestamp;

/// What became of one push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The receiver has it.
    Received,
    /// The host answers, and this receiver does not take it: gone, moved, or not its own.
    Refused,
    /// The host does not answer, fails, or asks for time.
    Failed,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it was received.
    Done,
    /// It is pushed again at this instant. With `host_rests`, nothing else goes to its host before.
    Again {
        /// When.
        at: Timestamp,
        /// Whether the host is left alone until then.
        host_rests: bool,
    },
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

/// What follows when the push of an event that happened at `happened` has now been tried `tries` times,
/// and the last of them `said` this. `chance` is in `[0, 1)`.
pub fn next(
    rules: &CallbackRules,
    said: Said,
    tries: u32,
    happened: Timestamp,
    now: Timestamp,
    chance: f64,
) -> Next {
    let host_rests = match said {
        Said::Received => return Next::Done,
        Said::Refused => false,
        Said::Failed => true,
    };
    if now >= happened + rules.give_up_after {
        return Next::GiveUp;
    }
    let wait = schedule::wait(&rules.retry_after, tries, rules.jitter_share, chance);
    Next::Again {
        at: now + wait,
        host_rests,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn waits_grow_and_only_a_failure_lets_the_host_rest() {
        for (tries, seconds) in [(1, 2), (2, 60), (900, 60)] {
            let again = |host_rests| Next::Again {
                at: HAPPENED + DAY + Duration::from_secs(seconds),
                host_rests,
            };
            assert_eq!(after(Said::Failed, tries, DAY), again(true));
            assert_eq!(after(Said::Refused, tries, DAY), again(false));
        }
    }

    #[test]
    fn it_is_given_up_after_its_time_and_not_before() {
        let last = 7 * DAY - Duration::from_millis(1);
        for said in [Said::Failed, Said::Refused] {
            assert!(matches!(after(said, 1, last), Next::Again { .. }));
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
