//! Writes that are stored first, and delivered now or later.
//!
//! A request that finds a free call and a closed gate is stored *leased*, sent at once, and its
//! caller waits a while for the outcome; any other is stored *due* and acknowledged. Either way the
//! caller hears nothing before it is on disk.
//!
//! # Invariants
//!
//! 1. Once stored, a write no longer depends on its caller staying.
//! 2. Of equal keys in flight, one is stored; the others are told to repeat.
//!
//! # Limits
//!
//! `queue_max` requests at a time; beyond it the lane is [`Refusal::Busy`]. It is the one of the policy
//! that the lane was opened under, until it is opened again.

mod accept;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::core::Core;
use crate::door::{GateView, Refusal, Submitted, Write};
use crate::in_flight::Claim;
use accept::Accepting;

/// A request on its way into the lane.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) write: Write,
    pub(crate) reply: oneshot::Sender<Result<Submitted, Refusal>>,
    /// Its key, until the store has answered.
    pub(crate) claim: Claim,
}

/// The edge's way into the lane: bounded, cheap to clone.
#[derive(Debug, Clone)]
pub struct Door {
    jobs: mpsc::Sender<Job>,
    core: Arc<Core>,
}

impl Door {
    /// Stores `write` and waits for its outcome, at most as long as the policy says.
    ///
    /// `Ok` means on disk. Dropping the future loses the answer, not the write.
    pub async fn submit(&self, write: Write) -> Result<Submitted, Refusal> {
        let claim = self.claim(&write)?;
        if self.core.stop.is_draining() {
            return self.core.refuse(&write, Refusal::Stopping).await;
        }
        let (reply, answer) = oneshot::channel();
        let job = Job {
            write,
            reply,
            claim,
        };
        match self.jobs.try_send(job) {
            // A reply that is dropped means the lane died over the request: nobody knows how far it
            // got.
            Ok(()) => answer.await.unwrap_or(Err(Refusal::Unknown)),
            Err(mpsc::error::TrySendError::Full(job)) => {
                self.core.refuse(&job.write, Refusal::Busy).await
            }
            Err(mpsc::error::TrySendError::Closed(job)) => {
                self.core.refuse(&job.write, Refusal::Stopping).await
            }
        }
    }

    /// How long whoever was refused so should wait; `None` where waiting changes nothing, or nobody
    /// can say.
    pub fn retry_after(&self, refusal: Refusal) -> Option<Duration> {
        self.core.retry_after(refusal, self.jobs.max_capacity())
    }

    /// What an earlier request with the key of `write` stored, as it stands now.
    pub async fn recall(&self, write: &Write) -> Result<Option<Submitted>, Refusal> {
        let _claim = self.claim(write)?;
        self.core.recall(write).await
    }

    fn claim(&self, write: &Write) -> Result<Claim, Refusal> {
        let keys = &self.core.traffic.in_flight;
        keys.claim(&write.organization, &write.key)
            .ok_or(Refusal::InFlight)
    }

    /// How the lane's gates stand; looking changes nothing.
    pub fn gates(&self) -> Vec<GateView> {
        self.core.calls.view()
    }
}

/// The lane's side of the door.
#[derive(Debug)]
pub struct Lane {
    jobs: mpsc::Receiver<Job>,
    core: Arc<Core>,
}

/// Opens a lane: the edge's side and its own.
pub fn open(core: Arc<Core>) -> (Door, Lane) {
    let (sender, receiver) = mpsc::channel(core.rules.load().calls.queue_max);
    (
        Door {
            jobs: sender,
            core: Arc::clone(&core),
        },
        Lane {
            jobs: receiver,
            core,
        },
    )
}

impl Lane {
    /// Serves requests until told to stop, then finishes those it has begun.
    pub async fn run(mut self) {
        let accepting = Arc::new(Accepting {
            core: Arc::clone(&self.core),
        });
        let mut begun = JoinSet::new();
        let served_max = self.jobs.max_capacity();
        loop {
            let room = begun.len() < served_max;
            tokio::select! {
                biased;
                () = self.core.stop.draining() => break,
                Some(ended) = begun.join_next() => {
                    self.core.traffic.paces.served(self.core.clock.now());
                    report(ended);
                }
                Some(job) = self.jobs.recv(), if room => {
                    begun.spawn(Arc::clone(&accepting).serve(job));
                }
                else => break,
            }
        }
        self.jobs.close();
        while let Ok(job) = self.jobs.try_recv() {
            let answer = self.core.refuse(&job.write, Refusal::Stopping).await;
            drop(job.reply.send(answer));
        }
        while let Some(ended) = begun.join_next().await {
            report(ended);
        }
    }
}

/// A task that panicked has lost its reply, and its entry waits for its lease to end.
pub(crate) fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(panicked = error.is_panic(), "a request's task died");
    }
}
