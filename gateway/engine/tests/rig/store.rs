//! A store in memory that keeps the contract and nothing else: no disk, no sealing.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use engine::ports::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::failure::Opaque;
use policies::family::Role;
use policies::operation::LaneName;
use policies::state::{State, Tally};
use policies::time::Timestamp;

use super::UNDO;
use super::rows::{Row, Rows};

/// What one write to the disk takes; others come in meanwhile.
pub(crate) const DISK: Duration = Duration::from_millis(1);

pub(crate) struct ModelStore {
    clock: Arc<dyn Clock>,
    disk: Mutex<Disk>,
}

pub(crate) struct Disk {
    pub(crate) rows: Rows,
    pub(crate) refuse_appends: Option<AppendError>,
    pub(crate) refuse_settles: Option<WriteError>,
    pub(crate) appends_begun: usize,
    /// No block of numbers is to be had.
    pub(crate) no_blocks: bool,
    ranges: Vec<(NumberRange, u64)>,
    blocks: u64,
}

impl Disk {
    pub(crate) fn row(&self, id: EntryId) -> &Row {
        let place = self
            .rows
            .place(id)
            .expect("only stored entries are asked for");
        &self.rows.entries[place]
    }

    pub(crate) fn row_mut(&mut self, id: EntryId) -> &mut Row {
        let place = self
            .rows
            .place(id)
            .expect("only stored entries are asked for");
        &mut self.rows.entries[place]
    }
}

impl ModelStore {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> ModelStore {
        let disk = Disk {
            rows: Rows::new(UNDO),
            refuse_appends: None,
            refuse_settles: None,
            appends_begun: 0,
            no_blocks: false,
            ranges: Vec::new(),
            blocks: 0,
        };
        ModelStore {
            clock,
            disk: Mutex::new(disk),
        }
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no test panics under this lock")
    }

    fn append_one(&self, new: NewEntry, at: Timestamp) -> Result<Appended, AppendError> {
        let mut disk = self.disk();
        match disk.refuse_appends {
            Some(error) => Err(error),
            None => Ok(disk.rows.append(at, new)),
        }
    }
}

impl Store for ModelStore {
    fn append(&self, entries: Vec<NewEntry>) -> BoxFuture<'_, Vec<Result<Appended, AppendError>>> {
        async move {
            let at = self.clock.now();
            self.disk().appends_begun += 1;
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
        let disk = self.disk();
        let known = match disk.refuse_appends {
            Some(AppendError::Unknown) => Err(ReadError::Unavailable),
            _ => Ok(disk.rows.recall(&organization, &key, &fingerprint)),
        };
        std::future::ready(known).boxed()
    }

    fn authority_awaited(&self) -> BoxFuture<'_, Result<bool, ReadError>> {
        let waits = |row: &Row| row.state == State::NeedsAuthorization;
        std::future::ready(Ok(self.disk().rows.entries.iter().any(waits))).boxed()
    }

    fn lease_due(
        &self,
        wanted: Wanted,
        entries_max: usize,
        lease_for: Duration,
    ) -> BoxFuture<'_, Result<Vec<Leased>, WriteError>> {
        let now = self.clock.now();
        let leased = self.disk().rows.lease(now, wanted, entries_max, lease_for);
        std::future::ready(Ok(leased)).boxed()
    }

    fn settle(
        &self,
        settlements: Vec<Settlement>,
    ) -> BoxFuture<'_, Result<Vec<Settled>, WriteError>> {
        let now = self.clock.now();
        let mut disk = self.disk();
        let settled = match disk.refuse_settles {
            Some(error) => Err(error),
            None => Ok(settlements
                .into_iter()
                .map(|one| disk.rows.settle(now, one))
                .collect()),
        };
        std::future::ready(settled).boxed()
    }

    fn sweep(&self, entries_max: usize) -> BoxFuture<'_, Result<Swept, WriteError>> {
        let now = self.clock.now();
        std::future::ready(Ok(self.disk().rows.sweep(now, entries_max))).boxed()
    }

    fn hasten_watches(
        &self,
        lane: LaneName,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        std::future::ready(Ok(self.disk().rows.hasten_watches(lane, at))).boxed()
    }

    fn reauthorize(
        &self,
        organization: Organization,
        identity: Opaque,
        authority: Opaque,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        let now = self.clock.now();
        let mut disk = self.disk();
        let count = disk
            .rows
            .reauthorize(now, &organization, &identity, &authority);
        std::future::ready(Ok(count)).boxed()
    }

    fn next_due(&self, wanted: Wanted) -> BoxFuture<'_, Result<Option<Timestamp>, ReadError>> {
        std::future::ready(Ok(self.disk().rows.next_due(wanted))).boxed()
    }

    fn get(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        let disk = self.disk();
        let row = disk.rows.place(id).map(|place| &disk.rows.entries[place]);
        let theirs =
            row.filter(|row| row.new.role == Role::Create && row.new.organization == organization);
        std::future::ready(Ok(theirs.map(|row| disk.rows.entry(row)))).boxed()
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
        std::future::ready(Ok(self.disk().rows.tally())).boxed()
    }

    fn add_range(&self, range: NumberRange) -> BoxFuture<'_, Result<bool, WriteError>> {
        let mut disk = self.disk();
        let known = disk.ranges.iter().any(|(held, _)| *held == range);
        if !known {
            disk.ranges.push((range, 0));
        }
        std::future::ready(Ok(!known)).boxed()
    }

    fn lease_block(
        &self,
        numbers_max: u64,
    ) -> BoxFuture<'_, Result<Option<NumberBlock>, WriteError>> {
        let mut disk = self.disk();
        if disk.no_blocks {
            return std::future::ready(Ok(None)).boxed();
        }
        disk.blocks += 1;
        let id = BlockId(disk.blocks);
        let block = disk
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
            .disk()
            .ranges
            .iter()
            .map(|(range, next)| range.size() - next)
            .sum();
        std::future::ready(Ok(left)).boxed()
    }
}
