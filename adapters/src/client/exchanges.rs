//! Which exchange is the first on its connection.
//!
//! A connection is told by the task that serves it: the HTTP client asks for a body there. The tests
//! hold it to that.
//!
//! # Limits
//!
//! What is kept is one entry for each connection that was used in the last [`FORGET_AFTER`].
//!
//! # Failure
//!
//! Where the connection cannot be told, no exchange counts as the first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task;
use tokio::time::Instant;

use super::{CALL_WITHIN, IDLE_MAX};

/// A connection that was not used for so long is closed: twice the longest call and rest.
const FORGET_AFTER: Duration = CALL_WITHIN.saturating_add(IDLE_MAX).saturating_mul(2);

/// The connections that have carried a request, and when they last did.
#[derive(Default)]
pub(super) struct Exchanges(Mutex<HashMap<task::Id, Instant>>);

impl Exchanges {
    /// Notes that a request leaves `now` on the connection of this task; whether it is the first there.
    pub(super) fn begin(&self, now: Instant) -> bool {
        let Some(connection) = task::try_id() else {
            return false;
        };
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.insert(connection, now).is_some() {
            return false;
        }
        used.retain(|_, last| now.duration_since(*last) <= FORGET_AFTER);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn the_first_exchange_of_each_task_is_told_and_old_ones_are_forgotten() {
        let exchanges = Arc::new(Exchanges::default());
        let now = Instant::now();
        assert!(
            !exchanges.begin(now),
            "no connection is served outside a task"
        );
        for _ in 0..3 {
            let used = Arc::clone(&exchanges);
            let told = tokio::spawn(async move { [used.begin(now), used.begin(now)] });
            assert_eq!(told.await.unwrap(), [true, false]);
        }
        assert_eq!(exchanges.0.lock().unwrap().len(), 3);
        let later = now + FORGET_AFTER + Duration::from_secs(1);
        let used = Arc::clone(&exchanges);
        assert!(
            tokio::spawn(async move { used.begin(later) })
                .await
                .unwrap()
        );
        assert_eq!(exchanges.0.lock().unwrap().len(), 1);
    }
}
