//! Desks at work: each writes one prescription after another, and repeats the same key until it
//! knows what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::caller::Caller;
use super::prescription;

/// How long a desk waits before it repeats what was not answered.
const REPEAT_AFTER: Duration = Duration::from_millis(20);
/// Of so many prescriptions, one is for services and the rest for drugs.
const SPECIALIST_EVERY: u64 = 5;

/// Desks at work, until they are stopped.
#[derive(Debug)]
pub struct Load {
    desks: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    answered: AtomicU64,
}

impl Load {
    /// Opens a desk for each of `callers`.
    pub fn start(callers: Vec<Caller>) -> Load {
        let shared = Arc::new(Shared::default());
        let mut desks = JoinSet::new();
        for caller in callers {
            desks.spawn(desk(caller, Arc::clone(&shared)));
        }
        Load { desks, shared }
    }

    /// How many prescriptions have been answered for good.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Lets every desk finish what it has begun; how many were answered for good.
    ///
    /// # Panics
    ///
    /// When a desk met an answer that it should not have met.
    pub async fn stop(mut self) -> u64 {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(desk) = self.desks.join_next().await {
            desk.expect("a desk meets no answer that contradicts what it sent");
        }
        self.answered()
    }
}

async fn desk(caller: Caller, shared: Arc<Shared>) {
    while !shared.stop.load(Ordering::Relaxed) {
        let key = prescription::key();
        let body = match prescription::unique() % SPECIALIST_EVERY {
            0 => prescription::specialist(),
            _ => prescription::drug(),
        };
        while let Err(repeat) = attempt(&caller, &key, &body).await {
            assert!(repeat, "a good prescription was refused");
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(REPEAT_AFTER).await;
        }
        shared.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends once; the error says whether to repeat it.
async fn attempt(caller: &Caller, key: &str, body: &serde_json::Value) -> Result<(), bool> {
    match caller.try_prescribe(key, body).await {
        Err(_) => Err(true),
        Ok(reply) if (200..300).contains(&reply.status) => Ok(()),
        Ok(reply) => Err(matches!(reply.status, 409 | 503)),
    }
}
