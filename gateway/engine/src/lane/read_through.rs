//! Look-ups that are answered from what is known, then from the source, and from what is known with
//! its age while the source fails.
//!
//! # Invariants
//!
//! 1. What is known is shown to nobody whom the source has not shown to be related to it, unless they
//!    break the glass; and never past `stale_for`.
//! 2. What is stale is shown only when the source has failed, in this very look-up; never when it
//!    has said no to who asks.
//! 3. A load does not depend on its callers: whoever leaves or is answered from what is known does not
//!    stop it, and what it brings is kept.
//! 4. Of those who ask for one thing at the same time one asks the source, and those who are related
//!    to its answer are served with it. The others ask for themselves: whether the source says no, or
//!    that there is nothing, it says to one caller.
//! 5. Once [`Reader::purge`] has ended nothing that was fetched before is shown or kept.
//! 6. One generation of the rules governs one look-up.
//!
//! # Limits
//!
//! `queue_max` requests that are served and as many that wait, as it was when the lane was opened;
//! `calls_max` loads; what one caller may load (`policies::allowance`); memory (`crate::cache`); what
//! waits for the shelf ([`shelving`]).
//!
//! # Failure
//!
//! A shelf that fails or hangs costs what is only there: it delays a look-up by its named limit, and
//! is reported at every sweep. A load that panics is a failure of the source to those who wait for it.

mod asking;
mod flights;
mod inside;
mod leaving;
mod loading;
mod shelving;
mod showing;
mod sweeping;

use std::fmt;
use std::sync::Arc;

use policies::gate::Mode;
use policies::operation::{LaneName, OpName};
use policies::rules::RegistryRules;
use policies::time::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::write_behind::report;
use crate::calls::Calls;
use crate::door::GateView;
use crate::live::Live;
use crate::lookup::{Asker, Digest, Known, Looked, Lookup, LookupKey, LookupRefusal};
use crate::ports::{Clock, Shelf, WriteError};
use crate::stop::Stop;
use asking::Asking;
use inside::Inside;
use shelving::Op;

/// What a read-through lane is made of.
pub struct ReadCore {
    /// The lane.
    pub lane: LaneName,
    /// Its gates and its upstream.
    pub calls: Arc<Calls>,
    /// What outlives the process.
    pub shelf: Arc<dyn Shelf>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Its policy. The sizes of memory and queue are read once, when the lane is opened.
    pub rules: Live<RegistryRules>,
    /// When to stop.
    pub stop: Stop,
}

impl fmt::Debug for ReadCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadCore")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

/// Where the outcome of a look-up goes.
type Reply = oneshot::Sender<Result<Looked, LookupRefusal>>;

/// A look-up on its way into the lane.
#[derive(Debug)]
struct Job {
    lookup: Lookup,
    rules: Arc<RegistryRules>,
    asked_at: Timestamp,
    reply: Reply,
}

/// The edge's way into the lane: bounded, cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    jobs: mpsc::Sender<Job>,
    inside: Arc<Inside>,
}

impl Reader {
    /// What is known under `key`, if memory holds it, it is fresh and `asker` may see it. Waits for
    /// nothing.
    pub fn hit(&self, op: OpName, key: LookupKey, asker: &Asker) -> Option<Known> {
        let inside = &*self.inside;
        let answer = inside.memory.get(&key)?;
        if inside.core.calls.mode() == Mode::Disabled {
            return None;
        }
        let (rules, now) = (inside.core.rules.load(), inside.core.clock.now());
        let known = showing::show(&answer, asker, &rules.freshness, now, None)?;
        inside.tell(op, known.way.as_str());
        Some(known)
    }

    /// Answers `lookup`, from what is known or from its source, within `answer_within`.
    ///
    /// Dropping the future loses the answer, not the load.
    pub async fn lookup(&self, lookup: Lookup) -> Result<Looked, LookupRefusal> {
        let inside = &self.inside;
        let (op, key, asker) = (lookup.op, lookup.key, lookup.asker.clone());
        let (rules, asked_at) = (inside.core.rules.load(), inside.core.clock.now());
        let (reply, answer) = oneshot::channel();
        let job = Job {
            lookup,
            rules: Arc::clone(&rules),
            asked_at,
            reply,
        };
        let sent = if inside.core.stop.is_draining() {
            Err(LookupRefusal::Stopping)
        } else {
            match self.jobs.try_send(job) {
                Ok(()) => answer.await.map_err(|_| inside.lost(op, &rules)),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(LookupRefusal::Stopping),
                Err(mpsc::error::TrySendError::Full(_)) => Err(inside.queue_full(&rules)),
            }
        };
        // What was served has been told already.
        sent.unwrap_or_else(|refusal| inside.unserved(op, key, &asker, &rules, refusal))
    }

    /// Forgets everything about `person`: at once in memory and for what is being loaded, and on the
    /// shelf; how many answers were there. Refused or unknown, the lane reads none of them again in
    /// this process, but the shelf may still hold them: repeat it.
    pub async fn purge(&self, person: Digest) -> Result<usize, WriteError> {
        self.inside.purge(person).await
    }

    /// How the lane's gates stand; looking changes nothing.
    pub fn gates(&self) -> Vec<GateView> {
        self.inside.core.calls.view()
    }
}

/// The lane's side of the door.
#[derive(Debug)]
pub struct ReadLane {
    jobs: mpsc::Receiver<Job>,
    shelf_ops: mpsc::Receiver<Op>,
    served_max: usize,
    inside: Arc<Inside>,
}

/// Opens a lane: the edge's side and its own.
pub fn open(core: ReadCore) -> (Reader, ReadLane) {
    let served_max = core.rules.load().calls.queue_max;
    let (sender, jobs) = mpsc::channel(served_max);
    let (inside, shelf_ops) = Inside::new(core);
    let inside = Arc::new(inside);
    let reader = Reader {
        jobs: sender,
        inside: Arc::clone(&inside),
    };
    let lane = ReadLane {
        jobs,
        shelf_ops,
        served_max,
        inside,
    };
    (reader, lane)
}

impl ReadLane {
    /// Serves look-ups until told to stop, then finishes those it has begun and puts on the shelf what
    /// they brought.
    pub async fn run(mut self) {
        let mut keepers = JoinSet::new();
        keepers.spawn(Arc::clone(&self.inside).write_shelf(self.shelf_ops));
        keepers.spawn(Arc::clone(&self.inside).sweep_at_times());
        let stop = self.inside.core.stop.clone();
        let mut begun = JoinSet::new();
        loop {
            let room = begun.len() < self.served_max;
            tokio::select! {
                biased;
                () = stop.draining() => break,
                Some(ended) = begun.join_next() => report(ended),
                Some(job) = self.jobs.recv(), if room => {
                    begun.spawn(Asking::new(Arc::clone(&self.inside), job).serve());
                }
                else => break,
            }
        }
        self.jobs.close();
        while let Ok(job) = self.jobs.try_recv() {
            self.inside
                .answer(job.lookup.op, job.reply, Err(LookupRefusal::Stopping));
        }
        while let Some(ended) = begun.join_next().await {
            report(ended);
        }
        self.inside.shelving.end().await;
        while let Some(ended) = keepers.join_next().await {
            report(ended);
        }
    }
}
