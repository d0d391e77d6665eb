//! What every part of a write-behind lane shares.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policies::operation::{LaneName, Operation};
use policies::rules::WriteBehindRules;
use tokio::sync::{Notify, Semaphore};

use crate::attempt::RefusedAuthorities;
use crate::calls::Calls;
use crate::numbers::Numbers;
use crate::ports::{Clock, Rng, Store};
use crate::stop::Stop;

/// The lane's one place for what its requests and its delivery loop both need.
pub struct Core {
    /// The lane.
    pub lane: LaneName,
    /// The write it delivers.
    pub write: Operation,
    /// Its gates and its upstream.
    pub calls: Arc<Calls>,
    /// Where entries are kept.
    pub store: Arc<dyn Store>,
    /// Where their numbers come from.
    pub numbers: Arc<Numbers>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Its policy.
    pub rules: WriteBehindRules,
    /// When to stop.
    pub stop: Stop,
    /// Calls under way, live and delivered together.
    pub(crate) slots: Arc<Semaphore>,
    /// Authorities that were refused.
    pub(crate) refused: RefusedAuthorities,
    /// Rung when the delivery loop should look again.
    pub(crate) wake: Notify,
    authority_needed: AtomicBool,
}

/// What a lane is made of.
pub struct Parts {
    /// The lane.
    pub lane: LaneName,
    /// The write it delivers.
    pub write: Operation,
    /// Its gates and its upstream.
    pub calls: Arc<Calls>,
    /// Where entries are kept.
    pub store: Arc<dyn Store>,
    /// Where their numbers come from.
    pub numbers: Arc<Numbers>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Its policy.
    pub rules: WriteBehindRules,
    /// When to stop.
    pub stop: Stop,
}

impl Core {
    /// Joins the parts of a lane.
    pub fn new(parts: Parts) -> Core {
        let slots = Arc::new(Semaphore::new(parts.rules.calls.calls_max));
        Core {
            lane: parts.lane,
            write: parts.write,
            calls: parts.calls,
            store: parts.store,
            numbers: parts.numbers,
            clock: parts.clock,
            rng: parts.rng,
            rules: parts.rules,
            stop: parts.stop,
            slots,
            refused: RefusedAuthorities::default(),
            wake: Notify::new(),
            // Until a look at the store says otherwise: entries may have been left from before.
            authority_needed: AtomicBool::new(true),
        }
    }

    /// Some entry waits for its prescriber.
    pub(crate) fn authority_needed(&self) {
        self.authority_needed.store(true, Ordering::Relaxed);
    }

    /// No entry waited for its prescriber when the store was last counted.
    pub(crate) fn no_authority_needed(&self) {
        self.authority_needed.store(false, Ordering::Relaxed);
    }

    /// Whether some entry may wait for its prescriber.
    pub(crate) fn is_authority_needed(&self) -> bool {
        self.authority_needed.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}
