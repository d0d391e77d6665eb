//! What callers and operators read.
//!
//! An entry is shown to the organisation that wrote it, and to nobody else: every query that takes
//! a name takes the organisation with it.

use engine::ports::{Document, Entry, EntryId, Event, Filter, Page, Recall};
use policies::state::{State, Tally};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::append::{self, Stored};
use super::reader::Unread;
use super::row::{self, RawEntry, RawEvent, at, document_place, entry_columns, int, limit, uint};
use crate::sealing::{Damaged, Purpose, Sealer};

/// Rows of one answer, at most, whatever was asked for.
pub(super) const PAGE_MAX: usize = 1_000;
/// Damaged rows that are passed over on the way to a full page; with more of them in one place a
/// page comes short.
const DAMAGED_MAX: usize = 64;

impl From<Damaged> for Unread {
    fn from(_: Damaged) -> Self {
        Unread::Damaged
    }
}

/// The condition of a row that is asked for by its name: not one that is about a prescription. A
/// prescription whose role is damaged is found, and said to be.
macro_rules! not_dependent {
    () => {
        "role NOT IN ('cancel', 'paper', 'acknowledge', 'watch')"
    };
}

/// One entry.
pub(super) fn get(
    conn: &Connection,
    sealer: &Sealer,
    organization: &str,
    id: EntryId,
) -> Result<Option<Entry>, Unread> {
    conn.prepare_cached(concat!(
        "SELECT ",
        entry_columns!(),
        " FROM entries WHERE id = ?1 AND organization = ?2 AND ",
        not_dependent!()
    ))?
    .query_row(params![id.0.as_bytes(), organization], |row| {
        RawEntry::read(row, 0)
    })
    .optional()?
    .map(|raw| raw.open(sealer).map_err(Unread::from))
    .transpose()
}

/// What became of an earlier write under the digest of its key.
pub(super) fn recall(
    conn: &Connection,
    sealer: &Sealer,
    key: &[u8],
    fingerprint: &[u8],
) -> Result<Recall, Unread> {
    Ok(match append::earlier(conn, key, fingerprint)? {
        Some(Stored::Replay(raw)) => Recall::Replay(Box::new(raw.open(sealer)?)),
        Some(_) => Recall::KeyReused,
        None => Recall::Nothing,
    })
}

/// Entries that wait for their prescriber, from an index of those alone.
const AUTHORITY_AWAITED: &str = "SELECT 1 FROM entries INDEXED BY entries_unauthorized \
     WHERE state = 'needs-authorization' LIMIT 1";

/// Whether some entry waits for its prescriber: one step into that index.
pub(super) fn authority_awaited(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached(AUTHORITY_AWAITED)?.exists([])
}

/// The condition of the index `entries_attention`, word for word, and the state itself.
macro_rules! attention {
    () => {
        "role = 'create' AND state NOT IN ('accepted', 'sending', 'uncertain', 'verifying', 'registered') AND state = ?"
    };
}

/// Entries that pass `filter`, newest first.
pub(super) fn list(
    conn: &Connection,
    sealer: &Sealer,
    organization: &str,
    filter: &Filter,
    page: Page,
) -> Result<Vec<Entry>, Unread> {
    let mut sql = concat!("SELECT ", entry_columns!(), " FROM entries").to_owned();
    if filter.unacknowledged {
        // An index of those alone; SQLite would rather walk through all that is newer.
        sql.push_str(" INDEXED BY entries_unacknowledged");
    }
    sql.push_str(" WHERE organization = ? AND role = 'create'");
    if filter.unacknowledged {
        sql.push_str(" AND acknowledged = 0");
    }
    let mut values = vec![Value::from(organization.to_owned())];
    let mut and = |condition: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(state) = filter.state {
        let word = state.as_str().to_owned().into();
        match state {
            // Most entries are here: the newest ones are tried until the page is full. The plus
            // keeps SQLite from walking through everybody's entries in that state.
            State::Accepted
            | State::Sending
            | State::Uncertain
            | State::Verifying
            | State::Registered => and("+state = ?", word),
            _ => and(attention!(), word),
        }
    }
    if let Some(number) = &filter.number {
        let digest = sealer.number_digest(&number.0);
        and("number_digest = ?", digest.to_vec().into());
    }
    if let Some(person) = &filter.person {
        let digest = sealer.digest(Purpose::Person, &[&person.0]);
        and("person_digest = ?", digest.to_vec().into());
    }
    if let Some(from) = filter.from {
        and("accepted_at >= ?", at(from).into());
    }
    if let Some(to) = filter.to {
        and("accepted_at < ?", at(to).into());
    }
    if let Some(after) = page.after {
        // Another organisation's entry is as unknown here as one that was never stored.
        sql.push_str(
            " AND accepted_seq < \
             (SELECT accepted_seq FROM entries WHERE id = ? AND organization = ?)",
        );
        values.push(after.0.as_bytes().to_vec().into());
        values.push(organization.to_owned().into());
    }
    sql.push_str(" ORDER BY accepted_seq DESC LIMIT ?");
    let entries_max = page.entries_max.min(PAGE_MAX);
    values.push(limit(entries_max + DAMAGED_MAX).into());
    let mut select = conn.prepare_cached(&sql)?;
    let found = select.query_map(params_from_iter(values), |row| RawEntry::read(row, 0))?;
    readable(found, entries_max, |raw| {
        let id = EntryId(raw.id);
        raw.open(sealer).map_err(|Damaged| id)
    })
}

/// The first `rows_max` of `found` that `open` can read. A damaged one is passed over, with a word
/// in the log: whoever asks for it by name is told, and the others are not withheld for it.
fn readable<Raw, T>(
    found: impl Iterator<Item = rusqlite::Result<Raw>>,
    rows_max: usize,
    open: impl Fn(Raw) -> Result<T, EntryId>,
) -> Result<Vec<T>, Unread> {
    let mut rows = Vec::new();
    for raw in found {
        if rows.len() == rows_max {
            break;
        }
        match open(raw?) {
            Ok(row) => rows.push(row),
            Err(entry) => tracing::error!(%entry, "an entry cannot be read and is not listed"),
        }
    }
    Ok(rows)
}

/// The events of one entry, oldest first.
pub(super) fn events(
    conn: &Connection,
    organization: &str,
    id: EntryId,
) -> Result<Option<Vec<Event>>, Unread> {
    let found: Option<i64> = conn
        .prepare_cached(concat!(
            "SELECT accepted_seq FROM entries WHERE id = ?1 AND organization = ?2 AND ",
            not_dependent!()
        ))?
        .query_row(params![id.0.as_bytes(), organization], |row| row.get(0))
        .optional()?;
    let Some(entry) = found else {
        return Ok(None);
    };
    let mut select = conn.prepare_cached(
        "SELECT accepted_seq, accepted_at, id, 'accepted', NULL FROM entries \
         WHERE accepted_seq = ?1 \
         UNION ALL \
         SELECT seq, at, ?2, state, reason FROM events WHERE entry = ?1 \
         ORDER BY 1",
    )?;
    let events = select
        .query_map(params![entry, id.0.as_bytes()], RawEvent::read)?
        .map(|raw| Ok(raw?.open()?))
        .collect::<Result<_, Unread>>()?;
    Ok(Some(events))
}

/// The events of an organisation above `after`, oldest first.
pub(super) fn events_after(
    conn: &Connection,
    organization: &str,
    after: u64,
    events_max: usize,
) -> Result<Vec<Event>, Unread> {
    // Each half is read in its own order from its own index, and SQLite merges them.
    let mut select = conn.prepare_cached(
        "SELECT accepted_seq, accepted_at, id, 'accepted', NULL FROM entries \
         INDEXED BY entries_organization \
         WHERE role = 'create' AND organization = ?1 AND accepted_seq > ?2 \
         UNION ALL \
         SELECT v.seq, v.at, e.id, v.state, v.reason \
         FROM events AS v INDEXED BY events_organization \
         CROSS JOIN entries AS e ON e.accepted_seq = v.entry \
         WHERE v.organization = ?1 AND v.seq > ?2 \
         ORDER BY 1 LIMIT ?3",
    )?;
    let events_max = events_max.min(PAGE_MAX);
    let rows_max = limit(events_max + DAMAGED_MAX);
    let found = select.query_map(params![organization, int(after), rows_max], RawEvent::read)?;
    readable(found, events_max, |raw| {
        let id = raw.entry;
        raw.open().map_err(|Damaged| id)
    })
}

/// The document of one entry.
pub(super) fn document(
    conn: &Connection,
    sealer: &Sealer,
    organization: &str,
    id: EntryId,
) -> Result<Document, Unread> {
    let found = conn
        .prepare_cached(concat!(
            "SELECT e.state, d.body FROM entries AS e \
             LEFT JOIN documents AS d ON d.entry = e.accepted_seq \
             WHERE e.id = ?1 AND e.organization = ?2 AND ",
            not_dependent!()
        ))?
        .query_row(params![id.0.as_bytes(), organization], |row| {
            Ok((row::text(row, 0)?, row.get::<_, Option<Vec<u8>>>(1)?))
        })
        .optional()?;
    let Some((word, body)) = found else {
        return Ok(Document::NoEntry);
    };
    Ok(match (row::state(&word)?, body) {
        (State::Registered, Some(body)) => {
            Document::Found(sealer.unseal(document_place(id), &body)?)
        }
        (State::Registered, None) => Document::None,
        (state, _) => Document::NotRegistered(state),
    })
}

/// How many rows there are, and how many of them are about another one.
const STORED: &str = "SELECT count(*) FROM entries INDEXED BY entries_id";
const DEPENDENTS: &str = "SELECT count(*) FROM entries INDEXED BY entries_dependents \
     WHERE role <> 'create' AND role IN ('cancel', 'paper', 'acknowledge', 'watch')";

/// How many prescriptions stand where. The whole is counted on its own, over other indexes, so that
/// one that is counted nowhere shows, for its state or its role: the equation does not balance.
pub(super) fn tally(conn: &mut Connection) -> Result<Tally, Unread> {
    // All counts see one moment.
    let tx = conn.transaction()?;
    let rows: i64 = tx.query_row(STORED, [], |row| row.get(0))?;
    let dependents: i64 = tx.query_row(DEPENDENTS, [], |row| row.get(0))?;
    let mut tally = Tally {
        stored: uint(rows - dependents),
        ..Tally::default()
    };
    {
        let mut select = tx.prepare_cached(
            "SELECT state, count(*) FROM entries INDEXED BY entries_state \
             WHERE role = 'create' GROUP BY state",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let count = uint(row.get(1)?);
            match row::state(&row::text(row, 0)?) {
                Ok(state) => tally.add(state, count),
                Err(Damaged) => tracing::error!(count, "entries stand in a state that is none"),
            }
        }
    }
    tx.commit()?;
    Ok(tally)
}
