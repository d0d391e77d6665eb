//! What is being asked for, so that of all who want it at the same time one asks and the rest wait.
//!
//! # Invariants
//!
//! 1. One flight a key at a time.
//! 2. Whoever waits hears of the end, even if the leader dies.
//! 3. A flight that was voided is joined by nobody any more, and knows it when it lands: what came
//!    with it is not kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The flights under way.
pub(super) struct Flights<K, T>(Arc<Mutex<Board<K, T>>>);

struct Board<K, T> {
    begun: u64,
    under_way: BTreeMap<K, Flight<T>>,
}

struct Flight<T> {
    number: u64,
    landed: watch::Receiver<Option<T>>,
}

/// A place in a flight.
pub(super) enum Seat<K: Ord, T, L> {
    /// This one asks, with the leave it was given.
    Lead(Leader<K, T>, L),
    /// Another has asked already.
    Wait(Waiter<T>),
}

impl<K: Ord + Clone, T: Clone> Flights<K, T> {
    /// No flight.
    pub(super) fn new() -> Flights<K, T> {
        Flights(Arc::new(Mutex::new(Board {
            begun: 0,
            under_way: BTreeMap::new(),
        })))
    }

    /// Joins the flight of `key`, or leads one if `leave` to is given.
    pub(super) fn join_or_lead<L, E>(
        &self,
        key: K,
        leave: impl FnOnce() -> Result<L, E>,
    ) -> Result<Seat<K, T, L>, E> {
        let mut board = lock(&self.0);
        if let Some(flight) = board.under_way.get(&key) {
            return Ok(Seat::Wait(Waiter(flight.landed.clone())));
        }
        let leave = leave()?;
        board.begun += 1;
        let number = board.begun;
        let (landing, landed) = watch::channel(None);
        let flight = Flight { number, landed };
        board.under_way.insert(key.clone(), flight);
        drop(board);
        let leader = Leader {
            board: Arc::clone(&self.0),
            key,
            number,
            landing,
        };
        Ok(Seat::Lead(leader, leave))
    }

    /// Voids the flights that `is_meant` names. Those who wait for one already hear of it still: they
    /// asked before.
    pub(super) fn void(&self, is_meant: impl Fn(&K) -> bool) {
        lock(&self.0).under_way.retain(|key, _| !is_meant(key));
    }
}

/// Who asks for everybody.
pub(super) struct Leader<K: Ord, T> {
    board: Arc<Mutex<Board<K, T>>>,
    key: K,
    number: u64,
    landing: watch::Sender<Option<T>>,
}

impl<K: Ord, T: Clone> Leader<K, T> {
    /// Ends the flight with what `finish` makes of it, told whether it may be kept. No flight is
    /// voided or begun meanwhile.
    pub(super) fn land(self, finish: impl FnOnce(bool) -> T) -> T {
        let mut board = lock(&self.board);
        let is_valid = self.take_off(&mut board);
        let landed = finish(is_valid);
        drop(board);
        self.landing.send_replace(Some(landed.clone()));
        landed
    }
}

impl<K: Ord, T> Leader<K, T> {
    /// Takes the flight off the board; whether it was still there.
    fn take_off(&self, board: &mut Board<K, T>) -> bool {
        let flight = board.under_way.get(&self.key);
        let is_ours = flight.is_some_and(|flight| flight.number == self.number);
        if is_ours {
            board.under_way.remove(&self.key);
        }
        is_ours
    }
}

impl<K: Ord, T> Drop for Leader<K, T> {
    fn drop(&mut self) {
        self.take_off(&mut lock(&self.board));
    }
}

/// Who waits for the leader.
pub(super) struct Waiter<T>(watch::Receiver<Option<T>>);

impl<T: Clone> Waiter<T> {
    /// What the flight brought; `None` if its leader has died.
    pub(super) async fn landed(mut self) -> Option<T> {
        let landed = self.0.wait_for(Option::is_some).await.ok()?;
        landed.clone()
    }
}

/// A panic under this lock leaves a board that is whole: entries are put and taken in one step.
fn lock<K, T>(board: &Mutex<Board<K, T>>) -> MutexGuard<'_, Board<K, T>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, T> fmt::Debug for Flights<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under_way = lock(&self.0).under_way.len();
        f.debug_struct("Flights")
            .field("under_way", &under_way)
            .finish()
    }
}
