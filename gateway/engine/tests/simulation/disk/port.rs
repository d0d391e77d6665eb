//! The disk as the engine sees it.

use std::sync::Arc;
use std::time::Duration;

use engine::ports::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::failure::Opaque;
use policies::operation::LaneName;
use policies::state::{State, Tally};
use policies::time::Timestamp;

use super::{Disk, Refusal, Reply, Row, Write};

/// The store of one process.
pub(super) struct Port(pub(super) Arc<Disk>);

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> WriteError {
        match refusal {
            Refusal::Refused => WriteError::Refused,
            Refusal::Unknown => WriteError::Unknown,
        }
    }
}

impl From<Refusal> for AppendError {
    fn from(refusal: Refusal) -> AppendError {
        match refusal {
            Refusal::Refused => AppendError::Refused,
            Refusal::Unknown => AppendError::Unknown,
        }
    }
}

impl Port {
    /// Asks for one kind of reply, and gets it: each write has one.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        write: Write,
        reply: impl FnOnce(Reply) -> Option<T> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, WriteError>> {
        async move {
            let said = self.0.write(write).await?;
            Ok(reply(said).expect("each write has its own kind of reply"))
        }
        .boxed()
    }
}

impl Store for Port {
    fn append(&self, entries: Vec<NewEntry>) -> BoxFuture<'_, Vec<Result<Appended, AppendError>>> {
        async move {
            let mut said = Vec::new();
            for new in entries {
                said.push(match self.0.write(Write::Append(Box::new(new))).await {
                    Ok(Reply::Appended(appended)) => appended,
                    Ok(_) => unreachable!("each write has its own kind of reply"),
                    Err(refusal) => Err(refusal.into()),
                });
            }
            said
        }
        .boxed()
    }

    fn recall(
        &self,
        organization: Organization,
        key: String,
        fingerprint: Opaque,
    ) -> BoxFuture<'_, Result<Recall, ReadError>> {
        if self.0.is_poisoned() {
            return not_asked();
        }
        let known = self
            .0
            .look(|rows| rows.recall(&organization, &key, &fingerprint));
        std::future::ready(Ok(known)).boxed()
    }

    fn authority_awaited(&self) -> BoxFuture<'_, Result<bool, ReadError>> {
        let waits = |row: &Row| row.state == State::NeedsAuthorization;
        let awaited = self.0.look(|rows| rows.entries.iter().any(waits));
        std::future::ready(Ok(awaited)).boxed()
    }

    fn lease_due(
        &self,
        wanted: Wanted,
        entries_max: usize,
        lease_for: Duration,
    ) -> BoxFuture<'_, Result<Vec<Leased>, WriteError>> {
        self.ask(
            Write::Lease(wanted, entries_max, lease_for),
            |reply| match reply {
                Reply::Leased(leased) => Some(leased),
                _ => None,
            },
        )
    }

    fn settle(
        &self,
        settlements: Vec<Settlement>,
    ) -> BoxFuture<'_, Result<Vec<Settled>, WriteError>> {
        async move {
            let mut said = Vec::new();
            for settlement in settlements {
                let settled = |reply| match reply {
                    Reply::Settled(settled) => Some(settled),
                    _ => None,
                };
                said.push(self.ask(Write::Settle(settlement), settled).await?);
            }
            Ok(said)
        }
        .boxed()
    }

    fn sweep(&self, entries_max: usize) -> BoxFuture<'_, Result<Swept, WriteError>> {
        // Looking costs no write, as in the real store.
        let now = self.0.journal.now();
        if !self.0.look(|rows| rows.is_any_late(now)) {
            return std::future::ready(Ok(Swept::default())).boxed();
        }
        self.ask(Write::Sweep(entries_max), |reply| match reply {
            Reply::Swept(swept) => Some(swept),
            _ => None,
        })
    }

    fn hasten_watches(
        &self,
        _: LaneName,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        if !self.0.look(|rows| rows.is_any_watch_after(at)) {
            return std::future::ready(Ok(0)).boxed();
        }
        self.ask(Write::Hasten(at), count)
    }

    fn reauthorize(
        &self,
        organization: Organization,
        identity: Opaque,
        authority: Opaque,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        self.ask(Write::Reauthorize(organization, identity, authority), count)
    }

    fn next_due(&self, wanted: Wanted) -> BoxFuture<'_, Result<Option<Timestamp>, ReadError>> {
        let next = self.0.look(|rows| rows.next_due(wanted));
        std::future::ready(Ok(next)).boxed()
    }

    fn get(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        let entry = self.0.look(|rows| rows.entry(&organization, id));
        std::future::ready(Ok(entry)).boxed()
    }

    fn list(
        &self,
        _: Organization,
        _: Filter,
        _: Page,
    ) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        not_asked()
    }

    fn events(
        &self,
        _: Organization,
        _: EntryId,
    ) -> BoxFuture<'_, Result<Option<Vec<Event>>, ReadError>> {
        not_asked()
    }

    fn events_after(
        &self,
        _: Organization,
        _: u64,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<Event>, ReadError>> {
        not_asked()
    }

    fn document(&self, _: Organization, _: EntryId) -> BoxFuture<'_, Result<Document, ReadError>> {
        not_asked()
    }

    fn tally(&self) -> BoxFuture<'_, Result<Tally, ReadError>> {
        std::future::ready(Ok(self.0.look(|rows| rows.tally()))).boxed()
    }

    fn add_range(&self, range: NumberRange) -> BoxFuture<'_, Result<bool, WriteError>> {
        self.ask(Write::AddRange(range), |reply| match reply {
            Reply::Added(added) => Some(added),
            _ => None,
        })
    }

    fn lease_block(
        &self,
        numbers_max: u64,
    ) -> BoxFuture<'_, Result<Option<NumberBlock>, WriteError>> {
        self.ask(Write::LeaseBlock(numbers_max), |reply| match reply {
            Reply::Block(block) => Some(block),
            _ => None,
        })
    }

    fn numbers_left(&self) -> BoxFuture<'_, Result<u64, ReadError>> {
        std::future::ready(Ok(self.0.look(|rows| rows.numbers_left()))).boxed()
    }
}

fn count(reply: Reply) -> Option<usize> {
    match reply {
        Reply::Count(count) => Some(count),
        _ => None,
    }
}

/// What only the edge reads is not simulated.
fn not_asked<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, ReadError>> {
    std::future::ready(Err(ReadError::Unavailable)).boxed()
}
