//! Everything that happened, in order: a digest of it, its end for a person to read, and what was
//! found to be a lie.

use std::collections::VecDeque;
use std::fmt::Arguments;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::ports::Clock;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::time::Timestamp;

/// Events kept to be read.
const TAIL_MAX: usize = 400;

/// tokio's paused time.
#[derive(Clone, Copy)]
pub(crate) struct PausedClock(tokio::time::Instant);

impl PausedClock {
    pub(crate) fn start() -> PausedClock {
        PausedClock(tokio::time::Instant::now())
    }

    /// The clock that `journal` goes by.
    pub(crate) fn at(journal: &Journal) -> PausedClock {
        journal.clock
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000) + self.0.elapsed()
    }
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(span).boxed()
    }
}

/// The record of one seed.
pub(crate) struct Journal {
    clock: PausedClock,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    digest: DefaultHasher,
    events: u64,
    tail: VecDeque<String>,
    lies: Vec<String>,
    told: bool,
}

impl Journal {
    /// A `told` journal is printed as it is written.
    pub(crate) fn new(told: bool) -> Journal {
        let pages = Pages {
            told,
            ..Pages::default()
        };
        Journal {
            clock: PausedClock::start(),
            pages: Mutex::new(pages),
        }
    }

    /// Something happened. Entries are named by their order of appearance, never by their random id.
    pub(crate) fn note(&self, event: Arguments<'_>) {
        let line = format!("{:>9} ms  {event}", self.clock.now().0 - 1_000_000);
        let mut pages = self.pages();
        line.hash(&mut pages.digest);
        pages.events += 1;
        if pages.told {
            println!("{line}");
        }
        if pages.tail.len() == TAIL_MAX {
            pages.tail.pop_front();
        }
        pages.tail.push_back(line);
    }

    /// A promise was broken.
    pub(crate) fn lie(&self, what: Arguments<'_>) {
        self.note(format_args!("LIE: {what}"));
        self.pages().lies.push(what.to_string());
    }

    /// `promise`, or a lie.
    pub(crate) fn hold(&self, promise: bool, what: Arguments<'_>) {
        if !promise {
            self.lie(what);
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn is_broken(&self) -> bool {
        !self.pages().lies.is_empty()
    }

    /// Digest, number of events, and the lies.
    pub(crate) fn close(&self) -> (u64, u64, Vec<String>) {
        let mut pages = self.pages();
        let lies = std::mem::take(&mut pages.lies);
        (pages.digest.finish(), pages.events, lies)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
