//! Watches: rows over numbers that were given up, each made of the row that gave its number up.
//!
//! # Invariants
//!
//! 1. A watch holds all it needs to look and to annul: whatever becomes of the prescription's row,
//!    its number is looked for.
//! 2. It stands alone under an order key of its own, so that it holds up nothing.

use engine::ports::EntryId;
use policies::delivery::Uncertain;
use policies::failure::Opaque;
use policies::family::Look;
use policies::operation::{LaneName, OpName};
use policies::time::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::row::{self, at, limit, place};
use super::step::Standing;
use super::tx::Tx;
use crate::sealing::{Damaged, Purpose, Sealer};

/// Watches put forward in one transaction.
pub(super) const HASTENED_MAX: usize = 512;

/// The watches over one entry's numbers that wait for their next look are due.
pub(super) const DUE_AT_ONCE: &str = "UPDATE entries SET queue = 'ready', due = NULL \
     WHERE depends_on = ?1 AND role = 'watch' AND queue = 'deferred'";
/// Those that look at this moment find a mark when they are settled: whoever looks did not know.
pub(super) const MARK: &str = "UPDATE entries SET due = 0 \
     WHERE depends_on = ?1 AND role = 'watch' AND queue = 'leased'";
/// What they find may be annulled.
pub(super) const CONSENT: &str = "UPDATE entries SET annul_consent = 1 \
     WHERE depends_on = ?1 AND role = 'watch' AND queue IS NOT NULL";
/// Watches over earlier numbers that ended because they found one live, or could not look for it
/// ([`policies::family::looks_again`]): the number of such a watch is its own, which a cancel of the
/// prescription leaves where it is.
pub(super) const LOOKS_AGAIN: &str = "SELECT accepted_seq, id FROM entries \
     WHERE depends_on = ?1 AND role = 'watch' AND state = 'conflict' \
     AND reason IN ('late-commit', 'possible-double') AND number_digest IS NOT NULL";
const LOOK_AGAIN: &str = "UPDATE entries SET annul_consent = 1, state = 'uncertain', \
     reason = NULL, queue = 'ready', due = NULL, authority = coalesce(?2, authority) \
     WHERE accepted_seq = ?1";
/// Watches of a lane that would look later than at ?2.
pub(super) const HASTEN: &str = "UPDATE entries SET due = ?2 WHERE accepted_seq IN ( \
     SELECT accepted_seq FROM entries \
     WHERE role = 'watch' AND queue = 'deferred' AND lane = ?1 AND due > ?2 LIMIT ?3)";

/// Open watches of another operation than ?1. That a watch is no prescription is said for the index.
pub(super) const RENAME: &str = "UPDATE entries SET op = ?1 \
     WHERE role = 'watch' AND role <> 'create' AND queue IS NOT NULL AND op <> ?1";

/// What was or may have been sent, as the row that it was sent from has it sealed.
pub(super) struct Source {
    id: EntryId,
    number: Option<Vec<u8>>,
    number_digest: Option<Vec<u8>>,
    payload: Vec<u8>,
    authority: Vec<u8>,
    look_after_ms: i64,
}

impl Source {
    /// Reads it from the row of `parent`.
    pub(super) fn read(tx: &Tx<'_>, parent: &Standing) -> rusqlite::Result<Source> {
        tx.conn
            .prepare_cached(
                "SELECT number, number_digest, payload, authority, look_after_ms FROM entries \
                 WHERE accepted_seq = ?1",
            )?
            .query_row([parent.seq], |found| {
                Ok(Source {
                    id: parent.id,
                    number: found.get(0)?,
                    number_digest: found.get(1)?,
                    payload: found.get(2)?,
                    authority: found.get(3)?,
                    look_after_ms: found.get(4)?,
                })
            })
    }

    /// Its number, sealed again for `row`.
    pub(super) fn number(&self, sealer: &Sealer, row: EntryId) -> Result<Option<Vec<u8>>, Damaged> {
        self.number
            .as_deref()
            .map(|sealed| self.again(sealer, row, "number", sealed))
            .transpose()
    }

    /// Its request, sealed again for `row`.
    pub(super) fn payload(&self, sealer: &Sealer, row: EntryId) -> Result<Vec<u8>, Damaged> {
        self.again(sealer, row, "payload", &self.payload)
    }

    fn again(
        &self,
        sealer: &Sealer,
        row: EntryId,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, Damaged> {
        seal_again(sealer, [self.id, row], column, sealed)
    }
}

/// A watch that is about to begin.
pub(super) struct Watch {
    id: EntryId,
    parent: i64,
    number: Vec<u8>,
    number_digest: Option<Vec<u8>>,
    payload: Vec<u8>,
    authority: Vec<u8>,
    look_after_ms: i64,
}

/// A watch over the present number of `parent`; `None` if it has none, [`Damaged`] if it cannot be
/// read.
pub(super) fn prepare(
    tx: &Tx<'_>,
    parent: &Standing,
) -> rusqlite::Result<Result<Option<Watch>, Damaged>> {
    let source = Source::read(tx, parent)?;
    let id = EntryId(Uuid::now_v7());
    let sealer = &tx.fixed.sealer;
    let prepare = || {
        let Some(number) = source.number(sealer, id)? else {
            return Ok(None);
        };
        Ok(Some(Watch {
            id,
            parent: parent.seq,
            number,
            payload: source.payload(sealer, id)?,
            authority: source.again(sealer, id, "authority", &source.authority)?,
            number_digest: source.number_digest.clone(),
            look_after_ms: source.look_after_ms,
        }))
    };
    Ok(prepare())
}

impl Watch {
    /// Stores it. `replaces`: the number is not its prescription's any more, and is held by the watch;
    /// its rule for an unknown outcome says which.
    pub(super) fn begin(self, tx: &mut Tx<'_>, look: Look, replaces: bool) -> rusqlite::Result<()> {
        let now = at(tx.now);
        let (queue, due) = match look {
            Look::Now => (row::READY, None),
            Look::Scheduled => (row::DEFERRED, Some(now.saturating_add(self.look_after_ms))),
        };
        let sealer = &tx.fixed.sealer;
        let name = self.id.0.as_bytes();
        let key = sealer.digest(Purpose::Key, &[b"", b"watch", name]);
        let fingerprint = sealer.digest(Purpose::Fingerprint, &[]);
        let uncertain = if replaces {
            Uncertain::AnnulAndResend
        } else {
            Uncertain::Verify
        };
        let seq = tx.next_seq();
        tx.conn
            .prepare_cached(
                "INSERT INTO entries (accepted_seq, id, organization, lane, op, order_key, state, \
                 queue, due, epoch, sends, failures, accepted_at, updated_at, fallback, uncertain, \
                 deadline, answer_within_ms, paper_within_ms, look_after_ms, annul_consent, \
                 origin_node, trace, key_digest, fingerprint, number_digest, identity_digest, \
                 number, authority, payload, role, depends_on) \
                 SELECT ?1, ?2, organization, lane, ?3, ?2, 'uncertain', \
                 ?4, ?5, 0, 0, 0, ?6, ?6, 'hold', ?16, \
                 ?7, answer_within_ms, paper_within_ms, look_after_ms, annul_consent, \
                 ?8, trace, ?9, ?10, ?11, identity_digest, \
                 ?12, ?13, ?14, 'watch', id FROM entries WHERE accepted_seq = ?15",
            )?
            .execute(params![
                seq,
                name,
                tx.fixed.undo_op.0,
                queue,
                due,
                now,
                row::NO_DEADLINE,
                tx.fixed.node,
                key,
                fingerprint,
                self.number_digest.filter(|_| replaces),
                self.number,
                self.authority,
                self.payload,
                self.parent,
                uncertain.as_str(),
            ])
            .map(drop)
    }
}

/// Gives every open watch the operation that undoes in this release: under
/// another name, or a damaged one, nobody would take it up, and a watch has no deadline.
pub(super) fn rename(conn: &Connection, undo_op: OpName) -> rusqlite::Result<()> {
    conn.execute(RENAME, [undo_op.0]).map(drop)
}

/// The upstream may have applied what `parent` was given up for.
pub(super) fn look_at_once(tx: &Tx<'_>, parent: EntryId) -> rusqlite::Result<()> {
    for sql in [DUE_AT_ONCE, MARK] {
        tx.conn
            .prepare_cached(sql)?
            .execute([parent.0.as_bytes()])?;
    }
    Ok(())
}

/// Its prescriber wants `parent` gone: whatever is found of it may be annulled, under the `authority`
/// of `cancel`, as its row has it sealed.
pub(super) fn consent(
    tx: &Tx<'_>,
    parent: &Standing,
    cancel: EntryId,
    authority: &[u8],
) -> rusqlite::Result<()> {
    tx.conn
        .prepare_cached("UPDATE entries SET annul_consent = 1 WHERE accepted_seq = ?1")?
        .execute([parent.seq])?;
    tx.conn
        .prepare_cached(CONSENT)?
        .execute([parent.id.0.as_bytes()])?;
    let ended: Vec<(i64, EntryId)> = tx
        .conn
        .prepare_cached(LOOKS_AGAIN)?
        .query_map([parent.id.0.as_bytes()], |found| {
            Ok((found.get(0)?, EntryId(row::uuid(found, 1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (seq, watch) in ended {
        // One that cannot be sealed for it leaves it the one it had.
        let authority = seal_again(&tx.fixed.sealer, [cancel, watch], "authority", authority).ok();
        tx.conn
            .prepare_cached(LOOK_AGAIN)?
            .execute(params![seq, authority])?;
    }
    Ok(())
}

/// What is sealed in `column` of one row, sealed for the other. What cannot be is as lost to that one
/// as what cannot be read.
fn seal_again(
    sealer: &Sealer,
    [from, to]: [EntryId; 2],
    column: &'static str,
    sealed: &[u8],
) -> Result<Vec<u8>, Damaged> {
    let Opaque(plain) = sealer.unseal(place(from, column), sealed)?;
    sealer.seal(place(to, column), &plain).map_err(|_| Damaged)
}

/// Puts forward to `look` up to [`HASTENED_MAX`] watches of `lane` that would look later; how many.
pub(super) fn hasten(tx: &Tx<'_>, lane: LaneName, look: Timestamp) -> rusqlite::Result<usize> {
    tx.conn
        .prepare_cached(HASTEN)?
        .execute(params![lane.0, at(look), limit(HASTENED_MAX)])
}
