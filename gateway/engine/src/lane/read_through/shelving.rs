//! The lane's use of its shelf: read within a limit, and told what to write ([`super::writing`]).
//!
//! # Invariants
//!
//! 1. What was forgotten is not read from the shelf any more, even while the shelf still has it.
//! 2. An answer that is not put in the place of one with other relations leaves none there.
//!
//! # Limits
//!
//! [`OPS_MAX`] writes wait; an answer that finds no place is not kept on disk, and is counted. An order
//! to forget that finds none is given again at the next sweep, and when the lane ends. A read takes at
//! most [`READ_WITHIN`], then it counts as failed.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policies::time::Timestamp;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{mpsc, oneshot};

use super::ReadCore;
use super::flights::{Flights, Seat};
use super::leaving::{Forgotten, Leaving};
use crate::lookup::{Digest, LookupKey, Shelved};
use crate::ports::{Clock, Shelf, WriteError};
use crate::stop::Stop;

/// Some seconds of what a full lane brings.
const OPS_MAX: usize = 4_096;
/// A read of a healthy disk takes well under a millisecond; more is taken from the time in which a
/// desk is answered.
const READ_WITHIN: Duration = Duration::from_millis(250);
/// How long who purges waits for the shelf before being told that nobody knows.
const PURGE_WITHIN: Duration = Duration::from_secs(10);
/// Answers swept in one step: others may write in between.
const SWEPT_AT_ONCE: usize = 500;
/// How long one step of a sweep is waited for.
const SWEEP_WITHIN: Duration = Duration::from_secs(10);
/// Between two steps of a sweep, for puts to get their turn.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// A write to the shelf.
#[derive(Debug)]
pub(super) enum Op {
    /// Keeps an answer.
    Put(Arc<Shelved>, Before),
    /// Forgets; the number of the order, and who wants to know.
    Forget(
        Forgotten,
        u64,
        Option<oneshot::Sender<Result<usize, WriteError>>>,
    ),
    /// Nothing comes after.
    End,
}

/// What the shelf has under the key of an answer that it shall keep, as far as the lane knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing, or an answer with the same relations.
    Same,
    /// An answer with other relations: it must not outlive the new one.
    Other,
    /// It could not be read.
    Unread,
}

/// What went wrong since it was last reported.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    reads: AtomicU64,
    pub(super) writes: AtomicU64,
    dropped: AtomicU64,
}

/// The shelf, as the lane uses it.
pub(super) struct Shelving {
    pub(super) shelf: Arc<dyn Shelf>,
    clock: Arc<dyn Clock>,
    stop: Stop,
    ops: mpsc::Sender<Op>,
    readings: Flights<LookupKey, Read>,
    leaving: Mutex<Leaving>,
    pub(super) troubles: Troubles,
}

/// The shelf did not say whether it has something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unread;

/// What the shelf has.
type Read = Result<Option<Arc<Shelved>>, Unread>;

/// It is to be forgotten.
struct Barred;

impl Shelving {
    pub(super) fn new(core: &ReadCore) -> (Shelving, mpsc::Receiver<Op>) {
        let (ops, receiver) = mpsc::channel(OPS_MAX);
        let shelving = Shelving {
            shelf: Arc::clone(&core.shelf),
            clock: Arc::clone(&core.clock),
            stop: core.stop.clone(),
            ops,
            readings: Flights::new(),
            leaving: Mutex::default(),
            troubles: Troubles::default(),
        };
        (shelving, receiver)
    }

    /// What the shelf has under `key`, read once for all who want it now. `keep` is given what comes
    /// to this reader first, and is not overtaken by an order to forget.
    pub(super) async fn read(&self, key: LookupKey, keep: impl FnOnce(&Arc<Shelved>)) -> Read {
        let may_read = || {
            let is_barred = self.leaving().bars(&key);
            (!is_barred).then_some(()).ok_or(Barred)
        };
        match self.readings.join_or_lead(key, may_read) {
            Err(Barred) => Ok(None),
            Ok(Seat::Wait(waiter)) => waiter.landed().await.unwrap_or(Err(Unread)),
            Ok(Seat::Lead(leader, ())) => {
                let read = self.get(key).await;
                leader.land(|is_valid| {
                    let read = read?.filter(|_| is_valid);
                    Ok(read.inspect(keep))
                })
            }
        }
    }

    /// What the shelf has under `key`, forgotten or not.
    pub(super) async fn get(&self, key: LookupKey) -> Read {
        let read = tokio::select! {
            biased;
            read = self.shelf.get(key) => read.ok(),
            () = self.clock.sleep(READ_WITHIN) => None,
        };
        if read.is_none() {
            count(&self.troubles.reads);
        }
        Ok(read.ok_or(Unread)?.map(Arc::new))
    }

    /// Keeps `answer` in the background, if there is room for it to wait.
    pub(super) fn keep(&self, answer: &Arc<Shelved>, before: Before) {
        let put = Op::Put(Arc::clone(answer), before);
        if self.ops.try_send(put).is_err() {
            count(&self.troubles.dropped);
            if before != Before::Same {
                self.forget(answer.key, || {});
            }
        }
    }

    /// Forgets one answer: `elsewhere` while it cannot be read from here, then on the shelf.
    pub(super) fn forget(&self, key: LookupKey, elsewhere: impl FnOnce()) {
        let what = Forgotten::Answer(key);
        let number = self.expel(what);
        elsewhere();
        self.order(what, number);
    }

    /// Forgets everything about a person on the shelf, by the order that has expelled it; how many
    /// answers it held.
    pub(super) async fn purge(&self, person: Digest, number: u64) -> Result<usize, WriteError> {
        let what = Forgotten::Person(person);
        let (reply, answer) = oneshot::channel();
        let purged = async {
            let place = self.ops.reserve().await;
            let place = place.map_err(|_| WriteError::Refused)?;
            self.leaving().queued(what, number, true);
            place.send(Op::Forget(what, number, Some(reply)));
            answer.await.unwrap_or(Err(WriteError::Unknown))
        };
        tokio::select! {
            biased;
            purged = purged => purged,
            () = self.clock.sleep(PURGE_WITHIN) => Err(WriteError::Unknown),
        }
    }

    /// From now on it is not read; whoever is reading it finds nothing.
    pub(super) fn expel(&self, what: Forgotten) -> u64 {
        let number = self.leaving().begin(what);
        self.readings.void(|key| what.covers(key));
        number
    }

    fn order(&self, what: Forgotten, number: u64) {
        if let Ok(place) = self.ops.try_reserve() {
            self.leaving().queued(what, number, true);
            place.send(Op::Forget(what, number, None));
        }
    }

    /// Gives again the orders that have come to nothing.
    pub(super) fn order_again(&self) {
        let undone = self.leaving().undone();
        for (what, number) in undone {
            self.order(what, number);
        }
    }

    /// Gives again what has come to nothing, and tells the writer that nothing comes after.
    pub(super) async fn end(&self) {
        let told = async {
            let undone = self.leaving().undone();
            for (what, number) in undone {
                let place = self.ops.reserve().await?;
                self.leaving().queued(what, number, true);
                place.send(Op::Forget(what, number, None));
            }
            self.ops.send(Op::End).await.map_err(|_| SendError(()))
        };
        tokio::select! {
            biased;
            // A writer that is gone has nothing to be told.
            _ = told => {}
            () = self.stop.forced() => {}
        }
    }

    /// Forgets every answer that was given before `before`.
    pub(super) async fn sweep(&self, before: Timestamp) {
        loop {
            let swept = tokio::select! {
                biased;
                swept = self.shelf.sweep(before, SWEPT_AT_ONCE) => swept.ok(),
                () = self.clock.sleep(SWEEP_WITHIN) => None,
                () = self.stop.draining() => return,
            };
            match swept {
                Some(SWEPT_AT_ONCE..) => self.clock.sleep(SWEEP_PAUSE).await,
                Some(_) => return,
                None => return count(&self.troubles.writes),
            }
        }
    }

    /// Says what has gone wrong since it was last asked.
    pub(super) fn report(&self) {
        let taken = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let reads = taken(&self.troubles.reads);
        let writes = taken(&self.troubles.writes);
        let dropped = taken(&self.troubles.dropped);
        if reads + writes + dropped > 0 {
            tracing::warn!(
                reads_failed = reads,
                writes_failed = writes,
                writes_dropped = dropped,
                "the shelf of answers does not keep up: after a restart less will be known"
            );
        }
    }

    /// A panic under this lock leaves plain values: they are used on.
    pub(super) fn leaving(&self) -> MutexGuard<'_, Leaving> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

impl fmt::Debug for Shelving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelving")
            .field("troubles", &self.troubles)
            .finish_non_exhaustive()
    }
}
