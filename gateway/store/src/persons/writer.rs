//! The one thread that writes answers: whatever waits together is committed together.
//!
//! # Invariants
//!
//! 1. Nobody is answered before the `COMMIT` of their group has returned, and nobody who erases
//!    before the log was emptied, unless a reader stood in the way; then that is done next. Of a sweep
//!    that is its last step, the one that finds fewer answers than it may: emptying the log after each
//!    would keep puts waiting.
//! 2. A file that turns out damaged is begun anew, and the group is written to the new one.
//! 3. Where there is no space, be it for the reserve, nothing is put. The reserve, the log and a few of
//!    the oldest answers are given back to the disk, and only what deletes is tried again.
//!
//! # Limits
//!
//! A group takes up to [`GROUP_MAX`] changes: what waits is taken, and nothing is waited for.
//!
//! # Failure
//!
//! Nothing poisons: the file holds nothing that is owed to anybody. After any other error it is
//! opened again with the next group.

mod job;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use engine::ports::WriteError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::job::{Job, answer};
use super::change::{self, Change, Erasure};
use super::file;
use super::reserve::Reserve;
use super::scale::{Scale, ShelfTime};
use crate::keys::Keys;

/// Changes committed together, at most.
const GROUP_MAX: usize = 64;
/// How often the oldest answers are given up on a full disk: entries get some 100 KiB a second, and a
/// million answers last for hours.
const ROOM_EVERY_MS: i64 = 1_000;

/// What reading and writing threads share.
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) keys: Arc<Keys>,
    pub(super) scale: Scale,
    pub(super) size_bytes_max: u64,
    /// Raised whenever a file was opened; readers open theirs again. 0: none was.
    pub(super) generation: AtomicU64,
}

enum Message {
    Write(Job),
    /// The file of this generation is damaged, a reader says.
    Broken(u64),
    Close(oneshot::Sender<()>),
}

/// The way to the writing thread.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Writer {
    /// Opens the file, if it can be, and starts the thread over it.
    pub(super) fn start(shared: Arc<Shared>, queue_max: usize) -> io::Result<Writer> {
        let (queue, waiting) = mpsc::channel(queue_max.max(1));
        let mut engine = Engine {
            reserve: Reserve::of(&shared.directory),
            shared,
            conn: None,
            owes: Erasure::Never,
            made_room: None,
        };
        if let Err(error) = engine.open() {
            tracing::error!(error = %error, "the shelf of persons cannot be opened now");
        }
        let thread = thread::Builder::new()
            .name("persons-writer".to_owned())
            .spawn(move || engine.run(waiting))?;
        Ok(Writer {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands `change` over and waits until it is done; how many answers it concerned.
    pub(super) async fn write(&self, change: Change) -> Result<usize, WriteError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::new(change, Some(reply));
        if self.queue.send(Message::Write(job)).await.is_err() {
            return Err(WriteError::Refused);
        }
        answer.await.unwrap_or(Err(WriteError::Unknown))
    }

    /// Hands `change` over, if there is room in the queue, for nobody to wait for.
    pub(super) fn pass(&self, change: Change) {
        let job = Job::new(change, None);
        // A full queue: whoever meets the same again says so again.
        drop(self.queue.try_send(Message::Write(job)));
    }

    /// Says that the file of `generation` is damaged.
    pub(super) fn broken(&self, generation: u64) {
        drop(self.queue.try_send(Message::Broken(generation)));
    }

    /// Waits until everything handed over so far is answered and the thread has ended.
    pub(super) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            drop(ended.await);
        }
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}

/// What the writing thread owns.
struct Engine {
    shared: Arc<Shared>,
    /// `None` while the file cannot be opened.
    conn: Option<Connection>,
    reserve: Reserve,
    /// What was deleted and may still lie in the log.
    owes: Erasure,
    /// When answers were last given up for want of space.
    made_room: Option<ShelfTime>,
}

impl Engine {
    fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut closing = Vec::new();
        let mut group = Vec::with_capacity(GROUP_MAX);
        while let Some(first) = queue.blocking_recv() {
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Write(job) => group.push(job),
                    Message::Broken(generation) => self.reader_met_damage(generation),
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
            if !group.is_empty() {
                self.write(std::mem::take(&mut group));
            }
        }
        self.finish();
        drop(closing);
    }

    /// Writes `group`, answers it, and sees to the log.
    fn write(&mut self, mut group: Vec<Job>) {
        let puts = group.iter().any(|job| job.change.is_put());
        let mut ended = match !puts || self.holds_reserve() {
            true => self.attempt(&mut group),
            false => Err((false, file::full())),
        };
        if ended
            .as_ref()
            .is_err_and(|(_, error)| file::is_damage(error))
        {
            self.begin_anew();
            ended = self.attempt(&mut group);
        }
        if ended.as_ref().is_err_and(|(_, error)| file::is_full(error)) {
            let (puts, rest) = group.into_iter().partition(|job| job.change.is_put());
            group = rest;
            self.make_room();
            answer(puts, Err(WriteError::Refused));
            ended = match group.is_empty() {
                true => Ok(()),
                false => self.attempt(&mut group),
            };
        }
        let ended = ended.map_err(|(committing, error)| {
            tracing::error!(error = %error, "answers about persons could not be written");
            if !file::is_full(&error) {
                self.conn = None;
            }
            match committing && !file::is_full(&error) {
                true => WriteError::Unknown,
                false => WriteError::Refused,
            }
        });
        if ended.is_ok() {
            let rest = self.owe(group);
            self.tidy();
            group = rest;
        }
        answer(group, ended);
    }

    /// Answers whoever of `group`, which is written, waits for nothing to be erased; the others.
    fn owe(&mut self, group: Vec<Job>) -> Vec<Job> {
        let (waiting, rest): (Vec<Job>, _) = group.into_iter().partition(|job| {
            let erasure = job.change.erases(job.outcome, self.owes);
            self.owes = self.owes.max(erasure);
            erasure == Erasure::Now
        });
        answer(rest, Ok(()));
        waiting
    }

    /// One transaction; an error comes with whether it was met in `COMMIT`.
    fn attempt(&mut self, group: &mut [Job]) -> Result<(), (bool, rusqlite::Error)> {
        let before = |error| (false, error);
        self.open().map_err(before)?;
        let (Some(conn), Some(moment)) = (&self.conn, self.shared.scale.moment()) else {
            return Err((false, rusqlite::Error::InvalidQuery));
        };
        let synced = group.iter().any(|job| job.change.is_synced());
        let written = (|| {
            if synced {
                file::sync_commits(conn, true).map_err(before)?;
            }
            let pages_max = file::pages_max(conn, self.shared.size_bytes_max).map_err(before)?;
            conn.execute_batch("BEGIN IMMEDIATE").map_err(before)?;
            let needed = group.iter().map(|job| job.change.pages()).sum();
            change::make_fit(conn, needed, pages_max).map_err(before)?;
            for job in &mut *group {
                job.outcome = job.change.run(conn).map_err(before)?;
            }
            file::mark(conn, &self.shared.keys.sealer(), &moment.mark).map_err(before)?;
            conn.execute_batch("COMMIT").map_err(|error| (true, error))
        })();
        if !conn.is_autocommit()
            && let Err(error) = conn.execute_batch("ROLLBACK")
        {
            tracing::error!(error = %error, "a failed transaction could not be left");
            self.conn = None;
            return written;
        }
        if synced && let Err(error) = file::sync_commits(conn, false) {
            tracing::error!(error = %error, "commits stay synced");
        }
        written
    }

    /// Opens the file if it is not open.
    fn open(&mut self) -> rusqlite::Result<()> {
        if self.conn.is_none() {
            let Shared {
                directory,
                keys,
                scale,
                size_bytes_max,
                ..
            } = &*self.shared;
            self.conn = Some(file::open(
                directory,
                &keys.sealer(),
                scale,
                *size_bytes_max,
            )?);
            self.shared.generation.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    fn reader_met_damage(&mut self, generation: u64) {
        if generation == self.shared.generation.load(Ordering::Acquire) {
            self.begin_anew();
        }
    }

    /// Invariant 2.
    fn begin_anew(&mut self) {
        tracing::error!("the shelf of persons is damaged and begun anew");
        self.conn = None;
        let begun = file::delete(&self.shared.directory).map_err(|error| error.to_string());
        let begun = begun.and_then(|()| self.open().map_err(|error| error.to_string()));
        if let Err(error) = begun {
            tracing::error!(error, "the shelf of persons cannot be begun anew now");
        }
    }

    /// Whether the reserve is held, or can be had.
    fn holds_reserve(&mut self) -> bool {
        // The directory may be there only now.
        let held = self.open().is_err() || self.reserve.hold().is_ok();
        if held {
            self.made_room = None;
        }
        held
    }

    /// Gives reserve and log back to the disk, then a few of the oldest answers.
    fn make_room(&mut self) {
        let now = self.shared.scale.moment().map(|moment| moment.mark.now);
        let (Some(conn), Some(now)) = (&self.conn, now) else {
            return;
        };
        match self.made_room {
            Some(last) if now.0 - last.0 < ROOM_EVERY_MS => return,
            Some(_) => {}
            None => tracing::error!(
                "there is no space for answers about persons: the oldest are given up for others"
            ),
        }
        self.made_room = Some(now);
        self.reserve.release();
        let room = || -> rusqlite::Result<()> {
            file::fold(conn)?;
            conn.execute_batch("BEGIN IMMEDIATE")?;
            change::evict(conn)?;
            conn.execute_batch("COMMIT")?;
            file::shrink(conn)?;
            file::fold(conn).map(drop)
        };
        if let Err(error) = room() {
            tracing::warn!(error = %error, "no more space could be given back");
            if !conn.is_autocommit() && conn.execute_batch("ROLLBACK").is_err() {
                self.conn = None;
            }
        }
    }

    /// Empties the log of what was erased, and gives much free space back.
    fn tidy(&mut self) {
        let Some(conn) = &self.conn else { return };
        let folded = if self.owes == Erasure::Now {
            file::pages(conn)
                .and_then(|(used, free)| match free > used / 4 {
                    true => file::shrink(conn),
                    false => Ok(()),
                })
                .and_then(|()| file::fold(conn))
        } else {
            // A sweep that goes on still ends with giving space back.
            file::fold_if_long(conn).map(|()| false)
        };
        match folded {
            Ok(true) => self.owes = Erasure::Never,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(error = %error, "the log of the shelf could not be folded");
            }
        }
    }

    /// Leaves everything in the database, with the last reading of the clocks.
    fn finish(mut self) {
        if self.conn.is_none() {
            return;
        }
        let folded = self
            .attempt(&mut [])
            .map_err(|(_, error)| error)
            .and_then(|()| self.conn.as_ref().map_or(Ok(false), file::fold));
        if let Err(error) = folded {
            tracing::warn!(error = %error, "the log of the shelf of persons was left");
        }
    }
}
