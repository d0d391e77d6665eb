//! Rotation: another key seals what is new, everything else is sealed again behind it, and the key
//! before is destroyed.
//!
//! # Invariants
//!
//! 1. A key is destroyed only when no value in any table names it, and when everyone is done who began
//!    before that was so.
//! 2. Nothing is kept of how far it has come but the values themselves and the ring: a process that was
//!    killed at any moment goes on at its next start.
//! 3. Every value that was sealed again is on disk for good before the key before is destroyed: a power cut
//!    takes none back.
//! 4. A value that does not open is counted and said, and stays as it is; the key it names stays with
//!    it.
//!
//! # Limits
//!
//! One small write at a time ([`reseal`](crate::sqlite::reseal)), and [`PAUSE`] after each.
//!
//! # Failure
//!
//! It stops, says so, and goes on [`RETRY_AFTER`] later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::ports::{Clock, ReadError, WriteError};
use policies::time::Timestamp;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::{Keys, RingError};
use crate::persons::Persons;
use crate::sqlite::Sqlite;
use crate::sqlite::reseal::{Next, RowKey, TABLES, Table};
pub use count::Report;

mod count;
#[cfg(test)]
mod tests;

/// Between two writes: a rotation takes a tenth of the one writer at most, and a million prescriptions
/// take some twenty minutes.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is looked whether everyone is done who began before.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long what stopped it is left alone: a full disk is not emptied in less.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What became of a wish to rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It began: what is new is sealed under another key.
    Now,
    /// One is under way already.
    Before,
}

/// How a rotation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Standing {
    #[default]
    Idle,
    /// The new key is on its way to the disk.
    Beginning,
    Running,
}

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    standing: Standing,
    /// When it began, or went on in this process.
    pub since: Option<Timestamp>,
    /// Values sealed again since then.
    pub resealed: u64,
    /// Values that do not open, and stay under their key.
    pub damaged: u64,
    /// Whether something is in its way. It is tried again.
    pub is_stopped: bool,
}

impl Progress {
    /// Whether a rotation is under way.
    pub fn is_running(&self) -> bool {
        self.standing != Standing::Idle
    }
}

/// Why a rotation does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("a database cannot be written")]
    Unwritten(WriteError),
    #[error("a database cannot be read")]
    Unread(ReadError),
    #[error(transparent)]
    Ring(#[from] RingError),
}

/// Rotates the keys of the rows of one node.
pub struct Rotation {
    keys: Arc<Keys>,
    entries: Arc<Sqlite>,
    persons: Arc<Persons>,
    clock: Arc<dyn Clock>,
    progress: Mutex<Progress>,
    wake: Notify,
}

impl std::fmt::Debug for Rotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotation").finish_non_exhaustive()
    }
}

impl Rotation {
    /// A rotation over what is open. One that was under way goes on once [`Rotation::run`] does.
    pub fn new(entries: Arc<Sqlite>, persons: Arc<Persons>, clock: Arc<dyn Clock>) -> Rotation {
        let keys = Arc::clone(entries.keys());
        let mut progress = Progress::default();
        if !keys.old().is_empty() {
            progress.standing = Standing::Running;
            progress.since = Some(clock.now());
        }
        Rotation {
            keys,
            entries,
            persons,
            clock,
            progress: Mutex::new(progress),
            wake: Notify::new(),
        }
    }

    /// Begins a rotation, unless one is under way. Once it has begun, what is new is sealed under a new
    /// key, which is on disk.
    ///
    /// # Errors
    ///
    /// The ring could not be written: it is as it was, or has one more key.
    pub async fn begin(self: &Arc<Self>) -> Result<Begun, RingError> {
        let rotation = Arc::clone(self);
        // On a thread of its own, and to its end, even if who asked for it goes away.
        let begun = spawn_blocking(move || rotation.begin_now()).await;
        begun.unwrap_or(Err(RingError::Randomness))
    }

    fn begin_now(&self) -> Result<Begun, RingError> {
        {
            let mut progress = self.state();
            if progress.is_running() {
                return Ok(Begun::Before);
            }
            progress.standing = Standing::Beginning;
        }
        let now = self.clock.now();
        let renewed = self.keys.renew(now);
        let mut progress = self.state();
        match &renewed {
            Ok(_) => {
                *progress = Progress {
                    standing: Standing::Running,
                    since: Some(now),
                    ..Progress::default()
                }
            }
            Err(_) => progress.standing = Standing::Idle,
        }
        self.wake.notify_one();
        renewed.map(|_| Begun::Now)
    }

    /// Rotates whenever it is asked to, for ever. It may be dropped at any moment.
    pub async fn run(&self) {
        loop {
            if self.progress().standing != Standing::Running {
                self.wake.notified().await;
                continue;
            }
            let mut pass = Pass::default();
            let ended = loop {
                match pass.step(self).await {
                    Ok(true) => self.clock.sleep(PAUSE).await,
                    Ok(false) => break Ok(()),
                    Err(stopped) => break Err(stopped),
                }
            };
            match ended {
                Ok(()) => self.end(),
                Err(stopped) => {
                    self.stop(&stopped);
                    self.clock.sleep(RETRY_AFTER).await;
                    self.state().is_stopped = false;
                }
            }
        }
    }

    /// How the rotation that is under way stands, or the last one of this process.
    pub fn progress(&self) -> Progress {
        *self.state()
    }

    /// Waits until everyone is done who began before now.
    async fn drain(&self) {
        let before = self.keys.turn();
        while before.strong_count() > 0 {
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    fn stop(&self, stopped: &Stopped) {
        let cause = std::error::Error::source(stopped).map(tracing::field::display);
        tracing::error!(error = %stopped, cause, "the rotation of keys has stopped");
        self.state().is_stopped = true;
    }

    fn end(&self) {
        let mut progress = self.state();
        progress.standing = Standing::Idle;
        let (values, damaged) = (progress.resealed, progress.damaged);
        if self.keys.old().is_empty() {
            tracing::warn!(
                values,
                damaged,
                "the keys were rotated: the one before is destroyed"
            );
        } else {
            tracing::error!(
                values,
                damaged,
                "the keys were rotated, but values do not open: the key that they name is kept"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a pass over everything stands.
#[derive(Debug, Default)]
enum Stage {
    /// Before it, what was sealed under a key before is written, or never will be.
    #[default]
    Drain,
    /// The rows of a table after a place are looked at.
    Look(usize, i64),
    /// Some rows of a table are left to seal again, before it goes on.
    Rows(usize, Vec<RowKey>, Next),
    /// The answers about persons after a place.
    Persons(i64),
    /// Nothing is left but what does not open.
    Destroy,
}

/// One pass, step by step; between two of them anything may happen.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    stage: Stage,
    damaged: u64,
}

impl Pass {
    /// Takes the next step; false after the last.
    pub(crate) async fn step(&mut self, of: &Rotation) -> Result<bool, Stopped> {
        let stage = std::mem::take(&mut self.stage);
        self.stage = match stage {
            Stage::Drain => {
                of.drain().await;
                of.entries.flush().await.map_err(Stopped::Unwritten)?;
                Stage::Look(0, 0)
            }
            Stage::Look(table, after) => match TABLES.get(table) {
                Some(&sealed) => look(of, table, sealed, after).await?,
                None => Stage::Persons(0),
            },
            Stage::Rows(table, mut rows, next) => {
                let sealed = TABLES[table];
                let rest = rows.split_off(sealed.rows_max().min(rows.len()));
                let done = of.entries.reseal(sealed, rows).await;
                let done = done.map_err(Stopped::Unwritten)?;
                self.damaged += done.damaged;
                let mut progress = of.state();
                progress.resealed += done.values;
                progress.damaged = self.damaged;
                after_rows(table, rest, next)
            }
            Stage::Persons(after) => {
                let done = of.persons.reseal(after).await;
                let (next, values) = done.map_err(Stopped::Unwritten)?;
                of.state().resealed += values;
                next.map_or(Stage::Destroy, Stage::Persons)
            }
            Stage::Destroy => {
                destroy(of).await?;
                return Ok(false);
            }
        };
        Ok(true)
    }
}

async fn look(of: &Rotation, at: usize, table: Table, after: i64) -> Result<Stage, Stopped> {
    let active = of.keys.sealer().active();
    let found = of
        .entries
        .look(move |conn| table.stale(conn, after, active));
    let (rows, next) = found.await.map_err(Stopped::Unread)?;
    Ok(after_rows(at, rows, next))
}

fn after_rows(table: usize, rows: Vec<RowKey>, next: Next) -> Stage {
    match next {
        _ if !rows.is_empty() => Stage::Rows(table, rows, next),
        Next::After(after) => Stage::Look(table, after),
        Next::End => Stage::Look(table + 1, 0),
    }
}

/// Destroys every old key that no value names. What is counted cannot grow any more: nobody seals with
/// an old key. Whoever began before may hold a value that has been sealed again since.
async fn destroy(of: &Rotation) -> Result<(), Stopped> {
    let counts = of.count().await.map_err(Stopped::Unread)?;
    of.drain().await;
    // A commit of the shelf is synced no more than it needs to be; what it holds of before would name a
    // key that is gone.
    of.persons.flush().await.map_err(Stopped::Unwritten)?;
    for id in of.keys.old() {
        if counts.contains_key(&id) {
            continue;
        }
        let keys = Arc::clone(&of.keys);
        let destroyed = spawn_blocking(move || keys.destroy(id)).await;
        destroyed.unwrap_or(Err(RingError::Randomness))?;
    }
    Ok(())
}
