//! The steps of a cancel: the annul of a number that the upstream holds.
//!
//! Cancelling twice does no harm, so an unknown outcome is settled by looking, and a number that is
//! still live is annulled again. A refusal is not believed before the number was looked at: someone
//! may have cancelled it elsewhere, and then the wish is fulfilled.
//!
//! # Invariants
//!
//! 1. It is called refused only once nothing that was sent before can be applied any more: at once
//!    where nothing was, or what it was about is dispensed; else after a look that finds it live a
//!    horizon after the refusal.

use std::time::Duration;

use super::next::Next;
use super::{Case, Command, Event, Standing};
use crate::failure::{Code, Failure, Outcome, Retry, Stops};
use crate::state::State;

pub(super) fn step(next: Next<'_>, event: Event<'_>) -> (Case, Command) {
    match event {
        Event::Unreadable => next.wait_for_a_person(State::Parked, Code::Unreadable),
        Event::Leased { probe } => next.leased_to_cancel(probe),
        Event::Done => next.settled(State::Registered, None),
        Event::Found(standing) => next.found_to_cancel(standing),
        // Registered, and gone or another's: not for us to explain.
        Event::Absent => next.wait_for_a_person(State::Parked, Code::UpstreamMismatch),
        Event::AskFailed(failure) if failure.code == Code::NumberTaken => {
            next.wait_for_a_person(State::Parked, Code::UpstreamMismatch)
        }
        Event::SendFailed(failure) => next.cancel_failed(failure),
        Event::AskFailed(failure) if next.is_probing() => next.cancel_probe_failed(failure),
        Event::AskFailed(failure) => next.look_failed(failure),
        Event::Undone | Event::UndoFailed(_) => unreachable!("a cancel is sent, not undone"),
    }
}

impl Next<'_> {
    fn is_refused(&self) -> bool {
        self.case.reason == Some(Code::UpstreamRejected)
    }

    /// Refused, while an earlier annul was lost and may yet be applied.
    fn is_in_doubt(&self) -> bool {
        self.is_refused() && self.case.sends > 1
    }

    /// Leased to be sent, and only looking whether the upstream is well.
    fn is_probing(&self) -> bool {
        self.case.state == State::Sending && !self.is_refused()
    }

    fn leased_to_cancel(mut self, probe: bool) -> (Case, Command) {
        match self.case.state {
            State::Verifying => self.look(),
            _ if self.is_overdue() => self
                .unsent()
                .wait_for_a_person(State::Parked, Code::DeadlinePassed),
            _ => {
                // A refusal counts for this send, not for an earlier one.
                self.case.reason = None;
                if probe && self.first_read().is_some() {
                    self.look()
                } else {
                    (self.case, Command::Send)
                }
            }
        }
    }

    fn found_to_cancel(self, standing: Standing) -> (Case, Command) {
        match standing {
            Standing::Closed => self.settled(State::Registered, None),
            Standing::Live if self.is_in_doubt() => self.refused_in_doubt(),
            _ if self.is_refused() => self.cancel_refused(),
            Standing::Taken => self.settled(State::Rejected, Some(Code::Dispensed)),
            Standing::Live if self.is_probing() => (self.case, Command::Send),
            Standing::Live if self.is_overdue() => {
                self.wait_for_a_person(State::Parked, Code::DeadlinePassed)
            }
            Standing::Live => self.settle(State::Accepted, Some(self.once_more_due()), None),
        }
    }

    fn cancel_refused(self) -> (Case, Command) {
        self.settled(State::Rejected, Some(Code::UpstreamRejected))
    }

    /// Live still: looked at again as long as a watch would, its failures counting those looks.
    fn refused_in_doubt(self) -> (Case, Command) {
        let Some(wait) = self.next_look_in() else {
            return self.cancel_refused();
        };
        if self.is_overdue() {
            return self.wait_for_a_person(State::Parked, Code::DeadlinePassed);
        }
        let (reason, due) = (self.case.reason, self.now + wait);
        self.failed().settle(State::Uncertain, Some(due), reason)
    }

    /// From a look after the refusal to the next; together as long as the horizon.
    fn next_look_in(&self) -> Option<Duration> {
        let rules = &self.rules.watch;
        let looks = rules.look_after.iter().copied().chain([rules.horizon]);
        let before = [Duration::ZERO].into_iter().chain(looks.clone());
        let mut waits = looks
            .zip(before)
            .map(|(at, before)| at.saturating_sub(before));
        waits.nth(self.case.failures as usize)
    }

    fn cancel_failed(mut self, failure: &Failure) -> (Case, Command) {
        match failure.outcome {
            Outcome::Rejected => {
                self.case.reason = Some(Code::UpstreamRejected);
                self.case.failures = 0;
                self.look()
            }
            Outcome::NotDone => self.unsent().cancel_not_done(failure),
            Outcome::Unknown => {
                self.case.failures = 1;
                let due = if failure.code == Code::ShuttingDown {
                    self.now
                } else {
                    self.verify_due(Duration::ZERO)
                };
                self.settle(State::Uncertain, Some(due), Some(failure.code))
            }
        }
    }

    /// A read that was answered and refused shows that the upstream is up.
    fn cancel_probe_failed(self, failure: &Failure) -> (Case, Command) {
        if failure.retry == Retry::No && failure.stops == Stops::Nothing {
            return (self.case, Command::Send);
        }
        self.unsent().cancel_not_done(failure)
    }

    /// The annul surely did not happen.
    fn cancel_not_done(self, failure: &Failure) -> (Case, Command) {
        if failure.stops == Stops::Identity {
            return self.settle(State::NeedsAuthorization, None, Some(failure.code));
        }
        if failure.code == Code::ShuttingDown {
            return self.settle(State::Accepted, Some(self.now), None);
        }
        let Retry::After(at_least) = failure.retry else {
            return self.wait_for_a_person(State::Parked, failure.code);
        };
        let failed = self.failed();
        let due = failed.resend_due(at_least);
        failed.settle(State::Accepted, Some(due), Some(failure.code))
    }

    /// Nobody knows yet what became of the annul. Why it is uncertain is kept.
    fn look_failed(self, failure: &Failure) -> (Case, Command) {
        let reason = self.case.reason;
        if failure.stops == Stops::Identity {
            return self.settle(State::NeedsAuthorization, None, Some(failure.code));
        }
        if failure.code == Code::ShuttingDown {
            return self.settle(State::Uncertain, Some(self.now), reason);
        }
        let Retry::After(at_least) = failure.retry else {
            return self.wait_for_a_person(State::Parked, failure.code);
        };
        if self.is_overdue() {
            return self.wait_for_a_person(State::Parked, Code::DeadlinePassed);
        }
        // Of one in doubt only looks that were made are counted, so that it is not let go of early.
        let failed = if self.is_in_doubt() {
            self
        } else {
            self.failed()
        };
        let due = failed.verify_due(at_least);
        failed.settle(State::Uncertain, Some(due), reason)
    }
}
