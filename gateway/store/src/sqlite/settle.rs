//! What becomes of entries: settlements, passed deadlines, new authorities.
//!
//! # Invariants
//!
//! 1. A settlement counts only under the lease it names: same epoch, still leased. Anything else
//!    is [`Settled::Stale`] and changes nothing of its entry.
//!    One that says *registered* is news to the watches over its entry all the same.
//!    What came for a watch while it was held is not lost by its settlement
//!    ([`policies::family::is_overtaken`]).
//! 2. State, answer, document, number and event of a settlement are one transaction.

use engine::ports::{NumberUse, Renumber, Settled, Settlement, Swept, WriteError};
use policies::delivery::{NumberFate, parked};
use policies::failure::{Code, Opaque};
use policies::family::{self, Look, Meanwhile, Role};
use policies::state::State;
use rusqlite::params;

use super::lease;
use super::row::{self, at, document_place, limit, place};
use super::step::{self, NewNumber, Standing, Step, standing_columns};
use super::tx::Tx;
use super::watch;
use crate::sealing::{Digest, Sealer, Unsealable};

/// Entries that nobody holds, waiting for their turn, for another prescription or for their
/// prescriber, and whose deadline has passed.
pub(super) const OVERDUE: &str = concat!(
    "SELECT ",
    standing_columns!(),
    " FROM entries \
     WHERE ((queue IN ('ready', 'deferred') AND role <> 'watch') \
     OR (queue = 'held' AND role = 'create') OR state = 'needs-authorization') \
     AND deadline >= ?1 AND deadline < ?2 ORDER BY deadline LIMIT ?3"
);
/// Entries whose paper form was to be confirmed by now.
pub(super) const PAPER_OVERDUE: &str = concat!(
    "SELECT ",
    standing_columns!(),
    " FROM entries WHERE paper_due IS NOT NULL \
     AND paper_due >= ?1 AND paper_due < ?2 ORDER BY paper_due LIMIT ?3"
);
/// Entries that wait for one prescriber.
pub(super) const UNAUTHORIZED: &str = concat!(
    "SELECT ",
    standing_columns!(),
    " FROM entries WHERE state = 'needs-authorization' \
     AND organization = ?1 AND identity_digest = ?2"
);

/// A settlement, what is kept of it sealed.
pub(super) struct Sealed {
    settlement: Settlement,
    answer: Option<Vec<u8>>,
    document: Option<Vec<u8>>,
    number: Option<NewNumber>,
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
            number: NewNumber::seal(sealer, &settlement)?,
            settlement,
        })
    }

    /// Whether the number it speaks of can be that of the entry at `standing`.
    fn fits(&self, tx: &Tx<'_>, standing: &Standing) -> bool {
        match &self.settlement.number {
            Renumber::Kept => true,
            Renumber::Watched => standing.role == Role::Create,
            Renumber::Replaced(NumberUse::Ours {
                block,
                position,
                number,
            }) => standing.role == Role::Create && tx.numbers.given(*block, *position, &number.0),
            // Only for a number of ours is there another.
            Renumber::Replaced(NumberUse::None | NumberUse::Callers(_)) => false,
        }
    }
}

impl NewNumber {
    /// The number that `settlement` brings, if it does.
    fn seal(sealer: &Sealer, settlement: &Settlement) -> Result<Option<NewNumber>, Unsealable> {
        let Renumber::Replaced(NumberUse::Ours {
            block,
            position,
            number,
        }) = &settlement.number
        else {
            return Ok(None);
        };
        Ok(Some(NewNumber {
            block: *block,
            position: *position,
            digest: sealer.number_digest(&number.0),
            sealed: sealer.seal(place(settlement.id, "number"), &number.0)?,
        }))
    }
}

/// Settles each, in order. A batch that names an entry that is not there, a state that only a lease
/// gives, or a number that cannot be its, is refused whole: it cannot have come from a lease.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    settlements: &[Sealed],
) -> rusqlite::Result<Result<Vec<Settled>, WriteError>> {
    for sealed in settlements {
        let Settlement { id, state, .. } = sealed.settlement;
        let known = Standing::find(tx, id)?;
        if state.is_leased() || !known.is_some_and(|standing| sealed.fits(tx, &standing)) {
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

fn settle_one(tx: &mut Tx<'_>, sealed: &Sealed) -> rusqlite::Result<Settled> {
    let new = &sealed.settlement;
    let standing = Standing::find(tx, new.id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    if !standing.state.is_leased() || row::uint(standing.epoch) != new.epoch {
        if new.state == State::Registered {
            watch::look_at_once(tx, new.id)?;
        }
        return Ok(Settled::Stale(standing.state));
    }
    if let Some(number) = &sealed.number
        && is_held(tx, number)?
    {
        return Ok(Settled::NumberUsed);
    }
    let (state, reason, due) = if is_overtaken(&standing, new) {
        (State::Uncertain, None, None)
    } else {
        (new.state, new.reason, new.due)
    };
    let step = Step {
        due,
        sends: new.sends,
        failures: new.failures,
        answer: sealed.answer.as_deref(),
        watch: (new.number != Renumber::Kept).then_some(Look::Scheduled),
        number: sealed.number.as_ref(),
        ..standing.to(state, reason)
    };
    step::take(tx, &standing, &step)?;
    if let Some(document) = &sealed.document {
        tx.conn
            .prepare_cached("INSERT OR REPLACE INTO documents (entry, body) VALUES (?1, ?2)")?
            .execute(params![standing.seq, document])?;
    }
    Ok(Settled::Settled)
}

/// Whether a watch looks once more, because of what came while its deliverer held it.
fn is_overtaken(standing: &Standing, new: &Settlement) -> bool {
    let meanwhile = Meanwhile {
        agreed: standing.annul_consent && new.sends == standing.sends,
        answered: standing.answered,
    };
    standing.role == Role::Watch && family::is_overtaken(new.state, new.reason, meanwhile)
}

fn is_held(tx: &Tx<'_>, number: &NewNumber) -> rusqlite::Result<bool> {
    tx.conn
        .prepare_cached(super::append::NUMBER_HELD)?
        .exists([number.digest])
}

/// Parks what nobody holds and whose deadline has passed, and raises paper forms that are missing:
/// up to `entries_max` of each.
pub(super) fn sweep(tx: &mut Tx<'_>, entries_max: usize) -> rusqlite::Result<Swept> {
    lease::end_leases(tx, at(tx.now), lease::EXPIRED_MAX)?;
    let mut swept = Swept::default();
    for (from, before) in tx.fixed.drift.passed(tx.now) {
        let late = [at(from), at(before)];
        let parked = (State::Parked, Code::DeadlinePassed);
        swept.parked += give_up(tx, OVERDUE, late, entries_max - swept.parked, parked)?;
        let missing = (State::Withdrawn, Code::PaperMissing);
        let left = entries_max - swept.papers_missing;
        swept.papers_missing += give_up(tx, PAPER_OVERDUE, late, left, missing)?;
    }
    Ok(swept)
}

/// Takes up to `entries_max` entries that `sql` finds late to where they wait for a person; how many.
fn give_up(
    tx: &mut Tx<'_>,
    sql: &str,
    [from, before]: [i64; 2],
    entries_max: usize,
    (state, reason): (State, Code),
) -> rusqlite::Result<usize> {
    let late = Standing::all(tx, sql, params![from, before, limit(entries_max)])?;
    let mut moved = 0;
    for standing in &late {
        // Where one prescription waits for another, both may be late.
        if standing.has_moved(tx)? {
            continue;
        }
        let is_watched =
            state == State::Parked && parked(standing.role, standing.sends) == NumberFate::Watched;
        let step = Step {
            watch: is_watched.then_some(Look::Scheduled),
            ..standing.to(state, Some(reason))
        };
        step::take(tx, standing, &step)?;
        moved += 1;
    }
    Ok(moved)
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
    let waiting = Standing::all(tx, UNAUTHORIZED, params![organization, identity])?;
    let mut count = 0;
    for standing in &waiting {
        let sealer = &tx.fixed.sealer;
        let id = standing.id;
        let Ok(sealed) = sealer.seal(place(id, "authority"), &authority.0) else {
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
