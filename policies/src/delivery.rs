//! What happens to an entry next, as a pure step.
//!
//! The engine leases an entry, feeds what it hears to [`step`] and performs the command that comes
//! back, until that command is to settle. The step knows no upstream: what an operation may do is
//! read from its [`Operation`] row.
//!
//! # Invariants
//!
//! 1. A write whose outcome is unknown is not sent again before every read of `settle_by` has said
//!    *absent*.
//! 2. A refusal is final only on the first send that may have had an effect; on a later one it is
//!    uncertain until reading shows the number absent, because the answer to a number that is
//!    already there is not public (sac.md §1.7).
//! 3. A send that surely had no effect is not counted.
//! 4. Nothing is dropped: what the gateway cannot settle waits for a person, with its reason.

use std::time::Duration;

use crate::failure::{Code, Failure, Outcome, Retry, Stops};
use crate::operation::{OpName, Operation, Resend};
use crate::rules::DeliveryRules;
use crate::schedule;
use crate::state::State;
use crate::time::Timestamp;

/// How an upstream holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Usable (statoProcesso 3).
    Live,
    /// Cancelled or expired there (4, 10).
    Closed,
    /// Taken in charge or dispensed (5 to 9).
    Taken,
}

/// What the desk does while a write waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// It is queued, and registered later.
    Hold,
}

impl Fallback {
    /// The word used in policy, on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Fallback::Hold => "hold",
        }
    }

    /// The fallback of this word.
    pub fn parse(word: &str) -> Option<Fallback> {
        (word == Fallback::Hold.as_str()).then_some(Fallback::Hold)
    }
}

/// What becomes of a send whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncertain {
    /// It is asked for by its number; absent, the same number is sent again.
    Verify,
}

impl Uncertain {
    /// The word used in policy, on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Uncertain::Verify => "verify",
        }
    }

    /// The rule of this word.
    pub fn parse(word: &str) -> Option<Uncertain> {
        (word == Uncertain::Verify.as_str()).then_some(Uncertain::Verify)
    }
}

/// What the caller was promised, as values: a later change of policy changes none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What the desk does while it waits.
    pub fallback: Fallback,
    /// What becomes of an unknown outcome.
    pub uncertain: Uncertain,
    /// Past this instant it is parked and raised.
    pub deadline: Timestamp,
    /// How long the caller was made to wait for an answer.
    pub answer_within: Duration,
}

/// An entry in the hands of one deliverer, as far as the next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// `sending` or `verifying`.
    pub state: State,
    /// Sends that had or may have had an effect; the one this lease is for is counted.
    pub sends: u32,
    /// Attempts without an outcome since the last progress.
    pub failures: u32,
    /// Why it stands where it stands.
    pub reason: Option<Code>,
    /// Past this instant it is parked.
    pub deadline: Timestamp,
    /// How many reads of `settle_by` have said *absent* under this lease.
    pub absences: usize,
}

/// What the deliverer heard.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The entry was leased. A probe asks before it sends.
    Leased {
        /// Whether the gate of the write is half-open.
        probe: bool,
    },
    /// The stored row cannot be turned into a request.
    Unreadable,
    /// The write was applied.
    Done,
    /// A read found nothing.
    Absent,
    /// A read found the number, with our content.
    Found(Standing),
    /// The write failed.
    SendFailed(&'a Failure),
    /// A read failed.
    AskFailed(&'a Failure),
}

/// What the deliverer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Put the write on the wire.
    Send,
    /// Ask with this read.
    Ask(OpName),
    /// Write this down and let go of the entry.
    Settle {
        /// The new state, never a leased one.
        state: State,
        /// When it is due again.
        due: Option<Timestamp>,
        /// Why it stands there.
        reason: Option<Code>,
    },
}

/// The next step of the entry `case`; `chance` in `[0, 1)` spreads the waits.
///
/// # Panics
///
/// If `case` is not leased: only a deliverer that holds the entry may ask.
pub fn step(
    operation: &Operation,
    rules: &DeliveryRules,
    case: Case,
    event: Event<'_>,
    now: Timestamp,
    chance: f64,
) -> (Case, Command) {
    assert!(case.state.is_leased(), "only a leased entry takes a step");
    let next = Next {
        operation,
        rules,
        case,
        now,
        chance,
    };
    match event {
        Event::Unreadable => next.wait_for_a_person(State::Parked, Code::Unreadable),
        Event::Leased { probe } => next.leased(probe),
        Event::Done => next.settled(State::Registered, None),
        Event::Found(Standing::Live | Standing::Taken) => next.settled(State::Registered, None),
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
        Event::AskFailed(failure) if case.state == State::Sending => next.probe_failed(failure),
        Event::AskFailed(failure) => next.read_failed(failure),
    }
}

/// The arguments of one step, so that its rules read as sentences.
#[derive(Clone, Copy)]
struct Next<'a> {
    operation: &'a Operation,
    rules: &'a DeliveryRules,
    case: Case,
    now: Timestamp,
    chance: f64,
}

impl Next<'_> {
    fn leased(self, probe: bool) -> (Case, Command) {
        let first_read = self.operation.settle_by.first().copied();
        match (self.case.state, first_read) {
            (State::Verifying, Some(read)) => (self.case, Command::Ask(read)),
            (State::Verifying, None) => {
                let reason = self.case.reason.unwrap_or(Code::UpstreamTimeout);
                self.wait_for_a_person(State::Parked, reason)
            }
            _ if self.now >= self.case.deadline => self
                .unsent()
                .wait_for_a_person(State::Parked, Code::DeadlinePassed),
            (_, Some(read)) if probe => (self.case, Command::Ask(read)),
            _ => (self.case, Command::Send),
        }
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
            return self.settled(State::Rejected, Some(Code::UpstreamRejected));
        }
        if self.now >= self.case.deadline {
            return self.wait_for_a_person(State::Parked, Code::DeadlinePassed);
        }
        match self.operation.resend {
            Resend::Same => {
                // The more often it was sent in vain, the longer it waits: one entry that never
                // gets through must not be the first to try for ever.
                let rules = self.rules;
                let (sends, chance) = (self.case.sends, self.chance);
                let wait = schedule::wait(&rules.resend_after, sends, rules.jitter_share, chance);
                self.settle(State::Accepted, Some(self.now + wait), None)
            }
            Resend::Never => {
                let reason = self.case.reason.unwrap_or(Code::UpstreamTimeout);
                self.wait_for_a_person(State::Parked, reason)
            }
        }
    }

    fn send_failed(self, failure: &Failure) -> (Case, Command) {
        match failure.outcome {
            Outcome::Unknown => self.uncertain(failure.code),
            Outcome::Rejected if self.case.sends <= 1 => {
                self.settled(State::Rejected, Some(failure.code))
            }
            Outcome::Rejected => self.uncertain(failure.code),
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
    fn not_done(mut self, failure: &Failure) -> (Case, Command) {
        if failure.stops == Stops::Identity {
            return self.settle(State::NeedsAuthorization, None, Some(failure.code));
        }
        if failure.code == Code::ShuttingDown {
            return self.settle(State::Accepted, Some(self.now), None);
        }
        let Retry::After(at_least) = failure.retry else {
            return self.wait_for_a_person(State::Parked, failure.code);
        };
        self.case.failures = self.case.failures.saturating_add(1);
        let due = self.due(&self.rules.resend_after, at_least);
        self.settle(State::Accepted, Some(due), Some(failure.code))
    }

    fn uncertain(mut self, code: Code) -> (Case, Command) {
        self.case.failures = 1;
        let wait = if code == Code::ShuttingDown {
            self.now
        } else {
            self.verify_due()
        };
        self.settle(State::Uncertain, Some(wait), Some(code))
    }

    /// A read failed, whose entry stays as uncertain as it was. The reason it became so is kept.
    fn read_failed(mut self, failure: &Failure) -> (Case, Command) {
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
        if self.now >= self.case.deadline {
            return self.wait_for_a_person(State::Parked, Code::DeadlinePassed);
        }
        self.case.failures = self.case.failures.saturating_add(1);
        let due = self.due(&self.rules.verify_after, at_least);
        self.settle(State::Uncertain, Some(due), reason)
    }

    /// Takes back the send that the lease counted: it did not happen.
    fn unsent(mut self) -> Self {
        self.case.sends = self.case.sends.saturating_sub(1);
        self
    }

    fn verify_due(&self) -> Timestamp {
        self.due(&self.rules.verify_after, Duration::ZERO)
    }

    fn due(&self, waits: &[Duration], at_least: Duration) -> Timestamp {
        let rules = self.rules;
        let wait = schedule::wait(waits, self.case.failures, rules.jitter_share, self.chance);
        self.now + wait.max(at_least)
    }

    fn settled(mut self, state: State, reason: Option<Code>) -> (Case, Command) {
        self.case.failures = 0;
        self.settle(state, None, reason)
    }

    fn wait_for_a_person(self, state: State, reason: Code) -> (Case, Command) {
        self.settle(state, None, Some(reason))
    }

    fn settle(self, state: State, due: Option<Timestamp>, reason: Option<Code>) -> (Case, Command) {
        assert!(!state.is_leased(), "a settled entry is let go of");
        (self.case, Command::Settle { state, due, reason })
    }
}

#[cfg(test)]
mod tests;
