//! How a lane is told to stop: first to begin nothing new, then to let go of what is in flight.
//!
//! Those who wait are told in the order in which they began to wait, so that a stop under the
//! simulation is the same stop every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::sync::Notify;

const RUNNING: u8 = 0;
const DRAINING: u8 = 1;
const FORCED: u8 = 2;

/// How far a shutdown has come, and who is told of it.
#[derive(Debug)]
struct Shared {
    phase: AtomicU8,
    /// Nobody is left to give an order.
    is_given_up: AtomicBool,
    changed: Notify,
}

impl Shared {
    fn reach(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}

/// The side that decides. One that is gone can give no order any more: nobody waits for one.
#[derive(Debug)]
pub struct StopSwitch(Arc<Shared>);

/// The side that obeys.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Shared>);

impl StopSwitch {
    /// A switch that has not been used, and what obeys it.
    pub fn new() -> (StopSwitch, Stop) {
        let shared = Arc::new(Shared {
            phase: AtomicU8::new(RUNNING),
            is_given_up: AtomicBool::new(false),
            changed: Notify::new(),
        });
        (StopSwitch(Arc::clone(&shared)), Stop(shared))
    }

    /// Nothing new begins; what is in flight goes on.
    pub fn drain(&self) {
        self.0.reach(DRAINING);
    }

    /// What is in flight is cut short and written down as it stands.
    pub fn force(&self) {
        self.0.reach(FORCED);
    }
}

impl Drop for StopSwitch {
    fn drop(&mut self) {
        self.0.is_given_up.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }
}

impl Stop {
    /// Whether nothing new may begin.
    pub fn is_draining(&self) -> bool {
        self.has_reached(DRAINING)
    }

    /// Ends when nothing new may begin.
    pub async fn draining(&self) {
        self.reached(DRAINING).await;
    }

    /// Ends when what is in flight must be let go of.
    pub async fn forced(&self) {
        self.reached(FORCED).await;
    }

    fn has_reached(&self, phase: u8) -> bool {
        self.0.phase.load(Ordering::Acquire) >= phase
    }

    async fn reached(&self, phase: u8) {
        loop {
            // Before the look: a change between the two is not missed.
            let changed = self.0.changed.notified();
            if self.has_reached(phase) || self.0.is_given_up.load(Ordering::Acquire) {
                return;
            }
            changed.await;
        }
    }
}
