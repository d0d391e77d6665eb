//! Storing new entries.
//!
//! # Invariants
//!
//! 1. An entry, its key, its number, its audit record, its first event and the mark of its block are one transaction;
//!    all but the mark are one row, so that an append is one `INSERT`.
//! 2. A repetition is recognised before anything else is asked: also when the store is full, and
//!    within one group.
//! 3. An entry that must wait for an earlier one of its prescription is not appended leased: it is
//!    stored as `accepted`, and its epoch is 0.

mod dependent;
mod stored;

use std::mem::take;

use engine::ports::{AppendError, BlockId, NewEntry, NumberUse, Organization, Start};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;
use policies::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::outbox::SealedAddress;
use super::row::{self, RawEntry, at, entry_columns, millis, place};
use super::step::{self, Standing};
use super::tx::Tx;
use crate::sealing::{Digest, Purpose, Sealer, Unsealable};
pub(super) use stored::Stored;

/// The entry that holds a number.
pub(super) const NUMBER_HELD: &str = "SELECT 1 FROM entries WHERE number_digest = ?1";

/// A new entry, sealed.
pub(super) struct Row {
    /// Without what is sealed beside it.
    entry: NewEntry,
    key: Digest,
    fingerprint: Digest,
    number_digest: Option<Digest>,
    person: Option<Digest>,
    identity: Digest,
    number: Option<Vec<u8>>,
    authority: Vec<u8>,
    payload: Vec<u8>,
    /// Who writes, as the audit will say; none where nobody asked for it.
    audit: Option<Vec<u8>>,
    /// What a paper form said, sealed for what it is about.
    parents_paper: Option<Vec<u8>>,
    /// Where the events of its prescription go.
    reply_to: Option<SealedAddress>,
}

impl Row {
    /// Seals `entry`, on the caller's side of the queue.
    pub(super) fn seal(sealer: &Sealer, mut entry: NewEntry) -> Result<Row, Unsealable> {
        // An operation without a number of its own holds none.
        let number = entry.number.number().map(|number| number.0.as_slice());
        let number = number.filter(|number| !number.is_empty());
        let said = entry.depends_on.filter(|_| entry.role == Role::Paper);
        let prescription = entry.depends_on.unwrap_or(entry.id);
        let reply_to = take(&mut entry.reply_to);
        Ok(Row {
            reply_to: reply_to
                .map(|reply_to| SealedAddress::seal(sealer, prescription, &reply_to))
                .transpose()?,
            parents_paper: said
                .map(|parent| sealer.seal(place(parent, "paper"), &entry.payload.0))
                .transpose()?,
            key: key_digest(sealer, &entry.organization, &entry.key),
            fingerprint: sealer.digest(Purpose::Fingerprint, &[&entry.fingerprint.0]),
            number_digest: number.map(|number| sealer.number_digest(number)),
            person: entry
                .person
                .as_ref()
                .map(|person| sealer.digest(Purpose::Person, &[&person.0])),
            identity: sealer.digest(Purpose::Identity, &[&entry.identity.0]),
            number: number
                .map(|number| sealer.seal(place(entry.id, "number"), number))
                .transpose()?,
            authority: sealer.seal(place(entry.id, "authority"), &take(&mut entry.authority).0)?,
            payload: sealer.seal(place(entry.id, "payload"), &take(&mut entry.payload).0)?,
            audit: Some(take(&mut entry.audit).0)
                .filter(|record| !record.is_empty())
                .map(|record| sealer.seal(place(entry.id, "audit"), &record))
                .transpose()?,
            entry,
        })
    }

    fn block(&self) -> Option<(BlockId, u64)> {
        match &self.entry.number {
            NumberUse::Ours {
                block, position, ..
            } => Some((*block, *position)),
            NumberUse::Callers(_) | NumberUse::None => None,
        }
    }

    /// How it begins where nothing stands in its way.
    fn beginning(&self, tx: &Tx<'_>) -> rusqlite::Result<Beginning> {
        Ok(match self.entry.start {
            Start::Leased(lease_for) if !waits(tx, self)? => Beginning::leased(tx.now + lease_for),
            Start::Leased(_) | Start::Due | Start::Withdrawn(_) => Beginning::due(),
        })
    }
}

/// Where a new row begins.
struct Beginning {
    state: State,
    reason: Option<Code>,
    queue: Option<&'static str>,
    lease_until: Option<Timestamp>,
}

impl Beginning {
    fn due() -> Beginning {
        Beginning {
            state: State::Accepted,
            reason: None,
            queue: Some(row::READY),
            lease_until: None,
        }
    }

    fn leased(until: Timestamp) -> Beginning {
        Beginning {
            state: State::Sending,
            queue: Some(row::LEASED),
            lease_until: Some(until),
            ..Beginning::due()
        }
    }

    /// Waiting for the entry it depends on.
    fn held() -> Beginning {
        Beginning {
            queue: Some(row::HELD),
            ..Beginning::due()
        }
    }

    fn at_rest(state: State, reason: Option<Code>) -> Beginning {
        Beginning {
            state,
            reason,
            queue: None,
            lease_until: None,
        }
    }

    /// The epoch of its first lease, and the send that it is.
    fn epoch(&self) -> u64 {
        u64::from(self.lease_until.is_some())
    }
}

type Outcome = Result<Stored, AppendError>;

/// Stores `rows`, in order.
pub(super) fn append(
    tx: &mut Tx<'_>,
    rows: Vec<Result<Row, Unsealable>>,
) -> rusqlite::Result<Vec<Outcome>> {
    rows.into_iter()
        .map(|row| match row {
            Ok(row) => append_one(tx, row),
            Err(Unsealable) => {
                tracing::error!("an entry could not be sealed and was not stored");
                Ok(Err(AppendError::Refused))
            }
        })
        .collect()
}

fn append_one(tx: &mut Tx<'_>, mut row: Row) -> rusqlite::Result<Outcome> {
    if let Some(refusal) = refusal(tx, &row) {
        return Ok(repetition(tx, &row)?.map_or(refusal, Ok));
    }
    if let Some(parent) = row.entry.depends_on {
        return dependent::append(tx, &mut row, parent);
    }
    let beginning = row.beginning(tx)?;
    if !insert(tx, &row, &beginning)? {
        return diagnose(tx, &row);
    }
    let Start::Withdrawn(reason) = row.entry.start else {
        return Ok(Ok(accepted(tx, &beginning)));
    };
    let stored = Standing::find(tx, row.entry.id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let withdrawn = stored.to(State::Withdrawn, Some(reason));
    step::take(tx, &stored, &withdrawn)?;
    let withdrawn = Beginning::at_rest(State::Withdrawn, Some(reason));
    Ok(Ok(accepted(tx, &withdrawn)))
}

fn accepted(tx: &Tx<'_>, beginning: &Beginning) -> Stored {
    Stored::Accepted {
        at: tx.now,
        state: beginning.state,
        epoch: beginning.epoch(),
        request: None,
    }
}

/// Why a new entry is not even tried; a repetition is answered all the same.
fn refusal(tx: &Tx<'_>, row: &Row) -> Option<Outcome> {
    let fitting = match &row.entry.number {
        NumberUse::Ours {
            block,
            position,
            number,
        } => tx.numbers.given(*block, *position, &number.0),
        NumberUse::Callers(number) if tx.numbers.ours(&number.0) => {
            return Some(Ok(Stored::NumberOurs));
        }
        NumberUse::Callers(_) | NumberUse::None => true,
    };
    if row.entry.role != Role::Create && row.entry.depends_on.is_none() {
        tracing::error!(entry = %row.entry.id, "a new entry does not say what it is about");
        return Some(Err(AppendError::Refused));
    }
    if !fitting {
        tracing::error!(entry = %row.entry.id, "a number does not belong to the block it names");
        return Some(Err(AppendError::Refused));
    }
    // What is about an entry that is there must always find room.
    (row.entry.role == Role::Create && tx.counts.pending >= tx.fixed.entries_max)
        .then_some(Err(AppendError::Full))
}

/// Whether an earlier entry under the same order key is still to be moved.
fn waits(tx: &Tx<'_>, row: &Row) -> rusqlite::Result<bool> {
    tx.conn
        .prepare_cached("SELECT 1 FROM entries WHERE order_key = ?1 AND queue IS NOT NULL")?
        .exists([row.entry.order_key.0.as_bytes()])
}

/// Inserts the row; false if the key, the number or the name is taken.
fn insert(tx: &mut Tx<'_>, row: &Row, beginning: &Beginning) -> rusqlite::Result<bool> {
    let entry = &row.entry;
    // What is about a prescription has no events of its own.
    let own_address = row.reply_to.as_ref().filter(|_| entry.depends_on.is_none());
    let inserted = tx
        .conn
        .prepare_cached(
            "INSERT INTO entries (accepted_seq, id, organization, lane, op, order_key, state, \
             queue, lease_until, epoch, sends, failures, accepted_at, updated_at, \
             fallback, uncertain, deadline, answer_within_ms, origin_node, trace, \
             key_digest, fingerprint, number_digest, person_digest, identity_digest, \
             number, authority, payload, role, depends_on, annul_consent, paper_within_ms, \
             look_after_ms, reason, reply_to, reply_host, audit) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, 0, ?11, ?11, ?12, ?13, ?14, \
             ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, \
             ?32, ?33, ?34) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            tx.counts.seq_next,
            entry.id.0.as_bytes(),
            entry.organization.0,
            entry.lane.0,
            entry.op.0,
            entry.order_key.0.as_bytes(),
            beginning.state.as_str(),
            beginning.queue,
            beginning.lease_until.map(at),
            row::int(beginning.epoch()),
            at(tx.now),
            entry.terms.fallback.as_str(),
            entry.terms.uncertain.as_str(),
            at(entry.terms.deadline),
            millis(entry.terms.answer_within),
            tx.fixed.node,
            entry.trace,
            row.key,
            row.fingerprint,
            row.number_digest,
            row.person,
            row.identity,
            row.number,
            row.authority,
            row.payload,
            entry.role.as_str(),
            entry.depends_on.as_ref().map(|parent| parent.0.as_bytes()),
            entry.terms.annul_consent,
            millis(entry.terms.paper_within),
            millis(entry.terms.look_after),
            beginning.reason.map(Code::as_str),
            own_address.map(|address| &address.url),
            own_address.map(|address| &address.host),
            row.audit,
        ])?;
    if inserted == 0 {
        return Ok(false);
    }
    tx.next_seq();
    tx.has_accounts |= row.audit.is_some();
    if entry.role == Role::Create {
        tx.counts.pending += u64::from(beginning.state.is_pending());
    }
    if let Some((block, position)) = row.block() {
        tx.use_number(block, position);
    }
    Ok(true)
}

/// Why the row was not inserted.
fn diagnose(tx: &Tx<'_>, row: &Row) -> rusqlite::Result<Outcome> {
    if let Some(repetition) = repetition(tx, row)? {
        return Ok(Ok(repetition));
    }
    let used = match &row.number_digest {
        Some(digest) => tx.conn.prepare_cached(NUMBER_HELD)?.exists([digest])?,
        None => false,
    };
    if used {
        return Ok(Ok(Stored::NumberUsed));
    }
    tracing::error!(entry = %row.entry.id, "the name of a new entry is taken");
    Ok(Err(AppendError::Refused))
}

/// A key is unique within its organisation, so its digest covers both.
pub(super) fn key_digest(sealer: &Sealer, organization: &Organization, key: &str) -> Digest {
    sealer.digest(Purpose::Key, &[organization.0.as_bytes(), key.as_bytes()])
}

/// The entry that holds the same key, if there is one.
fn repetition(tx: &Tx<'_>, row: &Row) -> rusqlite::Result<Option<Stored>> {
    earlier(tx.conn, &row.key, &row.fingerprint)
}

/// What is stored under the digest of a key: the same request, another one, or nothing.
pub(super) fn earlier(
    conn: &Connection,
    key: &[u8],
    fingerprint: &[u8],
) -> rusqlite::Result<Option<Stored>> {
    conn.prepare_cached(concat!(
        "SELECT fingerprint, ",
        entry_columns!(),
        " FROM entries WHERE key_digest = ?1"
    ))?
    .query_row([key], |found| {
        let held: Vec<u8> = found.get(0)?;
        Ok(if held == fingerprint {
            Stored::Replay(Box::new(RawEntry::read(found, 1)?))
        } else {
            Stored::KeyReused
        })
    })
    .optional()
}
