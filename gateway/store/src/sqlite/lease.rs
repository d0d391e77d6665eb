//! Leasing: who may work on an entry, and until when.
//!
//! # Invariants
//!
//! 1. Every lease raises the epoch, and a lease to send counts its send, in one transaction.
//! 2. A lease that ran out leaves its entry uncertain (or given up, where the desk does not wait),
//!    never due to be sent: nobody knows what the upstream has seen. The same holds for every lease
//!    of a process that is gone.
//! 3. An entry is not leased while an earlier one under the same order key is still to be moved.
//!
//! # Limits
//!
//! A call ends at most [`EXPIRED_MAX`] leases and lets at most [`COMING_DUE_MAX`] deferred entries
//! come due, those that have waited longest first; the rest follow with the next calls. So no call
//! holds up the writer for long, however many entries come due at once, and "earliest deadline
//! first" is meant among those that have come due.
//!
//! Entries that wait for an earlier one are passed over in the order of deadlines: a call costs
//! what it leases, and what it passes over.

use std::time::Duration;

use engine::ports::{Leased, Wanted};
use policies::delivery::{NumberFate, lease_ended};
use policies::family::Look;
use policies::state::State;
use policies::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::row::{self, RawWork, at, instant, limit, work_columns};
use super::step::{self, Standing, Step, standing_columns};
use super::tx::Tx;
use crate::sealing::Sealer;

pub(super) const EXPIRED_MAX: usize = 512;
const COMING_DUE_MAX: usize = 512;
/// Entries leased by one call, at most.
const LEASED_MAX: usize = 512;

/// The condition that no earlier entry under the order key of `e` is still to be moved.
macro_rules! in_turn {
    () => {
        "NOT EXISTS ( \
             SELECT 1 FROM entries AS earlier \
             WHERE earlier.order_key = e.order_key AND earlier.queue IS NOT NULL \
             AND earlier.accepted_seq < e.accepted_seq)"
    };
}

/// Due entries of a lane and state, in the order they are leased.
const DUE: &str = concat!(
    "SELECT accepted_seq, ",
    work_columns!(),
    " FROM entries AS e WHERE queue = 'ready' AND lane = ?1 AND op = ?2 AND state = ?3 AND ",
    in_turn!(),
    " ORDER BY deadline, accepted_seq LIMIT ?4"
);
/// Whether there are any.
const ANY_DUE: &str = concat!(
    "SELECT 1 FROM entries AS e WHERE queue = 'ready' AND lane = ?1 AND op = ?2 AND state = ?3 AND ",
    in_turn!(),
    " LIMIT 1"
);
/// Deferred entries whose time has come become due.
const COME_DUE: &str = "UPDATE entries SET queue = 'ready', due = NULL WHERE accepted_seq IN ( \
     SELECT accepted_seq FROM entries \
     WHERE queue = 'deferred' AND lane = ?1 AND op = ?2 AND state = ?3 AND due <= ?4 \
     ORDER BY due LIMIT ?5)";
/// When the next deferred entry comes due.
const NEXT_DEFERRED: &str = concat!(
    "SELECT due FROM entries AS e WHERE queue = 'deferred' AND lane = ?1 AND op = ?2 AND state = ?3 AND ",
    in_turn!(),
    " ORDER BY due LIMIT 1"
);
/// Leases that have ended.
const ENDED: &str = concat!(
    "SELECT ",
    standing_columns!(),
    " FROM entries WHERE queue = 'leased' AND lease_until <= ?1 ORDER BY lease_until LIMIT ?2"
);
/// When the next running lease of an operation ends; of leases to send only, unless ?3.
const NEXT_END: &str = "SELECT lease_until FROM entries \
     WHERE queue = 'leased' AND lane = ?1 AND op = ?2 AND (?3 OR state = 'sending') \
     ORDER BY lease_until LIMIT 1";

/// An entry just leased, still sealed.
pub(super) struct Held {
    work: RawWork,
    state: State,
    until: Timestamp,
}

impl Held {
    /// Unseals it, on the deliverer's side of the queue.
    pub(super) fn open(mut self, sealer: &Sealer) -> Leased {
        let reason = self.work.reason();
        let (terms, request) = self.work.open(sealer);
        if request.is_err() {
            tracing::error!(entry = %self.work.id, "an entry cannot be unsealed");
        }
        Leased {
            id: self.work.id,
            role: self.work.role(),
            accepted_at: instant(self.work.accepted_at),
            op: self.work.op,
            epoch: row::uint(self.work.epoch),
            lease_until: self.until,
            state: self.state,
            sends: self.work.sends,
            failures: self.work.failures,
            reason,
            terms,
            request,
        }
    }
}

/// Ends the leases that ran out, then leases up to `entries_max` due entries of `wanted`.
pub(super) fn lease_due(
    tx: &mut Tx<'_>,
    wanted: Wanted,
    entries_max: usize,
    lease_for: Duration,
) -> rusqlite::Result<Vec<Held>> {
    let now = at(tx.now);
    end_leases(tx, now, EXPIRED_MAX)?;
    come_due(tx, wanted, now)?;
    let state = if wanted.verify {
        State::Verifying
    } else {
        State::Sending
    };
    let due: Vec<(i64, RawWork)> = tx
        .conn
        .prepare_cached(DUE)?
        .query_map(
            params![
                wanted.lane.0,
                wanted.op.0,
                source(wanted).as_str(),
                limit(entries_max.min(LEASED_MAX))
            ],
            |found| Ok((found.get(0)?, RawWork::read(found, 1)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let until = tx.now + lease_for;
    let lease_until = at(until);
    due.into_iter()
        .map(|(seq, mut work)| {
            work.epoch += 1;
            work.sends += u32::from(!wanted.verify);
            tx.conn
                .prepare_cached(
                    "UPDATE entries SET state = ?2, queue = 'leased', lease_until = ?3, \
                     epoch = ?4, sends = ?5 WHERE accepted_seq = ?1",
                )?
                .execute(params![
                    seq,
                    state.as_str(),
                    lease_until,
                    work.epoch,
                    work.sends
                ])?;
            Ok(Held { work, state, until })
        })
        .collect()
}

/// Invariant 2: takes up to `leases_max` entries whose lease ended at `now` or before to where
/// nobody knows what became of them; how many.
pub(super) fn end_leases(tx: &mut Tx<'_>, now: i64, leases_max: usize) -> rusqlite::Result<usize> {
    let ended = Standing::all(tx, ENDED, params![now, limit(leases_max)])?;
    for standing in &ended {
        let Standing {
            role,
            state,
            reason,
            fallback,
            ..
        } = *standing;
        let (state, reason, number) = lease_ended(role, state, reason, fallback);
        let step = Step {
            watch: (number == NumberFate::Watched).then_some(Look::Scheduled),
            ..standing.to(state, Some(reason))
        };
        step::take(tx, standing, &step)?;
    }
    Ok(ended.len())
}

/// Moves deferred entries whose time has come to those that are due.
fn come_due(tx: &Tx<'_>, wanted: Wanted, now: i64) -> rusqlite::Result<()> {
    tx.conn
        .prepare_cached(COME_DUE)?
        .execute(params![
            wanted.lane.0,
            wanted.op.0,
            source(wanted).as_str(),
            now,
            limit(COMING_DUE_MAX)
        ])
        .map(drop)
}

/// The state that `wanted` leases from.
fn source(wanted: Wanted) -> State {
    if wanted.verify {
        State::Uncertain
    } else {
        State::Accepted
    }
}

/// When there is something to lease of `wanted`, or a lease ends that makes something of it.
///
/// An attempt to verify may end a lease to send as well: both leave an entry to verify.
pub(super) fn next_due(
    conn: &Connection,
    wanted: Wanted,
    now: Timestamp,
) -> rusqlite::Result<Option<Timestamp>> {
    let source = source(wanted).as_str();
    let ready =
        conn.prepare_cached(ANY_DUE)?
            .exists(params![wanted.lane.0, wanted.op.0, source])?;
    if ready {
        return Ok(Some(now));
    }
    let deferred: Option<i64> = conn
        .prepare_cached(NEXT_DEFERRED)?
        .query_row(params![wanted.lane.0, wanted.op.0, source], |row| {
            row.get(0)
        })
        .optional()?;
    let lease: Option<i64> = conn
        .prepare_cached(NEXT_END)?
        .query_row(params![wanted.lane.0, wanted.op.0, wanted.verify], |row| {
            row.get(0)
        })
        .optional()?;
    Ok([deferred, lease].into_iter().flatten().min().map(instant))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::sqlite::{drift, family, schema, settle, watch};

    fn plan_of(sql: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let conn = schema::open_writer(&directory.path().join("entries.db"), None).unwrap();
        schema::plan(&conn, sql)
    }

    /// What leasing costs must not grow with what waits: every statement reads an index that holds
    /// what it looks for and nothing else, in the order it is wanted.
    #[test]
    fn no_statement_walks_through_what_waits_or_sorts_it() {
        let ready = "SEARCH e USING INDEX entries_ready (lane=? AND op=? AND state=?)";
        let dependents = "SEARCH entries USING INDEX entries_dependents (role=?)";
        let family = "SEARCH entries USING INDEX entries_family (depends_on=?)";
        let cases = [
            (DUE, ready),
            (ANY_DUE, ready),
            (
                COME_DUE,
                "entries_deferred (lane=? AND op=? AND state=? AND due<?)",
            ),
            (
                NEXT_DEFERRED,
                "SEARCH e USING INDEX entries_deferred (lane=? AND op=? AND state=?)",
            ),
            (
                ENDED,
                "SEARCH entries USING INDEX entries_leased (lease_until<?)",
            ),
            // Leases are few: as many as attempts may run at once.
            (NEXT_END, "SCAN entries USING INDEX entries_leased"),
            (
                settle::OVERDUE,
                "SEARCH entries USING INDEX entries_overdue (deadline>? AND deadline<?)",
            ),
            (
                settle::PAPER_OVERDUE,
                "SEARCH entries USING INDEX entries_paper (paper_due>? AND paper_due<?)",
            ),
            (
                settle::UNAUTHORIZED,
                "USING INDEX entries_unauthorized (organization=? AND identity_digest=?)",
            ),
            (family::WAITING, family),
            (watch::DUE_AT_ONCE, family),
            (watch::MARK, family),
            (watch::CONSENT, family),
            (watch::LOOKS_AGAIN, family),
            (watch::HASTEN, "entries_watches (lane=? AND due>?)"),
            (watch::RENAME, dependents),
            (drift::WATCHES_BEGIN, dependents),
        ];
        for (sql, index) in cases {
            let plan = plan_of(sql);
            assert!(plan.contains(index), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
            assert_eq!(plan.contains("SCAN"), sql == NEXT_END, "{sql}\n{plan}");
        }
        let in_turn = "SEARCH earlier USING INDEX entries_order (order_key=? AND rowid<?)";
        assert!(plan_of(DUE).contains(in_turn));
    }

    /// A look at the queues is two statements run, not two statements planned.
    #[test]
    fn no_statement_is_planned_anew_for_another_parameter() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("entries.db");
        let writer = schema::open_writer(&file, None).unwrap();
        let reader = schema::open_reader(&file).unwrap();
        for conn in [writer, reader] {
            for sql in [ANY_DUE, NEXT_DEFERRED] {
                let mut statement = conn.prepare(sql).unwrap();
                for state in ["accepted", "uncertain", "accepted"] {
                    statement.exists(params!["a lane", "send", state]).unwrap();
                }
                assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
            }
        }
    }
}
