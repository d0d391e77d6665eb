//! A store in memory that keeps the contract and nothing else: no disk, no sealing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use engine::ports::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::failure::{Code, Opaque};
use policies::state::{State, Tally};
use policies::time::Timestamp;

/// What one write to the disk takes; others come in meanwhile.
pub(crate) const DISK: Duration = Duration::from_millis(1);

pub(crate) struct ModelStore {
    clock: Arc<dyn Clock>,
    rows: Mutex<Rows>,
}

#[derive(Default)]
pub(crate) struct Rows {
    pub entries: BTreeMap<EntryId, Row>,
    pub refuse_appends: Option<AppendError>,
    pub appends_begun: usize,
    ranges: Vec<(NumberRange, u64)>,
    blocks: u64,
}

#[derive(Clone)]
pub(crate) struct Row {
    pub new: NewEntry,
    pub state: State,
    pub sends: u32,
    pub reason: Option<Code>,
    pub answer: Option<Opaque>,
    failures: u32,
    due: Option<Timestamp>,
    lease_until: Option<Timestamp>,
    epoch: u64,
    at: Timestamp,
}

impl Row {
    /// Leased until `until` by a deliverer that will never settle it.
    pub(crate) fn lose_deliverer(&mut self, until: Timestamp) {
        self.state = State::Sending;
        self.epoch += 1;
        self.lease_until = Some(until);
    }

    fn entry(&self) -> Entry {
        Entry {
            id: self.new.id,
            op: self.new.op.0.to_owned(),
            state: self.state,
            reason: self.reason,
            accepted_at: self.at,
            updated_at: self.at,
            terms: self.new.terms,
            number: self.new.number.number().clone(),
            answer: self.answer.clone(),
        }
    }
}

impl ModelStore {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> ModelStore {
        ModelStore {
            clock,
            rows: Mutex::default(),
        }
    }

    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().expect("no test panics under this lock")
    }

    fn earlier(rows: &Rows, organization: &Organization, key: &str, body: &Opaque) -> Recall {
        let same_key = |row: &&Row| row.new.organization == *organization && row.new.key == key;
        match rows.entries.values().find(same_key) {
            None => Recall::Nothing,
            Some(row) if row.new.fingerprint == *body => Recall::Replay(Box::new(row.entry())),
            Some(_) => Recall::KeyReused,
        }
    }

    fn append_one(&self, new: NewEntry, at: Timestamp) -> Result<Appended, AppendError> {
        let mut rows = self.rows();
        if let Some(error) = rows.refuse_appends {
            return Err(error);
        }
        match Self::earlier(&rows, &new.organization, &new.key, &new.fingerprint) {
            Recall::Nothing => {}
            Recall::Replay(entry) => return Ok(Appended::Replay(entry)),
            Recall::KeyReused => return Ok(Appended::KeyReused),
        }
        let epoch = u64::from(new.lease_for.is_some());
        let row = Row {
            state: if epoch == 1 {
                State::Sending
            } else {
                State::Accepted
            },
            sends: u32::from(epoch == 1),
            reason: None,
            answer: None,
            failures: 0,
            due: (epoch == 0).then_some(at),
            lease_until: new.lease_for.map(|span| at + span),
            epoch,
            at,
            new,
        };
        rows.entries.insert(row.new.id, row);
        Ok(Appended::Accepted { at, epoch })
    }

    fn expire_leases(rows: &mut Rows, now: Timestamp) {
        for row in rows.entries.values_mut() {
            if row.lease_until.is_some_and(|until| until <= now) {
                row.lease_until = None;
                row.state = State::Uncertain;
                row.reason = row.reason.or(Some(Code::LeaseExpired));
                row.due = Some(now);
            }
        }
    }

    fn settle_one(&self, settlement: Settlement) -> Settled {
        let mut rows = self.rows();
        let row = rows
            .entries
            .get_mut(&settlement.id)
            .expect("only stored entries are leased");
        if row.epoch != settlement.epoch || !row.state.is_leased() {
            return Settled::Stale(row.state);
        }
        row.state = settlement.state;
        row.due = settlement.due;
        row.sends = settlement.sends;
        row.failures = settlement.failures;
        row.reason = settlement.reason;
        row.answer = settlement.answer.or(row.answer.take());
        row.lease_until = None;
        Settled::Settled
    }
}

fn queue(wanted: Wanted) -> State {
    if wanted.verify {
        State::Uncertain
    } else {
        State::Accepted
    }
}

impl Store for ModelStore {
    fn append(&self, entries: Vec<NewEntry>) -> BoxFuture<'_, Vec<Result<Appended, AppendError>>> {
        async move {
            let at = self.clock.now();
            self.rows().appends_begun += 1;
            self.clock.sleep(DISK).await;
            entries
                .into_iter()
                .map(|new| self.append_one(new, at))
                .collect()
        }
        .boxed()
    }

    fn recall(
        &self,
        organization: Organization,
        key: String,
        fingerprint: Opaque,
    ) -> BoxFuture<'_, Result<Recall, ReadError>> {
        let rows = self.rows();
        let known = match rows.refuse_appends {
            Some(AppendError::Unknown) => Err(ReadError::Unavailable),
            _ => Ok(Self::earlier(&rows, &organization, &key, &fingerprint)),
        };
        std::future::ready(known).boxed()
    }

    fn authority_awaited(&self) -> BoxFuture<'_, Result<bool, ReadError>> {
        let waits = |row: &Row| row.state == State::NeedsAuthorization;
        std::future::ready(Ok(self.rows().entries.values().any(waits))).boxed()
    }

    fn lease_due(
        &self,
        wanted: Wanted,
        entries_max: usize,
        lease_for: Duration,
    ) -> BoxFuture<'_, Result<Vec<Leased>, WriteError>> {
        let now = self.clock.now();
        let mut rows = self.rows();
        Self::expire_leases(&mut rows, now);
        let due = rows
            .entries
            .values_mut()
            .filter(|row| row.state == queue(wanted) && row.due.is_some_and(|due| due <= now));
        let leased = due.take(entries_max).map(|row| {
            row.epoch += 1;
            row.state = if wanted.verify {
                State::Verifying
            } else {
                State::Sending
            };
            row.sends += u32::from(!wanted.verify);
            row.due = None;
            row.lease_until = Some(now + lease_for);
            Leased {
                id: row.new.id,
                op: row.new.op.0.to_owned(),
                epoch: row.epoch,
                lease_until: now + lease_for,
                state: row.state,
                sends: row.sends,
                failures: row.failures,
                reason: row.reason,
                terms: row.new.terms,
                request: Ok(Request {
                    payload: row.new.payload.clone(),
                    number: row.new.number.number().clone(),
                    authority: row.new.authority.clone(),
                    trace: None,
                }),
                identity: row.new.identity.clone(),
            }
        });
        std::future::ready(Ok(leased.collect())).boxed()
    }

    fn settle(
        &self,
        settlements: Vec<Settlement>,
    ) -> BoxFuture<'_, Result<Vec<Settled>, WriteError>> {
        let settled = settlements
            .into_iter()
            .map(|one| self.settle_one(one))
            .collect();
        std::future::ready(Ok(settled)).boxed()
    }

    fn park_overdue(&self, _: usize) -> BoxFuture<'_, Result<usize, WriteError>> {
        std::future::ready(Ok(0)).boxed()
    }

    fn reauthorize(
        &self,
        organization: Organization,
        identity: Opaque,
        authority: Opaque,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        let now = self.clock.now();
        let mut count = 0;
        for row in self.rows().entries.values_mut() {
            let theirs = row.new.organization == organization && row.new.identity == identity;
            if theirs && row.state == State::NeedsAuthorization {
                row.new.authority = authority.clone();
                row.state = if row.sends == 0 {
                    State::Accepted
                } else {
                    State::Uncertain
                };
                row.due = Some(now);
                count += 1;
            }
        }
        std::future::ready(Ok(count)).boxed()
    }

    fn next_due(&self, wanted: Wanted) -> BoxFuture<'_, Result<Option<Timestamp>, ReadError>> {
        let rows = self.rows();
        let waiting = rows
            .entries
            .values()
            .filter(|row| row.state == queue(wanted));
        let leases = rows.entries.values().filter_map(|row| row.lease_until);
        let next = waiting.filter_map(|row| row.due).chain(leases).min();
        std::future::ready(Ok(next)).boxed()
    }

    fn get(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        let rows = self.rows();
        let theirs = rows
            .entries
            .get(&id)
            .filter(|row| row.new.organization == organization);
        std::future::ready(Ok(theirs.map(Row::entry))).boxed()
    }

    fn list(
        &self,
        _: Organization,
        _: Filter,
        _: Page,
    ) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        std::future::ready(Err(ReadError::Unavailable)).boxed()
    }

    fn events(
        &self,
        _: Organization,
        _: EntryId,
    ) -> BoxFuture<'_, Result<Option<Vec<Event>>, ReadError>> {
        std::future::ready(Err(ReadError::Unavailable)).boxed()
    }

    fn events_after(
        &self,
        _: Organization,
        _: u64,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<Event>, ReadError>> {
        std::future::ready(Err(ReadError::Unavailable)).boxed()
    }

    fn document(&self, _: Organization, _: EntryId) -> BoxFuture<'_, Result<Document, ReadError>> {
        std::future::ready(Err(ReadError::Unavailable)).boxed()
    }

    fn tally(&self) -> BoxFuture<'_, Result<Tally, ReadError>> {
        let rows = self.rows();
        let mut tally = Tally {
            stored: rows.entries.len() as u64,
            ..Tally::default()
        };
        rows.entries
            .values()
            .for_each(|row| tally.add(row.state, 1));
        std::future::ready(Ok(tally)).boxed()
    }

    fn add_range(&self, range: NumberRange) -> BoxFuture<'_, Result<bool, WriteError>> {
        let mut rows = self.rows();
        let known = rows.ranges.iter().any(|(held, _)| *held == range);
        if !known {
            rows.ranges.push((range, 0));
        }
        std::future::ready(Ok(!known)).boxed()
    }

    fn lease_block(
        &self,
        numbers_max: u64,
    ) -> BoxFuture<'_, Result<Option<NumberBlock>, WriteError>> {
        let mut rows = self.rows();
        rows.blocks += 1;
        let id = BlockId(rows.blocks);
        let block = rows
            .ranges
            .iter_mut()
            .find(|(range, next)| *next < range.size())
            .map(|(range, next)| {
                let end = (*next + numbers_max).min(range.size());
                let first = std::mem::replace(next, end);
                NumberBlock {
                    id,
                    range: range.clone(),
                    next: first,
                    end,
                }
            });
        std::future::ready(Ok(block)).boxed()
    }

    fn numbers_left(&self) -> BoxFuture<'_, Result<u64, ReadError>> {
        let left = self
            .rows()
            .ranges
            .iter()
            .map(|(range, next)| range.size() - next)
            .sum();
        std::future::ready(Ok(left)).boxed()
    }
}
