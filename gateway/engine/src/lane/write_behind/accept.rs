//! One request: onto the disk, out to the upstream if there is room, and an answer in time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policies::admission::Turn;
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::Opaque;
use policies::gate::Mode;
use policies::state::State;
use policies::time::Timestamp;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Job, KeyInUse};
use crate::attempt::Attempt;
use crate::core::Core;
use crate::door::{Refusal, Submitted, Write};
use crate::entry::{
    AppendError, Appended, Entry, EntryId, Leased, NewEntry, NumberUse, Request, Settlement,
};
use crate::gate::Permit;
use crate::slots::Slot;

/// Numbers tried for one write, should the first be held already.
const NUMBERS_TRIED_MAX: usize = 3;

/// Serves the requests of one lane.
#[derive(Debug)]
pub(super) struct Accepting {
    pub(super) core: Arc<Core>,
    pub(super) in_flight: InFlight,
}

/// The keys of requests that are being stored right now.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<BTreeSet<KeyInUse>>);

impl InFlight {
    fn try_claim(&self, key: KeyInUse) -> Option<Claim<'_>> {
        let claimed = self.lock().insert(key.clone());
        // Lazily: a claim that is merely built and dropped would free the key of its rightful holder.
        claimed.then(|| Claim { keys: self, key })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<KeyInUse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One key in flight, until dropped.
struct Claim<'a> {
    keys: &'a InFlight,
    key: KeyInUse,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.keys.lock().remove(&self.key);
    }
}

/// Leave to send at once: a free call and the gate's permit.
struct Passage {
    slot: Slot,
    permit: Permit,
}

/// What is on disk, and how to send it if it is to be sent now.
struct Stored {
    entry: Entry,
    replayed: bool,
    now: Option<(Leased, Passage)>,
}

impl Stored {
    fn replay(entry: Entry) -> Stored {
        Stored {
            entry,
            replayed: true,
            now: None,
        }
    }
}

impl Accepting {
    pub(super) async fn serve(self: Arc<Self>, job: Job) {
        let wait = job.write.wait_max.unwrap_or(self.core.rules.answer_within);
        let answer_within = wait.min(self.core.rules.answer_within);
        let began = self.core.clock.now();
        let stored = self.store(job.write, answer_within).await;
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
                self.send_now(entry, leased, passage, job.reply).await;
            }
        }
    }

    /// Recognises what is on disk already, before anything is taken for it or refused.
    async fn store(&self, write: Write, answer_within: Duration) -> Result<Stored, Refusal> {
        let core = &self.core;
        let key = (write.organization.clone(), write.key.clone());
        let _claim = self.in_flight.try_claim(key).ok_or(Refusal::InFlight)?;
        self.reauthorize(&write).await;
        if let Some(Submitted { entry, replayed }) = core.recall(&write).await? {
            return Ok(Stored {
                entry,
                replayed,
                now: None,
            });
        }
        if core.calls.mode() == Mode::Disabled {
            return Err(Refusal::Disabled);
        }
        let passage = self.passage(&write.authority);
        let terms = Terms {
            fallback: Fallback::Hold,
            uncertain: Uncertain::Verify,
            deadline: core.clock.now() + core.rules.entry_deadline,
            answer_within,
        };
        self.append(write, terms, passage).await
    }

    /// Puts it on disk under a number. A number of ours that turns out to be held, because a caller
    /// brought it before its range was ours, is passed over.
    async fn append(
        &self,
        write: Write,
        terms: Terms,
        passage: Option<Passage>,
    ) -> Result<Stored, Refusal> {
        let core = &self.core;
        for _ in 0..NUMBERS_TRIED_MAX {
            let number = match &write.own_number {
                Some(number) => NumberUse::Callers(number.clone()),
                None => match core.numbers.take(&*core.clock).await {
                    Some(number) => number,
                    None => break,
                },
            };
            let new = self.new_entry(write.clone(), number, terms, passage.is_some());
            let appended = core.store.append(vec![new.clone()]).await.pop();
            match appended.expect("append answers once for every entry") {
                // Not leased after all: an earlier write under its order key is still on its way.
                Ok(Appended::Accepted { at, epoch: 0 }) => {
                    unused(passage);
                    return Ok(stored(new, at, 0, None));
                }
                Ok(Appended::Accepted { at, epoch }) => return Ok(stored(new, at, epoch, passage)),
                Ok(Appended::NumberUsed) if write.own_number.is_none() => {
                    tracing::error!(lane = core.lane.0, "a number of ours is held already");
                }
                other => {
                    unused(passage);
                    return not_accepted(other);
                }
            }
        }
        unused(passage);
        Err(Refusal::NumbersExhausted)
    }

    /// A write whose prescriber has just authenticated takes along those that waited for it.
    async fn reauthorize(&self, write: &Write) {
        let core = &self.core;
        if !core.traffic.is_authority_awaited() || core.traffic.refused.contains(&write.authority) {
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

    /// A free call and a permit of the gate, or neither.
    fn passage(&self, authority: &Opaque) -> Option<Passage> {
        let core = &self.core;
        if core.stop.is_draining() || core.traffic.refused.contains(authority) {
            return None;
        }
        let slot = core.calls.try_slot(Turn::Live)?;
        let permit = core.calls.try_enter(core.write.op).ok()?;
        Some(Passage { slot, permit })
    }

    fn new_entry(&self, write: Write, number: NumberUse, terms: Terms, leased: bool) -> NewEntry {
        let id = EntryId(Uuid::now_v7());
        NewEntry {
            id,
            lane: self.core.lane,
            op: self.core.write.op,
            order_key: id,
            organization: write.organization,
            key: write.key,
            fingerprint: write.fingerprint,
            person: write.person,
            number,
            identity: write.identity,
            payload: write.payload,
            authority: write.authority,
            terms,
            lease_for: leased.then_some(self.core.rules.delivery.lease_for),
            trace: write.trace,
        }
    }

    /// Sends it, and answers when the outcome is there or the caller's time is up; the attempt goes
    /// on either way.
    async fn send_now(
        &self,
        entry: Entry,
        leased: Leased,
        passage: Passage,
        reply: oneshot::Sender<Result<Submitted, Refusal>>,
    ) {
        let answer_within = entry.terms.answer_within;
        let Passage { slot, permit } = passage;
        let attempt = Attempt::run(&self.core, leased, permit);
        tokio::pin!(attempt);
        tokio::select! {
            biased;
            settlement = &mut attempt => {
                drop(slot);
                let entry = match settlement {
                    Some(settlement) => after(entry, settlement, self.core.clock.now()),
                    None => entry,
                };
                drop(reply.send(Ok(Submitted { entry, replayed: false })));
            }
            () = self.core.clock.sleep(answer_within) => {
                drop(reply.send(Ok(Submitted { entry, replayed: false })));
                attempt.await;
                drop(slot);
            }
        }
        self.core.traffic.wake.notify_one();
    }
}

/// Nothing is sent under it: the gate learns nothing, and waits for nothing.
fn unused(passage: Option<Passage>) {
    if let Some(Passage { permit, .. }) = passage {
        permit.unused();
    }
}

fn not_accepted(appended: Result<Appended, AppendError>) -> Result<Stored, Refusal> {
    match appended {
        Ok(Appended::Replay(entry)) => Ok(Stored::replay(*entry)),
        Ok(Appended::Accepted { .. }) => unreachable!("accepted entries are handled before"),
        Ok(Appended::KeyReused) => Err(Refusal::KeyReused),
        Ok(Appended::NumberOurs) => Err(Refusal::NumberOurs),
        Ok(Appended::NumberUsed) => Err(Refusal::NumberUsed),
        Err(AppendError::Full) => Err(Refusal::Full),
        Err(AppendError::Refused) => Err(Refusal::Refused),
        Err(AppendError::Unknown) => Err(Refusal::Unknown),
    }
}

fn stored(new: NewEntry, at: Timestamp, epoch: u64, passage: Option<Passage>) -> Stored {
    let lease_until = at + new.lease_for.unwrap_or_default();
    let number = new.number.number().clone();
    let entry = Entry {
        id: new.id,
        op: new.op.0.to_owned(),
        state: if passage.is_some() {
            State::Sending
        } else {
            State::Accepted
        },
        reason: None,
        accepted_at: at,
        updated_at: at,
        terms: new.terms,
        number: number.clone(),
        answer: None,
    };
    let now = passage.map(|passage| {
        let request = Request {
            payload: new.payload,
            number,
            authority: new.authority,
            trace: new.trace,
        };
        let leased = Leased {
            id: new.id,
            op: new.op.0.to_owned(),
            epoch,
            lease_until,
            state: State::Sending,
            sends: 1,
            failures: 0,
            reason: None,
            terms: new.terms,
            request: Ok(request),
            identity: new.identity,
        };
        (leased, passage)
    });
    Stored {
        entry,
        replayed: false,
        now,
    }
}

/// The entry as the settlement left it.
fn after(entry: Entry, settlement: Settlement, now: Timestamp) -> Entry {
    Entry {
        state: settlement.state,
        reason: settlement.reason,
        updated_at: now,
        answer: settlement.answer,
        ..entry
    }
}
