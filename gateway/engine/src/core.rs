//! What every part of a write-behind lane shares.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policies::operation::{LaneName, Operation};
use policies::rules::WriteBehindRules;
use policies::time::Timestamp;
use tokio::sync::Notify;

use crate::authority::RefusedAuthorities;
use crate::calls::Calls;
use crate::door::{GateView, Refusal, Submitted, Write};
use crate::entry::Recall;
use crate::in_flight::InFlight;
use crate::live::Live;
use crate::numbers::Numbers;
use crate::ports::{Clock, Rng, Store};
use crate::stop::Stop;
use crate::waits::Paces;

/// The lane's one place for what its requests and its delivery loop both need.
pub struct Core {
    /// The lane.
    pub lane: LaneName,
    /// The write it delivers, and by its row what undoes that.
    pub write: Operation,
    /// Since when this process looks: an upstream may have recovered while nobody did.
    pub started_at: Timestamp,
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
    /// Its policy. A request goes by the one that came with it, everything else by what is in force
    /// when it begins.
    pub rules: Live<WriteBehindRules>,
    /// When to stop.
    pub stop: Stop,
    /// What is going on in it.
    pub traffic: Traffic,
}

/// What is going on in a lane.
pub struct Traffic {
    /// How fast it gets on.
    pub(crate) paces: Paces,
    /// Keys on their way to the disk.
    pub(crate) in_flight: InFlight,
    /// Authorities that were refused.
    pub(crate) refused: RefusedAuthorities,
    /// Rung when the delivery loop should look again.
    pub(crate) wake: Notify,
    authority_awaited: AtomicBool,
    /// Whether delivery found no call free when it looked last.
    room_awaited: AtomicBool,
}

impl Traffic {
    /// A lane in which nothing goes on.
    pub fn new() -> Traffic {
        Traffic {
            paces: Paces::default(),
            in_flight: InFlight::default(),
            refused: RefusedAuthorities::default(),
            wake: Notify::new(),
            // Until a look at the store says otherwise: entries may have been left from before.
            authority_awaited: AtomicBool::new(true),
            room_awaited: AtomicBool::new(false),
        }
    }

    /// Delivery found no call free.
    pub(crate) fn await_room(&self) {
        self.room_awaited.store(true, Ordering::Relaxed);
    }

    /// A live call has ended, and left something to be delivered or not. Delivery is rung only for a
    /// reason: each look costs the store a read for every queue.
    pub(crate) fn live_call_ended(&self, leaves_work: bool) {
        if self.room_awaited.swap(false, Ordering::Relaxed) || leaves_work {
            self.wake.notify_one();
        }
    }

    /// Says whether some entry waits for its prescriber.
    pub(crate) fn set_authority_awaited(&self, awaited: bool) {
        self.authority_awaited.store(awaited, Ordering::Relaxed);
    }

    /// Whether some entry may wait for its prescriber.
    pub(crate) fn is_authority_awaited(&self) -> bool {
        self.authority_awaited.load(Ordering::Relaxed)
    }
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic::new()
    }
}

impl Core {
    /// The operations whose entries are delivered: the write, and what undoes it.
    pub(crate) fn delivered(&self) -> impl Iterator<Item = Operation> {
        let undo = self.write.undo_by.and_then(|op| self.calls.operation(op.0));
        std::iter::once(self.write).chain(undo.copied())
    }

    /// When the upstream was last seen to recover, as far as this process can know.
    pub(crate) fn recovered_at(&self) -> Timestamp {
        let recovered = self.calls.recovered_at(self.write.op);
        recovered.map_or(self.started_at, |at| at.max(self.started_at))
    }

    /// From when the horizon of a watch runs: while the gate of the write lets no calls pass, its
    /// upstream has yet to recover. That reads succeed shows nothing of writes that it kept back, so
    /// that in a lane in which nobody writes a watch goes on, one look a `look_after_recovery`, until
    /// somebody does.
    pub(crate) fn settled_since(&self) -> Timestamp {
        let is_passing = |gate: GateView| gate.op != self.write.op || gate.view.is_passing();
        if self.calls.view().into_iter().all(is_passing) {
            self.recovered_at()
        } else {
            self.clock.now()
        }
    }

    /// Refuses `write`, unless an earlier request with its key is on disk: "nothing was stored"
    /// must be true, because the desk may write a paper form on it.
    pub(crate) async fn refuse(
        &self,
        write: &Write,
        refusal: Refusal,
    ) -> Result<Submitted, Refusal> {
        self.recall(write).await?.ok_or(refusal)
    }

    /// What an earlier request with the key of `write` stored, as it stands now.
    pub(crate) async fn recall(&self, write: &Write) -> Result<Option<Submitted>, Refusal> {
        let (organization, key) = (write.organization.clone(), write.key.clone());
        match self
            .store
            .recall(organization, key, write.fingerprint.clone())
            .await
        {
            Ok(Recall::Nothing) => Ok(None),
            Ok(Recall::Replay(entry)) => Ok(Some(Submitted {
                entry: *entry,
                replayed: true,
            })),
            Ok(Recall::KeyReused) => Err(Refusal::KeyReused),
            Err(_) => Err(Refusal::Unknown),
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}
