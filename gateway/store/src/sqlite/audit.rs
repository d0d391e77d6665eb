//! What the audit takes from the store, and what it leaves there.
//!
//! The record of a write lies in the row of its entry, and is copied to the audit's own files from there,
//! also after a crash between the two. How far those files go is kept here, so that it cannot be cut off
//! unnoticed.

use std::sync::OnceLock;

use engine::ports::{EntryId, WriteError};
use policies::failure::Opaque;
use policies::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::log::Files;
use super::row::{instant, int, limit, place, uint};
use super::{OpenError, Sqlite, schema};
use crate::sealing::{Digest, Place, Purpose, Sealer};

const ANCHOR: Place = Place {
    table: "audit_anchor",
    row: [0; 16],
    column: "anchor",
};

/// Who is told when a write with an audit record was committed.
#[derive(Default)]
pub(crate) struct Accounts(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl Accounts {
    /// Tells it. Called by the writing thread: it must not wait.
    pub(super) fn committed(&self) {
        if let Some(tell) = self.0.get() {
            tell();
        }
    }
}

/// The record of one write, as its row has it.
pub(crate) struct Account {
    /// The place of the write in the order of all events.
    pub(crate) place: u64,
    pub(crate) entry: EntryId,
    pub(crate) at: Timestamp,
    /// None where it does not unseal.
    pub(crate) record: Option<Opaque>,
}

/// A connection that only reads.
pub(crate) struct Rows(Connection);

impl Rows {
    /// Of the store in `directory`.
    pub(crate) fn open(directory: &std::path::Path) -> Result<Rows, OpenError> {
        schema::open_reader(&Files::of(directory).database).map(Rows)
    }

    /// The records of the writes behind `place`, in order, `rows_max` at most.
    pub(crate) fn accounts(
        &self,
        sealer: &Sealer,
        place_before: u64,
        rows_max: usize,
    ) -> rusqlite::Result<Vec<Account>> {
        let mut select = self.0.prepare_cached(
            "SELECT accepted_seq, id, accepted_at, audit FROM entries \
             WHERE accepted_seq > ?1 AND audit IS NOT NULL ORDER BY accepted_seq LIMIT ?2",
        )?;
        let rows = select.query_map(params![int(place_before), limit(rows_max)], |row| {
            let entry = EntryId(Uuid::from_bytes(row.get(1)?));
            let sealed: Vec<u8> = row.get(3)?;
            Ok(Account {
                place: uint(row.get(0)?),
                entry,
                at: instant(row.get(2)?),
                record: sealer.unseal(place(entry, "audit"), &sealed).ok(),
            })
        })?;
        rows.collect()
    }

    /// Place and name of every write up to `place` that has a record, in order.
    pub(crate) fn writes(&self, place: u64) -> rusqlite::Result<Vec<(u64, [u8; 16])>> {
        let mut select = self.0.prepare(
            "SELECT accepted_seq, id FROM entries \
             WHERE accepted_seq <= ?1 AND audit IS NOT NULL ORDER BY accepted_seq",
        )?;
        let writes = select.query_map([int(place)], |row| Ok((uint(row.get(0)?), row.get(1)?)))?;
        writes.collect()
    }

    /// Whether `entry` stands at `place`: a store that was put back may have another there, or none.
    pub(crate) fn holds(&self, place: u64, entry: &[u8; 16]) -> rusqlite::Result<bool> {
        self.0
            .prepare_cached("SELECT 1 FROM entries WHERE accepted_seq = ?1 AND id = ?2")?
            .exists(params![int(place), entry])
    }

    /// The names of every entry about `person`, and of what was done about those.
    pub(crate) fn entries_of(
        &self,
        sealer: &Sealer,
        person: &[u8],
    ) -> rusqlite::Result<Vec<[u8; 16]>> {
        let digest: Digest = sealer.digest(Purpose::Person, &[person]);
        let mut select = self.0.prepare(
            "WITH theirs AS (SELECT id FROM entries WHERE person_digest = ?1) \
             SELECT id FROM theirs \
             UNION SELECT id FROM entries WHERE depends_on IN (SELECT id FROM theirs)",
        )?;
        let found = select.query_map([digest], |row| row.get(0))?;
        found.collect()
    }

    /// The anchor, if one was ever set. `Err` inside: it does not unseal.
    pub(crate) fn anchor(&self, sealer: &Sealer) -> rusqlite::Result<Option<Option<Opaque>>> {
        let sealed: Option<Vec<u8>> = self
            .0
            .query_row("SELECT anchor FROM audit_anchor", [], |row| row.get(0))
            .optional()?;
        Ok(sealed.map(|sealed| sealer.unseal(ANCHOR, &sealed).ok()))
    }
}

impl Sqlite {
    /// A connection of its own for the audit.
    pub(crate) fn audit_rows(&self) -> Result<Rows, OpenError> {
        Rows::open(&self.directory)
    }

    /// Has `tell` called whenever a write with an audit record was committed; once a store.
    pub(crate) fn on_account(&self, tell: Box<dyn Fn() + Send + Sync>) {
        // A second audit over one store is a defect that its own tests would show.
        assert!(self.accounts.0.set(tell).is_ok(), "one audit a store");
    }

    /// Sets the anchor, and returns once it is on disk. Must not be called from a runtime.
    pub(crate) fn put_anchor(&self, anchor: &[u8]) -> Result<(), WriteError> {
        let sealer = self.keys.sealer();
        let sealed = sealer
            .seal(ANCHOR, anchor)
            .map_err(|_| WriteError::Refused)?;
        self.writer.write_blocking(move |tx| {
            tx.conn
                .prepare_cached(
                    "INSERT INTO audit_anchor (one, anchor) VALUES (1, ?1) \
                     ON CONFLICT (one) DO UPDATE SET anchor = ?1",
                )?
                .execute([&sealed])
                .map(drop)
        })
    }
}
