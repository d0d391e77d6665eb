//! The delivery loop of a lane: takes up what is due, at its own pace, as far as gates and free
//! calls allow. It pulls; nothing calls it.
//!
//! # Invariants
//!
//! 1. Every queue gets its turn: the one that was served last is served again only after the others,
//!    or watches alone could use up the rate, and no send would ever close the gate they wait for.
//!
//! # Limits
//!
//! Never more than `rate_per_second` deliveries begun in any second, never more under way than
//! `policies::admission` leaves to it.

use std::sync::Arc;
use std::time::Duration;

use policies::admission::Turn;
use policies::operation::{OpName, Operation};
use policies::rules::WriteBehindRules;
use policies::time::Timestamp;
use tokio::task::JoinSet;

use crate::attempt::Attempt;
use crate::core::Core;
use crate::entry::{Leased, Swept, Wanted};
use crate::gate::Permit;
use crate::lane::write_behind::report;
use crate::slots::Slot;

/// The loop looks at least this often, whatever else it waits for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Overdue entries parked in one go.
const OVERDUE_MAX: usize = 256;

/// Entries taken up in one go at most.
const BATCH_MAX: usize = 32;

/// What waits to be sent with an operation, or to be asked for.
#[derive(Debug, Clone, Copy)]
struct Queue {
    operation: Operation,
    verify: bool,
}

/// The delivery loop of one lane.
pub struct Delivery {
    core: Arc<Core>,
    /// The one that was served last comes last.
    queues: Vec<Queue>,
    pace: Pace,
    under_way: JoinSet<()>,
    /// The recovery of the upstream that watches were told of.
    told_recovery: Timestamp,
}

impl Delivery {
    /// A loop that has not begun.
    pub fn new(core: Arc<Core>) -> Delivery {
        let pace = Pace::new(core.rules.load().delivery.rate_per_second, core.clock.now());
        let queue = |verify| {
            core.delivered()
                .map(move |operation| Queue { operation, verify })
        };
        Delivery {
            queues: [true, false].into_iter().flat_map(queue).collect(),
            core,
            pace,
            under_way: JoinSet::new(),
            told_recovery: Timestamp::default(),
        }
    }

    /// Delivers until told to stop, then finishes what is under way.
    pub async fn run(mut self) {
        let mut swept_at = Timestamp::default();
        while !self.core.stop.is_draining() {
            let now = self.core.clock.now();
            let rate = self.core.rules.load().delivery.rate_per_second;
            self.pace.set_rate(rate, now);
            if now.since(swept_at) >= LOOK_EVERY {
                swept_at = now;
                self.sweep().await;
            }
            let mut idle = LOOK_EVERY;
            for queue in self.queues.clone() {
                idle = idle.min(self.take_up(queue).await);
            }
            self.wait(idle).await;
        }
        while let Some(ended) = self.under_way.join_next().await {
            report(ended);
        }
    }

    /// Takes up what is due in one queue; says how long there is nothing more to do in it.
    async fn take_up(&mut self, queue: Queue) -> Duration {
        let core = Arc::clone(&self.core);
        let Queue { operation, verify } = queue;
        let wanted = Wanted {
            lane: core.lane,
            op: operation.op,
            verify,
        };
        let op = match (verify, operation.settle_by.first()) {
            (true, Some(read)) => *read,
            _ => operation.op,
        };
        // Nothing is looked for that could not be sent: an outage costs the store no reads.
        if let Some(wait) = core.calls.retry_after(op) {
            return wait.min(LOOK_EVERY);
        }
        let due = match core.store.next_due(wanted).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %error, "the queue cannot be read");
                return LOOK_EVERY;
            }
        };
        let now = core.clock.now();
        match due {
            None => return LOOK_EVERY,
            Some(due) if due > now => return due.since(now).min(LOOK_EVERY),
            Some(_) => {}
        }
        match self.passages(op, now) {
            Err(wait) => wait,
            Ok(passages) => self.begin(wanted, passages).await,
        }
    }

    /// As many leaves to call as there are now; none, and how long to wait for one.
    fn passages(&mut self, op: OpName, now: Timestamp) -> Result<Vec<Passage>, Duration> {
        let wanted_max = self.pace.ready(now).min(BATCH_MAX);
        let core = &self.core;
        if wanted_max == 0 {
            return Err(self.pace.interval());
        }
        let mut passages = Vec::new();
        let mut wait = LOOK_EVERY;
        while passages.len() < wanted_max {
            let Some(slot) = core.calls.try_slot(Turn::Delivery) else {
                core.traffic.await_room();
                break;
            };
            match core.calls.try_enter_as(op, Turn::Delivery) {
                Ok(permit) => passages.push(Passage { slot, permit }),
                Err(gate_wait) => {
                    wait = gate_wait.min(LOOK_EVERY);
                    break;
                }
            }
        }
        if passages.is_empty() {
            Err(wait)
        } else {
            Ok(passages)
        }
    }

    /// Leases and begins; zero if there may be more.
    async fn begin(&mut self, wanted: Wanted, passages: Vec<Passage>) -> Duration {
        let rules = self.core.rules.load();
        let lease_for = rules.delivery.lease_for;
        let leased = self
            .core
            .store
            .lease_due(wanted, passages.len(), lease_for)
            .await;
        let leased = leased.unwrap_or_else(|error| {
            tracing::error!(error = %error, "due entries could not be leased");
            Vec::new()
        });
        self.pace.spend(leased.len());
        if !leased.is_empty() {
            // Stable: the others keep their order.
            let is_served =
                |queue: &Queue| (queue.operation.op, queue.verify) == (wanted.op, wanted.verify);
            self.queues.sort_by_key(is_served);
        }
        let more = leased.len() == passages.len();
        let mut passages = passages.into_iter();
        for (entry, passage) in leased.into_iter().zip(passages.by_ref()) {
            let (core, rules) = (Arc::clone(&self.core), Arc::clone(&rules));
            self.under_way.spawn(deliver(core, rules, entry, passage));
        }
        passages.for_each(|passage| passage.permit.unused());
        if more { Duration::ZERO } else { LOOK_EVERY }
    }

    /// What no call is needed for: entries past their deadline, paper forms that are missing, watches
    /// after a recovery, and whether a prescriber is waited for.
    async fn sweep(&mut self) {
        match self.core.store.sweep(OVERDUE_MAX).await {
            Ok(Swept {
                parked,
                papers_missing,
            }) => {
                if parked > 0 {
                    tracing::error!(parked, "entries passed their deadline, and were parked");
                }
                if papers_missing > 0 {
                    tracing::error!(papers_missing, "paper forms were not confirmed in time");
                }
            }
            Err(error) => tracing::error!(error = %error, "what is late could not be told"),
        }
        self.tell_recovery().await;
        // Cleared before the look: whoever sets it meanwhile is not overheard.
        let traffic = &self.core.traffic;
        if traffic.is_authority_awaited() {
            traffic.set_authority_awaited(false);
            if self.core.store.authority_awaited().await != Ok(false) {
                traffic.set_authority_awaited(true);
            }
        }
    }

    /// An upstream that has recovered may now apply what it kept back.
    async fn tell_recovery(&mut self) {
        let recovered_at = self.core.recovered_at();
        if recovered_at <= self.told_recovery {
            return;
        }
        let look = recovered_at + self.core.rules.load().watch.look_after_recovery;
        match self.core.store.hasten_watches(self.core.lane, look).await {
            Ok(_) => self.told_recovery = recovered_at,
            Err(error) => tracing::error!(error = %error, "watches could not be hastened"),
        }
    }

    async fn wait(&mut self, span: Duration) {
        if span.is_zero() {
            return;
        }
        tokio::select! {
            biased;
            () = self.core.stop.draining() => {}
            Some(ended) = self.under_way.join_next() => report(ended),
            () = self.core.traffic.wake.notified() => {}
            () = self.core.clock.sleep(span) => {}
        }
    }
}

/// Leave to make one delivery: a free call and a permit.
struct Passage {
    slot: Slot,
    permit: Permit,
}

async fn deliver(core: Arc<Core>, rules: Arc<WriteBehindRules>, entry: Leased, passage: Passage) {
    let Passage { slot, permit } = passage;
    Attempt::run(&core, rules, entry, permit).await;
    drop(slot);
}

/// Begins evenly spread: a bucket that refills at the rate and holds a tenth of a second of it.
#[derive(Debug)]
struct Pace {
    rate_per_second: u64,
    /// What is in the bucket, in thousandths of a delivery: the rate, times milliseconds.
    thousandths: u64,
    refilled_at: Timestamp,
}

/// One delivery, in the bucket's unit.
const WHOLE: u64 = 1_000;

impl Pace {
    fn new(rate_per_second: u32, now: Timestamp) -> Pace {
        Pace {
            rate_per_second: rate_per_second.into(),
            thousandths: WHOLE,
            refilled_at: now,
        }
    }

    /// From now on at this rate; what has dripped in stays, as far as a bucket of this rate holds it.
    fn set_rate(&mut self, rate_per_second: u32, now: Timestamp) {
        self.ready(now);
        self.rate_per_second = rate_per_second.into();
    }

    /// How long one delivery takes to drip in, rounded up.
    fn interval(&self) -> Duration {
        Duration::from_millis(WHOLE.div_ceil(self.rate_per_second))
    }

    /// How many may begin now.
    fn ready(&mut self, now: Timestamp) -> usize {
        let elapsed = now.0.saturating_sub(self.refilled_at.0);
        let room = (self.rate_per_second * WHOLE / 10).max(WHOLE);
        let dripped = elapsed.saturating_mul(self.rate_per_second);
        self.thousandths = self.thousandths.saturating_add(dripped).min(room);
        self.refilled_at = now;
        usize::try_from(self.thousandths / WHOLE).unwrap_or(usize::MAX)
    }

    fn spend(&mut self, begun: usize) {
        self.thousandths = self.thousandths.saturating_sub(begun as u64 * WHOLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_rate_in_a_second() {
        for rate in [1, 7, 50, 400] {
            let start = Timestamp(1_000_000);
            let mut pace = Pace::new(rate, start);
            let mut begun = 0;
            for millis in 0..10_000 {
                let now = start + Duration::from_millis(millis);
                let ready = pace.ready(now);
                pace.spend(ready);
                begun += ready;
            }
            let whole = 10 * rate as usize;
            let burst = (rate as usize / 10).max(1);
            assert!(begun <= whole + burst, "{begun} begun at {rate}/s");
            assert!(begun * 100 >= whole * 90, "only {begun} begun at {rate}/s");
        }
    }
}
