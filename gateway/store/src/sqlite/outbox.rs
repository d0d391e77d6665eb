//! Events that are still to be pushed.
//!
//! # Invariants
//!
//! 1. An event stands here from the transaction that wrote it until it is removed.
//! 2. Of one prescription the oldest is due, and no other.
//! 3. It goes to where its prescription says when it is pushed: a later request may have named another
//!    address.
//! 4. A start makes everything due: what was put off spared a host for a while, and neither that while nor
//!    the clock is to be relied on after it. One over a copy does, too: what was received since the copy
//!    was made is pushed again, under the same name.
//! 5. What became of a push counts only while its event still goes where it was pushed.
//!
//! # Limits
//!
//! As many rows as there are events that nobody has received; each look reads of every host only what is
//! asked for.

use std::collections::BTreeSet;

use engine::ports::{Callback, EntryId, Organization, ReadError, ReplyTo, Unreadable, Waiting};
use policies::callback;
use policies::state::State;
use policies::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::reader::Unread;
use super::row::{self, at, instant, place, uint, uuid};
use super::step::Standing;
use super::tx::Tx;
use crate::sealing::{Damaged, Sealer, Unsealable};

/// The next host that something is due to, or will be.
const NEXT_HOST: &str = "SELECT host FROM outbox INDEXED BY outbox_due \
     WHERE due IS NOT NULL AND host > ?1 ORDER BY host LIMIT 1";
/// What one host is due, or will be.
const OF_HOST: &str = "SELECT o.seq, o.id, e.id, v.state, v.reason, v.at, o.tries, o.host, o.due, \
     e.reply_to, e.organization \
     FROM outbox AS o INDEXED BY outbox_due \
     CROSS JOIN events AS v ON v.seq = o.seq \
     CROSS JOIN entries AS e ON e.accepted_seq = o.entry \
     WHERE o.host = ?1 AND o.due IS NOT NULL ORDER BY o.due, o.seq";
/// What waits for the oldest event of an entry.
const NEXT_OF_ENTRY: &str = "UPDATE outbox SET due = ?2 WHERE due IS NULL AND seq = \
     (SELECT seq FROM outbox WHERE entry = ?1 ORDER BY seq LIMIT 1)";

/// An address to push to, sealed for the entry whose events go there.
pub(super) struct SealedAddress {
    pub(super) host: String,
    pub(super) url: Vec<u8>,
}

impl SealedAddress {
    pub(super) fn seal(
        sealer: &Sealer,
        entry: EntryId,
        reply_to: &ReplyTo,
    ) -> Result<SealedAddress, Unsealable> {
        Ok(SealedAddress {
            host: reply_to.host.clone(),
            url: sealer.seal(place(entry, "reply_to"), &reply_to.url.0)?,
        })
    }
}

/// Lets the events of `entry`, those that wait included, go to `address` from now on, as if it had never
/// been tried.
pub(super) fn redirect(
    tx: &mut Tx<'_>,
    entry: &Standing,
    address: &SealedAddress,
) -> rusqlite::Result<()> {
    tx.conn
        .prepare_cached(
            "UPDATE entries SET reply_to = ?2, reply_host = ?3 WHERE accepted_seq = ?1",
        )?
        .execute(params![entry.seq, address.url, address.host])?;
    let moved = tx
        .conn
        .prepare_cached(
            "UPDATE outbox SET host = ?2, tries = 0, \
                 due = CASE WHEN due IS NOT NULL THEN min(due, ?3) END \
             WHERE entry = ?1",
        )?
        .execute(params![entry.seq, address.host, at(tx.now)])?;
    tx.has_callbacks |= moved > 0;
    Ok(())
}

/// Puts event `seq` of `entry`, just written, into the outbox, if it is one that is pushed.
pub(super) fn put(
    tx: &mut Tx<'_>,
    entry: &Standing,
    seq: i64,
    state: State,
) -> rusqlite::Result<()> {
    if !entry.is_followed || !callback::is_pushed(state) {
        return Ok(());
    }
    tx.conn
        .prepare_cached(
            "INSERT INTO outbox (seq, id, entry, host, due, tries) \
             SELECT ?1, ?2, accepted_seq, reply_host, \
                 CASE WHEN EXISTS (SELECT 1 FROM outbox WHERE entry = ?3) THEN NULL ELSE ?4 END, 0 \
             FROM entries WHERE accepted_seq = ?3",
        )?
        .execute(params![
            seq,
            Uuid::now_v7().as_bytes(),
            entry.seq,
            at(tx.now)
        ])?;
    tx.has_callbacks = true;
    Ok(())
}

/// Makes everything due that was put off.
pub(super) fn wake(conn: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    conn.execute(
        "UPDATE outbox SET due = ?1 WHERE due IS NOT NULL AND due > ?1",
        [at(now)],
    )
    .map(drop)
}

/// Puts event `seq` off, if it still goes to `host`.
pub(super) fn put_off(
    tx: &mut Tx<'_>,
    (seq, host): (u64, &str),
    tries: u32,
    due: Timestamp,
) -> rusqlite::Result<()> {
    tx.conn
        .prepare_cached("UPDATE outbox SET tries = ?3, due = ?4 WHERE seq = ?1 AND host = ?2")?
        .execute(params![row::int(seq), host, tries, at(due)])
        .map(drop)
}

/// Removes event `seq`, if it still goes to `host`, and lets the next of its prescription be due.
pub(super) fn remove(tx: &mut Tx<'_>, (seq, host): (u64, &str)) -> rusqlite::Result<()> {
    let entry: Option<i64> = tx
        .conn
        .prepare_cached("DELETE FROM outbox WHERE seq = ?1 AND host = ?2 RETURNING entry")?
        .query_row(params![row::int(seq), host], |found| found.get(0))
        .optional()?;
    if let Some(entry) = entry {
        tx.conn
            .prepare_cached(NEXT_OF_ENTRY)?
            .execute(params![entry, at(tx.now)])?;
    }
    Ok(())
}

/// What is due at `now`, up to `per_host_max` of each host but those of `skipped`, and when the next is.
pub(super) fn due(
    conn: &Connection,
    sealer: &Sealer,
    (per_host_max, skipped): (usize, &BTreeSet<String>),
    now: Timestamp,
) -> Result<Waiting, Unread> {
    let mut waiting = Waiting::default();
    let mut next_host = conn.prepare_cached(NEXT_HOST)?;
    let mut of_host = conn.prepare_cached(OF_HOST)?;
    let mut last = String::new();
    while let Some(host) = next_host
        .query_row([&last], |found| found.get::<_, String>(0))
        .optional()?
    {
        last = host;
        if skipped.contains(&last) {
            continue;
        }
        let mut rows = of_host.query([&last])?;
        for _ in 0..per_host_max {
            let Some(found) = rows.next()? else { break };
            let due = instant(found.get(8)?);
            if due > now {
                waiting.next = Some(waiting.next.map_or(due, |next| next.min(due)));
                break;
            }
            match read(found, sealer) {
                Ok(callback) => waiting.due.push(callback),
                Err(Damaged) => waiting.unreadable.push(Unreadable {
                    seq: uint(found.get(0)?),
                    host: last.clone(),
                }),
            }
        }
    }
    Ok(waiting)
}

fn read(found: &Row<'_>, sealer: &Sealer) -> Result<Callback, Damaged> {
    let damaged = |_| Damaged;
    let entry = EntryId(uuid(found, 2).map_err(damaged)?);
    let reason = row::optional_text(found, 4).map_err(damaged)?;
    let sealed: Option<Vec<u8>> = found.get(9).map_err(damaged)?;
    let url = sealed.ok_or(Damaged);
    let url = url.and_then(|sealed| sealer.unseal(place(entry, "reply_to"), &sealed));
    Ok(Callback {
        seq: uint(found.get(0).map_err(damaged)?),
        id: uuid(found, 1).map_err(damaged)?,
        entry,
        organization: Organization(row::text(found, 10).map_err(damaged)?),
        state: row::state(&row::text(found, 3).map_err(damaged)?)?,
        reason: row::reason(reason.as_deref())?,
        at: instant(found.get(5).map_err(damaged)?),
        tries: found.get(6).map_err(damaged)?,
        host: found.get(7).map_err(damaged)?,
        url: url.map_err(|Damaged| ReadError::Damaged),
    })
}

/// How many events wait.
pub(super) fn count(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_row("SELECT count(*) FROM outbox", [], |found| found.get(0))
        .map(uint)
}
