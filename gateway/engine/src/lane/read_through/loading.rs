//! One load: the source is asked for one caller, and what it says is kept for all who may see it.

use std::sync::Arc;

use policies::admission::Turn;
use policies::allowance;
use policies::failure::{Code, Failure, Fault, Opaque, Outcome, Stops};
use policies::rules::RegistryRules;
use policies::time::Timestamp;
use tracing::Instrument;

use super::flights::Leader;
use super::inside::{Held, Inside, Route};
use super::refusals::Refusal;
use super::shelving::Before;
use super::showing;
use crate::cache::UnderWay;
use crate::entry::Request;
use crate::gate::Permit;
use crate::lookup::{self, Looked, Lookup, Shelved, Tag};
use crate::ports::{Answer, Fact, Found};
use crate::slots::Slot;

/// What a load brought, and for whom the source was asked.
#[derive(Debug, Clone)]
pub(super) struct Landed {
    pub(super) caller: Tag,
    pub(super) said: Said,
}

/// What the source said.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// An answer, as it is kept.
    Answer(Arc<Shelved>),
    /// There is nothing; when it said so.
    Absent(Timestamp),
    /// No, to this caller.
    Denied(Failure),
    /// It failed: it would have failed anybody.
    Failed(Failure),
}

/// Leave to load: of the gate, of the lane, and of what its caller may ask.
#[derive(Debug)]
pub(super) struct Leave {
    permit: Permit,
    slot: Slot,
    under_way: UnderWay,
}

/// Why a load may not begin.
#[derive(Debug)]
pub(super) enum NoLeave {
    /// The gate lets no call pass; how long to wait at least.
    Gate(std::time::Duration),
    /// No call of the lane is free.
    Room,
    /// Its caller asks too much.
    Caller(allowance::Refused),
    /// The source has refused this very authority a moment ago.
    Refused(Refusal),
    /// What is asked for has come meanwhile.
    Known(Looked),
}

impl Inside {
    /// Leave to load for `lookup` now. Refused, it has cost its caller nothing.
    pub(super) fn try_leave(
        &self,
        lookup: &Lookup,
        rules: &RegistryRules,
    ) -> Result<Leave, NoLeave> {
        let now = self.core.clock.now();
        if let Some(refusal) = self.refusals.of(&lookup.authority, now) {
            return Err(NoLeave::Refused(refusal));
        }
        let calls = &self.core.calls;
        let permit = calls.try_enter(lookup.op).map_err(NoLeave::Gate)?;
        let Some(slot) = calls.try_slot(Turn::Live) else {
            permit.unused();
            return Err(NoLeave::Room);
        };
        let caller = lookup.asker.caller;
        match self.callers.try_begin(caller, &rules.callers, now) {
            Ok(under_way) => Ok(Leave {
                permit,
                slot,
                under_way,
            }),
            Err(refused) => {
                permit.unused();
                Err(NoLeave::Caller(refused))
            }
        }
    }

    /// Asks the source for `lookup`, and lands with what it said.
    pub(super) async fn load(
        &self,
        lookup: &Lookup,
        rules: &RegistryRules,
        leave: Leave,
        leader: Leader<Route, Landed>,
        held: &Held,
    ) -> Landed {
        let calls = &self.core.calls;
        let request = Request {
            payload: lookup.payload.clone(),
            number: Opaque::default(),
            authority: lookup.authority.clone(),
            trace: lookup.trace.clone(),
        };
        let trace = lookup.trace.as_deref();
        let span = calls.signals().attempt(self.core.lane, lookup.op, trace);
        // An answer is as old as the question, at most: it shall never seem younger than it is.
        let asked_at = self.core.clock.now();
        let call = calls.call(leave.permit, lookup.op, &request, rules.calls.read_within);
        let result = call.instrument(span).await;
        drop((leave.slot, leave.under_way));
        let loaded = Loaded {
            inside: self,
            lookup,
            rules,
            held,
            asked_at,
        };
        leader.land(|may_keep| Landed {
            caller: lookup.asker.caller,
            said: loaded.said(result, may_keep),
        })
    }
}

/// A load that has ended, and is turned into what it means for the lane.
struct Loaded<'a> {
    inside: &'a Inside,
    lookup: &'a Lookup,
    rules: &'a RegistryRules,
    held: &'a Held,
    asked_at: Timestamp,
}

impl Loaded<'_> {
    fn said(&self, result: Result<Answer, Failure>, may_keep: bool) -> Said {
        if self.is_accepted(&result) {
            self.inside.refusals.accepted();
        }
        match result {
            Ok(answer) if answer.fact == Fact::Absent => {
                self.tell_watcher(Found::Unknown);
                self.note_no(true, may_keep);
                Said::Absent(self.asked_at)
            }
            Ok(answer) => {
                self.tell_watcher(Found::Known);
                Said::Answer(self.answered(answer, may_keep))
            }
            Err(failure) => self.failed(failure, may_keep),
        }
    }

    /// Told here, whatever has become of who asked: leaving before the answer hides nothing.
    fn tell_watcher(&self, found: Found) {
        let Lookup { key, asker, .. } = self.lookup;
        let landings = &self.inside.core.landings;
        landings.landed(&asker.organization, *key, found);
    }

    /// Whether the source has looked at what was asked, and so has let the authority in.
    fn is_accepted(&self, result: &Result<Answer, Failure>) -> bool {
        let has_looked = match result {
            Ok(_) => true,
            Err(failure) => failure.outcome == Outcome::Rejected,
        };
        has_looked && !self.lookup.authority.0.is_empty()
    }

    /// Keeps the answer; what those are told who asked.
    fn answered(&self, answer: Answer, may_keep: bool) -> Arc<Shelved> {
        let Lookup { key, asker, .. } = self.lookup;
        let own = Shelved {
            key: *key,
            fetched_at: self.asked_at,
            tags: answer.tags,
            seen_by: vec![(asker.caller, self.asked_at)],
            body: lookup::body(answer.body.0),
            age_is_floor: false,
        };
        if !may_keep {
            return Arc::new(own);
        }
        let memory = &self.inside.memory;
        memory.forget_no(*key, asker.caller, self.asked_at);
        let earlier = self.inside.known_now(*key, self.held);
        match earlier.filter(|earlier| earlier.fetched_at > self.asked_at) {
            Some(younger) => {
                if showing::has_same_tags(&younger.tags, &own.tags) {
                    self.keep(&Arc::new(self.merged(&younger, &own)), Before::Same);
                }
                Arc::new(own)
            }
            None => self.kept(own),
        }
    }

    /// Keeps `own`, than which nothing younger is known.
    fn kept(&self, own: Shelved) -> Arc<Shelved> {
        let key = own.key;
        let (own, before) = match self.inside.known_now(key, self.held) {
            None if self.inside.may_be_unread(key, self.held) => (own, Before::Unread),
            None => (own, Before::Same),
            Some(earlier) if showing::has_same_tags(&earlier.tags, &own.tags) => {
                (self.merged(&own, &earlier), Before::Same)
            }
            // The person has another doctor, say: whom the source has answered till then it may
            // refuse by now.
            Some(_) => (own, Before::Other),
        };
        let own = Arc::new(own);
        self.keep(&own, before);
        own
    }

    /// `answer`, seen by those who have seen `other`, too.
    fn merged(&self, answer: &Shelved, other: &Shelved) -> Shelved {
        let seen = answer.seen_by.iter().chain(&other.seen_by).copied();
        let now = self.inside.core.clock.now();
        Shelved {
            seen_by: self.inside.related(answer.key, seen, self.rules, now),
            ..answer.clone()
        }
    }

    fn keep(&self, answer: &Arc<Shelved>, before: Before) {
        self.inside.memory.put(answer);
        self.inside.shelving.keep(answer, before);
    }

    fn failed(&self, failure: Failure, may_keep: bool) -> Said {
        tracing::debug!(
            lane = self.inside.core.lane.0,
            code = failure.code.as_str(),
            "a load failed"
        );
        let Lookup {
            asker, authority, ..
        } = self.lookup;
        if failure.code == Code::AuthorityRefused
            && failure.stops == Stops::Identity
            && !authority.0.is_empty()
        {
            let now = self.inside.core.clock.now();
            let refusals = &self.inside.refusals;
            let refusal = refusals.note(authority, &asker.organization, now);
            if refusal == Refusal::Source {
                return Said::Failed(refusal.failure());
            }
        }
        if !is_denial(&failure) {
            return Said::Failed(failure);
        }
        if failure.outcome == Outcome::Rejected {
            self.note_no(false, may_keep);
        }
        Said::Denied(failure)
    }

    /// The source has not told its caller anything: neither does the lane, of what it has heard before.
    fn note_no(&self, is_absence: bool, may_keep: bool) {
        self.forget_if_related();
        let Lookup { key, asker, .. } = self.lookup;
        if may_keep {
            let memory = &self.inside.memory;
            memory.note_no(*key, asker.caller, self.asked_at, is_absence);
        }
    }

    /// What the source does not tell any more to somebody who was related to it may have changed for
    /// all. Who never was related shall not empty the cache by asking, nor who breaks the glass, nor a
    /// substitute, for all of whom it stands in for.
    fn forget_if_related(&self) {
        let Lookup { key, asker, .. } = self.lookup;
        let known = self.inside.known_now(*key, self.held);
        let (rules, now) = (&self.rules.freshness, self.inside.core.clock.now());
        if known.is_some_and(|known| showing::is_related_itself(&known, asker, rules, now)) {
            self.inside.forget(*key);
        }
    }
}

/// Whether the source, or our own policy, says no to this caller and not to everybody. A request that
/// the source finds malformed is a defect of ours, and says nothing about anybody.
fn is_denial(failure: &Failure) -> bool {
    let is_refused = failure.outcome == Outcome::Rejected && failure.fault == Fault::Caller;
    is_refused || failure.stops == Stops::Identity
}
