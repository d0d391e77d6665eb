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
use rusqlite::{Connection, params};

use super::change::Change;
use super::{Persons, row};
use crate::sealing::{KeyId, Sealer, key_of};
use crate::sqlite::reader::Unread;

/// Answers sealed again in one write, at most.
const ANSWERS_MAX: i64 = 64;

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
        let found = found.map_err(|error| {
            if error == ReadError::Damaged {
                self.writer
                    .broken(self.shared.generation.load(Ordering::Acquire));
            }
            WriteError::Refused
        })?;
        let next = found.last().map(|stale| stale.id);
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

    /// Counts into `counts` the answers by the key that seals them.
    pub(crate) async fn count(
        &self,
        mut counts: BTreeMap<KeyId, u64>,
    ) -> Result<BTreeMap<KeyId, u64>, ReadError> {
        let shared = Arc::clone(&self.shared);
        self.readers
            .read(move |reader| {
                let conn = reader.open(&shared)?;
                let mut select = conn.prepare_cached(
                    "SELECT substr(sealed, 1, 5), count(*) FROM answers GROUP BY 1 \
                     UNION ALL SELECT substr(mark, 1, 5), 1 FROM meta",
                )?;
                let mut rows = select.query([])?;
                while let Some(row) = rows.next()? {
                    let header: Vec<u8> = row.get(0)?;
                    if let Some(id) = key_of(&header) {
                        *counts.entry(id).or_default() += row.get::<_, i64>(1)?.unsigned_abs();
                    }
                }
                Ok(counts)
            })
            .await
    }
}

fn stale(conn: &Connection, after: i64, active: KeyId) -> Result<Vec<Stale>, Unread> {
    let mut select = conn.prepare_cached(
        "SELECT id, person, question, sealed FROM answers \
         WHERE id > ?1 AND substr(sealed, 2, 4) <> ?2 ORDER BY id LIMIT ?3",
    )?;
    let rows = select.query_map(params![after, active, ANSWERS_MAX], |row| {
        Ok(Stale {
            id: row.get(0)?,
            key: LookupKey {
                person: row.get(1)?,
                question: row.get(2)?,
            },
            sealed: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
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
