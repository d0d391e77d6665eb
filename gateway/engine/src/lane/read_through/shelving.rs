//! The lane's use of its shelf: read within a limit, written in order, in the background.
//!
//! # Invariants
//!
//! 1. One task writes, in the order in which things happened: nothing that was forgotten is put back
//!    by a write that was begun before.
//! 2. What was forgotten is not read from the shelf any more, even while the shelf still has it.
//!
//! # Limits
//!
//! [`OPS_MAX`] writes wait; an answer that finds no place is not kept on disk, and is counted. An order to forget that finds
//! none is given again at the next sweep. A read takes at most [`READ_WITHIN`], then it counts as failed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use policies::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::ReadCore;
use super::flights::{Flights, Seat};
use super::inside::Inside;
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
/// Answers put at the same time: the shelf writes them to disk together.
const PUTS_AT_ONCE: usize = 64;
/// Answers swept in one step: others may write in between.
const SWEPT_AT_ONCE: usize = 500;
/// How long one step of a sweep is waited for.
const SWEEP_WITHIN: Duration = Duration::from_secs(10);

/// A write to the shelf.
#[derive(Debug)]
pub(super) enum Op {
    /// Keeps an answer.
    Put(Arc<Shelved>),
    /// Forgets; the number of the order, and who wants to know.
    Forget(
        Forgotten,
        u64,
        Option<oneshot::Sender<Result<usize, WriteError>>>,
    ),
    /// Nothing comes after.
    End,
}

/// What went wrong since it was last reported.
#[derive(Debug, Default)]
struct Troubles {
    reads: AtomicU64,
    writes: AtomicU64,
    dropped: AtomicU64,
}

/// The shelf, as the lane uses it.
pub(super) struct Shelving {
    shelf: Arc<dyn Shelf>,
    clock: Arc<dyn Clock>,
    stop: Stop,
    ops: mpsc::Sender<Op>,
    readings: Flights<LookupKey, Option<Arc<Shelved>>>,
    leaving: Mutex<Leaving>,
    troubles: Troubles,
}

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
    pub(super) async fn read(
        &self,
        key: LookupKey,
        keep: impl FnOnce(&Arc<Shelved>),
    ) -> Option<Arc<Shelved>> {
        let may_read = || {
            let is_barred = self.leaving().bars(&key);
            (!is_barred).then_some(()).ok_or(Barred)
        };
        match self.readings.join_or_lead(key, may_read) {
            Err(Barred) => None,
            Ok(Seat::Wait(waiter)) => waiter.landed().await.flatten(),
            Ok(Seat::Lead(leader, ())) => {
                let read = self.get(key).await;
                leader.land(|is_valid| {
                    let read = read.filter(|_| is_valid);
                    read.inspect(keep)
                })
            }
        }
    }

    async fn get(&self, key: LookupKey) -> Option<Arc<Shelved>> {
        let read = tokio::select! {
            biased;
            read = self.shelf.get(key) => read.ok(),
            () = self.clock.sleep(READ_WITHIN) => None,
        };
        if read.is_none() {
            count(&self.troubles.reads);
        }
        read.flatten().map(Arc::new)
    }

    /// Keeps `answer` in the background, if there is room for it to wait.
    pub(super) fn keep(&self, answer: &Arc<Shelved>) {
        if self.ops.try_send(Op::Put(Arc::clone(answer))).is_err() {
            count(&self.troubles.dropped);
        }
    }

    /// Forgets one answer: `elsewhere` while it cannot be read from here, then on the shelf.
    pub(super) fn forget(&self, key: LookupKey, elsewhere: impl FnOnce()) {
        let what = Forgotten::Answer(key);
        let number = self.expel(what);
        elsewhere();
        self.order(what, number);
    }

    /// Forgets everything about a person: `elsewhere` while it cannot be read from here, then on the
    /// shelf; how many answers it held.
    pub(super) async fn purge(
        &self,
        person: Digest,
        elsewhere: impl FnOnce(),
    ) -> Result<usize, WriteError> {
        let what = Forgotten::Person(person);
        let number = self.expel(what);
        elsewhere();
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
    fn expel(&self, what: Forgotten) -> u64 {
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

    /// Tells the writer that nothing comes after.
    pub(super) async fn end(&self) {
        tokio::select! {
            biased;
            _ = self.ops.send(Op::End) => {}
            () = self.stop.forced() => {}
        }
    }

    /// Writes what it is told to, in order, as long as the shelf takes for it.
    async fn write(&self, mut ops: mpsc::Receiver<Op>) {
        let mut next = None;
        loop {
            let op = match next.take() {
                Some(op) => Some(op),
                None => ops.recv().await,
            };
            match op {
                None | Some(Op::End) => break,
                Some(Op::Put(answer)) => next = self.put_together(answer, &mut ops).await,
                Some(Op::Forget(what, number, reply)) => {
                    let result = self.tell_to_forget(what, number).await;
                    if let Some(reply) = reply {
                        // Who has given up waiting has been told that nobody knows.
                        reply.send(result).ok();
                    }
                }
            }
        }
    }

    /// Puts `first` and what waits behind it, as long as no two are about one person; what is to be
    /// done next.
    async fn put_together(&self, first: Arc<Shelved>, ops: &mut mpsc::Receiver<Op>) -> Option<Op> {
        let mut persons = BTreeSet::from([first.key.person]);
        let mut answers = vec![first];
        let mut next = None;
        while answers.len() < PUTS_AT_ONCE {
            match ops.try_recv() {
                Ok(Op::Put(answer)) if persons.insert(answer.key.person) => answers.push(answer),
                other => {
                    next = other.ok();
                    break;
                }
            }
        }
        let puts = answers
            .iter()
            .map(|answer| self.shelf.put(Shelved::clone(answer)));
        for put in join_all(puts).await {
            if put.is_err() {
                count(&self.troubles.writes);
            }
        }
        next
    }

    async fn tell_to_forget(&self, what: Forgotten, number: u64) -> Result<usize, WriteError> {
        let result = match what {
            Forgotten::Answer(key) => self.shelf.remove(key).await.map(|()| 1),
            Forgotten::Person(person) => self.shelf.purge(person).await,
        };
        match result {
            Ok(_) => self.leaving().done(what, number),
            Err(_) => {
                count(&self.troubles.writes);
                self.leaving().queued(what, number, false);
            }
        }
        result
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
                Some(SWEPT_AT_ONCE..) => {}
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
    fn leaving(&self) -> MutexGuard<'_, Leaving> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

impl Inside {
    /// Writes to the shelf until the lane has ended, or is cut short.
    pub(super) async fn write_shelf(self: Arc<Self>, ops: mpsc::Receiver<Op>) {
        tokio::select! {
            biased;
            () = self.shelving.write(ops) => {}
            () = self.core.stop.forced() => {}
        }
    }
}

impl fmt::Debug for Shelving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelving")
            .field("troubles", &self.troubles)
            .finish_non_exhaustive()
    }
}
