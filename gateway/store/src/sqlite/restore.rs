//! A copy put back: what happened after it was made is not in it.
//!
//! A copy is known by its own mark ([`super::schema::is_copy`]) or by the guard it lacks.
//!
//! # Invariants
//!
//! 1. No number of a range the copy knows is given out again: it may have been, since.
//! 2. Nothing the copy knows as waiting is sent unasked: it may have been sent, since. It counts as
//!    sent, so that whoever gives it up has its number watched.
//! 3. No place in the order of events is given that was given before: whoever asks for what came after
//!    one that the lost gateway told is told all that is found out from here on.
//!
//! # Limits
//!
//! Invariant 3 holds for a gateway of fewer than [`EVENTS_A_SECOND`] events a second, also if the same
//! copy is put back more than once; with a clock that is wrong, for [`GAP`] events after the copy.

use policies::failure::Code;
use policies::state::State;

use super::row::int;
use super::step::{self, Standing, Step, standing_columns};
use super::tx::Tx;

/// More events a second than any gateway writes.
const EVENTS_A_SECOND: u64 = 1 << 20;
/// Places left out at least: a thousand events a second for 34 years. Two thousand such gaps fit into what
/// JSON can count to (2^53).
const GAP: i64 = 1 << 40;
/// Entries moved at a time, so that a copy with a million of them fits into memory.
const BATCH_MAX: i64 = 512;

/// Prescriptions that wait.
const WAITING: &str = concat!(
    "SELECT ",
    standing_columns!(),
    " FROM entries WHERE role = 'create' AND state = 'accepted' LIMIT ?1"
);
/// Cancels that wait to be sent; one that is held is not known to be needed.
const WAITING_CANCELS: &str = concat!(
    "SELECT ",
    standing_columns!(),
    " FROM entries WHERE role = 'cancel' AND state = 'accepted' AND queue <> 'held' LIMIT ?1"
);

/// Prescriptions that wait for their prescriber: given a new authority, they are asked for.
const UNAUTHORIZED: &str = "UPDATE entries SET sends = 1 \
     WHERE role = 'create' AND state = 'needs-authorization' AND sends = 0";

/// Discards every number that is left, and makes every entry that waits uncertain.
pub(super) fn distrust(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    tx.conn.execute("UPDATE ranges SET taken = size", [])?;
    tx.conn.execute("UPDATE blocks SET mark = stop", [])?;
    tx.conn.execute(UNAUTHORIZED, [])?;
    let uncertain = ask_for(tx, WAITING)? + ask_for(tx, WAITING_CANCELS)?;
    tracing::warn!(
        uncertain,
        "the store was put back from a copy: its numbers are discarded, what waited is asked for"
    );
    Ok(())
}

/// Invariant 3: before anything is written. By the clock as well: the same copy may have been put back before, and gone on from the
/// same gap.
pub(super) fn leave_gap(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    let seconds = u32::try_from(tx.now.0 / 1_000).unwrap_or(u32::MAX);
    let by_clock = int(u64::from(seconds) * EVENTS_A_SECOND);
    tx.counts.seq_next = by_clock.max(tx.counts.seq_next.saturating_add(GAP));
    // Kept, for a start that finds nothing to move.
    tx.conn
        .execute("UPDATE meta SET seq_from = ?1", [tx.counts.seq_next])
        .map(drop)
}

/// Makes what `sql` finds uncertain; how many. What depends on another entry goes on waiting for it,
/// and is asked for when its turn has come.
fn ask_for(tx: &mut Tx<'_>, sql: &str) -> rusqlite::Result<usize> {
    let mut uncertain = 0;
    loop {
        let waiting = Standing::all(tx, sql, [BATCH_MAX])?;
        if waiting.is_empty() {
            return Ok(uncertain);
        }
        uncertain += waiting.len();
        for standing in &waiting {
            let asked_for = Step {
                held: standing.held,
                sends: standing.sends.max(1),
                ..standing.to(State::Uncertain, Some(Code::LeaseExpired))
            };
            step::take(tx, standing, &asked_for)?;
        }
    }
}
