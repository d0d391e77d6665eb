//! What is put on disk: at once, before a change takes effect, or later, when it could not be.
//!
//! # Limits
//!
//! [`WRITE_WITHIN`] at a time.

use std::sync::Arc;
use std::time::Duration;

use engine::ports::{OperatorStates, WriteError};
use tokio::time::timeout;

use super::Keeper;
use crate::generations::Candidate;
use crate::generations::desk::Refusal;
use crate::generations::kept::{Ended, write_last_good};

/// How long is waited for the disk. Less than a stopping gateway gives to what is being decided.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(3);

impl Keeper {
    /// Puts on disk what `candidate` would have in force for `target`.
    pub(super) async fn keep(
        &mut self,
        target: &str,
        candidate: &Candidate,
        ended: &[Ended],
    ) -> Result<(), Refusal> {
        let kept = self.generations.toggles_kept_with(candidate, ended);
        let store = Arc::clone(&self.parts.store);
        let writing = kept.write_toggle(target, store.as_ref());
        let written = timeout(WRITE_WITHIN, writing).await;
        let owed = &mut self.generations.owed.toggles;
        match written.unwrap_or(Err(WriteError::Unknown)) {
            Ok(()) => {
                owed.remove(target);
                Ok(())
            }
            Err(error) => {
                // It may be on disk, and is not in force: what is, is put there again.
                owed.insert(target.to_owned());
                Err(Refusal::Store(error))
            }
        }
    }

    /// Puts on disk what is owed to it. What cannot be is tried again later.
    pub(super) async fn pay(&mut self) {
        let store = Arc::clone(&self.parts.store);
        let paying = self.pay_all(store.as_ref());
        if timeout(WRITE_WITHIN, paying).await.is_err() {
            tracing::warn!("the disk takes too long; tried again soon");
        }
    }

    async fn pay_all(&mut self, store: &dyn OperatorStates) {
        let generations = &mut self.generations;
        if !generations.owed.toggles.is_empty() {
            let kept = generations.toggles_kept();
            for target in generations.owed.toggles.clone() {
                let written = kept.write_toggle(&target, store).await;
                if !is_owed(written, "a toggle") {
                    generations.owed.toggles.remove(&target);
                }
            }
        }
        if generations.owed.last_good && generations.problems().is_empty() {
            let written = write_last_good(generations.files(), store).await;
            generations.owed.last_good = is_owed(written, "last good policy");
        }
    }
}

fn is_owed(written: Result<(), WriteError>, what: &str) -> bool {
    if let Err(error) = written {
        tracing::warn!(%error, what, "not on disk yet; tried again soon");
    }
    written.is_err()
}
