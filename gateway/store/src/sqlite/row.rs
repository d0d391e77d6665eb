//! How rows and the engine's types turn into each other.

mod event;

use engine::ports::{Entry, EntryId, ReadError, Request};
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::{Code, Opaque};
use policies::family::Role;
use policies::state::State;
use policies::time::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use std::time::Duration;
use uuid::Uuid;

use crate::sealing::{Damaged, Place, Sealer};

pub(super) use event::RawEvent;

/// The queue of entries that are due now.
pub(super) const READY: &str = "ready";
/// The queue of entries that will be due.
pub(super) const DEFERRED: &str = "deferred";
/// The queue of entries that a deliverer holds.
pub(super) const LEASED: &str = "leased";
/// The queue of entries that wait for the one they depend on.
pub(super) const HELD: &str = "held";

/// SQLite counts to 2^63 - 1; an instant or a count past it becomes that.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The way back; nothing negative is ever written.
pub(super) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// An instant as a column.
pub(super) fn at(instant: Timestamp) -> i64 {
    int(instant.0)
}

/// A column as an instant.
pub(super) fn instant(value: i64) -> Timestamp {
    Timestamp(uint(value))
}

/// A span as a column of milliseconds.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A count as SQLite's `LIMIT` takes it.
pub(super) fn limit(entries_max: usize) -> i64 {
    i64::try_from(entries_max).unwrap_or(i64::MAX)
}

/// The place of a sealed column of an entry.
pub(super) fn place(id: EntryId, column: &'static str) -> Place {
    Place {
        table: "entries",
        row: *id.0.as_bytes(),
        column,
    }
}

/// The place of the document of an entry.
pub(super) fn document_place(id: EntryId) -> Place {
    Place {
        table: "documents",
        row: *id.0.as_bytes(),
        column: "body",
    }
}

/// In which queue an entry stands and when it is due there.
pub(super) fn queue_of(
    state: State,
    due: Option<Timestamp>,
    now: Timestamp,
) -> (Option<&'static str>, Option<i64>) {
    match state {
        State::Accepted | State::Uncertain => match due {
            Some(due) if due > now => (Some(DEFERRED), Some(at(due))),
            _ => (Some(READY), None),
        },
        _ => (None, None),
    }
}

/// The state a caller last heard of: leasing tells nobody.
pub(super) fn visible(state: State) -> State {
    match state {
        State::Sending => State::Accepted,
        State::Verifying => State::Uncertain,
        other => other,
    }
}

/// A text column. What is not UTF-8 is replaced, and so is anything that is not text at all: one
/// damaged word must cost its own row, not the statement that meets it beside a hundred others.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(optional_text(row, column)?.unwrap_or_else(|| char::REPLACEMENT_CHARACTER.to_string()))
}

/// A text column that may be empty.
pub(super) fn optional_text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => None,
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => Some(char::REPLACEMENT_CHARACTER.to_string()),
    })
}

/// A text that is shown or passed on as it is. What was replaced in it shows: nothing that we store
/// has that character.
fn whole(word: String) -> Result<String, Damaged> {
    if word.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Damaged);
    }
    Ok(word)
}

/// Words of the store that no release of ours has written mean a damaged row.
fn known<T>(word: Option<T>) -> Result<T, Damaged> {
    word.ok_or(Damaged)
}

/// A state column.
pub(super) fn state(word: &str) -> Result<State, Damaged> {
    known(State::parse(word))
}

/// The deadline of a watch, which has none: SQLite's last instant.
pub(super) const NO_DEADLINE: i64 = i64::MAX;

/// A role column, for those who only move the row. A word that is none of ours is a watch's if it has
/// no deadline, so that its prescription is told; else a prescription's.
pub(super) fn role(word: &str, deadline: i64) -> Role {
    Role::parse(word).unwrap_or(if deadline == NO_DEADLINE {
        Role::Watch
    } else {
        Role::Create
    })
}

/// A reason column.
pub(super) fn reason(word: Option<&str>) -> Result<Option<Code>, Damaged> {
    word.map(|word| known(Code::parse(word))).transpose()
}

/// The columns of [`RawTerms`], in its order.
macro_rules! terms_columns {
    () => {
        "fallback, uncertain, deadline, answer_within_ms, paper_within_ms, look_after_ms, \
         annul_consent"
    };
}
pub(super) use terms_columns;

/// Terms as they stand in a row.
#[derive(Debug)]
pub(super) struct RawTerms {
    fallback: String,
    uncertain: String,
    deadline: i64,
    answer_within_ms: i64,
    paper_within_ms: i64,
    look_after_ms: i64,
    annul_consent: bool,
}

impl RawTerms {
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<RawTerms> {
        Ok(RawTerms {
            fallback: text(row, first)?,
            uncertain: text(row, first + 1)?,
            deadline: row.get(first + 2)?,
            answer_within_ms: row.get(first + 3)?,
            paper_within_ms: row.get(first + 4)?,
            look_after_ms: row.get(first + 5)?,
            annul_consent: row.get(first + 6)?,
        })
    }

    fn open(&self) -> Result<Terms, Damaged> {
        Ok(Terms {
            fallback: known(Fallback::parse(&self.fallback))?,
            uncertain: known(Uncertain::parse(&self.uncertain))?,
            ..self.weakest()
        })
    }

    /// Terms for a row that can only be parked: what was promised in it cannot be read.
    fn weakest(&self) -> Terms {
        Terms {
            fallback: Fallback::Hold,
            uncertain: Uncertain::Verify,
            deadline: instant(self.deadline),
            answer_within: Duration::from_millis(uint(self.answer_within_ms)),
            paper_within: Duration::from_millis(uint(self.paper_within_ms)),
            look_after: Duration::from_millis(uint(self.look_after_ms)),
            annul_consent: self.annul_consent,
        }
    }
}

/// The columns of [`RawEntry`], in its order, of a row of `entries` by that name.
macro_rules! entry_columns {
    () => {
        concat!(
            "id, op, state, reason, accepted_at, updated_at, number, answer, role, \
             acknowledged, paper_due, paper, \
             EXISTS (SELECT 1 FROM entries AS watch \
                     WHERE watch.depends_on = entries.id AND watch.role = 'watch' \
                     AND watch.queue IS NOT NULL), ",
            $crate::sqlite::row::terms_columns!()
        )
    };
}
pub(super) use entry_columns;

/// An entry as it stands in its row, still sealed.
#[derive(Debug)]
pub(super) struct RawEntry {
    pub(super) id: Uuid,
    op: String,
    state: String,
    reason: Option<String>,
    accepted_at: i64,
    updated_at: i64,
    number: Option<Vec<u8>>,
    answer: Option<Vec<u8>>,
    role: String,
    acknowledged: Option<bool>,
    paper_due: Option<i64>,
    paper: Option<Vec<u8>>,
    watched: bool,
    terms: RawTerms,
}

impl RawEntry {
    /// Reads a row of `entry_columns!()` that begin at `first`.
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<RawEntry> {
        Ok(RawEntry {
            id: uuid(row, first)?,
            op: text(row, first + 1)?,
            state: text(row, first + 2)?,
            reason: optional_text(row, first + 3)?,
            accepted_at: row.get(first + 4)?,
            updated_at: row.get(first + 5)?,
            number: row.get(first + 6)?,
            answer: row.get(first + 7)?,
            role: text(row, first + 8)?,
            acknowledged: row.get(first + 9)?,
            paper_due: row.get(first + 10)?,
            paper: row.get(first + 11)?,
            watched: row.get(first + 12)?,
            terms: RawTerms::read(row, first + 13)?,
        })
    }

    /// Unseals it.
    pub(super) fn open(self, sealer: &Sealer) -> Result<Entry, Damaged> {
        let id = EntryId(self.id);
        known(Role::parse(&self.role))?;
        let number = unseal(sealer, place(id, "number"), self.number.as_deref())?;
        let answer = unseal(sealer, place(id, "answer"), self.answer.as_deref())?;
        let paper = unseal(sealer, place(id, "paper"), self.paper.as_deref())?;
        Ok(Entry {
            id,
            op: whole(self.op)?,
            state: state(&self.state)?,
            reason: reason(self.reason.as_deref())?,
            accepted_at: instant(self.accepted_at),
            updated_at: instant(self.updated_at),
            terms: self.terms.open()?,
            number: number.unwrap_or_default(),
            answer,
            paper,
            acknowledged: self.acknowledged == Some(true),
            watched: self.watched,
            paper_due: self.paper_due.map(instant),
        })
    }
}

/// The columns of [`RawWork`], in its order.
macro_rules! work_columns {
    () => {
        concat!(
            "id, op, epoch, sends, failures, trace, payload, number, authority, reason, role, \
             accepted_at, ",
            $crate::sqlite::row::terms_columns!()
        )
    };
}
pub(super) use work_columns;

/// What a deliverer needs of a row, still sealed.
#[derive(Debug)]
pub(super) struct RawWork {
    pub(super) id: EntryId,
    pub(super) op: String,
    pub(super) epoch: i64,
    pub(super) sends: u32,
    pub(super) failures: u32,
    trace: Option<String>,
    payload: Vec<u8>,
    number: Option<Vec<u8>>,
    authority: Vec<u8>,
    reason: Option<String>,
    role: String,
    pub(super) accepted_at: i64,
    terms: RawTerms,
}

impl RawWork {
    /// Reads a row of `work_columns!()` that begin at `first`.
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<RawWork> {
        Ok(RawWork {
            id: EntryId(uuid(row, first)?),
            op: text(row, first + 1)?,
            epoch: row.get(first + 2)?,
            sends: row.get(first + 3)?,
            failures: row.get(first + 4)?,
            trace: optional_text(row, first + 5)?,
            payload: row.get(first + 6)?,
            number: row.get(first + 7)?,
            authority: row.get(first + 8)?,
            reason: optional_text(row, first + 9)?,
            role: text(row, first + 10)?,
            accepted_at: row.get(first + 11)?,
            terms: RawTerms::read(row, first + 12)?,
        })
    }

    /// Why it stood where it stood before the lease. A word that is none of ours is no reason.
    pub(super) fn reason(&self) -> Option<Code> {
        self.reason.as_deref().and_then(Code::parse)
    }

    /// What it is to its prescription. With a word that is none of ours it can only be parked or
    /// raised.
    pub(super) fn role(&self) -> Role {
        role(&self.role, self.terms.deadline)
    }

    /// The terms and the request; a row that does not unseal still has a name, so that it can be
    /// parked.
    pub(super) fn open(&mut self, sealer: &Sealer) -> (Terms, Result<Request, ReadError>) {
        let request = self.request(sealer);
        match (self.terms.open(), request) {
            (Ok(terms), Ok(request)) => (terms, Ok(request)),
            _ => (self.terms.weakest(), Err(ReadError::Damaged)),
        }
    }

    fn request(&mut self, sealer: &Sealer) -> Result<Request, Damaged> {
        whole(self.op.clone())?;
        known(Role::parse(&self.role))?;
        reason(self.reason.as_deref())?;
        let number = unseal(sealer, place(self.id, "number"), self.number.as_deref())?;
        Ok(Request {
            payload: sealer.unseal(place(self.id, "payload"), &self.payload)?,
            number: number.unwrap_or_default(),
            authority: sealer.unseal(place(self.id, "authority"), &self.authority)?,
            trace: self.trace.take().map(whole).transpose()?,
        })
    }
}

/// Unseals a column that may be empty.
pub(super) fn unseal(
    sealer: &Sealer,
    place: Place,
    sealed: Option<&[u8]>,
) -> Result<Option<Opaque>, Damaged> {
    sealed
        .map(|sealed| sealer.unseal(place, sealed))
        .transpose()
}

/// An identifier, stored as its 16 bytes.
pub(super) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(Uuid::from_bytes(bytes))
}

/// An identifier that may be missing. One that is none is as good as missing.
pub(super) fn optional_uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Uuid>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Blob(bytes) => Uuid::from_slice(bytes).ok(),
        _ => None,
    })
}
