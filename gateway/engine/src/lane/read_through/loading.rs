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
use super::showing;
use crate::cache::UnderWay;
use crate::entry::Request;
use crate::gate::Permit;
use crate::lookup::{self, Lookup, Shelved, Tag};
use crate::ports::{Answer, Fact};
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
    /// The source has refused this very authority.
    Authority,
}

impl Inside {
    /// Leave to load for `lookup` now. Refused, it has cost its caller nothing.
    pub(super) fn try_leave(
        &self,
        lookup: &Lookup,
        rules: &RegistryRules,
    ) -> Result<Leave, NoLeave> {
        if self.refused.contains(&lookup.authority) {
            return Err(NoLeave::Authority);
        }
        let calls = &self.core.calls;
        let permit = calls.try_enter(lookup.op).map_err(NoLeave::Gate)?;
        let Some(slot) = calls.try_slot(Turn::Live) else {
            permit.unused();
            return Err(NoLeave::Room);
        };
        let (caller, now) = (lookup.asker.caller, self.core.clock.now());
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
        held: Option<&Held>,
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
    held: Option<&'a Held>,
    asked_at: Timestamp,
}

impl Loaded<'_> {
    fn said(&self, result: Result<Answer, Failure>, may_keep: bool) -> Said {
        match result {
            Ok(answer) if answer.fact == Fact::Absent => {
                self.forget_if_related();
                let Lookup { key, asker, .. } = self.lookup;
                if may_keep {
                    let memory = &self.inside.memory;
                    memory.note_absent(*key, asker.caller, self.asked_at);
                }
                Said::Absent(self.asked_at)
            }
            Ok(answer) => Said::Answer(self.answered(answer, may_keep)),
            Err(failure) => self.failed(failure),
        }
    }

    fn answered(&self, answer: Answer, may_keep: bool) -> Arc<Shelved> {
        let Lookup { key, asker, .. } = self.lookup;
        let earlier = self.inside.known_now(*key, self.held);
        let earlier = earlier.as_deref().filter(|_| may_keep);
        let answer = Arc::new(Shelved {
            key: *key,
            fetched_at: self.asked_at,
            tags: answer.tags,
            seen_by: self.seen_by(earlier),
            body: lookup::body(answer.body.0),
            age_is_floor: false,
        });
        if may_keep {
            self.inside.memory.put(&answer);
            self.inside.memory.forget_absent(*key, asker.caller);
            self.inside.shelving.keep(&answer);
        }
        answer
    }

    /// This caller, and whom the source has answered before it, the latest first.
    fn seen_by(&self, earlier: Option<&Shelved>) -> Vec<(Tag, Timestamp)> {
        let (caller, now) = (self.lookup.asker.caller, self.asked_at);
        let relation_for = self.rules.freshness.relation_for;
        let before = earlier.map_or(&[][..], |earlier| &earlier.seen_by);
        let before = before.iter().copied();
        let others = before.filter(|&(other, at)| other != caller && now.since(at) < relation_for);
        let mut seen_by: Vec<_> = std::iter::once((caller, now)).chain(others).collect();
        seen_by[1..].sort_by_key(|&(_, at)| std::cmp::Reverse(at));
        seen_by.truncate(self.rules.cache.seen_by_max);
        seen_by
    }

    fn failed(&self, failure: Failure) -> Said {
        let is_denied = is_denial(&failure);
        tracing::debug!(
            lane = self.inside.core.lane.0,
            code = failure.code.as_str(),
            "a load failed"
        );
        if failure.code == Code::AuthorityRefused && !self.lookup.authority.0.is_empty() {
            self.inside.refused.insert(&self.lookup.authority);
        }
        if failure.outcome == Outcome::Rejected && is_denied {
            self.forget_if_related();
        }
        if is_denied {
            Said::Denied(failure)
        } else {
            Said::Failed(failure)
        }
    }

    /// What the source does not tell any more to somebody who was related to it may have changed for
    /// all. Who never was related shall not empty the cache by asking, nor who breaks the glass.
    fn forget_if_related(&self) {
        let Lookup { key, asker, .. } = self.lookup;
        let known = self.inside.known_now(*key, self.held);
        let (rules, now) = (&self.rules.freshness, self.inside.core.clock.now());
        if known.is_some_and(|known| showing::is_related(&known, asker, rules, now)) {
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
