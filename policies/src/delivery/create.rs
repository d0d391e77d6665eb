//! The steps of a prescription: sent, and asked for when nobody knows.

use std::time::Duration;

use super::next::Next;
use super::{Case, Command, Event, Fallback, NumberFate, Standing, Uncertain, parked};
use crate::failure::{Code, Failure, Outcome, Retry, Stops};
use crate::operation::{OpName, Resend};
use crate::state::State;

pub(super) fn step(next: Next<'_>, event: Event<'_>) -> (Case, Command) {
    match event {
        Event::Unreadable => next.unreadable(),
        Event::Leased { probe } => next.leased(probe),
        Event::Done => next.settled(State::Registered, None),
        Event::Found(Standing::Live) if next.supersedes().is_some() => next.annul_again(),
        Event::Found(Standing::Live | Standing::Taken) => next.settled(State::Registered, None),
        Event::Found(Standing::Closed) if next.supersedes().is_some() => next.superseded(),
        Event::Found(Standing::Closed) => {
            next.wait_for_a_person(State::Parked, Code::ClosedUpstream)
        }
        Event::Absent => next.absent(),
        Event::SendFailed(failure) | Event::AskFailed(failure)
            if failure.code == Code::NumberTaken =>
        {
            next.wait_for_a_person(State::Conflict, Code::NumberTaken)
        }
        Event::SendFailed(failure) => next.send_failed(failure),
        // A probe's read: the write was not sent, whatever became of the read.
        Event::AskFailed(failure) if next.case.state == State::Sending => {
            next.probe_failed(failure)
        }
        Event::AskFailed(failure) => next.read_failed(failure),
        Event::Undone => next.superseded(),
        // It was not there to be annulled, or it is in use already: reading tells.
        Event::UndoFailed(failure) if failure.outcome == Outcome::Rejected => next.look(),
        Event::UndoFailed(failure) => next.read_failed(failure),
    }
}

impl Next<'_> {
    /// The operation by which an uncertain number is annulled before another is taken.
    fn supersedes(&self) -> Option<OpName> {
        let annuls = self.case.state == State::Verifying
            && self.case.terms.uncertain == Uncertain::AnnulAndResend
            && !self.is_given_up_at_once();
        self.operation.undo_by.filter(|_| annuls)
    }

    fn is_given_up_at_once(&self) -> bool {
        self.case.terms.fallback == Fallback::RedRecipe
    }

    /// A red recipe that was not registered within its own request.
    fn give_up(mut self, reason: Code) -> (Case, Command) {
        self.case.failures = 0;
        let number = if self.case.sends > 0 {
            NumberFate::Watched
        } else {
            NumberFate::Kept
        };
        self.settle_number(State::Withdrawn, None, Some(reason), number)
    }

    /// Raised, and looked after: whoever is told that it is not registered may write it anew.
    fn park(self, reason: Code) -> (Case, Command) {
        let number = parked(self.case.role, self.case.sends);
        self.settle_number(State::Parked, None, Some(reason), number)
    }

    /// What was sent of it before is looked after, and raised there if it cannot be looked for.
    fn unreadable(self) -> (Case, Command) {
        let sent_before = match self.case.state {
            State::Sending => self.unsent(),
            _ => self,
        };
        sent_before.park(Code::Unreadable)
    }

    fn leased(self, probe: bool) -> (Case, Command) {
        if let Some(undo) = self.supersedes() {
            return (self.case, Command::Undo(undo));
        }
        match self.case.state {
            State::Verifying => self.look(),
            _ if self.is_overdue() => self.unsent().overdue(),
            _ if probe && self.first_read().is_some() => self.look(),
            _ => (self.case, Command::Send),
        }
    }

    fn overdue(self) -> (Case, Command) {
        if self.is_given_up_at_once() {
            return self.give_up(Code::DeadlinePassed);
        }
        self.park(Code::DeadlinePassed)
    }

    fn absent(mut self) -> (Case, Command) {
        if self.case.state == State::Sending {
            // The probe's read: the upstream is well, and what we are about to send is not there.
            return (self.case, Command::Send);
        }
        self.case.absences += 1;
        if let Some(read) = self.operation.settle_by.get(self.case.absences).copied() {
            return (self.case, Command::Ask(read));
        }
        if self.case.reason == Some(Code::UpstreamRejected) {
            // An earlier send under this number was lost, and may yet be applied.
            self.case.failures = 0;
            let reason = Some(Code::UpstreamRejected);
            return self.settle_number(State::Rejected, None, reason, NumberFate::Watched);
        }
        if self.supersedes().is_some() {
            return self.superseded();
        }
        let reason = self.case.reason.unwrap_or(Code::UpstreamTimeout);
        if self.is_given_up_at_once() {
            return self.give_up(reason);
        }
        if self.is_overdue() {
            return self.park(Code::DeadlinePassed);
        }
        match self.operation.resend {
            Resend::Same => self.settle(State::Accepted, Some(self.once_more_due()), None),
            Resend::Never => self.park(reason),
        }
    }

    /// Annulled, or shown absent: it goes on under another number, none of whose sends are counted
    /// yet. The old one may still be applied.
    fn superseded(mut self) -> (Case, Command) {
        if self.is_overdue() {
            return self.park(Code::DeadlinePassed);
        }
        // The failures go on counting, so that it does not go through numbers at full speed.
        let due = Some(self.resend_due(Duration::ZERO));
        self.case.sends = 0;
        let reason = Some(Code::Superseded);
        self.settle_number(State::Accepted, due, reason, NumberFate::Replaced)
    }

    /// An annul was refused, and the number is live: an earlier annul of it may have been lost, and
    /// may yet be applied, so that it is not called registered.
    fn annul_again(self) -> (Case, Command) {
        if self.is_overdue() {
            return self.park(Code::DeadlinePassed);
        }
        let reason = self.case.reason;
        let failed = self.failed();
        let due = failed.verify_due(Duration::ZERO);
        failed.settle(State::Uncertain, Some(due), reason)
    }

    fn send_failed(self, failure: &Failure) -> (Case, Command) {
        match failure.outcome {
            Outcome::Rejected if self.case.sends <= 1 => {
                self.settled(State::Rejected, Some(failure.code))
            }
            Outcome::Unknown | Outcome::Rejected => self.uncertain(failure.code),
            Outcome::NotDone => self.unsent().not_done(failure),
        }
    }

    /// A read that was answered and refused shows that the upstream is up, and says nothing of the
    /// write that waits behind it.
    fn probe_failed(self, failure: &Failure) -> (Case, Command) {
        if failure.retry == Retry::No && failure.stops == Stops::Nothing {
            return (self.case, Command::Send);
        }
        self.unsent().not_done(failure)
    }

    /// A send, or a probe's read before it, that surely had no effect.
    fn not_done(self, failure: &Failure) -> (Case, Command) {
        if self.is_given_up_at_once() {
            return self.give_up(failure.code);
        }
        if failure.stops == Stops::Identity {
            return self.settle(State::NeedsAuthorization, None, Some(failure.code));
        }
        if failure.code == Code::ShuttingDown {
            return self.settle(State::Accepted, Some(self.now), None);
        }
        let Retry::After(at_least) = failure.retry else {
            return self.park(failure.code);
        };
        let failed = self.failed();
        let due = failed.resend_due(at_least);
        failed.settle(State::Accepted, Some(due), Some(failure.code))
    }

    fn uncertain(mut self, code: Code) -> (Case, Command) {
        if self.is_given_up_at_once() {
            return self.give_up(code);
        }
        self.case.failures = match self.case.terms.uncertain {
            Uncertain::Verify => 1,
            Uncertain::AnnulAndResend => self.case.failures.saturating_add(1),
        };
        let due = if code == Code::ShuttingDown {
            self.now
        } else {
            self.verify_due(Duration::ZERO)
        };
        self.settle(State::Uncertain, Some(due), Some(code))
    }

    /// A read, or an annul, failed, and the entry stays as uncertain as it was. The reason it became
    /// so is kept.
    fn read_failed(self, failure: &Failure) -> (Case, Command) {
        let reason = self.case.reason;
        if self.is_given_up_at_once() {
            return self.give_up(reason.unwrap_or(failure.code));
        }
        if failure.stops == Stops::Identity {
            return self.settle(State::NeedsAuthorization, None, Some(failure.code));
        }
        if failure.code == Code::ShuttingDown {
            return self.settle(State::Uncertain, Some(self.now), reason);
        }
        let Retry::After(at_least) = failure.retry else {
            return self.park(failure.code);
        };
        if self.is_overdue() {
            return self.park(Code::DeadlinePassed);
        }
        let failed = self.failed();
        let due = failed.verify_due(at_least);
        failed.settle(State::Uncertain, Some(due), reason)
    }
}
