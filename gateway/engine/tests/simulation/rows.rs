//! What is on the model's disk: rows, and the writes that change them.
//!
//! A write is a value and applying it is a function of rows, instant and write alone. So the disk
//! can keep what is synced and what is visible apart, and a crash is a replay of what survived.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ports::*;
use policies::delivery::Uncertain;
use policies::failure::{Code, Opaque};
use policies::family::{Look, Role};
use policies::state::{State, Tally};
use policies::time::Timestamp;

pub(crate) use row::Row;

mod append;
mod family;
mod numbers;
mod row;

/// One change of the disk.
#[derive(Clone)]
pub(crate) enum Write {
    /// A process begins: leases of the one before end.
    Open,
    Append(Box<NewEntry>),
    Lease(Wanted, usize, Duration),
    Settle(Settlement),
    Sweep(usize),
    Hasten(Timestamp),
    Reauthorize(Organization, Opaque, Opaque),
    AddRange(NumberRange),
    LeaseBlock(u64),
}

/// What it said.
pub(crate) enum Reply {
    Done,
    Added(bool),
    Appended(Result<Appended, AppendError>),
    Leased(Vec<Leased>),
    Settled(Settled),
    Swept(Swept),
    Count(usize),
    Block(Option<NumberBlock>),
}

/// All rows.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) entries: Vec<Row>,
    /// What callers may read, of prescriptions alone.
    pub(crate) events: Vec<Event>,
    by_id: BTreeMap<EntryId, usize>,
    by_key: BTreeMap<(Organization, String), usize>,
    by_number: BTreeMap<Opaque, usize>,
    numbers: numbers::Held,
}

impl Rows {
    pub(crate) fn place(&self, id: EntryId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The one entry that holds `number`.
    pub(crate) fn of_number(&self, number: &Opaque) -> Option<&Row> {
        Some(&self.entries[*self.by_number.get(number)?])
    }

    pub(crate) fn of_key(&self, organization: &Organization, key: &str) -> Option<&Row> {
        let name = (organization.clone(), key.to_owned());
        Some(&self.entries[*self.by_key.get(&name)?])
    }

    /// The prescriptions, each with its place.
    pub(crate) fn prescriptions(&self) -> impl Iterator<Item = (usize, &Row)> {
        let rows = self.entries.iter().enumerate();
        rows.filter(|(_, row)| row.role() == Role::Create)
    }

    /// What `organization` may read of the entry.
    pub(crate) fn entry(&self, organization: &Organization, id: EntryId) -> Option<Entry> {
        let place = self.place(id)?;
        let row = &self.entries[place];
        let is_theirs = row.role() == Role::Create && row.new.organization == *organization;
        is_theirs.then(|| self.entry_at(place))
    }

    fn entry_at(&self, place: usize) -> Entry {
        let watches = |row: &Row| row.parent == Some(place) && row.is_open_watch();
        self.entries[place].entry(self.entries.iter().any(watches))
    }

    /// Whether `number` lies in a range that was ever ours.
    pub(crate) fn is_ours(&self, number: &Opaque) -> bool {
        self.numbers.is_ours(number)
    }

    pub(crate) fn numbers_left(&self) -> u64 {
        self.numbers.left()
    }

    /// Prescriptions that count against what the store may hold.
    pub(crate) fn pending(&self) -> usize {
        let pending = |(_, row): &(usize, &Row)| row.state.is_pending();
        self.prescriptions().filter(pending).count()
    }

    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (_, row) in self.prescriptions() {
            tally.stored += 1;
            tally.add(row.state, 1);
        }
        tally
    }

    pub(crate) fn next_due(&self, wanted: Wanted) -> Option<Timestamp> {
        let waiting = self.entries.iter().filter(|row| is_of(row, wanted));
        let leases = self.entries.iter().filter_map(|row| row.lease_until);
        waiting.filter_map(|row| row.due).chain(leases).min()
    }

    /// Whether a sweep would find anything late.
    pub(crate) fn is_any_late(&self, now: Timestamp) -> bool {
        let late = |row: &Row| row.is_overdue(now) || row.paper_due.is_some_and(|due| due < now);
        self.entries.iter().any(late)
    }

    /// Whether a watch would look later than at `at`.
    pub(crate) fn is_any_watch_after(&self, at: Timestamp) -> bool {
        let after = |row: &Row| row.is_open_watch() && row.due.is_some_and(|due| due > at);
        self.entries.iter().any(after)
    }

    /// When something is due next without anybody's asking.
    pub(crate) fn next_step_of_others(&self) -> Option<Timestamp> {
        let of = |row: &Row| {
            let deadline = row.has_deadline().then_some(row.new.terms.deadline);
            [
                row.due.filter(|_| !row.held),
                row.lease_until,
                row.paper_due,
                deadline,
            ]
        };
        self.entries.iter().flat_map(of).flatten().min()
    }

    /// Applies `write` as of `now`.
    pub(crate) fn apply(&mut self, now: Timestamp, write: Write, entries_max: usize) -> Reply {
        match write {
            Write::Open => {
                self.numbers.open();
                self.end_leases(now, |_| true);
                Reply::Done
            }
            Write::Append(new) => Reply::Appended(self.append(now, *new, entries_max)),
            Write::Lease(wanted, most, span) => Reply::Leased(self.lease(now, wanted, most, span)),
            Write::Settle(settlement) => Reply::Settled(self.settle(now, settlement)),
            Write::Sweep(most) => Reply::Swept(self.sweep(now, most)),
            Write::Hasten(at) => Reply::Count(self.hasten(at)),
            Write::Reauthorize(organization, identity, authority) => {
                Reply::Count(self.reauthorize(now, &organization, &identity, &authority))
            }
            Write::AddRange(range) => Reply::Added(self.numbers.add(range)),
            Write::LeaseBlock(most) => Reply::Block(self.numbers.lease(most)),
        }
    }

    /// What an earlier write under this key stored.
    pub(crate) fn recall(&self, organization: &Organization, key: &str, body: &Opaque) -> Recall {
        let name = (organization.clone(), key.to_owned());
        match self.by_key.get(&name) {
            None => Recall::Nothing,
            Some(place) if self.entries[*place].new.fingerprint == *body => {
                Recall::Replay(Box::new(self.entry_at(*place)))
            }
            Some(_) => Recall::KeyReused,
        }
    }

    fn push(&mut self, row: Row) -> usize {
        let place = self.entries.len();
        self.by_id.insert(row.new.id, place);
        self.entries.push(row);
        self.tell(place);
        place
    }

    /// Where the entry stands is an event that its caller reads.
    fn tell(&mut self, place: usize) {
        let row = &self.entries[place];
        if row.role() == Role::Create {
            self.events.push(Event {
                seq: self.events.len() as u64 + 1,
                at: row.updated_at,
                entry: row.new.id,
                state: row.state,
                reason: row.reason,
            });
        }
    }

    fn stand(
        &mut self,
        place: usize,
        state: State,
        due: Option<Timestamp>,
        reason: Option<Code>,
        at: Timestamp,
    ) {
        self.entries[place].stand(state, due, reason, at);
        self.tell(place);
    }

    fn end_leases(&mut self, now: Timestamp, is_over: impl Fn(Timestamp) -> bool) {
        for place in 0..self.entries.len() {
            if self.entries[place].lease_until.is_some_and(&is_over) {
                self.end_lease(place, now);
            }
        }
    }

    fn lease(
        &mut self,
        now: Timestamp,
        wanted: Wanted,
        most: usize,
        span: Duration,
    ) -> Vec<Leased> {
        self.end_leases(now, |until| until <= now);
        let is_due = |row: &Row| is_of(row, wanted) && row.due.is_some_and(|due| due <= now);
        let mut due: Vec<usize> = (0..self.entries.len())
            .filter(|place| is_due(&self.entries[*place]))
            .collect();
        due.sort_by_key(|place| (self.entries[*place].new.terms.deadline, *place));
        let chosen = due.into_iter().take(most);
        chosen
            .map(|place| self.entries[place].lease(wanted.verify, now + span))
            .collect()
    }

    fn settle(&mut self, now: Timestamp, settlement: Settlement) -> Settled {
        let place = self.place(settlement.id);
        let place = place.expect("only stored entries are leased");
        let row = &self.entries[place];
        if row.epoch != settlement.epoch || !row.state.is_leased() {
            let state = row.state;
            if settlement.state == State::Registered {
                self.late_answer(place, now);
            }
            return Settled::Stale(state);
        }
        let settlement = self.overtaken(place, settlement, now);
        match &settlement.number {
            Renumber::Kept => {}
            Renumber::Watched => {
                self.watch(place, Look::Scheduled, now);
            }
            Renumber::Replaced(number) => {
                let old = row.number.clone();
                if !matches!(self.hold(number, place), Ok(true)) {
                    return Settled::NumberUsed;
                }
                let watch = self.watch(place, Look::Scheduled, now);
                self.entries[watch].new.terms.uncertain = Uncertain::AnnulAndResend;
                self.by_number.insert(old, watch);
                self.entries[place].number = number.number().cloned().unwrap_or_default();
            }
        }
        let row = &mut self.entries[place];
        row.sends = settlement.sends;
        row.failures = settlement.failures;
        row.answer = settlement.answer.or(row.answer.take());
        self.stand(
            place,
            settlement.state,
            settlement.due,
            settlement.reason,
            now,
        );
        self.stepped(place, now);
        Settled::Settled
    }

    fn hasten(&mut self, at: Timestamp) -> usize {
        let rows = self.entries.iter_mut();
        let later = rows.filter(|row| row.is_open_watch() && row.due.is_some_and(|due| due > at));
        later.map(|row| row.due = Some(at)).count()
    }

    fn reauthorize(
        &mut self,
        now: Timestamp,
        organization: &Organization,
        identity: &Opaque,
        authority: &Opaque,
    ) -> usize {
        let waits = |row: &Row| {
            row.state == State::NeedsAuthorization
                && row.new.organization == *organization
                && row.new.identity == *identity
        };
        let waiting: Vec<usize> = (0..self.entries.len())
            .filter(|place| waits(&self.entries[*place]))
            .collect();
        for place in &waiting {
            let row = &mut self.entries[*place];
            row.new.authority = authority.clone();
            let state = if row.sends == 0 {
                State::Accepted
            } else {
                State::Uncertain
            };
            self.stand(*place, state, Some(now), None, now);
            self.stepped(*place, now);
        }
        waiting.len()
    }
}

/// Whether the entry stands in the queue that `wanted` leases from.
fn is_of(row: &Row, wanted: Wanted) -> bool {
    let state = if wanted.verify {
        State::Uncertain
    } else {
        State::Accepted
    };
    row.state == state && row.new.op == wanted.op && !row.held
}
