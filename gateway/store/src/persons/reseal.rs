//! Sealing answers again, under the active key.
//!
//! # Invariants
//!
//! 1. An answer that was replaced or removed meanwhile stays so.
//! 2. One that does not open is forgotten, as when it is looked up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::ports::{LookupKey, ReadError, WriteError};
use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::{Persons, row};
use crate::sealing::{KeyId, Sealer, key_of};
use crate::sqlite::reader::Unread;
use crate::sqlite::reseal::{WINDOW, headers};

/// Answers sealed again in one write, at most.
const ANSWERS_MAX: usize = 64;
/// The sealed values: their table, what they are found by, and their column.
const SEALED: (&str, &str, &str) = ("answers", "id", "sealed");

/// An answer that lies under another key.
pub(super) struct Stale {
    id: i64,
    key: LookupKey,
    sealed: Vec<u8>,
}

/// An answer sealed again.
pub(super) struct Again {
    id: i64,
    before: Vec<u8>,
    /// `None`: it did not open.
    after: Option<Vec<u8>>,
}

impl Again {
    /// Takes the place of the value it was made of.
    pub(super) fn put(&self, conn: &Connection) -> rusqlite::Result<usize> {
        if self.after.is_none() {
            return conn
                .prepare_cached("DELETE FROM answers WHERE id = ?1 AND sealed = ?2")?
                .execute(params![self.id, self.before]);
        }
        conn.prepare_cached("UPDATE answers SET sealed = ?3 WHERE id = ?1 AND sealed = ?2")?
            .execute(params![self.id, self.before, self.after])
    }
}

impl Persons {
    /// Seals some answers after `after` again; after which one to go on, and how many there were.
    pub(crate) async fn reseal(&self, after: i64) -> Result<(Option<i64>, u64), WriteError> {
        let sealer = self.shared.keys.sealer();
        let active = sealer.active();
        let shared = Arc::clone(&self.shared);
        let found = self
            .readers
            .read(move |reader| stale(reader.open(&shared)?, after, active))
            .await;
        let (found, next) = found.map_err(|error| {
            if error == ReadError::Damaged {
                self.writer
                    .broken(self.shared.generation.load(Ordering::Acquire));
            }
            WriteError::Refused
        })?;
        let again: Vec<_> = found
            .into_iter()
            .map(|stale| again(&sealer, stale))
            .collect();
        let count = u64::try_from(again.len()).unwrap_or(u64::MAX);
        // Nothing at all is written too: with it the mark of the clocks.
        let write = Change::Again {
            answers: again,
            _sealer: sealer,
        };
        self.writer.write(write).await?;
        Ok((next, count))
    }

    /// Counts into `counts` the answers after `after` by the key that seals them, some at a time; after
    /// which one to go on. The mark of the clocks is counted with the first.
    pub(crate) async fn count(
        &self,
        after: i64,
        mut counts: BTreeMap<KeyId, u64>,
    ) -> Result<(BTreeMap<KeyId, u64>, Option<i64>), ReadError> {
        let shared = Arc::clone(&self.shared);
        self.readers
            .read(move |reader| {
                let conn = reader.open(&shared)?;
                let mut count = |id: Option<KeyId>| {
                    if let Some(id) = id {
                        *counts.entry(id).or_default() += 1;
                    }
                };
                if after == 0 {
                    let mut select = conn.prepare_cached("SELECT mark FROM meta")?;
                    let mark = select.query_row([], |row| row.get::<_, Vec<u8>>(0));
                    count(mark.optional()?.and_then(|mark| key_of(&mark)));
                }
                let stop = window(conn, after)?;
                if let Some(stop) = stop {
                    headers(conn, SEALED, (after, stop), |_, id| count(id))?;
                }
                Ok((counts, stop))
            })
            .await
    }

    /// Puts on disk all that was handed over so far: from here on no power cut takes it back.
    pub(crate) async fn flush(&self) -> Result<(), WriteError> {
        self.writer.write(Change::Flush).await.map(drop)
    }
}

/// The last of the next [`WINDOW`] answers after `after`; none: there is none after it.
fn window(conn: &Connection, after: i64) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached(
        "SELECT max(id) FROM (SELECT id FROM answers WHERE id > ?1 ORDER BY id LIMIT ?2)",
    )?
    .query_row((after, WINDOW), |row| row.get(0))
}

/// Answers after `after` that lie under another key than `active`, and after which one to go on.
fn stale(
    conn: &Connection,
    after: i64,
    active: KeyId,
) -> Result<(Vec<Stale>, Option<i64>), Unread> {
    let Some(stop) = window(conn, after)? else {
        return Ok((Vec::new(), None));
    };
    let mut found = Vec::new();
    headers(conn, SEALED, (after, stop), |id, key| {
        if key != Some(active) {
            found.push(id);
        }
    })?;
    let mut select =
        conn.prepare_cached("SELECT id, person, question, sealed FROM answers WHERE id = ?1")?;
    let mut stale = Vec::new();
    for id in found.iter().take(ANSWERS_MAX) {
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Stale {
                id: row.get(0)?,
                key: LookupKey {
                    person: row.get(1)?,
                    question: row.get(2)?,
                },
                sealed: row.get(3)?,
            })
        };
        // One that was removed since is none.
        stale.extend(select.query_row([id], row).optional()?);
    }
    // The rest of the window is looked at again.
    let next = match found.len() > ANSWERS_MAX {
        true => found[ANSWERS_MAX - 1],
        false => stop,
    };
    Ok((stale, Some(next)))
}

fn again(sealer: &Sealer, stale: Stale) -> Again {
    let place = row::place(sealer, stale.key);
    let opened = sealer.unseal(place, &stale.sealed).ok();
    if opened.is_none() {
        tracing::error!("an answer about a person cannot be unsealed and is forgotten");
    }
    let after = opened.and_then(|plain| sealer.seal(place, &plain.0).ok());
    Again {
        id: stale.id,
        before: stale.sealed,
        after,
    }
}
