//! What is written: one function a change, each inside the transaction of its group.

use std::sync::Arc;

use engine::ports::{Digest, LookupKey};
use rusqlite::{Connection, params};

use super::file;
use super::reseal::Again;
use super::row::Row;
use super::scale::ShelfTime;
use crate::sealing::Sealer;

/// The oldest answers that make room for others, at a time.
const EVICTED_AT_ONCE: usize = 64;
/// Answers that one group drives out, at most: under a limit that was lowered the file comes down
/// bit by bit.
const EVICTED_MAX: usize = 1_024;
/// What a row touches beside the pages of its own: leaves of the table and of both indexes, and one
/// split of each.
const PAGES_A_ROW: i64 = 6;
/// What fits of an answer into one page; less than there is.
const PAGE_BYTES: usize = 4_000;

/// Something to write.
pub(super) enum Change {
    Put(Row),
    Remove(LookupKey),
    Purge(Digest),
    Sweep {
        before: ShelfTime,
        answers_max: usize,
    },
    Again {
        answers: Vec<Again>,
        /// Held until it is written, so that its key is not destroyed before.
        _sealer: Arc<Sealer>,
    },
    /// Nothing: it is synced, and with it all before it.
    Flush,
}

/// Until when what was deleted may lie in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Erasure {
    /// For as long as it likes.
    Never,
    /// Until the sweep is over that has deleted it.
    Later,
    /// Until who asked for it is answered.
    Now,
}

impl Change {
    /// Whether it takes room.
    pub(super) fn is_put(&self) -> bool {
        matches!(self, Change::Put(_))
    }

    /// Whether no power cut may take it back.
    pub(super) fn is_synced(&self) -> bool {
        matches!(self, Change::Purge(_) | Change::Flush)
    }

    /// What it asks for, having concerned so many `answers`, where as much is `owed` already.
    pub(super) fn erases(&self, answers: usize, owed: Erasure) -> Erasure {
        match *self {
            // What it does not find may have been removed a moment ago, and be in the log.
            Change::Purge(_) => Erasure::Now,
            Change::Sweep { answers_max, .. } if answers >= answers_max => Erasure::Later,
            Change::Sweep { .. } if answers > 0 || owed > Erasure::Never => Erasure::Now,
            Change::Put(_)
            | Change::Remove(_)
            | Change::Sweep { .. }
            | Change::Again { .. }
            | Change::Flush => Erasure::Never,
        }
    }

    /// The pages it may take.
    pub(super) fn pages(&self) -> i64 {
        match self {
            Change::Put(row) => {
                let pages = row.sealed.len() / PAGE_BYTES;
                PAGES_A_ROW + i64::try_from(pages).unwrap_or(i64::MAX / 2)
            }
            _ => 0,
        }
    }

    /// Does it; how many answers it concerned.
    pub(super) fn run(&self, conn: &Connection) -> rusqlite::Result<usize> {
        match self {
            Change::Put(row) => conn
                .prepare_cached(
                    "INSERT INTO answers (person, question, fetched_at, sealed) \
                     VALUES (?1, ?2, ?3, ?4) ON CONFLICT (person, question) \
                     DO UPDATE SET fetched_at = ?3, sealed = ?4",
                )?
                .execute(params![
                    row.key.person,
                    row.key.question,
                    row.fetched_at.0,
                    row.sealed
                ]),
            Change::Remove(key) => conn
                .prepare_cached("DELETE FROM answers WHERE person = ?1 AND question = ?2")?
                .execute(params![key.person, key.question]),
            Change::Purge(person) => conn
                .prepare_cached("DELETE FROM answers WHERE person = ?1")?
                .execute([person]),
            Change::Sweep {
                before,
                answers_max,
            } => oldest(conn, *before, *answers_max),
            Change::Again { answers, .. } => {
                let put = answers.iter().map(|again| again.put(conn));
                put.sum::<rusqlite::Result<usize>>()
            }
            // The mark of the clocks, which every group writes, makes it a commit.
            Change::Flush => Ok(0),
        }
    }
}

/// Deletes the oldest answers that were stamped before `before`; how many.
fn oldest(conn: &Connection, before: ShelfTime, answers_max: usize) -> rusqlite::Result<usize> {
    let answers_max = i64::try_from(answers_max).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "DELETE FROM answers WHERE id IN \
         (SELECT id FROM answers WHERE fetched_at < ?1 ORDER BY fetched_at LIMIT ?2)",
    )?
    .execute([before.0, answers_max])
}

/// Deletes a few of the oldest answers, of whatever age; how many.
pub(super) fn evict(conn: &Connection) -> rusqlite::Result<usize> {
    oldest(conn, ShelfTime(i64::MAX), EVICTED_AT_ONCE)
}

/// Lets the oldest answers go until `needed` pages fit below `pages_max`.
pub(super) fn make_fit(conn: &Connection, needed: i64, pages_max: i64) -> rusqlite::Result<()> {
    let mut evicted = 0;
    while needed > 0 && evicted < EVICTED_MAX {
        let (used, _) = file::pages(conn)?;
        if used.saturating_add(needed) <= pages_max {
            break;
        }
        match evict(conn)? {
            0 => break,
            more => evicted += more,
        }
    }
    if evicted > 0 {
        tracing::debug!(
            answers = evicted,
            "the oldest answers about persons made room"
        );
    }
    Ok(())
}
