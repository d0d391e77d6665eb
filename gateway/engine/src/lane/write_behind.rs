//! Writes that are stored first, and delivered now or later.

use crate::door::{GateView, Refusal, Submitted, Write};

/// The edge's way into the lane: bounded, cheap to clone, and never waits for the upstream longer
/// than the policy's `answer_within`.
#[derive(Debug, Clone)]
pub struct Door {}

impl Door {
    /// Stores `write` and waits a while for its outcome.
    ///
    /// `Ok` means on disk. Dropping the future loses the answer, not the write.
    pub async fn submit(&self, write: Write) -> Result<Submitted, Refusal> {
        drop(write);
        Err(Refusal::Stopping)
    }

    /// How the lane's gates stand; looking changes nothing.
    pub fn gates(&self) -> Vec<GateView> {
        Vec::new()
    }
}
