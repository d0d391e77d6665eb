//! The outbox, as those see it who push from it.

use engine::ports::{Outbox, ReadError, Waiting, WriteError};
use futures_util::future::BoxFuture;
use policies::time::Timestamp;

use super::{Sqlite, outbox};

impl Outbox for Sqlite {
    fn due(&self, per_host_max: usize) -> BoxFuture<'_, Result<Waiting, ReadError>> {
        let (sealer, now) = (self.keys.sealer(), self.clock.now());
        Box::pin(
            self.readers
                .read(move |conn| outbox::due(conn, &sealer, per_host_max, now)),
        )
    }

    fn put_off(
        &self,
        seq: u64,
        tries: u32,
        due: Timestamp,
    ) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(
            self.writer
                .write(move |tx| outbox::put_off(tx, seq, tries, due)),
        )
    }

    fn remove(&self, seq: u64) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(self.writer.write(move |tx| outbox::remove(tx, seq)))
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.pushable.notified())
    }

    fn waiting(&self) -> BoxFuture<'_, Result<u64, ReadError>> {
        Box::pin(self.readers.read(|conn| Ok(outbox::count(conn)?)))
    }
}
