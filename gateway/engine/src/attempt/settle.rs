//! Letting go of an entry: what became of it, on disk.

use std::time::Duration;

use policies::delivery::{Case, NumberFate};
use policies::failure::Code;
use policies::operation::OpName;
use policies::state::State;
use policies::time::Timestamp;

use super::Attempt;
use crate::core::Core;
use crate::entry::{Renumber, Settled, Settlement, WriteError};
use crate::numbers::TRIED_MAX;

/// Between two tries to write down an outcome that the store refused (no space).
const SETTLE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Until the next try, where an entry is to go on under another number and none is to be had.
const NUMBER_AGAIN_AFTER: Duration = Duration::from_secs(5);

impl Attempt<'_> {
    pub(super) fn settlement(
        &mut self,
        case: Case,
        state: State,
        due: Option<Timestamp>,
        reason: Option<Code>,
    ) -> Settlement {
        if let Some(permit) = self.permit.take() {
            permit.unused();
        }
        // What is rejected keeps what it was refused with, whatever was read after it.
        let answer = match state {
            State::Rejected => self.refusal.take(),
            _ => self.answer.take().or_else(|| self.refusal.take()),
        };
        Settlement {
            id: self.id,
            epoch: self.epoch,
            state,
            due,
            sends: case.sends,
            failures: case.failures,
            reason,
            answer,
            document: self.document.take(),
            number: Renumber::Kept,
        }
    }

    /// Writes it down, under another number where it is to go on under one; `before` is how the entry
    /// stood when that was decided.
    pub(super) async fn settle(
        &self,
        mut settlement: Settlement,
        number: NumberFate,
        before: Case,
    ) -> Option<Settlement> {
        match number {
            NumberFate::Kept => {}
            NumberFate::Watched => settlement.number = Renumber::Watched,
            NumberFate::Replaced => return self.settle_replaced(settlement, before).await,
        }
        match self.write_down(&settlement).await? {
            Settled::Settled => Some(settlement),
            _ => None,
        }
    }

    /// A number of ours that turns out to be held, because a caller brought it before its range was
    /// ours, is passed over. While there is none, the entry stays as uncertain as it was, its sends
    /// still those of the number that it keeps.
    async fn settle_replaced(
        &self,
        mut settlement: Settlement,
        before: Case,
    ) -> Option<Settlement> {
        let core = self.core;
        // What was read of the old number says nothing of the new one.
        settlement.answer = None;
        settlement.document = None;
        for _ in 0..TRIED_MAX {
            let Some(number) = core.numbers.take(&*core.clock).await else {
                break;
            };
            settlement.number = Renumber::Replaced(number);
            match self.write_down(&settlement).await? {
                Settled::Settled => return Some(settlement),
                Settled::NumberUsed => {
                    tracing::error!(lane = core.lane.0, "a number of ours is held already");
                }
                Settled::Stale(_) => return None,
            }
        }
        let waiting = Settlement {
            state: State::Uncertain,
            due: Some(core.clock.now() + NUMBER_AGAIN_AFTER),
            sends: before.sends,
            reason: before.reason,
            number: Renumber::Kept,
            ..settlement
        };
        match self.write_down(&waiting).await? {
            Settled::Settled => Some(waiting),
            _ => None,
        }
    }

    /// No space is waited for as long as the lease lasts; after that the entry is uncertain by
    /// itself, and will be asked for. `None`: it is not known to be on disk.
    async fn write_down(&self, settlement: &Settlement) -> Option<Settled> {
        loop {
            let written = self.core.store.settle(vec![settlement.clone()]).await;
            match written.as_deref() {
                Ok([settled]) => {
                    report(self.core, self.operation.op, settlement, *settled);
                    return Some(*settled);
                }
                Ok(_) => unreachable!("settle answers once for every settlement"),
                Err(WriteError::Refused) if self.core.clock.now() < self.lease_until => {
                    tokio::select! {
                        biased;
                        () = self.core.stop.forced() => return None,
                        () = self.core.clock.sleep(SETTLE_AGAIN_AFTER) => {}
                    }
                }
                Err(error) => {
                    tracing::error!(entry.id = %self.id, error = %error, "an outcome is not on disk");
                    return None;
                }
            }
        }
    }
}

fn report(core: &Core, op: OpName, settlement: &Settlement, settled: Settled) {
    if settled != Settled::Settled {
        tracing::warn!(entry.id = %settlement.id, "the entry has moved on under another lease");
        return;
    }
    if !settlement.state.is_pending() {
        core.traffic.paces.settled(core.clock.now());
        let signals = core.calls.signals();
        signals.settled(core.lane, op, settlement.state);
    }
    let reason = settlement.reason.map_or("", Code::as_str);
    let (lane, state) = (core.lane.0, settlement.state.as_str());
    match settlement.state {
        // A conflict is told by the store, which knows whose it is: a watch is nobody's by itself.
        State::Parked => {
            tracing::error!(lane, entry.id = %settlement.id, state, reason, "needs a person");
        }
        State::NeedsAuthorization => {
            core.traffic.set_authority_awaited(true);
            tracing::warn!(lane, entry.id = %settlement.id, state, reason, "needs its prescriber");
        }
        _ => tracing::info!(lane, entry.id = %settlement.id, state, reason, "settled"),
    }
}
