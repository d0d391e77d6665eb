//! The arguments of one step, so that its rules read as sentences, and what every role shares.

use std::time::Duration;

use super::{Case, Command, NumberFate};
use crate::failure::Code;
use crate::operation::{OpName, Operation};
use crate::rules::WriteBehindRules;
use crate::schedule;
use crate::state::State;
use crate::time::Timestamp;

#[derive(Clone, Copy)]
pub(super) struct Next<'a> {
    pub(super) operation: &'a Operation,
    pub(super) rules: &'a WriteBehindRules,
    pub(super) case: Case,
    pub(super) now: Timestamp,
    pub(super) chance: f64,
}

impl Next<'_> {
    /// The read that is asked first.
    pub(super) fn first_read(&self) -> Option<OpName> {
        self.operation.settle_by.first().copied()
    }

    /// Asks with the first read; an operation without one waits for a person.
    pub(super) fn look(self) -> (Case, Command) {
        match self.first_read() {
            Some(read) => (self.case, Command::Ask(read)),
            None => {
                let reason = self.case.reason.unwrap_or(Code::UpstreamTimeout);
                self.wait_for_a_person(State::Parked, reason)
            }
        }
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.now >= self.case.terms.deadline
    }

    /// Takes back the send that the lease counted: it did not happen.
    pub(super) fn unsent(mut self) -> Self {
        self.case.sends = self.case.sends.saturating_sub(1);
        self
    }

    /// One more attempt without an outcome.
    pub(super) fn failed(mut self) -> Self {
        self.case.failures = self.case.failures.saturating_add(1);
        self
    }

    /// When to send again, not before `at_least` from now.
    pub(super) fn resend_due(&self, at_least: Duration) -> Timestamp {
        self.due(
            &self.rules.delivery.resend_after,
            self.case.failures,
            at_least,
        )
    }

    /// When to ask again, not before `at_least` from now.
    pub(super) fn verify_due(&self, at_least: Duration) -> Timestamp {
        self.due(
            &self.rules.delivery.verify_after,
            self.case.failures,
            at_least,
        )
    }

    /// When the same number is sent once more after it was shown absent. The more often it was sent
    /// in vain, the longer it waits: one entry that never gets through must not be the first to try
    /// for ever.
    pub(super) fn once_more_due(&self) -> Timestamp {
        self.due(
            &self.rules.delivery.resend_after,
            self.case.sends,
            Duration::ZERO,
        )
    }

    fn due(&self, waits: &[Duration], place: u32, at_least: Duration) -> Timestamp {
        let jitter_share = self.rules.delivery.jitter_share;
        let wait = schedule::wait(waits, place, jitter_share, self.chance);
        self.now + wait.max(at_least)
    }

    pub(super) fn settled(mut self, state: State, reason: Option<Code>) -> (Case, Command) {
        self.case.failures = 0;
        self.settle(state, None, reason)
    }

    pub(super) fn wait_for_a_person(self, state: State, reason: Code) -> (Case, Command) {
        self.settle(state, None, Some(reason))
    }

    pub(super) fn settle(
        self,
        state: State,
        due: Option<Timestamp>,
        reason: Option<Code>,
    ) -> (Case, Command) {
        self.settle_number(state, due, reason, NumberFate::Kept)
    }

    pub(super) fn settle_number(
        self,
        state: State,
        due: Option<Timestamp>,
        reason: Option<Code>,
        number: NumberFate,
    ) -> (Case, Command) {
        assert!(!state.is_leased(), "a settled entry is let go of");
        let settle = Command::Settle {
            state,
            due,
            reason,
            number,
        };
        (self.case, settle)
    }
}
