//! The promises of `engine::ports::Store`, as tests that take any engine.
//!
//! Each function is one fact; those that stand for a numbered invariant say its number. A new
//! engine implements [`Place`] and lists the functions once more.

use std::sync::Arc;

use engine::ports::Store;
use futures_util::future::BoxFuture;

use crate::world::TestClock;

pub(crate) mod appends;
pub(crate) mod cancels;
pub(crate) mod chains;
pub(crate) mod desk;
pub(crate) mod leases;
pub(crate) mod numbers;
pub(crate) mod queries;
pub(crate) mod settlements;
pub(crate) mod watches;

/// Somewhere a store can be kept, closed and opened again. New ones are empty.
pub(crate) trait Place: Send {
    /// The clock its stores measure by.
    fn clock(&self) -> &TestClock;
    /// Starts a process on it that allows `entries_max` pending entries.
    fn open(&mut self, entries_max: u64) -> Arc<dyn Store>;
    /// Leaves nothing of what was kept there.
    fn erase(&mut self);
    /// Ends that process.
    fn shut(&mut self) -> BoxFuture<'_, ()>;
}

/// More than any test stores.
pub(crate) const PLENTY: u64 = 1_000;

/// Ends the process of `place` and starts another.
pub(crate) async fn reopen(place: &mut dyn Place) -> Arc<dyn Store> {
    place.shut().await;
    place.open(PLENTY)
}
