//! What operators set while the gateway runs, beside the entries and as durably.
//!
//! # Invariants
//!
//! 1. A value opens under its own name only.
//! 2. One damaged value makes the reading of all fail: a toggle that is overlooked might let through
//!    what an operator has closed.
//!
//! # Limits
//!
//! [`NAME_BYTES_MAX`], [`VALUE_BYTES_MAX`] and [`STATES_MAX`]; what goes beyond is refused.

use engine::ports::{OperatorState, OperatorStates, ReadError, WriteError};
use futures_util::future::BoxFuture;
use policies::failure::Opaque;
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::reader::Unread;
use super::row::at;
use super::tx::Tx;
use crate::sealing::{Place, Purpose, Sealer};

/// A target and a setting of it.
const NAME_BYTES_MAX: usize = 256;
/// A value, an author and a reason.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Far more than there are lanes and operations.
const STATES_MAX: i64 = 4_096;

/// A change of one state, sealed.
pub(super) struct Change {
    name: String,
    sealed: Option<Vec<u8>>,
}

impl Change {
    /// Seals `value` under `name`; `None` forgets it.
    pub(super) fn seal(
        sealer: &Sealer,
        name: String,
        value: Option<Opaque>,
    ) -> Result<Change, WriteError> {
        let length = value.as_ref().map_or(0, |value| value.0.len());
        if name.len() > NAME_BYTES_MAX || length > VALUE_BYTES_MAX {
            tracing::error!("what an operator set is too long to be kept");
            return Err(WriteError::Refused);
        }
        let sealed = value
            .map(|value| sealer.seal(place(sealer, &name), &value.0))
            .transpose()
            .map_err(|_| {
                tracing::error!("what an operator set could not be sealed");
                WriteError::Refused
            })?;
        Ok(Change { name, sealed })
    }
}

/// Does it.
pub(super) fn put(tx: &mut Tx<'_>, change: &Change) -> rusqlite::Result<Result<(), WriteError>> {
    let Some(sealed) = &change.sealed else {
        tx.conn
            .prepare_cached("DELETE FROM operator_state WHERE name = ?1")?
            .execute([&change.name])?;
        return Ok(Ok(()));
    };
    let known: Option<i64> = tx
        .conn
        .prepare_cached("SELECT 1 FROM operator_state WHERE name = ?1")?
        .query_row([&change.name], |row| row.get(0))
        .optional()?;
    let count: i64 = tx
        .conn
        .prepare_cached("SELECT count(*) FROM operator_state")?
        .query_row([], |row| row.get(0))?;
    if known.is_none() && count >= STATES_MAX {
        tracing::error!("operators have set more than can be kept");
        return Ok(Err(WriteError::Refused));
    }
    tx.conn
        .prepare_cached(
            "INSERT INTO operator_state (name, value, at) VALUES (?1, ?2, ?3) \
             ON CONFLICT (name) DO UPDATE SET value = ?2, at = ?3",
        )?
        .execute(params![change.name, sealed, at(tx.now)])?;
    Ok(Ok(()))
}

/// Everything that is kept, by name.
pub(super) fn all(conn: &Connection, sealer: &Sealer) -> Result<Vec<OperatorState>, Unread> {
    let mut select = conn.prepare_cached("SELECT name, value FROM operator_state ORDER BY name")?;
    let mut rows = select.query([])?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, sealed): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let value = sealer
            .unseal(place(sealer, &name), &sealed)
            .map_err(|_| Unread::Damaged)?;
        states.push(OperatorState { name, value });
    }
    Ok(states)
}

impl OperatorStates for Sqlite {
    fn put_operator_state(
        &self,
        name: String,
        value: Option<Opaque>,
    ) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            let sealer = self.keys.sealer();
            let change = Change::seal(&sealer, name, value)?;
            self.writer
                .write(move |tx| {
                    let _until_written = sealer;
                    put(tx, &change)
                })
                .await?
        })
    }

    fn operator_states(&self) -> BoxFuture<'_, Result<Vec<OperatorState>, ReadError>> {
        let sealer = self.keys.sealer();
        Box::pin(self.readers.read(move |conn| all(conn, &sealer)))
    }
}

fn place(sealer: &Sealer, name: &str) -> Place {
    Place {
        table: "operator_state",
        row: sealer.digest(Purpose::Operator, &[name.as_bytes()]),
        column: "value",
    }
}
