//! The store as it would be if disks were memory and speed did not matter.

use std::time::Duration;

use engine::ports::{
    AppendError, Appended, EntryId, Leased, NewEntry, Request, Settled, Settlement, Start,
};
use policies::failure::Code;
use policies::state::{State, Tally};
use policies::time::Timestamp;

use crate::world::START;

pub(crate) struct Reference {
    pub(crate) now: Timestamp,
    /// In the order they were stored.
    pub(crate) entries: Vec<Held>,
    entries_max: u64,
}

/// An entry of the model.
pub(crate) struct Held {
    pub(crate) id: EntryId,
    pub(crate) state: State,
    pub(crate) reason: Option<Code>,
    pub(crate) accepted_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) events: Vec<(Timestamp, State, Option<Code>)>,
    new: NewEntry,
    due: Timestamp,
    lease_until: Timestamp,
    epoch: u64,
    sends: u32,
}

/// What an append did, in a form that can be compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Described {
    Accepted(Timestamp, u64),
    Replay(EntryId, State),
    KeyReused,
    NumberOurs,
    NumberUsed,
    Failed(AppendError),
}

pub(crate) fn describe(outcome: &Result<Appended, AppendError>) -> Described {
    match outcome {
        Ok(Appended::Accepted { at, epoch, .. }) => Described::Accepted(*at, *epoch),
        Ok(Appended::Replay(entry)) => Described::Replay(entry.id, entry.state),
        Ok(other @ (Appended::Moot(_) | Appended::NoParent | Appended::OtherIdentity)) => {
            panic!("not of a dependent: {other:?}")
        }
        Ok(Appended::KeyReused) => Described::KeyReused,
        Ok(Appended::NumberOurs) => Described::NumberOurs,
        Ok(Appended::NumberUsed) => Described::NumberUsed,
        Err(error) => Described::Failed(*error),
    }
}

fn queued(state: State) -> bool {
    state.is_pending() && state != State::Cancelling
}

fn heard(state: State) -> State {
    match state {
        State::Sending => State::Accepted,
        State::Verifying => State::Uncertain,
        other => other,
    }
}

impl Held {
    fn go(&mut self, now: Timestamp, state: State, reason: Option<Code>) {
        if (heard(self.state), self.reason) != (state, reason) {
            self.events.push((now, state, reason));
            self.updated_at = now;
        }
        self.state = state;
        self.reason = reason;
        self.due = now;
    }
}

impl Reference {
    pub(crate) fn new(entries_max: u64) -> Reference {
        Reference {
            now: START,
            entries: Vec::new(),
            entries_max,
        }
    }

    pub(crate) fn names(&self) -> Vec<EntryId> {
        self.entries.iter().map(|entry| entry.id).collect()
    }

    pub(crate) fn append(&mut self, new: &NewEntry) -> Described {
        if let Some(found) = self.entries.iter().find(|held| held.new.key == new.key) {
            return if found.new.fingerprint == new.fingerprint {
                Described::Replay(found.id, found.state)
            } else {
                Described::KeyReused
            };
        }
        let pending = self.entries.iter().filter(|held| held.state.is_pending());
        if pending.count() as u64 >= self.entries_max {
            return Described::Failed(AppendError::Full);
        }
        let number = new.number.number();
        if self
            .entries
            .iter()
            .any(|held| held.new.number.number() == number)
        {
            return Described::NumberUsed;
        }
        let free = !self.waits(self.entries.len(), new.order_key);
        let lease = match new.start {
            Start::Leased(span) if free => Some(span),
            _ => None,
        };
        let epoch = u32::from(lease.is_some());
        self.entries.push(Held {
            id: new.id,
            state: if lease.is_some() {
                State::Sending
            } else {
                State::Accepted
            },
            reason: None,
            accepted_at: self.now,
            updated_at: self.now,
            events: vec![(self.now, State::Accepted, None)],
            new: new.clone(),
            due: self.now,
            lease_until: self.now + lease.unwrap_or_default(),
            epoch: u64::from(epoch),
            sends: epoch,
        });
        Described::Accepted(self.now, u64::from(epoch))
    }

    /// Whether an entry before place `index` under `order_key` is still to be moved.
    fn waits(&self, index: usize, order_key: EntryId) -> bool {
        self.entries[..index]
            .iter()
            .any(|held| held.new.order_key == order_key && queued(held.state))
    }

    /// What the deliverer that appended `id` leased holds.
    pub(crate) fn as_leased(&self, id: EntryId) -> Leased {
        let held = self.entries.iter().find(|held| held.id == id);
        let held = held.expect("it was just stored");
        Leased {
            id,
            op: "invio".to_owned(),
            role: held.new.role,
            accepted_at: held.accepted_at,
            epoch: held.epoch,
            lease_until: held.lease_until,
            state: held.state,
            sends: held.sends,
            failures: 0,
            reason: held.reason,
            terms: held.new.terms,
            request: Ok(Request {
                payload: held.new.payload.clone(),
                number: held.new.number.number().cloned().unwrap_or_default(),
                authority: held.new.authority.clone(),
                trace: held.new.trace.clone(),
            }),
        }
    }

    fn end_leases(&mut self, now: Timestamp, all: bool) {
        for held in &mut self.entries {
            if held.state.is_leased() && (all || held.lease_until <= now) {
                // Asking changes nothing: a reason from before a lost verify is kept.
                let before = held.reason.filter(|_| held.state == State::Verifying);
                held.go(now, State::Uncertain, before.or(Some(Code::LeaseExpired)));
            }
        }
    }

    pub(crate) fn reopen(&mut self) {
        self.end_leases(self.now, true);
    }

    fn leasable(&self, verify: bool) -> Vec<usize> {
        let source = if verify {
            State::Uncertain
        } else {
            State::Accepted
        };
        (0..self.entries.len())
            .filter(|index| {
                let held = &self.entries[*index];
                held.state == source && !self.waits(*index, held.new.order_key)
            })
            .collect()
    }

    pub(crate) fn lease(
        &mut self,
        verify: bool,
        entries_max: usize,
        span: Duration,
    ) -> Vec<(EntryId, State, u64, u32)> {
        self.end_leases(self.now, false);
        let mut due = self.leasable(verify);
        due.retain(|index| self.entries[*index].due <= self.now);
        due.sort_by_key(|index| self.entries[*index].new.terms.deadline);
        due.truncate(entries_max);
        due.into_iter()
            .map(|index| {
                let held = &mut self.entries[index];
                held.state = if verify {
                    State::Verifying
                } else {
                    State::Sending
                };
                held.sends += u32::from(!verify);
                held.epoch += 1;
                held.lease_until = self.now + span;
                (held.id, held.state, held.epoch, held.sends)
            })
            .collect()
    }

    pub(crate) fn settle(&mut self, settlement: &Settlement) -> Settled {
        let held = self
            .entries
            .iter_mut()
            .find(|held| held.id == settlement.id);
        let held = held.expect("only leased entries are settled");
        if !held.state.is_leased() || held.epoch != settlement.epoch {
            return Settled::Stale(held.state);
        }
        held.go(self.now, settlement.state, settlement.reason);
        held.sends = settlement.sends;
        held.due = settlement.due.unwrap_or(self.now);
        Settled::Settled
    }

    pub(crate) fn park(&mut self, entries_max: usize) -> usize {
        let mut overdue: Vec<_> = self
            .entries
            .iter_mut()
            .filter(|held| {
                matches!(
                    held.state,
                    State::Accepted | State::Uncertain | State::NeedsAuthorization
                )
            })
            .filter(|held| held.new.terms.deadline < self.now)
            .collect();
        overdue.sort_by_key(|held| held.new.terms.deadline);
        overdue.truncate(entries_max);
        for held in &mut overdue {
            held.go(self.now, State::Parked, Some(Code::DeadlinePassed));
        }
        overdue.len()
    }

    pub(crate) fn reauthorize(&mut self) -> usize {
        let mut count = 0;
        for held in &mut self.entries {
            if held.state == State::NeedsAuthorization {
                let state = if held.sends == 0 {
                    State::Accepted
                } else {
                    State::Uncertain
                };
                held.go(self.now, state, None);
                count += 1;
            }
        }
        count
    }

    pub(crate) fn next_due(&self, verify: bool) -> Option<Timestamp> {
        let due = self
            .leasable(verify)
            .into_iter()
            .map(|index| self.entries[index].due.max(self.now));
        let leases = self.entries.iter().filter_map(|held| {
            let matters = held.state == State::Sending || (verify && held.state.is_leased());
            matters.then_some(held.lease_until.max(self.now))
        });
        due.chain(leases).min()
    }

    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally {
            stored: self.entries.len() as u64,
            ..Tally::default()
        };
        for held in &self.entries {
            tally.add(held.state, 1);
        }
        tally
    }
}
