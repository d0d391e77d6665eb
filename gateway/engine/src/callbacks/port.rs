//! What the pushing of events needs from outside.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::BoxFuture;
use policies::callback::Said;
use policies::failure::{Code, Opaque};
use policies::state::State;
use policies::time::Timestamp;
use uuid::Uuid;

use crate::entry::{EntryId, Organization, ReadError, WriteError};

/// An event on its way to who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The event's place in the order of all events.
    pub seq: u64,
    /// Its name, the same at every try and after a restart: who receives it twice can tell.
    pub id: Uuid,
    /// Whose event it is.
    pub entry: EntryId,
    /// Whose prescription it is: it must still be allowed to receive at `host`.
    pub organization: Organization,
    /// The state that was reached.
    pub state: State,
    /// Why.
    pub reason: Option<Code>,
    /// When.
    pub at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// Host and port of its receiver.
    pub host: String,
    /// The address of its receiver; `Err` if it does not unseal.
    pub url: Result<Opaque, ReadError>,
}

/// What waits in an outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// What is due, of each host those that have been due longest, in this order.
    pub due: Vec<Callback>,
    /// What is due and cannot be told, because its row cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// When the next one comes due.
    pub next: Option<Timestamp>,
}

/// A place in the outbox whose event cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its place in the order of all events.
    pub seq: u64,
    /// Host and port of its receiver.
    pub host: String,
}

/// What became of a push, as it is told to operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// What follows from it.
    pub said: Said,
    /// What it came to, in a word.
    pub cause: &'static str,
    /// The status of the answer; 0 without one.
    pub status: u16,
}

/// Whether events may still be pushed to a host (with its port) for an organisation, as registered now.
pub type MayReceive = dyn Fn(&Organization, &str) -> bool + Send + Sync;

/// Events that are still to be pushed, beside the entries and as durably.
///
/// # Invariants
///
/// 1. An event is put here by the transaction that writes it, and by nothing else: after a crash both are
///    there, or neither.
/// 2. Of one prescription only the oldest event is due: the next one becomes it when that is removed.
/// 3. What is due stays due until it is put off or removed. Who has it under way knows so in memory
///    alone, so that a crash pushes it again.
pub trait Outbox: Send + Sync {
    /// What is due, up to `per_host_max` of each host but those of `skipped`.
    fn due(
        &self,
        per_host_max: usize,
        skipped: BTreeSet<String>,
    ) -> BoxFuture<'_, Result<Waiting, ReadError>>;

    /// Puts event `seq` off until `due`, as tried `tries` times, unless it goes to another host than
    /// `host` by now.
    fn put_off<'a>(
        &'a self,
        seq: u64,
        host: &'a str,
        tries: u32,
        due: Timestamp,
    ) -> BoxFuture<'a, Result<(), WriteError>>;

    /// Removes event `seq`, received at `host` or given up there, unless it goes to another by now.
    fn remove<'a>(&'a self, seq: u64, host: &'a str) -> BoxFuture<'a, Result<(), WriteError>>;

    /// Ends when something was put into it since the last call.
    fn changed(&self) -> BoxFuture<'_, ()>;

    /// How many events wait.
    fn waiting(&self) -> BoxFuture<'_, Result<u64, ReadError>>;
}

/// Those who asked for events, reached over the network.
pub trait Receivers: Send + Sync {
    /// Pushes `callback`. Ends within `within`, whatever the receiver does.
    fn push<'a>(&'a self, callback: &'a Callback, within: Duration) -> BoxFuture<'a, Pushed>;
}
