//! The outbox, as those see it who push from it.

use std::collections::BTreeSet;

use engine::ports::{Outbox, ReadError, Waiting, WriteError};
use futures_util::future::BoxFuture;
use policies::time::Timestamp;

use super::{Sqlite, outbox};

impl Outbox for Sqlite {
    fn due(
        &self,
        per_host_max: usize,
        skipped: BTreeSet<String>,
    ) -> BoxFuture<'_, Result<Waiting, ReadError>> {
        let (sealer, now) = (self.keys.sealer(), self.clock.now());
        Box::pin(
            self.readers
                .read(move |conn| outbox::due(conn, &sealer, (per_host_max, &skipped), now)),
        )
    }

    fn put_off<'a>(
        &'a self,
        seq: u64,
        host: &'a str,
        tries: u32,
        due: Timestamp,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        let host = host.to_owned();
        Box::pin(
            self.writer
                .write(move |tx| outbox::put_off(tx, (seq, &host), tries, due)),
        )
    }

    fn remove<'a>(&'a self, seq: u64, host: &'a str) -> BoxFuture<'a, Result<(), WriteError>> {
        let host = host.to_owned();
        Box::pin(
            self.writer
                .write(move |tx| outbox::remove(tx, (seq, &host))),
        )
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.pushable.notified())
    }

    fn waiting(&self) -> BoxFuture<'_, Result<u64, ReadError>> {
        Box::pin(self.readers.read(|conn| Ok(outbox::count(conn)?)))
    }
}
