//! The one thread that writes: whatever waits together is committed together.
//!
//! # Invariants
//!
//! 1. Nobody is answered before the `COMMIT` of the group their write is in has returned.
//! 2. A group is committed whole or not at all, and what the writer keeps in memory (the event
//!    sequence, the count of pending entries, ranges and blocks) follows it.
//! 3. Once poisoned, the writer touches neither database nor log again, also not on closing, and
//!    answers every write as unknown: it may repeat the one that is.
//!
//! # Limits
//!
//! A group takes up to [`GROUP_MAX`] writes: what waits is taken, and nothing is waited for. The
//! queue in front of it is bounded; whoever finds it full waits there.
//!
//! # Failure
//!
//! What an error means is decided in [`super::verdict`]. A panic poisons as well.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use engine::ports::WriteError;
use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, oneshot};

use super::audit::Accounts;
use super::guard::{Guard, Left};
use super::ranges::Numbers;
use super::retire::retire;
use super::tx::{Counts, Fixed, Tx};
use super::verdict::{Stage, Verdict, is_fatal};
use super::{Poisoned, drift, numbers};

/// Writes committed together, at most: 256 measured no faster than 64, and every one of them waits
/// for the last.
const GROUP_MAX: usize = 64;
/// How long the log grows before it is folded into the database: 16 MiB, in which a busy page is
/// written once instead of with every group, and which a start after a crash reads back at once.
const LOG_PAGES_MAX: i64 = 4_096;

/// How a transaction is ended; tests put a failing one here.
pub(super) type Commit = fn(&Connection) -> rusqlite::Result<()>;

/// One write on its way through the queue.
trait Work: Send {
    /// Does it, inside the transaction of its group.
    fn run(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()>;
    /// Says how the group ended.
    fn answer(self: Box<Self>, ended: Result<(), WriteError>);
}

struct Task<T, F> {
    work: Option<F>,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T, WriteError>>,
}

impl<T, F> Work for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()> {
        let work = self.work.take().expect("a write is run once");
        self.outcome = Some(work(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, ended: Result<(), WriteError>) {
        let Task { outcome, reply, .. } = *self;
        let answer = ended.map(|()| outcome.expect("a committed write has an outcome"));
        // The caller may have left; its write is on disk all the same.
        drop(reply.send(answer));
    }
}

enum Message {
    Write(Box<dyn Work>),
    Close(oneshot::Sender<()>),
}

/// The way to the writing thread.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    alarm: Alarm,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread over `engine`.
    pub(super) fn start(engine: Engine, queue_max: usize) -> io::Result<Writer> {
        let (queue, waiting) = mpsc::channel(queue_max.max(1));
        let alarm = engine.alarm.clone();
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || engine.run(waiting))?;
        Ok(Writer {
            queue,
            alarm,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands `work` over and waits until its group is on disk.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, WriteError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            outcome: None,
            reply,
        };
        if self
            .queue
            .send(Message::Write(Box::new(task)))
            .await
            .is_err()
        {
            return Err(if self.poisoned() {
                WriteError::Unknown
            } else {
                WriteError::Refused
            });
        }
        // Without an answer the thread died with the write in its hands.
        answer.await.unwrap_or(Err(WriteError::Unknown))
    }

    /// [`Writer::write`] for a thread of its own, which may wait.
    pub(super) fn write_blocking<T, F>(&self, work: F) -> Result<T, WriteError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            outcome: None,
            reply,
        };
        let handed_over = self.queue.blocking_send(Message::Write(Box::new(task)));
        if handed_over.is_err() {
            return Err(WriteError::Refused);
        }
        answer.blocking_recv().unwrap_or(Err(WriteError::Unknown))
    }

    /// Whether this process must not write again.
    pub(super) fn poisoned(&self) -> bool {
        self.alarm.raised()
    }

    /// Waits until everything handed over so far is answered and the thread has ended.
    pub(super) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // There is no answer: the thread drops `done` when it ends, in whatever way.
            drop(ended.await);
        }
        let thread = self.thread.lock().map(|mut thread| thread.take());
        if let Ok(Some(thread)) = thread {
            drop(thread.join());
        }
    }
}

/// Tells the process, once, that it must not write again.
#[derive(Clone)]
pub(super) struct Alarm {
    raised: Arc<AtomicBool>,
    tell: Option<Poisoned>,
}

impl Alarm {
    pub(super) fn new(tell: Option<Poisoned>) -> Alarm {
        Alarm {
            raised: Arc::new(AtomicBool::new(false)),
            tell,
        }
    }

    fn raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            tracing::error!("the store does not write any more; the process must restart");
            if let Some(tell) = &self.tell {
                tell();
            }
        }
    }
}

/// What the writing thread owns.
pub(super) struct Engine {
    pub(super) conn: Connection,
    pub(super) guard: Guard,
    pub(super) fixed: Fixed,
    pub(super) counts: Counts,
    pub(super) numbers: Numbers,
    pub(super) alarm: Alarm,
    pub(super) commit: Commit,
    /// Rung once something that is to be pushed is on disk.
    pub(super) pushable: Arc<Notify>,
    pub(super) accounts: Arc<Accounts>,
}

/// Ends the transaction for good.
pub(super) fn commit(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached("COMMIT")?.execute([]).map(drop)
}

impl Engine {
    fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let _poison = PoisonOnPanic(self.alarm.clone());
        let mut closing = Vec::new();
        let mut group = Vec::with_capacity(GROUP_MAX);
        while let Some(first) = queue.blocking_recv() {
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Write(work) => group.push(work),
                    Message::Close(done) => {
                        // What was handed over before is still taken from the queue.
                        queue.close();
                        closing.push(done);
                    }
                }
                next = if group.len() < GROUP_MAX {
                    queue.try_recv().ok()
                } else {
                    None
                };
            }
            self.write(&mut group);
            self.fold_if_long();
        }
        self.finish();
        // Whoever closes waits for this.
        drop(closing);
    }

    fn write(&mut self, group: &mut Vec<Box<dyn Work>>) {
        // A repetition of what is unknown must not hear that nothing was stored.
        let ended = if self.alarm.raised() {
            Err(WriteError::Unknown)
        } else {
            self.attempt(group).map_err(|(stage, error)| {
                let verdict = Verdict::of(stage, &error);
                tracing::error!(
                    error = %error,
                    stage = ?stage,
                    writes = group.len(),
                    poisons = verdict.poisons,
                    "a group of writes failed"
                );
                self.undo();
                if verdict.poisons {
                    self.alarm.raise();
                }
                verdict.answer
            })
        };
        for work in group.drain(..) {
            work.answer(ended);
        }
    }

    fn attempt(&mut self, group: &mut [Box<dyn Work>]) -> Result<(), (Stage, rusqlite::Error)> {
        let before = |error| (Stage::Statements, error);
        self.conn
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.execute([]))
            .map_err(before)?;
        let mut tx = Tx {
            conn: &self.conn,
            fixed: &self.fixed,
            now: self.fixed.clock.now(),
            counts: self.counts,
            numbers: &self.numbers,
            marks: BTreeMap::new(),
            has_accounts: false,
            changes: Vec::new(),
            has_callbacks: false,
        };
        for work in group {
            work.run(&mut tx).map_err(before)?;
        }
        numbers::write_marks(&tx).map_err(before)?;
        drift::note(tx.conn, tx.now, &mut tx.counts.noted).map_err(before)?;
        let Tx {
            counts,
            changes,
            has_callbacks,
            has_accounts,
            ..
        } = tx;
        (self.commit)(&self.conn).map_err(|error| (Stage::Commit, error))?;
        self.counts = counts;
        if has_accounts {
            self.accounts.committed();
        }
        for change in changes {
            self.numbers.apply(change);
        }
        if has_callbacks {
            self.pushable.notify_one();
        }
        Ok(())
    }

    /// Leaves the transaction, if SQLite has not done so itself. Writes nothing: what the log holds
    /// of it has no commit mark.
    fn undo(&self) {
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(error = %error, "a failed transaction could not be left");
            self.alarm.raise();
        }
    }

    /// Copies the log into the database once it has grown, after everyone has been answered. A log
    /// that readers still need is copied as far as they allow, and the rest next time.
    fn fold_if_long(&self) {
        if self.alarm.raised() {
            return;
        }
        let count = |sql: &str| -> rusqlite::Result<i64> {
            let mut pragma = self.conn.prepare_cached(sql)?;
            pragma.query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
        };
        let folded = count("PRAGMA wal_checkpoint(NOOP)").and_then(|pages| {
            if pages < LOG_PAGES_MAX {
                return Ok(pages);
            }
            count("PRAGMA wal_checkpoint(PASSIVE)")
        });
        if let Err(error) = folded {
            tracing::error!(error = %error, "the log could not be folded into the database");
            if is_fatal(&error) {
                self.alarm.raise();
            }
        }
    }

    /// Folds the log into the database and writes down that the store is in order; if anything
    /// stands in the way, the next start recovers from the log.
    fn finish(mut self) {
        if self.alarm.raised() {
            return;
        }
        match retire(&self.conn, &mut self.guard, Left::Open) {
            Ok(true) => {}
            Ok(false) => tracing::warn!("the log of the store was left: someone is still reading"),
            Err(error) => {
                let cause = std::error::Error::source(&error);
                tracing::warn!(error = %error, cause, "the log of the store was left");
            }
        }
    }
}

/// Raises the alarm if the writing thread unwinds: what it held in memory is no longer to be trusted.
struct PoisonOnPanic(Alarm);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.raise();
        }
    }
}

#[cfg(test)]
mod tests;
