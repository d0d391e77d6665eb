//! One request: onto the disk, out to the upstream if there is room, and an answer in time.

mod stored;

use std::sync::Arc;
use std::time::Duration;

use policies::admission::Turn;
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::{Code, Opaque};
use policies::family::Role;
use policies::gate::Mode;
use policies::operation::OpName;
use policies::rules::WriteBehindRules;
use policies::state::State;
use policies::time::Timestamp;
use tokio::sync::oneshot;

use super::Job;
use crate::attempt::Attempt;
use crate::core::Core;
use crate::door::{Matter, Refusal, Submitted, Write};
use crate::entry::{
    Appended, Entry, Leased, NewEntry, NumberUse, Organization, Settled, Settlement, Start,
};
use crate::numbers::TRIED_MAX;
use stored::{Passage, Stored, after, not_accepted, stored, unused};

/// What a caller who names the longest wait keeps of it for the way back.
const WAY_BACK: Duration = Duration::from_secs(1);

/// What is sent now, under the policy that it was leased under.
struct Now {
    rules: Arc<WriteBehindRules>,
    leased: Leased,
    passage: Passage,
}

/// Serves the requests of one lane.
#[derive(Debug)]
pub(super) struct Accepting {
    pub(super) core: Arc<Core>,
}

impl Accepting {
    pub(super) async fn serve(self: Arc<Self>, job: Job) {
        let answer_within = answer_within(&job.write);
        let rules = Arc::clone(&job.write.rules);
        let organization = job.write.organization.clone();
        let began = self.core.clock.now();
        let stored = self.store(job.write, answer_within).await;
        drop(job.claim);
        let took = self.core.clock.now().since(began);
        self.core.traffic.paces.stored(took);
        match stored {
            Err(refusal) => drop(job.reply.send(Err(refusal))),
            Ok(Stored {
                entry,
                replayed,
                now: None,
            }) => {
                self.core.traffic.wake.notify_one();
                drop(job.reply.send(Ok(Submitted { entry, replayed })));
            }
            Ok(Stored {
                entry,
                now: Some((leased, passage)),
                ..
            }) => {
                let now = Now {
                    rules,
                    leased: *leased,
                    passage,
                };
                self.send_now(organization, entry, now, job.reply).await;
            }
        }
    }

    /// Recognises what is on disk already, before anything is taken for it or refused.
    async fn store(&self, write: Write, answer_within: Duration) -> Result<Stored, Refusal> {
        let core = &self.core;
        self.reauthorize(&write).await;
        if let Some(Submitted { entry, replayed }) = core.recall(&write).await? {
            return Ok(Stored {
                entry,
                replayed,
                now: None,
            });
        }
        let rules = Arc::clone(&write.rules);
        let terms = terms(&rules, &write.matter, core.clock.now(), answer_within);
        let lease_for = rules.delivery.lease_for;
        match &write.matter {
            Matter::New { .. } if core.calls.mode() == Mode::Disabled => Err(Refusal::Disabled),
            Matter::New { fallback, .. } => {
                let (passage, start) = match self.passage(core.write.op, &write.authority) {
                    Ok(passage) => (Some(passage), Start::Leased(lease_for)),
                    // Nothing is sent for it, so that there is nothing to watch.
                    Err(code) if *fallback == Fallback::RedRecipe => (None, Start::Withdrawn(code)),
                    Err(_) => (None, Start::Due),
                };
                self.append_new(write, terms, start, passage).await
            }
            Matter::About { role, .. } => {
                let undo = core.write.undo_by.filter(|_| *role == Role::Cancel);
                let mut passage = undo.and_then(|op| self.passage(op, &write.authority).ok());
                let start = match &passage {
                    Some(_) => Start::Leased(lease_for),
                    None => Start::Due,
                };
                let op = undo.unwrap_or(OpName(role.as_str()));
                let new = NewEntry::of(core.lane, op, write, NumberUse::None, terms, start);
                let stored = self.append(new, &mut passage).await;
                unused(passage);
                stored
            }
        }
    }

    /// Puts a prescription on disk under a number. A number of ours that turns out to be held, because
    /// a caller brought it before its range was ours, is passed over.
    async fn append_new(
        &self,
        write: Write,
        terms: Terms,
        start: Start,
        mut passage: Option<Passage>,
    ) -> Result<Stored, Refusal> {
        let core = &self.core;
        let own_number = match &write.matter {
            Matter::New { own_number, .. } => own_number.clone(),
            Matter::About { .. } => None,
        };
        for _ in 0..TRIED_MAX {
            let number = match (&own_number, start) {
                // It is never sent, and takes none.
                (_, Start::Withdrawn(_)) => NumberUse::None,
                (Some(number), _) => NumberUse::Callers(number.clone()),
                (None, _) => match core.numbers.take(&*core.clock).await {
                    Some(number) => number,
                    None => break,
                },
            };
            let is_ours = matches!(number, NumberUse::Ours { .. });
            let op = core.write.op;
            let new = NewEntry::of(core.lane, op, write.clone(), number, terms, start);
            match self.append(new, &mut passage).await {
                Err(Refusal::NumberUsed) if is_ours => {
                    tracing::error!(lane = core.lane.0, "a number of ours is held already");
                }
                other => {
                    unused(passage);
                    return other;
                }
            }
        }
        unused(passage);
        Err(Refusal::NumbersExhausted)
    }

    /// Puts it on disk; `passage` is taken along if it is to be sent now.
    async fn append(
        &self,
        new: NewEntry,
        passage: &mut Option<Passage>,
    ) -> Result<Stored, Refusal> {
        let appended = self.core.store.append(vec![new.clone()]).await.pop();
        match appended.expect("append answers once for every entry") {
            Ok(Appended::Accepted {
                at,
                state,
                epoch,
                request,
            }) => {
                self.count(&new, state);
                Ok(stored(new, at, (state, epoch), request, passage.take()))
            }
            other => not_accepted(other),
        }
    }

    /// A prescription is on disk; without leave to be sent it may rest there already.
    fn count(&self, new: &NewEntry, state: State) {
        if new.role != Role::Create {
            return;
        }
        let signals = self.core.calls.signals();
        signals.accepted(new.lane, new.op);
        if !state.is_pending() {
            signals.settled(new.lane, new.op, state);
        }
    }

    /// A write whose prescriber has just authenticated takes along those that waited for it.
    async fn reauthorize(&self, write: &Write) {
        let core = &self.core;
        let nobody_waits = !core.traffic.is_authority_awaited();
        let is_none = write.authority.0.is_empty();
        if !write.resumes
            || nobody_waits
            || is_none
            || core.traffic.refused.contains(&write.authority)
        {
            return;
        }
        let (organization, identity) = (write.organization.clone(), write.identity.clone());
        match core
            .store
            .reauthorize(organization, identity, write.authority.clone())
            .await
        {
            Ok(0) => {}
            Ok(entries) => {
                tracing::info!(lane = core.lane.0, entries, "authorised again");
                core.traffic.wake.notify_one();
            }
            Err(error) => tracing::warn!(error = %error, "entries could not be authorised again"),
        }
    }

    /// A free call and a permit of the gate, or why there is neither.
    fn passage(&self, op: OpName, authority: &Opaque) -> Result<Passage, Code> {
        let core = &self.core;
        if core.stop.is_draining() {
            return Err(Code::ShuttingDown);
        }
        if core.traffic.refused.contains(authority) {
            return Err(Code::AuthorityRefused);
        }
        let slot = core.calls.try_slot(Turn::Live).ok_or(Code::LaneBusy)?;
        let permit = core.calls.try_enter(op).map_err(|_| Code::GateOpen)?;
        Ok(Passage { slot, permit })
    }

    /// Sends it, and answers when the outcome is there or the caller's time is up; the attempt goes
    /// on either way.
    async fn send_now(
        &self,
        organization: Organization,
        entry: Entry,
        now: Now,
        reply: oneshot::Sender<Result<Submitted, Refusal>>,
    ) {
        let (answer_within, epoch) = (entry.terms.answer_within, now.leased.epoch);
        let Passage { slot, permit } = now.passage;
        let attempt = Attempt::run(&self.core, now.rules, now.leased, permit);
        tokio::pin!(attempt);
        let is_at_rest = tokio::select! {
            biased;
            settlement = &mut attempt => {
                let is_at_rest = at_rest(&settlement);
                let answer = match settlement {
                    Some(settlement) => Ok(after(entry, settlement, self.core.clock.now())),
                    None => self.as_it_stands(organization, entry).await,
                };
                drop(reply.send(answer.map(first_answer)));
                is_at_rest
            }
            () = self.core.clock.sleep(answer_within) => {
                let answer = async {
                    let answer = match entry.terms.fallback {
                        Fallback::Hold => Ok(entry),
                        Fallback::RedRecipe => self.give_up(organization, entry, epoch).await,
                    };
                    drop(reply.send(answer.map(first_answer)));
                };
                at_rest(&tokio::join!(answer, attempt).1)
            }
        };
        drop(slot);
        self.core.traffic.live_call_ended(!is_at_rest);
    }

    /// The desk's time is up: withdrawn, unless the attempt was faster. Which of the two is decided
    /// on disk, by the lease that both name.
    async fn give_up(
        &self,
        organization: Organization,
        entry: Entry,
        epoch: u64,
    ) -> Result<Entry, Refusal> {
        let core = &self.core;
        let withdrawn = Settlement::withdrawn(entry.id, epoch, Code::UpstreamTimeout);
        let settled = core.store.settle(vec![withdrawn.clone()]).await;
        match settled.as_deref() {
            Ok([Settled::Settled]) => {
                let signals = core.calls.signals();
                signals.settled(core.lane, core.write.op, withdrawn.state);
                Ok(after(entry, withdrawn, core.clock.now()))
            }
            Ok(_) => self.as_it_stands(organization, entry).await,
            Err(_) => Err(Refusal::Unknown),
        }
    }

    /// What is on disk of an entry that others have moved. A write that is only ever sent inside its
    /// own request must not be answered by a guess.
    async fn as_it_stands(
        &self,
        organization: Organization,
        entry: Entry,
    ) -> Result<Entry, Refusal> {
        match self.core.store.get(organization, entry.id).await {
            Ok(Some(now)) => Ok(now),
            Ok(None) | Err(_) if entry.terms.fallback == Fallback::Hold => Ok(entry),
            Ok(None) | Err(_) => Err(Refusal::Unknown),
        }
    }
}

fn answer_within(write: &Write) -> Duration {
    let longest = write.rules.answer_within;
    write
        .wait_max
        .map_or(longest, |wait| longest.min(wait.saturating_sub(WAY_BACK)))
}

/// What is kept of `rules` with the entry: nobody who was told something finds it changed.
fn terms(
    rules: &WriteBehindRules,
    matter: &Matter,
    now: Timestamp,
    answer_within: Duration,
) -> Terms {
    let standard = Terms {
        fallback: Fallback::Hold,
        uncertain: Uncertain::Verify,
        deadline: now + rules.entry_deadline,
        answer_within,
        paper_within: rules.fallback.paper_within,
        look_after: rules.watch.first_look(),
        annul_consent: false,
    };
    match matter {
        Matter::New {
            fallback,
            annul_consent,
            own_number,
            ..
        } => Terms {
            fallback: *fallback,
            // Only for a number of ours is there another to go on under.
            uncertain: own_number
                .as_ref()
                .map_or(rules.uncertain, |_| Uncertain::Verify),
            annul_consent: *annul_consent,
            ..standard
        },
        Matter::About { .. } => standard,
    }
}

/// Whether nothing is left to deliver of what was just sent.
fn at_rest(settlement: &Option<Settlement>) -> bool {
    settlement
        .as_ref()
        .is_some_and(|settlement| !settlement.state.is_pending())
}

fn first_answer(entry: Entry) -> Submitted {
    Submitted {
        entry,
        replayed: false,
    }
}
