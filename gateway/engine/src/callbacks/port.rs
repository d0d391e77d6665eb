//! What the pushing of events needs from outside.

use std::time::Duration;

use futures_util::future::BoxFuture;
use policies::callback::Said;
use policies::failure::{Code, Opaque};
use policies::state::State;
use policies::time::Timestamp;
use uuid::Uuid;

use crate::entry::{EntryId, ReadError, WriteError};

/// An event on its way to who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The event's place in the order of all events.
    pub seq: u64,
    /// Its name, the same at every try and after a restart: who receives it twice can tell.
    pub id: Uuid,
    /// Whose event it is.
    pub entry: EntryId,
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
    /// When the next one comes due.
    pub next: Option<Timestamp>,
}

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
    /// What is due, up to `per_host_max` of each host.
    fn due(&self, per_host_max: usize) -> BoxFuture<'_, Result<Waiting, ReadError>>;

    /// Puts event `seq` off until `due`, as tried `tries` times.
    fn put_off(
        &self,
        seq: u64,
        tries: u32,
        due: Timestamp,
    ) -> BoxFuture<'_, Result<(), WriteError>>;

    /// Removes event `seq`: it was received, or is given up.
    fn remove(&self, seq: u64) -> BoxFuture<'_, Result<(), WriteError>>;

    /// Ends when something was put into it since the last call.
    fn changed(&self) -> BoxFuture<'_, ()>;

    /// How many events wait.
    fn waiting(&self) -> BoxFuture<'_, Result<u64, ReadError>>;
}

/// Those who asked for events, reached over the network.
pub trait Receivers: Send + Sync {
    /// Pushes `callback`. Ends within `within`, whatever the receiver does.
    fn push<'a>(&'a self, callback: &'a Callback, within: Duration) -> BoxFuture<'a, Said>;
}
