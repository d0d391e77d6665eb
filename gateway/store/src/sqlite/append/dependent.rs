//! Storing what is about an entry that is there: it begins where that entry lets it.
//!
//! # Invariants
//!
//! 1. The new entry, and all that it does to what it is about, is one transaction.
//! 2. Of an entry that there is nothing to do about, nothing is changed.

use engine::ports::EntryId;
use policies::failure::Code;
use policies::family::{self, Change, Role, Turn};
use policies::state::State;
use rusqlite::{OptionalExtension, params};

use super::stored::SealedRequest;
use super::{Beginning, Outcome, Row, Stored, accepted, diagnose, insert, repetition};
use crate::sqlite::family::{apply, follow, unreadable};
use crate::sqlite::outbox;
use crate::sqlite::step::Standing;
use crate::sqlite::tx::Tx;
use crate::sqlite::watch::{self, Source};

/// Stores `row`, which depends on `parent`.
pub(super) fn append(tx: &mut Tx<'_>, row: &mut Row, parent: EntryId) -> rusqlite::Result<Outcome> {
    if let Some(repetition) = repetition(tx, row)? {
        return Ok(Ok(repetition));
    }
    let parent = Standing::find(tx, parent)?
        .filter(|parent| parent.role == Role::Create && parent.is_of(&row.entry.organization));
    let Some(mut parent) = parent else {
        return Ok(Ok(Stored::NoParent));
    };
    let role = row.entry.role;
    if family::needs_writer(role, parent.state) && !is_theirs(tx, row, &parent)? {
        return Ok(Ok(Stored::OtherIdentity));
    }
    let (beginning, change) = match family::turn(role, parent.as_parent()) {
        Turn::Moot => return Ok(Ok(Stored::Moot(parent.state))),
        Turn::Held => (Beginning::held(), None),
        Turn::Done(change) => (Beginning::at_rest(State::Registered, None), change),
        Turn::Due(change) => due(tx, row, &parent, change)?,
    };
    if !insert(tx, row, &beginning)? {
        return diagnose(tx, row);
    }
    let request = request(row, &beginning);
    if family::consents(role) {
        watch::consent(tx, &parent, row.entry.id, &row.authority)?;
    }
    if let Some(paper) = &row.parents_paper {
        keep(tx, &parent, paper)?;
    }
    if let Some(address) = &row.reply_to {
        outbox::redirect(tx, &parent, address)?;
        parent.is_followed = true;
    }
    if let Some(change) = change {
        apply(tx, &parent, change)?;
        follow(tx, &parent)?;
    }
    Ok(Ok(match accepted(tx, &beginning) {
        Stored::Accepted {
            at, state, epoch, ..
        } => Stored::Accepted {
            at,
            state,
            epoch,
            request,
        },
        other => other,
    }))
}

/// Keeps what a paper form said with its prescription, beside whatever the upstream answered.
fn keep(tx: &Tx<'_>, parent: &Standing, paper: &[u8]) -> rusqlite::Result<()> {
    tx.conn
        .prepare_cached("UPDATE entries SET paper = ?2 WHERE accepted_seq = ?1")?
        .execute(params![parent.seq, paper])
        .map(drop)
}

/// Whether it was written under the identity that wrote its parent.
fn is_theirs(tx: &Tx<'_>, row: &Row, parent: &Standing) -> rusqlite::Result<bool> {
    let identity: Option<Vec<u8>> = tx
        .conn
        .prepare_cached("SELECT identity_digest FROM entries WHERE accepted_seq = ?1")?
        .query_row([parent.seq], |found| found.get(0))
        .optional()?;
    Ok(identity.is_some_and(|identity| identity == row.identity))
}

/// Where one begins that may be sent. A cancel takes its parent's request along.
fn due(
    tx: &Tx<'_>,
    row: &mut Row,
    parent: &Standing,
    change: Option<Change>,
) -> rusqlite::Result<(Beginning, Option<Change>)> {
    if row.entry.role == Role::Cancel {
        let source = Source::read(tx, parent)?;
        let (id, sealer) = (row.entry.id, &tx.fixed.sealer);
        let (Ok(payload), Ok(number)) = (source.payload(sealer, id), source.number(sealer, id))
        else {
            tracing::error!(entry = %parent.id, "what is to be cancelled cannot be read");
            let parked = Beginning::at_rest(State::Parked, Some(Code::Unreadable));
            return Ok((parked, Some(unreadable())));
        };
        row.payload = payload;
        row.number = number;
    }
    Ok((row.beginning(tx)?, change))
}

/// What is sent for a cancel that begins leased: its parent's request, under its own authority.
fn request(row: &Row, beginning: &Beginning) -> Option<Box<SealedRequest>> {
    let leased = beginning.lease_until.is_some() && row.entry.role == Role::Cancel;
    leased.then(|| {
        Box::new(SealedRequest {
            id: row.entry.id,
            payload: row.payload.clone(),
            number: row.number.clone(),
            authority: row.authority.clone(),
            trace: row.entry.trace.clone(),
        })
    })
}
