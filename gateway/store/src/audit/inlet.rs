//! Where records wait for the thread that writes them.
//!
//! # Invariants
//!
//! 1. What is taken has its place on disk: room is given away here, a record at a time.
//! 2. Whoever brings a record waits for nobody, and wakes the thread only if it sleeps.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policies::time::Timestamp;
use tokio::sync::oneshot;

use super::chain::FRAME_LEN;
use super::{Counts, NOTES_MAX, RECORD_BYTES_MAX, Record, Unavailable};
use crate::sealing::SEALED_EXTRA_LEN;

/// One record on its way.
pub(super) struct Note {
    pub(super) at: Timestamp,
    pub(super) record: Record,
    /// Told once it is on disk; dropped if it never will be.
    pub(super) done: Option<oneshot::Sender<()>>,
}

impl Note {
    pub(super) fn new(at: Timestamp, record: Record, done: Option<oneshot::Sender<()>>) -> Note {
        Note { at, record, done }
    }
}

/// How many bytes `record` takes in a segment.
pub(super) fn bytes(record: &Record) -> u64 {
    let body = record.parts().1.len();
    (FRAME_LEN + SEALED_EXTRA_LEN + body) as u64
}

/// What waits, and what may still come.
#[derive(Default)]
struct Waiting {
    notes: Vec<Note>,
    /// Bytes on disk that nobody was promised.
    room: u64,
    /// Whether the disk has failed since it last did not.
    is_failing: bool,
    /// Whether the store may have records that were not taken on.
    accounts: bool,
    /// Whether somebody waits for a record to be on disk.
    is_urgent: bool,
    /// Whether the thread is to be woken by the next record.
    sleeps: bool,
    closing: Vec<oneshot::Sender<()>>,
    is_closed: bool,
    /// Whether the thread has ended.
    is_ended: bool,
    counts: Counts,
}

impl Waiting {
    fn is_open(&self) -> bool {
        !self.is_closed && !self.is_failing
    }

    fn is_quiet(&self) -> bool {
        self.notes.is_empty() && !self.accounts && !self.is_urgent && self.closing.is_empty()
    }
}

/// What the thread takes from there at a time.
pub(super) struct Taken {
    pub(super) notes: Vec<Note>,
    pub(super) accounts: bool,
    /// Whoever waits for the end; not empty once it is to end.
    pub(super) closing: Vec<oneshot::Sender<()>>,
}

/// Where records wait.
#[derive(Default)]
pub(super) struct Inlet {
    waiting: Mutex<Waiting>,
    moved: Condvar,
}

impl Inlet {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in there is left half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `note`, if it has a place on disk.
    pub(super) fn take(&self, note: Note) -> Result<(), Unavailable> {
        let needed = bytes(&note.record);
        let mut waiting = self.lock();
        let fits = note.record.0.len() <= RECORD_BYTES_MAX
            && waiting.notes.len() < NOTES_MAX
            && waiting.room >= needed;
        if !waiting.is_open() || !fits {
            waiting.counts.refused += 1;
            return Err(Unavailable);
        }
        waiting.room -= needed;
        let is_urgent = note.done.is_some();
        waiting.notes.push(note);
        self.wake(waiting, is_urgent);
        Ok(())
    }

    /// The store has a record to take on.
    pub(super) fn account(&self) {
        let mut waiting = self.lock();
        waiting.accounts = true;
        self.wake(waiting, false);
    }

    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>, is_urgent: bool) {
        waiting.is_urgent |= is_urgent;
        let wakes = is_urgent || waiting.sleeps;
        waiting.sleeps = false;
        drop(waiting);
        if wakes {
            self.moved.notify_one();
        }
    }

    /// Nothing more is taken; resolves when the thread has ended.
    pub(super) fn close(&self) -> oneshot::Receiver<()> {
        let (done, ended) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.is_closed = true;
        if waiting.is_ended {
            return ended;
        }
        waiting.closing.push(done);
        self.wake(waiting, true);
        ended
    }

    /// For the thread, when it ends: nobody waits for it any more.
    pub(super) fn end(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.is_ended = true;
        // Whoever waits is told by the end of theirs that is dropped.
        waiting.notes.clear();
        waiting.closing.clear();
    }

    pub(super) fn is_open(&self) -> bool {
        let waiting = self.lock();
        let needed = (FRAME_LEN + RECORD_BYTES_MAX) as u64;
        waiting.is_open() && waiting.room >= needed && waiting.notes.len() < NOTES_MAX
    }

    pub(super) fn counts(&self) -> Counts {
        let waiting = self.lock();
        Counts {
            waiting: waiting.notes.len() as u64,
            ..waiting.counts
        }
    }

    /// For the thread: what waits, after as long as `gather`, or when it is urgent.
    pub(super) fn gathered(&self, gather: Duration) -> Taken {
        let waiting = self.lock();
        let gathered = self
            .moved
            .wait_timeout_while(waiting, gather, |waiting| !waiting.is_urgent);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        waiting.is_urgent = false;
        Taken {
            notes: std::mem::take(&mut waiting.notes),
            accounts: std::mem::take(&mut waiting.accounts),
            closing: std::mem::take(&mut waiting.closing),
        }
    }

    /// For the thread: waits until something comes, but not longer than `within`.
    pub(super) fn idle(&self, within: Duration) {
        let mut waiting = self.lock();
        waiting.sleeps = waiting.is_quiet();
        let waited = self
            .moved
            .wait_timeout_while(waiting, within, |waiting| waiting.sleeps);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.sleeps = false;
    }

    /// For the thread: promises `bytes` of the room to a record of the store.
    pub(super) fn promise(&self, bytes: u64) -> bool {
        let mut waiting = self.lock();
        let fits = !waiting.is_failing && waiting.room >= bytes;
        if fits {
            waiting.room -= bytes;
        }
        fits
    }

    /// For the thread: there are so many bytes more on disk.
    pub(super) fn add_room(&self, bytes: u64) {
        self.lock().room += bytes;
    }

    /// For the thread: how many there are that nobody was promised.
    pub(super) fn room(&self) -> u64 {
        self.lock().room
    }

    /// For the thread: in another segment there are so many.
    pub(super) fn set_room(&self, bytes_before: u64, bytes: u64) {
        let mut waiting = self.lock();
        // What was promised meanwhile is promised in the other one.
        let promised = bytes_before - waiting.room;
        waiting.room = bytes.saturating_sub(promised);
    }

    /// For the thread: whether the disk fails.
    pub(super) fn fails(&self, is_failing: bool) {
        self.lock().is_failing = is_failing;
    }

    /// For the thread: so many records were written.
    pub(super) fn wrote(&self, records: u64) {
        self.lock().counts.written += records;
    }
}
