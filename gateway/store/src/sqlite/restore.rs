//! A copy put back: what happened after it was made is not in it.
//!
//! # Invariants
//!
//! 1. No number of a range the copy knows is given out again: it may have been, since.
//! 2. Nothing the copy knows as waiting is sent unasked: it may have been sent, since.

use policies::failure::Code;
use policies::state::State;
use rusqlite::params;

use super::step::{self, Standing, standing_columns};
use super::tx::Tx;

/// Entries moved at a time, so that a copy with a million of them fits into memory.
const BATCH_MAX: i64 = 512;

/// Discards every number that is left, and makes every entry that waits uncertain.
pub(super) fn distrust(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    tx.conn.execute("UPDATE ranges SET taken = size", [])?;
    tx.conn.execute("UPDATE blocks SET mark = stop", [])?;
    let mut uncertain = 0;
    loop {
        let waiting = Standing::all(
            tx,
            concat!(
                "SELECT ",
                standing_columns!(),
                " FROM entries WHERE state = ?1 LIMIT ?2"
            ),
            params![State::Accepted.as_str(), BATCH_MAX],
        )?;
        if waiting.is_empty() {
            break;
        }
        uncertain += waiting.len();
        for standing in &waiting {
            let asked_for = standing.to(State::Uncertain, Some(Code::LeaseExpired));
            step::take(tx, standing, &asked_for)?;
        }
    }
    tracing::warn!(
        uncertain,
        "the store was put back from a copy: its numbers are discarded, what waited is asked for"
    );
    Ok(())
}
