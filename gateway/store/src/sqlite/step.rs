//! One step of an entry from one state to another: its row, its event and the count of pending.
//!
//! # Invariants
//!
//! 1. An event is written if, and only if, state or reason differ from what the caller last heard.
//!    A lease tells nobody, so an attempt that changed nothing leaves no event.
//! 2. `updated_at` is the time of the last event.

use policies::failure::Code;
use policies::state::State;
use policies::time::Timestamp;
use rusqlite::{Params, Row, params};

use super::row::{at, optional_text, queue_of, text, visible};
use super::tx::Tx;

/// Where an entry stands, as far as moving it needs to know.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) seq: i64,
    pub(super) state: State,
    pub(super) epoch: i64,
    pub(super) sends: u32,
    organization: String,
    pub(super) reason: Option<Code>,
    failures: u32,
}

/// The columns of [`Standing`], in its order.
macro_rules! standing_columns {
    () => {
        "accepted_seq, organization, state, reason, epoch, sends, failures"
    };
}
pub(super) use standing_columns;

impl Standing {
    /// How many columns it takes.
    pub(super) const COLUMNS: usize = 7;

    /// Reads a row that begins with `standing_columns!()`. A word that cannot be read counts as a
    /// state at rest that the caller has not heard of, so that it is neither settled nor lost.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Standing> {
        let state = text(row, 2)?;
        let reason = optional_text(row, 3)?;
        Ok(Standing {
            seq: row.get(0)?,
            organization: text(row, 1)?,
            state: State::parse(&state).unwrap_or(State::Conflict),
            reason: reason.as_deref().and_then(Code::parse),
            epoch: row.get(4)?,
            sends: row.get(5)?,
            failures: row.get(6)?,
        })
    }

    /// Reads the rows of `sql`, whose columns are `standing_columns!()`.
    pub(super) fn all(
        tx: &Tx<'_>,
        sql: &str,
        params: impl Params,
    ) -> rusqlite::Result<Vec<Standing>> {
        tx.conn
            .prepare_cached(sql)?
            .query_map(params, Standing::read)?
            .collect()
    }

    /// The step to `state` that leaves everything else as it is, and is due at once if it can be.
    pub(super) fn to(&self, state: State, reason: Option<Code>) -> Step<'static> {
        Step {
            state,
            reason,
            due: None,
            sends: self.sends,
            failures: self.failures,
            answer: None,
        }
    }
}

/// Where an entry goes.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) state: State,
    pub(super) reason: Option<Code>,
    /// When it is due there; `None`: at once, where the state is one that can be due.
    pub(super) due: Option<Timestamp>,
    pub(super) sends: u32,
    pub(super) failures: u32,
    /// Sealed; `None` keeps what is there.
    pub(super) answer: Option<&'a [u8]>,
}

/// Takes an entry that nobody else holds from where it stands to where it goes.
pub(super) fn take(tx: &mut Tx<'_>, from: &Standing, to: &Step<'_>) -> rusqlite::Result<()> {
    match (from.state.is_pending(), to.state.is_pending()) {
        (true, false) => tx.counts.pending = tx.counts.pending.saturating_sub(1),
        (false, true) => tx.counts.pending += 1,
        _ => {}
    }
    let news = (visible(from.state), from.reason) != (to.state, to.reason);
    let reason = to.reason.map(Code::as_str);
    let (queue, due) = queue_of(to.state, to.due, tx.now);
    tx.conn
        .prepare_cached(
            "UPDATE entries SET state = ?2, reason = ?3, queue = ?4, due = ?5, lease_until = NULL, \
             sends = ?6, failures = ?7, answer = coalesce(?8, answer), \
             updated_at = coalesce(?9, updated_at) WHERE accepted_seq = ?1",
        )?
        .execute(params![
            from.seq,
            to.state.as_str(),
            reason,
            queue,
            due,
            to.sends,
            to.failures,
            to.answer,
            news.then(|| at(tx.now)),
        ])?;
    if news {
        let seq = tx.next_seq();
        tx.conn
            .prepare_cached(
                "INSERT INTO events (seq, entry, organization, at, state, reason) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                seq,
                from.seq,
                from.organization,
                at(tx.now),
                to.state.as_str(),
                reason
            ])?;
    }
    Ok(())
}
