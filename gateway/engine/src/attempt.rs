//! One deliverer, one leased entry: performs what `policies::delivery` decides, until it settles.

use std::time::Duration;

use policies::delivery::{Case, Command, Event, Standing, step};
use policies::failure::{Code, Failure, Opaque, Outcome, Retry, Stops};
use policies::operation::{OpName, Operation};
use policies::rules::CALL_OVERTIME;
use policies::state::State;
use policies::time::Timestamp;

use crate::calls::gate_open;
use crate::core::Core;
use crate::entry::{EntryId, Leased, Request, Settled, Settlement, WriteError};
use crate::gate::Permit;
use crate::ports::{Answer, Fact};

/// Between two tries to write down an outcome that the store refused (no space).
const SETTLE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What a deliverer heard, owned; borrowed as an [`Event`] for the step.
enum Heard {
    Leased { probe: bool },
    Unreadable,
    Done,
    Absent,
    Found(Standing),
    SendFailed(Failure),
    AskFailed(Failure),
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
        }
    }
}

impl Heard {
    /// Whether an entry that is let go of into `state` has been tried in vain. A send that may have
    /// been applied is asked for the first time, and what never left was not tried.
    fn asks_for_retry(&self, state: State) -> bool {
        match self {
            Heard::SendFailed(failure) | Heard::AskFailed(failure)
                if matches!(failure.code, Code::GateOpen | Code::ShuttingDown) =>
            {
                false
            }
            Heard::SendFailed(_) => state == State::Accepted,
            Heard::AskFailed(_) | Heard::Absent => true,
            _ => false,
        }
    }
}

/// An attempt under way.
pub struct Attempt<'a> {
    core: &'a Core,
    operation: Operation,
    request: Request,
    id: EntryId,
    epoch: u64,
    lease_until: Timestamp,
    /// The permit the entry was leased with: of the write, or of the first read.
    permit: Option<Permit>,
    answer: Option<Opaque>,
    document: Option<Opaque>,
}

impl<'a> Attempt<'a> {
    /// Takes `leased` to its next resting place; `None` if that could not be written down, or
    /// someone else was faster.
    pub async fn run(core: &'a Core, leased: Leased, permit: Permit) -> Option<Settlement> {
        // An operation of another release, or a damaged name: not ours to guess at.
        let known = core.calls.operation(&leased.op).copied();
        let operation = known.unwrap_or(core.write);
        let case = Case {
            state: leased.state,
            sends: leased.sends,
            failures: leased.failures,
            reason: leased.reason,
            deadline: leased.terms.deadline,
            absences: 0,
        };
        let probe = permit.is_probe() && leased.state == State::Sending;
        let (request, heard) = match leased.request {
            Ok(request) if known.is_some() => (request, Heard::Leased { probe }),
            _ => (Request::empty(), Heard::Unreadable),
        };
        let attempt = Attempt {
            core,
            operation,
            request,
            id: leased.id,
            epoch: leased.epoch,
            lease_until: leased.lease_until,
            permit: Some(permit),
            answer: None,
            document: None,
        };
        attempt.deliver(case, heard).await
    }

    async fn deliver(mut self, mut case: Case, mut heard: Heard) -> Option<Settlement> {
        loop {
            let (now, chance) = (self.core.clock.now(), self.core.rng.unit());
            let rules = &self.core.rules.delivery;
            let (next, command) = step(&self.operation, rules, case, heard.event(), now, chance);
            case = next;
            heard = match command {
                Command::Send => self.send().await,
                Command::Ask(read) => self.ask(read, case.state).await,
                Command::Settle { state, due, reason } => {
                    let due = due.map(|due| self.within_budget(due, &heard, state));
                    return self.settle(case, state, due, reason).await;
                }
            };
        }
    }

    async fn send(&mut self) -> Heard {
        if let Some(refused) = self.refused_authority() {
            return Heard::SendFailed(refused);
        }
        let within = self.core.rules.calls.write_within;
        // A process that was frozen wakes up with a lease that others have taken for lost.
        let outlasts_lease = self.core.clock.now() + within + CALL_OVERTIME > self.lease_until;
        if outlasts_lease || self.core.stop.is_draining() {
            return Heard::SendFailed(handed_back());
        }
        let Some(permit) = self.permit.take() else {
            return Heard::SendFailed(gate_open(Duration::ZERO));
        };
        match self
            .core
            .calls
            .call(permit, self.operation.op, &self.request, within)
            .await
        {
            Ok(answer) => self.hear(answer),
            Err(failure) => {
                self.note(&failure);
                if failure.outcome == Outcome::Rejected {
                    self.answer = Some(failure.detail.clone());
                }
                Heard::SendFailed(failure)
            }
        }
    }

    async fn ask(&mut self, read: OpName, state: State) -> Heard {
        if let Some(refused) = self.refused_authority() {
            return Heard::AskFailed(refused);
        }
        let within = self.core.rules.calls.read_within;
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
                // The probe that this read went ahead of has learnt nothing: its gate waits anew.
                drop(self.permit.take());
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
    fn within_budget(&self, due: Timestamp, heard: &Heard, state: State) -> Timestamp {
        if heard.asks_for_retry(state) {
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
        if failure.stops == Stops::Identity {
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

    /// Writes it down. No space is waited for as long as the lease lasts; after that the entry is
    /// uncertain by itself, and will be asked for.
    async fn settle(
        self,
        case: Case,
        state: State,
        due: Option<Timestamp>,
        reason: Option<Code>,
    ) -> Option<Settlement> {
        if let Some(permit) = self.permit {
            permit.unused();
        }
        let settlement = Settlement {
            id: self.id,
            epoch: self.epoch,
            state,
            due,
            sends: case.sends,
            failures: case.failures,
            reason,
            answer: self.answer,
            document: self.document,
        };
        let give_up_at = self.lease_until;
        loop {
            match self
                .core
                .store
                .settle(vec![settlement.clone()])
                .await
                .as_deref()
            {
                Ok([Settled::Settled]) => {
                    report(self.core, &settlement);
                    return Some(settlement);
                }
                Ok(_) => {
                    tracing::warn!(entry.id = %self.id, "the entry has moved on under another lease");
                    return None;
                }
                Err(WriteError::Refused) if self.core.clock.now() < give_up_at => {
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

fn report(core: &Core, settlement: &Settlement) {
    if !settlement.state.is_pending() {
        core.traffic.paces.settled(core.clock.now());
    }
    let reason = settlement.reason.map_or("", Code::as_str);
    let (lane, state) = (core.lane.0, settlement.state.as_str());
    match settlement.state {
        State::Parked | State::Conflict => {
            tracing::error!(lane, entry.id = %settlement.id, state, reason, "needs a person");
        }
        State::NeedsAuthorization => {
            core.traffic.set_authority_awaited(true);
            tracing::warn!(lane, entry.id = %settlement.id, state, reason, "needs its prescriber");
        }
        _ => tracing::info!(lane, entry.id = %settlement.id, state, reason, "settled"),
    }
}

fn handed_back() -> Failure {
    Failure::gateway(
        Code::ShuttingDown,
        Outcome::NotDone,
        Retry::After(Duration::ZERO),
    )
}
