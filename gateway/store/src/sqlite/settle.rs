//! What becomes of entries: settlements, passed deadlines, new authorities.
//!
//! # Invariants
//!
//! 1. A settlement counts only under the lease it names: same epoch, still leased. Anything else
//!    is [`Settled::Stale`] and changes nothing.
//! 2. State, answer, document and event of a settlement are one transaction.

use engine::ports::{EntryId, Settled, Settlement, WriteError};
use policies::failure::{Code, Opaque};
use policies::state::State;
use rusqlite::{OptionalExtension, params};

use super::row::{self, at, document_place, limit, place};
use super::step::{self, Standing, Step, standing_columns};
use super::tx::Tx;
use crate::sealing::{Digest, Sealer, Unsealable};

/// Entries that nobody holds, waiting for their turn or for their prescriber, and whose deadline has
/// passed.
pub(super) const OVERDUE: &str = concat!(
    "SELECT ",
    standing_columns!(),
    " FROM entries \
     WHERE (queue IN ('ready', 'deferred') OR state = 'needs-authorization') \
     AND deadline >= ?1 AND deadline < ?2 ORDER BY deadline LIMIT ?3"
);

/// A settlement, its answer and document sealed.
pub(super) struct Sealed {
    settlement: Settlement,
    answer: Option<Vec<u8>>,
    document: Option<Vec<u8>>,
}

impl Sealed {
    /// Seals `settlement`, on the caller's side of the queue.
    pub(super) fn seal(sealer: &Sealer, settlement: Settlement) -> Result<Sealed, Unsealable> {
        let seal = |place, plain: &Option<Opaque>| {
            plain
                .as_ref()
                .map(|plain| sealer.seal(place, &plain.0))
                .transpose()
        };
        Ok(Sealed {
            answer: seal(place(settlement.id, "answer"), &settlement.answer)?,
            document: seal(document_place(settlement.id), &settlement.document)?,
            settlement,
        })
    }
}

/// Settles each, in order. A batch that names an entry that is not there, or a state that only a
/// lease gives, is refused whole: it cannot have come from a lease.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    settlements: &[Sealed],
) -> rusqlite::Result<Result<Vec<Settled>, WriteError>> {
    for sealed in settlements {
        let Settlement { id, state, .. } = sealed.settlement;
        if state.is_leased() || find(tx, id)?.is_none() {
            tracing::error!(entry = %id, state = state.as_str(), "a settlement makes no sense");
            return Ok(Err(WriteError::Refused));
        }
    }
    settlements
        .iter()
        .map(|sealed| settle_one(tx, sealed))
        .collect::<rusqlite::Result<Vec<_>>>()
        .map(Ok)
}

fn find(tx: &Tx<'_>, id: EntryId) -> rusqlite::Result<Option<Standing>> {
    tx.conn
        .prepare_cached(concat!(
            "SELECT ",
            standing_columns!(),
            " FROM entries WHERE id = ?1"
        ))?
        .query_row([id.0.as_bytes()], Standing::read)
        .optional()
}

fn settle_one(tx: &mut Tx<'_>, sealed: &Sealed) -> rusqlite::Result<Settled> {
    let new = &sealed.settlement;
    let standing = find(tx, new.id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    if !standing.state.is_leased() || row::uint(standing.epoch) != new.epoch {
        return Ok(Settled::Stale(standing.state));
    }
    let step = Step {
        state: new.state,
        reason: new.reason,
        due: new.due,
        sends: new.sends,
        failures: new.failures,
        answer: sealed.answer.as_deref(),
    };
    step::take(tx, &standing, &step)?;
    if let Some(document) = &sealed.document {
        tx.conn
            .prepare_cached("INSERT OR REPLACE INTO documents (entry, body) VALUES (?1, ?2)")?
            .execute(params![standing.seq, document])?;
    }
    Ok(Settled::Settled)
}

/// Parks up to `entries_max` entries that nobody holds and whose deadline has passed.
pub(super) fn park_overdue(tx: &mut Tx<'_>, entries_max: usize) -> rusqlite::Result<usize> {
    let mut parked = 0;
    for (from, before) in tx.fixed.drift.passed(tx.now) {
        let room = limit(entries_max - parked);
        let overdue = Standing::all(tx, OVERDUE, params![at(from), at(before), room])?;
        for standing in &overdue {
            let to = standing.to(State::Parked, Some(Code::DeadlinePassed));
            step::take(tx, standing, &to)?;
        }
        parked += overdue.len();
    }
    Ok(parked)
}

/// Gives the entries of `identity` that wait for an authority this one, and makes them due.
///
/// One that was never sent is sent; of any other nobody knows what became of it, so it is asked
/// for.
pub(super) fn reauthorize(
    tx: &mut Tx<'_>,
    organization: &str,
    identity: Digest,
    authority: &Opaque,
) -> rusqlite::Result<usize> {
    let waiting: Vec<(EntryId, Standing)> = tx
        .conn
        .prepare_cached(concat!(
            "SELECT ",
            standing_columns!(),
            ", id FROM entries WHERE state = 'needs-authorization' \
             AND organization = ?1 AND identity_digest = ?2"
        ))?
        .query_map(params![organization, identity], |found| {
            let id = EntryId(row::uuid(found, Standing::COLUMNS)?);
            Ok((id, Standing::read(found)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut count = 0;
    for (id, standing) in &waiting {
        let sealer = &tx.fixed.sealer;
        let Ok(sealed) = sealer.seal(place(*id, "authority"), &authority.0) else {
            tracing::error!(entry = %id, "a new authority could not be sealed");
            continue;
        };
        tx.conn
            .prepare_cached("UPDATE entries SET authority = ?2 WHERE accepted_seq = ?1")?
            .execute(params![standing.seq, sealed])?;
        let state = if standing.sends == 0 {
            State::Accepted
        } else {
            State::Uncertain
        };
        step::take(tx, standing, &standing.to(state, None))?;
        count += 1;
    }
    Ok(count)
}
