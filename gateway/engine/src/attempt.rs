//! One deliverer, one leased entry: performs what `policies::delivery` decides, until it settles.

mod settle;

use std::sync::Arc;
use std::time::Duration;

use policies::delivery::{Case, Command, Event, Fallback, Standing, step};
use policies::failure::{Code, Failure, Opaque, Outcome, Retry, Stops};
use policies::family::Role;
use policies::operation::{OpName, Operation};
use policies::rules::{CALL_OVERTIME, WriteBehindRules};
use policies::state::State;
use policies::time::Timestamp;
use tracing::Instrument;

use crate::calls::gate_open;
use crate::core::Core;
use crate::entry::{EntryId, Leased, Request, Settlement};
use crate::gate::Permit;
use crate::ports::{Answer, Fact};

/// What a deliverer heard, owned; borrowed as an [`Event`] for the step.
enum Heard {
    Leased { probe: bool },
    Unreadable,
    Done,
    Absent,
    Found(Standing),
    SendFailed(Failure),
    AskFailed(Failure),
    Undone,
    UndoFailed(Failure),
}

impl Heard {
    fn event(&self) -> Event<'_> {
        match self {
            Heard::Leased { probe } => Event::Leased { probe: *probe },
            Heard::Unreadable => Event::Unreadable,
            Heard::Done => Event::Done,
            Heard::Absent => Event::Absent,
            Heard::Found(standing) => Event::Found(*standing),
            Heard::SendFailed(failure) => Event::SendFailed(failure),
            Heard::AskFailed(failure) => Event::AskFailed(failure),
            Heard::Undone => Event::Undone,
            Heard::UndoFailed(failure) => Event::UndoFailed(failure),
        }
    }
}

impl Heard {
    /// Whether an entry of `role` that is let go of into `state` has been tried in vain. A send that
    /// may have been applied is asked for the first time, and what never left was not tried; a watch
    /// that finds nothing has found what it looks for.
    fn asks_for_retry(&self, role: Role, state: State) -> bool {
        match self {
            Heard::SendFailed(failure) | Heard::AskFailed(failure)
                if matches!(failure.code, Code::GateOpen | Code::ShuttingDown) =>
            {
                false
            }
            Heard::SendFailed(_) => state == State::Accepted,
            Heard::AskFailed(_) => true,
            Heard::Absent => role != Role::Watch,
            _ => false,
        }
    }
}

/// An attempt under way.
pub struct Attempt<'a> {
    core: &'a Core,
    /// The policy it was leased under, to its end: its calls fit into its lease.
    rules: Arc<WriteBehindRules>,
    operation: Operation,
    request: Request,
    id: EntryId,
    epoch: u64,
    lease_until: Timestamp,
    /// Until when it may be sent, where that is only inside its own request.
    send_until: Option<Timestamp>,
    /// The permit the entry was leased with: of the write, or of the first read.
    permit: Option<Permit>,
    answer: Option<Opaque>,
    /// What the upstream said no with.
    refusal: Option<Opaque>,
    document: Option<Opaque>,
}

impl<'a> Attempt<'a> {
    /// Takes `leased`, which was leased under `rules`, to its next resting place; `None` if that could
    /// not be written down, or someone else was faster.
    pub async fn run(
        core: &'a Core,
        rules: Arc<WriteBehindRules>,
        leased: Leased,
        permit: Permit,
    ) -> Option<Settlement> {
        // An operation of another release, or a damaged name: not ours to guess at.
        let known = core.calls.operation(&leased.op).copied();
        let operation = known.unwrap_or(core.write);
        let case = Case {
            role: leased.role,
            state: leased.state,
            sends: leased.sends,
            failures: leased.failures,
            reason: leased.reason,
            terms: leased.terms,
            accepted_at: leased.accepted_at,
            recovered_at: core.settled_since(),
            absences: 0,
        };
        let is_at_desk = (case.role, case.terms.fallback) == (Role::Create, Fallback::RedRecipe);
        let send_until = is_at_desk.then(|| core.clock.now() + case.terms.answer_within);
        let probe = permit.is_probe() && leased.state == State::Sending;
        let (request, heard) = match leased.request {
            Ok(request) if known.is_some() => (request, Heard::Leased { probe }),
            _ => (Request::empty(), Heard::Unreadable),
        };
        let trace = request.trace.clone();
        let attempt = Attempt {
            core,
            rules,
            operation,
            request,
            id: leased.id,
            epoch: leased.epoch,
            lease_until: leased.lease_until,
            send_until,
            permit: Some(permit),
            answer: None,
            refusal: None,
            document: None,
        };
        let signals = core.calls.signals();
        let span = signals.attempt(core.lane, operation.op, trace.as_deref());
        let settlement = attempt.deliver(case, heard).instrument(span.clone()).await;
        if let Some(settlement) = &settlement {
            span.record("state", settlement.state.as_str());
        }
        settlement
    }

    async fn deliver(mut self, mut case: Case, mut heard: Heard) -> Option<Settlement> {
        loop {
            let (now, chance) = (self.core.clock.now(), self.core.rng.unit());
            // It may have recovered while this entry was looked after.
            case.recovered_at = self.core.settled_since();
            let rules = &*self.rules;
            let (next, command) = step(&self.operation, rules, case, heard.event(), now, chance);
            let before = std::mem::replace(&mut case, next);
            heard = match command {
                Command::Send => self.send(case.state).await,
                Command::Ask(read) => self.ask(read, case.state).await,
                Command::Undo(undo) => self.undo(undo).await,
                Command::Settle {
                    state,
                    due,
                    reason,
                    number,
                } => {
                    let is_retry = heard.asks_for_retry(case.role, state);
                    let due = due.map(|due| self.within_budget(due, is_retry));
                    let settlement = self.settlement(case, state, due, reason);
                    return self.settle(settlement, number, before).await;
                }
            };
        }
    }

    async fn send(&mut self, state: State) -> Heard {
        // An entry that was leased to be verified came with the permit of a read.
        let leased_with = if state == State::Sending {
            self.permit.take()
        } else {
            None
        };
        match self.write(self.operation.op, leased_with).await {
            Ok(answer) => self.hear(answer),
            Err(failure) => {
                if failure.outcome == Outcome::Rejected {
                    self.refusal = Some(failure.detail.clone());
                }
                Heard::SendFailed(failure)
            }
        }
    }

    /// Annuls the number. What the upstream says to that is no answer to the entry.
    async fn undo(&mut self, undo: OpName) -> Heard {
        match self.write(undo, None).await {
            Ok(_) => Heard::Undone,
            Err(failure) => Heard::UndoFailed(failure),
        }
    }

    /// One write, under `permit` or one of its own, unless it could outlast the lease.
    async fn write(&mut self, op: OpName, permit: Option<Permit>) -> Result<Answer, Failure> {
        if let Some(refused) = self.not_put_on_the_wire() {
            if let Some(permit) = permit {
                permit.unused();
            }
            return Err(refused);
        }
        let within = self.rules.calls.write_within;
        let calls = &self.core.calls;
        let permit = permit.map_or_else(|| calls.try_enter(op).map_err(gate_open), Ok)?;
        let result = calls.call(permit, op, &self.request, within).await;
        if let Err(failure) = &result {
            self.note(failure);
        }
        result
    }

    /// Why a write is not made after all.
    fn not_put_on_the_wire(&self) -> Option<Failure> {
        if let Some(refused) = self.refused_authority() {
            return Some(refused);
        }
        let now = self.core.clock.now();
        // The desk was told to write a paper form while the probe's read was under way.
        if self.send_until.is_some_and(|until| now >= until) {
            return Some(handed_back(Code::UpstreamTimeout));
        }
        let within = self.rules.calls.write_within;
        // A process that was frozen wakes up with a lease that others have taken for lost.
        let outlasts_lease = now + within + CALL_OVERTIME > self.lease_until;
        let is_too_late = outlasts_lease || self.core.stop.is_draining();
        is_too_late.then(|| handed_back(Code::ShuttingDown))
    }

    async fn ask(&mut self, read: OpName, state: State) -> Heard {
        if let Some(refused) = self.refused_authority() {
            return Heard::AskFailed(refused);
        }
        let within = self.rules.calls.read_within;
        // A verify was leased with the permit of its first read; every other read asks for its own.
        let leased_with = if state == State::Verifying {
            self.permit.take()
        } else {
            None
        };
        let result = match leased_with.map_or_else(|| self.core.calls.try_enter(read), Ok) {
            Ok(permit) => {
                self.core
                    .calls
                    .call(permit, read, &self.request, within)
                    .await
            }
            Err(wait) => Err(gate_open(wait)),
        };
        match result {
            Ok(answer) => self.hear(answer),
            Err(failure) => {
                self.note(&failure);
                // The probe that this read went ahead of has learnt nothing: its gate waits anew,
                // unless the read was not made either, for a reason of the entry's own.
                if failure.code != Code::AuthorityExpired {
                    drop(self.permit.take());
                }
                Heard::AskFailed(failure)
            }
        }
    }

    fn hear(&mut self, answer: Answer) -> Heard {
        let heard = match answer.fact {
            Fact::Done => Heard::Done,
            Fact::Absent => return Heard::Absent,
            Fact::Found(standing) => Heard::Found(standing),
            Fact::Range(_) => unreachable!("an entry's operation does not ask for numbers"),
        };
        self.answer = Some(answer.body);
        self.document = answer.document;
        heard
    }

    /// A retry waits for the lane's budget; a first verify does not.
    fn within_budget(&self, due: Timestamp, is_retry: bool) -> Timestamp {
        if is_retry {
            due.max(self.core.calls.reserve_retry())
        } else {
            due
        }
    }

    fn refused_authority(&self) -> Option<Failure> {
        self.core
            .traffic
            .refused
            .contains(&self.request.authority)
            .then(|| Failure {
                stops: Stops::Identity,
                retry: Retry::No,
                ..Failure::upstream(Code::AuthorityRefused, Outcome::NotDone)
            })
    }

    fn note(&self, failure: &Failure) {
        // One that is too old for this was never presented, and may be young enough for a read.
        if failure.stops == Stops::Identity && failure.code != Code::AuthorityExpired {
            self.core.traffic.refused.insert(&self.request.authority);
        }
        tracing::debug!(
            lane = self.core.lane.0,
            entry.id = %self.id,
            code = failure.code.as_str(),
            outcome = failure.outcome.as_str(),
            "a call failed"
        );
    }
}

/// It was not put on the wire.
fn handed_back(code: Code) -> Failure {
    Failure::gateway(code, Outcome::NotDone, Retry::After(Duration::ZERO))
}
