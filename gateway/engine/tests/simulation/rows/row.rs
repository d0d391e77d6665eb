//! One entry on the model's disk.

use engine::ports::*;
use policies::delivery::{Terms, Uncertain};
use policies::failure::{Code, Opaque};
use policies::family::{Parent, Role, awaits_acknowledgement, awaits_paper};
use policies::state::State;
use policies::time::Timestamp;
use uuid::Uuid;

use crate::operations::ANNUL;

/// One entry; its place among the rows is its name in the journal.
#[derive(Clone)]
pub(crate) struct Row {
    /// As it was appended.
    pub(crate) new: NewEntry,
    /// Its prescription, by its place.
    pub(crate) parent: Option<usize>,
    /// What is sent for it.
    pub(crate) payload: Opaque,
    /// The number it goes under now; empty where it has none.
    pub(crate) number: Opaque,
    pub(crate) state: State,
    pub(crate) reason: Option<Code>,
    pub(crate) sends: u32,
    pub(crate) epoch: u64,
    pub(crate) lease_until: Option<Timestamp>,
    /// Waits for its parent, and is never due by itself.
    pub(crate) held: bool,
    pub(crate) damaged: bool,
    pub(crate) due: Option<Timestamp>,
    pub(crate) paper_due: Option<Timestamp>,
    pub(crate) acknowledged: bool,
    pub(crate) accepted_at: Timestamp,
    pub(super) failures: u32,
    pub(super) answer: Option<Opaque>,
    pub(super) paper: Option<Opaque>,
    pub(super) updated_at: Timestamp,
}

impl Row {
    /// Due now, until something else is said of it.
    pub(super) fn new(new: NewEntry, parent: Option<usize>, at: Timestamp) -> Row {
        Row {
            parent,
            payload: new.payload.clone(),
            number: new.number.number().cloned().unwrap_or_default(),
            state: State::Accepted,
            reason: None,
            sends: 0,
            epoch: 0,
            lease_until: None,
            held: false,
            damaged: false,
            due: Some(at),
            paper_due: None,
            acknowledged: false,
            accepted_at: at,
            failures: 0,
            answer: None,
            paper: None,
            updated_at: at,
            new,
        }
    }

    /// A watch over the number of `row`. Its name follows from its place, so that a replay of the
    /// disk gives it the same one.
    pub(super) fn watching(row: &Row, parent: usize, place: usize, at: Timestamp) -> Row {
        let id = EntryId(Uuid::from_u128(place as u128));
        let new = NewEntry {
            id,
            op: ANNUL,
            role: Role::Watch,
            order_key: id,
            depends_on: Some(row.new.id),
            key: format!("watch {place}"),
            terms: Terms {
                deadline: Timestamp(u64::MAX),
                uncertain: Uncertain::Verify,
                ..row.new.terms
            },
            ..row.new.clone()
        };
        Row {
            state: State::Uncertain,
            payload: row.payload.clone(),
            number: row.number.clone(),
            damaged: row.damaged,
            ..Row::new(new, Some(parent), at)
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.new.role
    }

    /// Whether it is still looked after.
    pub(crate) fn is_open_watch(&self) -> bool {
        self.role() == Role::Watch && self.state.is_pending()
    }

    /// Whether its deadline may be held against it.
    pub(super) fn has_deadline(&self) -> bool {
        let waits = matches!(
            self.state,
            State::Accepted | State::Uncertain | State::NeedsAuthorization
        );
        waits && !self.held && self.role() != Role::Watch
    }

    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        self.has_deadline() && self.new.terms.deadline < now
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
            number: self.number.clone(),
            answer: self.answer.clone(),
            paper: self.paper.clone(),
            acknowledged: self.acknowledged,
            watched,
            paper_due: self.paper_due,
        }
    }

    /// Let go of, or moved by another, to where it stands from now on.
    pub(super) fn stand(
        &mut self,
        state: State,
        due: Option<Timestamp>,
        reason: Option<Code>,
        at: Timestamp,
    ) {
        let is_news = (self.state, self.reason) != (state, reason);
        if is_news && awaits_acknowledgement(state, reason) {
            self.acknowledged = false;
        }
        let terms = self.new.terms;
        let awaits = self.role() == Role::Create && awaits_paper(state, reason, terms.fallback);
        let paper_due = self.paper_due.unwrap_or(at + terms.paper_within);
        self.paper_due = awaits.then_some(paper_due);
        self.state = state;
        self.due = due;
        self.reason = reason;
        self.held = false;
        self.lease_until = None;
        self.updated_at = at;
    }

    pub(super) fn lease(&mut self, verify: bool, until: Timestamp) -> Leased {
        self.epoch += 1;
        self.sends += u32::from(!verify);
        self.due = None;
        self.lease_until = Some(until);
        self.state = if verify {
            State::Verifying
        } else {
            State::Sending
        };
        Leased {
            id: self.new.id,
            op: self.new.op.0.to_owned(),
            role: self.role(),
            accepted_at: self.accepted_at,
            epoch: self.epoch,
            lease_until: until,
            state: self.state,
            sends: self.sends,
            failures: self.failures,
            reason: self.reason,
            terms: self.new.terms,
            request: if self.damaged {
                Err(ReadError::Damaged)
            } else {
                Ok(self.request())
            },
        }
    }

    pub(super) fn request(&self) -> Request {
        Request {
            payload: self.payload.clone(),
            number: self.number.clone(),
            authority: self.new.authority.clone(),
            trace: None,
        }
    }
}
