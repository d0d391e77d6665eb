//! The store as it would be if disks were memory and speed did not matter.

use std::time::Duration;

use engine::ports::{
    AppendError, EntryId, NewEntry, Renumber, Request, Settled, Settlement, Start, Swept, Wanted,
};
use policies::delivery::{Fallback, NumberFate, lease_ended};
use policies::failure::{Code, Opaque};
use policies::family::{self as kin, Look, Meanwhile, Role};
use policies::state::{State, Tally};
use policies::time::Timestamp;

use crate::world::{START, UNDO};

mod family;
mod held;

pub(crate) use held::{Described, Held, Taken, describe};
use held::{To, heard};

/// When a leased watch is due that was told of an answer meanwhile.
const ANSWERED: Timestamp = Timestamp(0);

pub(crate) struct Reference {
    pub(crate) now: Timestamp,
    /// In the order they were stored.
    pub(crate) entries: Vec<Held>,
    entries_max: u64,
}

impl Reference {
    pub(crate) fn new(entries_max: u64) -> Reference {
        Reference {
            now: START,
            entries: Vec::new(),
            entries_max,
        }
    }

    /// What a caller may speak of.
    pub(crate) fn names(&self) -> Vec<EntryId> {
        self.entries.iter().filter_map(|held| held.id).collect()
    }

    pub(crate) fn creates(&self) -> impl Iterator<Item = &Held> {
        let create = |held: &&Held| held.role == Role::Create;
        self.entries.iter().filter(create)
    }

    pub(crate) fn is_watched(&self, id: Option<EntryId>) -> bool {
        let mut watches = self.entries.iter().filter(|held| held.is_open_watch());
        watches.any(|watch| watch.parent.is_some_and(|at| self.entries[at].id == id))
    }

    fn place(&self, id: EntryId) -> Option<usize> {
        self.entries.iter().position(|held| held.id == Some(id))
    }

    pub(crate) fn find(&self, id: EntryId) -> &Held {
        &self.entries[self.place(id).expect("it is stored")]
    }

    pub(crate) fn append(&mut self, new: &NewEntry) -> Described {
        let key = Some((&new.key, &new.fingerprint));
        let keyed = |held: &&Held| held.key.as_ref().is_some_and(|held| held.0 == new.key);
        if let Some(found) = self.entries.iter().find(keyed) {
            let same = found.key.as_ref().map(|(key, body)| (key, body)) == key;
            return match found.id.filter(|_| same) {
                Some(id) => Described::Replay(id, found.state),
                None => Described::KeyReused,
            };
        }
        let pending = self
            .creates()
            .filter(|held| held.state.is_pending())
            .count();
        if new.role == Role::Create && pending as u64 >= self.entries_max {
            return Described::Failed(AppendError::Full);
        }
        if let Some(parent) = new.depends_on {
            return self.append_about(new, parent);
        }
        if self.is_taken(new.number.number()) {
            return Described::NumberUsed;
        }
        let at = self.push(Held::of(new, None, self.now));
        self.begin(at, new.start);
        if let Start::Withdrawn(code) = new.start {
            let withdrawn = self.to(at, State::Withdrawn, Some(code));
            self.take(at, withdrawn);
        }
        self.accepted(at, None)
    }

    fn push(&mut self, held: Held) -> usize {
        self.entries.push(held);
        self.entries.len() - 1
    }

    /// Leased at once, if it is to be and nothing of its prescription is before it.
    fn begin(&mut self, at: usize, start: Start) {
        if let Start::Leased(span) = start
            && !self.waits(at)
        {
            let until = self.now + span;
            self.entries[at].lease(State::Sending, until);
        }
    }

    fn accepted(&self, at: usize, request: Option<Request>) -> Described {
        let held = &self.entries[at];
        Described::Accepted(self.now, held.state, held.epoch, request)
    }

    fn is_taken(&self, number: Option<&Opaque>) -> bool {
        number.is_some_and(|number| {
            let holds = |held: &Held| held.holds.as_ref() == Some(number);
            self.entries.iter().any(holds)
        })
    }

    /// Whether an entry before place `at` under its order key is still to be moved.
    fn waits(&self, at: usize) -> bool {
        let key = self.entries[at].order_key;
        key.is_some()
            && self.entries[..at]
                .iter()
                .any(|held| held.order_key == key && held.is_queued())
    }

    fn end_leases(&mut self, now: Timestamp, all: bool) {
        let mut ended: Vec<_> = (0..self.entries.len())
            .filter(|at| self.entries[*at].state.is_leased())
            .filter(|at| all || self.entries[*at].lease_until <= now)
            .collect();
        ended.sort_by_key(|at| self.entries[*at].lease_until);
        for at in ended {
            let held = &self.entries[at];
            let fallback = match held.role {
                Role::Create => held.terms.fallback,
                _ => Fallback::Hold,
            };
            let (state, reason, number) = lease_ended(held.role, held.state, held.reason, fallback);
            let mut to = self.to(at, state, Some(reason));
            to.watch = (number == NumberFate::Watched).then_some(Look::Scheduled);
            self.take(at, to);
        }
    }

    pub(crate) fn reopen(&mut self) {
        self.end_leases(self.now, true);
    }

    fn leasable(&self, wanted: Wanted) -> Vec<usize> {
        let source = match wanted.verify {
            true => State::Uncertain,
            false => State::Accepted,
        };
        (0..self.entries.len())
            .filter(|at| {
                let held = &self.entries[*at];
                let theirs = held.op == wanted.op.0 && held.state == source && !held.held;
                theirs && !self.waits(*at)
            })
            .collect()
    }

    /// The places of what is leased.
    pub(crate) fn lease(
        &mut self,
        wanted: Wanted,
        entries_max: usize,
        span: Duration,
    ) -> Vec<usize> {
        self.end_leases(self.now, false);
        let mut due = self.leasable(wanted);
        due.retain(|at| self.entries[*at].due <= self.now);
        due.sort_by_key(|at| self.entries[*at].terms.deadline);
        due.truncate(entries_max);
        let state = match wanted.verify {
            true => State::Verifying,
            false => State::Sending,
        };
        for at in &due {
            self.entries[*at].lease(state, self.now + span);
        }
        due
    }

    pub(crate) fn settle(&mut self, settlement: &Settlement) -> Settled {
        let at = self.place(settlement.id).expect("it was leased");
        let held = &self.entries[at];
        if !held.state.is_leased() || held.epoch != settlement.epoch {
            let state = held.state;
            if settlement.state == State::Registered {
                self.hasten(Some(at), self.now);
                self.mark(at);
            }
            return Settled::Stale(state);
        }
        let number = match &settlement.number {
            Renumber::Replaced(number) => number.number().cloned(),
            Renumber::Kept | Renumber::Watched => None,
        };
        if self.is_taken(number.as_ref()) {
            return Settled::NumberUsed;
        }
        let meanwhile = Meanwhile {
            agreed: held.terms.annul_consent && held.sends == settlement.sends,
            answered: held.due == ANSWERED,
        };
        let (state, reason) = (settlement.state, settlement.reason);
        let is_overtaken = held.role == Role::Watch && kin::is_overtaken(state, reason, meanwhile);
        let mut to = if is_overtaken {
            self.to(at, State::Uncertain, None)
        } else {
            let mut to = self.to(at, state, reason);
            to.due = settlement.due.unwrap_or(self.now);
            to
        };
        to.sends = settlement.sends;
        to.watch = (settlement.number != Renumber::Kept).then_some(Look::Scheduled);
        to.number = number;
        self.take(at, to);
        Settled::Settled
    }

    /// Whoever looks for the number of `at` at this moment looks again.
    fn mark(&mut self, at: usize) {
        for held in &mut self.entries {
            if held.role == Role::Watch && held.parent == Some(at) && held.state.is_leased() {
                held.due = ANSWERED;
            }
        }
    }

    /// Lets watches, of one prescription or of all, look at `at`, unless they do before; how many.
    pub(crate) fn hasten(&mut self, parent: Option<usize>, look: Timestamp) -> usize {
        let mut hastened = 0;
        for held in &mut self.entries {
            let theirs = parent.is_none() || held.parent == parent;
            let waits = held.role == Role::Watch && held.state == State::Uncertain;
            if theirs && waits && held.due > look {
                held.due = look;
                hastened += 1;
            }
        }
        hastened
    }

    pub(crate) fn sweep(&mut self, entries_max: usize) -> Swept {
        self.end_leases(self.now, false);
        let parked = self.give_up(
            entries_max,
            |held| held.is_overdue().then_some(held.terms.deadline),
            (State::Parked, Code::DeadlinePassed),
        );
        let papers_missing = self.give_up(
            entries_max,
            |held| held.paper_due,
            (State::Withdrawn, Code::PaperMissing),
        );
        Swept {
            parked,
            papers_missing,
        }
    }

    fn give_up(
        &mut self,
        entries_max: usize,
        until: impl Fn(&Held) -> Option<Timestamp>,
        (state, reason): (State, Code),
    ) -> usize {
        let late = |held: &Held| until(held).filter(|until| *until < self.now);
        let mut overdue: Vec<_> = (0..self.entries.len())
            .filter_map(|at| Some((late(&self.entries[at])?, at)))
            .collect();
        overdue.sort_unstable();
        overdue.truncate(entries_max);
        let mut moved = 0;
        for (_, at) in overdue {
            // What was taken along by the one before it is not late any more.
            if until(&self.entries[at]).is_some() {
                let mut to = self.to(at, state, Some(reason));
                let sent = self.entries[at].role == Role::Create && self.entries[at].sends > 0;
                let is_parked = state == State::Parked;
                to.watch = (sent && is_parked).then_some(Look::Scheduled);
                self.take(at, to);
                moved += 1;
            }
        }
        moved
    }

    pub(crate) fn reauthorize(&mut self, identity: &Opaque, authority: &Opaque) -> usize {
        let mut count = 0;
        for at in 0..self.entries.len() {
            let held = &mut self.entries[at];
            if held.state == State::NeedsAuthorization && held.identity == *identity {
                held.request.authority = authority.clone();
                let state = match held.sends {
                    0 => State::Accepted,
                    _ => State::Uncertain,
                };
                let to = self.to(at, state, None);
                self.take(at, to);
                count += 1;
            }
        }
        count
    }

    pub(crate) fn next_due(&self, wanted: Wanted) -> Option<Timestamp> {
        let due = self
            .leasable(wanted)
            .into_iter()
            .map(|at| self.entries[at].due.max(self.now));
        let leases = self.entries.iter().filter_map(|held| {
            let state = held.state;
            let matters = state == State::Sending || (wanted.verify && state.is_leased());
            (matters && held.op == wanted.op.0).then_some(held.lease_until.max(self.now))
        });
        due.chain(leases).min()
    }

    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally {
            stored: self.creates().count() as u64,
            ..Tally::default()
        };
        for held in self.creates() {
            tally.add(held.state, 1);
        }
        tally
    }
}
