//! An entry of the model, and what is said of it in a form that can be compared.

use engine::ports::{AppendError, Appended, EntryId, NewEntry, Request};
use policies::delivery::Terms;
use policies::failure::{Code, Opaque};
use policies::family::{Look, Role, awaits_acknowledgement};
use policies::state::State;
use policies::time::Timestamp;

/// An entry of the model.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// Of a watch, what the store calls it: known once it was leased.
    pub(crate) id: Option<EntryId>,
    pub(crate) role: Role,
    pub(crate) state: State,
    pub(crate) reason: Option<Code>,
    pub(crate) accepted_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) events: Vec<(Timestamp, State, Option<Code>)>,
    pub(crate) acknowledged: bool,
    pub(crate) paper_due: Option<Timestamp>,
    pub(crate) answer: Option<Opaque>,
    pub(crate) paper: Option<Opaque>,
    pub(crate) key: Option<(String, Opaque)>,
    pub(crate) request: Request,
    pub(super) parent: Option<usize>,
    /// Waits for its parent.
    pub(super) held: bool,
    pub(super) op: String,
    pub(super) order_key: Option<EntryId>,
    /// The number that no other entry may have.
    pub(super) holds: Option<Opaque>,
    pub(super) identity: Opaque,
    pub(super) terms: Terms,
    pub(super) due: Timestamp,
    pub(crate) lease_until: Timestamp,
    pub(crate) epoch: u64,
    pub(crate) sends: u32,
}

/// Where an entry goes.
pub(super) struct To {
    pub(super) state: State,
    pub(super) reason: Option<Code>,
    pub(super) due: Timestamp,
    pub(super) sends: u32,
    pub(super) acknowledged: bool,
    pub(super) watch: Option<Look>,
    pub(super) number: Option<Opaque>,
}

/// What a deliverer is told, in a form that can be compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) role: Role,
    pub(crate) state: State,
    pub(crate) reason: Option<Code>,
    pub(crate) epoch: u64,
    pub(crate) sends: u32,
    pub(crate) accepted_at: Timestamp,
    pub(crate) annul_consent: bool,
    pub(crate) request: Request,
}

/// What an append did, in a form that can be compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Described {
    Accepted(Timestamp, State, u64, Option<Request>),
    Moot(State),
    NoParent,
    OtherIdentity,
    Replay(EntryId, State),
    KeyReused,
    NumberOurs,
    NumberUsed,
    Failed(AppendError),
}

pub(crate) fn describe(outcome: &Result<Appended, AppendError>) -> Described {
    match outcome {
        Ok(Appended::Accepted {
            at,
            state,
            epoch,
            request,
        }) => Described::Accepted(*at, *state, *epoch, request.as_deref().cloned()),
        Ok(Appended::Moot(state)) => Described::Moot(*state),
        Ok(Appended::NoParent) => Described::NoParent,
        Ok(Appended::OtherIdentity) => Described::OtherIdentity,
        Ok(Appended::Replay(entry)) => Described::Replay(entry.id, entry.state),
        Ok(Appended::KeyReused) => Described::KeyReused,
        Ok(Appended::NumberOurs) => Described::NumberOurs,
        Ok(Appended::NumberUsed) => Described::NumberUsed,
        Err(error) => Described::Failed(*error),
    }
}

pub(super) fn heard(state: State) -> State {
    match state {
        State::Sending => State::Accepted,
        State::Verifying => State::Uncertain,
        other => other,
    }
}

impl Held {
    pub(super) fn of(new: &NewEntry, parent: Option<usize>, now: Timestamp) -> Held {
        let number = new.number.number().cloned();
        Held {
            id: Some(new.id),
            role: new.role,
            state: State::Accepted,
            reason: None,
            accepted_at: now,
            updated_at: now,
            events: vec![(now, State::Accepted, None)],
            acknowledged: false,
            paper_due: None,
            answer: None,
            paper: None,
            key: Some((new.key.clone(), new.fingerprint.clone())),
            request: Request {
                payload: new.payload.clone(),
                number: number.clone().unwrap_or_default(),
                authority: new.authority.clone(),
                trace: new.trace.clone(),
            },
            parent,
            held: false,
            op: new.op.0.to_owned(),
            order_key: Some(new.order_key),
            holds: number,
            identity: new.identity.clone(),
            terms: new.terms,
            due: now,
            lease_until: now,
            epoch: 0,
            sends: 0,
        }
    }

    /// Whether the gateway is to do something about it by itself, or waits for what it depends on.
    pub(super) fn is_queued(&self) -> bool {
        self.state.is_pending() && self.state != State::Cancelling
    }

    /// Its name; `id`, if the model did not know it yet.
    pub(crate) fn named(&mut self, id: EntryId) -> EntryId {
        self.order_key.get_or_insert(id);
        *self.id.get_or_insert(id)
    }

    pub(crate) fn is_open_watch(&self) -> bool {
        self.role == Role::Watch && self.is_queued()
    }

    /// Whether its prescriber must still take note of how it stands.
    pub(crate) fn is_open(&self) -> bool {
        awaits_acknowledgement(self.state, self.reason) && !self.acknowledged
    }

    pub(super) fn lease(&mut self, state: State, until: Timestamp) {
        self.state = state;
        self.epoch += 1;
        self.sends += u32::from(state == State::Sending);
        self.lease_until = until;
    }

    pub(crate) fn taken(&self) -> Taken {
        Taken {
            role: self.role,
            state: self.state,
            reason: self.reason,
            epoch: self.epoch,
            sends: self.sends,
            accepted_at: self.accepted_at,
            annul_consent: self.terms.annul_consent,
            request: self.request.clone(),
        }
    }
}
