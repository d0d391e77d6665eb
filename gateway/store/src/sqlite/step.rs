//! One step of an entry from one state to another: its row, its event and the count of pending.
//!
//! # Invariants
//!
//! 1. An event is written if, and only if, state or reason of a prescription differ from what the
//!    caller last heard. A lease tells nobody, so an attempt that changed nothing leaves no event;
//!    what depends on a prescription shows only in the prescription's own steps.
//! 2. `updated_at` is the time of the last such difference.
//! 3. A step and everything that follows from it for other entries are one: whoever takes a step
//!    goes through [`take`].
//! 4. An event of a prescription that somebody follows stands in the outbox with it.
//! 5. A number that is to be watched and cannot be read is not left unwatched in silence: its entry
//!    is a conflict.

use engine::ports::{BlockId, EntryId, Organization};
use policies::delivery::Fallback;
use policies::failure::Code;
use policies::family::{Look, Parent, Role, awaits_acknowledgement, awaits_paper};
use policies::state::State;
use policies::time::Timestamp;
use rusqlite::{OptionalExtension, Params, Row, params};

use super::row::{self, HELD, at, optional_text, queue_of, text, visible};
use super::tx::Tx;
use super::{family, outbox, watch};
use crate::sealing::Digest;

/// Where an entry stands, as far as moving it needs to know.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) seq: i64,
    pub(super) id: EntryId,
    pub(super) role: Role,
    pub(super) depends_on: Option<EntryId>,
    pub(super) state: State,
    pub(super) reason: Option<Code>,
    pub(super) epoch: i64,
    pub(super) sends: u32,
    /// Waits for the entry it depends on.
    pub(super) held: bool,
    pub(super) fallback: Fallback,
    organization: String,
    failures: u32,
    pub(super) annul_consent: bool,
    /// A watch that is leased: its number is known to have been applied since.
    pub(super) answered: bool,
    paper_within_ms: i64,
    paper_due: Option<i64>,
    acknowledged: Option<bool>,
    /// Somebody asked for its events to be pushed.
    pub(super) is_followed: bool,
}

/// The columns of [`Standing`], in its order.
macro_rules! standing_columns {
    () => {
        "accepted_seq, id, role, depends_on, state, reason, epoch, sends, queue, fallback, \
         organization, failures, annul_consent, paper_within_ms, paper_due, acknowledged, due, \
         deadline, reply_host IS NOT NULL"
    };
}
pub(super) use standing_columns;

impl Standing {
    /// Reads a row that begins with `standing_columns!()`. A word that cannot be read counts as a
    /// state at rest that the caller has not heard of, so that it is neither settled nor lost.
    pub(super) fn read(found: &Row<'_>) -> rusqlite::Result<Standing> {
        let state = text(found, 4)?;
        let reason = optional_text(found, 5)?;
        Ok(Standing {
            seq: found.get(0)?,
            id: EntryId(row::uuid(found, 1)?),
            role: row::role(&text(found, 2)?, found.get(17)?),
            depends_on: row::optional_uuid(found, 3)?.map(EntryId),
            state: State::parse(&state).unwrap_or(State::Conflict),
            reason: reason.as_deref().and_then(Code::parse),
            epoch: found.get(6)?,
            sends: found.get(7)?,
            held: optional_text(found, 8)?.as_deref() == Some(HELD),
            fallback: Fallback::parse(&text(found, 9)?).unwrap_or(Fallback::Hold),
            organization: text(found, 10)?,
            failures: found.get(11)?,
            annul_consent: found.get(12)?,
            answered: found.get::<_, Option<i64>>(16)?.is_some(),
            paper_within_ms: found.get(13)?,
            paper_due: found.get(14)?,
            acknowledged: found.get(15)?,
            is_followed: found.get(18)?,
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

    /// The entry of this name.
    pub(super) fn find(tx: &Tx<'_>, id: EntryId) -> rusqlite::Result<Option<Standing>> {
        tx.conn
            .prepare_cached(concat!(
                "SELECT ",
                standing_columns!(),
                " FROM entries WHERE id = ?1"
            ))?
            .query_row([id.0.as_bytes()], Standing::read)
            .optional()
    }

    /// Whether it is `organization`'s.
    pub(super) fn is_of(&self, organization: &Organization) -> bool {
        self.organization == organization.0
    }

    /// Whether another step of this transaction has moved it since it was read.
    pub(super) fn has_moved(&self, tx: &Tx<'_>) -> rusqlite::Result<bool> {
        let now = Standing::find(tx, self.id)?;
        Ok(now.is_none_or(|now| (now.state, now.reason) != (self.state, self.reason)))
    }

    /// As its dependents see it.
    pub(super) fn as_parent(&self) -> Parent {
        Parent {
            state: self.state,
            reason: self.reason,
            sends: self.sends,
            fallback: self.fallback,
            annul_consent: self.annul_consent,
        }
    }

    /// The step to `state` that leaves everything else as it is, and is due at once if it can be.
    pub(super) fn to(&self, state: State, reason: Option<Code>) -> Step<'static> {
        Step {
            state,
            reason,
            due: None,
            held: false,
            sends: self.sends,
            failures: self.failures,
            answer: None,
            acknowledged: false,
            watch: None,
            number: None,
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
    /// Whether it goes on waiting for the entry it depends on, and so is never due.
    pub(super) held: bool,
    pub(super) sends: u32,
    pub(super) failures: u32,
    /// Sealed; `None` keeps what is there.
    pub(super) answer: Option<&'a [u8]>,
    /// Whether its prescriber has taken note with this step.
    pub(super) acknowledged: bool,
    /// Whether its present number is watched from now on.
    pub(super) watch: Option<Look>,
    /// The number it goes on under; the watch takes the present one over.
    pub(super) number: Option<&'a NewNumber>,
}

/// A number that an entry goes on under.
#[derive(Debug)]
pub(super) struct NewNumber {
    pub(super) block: BlockId,
    pub(super) position: u64,
    pub(super) digest: Digest,
    pub(super) sealed: Vec<u8>,
}

/// Takes an entry that nobody else holds from where it stands to where it goes, and its prescription
/// or what depends on it along.
pub(super) fn take(tx: &mut Tx<'_>, from: &Standing, to: &Step<'_>) -> rusqlite::Result<()> {
    write(tx, from, to)?;
    family::follow(tx, from)
}

/// The step alone, for [`family`], which sees to what follows.
pub(super) fn write(tx: &mut Tx<'_>, from: &Standing, to: &Step<'_>) -> rusqlite::Result<()> {
    let Some(look) = to.watch else {
        return write_row(tx, from, to);
    };
    let Ok(watch) = watch::prepare(tx, from)? else {
        tracing::error!(entry = %from.id, "a number to be watched cannot be read");
        let raised = Step {
            answer: to.answer,
            ..from.to(State::Conflict, Some(Code::PossibleDouble))
        };
        return write_row(tx, from, &raised);
    };
    write_row(tx, from, to)?;
    if let Some(number) = to.number {
        renumber(tx, from, number)?;
    }
    match watch {
        Some(watch) => watch.begin(tx, look, to.number.is_some()),
        // Under no number nothing can have been sent.
        None => Ok(()),
    }
}

fn renumber(tx: &mut Tx<'_>, from: &Standing, number: &NewNumber) -> rusqlite::Result<()> {
    tx.conn
        .prepare_cached(
            "UPDATE entries SET number = ?2, number_digest = ?3 WHERE accepted_seq = ?1",
        )?
        .execute(params![from.seq, number.sealed, number.digest])?;
    tx.use_number(number.block, number.position);
    Ok(())
}

fn write_row(tx: &mut Tx<'_>, from: &Standing, to: &Step<'_>) -> rusqlite::Result<()> {
    if from.role == Role::Create {
        match (from.state.is_pending(), to.state.is_pending()) {
            (true, false) => tx.counts.pending = tx.counts.pending.saturating_sub(1),
            (false, true) => tx.counts.pending += 1,
            _ => {}
        }
    }
    let news = (visible(from.state), from.reason) != (to.state, to.reason);
    let (queue, due) = if to.held {
        (Some(HELD), None)
    } else {
        queue_of(to.state, to.due, tx.now)
    };
    tx.conn
        .prepare_cached(
            "UPDATE entries SET state = ?2, reason = ?3, queue = ?4, due = ?5, lease_until = NULL, \
             sends = ?6, failures = ?7, answer = coalesce(?8, answer), \
             updated_at = coalesce(?9, updated_at), paper_due = ?10, acknowledged = ?11 \
             WHERE accepted_seq = ?1",
        )?
        .execute(params![
            from.seq,
            to.state.as_str(),
            to.reason.map(Code::as_str),
            queue,
            due,
            to.sends,
            to.failures,
            to.answer,
            news.then(|| at(tx.now)),
            paper_due(tx, from, to),
            acknowledged(from, to),
        ])?;
    if news && from.role == Role::Create {
        write_event(tx, from, to)?;
    }
    Ok(())
}

/// Whether operators are told, too, and not its prescriber alone: what the upstream holds is not what
/// was told here, or nobody knows what became of a patient's paper form.
fn is_alarming(to: &Step<'_>) -> bool {
    to.state == State::Conflict || to.reason == Some(Code::PaperMissing)
}

fn write_event(tx: &mut Tx<'_>, from: &Standing, to: &Step<'_>) -> rusqlite::Result<()> {
    if is_alarming(to) {
        let (state, reason) = (to.state.as_str(), to.reason.map_or("", Code::as_str));
        tracing::error!(entry.id = %from.id, state, reason, "a prescription needs a person");
    }
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
            to.reason.map(Code::as_str),
        ])?;
    outbox::put(tx, from, seq, to.state)
}

/// Until when the number of a paper form is waited for: from the step on that began it.
fn paper_due(tx: &Tx<'_>, from: &Standing, to: &Step<'_>) -> Option<i64> {
    let waits = from.role == Role::Create && awaits_paper(to.state, to.reason, from.fallback);
    let begins = || at(tx.now).saturating_add(from.paper_within_ms);
    waits.then(|| from.paper_due.unwrap_or_else(begins))
}

/// Whether someone has taken note of how it stands. Standing elsewhere, or for another reason, it has
/// to be told again; where there is nothing to take note of, what was taken note of stays.
fn acknowledged(from: &Standing, to: &Step<'_>) -> Option<bool> {
    if from.role != Role::Create {
        return None;
    }
    if to.acknowledged {
        return Some(true);
    }
    if !awaits_acknowledgement(to.state, to.reason) {
        return from.acknowledged.filter(|known| *known);
    }
    let stays = (from.state, from.reason) == (to.state, to.reason);
    Some(stays && from.acknowledged == Some(true))
}
