//! The steps of a watch: it looks for a number that was given up, annuls what it finds where its
//! prescriber agreed, and raises what it may not or cannot undo.
//!
//! It rests as `uncertain` between two looks and ends as `cancelled` (the number is closed at the
//! upstream), `withdrawn` (nothing came until the horizon) or `conflict` (a person must know).
//!
//! # Invariants
//!
//! 1. A watch ends in silence only past the horizon, after a look that found nothing.
//! 2. It annuls only with consent, and only what a look of the same lease found live.

use super::next::Next;
use super::{Case, Command, Event, Standing, Uncertain};
use crate::failure::{Code, Failure, Outcome, Retry, Stops};
use crate::state::State;
use crate::time::Timestamp;

pub(super) fn step(next: Next<'_>, event: Event<'_>) -> (Case, Command) {
    match event {
        Event::Unreadable => next.raise(Code::Unreadable),
        Event::Leased { .. } => next.look_for_it(),
        Event::Done => next.settled(State::Cancelled, None),
        Event::Absent => next.nothing_there(),
        Event::Found(Standing::Closed) => next.settled(State::Cancelled, None),
        Event::Found(Standing::Taken) => next.raise(Code::Dispensed),
        Event::Found(Standing::Live) => next.found_live(),
        Event::AskFailed(failure) if failure.code == Code::NumberTaken => next.taken(),
        Event::SendFailed(failure) if failure.outcome == Outcome::Rejected => next.refused(),
        Event::SendFailed(failure) | Event::AskFailed(failure) => next.not_seen(failure),
        Event::Undone | Event::UndoFailed(_) => unreachable!("a watch sends its annul"),
    }
}

/// When the next look is due after one at `now` that found nothing; `None` past the horizon.
///
/// Looks are counted from `accepted_at`; one more follows a recovery of the upstream, which may have
/// kept requests back until then. The last one is at the horizon itself.
fn next_look(next: &Next<'_>) -> Option<Timestamp> {
    let rules = &next.rules.watch;
    let Case {
        accepted_at,
        recovered_at,
        ..
    } = next.case;
    let horizon = accepted_at.max(recovered_at) + rules.horizon;
    let scheduled = rules.look_after.iter().map(|after| accepted_at + *after);
    scheduled
        .chain([recovered_at + rules.look_after_recovery, horizon])
        .filter(|look| *look > next.now)
        .min()
}

impl Next<'_> {
    fn raise(self, reason: Code) -> (Case, Command) {
        self.wait_for_a_person(State::Conflict, reason)
    }

    fn look_for_it(self) -> (Case, Command) {
        match self.first_read() {
            Some(read) => (self.case, Command::Ask(read)),
            None => self.raise(Code::PossibleDouble),
        }
    }

    /// A number that was ours holds another prescription: not for us to explain. Where it is still the
    /// number of its prescription, a cancel must not annul it: it is not what would be cancelled.
    fn taken(self) -> (Case, Command) {
        match self.case.terms.uncertain {
            Uncertain::Verify => self.raise(Code::NumberTaken),
            Uncertain::AnnulAndResend => self.raise(Code::PossibleDouble),
        }
    }

    fn nothing_there(mut self) -> (Case, Command) {
        self.case.failures = 0;
        match next_look(&self) {
            Some(look) => self.settle(State::Uncertain, Some(look), None),
            None => self.settled(State::Withdrawn, None),
        }
    }

    fn found_live(mut self) -> (Case, Command) {
        if !self.case.terms.annul_consent || self.is_annul_refused() {
            return self.raise(Code::LateCommit);
        }
        self.case.sends = self.case.sends.saturating_add(1);
        (self.case, Command::Send)
    }

    fn is_annul_refused(&self) -> bool {
        self.case.reason == Some(Code::UpstreamRejected)
    }

    /// The annul was refused: it may have been dispensed since the look, or cancelled.
    fn refused(mut self) -> (Case, Command) {
        self.case.reason = Some(Code::UpstreamRejected);
        self.look_for_it()
    }

    /// A look or an annul that brought nothing stays due, unless none can be made any more.
    fn not_seen(self, failure: &Failure) -> (Case, Command) {
        if failure.stops == Stops::Identity {
            return self.raise(Code::PossibleDouble);
        }
        if failure.code == Code::ShuttingDown {
            return self.settle(State::Uncertain, Some(self.now), None);
        }
        let at_least = match failure.retry {
            Retry::After(at_least) => at_least,
            // Of a look: the upstream will not show it. Of an annul: it was looked at before.
            Retry::No => return self.raise(Code::PossibleDouble),
        };
        let failed = self.failed();
        let due = failed.verify_due(at_least);
        failed.settle(State::Uncertain, Some(due), None)
    }
}
