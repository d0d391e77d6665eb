//! Room for the calls of a lane: `policies::admission` behind a lock, and slots that free themselves.
//!
//! # Invariants
//!
//! 1. Every slot gives its room back exactly once, when it is dropped.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policies::admission::{Load, Room, Turn};
use policies::rules::CallRules;
use policies::time::Timestamp;

use crate::ports::Clock;

/// Room for the calls of one lane.
pub(crate) struct Slots {
    room: Mutex<Room>,
    clock: Arc<dyn Clock>,
}

impl Slots {
    pub(crate) fn new(rules: &CallRules, clock: Arc<dyn Clock>) -> Slots {
        Slots {
            room: Mutex::new(Room::new(rules)),
            clock,
        }
    }

    /// Goes by other rules from now on; what is under way ends in its own time.
    pub(crate) fn adopt(&self, rules: &CallRules) {
        self.room().adopt(rules);
    }

    /// Room for one call now, if there is some.
    pub(crate) fn try_take(self: &Arc<Self>, turn: Turn) -> Option<Slot> {
        let begun = self.room().try_begin(turn, self.clock.now());
        // Lazily: a slot that is merely built and dropped would give back what it never had.
        begun.then(|| Slot {
            slots: Arc::clone(self),
            turn,
        })
    }

    /// Learns from a call that began at `begun` and has just ended.
    pub(crate) fn learn(&self, load: Load, begun: Timestamp) {
        self.room().learn(load, begun, self.clock.now());
    }

    /// Calls that may be under way at present, and those that are.
    pub(crate) fn view(&self) -> (usize, usize) {
        let room = self.room();
        (room.limit(), room.under_way())
    }

    /// A panic under this lock can only be a broken assertion of the room, whose fields are plain
    /// values: it is used on.
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("room", &*self.room())
            .finish_non_exhaustive()
    }
}

/// Room for one call, until dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    turn: Turn,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.room().end(self.turn);
    }
}
