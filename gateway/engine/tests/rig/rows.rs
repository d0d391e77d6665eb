//! Rows in memory, and what every write does to them: pure, at a given instant.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::ports::*;
use policies::delivery::{NumberFate, lease_ended, parked};
use policies::failure::{Code, Opaque};
use policies::family::{self, Role, Turn};
use policies::operation::{LaneName, OpName};
use policies::state::{State, Tally};
use policies::time::Timestamp;

mod kin;
mod row;

pub(crate) use row::Row;

/// All rows, in the order they were appended.
pub(crate) struct Rows {
    pub(crate) entries: Vec<Row>,
    by_id: BTreeMap<EntryId, usize>,
    /// Numbers that are held, for ever.
    held: BTreeSet<Opaque>,
    /// The operation of a watch.
    undo_op: OpName,
}

impl Rows {
    pub(crate) fn new(undo_op: OpName) -> Rows {
        Rows {
            entries: Vec::new(),
            by_id: BTreeMap::new(),
            held: BTreeSet::new(),
            undo_op,
        }
    }

    pub(crate) fn place(&self, id: EntryId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// What an earlier write under this key stored.
    pub(crate) fn recall(&self, organization: &Organization, key: &str, body: &Opaque) -> Recall {
        let same_key = |row: &&Row| {
            row.new.role != Role::Watch
                && row.new.organization == *organization
                && row.new.key == key
        };
        match self.entries.iter().find(same_key) {
            None => Recall::Nothing,
            Some(row) if row.new.fingerprint == *body => Recall::Replay(Box::new(self.entry(row))),
            Some(_) => Recall::KeyReused,
        }
    }

    /// A row as its owner may see it.
    pub(crate) fn entry(&self, row: &Row) -> Entry {
        let watched = self
            .watches(row.new.id)
            .any(|watch| watch.state.is_pending());
        row.entry(watched)
    }

    pub(crate) fn append(&mut self, now: Timestamp, new: NewEntry) -> Appended {
        match self.recall(&new.organization, &new.key, &new.fingerprint) {
            Recall::Nothing => {}
            Recall::Replay(entry) => return Appended::Replay(entry),
            Recall::KeyReused => return Appended::KeyReused,
        }
        if new
            .number
            .number()
            .is_some_and(|number| self.held.contains(number))
        {
            return Appended::NumberUsed;
        }
        match new.depends_on {
            Some(parent) => self.append_after(now, parent, new),
            None => {
                let place = self.push(Row::new(new, now));
                self.accepted(place, now)
            }
        }
    }

    fn append_after(&mut self, now: Timestamp, parent: EntryId, new: NewEntry) -> Appended {
        let is_theirs = |place: &usize| self.entries[*place].new.organization == new.organization;
        let Some(above) = self.place(parent).filter(is_theirs) else {
            return Appended::NoParent;
        };
        let writer = &self.entries[above].new.identity;
        if family::needs_writer(new.role, self.entries[above].state) && *writer != new.identity {
            return Appended::OtherIdentity;
        }
        let turn = family::turn(new.role, self.entries[above].as_parent());
        if turn == Turn::Moot {
            return Appended::Moot(self.entries[above].state);
        }
        if family::consents(new.role) {
            self.consent(above, &new.authority, now);
        }
        let place = self.push(Row::held(new, now));
        self.take_turn(place, above, turn, now);
        self.accepted(place, now)
    }

    /// What `append` says of a row: the store's own clock, and the request of a cancel.
    fn accepted(&mut self, place: usize, now: Timestamp) -> Appended {
        let row = &mut self.entries[place];
        let goes_out = row.state == State::Accepted && row.due.is_some();
        if let (Start::Leased(lease_for), true) = (row.new.start, goes_out) {
            row.lease(false, now + lease_for);
        }
        Appended::Accepted {
            at: now,
            state: row.state,
            epoch: row.epoch,
            request: (row.epoch > 0 && row.new.role == Role::Cancel)
                .then(|| Box::new(row.request())),
        }
    }

    fn push(&mut self, row: Row) -> usize {
        let place = self.entries.len();
        self.by_id.insert(row.new.id, place);
        if row.new.role == Role::Create {
            self.held.extend(row.new.number.number().cloned());
        }
        self.entries.push(row);
        place
    }

    pub(crate) fn lease(
        &mut self,
        now: Timestamp,
        wanted: Wanted,
        entries_max: usize,
        lease_for: Duration,
    ) -> Vec<Leased> {
        self.end_leases(now, |row| row.lease_until.is_some_and(|until| until <= now));
        let is_due = |row: &Row| row.waits_in(wanted) && row.due.is_some_and(|due| due <= now);
        let mut due: Vec<usize> = (0..self.entries.len())
            .filter(|place| is_due(&self.entries[*place]))
            .collect();
        due.sort_by_key(|place| (self.entries[*place].new.terms.deadline, *place));
        due.into_iter()
            .take(entries_max)
            .map(|place| self.entries[place].lease(wanted.verify, now + lease_for))
            .collect()
    }

    /// Ends the leases of the rows that `is_over` names.
    pub(crate) fn end_leases(&mut self, now: Timestamp, is_over: impl Fn(&Row) -> bool) {
        for place in 0..self.entries.len() {
            let row = &self.entries[place];
            if !row.state.is_leased() || !is_over(row) {
                continue;
            }
            let fallback = row.new.terms.fallback;
            let (state, reason, fate) = lease_ended(row.new.role, row.state, row.reason, fallback);
            self.let_go(place, fate, now);
            let due = (state == State::Uncertain).then_some(now);
            self.entries[place].stand(state, due, Some(reason), now);
            self.stepped(place, now);
        }
    }

    pub(crate) fn settle(&mut self, now: Timestamp, settlement: Settlement) -> Settled {
        let place = self.by_id[&settlement.id];
        let row = &self.entries[place];
        if row.epoch != settlement.epoch || !row.state.is_leased() {
            let state = row.state;
            if settlement.state == State::Registered {
                self.look_now(place, now);
            }
            return Settled::Stale(state);
        }
        let settlement = self.overtaken(place, settlement, now);
        let next = match settlement.number {
            Renumber::Kept => None,
            Renumber::Watched => {
                self.let_go(place, NumberFate::Watched, now);
                None
            }
            Renumber::Replaced(number) => {
                let is_held = number
                    .number()
                    .is_some_and(|number| self.held.contains(number));
                if is_held {
                    return Settled::NumberUsed;
                }
                self.let_go(place, NumberFate::Replaced, now);
                self.held.extend(number.number().cloned());
                Some(number)
            }
        };
        let row = &mut self.entries[place];
        if let Some(number) = next {
            row.new.number = number;
        }
        row.sends = settlement.sends;
        row.failures = settlement.failures;
        row.answer = settlement.answer.or(row.answer.take());
        row.document = settlement.document.or(row.document.take());
        row.stand(settlement.state, settlement.due, settlement.reason, now);
        self.stepped(place, now);
        Settled::Settled
    }

    pub(crate) fn sweep(&mut self, now: Timestamp, entries_max: usize) -> Swept {
        let mut swept = Swept::default();
        for place in 0..self.entries.len() {
            let row = &self.entries[place];
            if row.is_overdue(now) && swept.parked < entries_max {
                swept.parked += 1;
                self.let_go(place, parked(row.new.role, row.sends), now);
                self.entries[place].stand(State::Parked, None, Some(Code::DeadlinePassed), now);
                self.stepped(place, now);
            }
            let row = &mut self.entries[place];
            let is_missing = row.paper_due.is_some_and(|due| due <= now);
            if is_missing && swept.papers_missing < entries_max {
                swept.papers_missing += 1;
                row.stand(State::Withdrawn, None, Some(Code::PaperMissing), now);
                self.stepped(place, now);
            }
        }
        swept
    }

    pub(crate) fn hasten_watches(&mut self, lane: LaneName, at: Timestamp) -> usize {
        let waiting = self.entries.iter_mut().filter(|row| {
            row.new.role == Role::Watch && row.new.lane == lane && row.state == State::Uncertain
        });
        let later = waiting.filter(|row| row.due.is_some_and(|due| due > at));
        later.map(|row| row.due = Some(at)).count()
    }

    pub(crate) fn reauthorize(
        &mut self,
        now: Timestamp,
        organization: &Organization,
        identity: &Opaque,
        authority: &Opaque,
    ) -> usize {
        let mut count = 0;
        for place in 0..self.entries.len() {
            let row = &mut self.entries[place];
            let is_theirs = row.new.organization == *organization && row.new.identity == *identity;
            if !is_theirs || row.state != State::NeedsAuthorization {
                continue;
            }
            row.new.authority = authority.clone();
            let state = if row.sends == 0 {
                State::Accepted
            } else {
                State::Uncertain
            };
            row.stand(state, Some(now), None, now);
            self.stepped(place, now);
            count += 1;
        }
        count
    }

    pub(crate) fn next_due(&self, wanted: Wanted) -> Option<Timestamp> {
        let waiting = self.entries.iter().filter(|row| row.waits_in(wanted));
        let leases = self.entries.iter().filter_map(|row| row.lease_until);
        waiting.filter_map(|row| row.due).chain(leases).min()
    }

    pub(crate) fn tally(&self) -> Tally {
        let creates = || {
            self.entries
                .iter()
                .filter(|row| row.new.role == Role::Create)
        };
        let mut tally = Tally {
            stored: creates().count() as u64,
            ..Tally::default()
        };
        creates().for_each(|row| tally.add(row.state, 1));
        tally
    }
}
