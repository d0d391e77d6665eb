//! One look-up, from the queue to its answer.

use std::sync::Arc;
use std::time::Duration;

use policies::allowance;
use policies::failure::{Code, Failure, Outcome, Retry, Stops};
use policies::gate::Mode;
use policies::rules::RegistryRules;
use policies::time::Timestamp;

use super::flights::{Leader, Seat, Waiter};
use super::inside::{Held, Inside, Route, load_died};
use super::loading::{Landed, Leave, NoLeave, Said};
use super::{Job, Reply, showing};
use crate::lookup::{Known, Looked, Lookup, LookupRefusal, Shelved, Way};

/// The outcome of a look-up.
type Outcomes = Result<Looked, LookupRefusal>;

/// A look-up that is being served.
pub(super) struct Asking {
    inside: Arc<Inside>,
    lookup: Lookup,
    rules: Arc<RegistryRules>,
    asked_at: Timestamp,
    /// When its caller is answered at the latest.
    until: Timestamp,
    reply: Reply,
}

impl Asking {
    pub(super) fn new(inside: Arc<Inside>, job: Job) -> Asking {
        let longest = job.rules.answer_within;
        let within = job
            .lookup
            .wait_max
            .map_or(longest, |wait| wait.min(longest));
        Asking {
            inside,
            until: job.asked_at + within,
            lookup: job.lookup,
            rules: job.rules,
            asked_at: job.asked_at,
            reply: job.reply,
        }
    }

    /// Answers the caller; a load that it leads goes on to its end.
    pub(super) async fn serve(self) {
        if self.inside.core.calls.mode() == Mode::Disabled {
            return self.answer(Err(LookupRefusal::Disabled));
        }
        let Lookup { key, asker, .. } = &self.lookup;
        let held = self.inside.look(*key, asker, &self.rules).await;
        let mut route = (*key, None);
        loop {
            if let Some(looked) = self.without_asking(held.as_ref()) {
                return self.answer(Ok(looked));
            }
            if self.now() >= self.until {
                let busy = LookupRefusal::Busy(self.rules.answer_within);
                let outcome = self.stale_or(held.as_ref(), Code::LaneBusy, busy);
                return self.answer(outcome);
            }
            let leave = || self.inside.try_leave(&self.lookup, &self.rules);
            let waiter = match self.inside.loads.join_or_lead(route, leave) {
                Err(no_leave) => {
                    let outcome = self.refused(no_leave, held.as_ref());
                    return self.answer(outcome);
                }
                Ok(Seat::Lead(leader, leave)) => return self.lead(leader, leave, held).await,
                Ok(Seat::Wait(waiter)) => waiter,
            };
            if let Some(outcome) = self.wait(waiter, held.as_ref()).await {
                return self.answer(outcome);
            }
            // What it brought was not for this caller, who now asks in its own name.
            route = (*key, Some(asker.caller));
        }
    }

    /// What needs no load: what is fresh, and that there was nothing a moment ago.
    fn without_asking(&self, held: Option<&Held>) -> Option<Looked> {
        let known = self.known_now(held);
        if let Some(known) = known.and_then(|answer| self.show(&answer, None)) {
            return Some(Looked::Known(known));
        }
        let Lookup { key, asker, .. } = &self.lookup;
        let absent_since = self.inside.memory.absent_since(*key, asker.caller)?;
        let age = self.now().since(absent_since);
        (age < self.rules.freshness.negative_for).then_some(Looked::Absent(age))
    }

    /// Asks the source for everybody. Its caller waits no longer than promised; the load goes on.
    async fn lead(self, leader: Leader<Route, Landed>, leave: Leave, held: Option<Held>) {
        let inside = Arc::clone(&self.inside);
        let (lookup, rules) = (self.lookup.clone(), Arc::clone(&self.rules));
        let load = inside.load(&lookup, &rules, leave, leader, held.as_ref());
        tokio::pin!(load);
        tokio::select! {
            biased;
            landed = &mut load => {
                let outcome = match landed.said {
                    Said::Answer(answer) => Ok(self.known(&answer, Way::Loaded)),
                    other => self.told(other, held.as_ref()),
                };
                self.answer(outcome);
            }
            () = self.deadline() => {
                let outcome = self.out_of_time(held.as_ref());
                self.answer(outcome);
                load.await;
            }
        }
    }

    /// Waits for another's load; `None` if what it brought is not for this caller.
    async fn wait(&self, waiter: Waiter<Landed>, held: Option<&Held>) -> Option<Outcomes> {
        let landed = tokio::select! {
            biased;
            landed = waiter.landed() => landed,
            () = self.deadline() => return Some(self.out_of_time(held)),
        };
        let asker = &self.lookup.asker;
        let landed = landed.unwrap_or_else(|| Landed {
            caller: asker.caller,
            said: Said::Failed(load_died()),
        });
        let (freshness, now) = (&self.rules.freshness, self.now());
        let is_ours = landed.caller == asker.caller;
        match landed.said {
            Said::Answer(answer) => {
                let may_see = is_ours
                    || asker.breaks_glass
                    || showing::is_related(&answer, asker, freshness, now);
                may_see.then(|| Ok(self.known(&answer, Way::Collapsed)))
            }
            Said::Failed(failure) => Some(self.told(Said::Failed(failure), held)),
            said @ (Said::Absent(_) | Said::Denied(_)) => is_ours.then(|| self.told(said, held)),
        }
    }

    /// What the source said when it brought no answer, as this caller hears it.
    fn told(&self, said: Said, held: Option<&Held>) -> Outcomes {
        match said {
            Said::Answer(answer) => Ok(self.known(&answer, Way::Loaded)),
            Said::Absent(at) => Ok(Looked::Absent(self.now().since(at))),
            Said::Denied(failure) => Err(LookupRefusal::Denied(failure)),
            Said::Failed(failure) => {
                let refusal = match failure.code {
                    Code::ShuttingDown => LookupRefusal::Stopping,
                    code => LookupRefusal::Failed(code, self.wait_after(&failure)),
                };
                self.stale_or(held, failure.code, refusal)
            }
        }
    }

    /// No load may begin: what is known, else why.
    fn refused(&self, no_leave: NoLeave, held: Option<&Held>) -> Outcomes {
        let read_within = self.rules.calls.read_within;
        match no_leave {
            NoLeave::Authority => Err(LookupRefusal::Denied(Failure {
                stops: Stops::Identity,
                retry: Retry::No,
                ..Failure::upstream(Code::AuthorityRefused, Outcome::NotDone)
            })),
            NoLeave::Gate(wait) => {
                // Until a call is likely to pass, the time of a probe included.
                let wait = self
                    .inside
                    .core
                    .calls
                    .retry_after(self.lookup.op)
                    .unwrap_or(wait);
                let refusal = LookupRefusal::Failed(Code::GateOpen, wait);
                self.stale_or(held, Code::GateOpen, refusal)
            }
            // A load is over by then, and leaves its room.
            NoLeave::Room => self.stale_or(held, Code::LaneBusy, LookupRefusal::Busy(read_within)),
            NoLeave::Caller(refused) => {
                let wait = match refused {
                    allowance::Refused::Pace(wait) => wait,
                    allowance::Refused::UnderWay => read_within,
                };
                self.stale_or(held, Code::LaneBusy, LookupRefusal::Limited(wait))
            }
        }
    }

    /// The load goes on: by its end at the latest there is something to come back for.
    fn out_of_time(&self, held: Option<&Held>) -> Outcomes {
        let code = Code::UpstreamTimeout;
        let asked_for = self.now().since(self.asked_at);
        let wait = self.rules.calls.read_within.saturating_sub(asked_for);
        self.stale_or(held, code, LookupRefusal::Failed(code, wait))
    }

    /// What is known and may be shown, because the source failed with `code`; else `refusal`.
    fn stale_or(&self, held: Option<&Held>, code: Code, refusal: LookupRefusal) -> Outcomes {
        let known = self.known_now(held);
        let shown = known.and_then(|answer| self.show(&answer, Some(Way::Stale(code))));
        shown.map(Looked::Known).ok_or(refusal)
    }

    fn known_now(&self, held: Option<&Held>) -> Option<Arc<Shelved>> {
        self.inside.known_now(self.lookup.key, held)
    }

    fn show(&self, answer: &Shelved, stale: Option<Way>) -> Option<Known> {
        let (asker, freshness) = (&self.lookup.asker, &self.rules.freshness);
        showing::show(answer, asker, freshness, self.now(), stale)
    }

    fn known(&self, answer: &Shelved, way: Way) -> Looked {
        let freshness = &self.rules.freshness;
        Looked::Known(showing::known(answer, freshness, self.now(), way))
    }

    fn wait_after(&self, failure: &Failure) -> Duration {
        let inside = &self.inside;
        inside.wait_after(self.lookup.op, failure, &self.rules)
    }

    async fn deadline(&self) {
        let left = self.until.since(self.now());
        self.inside.core.clock.sleep(left).await;
    }

    fn now(&self) -> Timestamp {
        self.inside.core.clock.now()
    }

    fn answer(self, outcome: Outcomes) {
        self.inside.answer(self.lookup.op, self.reply, outcome);
    }
}
