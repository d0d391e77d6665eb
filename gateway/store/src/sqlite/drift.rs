//! The wall clock between one process and the next, where nothing keeps it in step.
//!
//! Within a process the clock runs evenly. A new one reads the wall again, and the wall may have been
//! wrong then or may be wrong now; the store cannot know which. It can know that it does not fit:
//! the last reading is kept in `meta`.
//!
//! # Invariants
//!
//! 1. A clock that stands before the last reading puts nothing off: whatever was deferred is due. It
//!    was deferred to spare the upstream for a while, and that while can no longer be measured; too
//!    early costs one attempt, too late may cost years. A paper form is waited for no longer than
//!    from now on, and the looks of a watch are counted from now on.
//! 2. A clock that stands more than [`JUMP_MAX`] after it parks nothing by that alone: a deadline that
//!    passed between the two readings is not acted on by this process. One that passes later, or had
//!    passed before, is.
//!
//! # Limits
//!
//! The reading is written at every start and then at most once in [`NOTED_EVERY`], with what is
//! written anyway, so that it lags by that much in a process that writes. A clock put back by less
//! than [`BACK_MAX`] is taken for one that was corrected. The next start believes the clock it finds:
//! who does not want to lose entries to a wrong one sets it right before that.

use std::time::Duration;

use policies::time::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::row::{at, instant};

/// A clock that lost this much between two processes was corrected; nothing waits longer for it.
const BACK_MAX: Duration = Duration::from_secs(5);
/// A gateway that was off for longer says so, right or wrong.
const JUMP_MAX: Duration = Duration::from_secs(30 * 86_400);
/// How often the reading is written: one more page in one commit.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// No open watch began after ?1. That a watch is no prescription is said for the index.
pub(super) const WATCHES_BEGIN: &str = "UPDATE entries SET accepted_at = min(accepted_at, ?1) \
     WHERE role = 'watch' AND role <> 'create' AND queue IS NOT NULL";

/// How the clock of this process fits what the last one saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drift {
    /// It follows on it.
    None,
    /// It stands before it.
    Back,
    /// It stands far after it.
    Ahead {
        /// The last reading of an earlier process.
        last: Timestamp,
        /// The first one of this process.
        opened: Timestamp,
    },
}

impl Drift {
    /// Compares `opened`, the first reading of this process, with the last one that was kept, and
    /// says what does not fit.
    pub(super) fn find(conn: &Connection, opened: Timestamp) -> rusqlite::Result<Drift> {
        let last: Option<i64> = conn
            .query_row("SELECT clock FROM meta", [], |row| row.get(0))
            .optional()?;
        let last = last.map_or(opened, instant);
        let days = |span: Duration| span.as_secs() / 86_400;
        Ok(if last.since(opened) > BACK_MAX {
            tracing::error!(
                last_ms = last.0,
                now_ms = opened.0,
                days = days(last.since(opened)),
                "the clock stands before what this store has seen: what was put off is due now; \
                 if the clock is wrong, stop, set it right and start again"
            );
            Drift::Back
        } else if opened.since(last) > JUMP_MAX {
            tracing::error!(
                last_ms = last.0,
                now_ms = opened.0,
                days = days(opened.since(last)),
                "the clock stands long after what this store has seen: deadlines that passed in \
                 between park nothing until the next start; if the clock is wrong, stop, set it \
                 right and start again"
            );
            Drift::Ahead { last, opened }
        } else {
            Drift::None
        })
    }

    /// Invariant 1.
    pub(super) fn wake(self, conn: &Connection, now: Timestamp) -> rusqlite::Result<()> {
        if self == Drift::Back {
            conn.execute(
                "UPDATE entries SET paper_due = min(paper_due, ?1 + paper_within_ms) \
                 WHERE paper_due IS NOT NULL",
                [at(now)],
            )?;
            conn.execute(WATCHES_BEGIN, [at(now)])?;
            conn.execute(
                "UPDATE entries SET queue = 'ready', due = NULL WHERE queue = 'deferred'",
                [],
            )?;
        }
        Ok(())
    }

    /// The deadlines, from and up to, that count as passed at `now`.
    pub(super) fn passed(self, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        match self {
            Drift::None | Drift::Back => vec![(Timestamp(0), now)],
            Drift::Ahead { last, opened } => vec![(Timestamp(0), last), (opened, now)],
        }
    }
}

/// Keeps the present reading, if the one that was `noted` has grown old.
pub(super) fn note(
    conn: &Connection,
    now: Timestamp,
    noted: &mut Timestamp,
) -> rusqlite::Result<()> {
    if now.since(*noted) >= NOTED_EVERY {
        conn.prepare_cached("UPDATE meta SET clock = ?1")?
            .execute([at(now)])?;
        *noted = now;
    }
    Ok(())
}
