//! What is on the model's disk: rows, and the writes that change them.
//!
//! A write is a value and applying it is a function of rows, instant and write alone. So the disk
//! can keep what is synced and what is visible apart, and a crash is a replay of what survived.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ports::*;
use policies::failure::{Code, Opaque};
use policies::state::{State, Tally};
use policies::time::Timestamp;

mod numbers;

/// One change of the disk.
#[derive(Clone)]
pub(crate) enum Write {
    /// A process begins: leases of the one before end.
    Open,
    Append(Box<NewEntry>),
    Lease(Wanted, usize, Duration),
    Settle(Settlement),
    ParkOverdue(usize),
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
    Count(usize),
    Block(Option<NumberBlock>),
}

/// One entry; its place among the rows is its name in the journal.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) new: NewEntry,
    pub(crate) state: State,
    pub(crate) reason: Option<Code>,
    pub(crate) sends: u32,
    pub(crate) epoch: u64,
    pub(crate) lease_until: Option<Timestamp>,
    pub(crate) damaged: bool,
    failures: u32,
    due: Option<Timestamp>,
    answer: Option<Opaque>,
    accepted_at: Timestamp,
    updated_at: Timestamp,
}

impl Row {
    fn new(new: NewEntry, at: Timestamp) -> Row {
        let leased = new.lease_for.is_some();
        Row {
            state: if leased {
                State::Sending
            } else {
                State::Accepted
            },
            reason: None,
            sends: u32::from(leased),
            epoch: u64::from(leased),
            lease_until: new.lease_for.map(|span| at + span),
            damaged: false,
            failures: 0,
            due: (!leased).then_some(at),
            answer: None,
            accepted_at: at,
            updated_at: at,
            new,
        }
    }

    pub(crate) fn entry(&self) -> Entry {
        Entry {
            id: self.new.id,
            op: self.new.op.0.to_owned(),
            state: self.state,
            reason: self.reason,
            accepted_at: self.accepted_at,
            updated_at: self.updated_at,
            terms: self.new.terms,
            number: self.new.number.number().clone(),
            answer: self.answer.clone(),
        }
    }

    fn stand(&mut self, state: State, due: Option<Timestamp>, reason: Option<Code>, at: Timestamp) {
        self.state = state;
        self.due = due;
        self.reason = reason;
        self.lease_until = None;
        self.updated_at = at;
    }

    /// A lease that ran out leaves its entry uncertain: nobody knows what the upstream has seen.
    fn end_lease(&mut self, now: Timestamp) {
        let reason = match self.state {
            State::Verifying => self.reason.or(Some(Code::LeaseExpired)),
            _ => Some(Code::LeaseExpired),
        };
        self.stand(State::Uncertain, Some(now), reason, now);
    }

    fn lease(&mut self, wanted: Wanted, until: Timestamp) -> Leased {
        self.epoch += 1;
        self.sends += u32::from(!wanted.verify);
        self.due = None;
        self.lease_until = Some(until);
        self.state = if wanted.verify {
            State::Verifying
        } else {
            State::Sending
        };
        let request = Request {
            payload: self.new.payload.clone(),
            number: self.new.number.number().clone(),
            authority: self.new.authority.clone(),
            trace: None,
        };
        Leased {
            id: self.new.id,
            op: self.new.op.0.to_owned(),
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
                Ok(request)
            },
            identity: self.new.identity.clone(),
        }
    }
}

/// All rows.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) entries: Vec<Row>,
    by_id: BTreeMap<EntryId, usize>,
    by_key: BTreeMap<(Organization, String), usize>,
    by_number: BTreeMap<Opaque, usize>,
    numbers: numbers::Held,
}

impl Rows {
    pub(crate) fn place(&self, id: EntryId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn of_number(&self, number: &Opaque) -> Option<&Row> {
        Some(&self.entries[*self.by_number.get(number)?])
    }

    pub(crate) fn of_key(&self, organization: &Organization, key: &str) -> Option<&Row> {
        let name = (organization.clone(), key.to_owned());
        Some(&self.entries[*self.by_key.get(&name)?])
    }

    /// Whether `number` lies in a range that was ever ours.
    pub(crate) fn is_ours(&self, number: &Opaque) -> bool {
        self.numbers.is_ours(number)
    }

    pub(crate) fn numbers_left(&self) -> u64 {
        self.numbers.left()
    }

    pub(crate) fn pending(&self) -> usize {
        let pending = |row: &&Row| row.state.is_pending();
        self.entries.iter().filter(pending).count()
    }

    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally {
            stored: self.by_id.len() as u64,
            ..Tally::default()
        };
        self.entries.iter().for_each(|row| tally.add(row.state, 1));
        tally
    }

    pub(crate) fn next_due(&self, wanted: Wanted) -> Option<Timestamp> {
        let waiting = self.entries.iter().filter(|row| row.state == from(wanted));
        let leases = self.entries.iter().filter_map(|row| row.lease_until);
        waiting.filter_map(|row| row.due).chain(leases).min()
    }

    /// Applies `write` as of `now`.
    pub(crate) fn apply(&mut self, now: Timestamp, write: Write, entries_max: usize) -> Reply {
        match write {
            Write::Open => {
                self.numbers.open();
                let held = self.entries.iter_mut().filter(|row| row.state.is_leased());
                held.for_each(|row| row.end_lease(now));
                Reply::Done
            }
            Write::Append(new) => Reply::Appended(self.append(now, *new, entries_max)),
            Write::Lease(wanted, most, span) => Reply::Leased(self.lease(now, wanted, most, span)),
            Write::Settle(settlement) => Reply::Settled(self.settle(now, settlement)),
            Write::ParkOverdue(most) => Reply::Count(self.park_overdue(now, most)),
            Write::Reauthorize(organization, identity, authority) => {
                Reply::Count(self.reauthorize(now, &organization, &identity, &authority))
            }
            Write::AddRange(range) => Reply::Added(self.numbers.add(range)),
            Write::LeaseBlock(most) => Reply::Block(self.numbers.lease(most)),
        }
    }

    /// What an earlier write under this key stored.
    pub(crate) fn recall(&self, organization: &Organization, key: &str, body: &Opaque) -> Recall {
        match self.of_key(organization, key) {
            None => Recall::Nothing,
            Some(row) if row.new.fingerprint == *body => Recall::Replay(Box::new(row.entry())),
            Some(_) => Recall::KeyReused,
        }
    }

    fn append(
        &mut self,
        now: Timestamp,
        new: NewEntry,
        entries_max: usize,
    ) -> Result<Appended, AppendError> {
        match self.recall(&new.organization, &new.key, &new.fingerprint) {
            Recall::Nothing => {}
            Recall::Replay(entry) => return Ok(Appended::Replay(entry)),
            Recall::KeyReused => return Ok(Appended::KeyReused),
        }
        match &new.number {
            NumberUse::Callers(number) if self.is_ours(number) => return Ok(Appended::NumberOurs),
            NumberUse::Ours {
                block,
                position,
                number,
            } if !self.numbers.is_given(*block, *position, number) => {
                return Err(AppendError::Refused);
            }
            _ => {}
        }
        if self.pending() >= entries_max {
            return Err(AppendError::Full);
        }
        if self.by_number.contains_key(new.number.number()) {
            return Ok(Appended::NumberUsed);
        }
        if let NumberUse::Ours {
            block, position, ..
        } = new.number
        {
            self.numbers.mark(block, position + 1);
        }
        let place = self.entries.len();
        self.by_id.insert(new.id, place);
        let name = (new.organization.clone(), new.key.clone());
        self.by_key.insert(name, place);
        self.by_number.insert(new.number.number().clone(), place);
        self.entries.push(Row::new(new, now));
        let epoch = self.entries[place].epoch;
        Ok(Appended::Accepted { at: now, epoch })
    }

    fn lease(
        &mut self,
        now: Timestamp,
        wanted: Wanted,
        most: usize,
        span: Duration,
    ) -> Vec<Leased> {
        for row in &mut self.entries {
            if row.lease_until.is_some_and(|until| until <= now) {
                row.end_lease(now);
            }
        }
        let is_due = |row: &Row| row.state == from(wanted) && row.due.is_some_and(|due| due <= now);
        let mut due: Vec<usize> = (0..self.entries.len())
            .filter(|place| is_due(&self.entries[*place]))
            .collect();
        due.sort_by_key(|place| (self.entries[*place].new.terms.deadline, *place));
        let chosen = due.into_iter().take(most);
        chosen
            .map(|place| self.entries[place].lease(wanted, now + span))
            .collect()
    }

    fn settle(&mut self, now: Timestamp, settlement: Settlement) -> Settled {
        let place = self.place(settlement.id);
        let row = &mut self.entries[place.expect("only stored entries are leased")];
        if row.epoch != settlement.epoch || !row.state.is_leased() {
            return Settled::Stale(row.state);
        }
        row.stand(settlement.state, settlement.due, settlement.reason, now);
        row.sends = settlement.sends;
        row.failures = settlement.failures;
        row.answer = settlement.answer.or(row.answer.take());
        Settled::Settled
    }

    fn park_overdue(&mut self, now: Timestamp, most: usize) -> usize {
        let overdue = self.entries.iter_mut().filter(|row| {
            let is_held = row.state.is_leased() || !row.state.is_pending();
            !is_held && row.new.terms.deadline < now
        });
        let parked = overdue.take(most);
        parked
            .map(|row| row.stand(State::Parked, None, Some(Code::DeadlinePassed), now))
            .count()
    }

    fn reauthorize(
        &mut self,
        now: Timestamp,
        organization: &Organization,
        identity: &Opaque,
        authority: &Opaque,
    ) -> usize {
        let waiting = self.entries.iter_mut().filter(|row| {
            row.state == State::NeedsAuthorization
                && row.new.organization == *organization
                && row.new.identity == *identity
        });
        waiting
            .map(|row| {
                row.new.authority = authority.clone();
                let state = if row.sends == 0 {
                    State::Accepted
                } else {
                    State::Uncertain
                };
                row.stand(state, Some(now), None, now);
            })
            .count()
    }
}

/// The state that `wanted` leases from.
fn from(wanted: Wanted) -> State {
    if wanted.verify {
        State::Uncertain
    } else {
        State::Accepted
    }
}
