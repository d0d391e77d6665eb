//! Sealing again, under the active key, what lies under another.
//!
//! # Invariants
//!
//! 1. A value is opened and sealed again within one write: nobody changes it in between.
//! 2. What does not open stays as it is.
//!
//! # Limits
//!
//! [`Table::rows_max`] rows a write, [`WINDOW`] rows of a table a read: whoever commits or reads
//! beside a rotation waits for one of these at most. Of a value that is only looked at, the header is read
//! and no more ([`headers`]).

use std::collections::{BTreeMap, BTreeSet};

use engine::ports::{ReadError, WriteError};
use rusqlite::blob::Blob;
use rusqlite::types::ToSql;
use rusqlite::{Connection, MAIN_DB, params_from_iter};

use super::Sqlite;
use super::tx::Tx;
use crate::keys::ring::KEY_ID_LEN;
use crate::sealing::{KeyId, Place, Purpose, Sealer, key_of};

/// Rows of a table that one read looks at.
pub(crate) const WINDOW: i64 = 1_024;
/// What a sealed value begins with: its version, and the name of its key.
const HEADER_LEN: usize = 1 + KEY_ID_LEN;

/// A table with sealed columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    name: &'static str,
    /// What its rows are found by.
    key: &'static str,
    /// What names the row of a sealed value.
    row: &'static str,
    columns: &'static [&'static str],
    /// Rows sealed again in one write, at most: together less than a millisecond.
    rows_max: usize,
}

/// Every table with sealed columns; a test holds them against the columns there are.
pub(crate) const TABLES: [Table; 4] = [
    Table {
        name: "entries",
        key: "accepted_seq",
        row: "id",
        columns: &[
            "number",
            "authority",
            "payload",
            "answer",
            "paper",
            "reply_to",
            "audit",
        ],
        rows_max: 16,
    },
    Table {
        name: "documents",
        key: "entry",
        row: "(SELECT id FROM entries WHERE accepted_seq = entry)",
        columns: &["body"],
        // Some hundred kilobytes each.
        rows_max: 2,
    },
    Table {
        name: "audit_anchor",
        key: "one",
        row: "zeroblob(16)",
        columns: &["anchor"],
        rows_max: 1,
    },
    Table {
        name: "operator_state",
        // It has no other, and there are few.
        key: "name",
        row: "name",
        columns: &["value"],
        rows_max: 16,
    },
];

/// What came of some rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Resealed {
    /// Values under the active key now.
    pub(crate) values: u64,
    /// Values that do not open.
    pub(crate) damaged: u64,
}

/// A row, by its key: a number or a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowKey {
    Number(i64),
    Name(String),
}

impl ToSql for RowKey {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            RowKey::Number(number) => number.to_sql(),
            RowKey::Name(name) => name.to_sql(),
        }
    }
}

/// The sealed columns of a row; some may be empty.
type Values = Vec<Option<Vec<u8>>>;

/// Where a pass over a table goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    After(i64),
    End,
}

impl Table {
    /// Its sealed columns, by their full names.
    #[cfg(test)]
    pub(crate) fn sealed(&self) -> impl Iterator<Item = String> {
        let name = self.name;
        let columns = self.columns.iter();
        columns.map(move |column| format!("{name}.{column}"))
    }

    fn is_numbered(&self) -> bool {
        self.key != "name"
    }

    /// The last of the [`WINDOW`] rows after `after`; none: there is no row after it.
    fn window(&self, conn: &Connection, after: i64) -> rusqlite::Result<Option<i64>> {
        // Not by counting on: after a restore there is a gap of a million millions.
        let (name, key) = (self.name, self.key);
        let sql = format!(
            "SELECT max(k) FROM (SELECT {key} AS k FROM {name} WHERE {key} > ?1 ORDER BY {key} LIMIT ?2)"
        );
        conn.prepare_cached(&sql)?
            .query_row((after, WINDOW), |row| row.get(0))
    }

    /// Calls `found` with the row and the key id of every value in the window after `after`.
    fn each(
        &self,
        conn: &Connection,
        after: i64,
        mut found: impl FnMut(RowKey, Option<KeyId>),
    ) -> rusqlite::Result<Next> {
        if !self.is_numbered() {
            // There are few, and they are small.
            let [column] = self.columns else {
                unreachable!("a table of names has one sealed column")
            };
            let sql = format!(
                "SELECT {}, substr({column}, 1, {HEADER_LEN}) FROM {} WHERE {column} IS NOT NULL",
                self.key, self.name
            );
            let mut select = conn.prepare_cached(&sql)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                found(
                    RowKey::Name(row.get(0)?),
                    key_of(&row.get::<_, Vec<u8>>(1)?),
                );
            }
            return Ok(Next::End);
        }
        let Some(stop) = self.window(conn, after)? else {
            return Ok(Next::End);
        };
        for column in self.columns {
            headers(
                conn,
                (self.name, self.key, column),
                (after, stop),
                |row, id| {
                    found(RowKey::Number(row), id);
                },
            )?;
        }
        Ok(Next::After(stop))
    }

    /// Rows in the window after `after` that hold a value under another key than `active`.
    pub(crate) fn stale(
        &self,
        conn: &Connection,
        after: i64,
        active: KeyId,
    ) -> rusqlite::Result<(Vec<RowKey>, Next)> {
        let mut rows = BTreeSet::new();
        let next = self.each(conn, after, |row, id| {
            if id != Some(active) {
                rows.insert(row);
            }
        })?;
        Ok((rows.into_iter().collect(), next))
    }

    /// Counts into `counts` the values in the window after `after` by the key their header names.
    pub(crate) fn count(
        &self,
        conn: &Connection,
        after: i64,
        counts: &mut BTreeMap<KeyId, u64>,
    ) -> rusqlite::Result<Next> {
        self.each(conn, after, |_, id| {
            if let Some(id) = id {
                *counts.entry(id).or_default() += 1;
            }
        })
    }

    /// How many rows of it are sealed again in one write.
    pub(crate) fn rows_max(&self) -> usize {
        self.rows_max
    }

    /// Seals again what `rows` hold.
    pub(super) fn reseal(&self, tx: &Tx<'_>, rows: &[RowKey]) -> rusqlite::Result<Resealed> {
        let columns = self.columns.join(", ");
        let (name, key) = (self.name, self.key);
        let select = format!(
            "SELECT {}, {columns} FROM {name} WHERE {key} = ?1",
            self.row
        );
        let sets = self.columns.iter().enumerate();
        let sets: Vec<_> = sets
            .map(|(at, column)| format!("{column} = ?{}", at + 2))
            .collect();
        let update = format!("UPDATE {name} SET {} WHERE {key} = ?1", sets.join(", "));
        let mut resealed = Resealed::default();
        for row in rows {
            let Some((place, mut values)) = self.read(tx, &select, row)? else {
                continue;
            };
            let before = resealed.values;
            for (column, value) in self.columns.iter().zip(&mut values) {
                let place = Place { column, ..place };
                again(&tx.fixed.sealer, place, value, &mut resealed);
            }
            if resealed.values > before {
                let key: &dyn ToSql = row;
                let parameters = [key].into_iter();
                let parameters = parameters.chain(values.iter().map(|value| value as &dyn ToSql));
                tx.conn
                    .prepare_cached(&update)?
                    .execute(params_from_iter(parameters))?;
            }
        }
        Ok(resealed)
    }

    /// The place of a row and its values; `None` if it has gone.
    fn read(
        &self,
        tx: &Tx<'_>,
        select: &str,
        key: &RowKey,
    ) -> rusqlite::Result<Option<(Place, Values)>> {
        let mut select = tx.conn.prepare_cached(select)?;
        let mut rows = select.query([key])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let named = match key {
            RowKey::Number(_) => row.get(0)?,
            RowKey::Name(name) => {
                let sealer = &tx.fixed.sealer;
                sealer.digest(Purpose::Operator, &[name.as_bytes()])
            }
        };
        let values = (1..=self.columns.len()).map(|column| row.get(column));
        let place = Place {
            table: self.name,
            row: named,
            column: "",
        };
        Ok(Some((place, values.collect::<rusqlite::Result<_>>()?)))
    }
}

impl Sqlite {
    /// Waits until everything handed over so far is on disk, or is not.
    pub(crate) async fn flush(&self) -> Result<(), WriteError> {
        self.writer.write(|_| Ok(())).await
    }

    /// Seals the `rows` of `table` again.
    pub(crate) async fn reseal(
        &self,
        table: Table,
        rows: Vec<RowKey>,
    ) -> Result<Resealed, WriteError> {
        self.writer.write(move |tx| table.reseal(tx, &rows)).await
    }

    /// Runs `look` on a thread that reads.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.readers.read(move |conn| Ok(look(conn)?)).await
    }
}

/// Calls `found` with the number and the key id of every value of a column in the rows after one up to
/// another. The values are not read: `substr` would load every page of them.
pub(crate) fn headers(
    conn: &Connection,
    (table, key, column): (&str, &str, &str),
    (after, stop): (i64, i64),
    mut found: impl FnMut(i64, Option<KeyId>),
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT {key} FROM {table} WHERE {key} > ?1 AND {key} <= ?2 AND {column} IS NOT NULL"
    );
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query((after, stop))?;
    let mut opened: Option<Blob<'_>> = None;
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        let value = match opened.take() {
            Some(mut value) => {
                value.reopen(number)?;
                value
            }
            None => conn.blob_open(MAIN_DB, table, column, number, true)?,
        };
        let mut header = [0; HEADER_LEN];
        let whole = value.len() >= HEADER_LEN && {
            value.read_at_exact(&mut header, 0)?;
            true
        };
        found(number, whole.then(|| key_of(&header)).flatten());
        opened = Some(value);
    }
    Ok(())
}

/// Seals `value` again, if it lies under another key than the active one.
fn again(sealer: &Sealer, place: Place, value: &mut Option<Vec<u8>>, resealed: &mut Resealed) {
    let Some(sealed) = value else { return };
    if key_of(sealed) == Some(sealer.active()) {
        return;
    }
    let opened = sealer.unseal(place, sealed).ok();
    match opened.and_then(|plain| sealer.seal(place, &plain.0).ok()) {
        Some(again) => {
            *sealed = again;
            resealed.values += 1;
        }
        None => resealed.damaged += 1,
    }
}

#[cfg(test)]
mod tests;
