//! When the process is killed: at an instant, or between two steps of a write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::journal::Journal;

/// Steps to go, and who is told.
pub(crate) struct Kill {
    steps_left: Mutex<Option<u64>>,
    now: Notify,
    journal: Arc<Journal>,
}

impl Kill {
    pub(crate) fn new(journal: Arc<Journal>) -> Kill {
        Kill {
            steps_left: Mutex::default(),
            now: Notify::new(),
            journal,
        }
    }

    /// Kills after so many more steps; `None`: not at a step.
    pub(crate) fn after(&self, steps: Option<u64>) {
        *self.left() = steps;
    }

    /// Kills as soon as the world looks.
    pub(crate) fn soon(&self) {
        self.now.notify_one();
    }

    /// It is dead: what was asked for before concerns no other.
    pub(crate) fn done(&self) {
        self.after(None);
        let _asked = self.now.notified().now_or_never();
    }

    /// Ends when the process is to be killed.
    pub(crate) async fn due(&self) {
        self.now.notified().await;
    }

    /// A step of the process: killed, it goes no further.
    pub(crate) async fn step(&self, step: &str) {
        if self.tell_step(step) {
            std::future::pending::<()>().await;
        }
    }

    /// A step elsewhere that the process does not survive; whether this is the one.
    pub(crate) fn tell_step(&self, step: &str) -> bool {
        let mut left = self.left();
        *left = left.and_then(|steps| steps.checked_sub(1));
        let is_due = *left == Some(0);
        if is_due {
            *left = None;
            self.journal.note(format_args!("killed {step}"));
            self.soon();
        }
        is_due
    }

    fn left(&self) -> MutexGuard<'_, Option<u64>> {
        self.steps_left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
