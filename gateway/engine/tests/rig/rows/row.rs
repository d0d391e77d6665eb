//! One row.

use engine::ports::*;
use policies::failure::{Code, Opaque};
use policies::family::{Parent, Role, awaits_paper};
use policies::state::State;
use policies::time::Timestamp;

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) new: NewEntry,
    pub(crate) state: State,
    pub(crate) reason: Option<Code>,
    pub(crate) sends: u32,
    pub(crate) answer: Option<Opaque>,
    pub(crate) paper: Option<Opaque>,
    pub(crate) acknowledged: bool,
    pub(crate) paper_due: Option<Timestamp>,
    /// When it is taken up again, unless it is held.
    pub(crate) due: Option<Timestamp>,
    pub(crate) accepted_at: Timestamp,
    pub(super) document: Option<Opaque>,
    pub(super) failures: u32,
    pub(super) lease_until: Option<Timestamp>,
    pub(super) epoch: u64,
    /// Waits for the prescription it is about.
    pub(super) held: bool,
    updated_at: Timestamp,
}

impl Row {
    pub(super) fn new(new: NewEntry, now: Timestamp) -> Row {
        let (state, due, reason) = match new.start {
            Start::Leased(_) | Start::Due => (State::Accepted, Some(now), None),
            Start::Withdrawn(code) => (State::Withdrawn, None, Some(code)),
        };
        let mut row = Row::held(new, now);
        row.stand(state, due, reason, now);
        row
    }

    pub(super) fn held(new: NewEntry, now: Timestamp) -> Row {
        Row {
            new,
            state: State::Accepted,
            reason: None,
            sends: 0,
            answer: None,
            paper: None,
            acknowledged: false,
            paper_due: None,
            due: None,
            accepted_at: now,
            document: None,
            failures: 0,
            lease_until: None,
            epoch: 0,
            held: true,
            updated_at: now,
        }
    }

    /// Leased until `until` by a deliverer that will never settle it.
    pub(crate) fn lose_deliverer(&mut self, until: Timestamp) {
        self.state = State::Sending;
        self.epoch += 1;
        self.lease_until = Some(until);
    }

    pub(super) fn as_parent(&self) -> Parent {
        Parent {
            state: self.state,
            reason: self.reason,
            sends: self.sends,
            fallback: self.new.terms.fallback,
            annul_consent: self.new.terms.annul_consent,
        }
    }

    pub(super) fn entry(&self, watched: bool) -> Entry {
        Entry {
            id: self.new.id,
            op: self.new.op.0.to_owned(),
            state: self.state,
            reason: self.reason,
            accepted_at: self.accepted_at,
            updated_at: self.updated_at,
            terms: self.new.terms,
            number: self.number(),
            answer: self.answer.clone(),
            paper: self.paper.clone(),
            acknowledged: self.acknowledged,
            watched,
            paper_due: self.paper_due,
        }
    }

    pub(super) fn number(&self) -> Opaque {
        self.new.number.number().cloned().unwrap_or_default()
    }

    /// Every step clears what the prescriber took note of: it was of the step before.
    pub(super) fn stand(
        &mut self,
        state: State,
        due: Option<Timestamp>,
        reason: Option<Code>,
        now: Timestamp,
    ) {
        self.state = state;
        self.due = due;
        self.reason = reason;
        self.lease_until = None;
        self.held = false;
        self.acknowledged = false;
        self.updated_at = now;
        let waits =
            self.new.role == Role::Create && awaits_paper(state, reason, self.new.terms.fallback);
        let paper_within = self.new.terms.paper_within;
        self.paper_due = waits.then(|| self.paper_due.unwrap_or(now + paper_within));
    }

    /// Whether `wanted` may take it up, once it is due.
    pub(super) fn waits_in(&self, wanted: Wanted) -> bool {
        let from = if wanted.verify {
            State::Uncertain
        } else {
            State::Accepted
        };
        let is_of = self.new.lane == wanted.lane && self.new.op == wanted.op;
        is_of && self.state == from && !self.held
    }

    /// Unleased, and past its deadline. A watch has none; what is held about a prescription has its
    /// prescription's.
    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        let moves = matches!(
            self.state,
            State::Accepted | State::Uncertain | State::NeedsAuthorization
        );
        let is_bound = match self.new.role {
            Role::Create => true,
            Role::Cancel => !self.held,
            Role::Paper | Role::Acknowledge | Role::Watch => false,
        };
        moves && is_bound && self.new.terms.deadline < now
    }

    pub(super) fn lease(&mut self, verify: bool, until: Timestamp) -> Leased {
        self.epoch += 1;
        self.state = if verify {
            State::Verifying
        } else {
            State::Sending
        };
        self.sends += u32::from(!verify);
        self.due = None;
        self.lease_until = Some(until);
        Leased {
            id: self.new.id,
            op: self.new.op.0.to_owned(),
            role: self.new.role,
            accepted_at: self.accepted_at,
            epoch: self.epoch,
            lease_until: until,
            state: self.state,
            sends: self.sends,
            failures: self.failures,
            reason: self.reason,
            terms: self.new.terms,
            request: Ok(self.request()),
        }
    }

    pub(super) fn request(&self) -> Request {
        Request {
            payload: self.new.payload.clone(),
            number: self.number(),
            authority: self.new.authority.clone(),
            trace: None,
        }
    }
}
