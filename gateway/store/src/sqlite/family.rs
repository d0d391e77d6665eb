//! What a step of a prescription does to what depends on it, and the other way round
//! ([`policies::family`]), in the transaction of the step.
//!
//! # Invariants
//!
//! 1. After every step of a prescription each of its held dependents has been asked where it goes
//!    now; after every step of a dependent its prescription has followed.
//! 2. What a cancel sends is copied into its own row when it becomes due. Where it cannot be read,
//!    the cancel is parked and its prescription a conflict: it is there, and cannot be annulled.
//!
//! # Limits
//!
//! No step calls another: what moved waits in a list, so that a long chain of dependents takes no
//! deep stack.

use std::collections::VecDeque;

use engine::ports::EntryId;
use policies::delivery::{NumberFate, parked};
use policies::failure::Code;
use policies::family::{self, Change, Look, Role, Turn};
use policies::state::State;
use rusqlite::params;

use super::step::{self, Standing, Step, standing_columns};
use super::tx::Tx;
use super::watch::Source;
use crate::sealing::Damaged;

/// What waits for an entry, in the order it was stored.
pub(super) const WAITING: &str = concat!(
    "SELECT ",
    standing_columns!(),
    " FROM entries WHERE depends_on = ?1 AND queue = 'held' ORDER BY accepted_seq"
);

/// Entries that have moved, and whose families have not followed yet.
struct Moved(VecDeque<(EntryId, Role)>);

impl Moved {
    fn push(&mut self, standing: &Standing) {
        self.0.push_back((standing.id, standing.role));
    }
}

/// Everything that follows from the step that `first` has taken.
pub(super) fn follow(tx: &mut Tx<'_>, first: &Standing) -> rusqlite::Result<()> {
    let mut moved = Moved(VecDeque::new());
    moved.push(first);
    while let Some((id, role)) = moved.0.pop_front() {
        match role {
            Role::Create => {
                for dependent in Standing::all(tx, WAITING, [id.0.as_bytes()])? {
                    ask(tx, &dependent, id, &mut moved)?;
                }
            }
            _ => tell(tx, id, &mut moved)?,
        }
    }
    Ok(())
}

/// The prescription follows where its dependent `id` has come to.
fn tell(tx: &mut Tx<'_>, id: EntryId, moved: &mut Moved) -> rusqlite::Result<()> {
    let Some(dependent) = Standing::find(tx, id)? else {
        return Ok(());
    };
    let Some(parent) = parent(tx, &dependent)? else {
        tracing::error!(entry = %id, "what an entry is about is not there");
        return Ok(());
    };
    let (role, state, reason) = (dependent.role, dependent.state, dependent.reason);
    if let Some(change) = family::followed(role, state, reason, parent.as_parent()) {
        apply(tx, &parent, change)?;
        moved.push(&parent);
    }
    Ok(())
}

fn parent(tx: &Tx<'_>, dependent: &Standing) -> rusqlite::Result<Option<Standing>> {
    match dependent.depends_on {
        Some(parent) => Standing::find(tx, parent),
        None => Ok(None),
    }
}

/// Where a held dependent goes, now that its parent has moved.
fn ask(
    tx: &mut Tx<'_>,
    dependent: &Standing,
    parent: EntryId,
    moved: &mut Moved,
) -> rusqlite::Result<()> {
    // The dependent before this one may have moved it again.
    let Some(parent) = Standing::find(tx, parent)? else {
        return Ok(());
    };
    let change = match family::turn(dependent.role, parent.as_parent()) {
        Turn::Held => return Ok(()),
        Turn::Due(change) => release(tx, dependent, &parent, change)?,
        Turn::Done(change) => {
            let done = dependent.to(State::Registered, None);
            step::write(tx, dependent, &done)?;
            change
        }
        Turn::Moot => {
            let (state, reason) = family::moot(dependent.role, parent.state);
            // One out of a copy that was put back may have been sent.
            let is_watched = parked(dependent.role, dependent.sends) == NumberFate::Watched;
            let step = Step {
                watch: is_watched.then_some(Look::Scheduled),
                ..dependent.to(state, Some(reason))
            };
            step::write(tx, dependent, &step)?;
            None
        }
    };
    moved.push(dependent);
    if let Some(change) = change {
        apply(tx, &parent, change)?;
        moved.push(&parent);
    }
    Ok(())
}

/// Lets go of a dependent that may be sent now. How its parent changes.
fn release(
    tx: &mut Tx<'_>,
    dependent: &Standing,
    parent: &Standing,
    change: Option<Change>,
) -> rusqlite::Result<Option<Change>> {
    if dependent.role == Role::Cancel && copy(tx, dependent, parent)?.is_err() {
        let parked = dependent.to(State::Parked, Some(Code::Unreadable));
        step::write(tx, dependent, &parked)?;
        return Ok(Some(unreadable()));
    }
    // One that is uncertain, out of a copy that was put back, is asked for first.
    let due = dependent.to(dependent.state, dependent.reason);
    step::write(tx, dependent, &due)?;
    Ok(change)
}

/// How a parent changes whose request is wanted and cannot be read.
pub(super) fn unreadable() -> Change {
    Change::to(State::Conflict, Some(Code::PossibleDouble))
}

/// Puts what is to be sent for `dependent` into its row.
fn copy(
    tx: &Tx<'_>,
    dependent: &Standing,
    parent: &Standing,
) -> rusqlite::Result<Result<(), Damaged>> {
    let source = Source::read(tx, parent)?;
    let sealer = &tx.fixed.sealer;
    let copied = source
        .payload(sealer, dependent.id)
        .and_then(|payload| Ok((payload, source.number(sealer, dependent.id)?)));
    let Ok((payload, number)) = copied else {
        tracing::error!(entry = %parent.id, "what is to be cancelled cannot be read");
        return Ok(Err(Damaged));
    };
    tx.conn
        .prepare_cached("UPDATE entries SET payload = ?2, number = ?3 WHERE accepted_seq = ?1")?
        .execute(params![dependent.seq, payload, number])?;
    Ok(Ok(()))
}

/// What a dependent does to its parent.
pub(super) fn apply(tx: &mut Tx<'_>, parent: &Standing, change: Change) -> rusqlite::Result<()> {
    let step = Step {
        watch: change.watch,
        acknowledged: change.acknowledged,
        ..parent.to(change.state, change.reason)
    };
    step::write(tx, parent, &step)
}
