//! What state the machine is in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use failsafe::Instrument;

use super::GateState;

/// Keeps the state that `failsafe` hides. It never touches the machine: some of these calls come
/// while the machine is locked.
#[derive(Debug, Clone, Default)]
pub(super) struct Tap(Arc<AtomicU8>);

impl Tap {
    pub(super) fn state(&self) -> GateState {
        match self.0.load(Ordering::Relaxed) {
            0 => GateState::Closed,
            1 => GateState::Open,
            _ => GateState::HalfOpen,
        }
    }
}

impl Instrument for Tap {
    fn on_call_rejected(&self) {}
    fn on_closed(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
    fn on_open(&self) {
        self.0.store(1, Ordering::Relaxed);
    }
    fn on_half_open(&self) {
        self.0.store(2, Ordering::Relaxed);
    }
}
