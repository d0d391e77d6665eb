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
//! 5. Once [`Reader::purge`] has ended well, whoever asks is shown nothing that was fetched before, and
//!    nothing of it is kept. Who had asked before may still be answered by the load it had begun.
//! 6. One generation of the rules governs one look-up: the one that its request was begun under. Only
//!    the gates go by the newest at once.
//! 7. Whom the source has answered is related only as long as the source's newest answer knows of the
//!    same relations, and it has not said no since.
//!
//! # Limits
//!
//! A few purges at a time; `queue_max` requests that are served and as many that wait, as it was when
//! the lane was opened; `calls_max` loads; what one caller may load (`policies::allowance`); memory (`crate::cache`); what
//! waits for the shelf.
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
mod refusals;
mod shelving;
mod showing;
mod sweeping;
mod writing;

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use policies::failure::Opaque;
use policies::gate::Mode;
use policies::operation::{LaneName, OpName};
use policies::rules::RegistryRules;
use policies::time::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};

use super::write_behind::report;
use crate::calls::Calls;
use crate::door::GateView;
use crate::live::Live;
use crate::lookup::{Asker, Digest, Known, Looked, Lookup, LookupKey, LookupRefusal};
use crate::ports::{Clock, Landings, Shelf, WriteError};
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
    /// Who is told what its source knows of.
    pub landings: Arc<dyn Landings>,
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

/// Purges under way, and as many that wait: operators order them one by one.
const PURGES_MAX: usize = 16;

/// Where the outcome of a look-up goes.
type Reply = oneshot::Sender<Result<Looked, LookupRefusal>>;

/// A look-up on its way into the lane.
#[derive(Debug)]
struct Job {
    lookup: Lookup,
    asked_at: Timestamp,
    reply: Reply,
}

/// What the door remembers of a look-up that the lane may not serve.
struct Asked {
    op: OpName,
    key: LookupKey,
    asker: Asker,
    authority: Opaque,
    rules: Arc<RegistryRules>,
}

/// An order to forget everything about a person.
#[derive(Debug)]
struct Purge {
    person: Digest,
    reply: oneshot::Sender<Result<usize, WriteError>>,
}

/// The edge's way into the lane: bounded, cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    jobs: mpsc::Sender<Job>,
    purges: mpsc::Sender<Purge>,
    inside: Arc<Inside>,
}

impl Reader {
    /// What is known under `key`, if memory holds it, it is fresh by `rules` and `asker` may see it.
    /// Waits for nothing.
    pub fn hit(
        &self,
        op: OpName,
        key: LookupKey,
        asker: &Asker,
        rules: &RegistryRules,
    ) -> Option<Known> {
        let inside = &*self.inside;
        let answer = inside.memory.get(&key)?;
        let modes = [rules.mode, inside.core.calls.mode()];
        if modes.contains(&Mode::Disabled) {
            return None;
        }
        let known = inside.show(&answer, asker, &rules.freshness, None)?;
        inside.tell(op, known.way.as_str());
        Some(known)
    }

    /// Answers `lookup`, from what is known or from its source, within `answer_within`.
    ///
    /// Dropping the future loses the answer, not the load.
    pub async fn lookup(&self, lookup: Lookup) -> Result<Looked, LookupRefusal> {
        let inside = &self.inside;
        let asked = Asked {
            op: lookup.op,
            key: lookup.key,
            asker: lookup.asker.clone(),
            authority: lookup.authority.clone(),
            rules: Arc::clone(&lookup.rules),
        };
        let (reply, answer) = oneshot::channel();
        let job = Job {
            lookup,
            asked_at: inside.core.clock.now(),
            reply,
        };
        let sent = if inside.core.stop.is_draining() {
            Err(LookupRefusal::Stopping)
        } else {
            match self.jobs.try_send(job) {
                Ok(()) => answer
                    .await
                    .map_err(|_| inside.lost(asked.op, &asked.rules)),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(LookupRefusal::Stopping),
                Err(mpsc::error::TrySendError::Full(_)) => Err(inside.queue_full(&asked.rules)),
            }
        };
        // What was served has been told already.
        sent.unwrap_or_else(|refusal| inside.unserved(&asked, refusal))
    }

    /// Forgets everything about `person`: in memory, for what is being loaded, and on the shelf; how
    /// many answers were there. Once begun it goes on without whoever ordered it. Refused or unknown,
    /// the lane, if it has heard of it, reads none of them again in this process, but the shelf may
    /// still hold them: repeat it.
    pub async fn purge(&self, person: Digest) -> Result<usize, WriteError> {
        let (reply, purged) = oneshot::channel();
        let ordered = self.purges.send(Purge { person, reply }).await;
        ordered.map_err(|_| WriteError::Refused)?;
        purged.await.unwrap_or(Err(WriteError::Unknown))
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
    purges: mpsc::Receiver<Purge>,
    shelf_ops: mpsc::Receiver<Op>,
    served_max: usize,
    inside: Arc<Inside>,
}

/// Opens a lane: the edge's side and its own.
pub fn open(core: ReadCore) -> (Reader, ReadLane) {
    let served_max = core.rules.load().calls.queue_max;
    let (sender, jobs) = mpsc::channel(served_max);
    let (purge_sender, purges) = mpsc::channel(PURGES_MAX);
    let (inside, shelf_ops) = Inside::new(core);
    let inside = Arc::new(inside);
    let reader = Reader {
        jobs: sender,
        purges: purge_sender,
        inside: Arc::clone(&inside),
    };
    let lane = ReadLane {
        jobs,
        purges,
        shelf_ops,
        served_max,
        inside,
    };
    (reader, lane)
}

impl ReadLane {
    /// Serves look-ups until told to stop, then finishes those it has begun and puts on the shelf what
    /// they brought.
    ///
    /// # Panics
    ///
    /// If one of its timers or the writer of the shelf has: without them what has expired would stay.
    pub async fn run(mut self) {
        let mut keepers = JoinSet::new();
        keepers.spawn(Arc::clone(&self.inside).write_shelf(self.shelf_ops));
        keepers.spawn(Arc::clone(&self.inside).sweep_memory_at_times());
        keepers.spawn(Arc::clone(&self.inside).sweep_shelf_at_times());
        let stop = self.inside.core.stop.clone();
        let (mut begun, mut purging) = (JoinSet::new(), JoinSet::new());
        loop {
            let room = begun.len() < self.served_max;
            tokio::select! {
                biased;
                () = stop.draining() => break,
                Some(ended) = keepers.join_next() => raise(ended),
                Some(ended) = begun.join_next() => report(ended),
                Some(ended) = purging.join_next() => report(ended),
                Some(purge) = self.purges.recv(), if purging.len() < PURGES_MAX => {
                    purging.spawn(Arc::clone(&self.inside).purge(purge));
                }
                Some(job) = self.jobs.recv(), if room => {
                    begun.spawn(Asking::new(Arc::clone(&self.inside), job).serve());
                }
            }
        }
        self.jobs.close();
        self.purges.close();
        while let Ok(job) = self.jobs.try_recv() {
            self.inside
                .answer(job.lookup.op, job.reply, Err(LookupRefusal::Stopping));
        }
        while let Ok(purge) = self.purges.try_recv() {
            purge.reply.send(Err(WriteError::Refused)).ok();
        }
        while let Some(ended) = begun.join_next().await {
            report(ended);
        }
        while let Some(ended) = purging.join_next().await {
            report(ended);
        }
        self.inside.shelving.end().await;
        while let Some(ended) = keepers.join_next().await {
            raise(ended);
        }
        self.inside.shelving.report();
    }
}

/// A keeper that has panicked takes the lane with it.
fn raise(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        resume_unwind(error.into_panic());
    }
}
