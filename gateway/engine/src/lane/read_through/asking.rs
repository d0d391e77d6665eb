//! One look-up, from the queue to its answer.

use std::sync::Arc;
use std::time::Duration;

use policies::allowance;
use policies::failure::{Code, Failure};
use policies::gate::Mode;
use policies::rules::RegistryRules;
use policies::time::Timestamp;

use super::flights::{Leader, Seat, Waiter};
use super::inside::{Held, Inside, Route, load_died};
use super::loading::{Landed, Leave, NoLeave, Said};
use super::refusals::Refusal;
use super::{Job, Reply, showing};
use crate::lookup::{Known, Looked, Lookup, LookupRefusal, Shelved, Way};

/// However little time a caller gives, the source has this long to answer: else whoever will not wait
/// would be shown what is stale while the source is well.
const WAIT_MIN: Duration = Duration::from_millis(500);
/// How often those who have waited for a load that was of no use to them wait for the next together,
/// before each asks for itself.
const SHARED_MAX: usize = 2;

/// The outcome of a look-up.
type Outcomes = Result<Looked, LookupRefusal>;

/// How waiting for another's load has ended.
enum Waited {
    /// With the outcome.
    Over(Outcomes),
    /// It brought an answer that this caller is not related to.
    NotTheirs,
    /// The source said no to the other, which tells nothing to this caller.
    OfNoUse,
}

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
        let rules = Arc::clone(&job.lookup.rules);
        let longest = rules.answer_within;
        let within = job
            .lookup
            .wait_max
            .map_or(longest, |wait| wait.max(WAIT_MIN).min(longest));
        Asking {
            inside,
            until: job.asked_at + within,
            lookup: job.lookup,
            rules,
            asked_at: job.asked_at,
            reply: job.reply,
        }
    }

    /// Answers the caller; a load that it leads goes on to its end.
    pub(super) async fn serve(self) {
        // The gates hear of a mode before the look-ups that are begun under it.
        let modes = [self.rules.mode, self.inside.core.calls.mode()];
        if modes.contains(&Mode::Disabled) {
            return self.answer(Err(LookupRefusal::Disabled));
        }
        let Lookup { key, asker, .. } = &self.lookup;
        let held = self.inside.look(*key, asker, &self.rules).await;
        let mut route = (*key, None);
        let mut shared = 0;
        loop {
            if let Some(looked) = self.without_asking(&held) {
                return self.answer(Ok(looked));
            }
            if self.now() >= self.until {
                let busy = LookupRefusal::Busy(self.rules.answer_within);
                let outcome = self.stale_or(&held, Code::LaneBusy, busy);
                return self.answer(outcome);
            }
            // Looked at again: nothing lands between this look and the load.
            let leave = || match self.without_asking(&held) {
                Some(looked) => Err(NoLeave::Known(looked)),
                None => self.inside.try_leave(&self.lookup, &self.rules),
            };
            let waiter = match self.inside.loads.join_or_lead(route, leave) {
                Err(no_leave) => {
                    let outcome = self.refused(no_leave, &held);
                    return self.answer(outcome);
                }
                Ok(Seat::Lead(leader, leave)) => return self.lead(leader, leave, held).await,
                Ok(Seat::Wait(waiter)) => waiter,
            };
            match self.wait(waiter, &held).await {
                Waited::Over(outcome) => return self.answer(outcome),
                Waited::OfNoUse if shared < SHARED_MAX => shared += 1,
                Waited::OfNoUse | Waited::NotTheirs => route = (*key, Some(asker.caller)),
            }
        }
    }

    /// What needs no load: what is fresh, and that there was nothing a moment ago.
    fn without_asking(&self, held: &Held) -> Option<Looked> {
        if let Some(known) = self.known(held, None) {
            return Some(Looked::Known(known));
        }
        let Lookup { key, asker, .. } = &self.lookup;
        let absent_since = self.inside.memory.absent_since(*key, asker.caller)?;
        let age = self.now().since(absent_since);
        (age < self.rules.freshness.negative_for).then_some(Looked::Absent(age))
    }

    /// Asks the source for everybody. Its caller waits no longer than promised; the load goes on.
    async fn lead(self, leader: Leader<Route, Landed>, leave: Leave, held: Held) {
        let inside = Arc::clone(&self.inside);
        let (lookup, rules) = (self.lookup.clone(), Arc::clone(&self.rules));
        let known = self.known(&held, Some(Way::Renewed));
        let stale = known.filter(|known| known.way == Way::Renewed);
        let way = stale.map_or(Way::Loaded, |stale| stale.way);
        let load = inside.load(&lookup, &rules, leave, leader, &held);
        tokio::pin!(load);
        tokio::select! {
            biased;
            landed = &mut load => {
                let outcome = match landed.said {
                    Said::Answer(answer) => Ok(self.shown(&answer, way)),
                    Said::Absent(at) => Ok(self.absent(at)),
                    Said::Denied(failure) => Err(LookupRefusal::Denied(failure)),
                    Said::Failed(failure) => self.failed(&failure, &held),
                };
                self.answer(outcome);
            }
            () = self.deadline() => {
                let outcome = self.out_of_time(&held);
                self.answer(outcome);
                load.await;
            }
        }
    }

    /// Waits for another's load.
    async fn wait(&self, waiter: Waiter<Landed>, held: &Held) -> Waited {
        let landed = tokio::select! {
            biased;
            landed = waiter.landed() => landed,
            () = self.deadline() => return Waited::Over(self.out_of_time(held)),
        };
        let asker = &self.lookup.asker;
        let landed = landed.unwrap_or_else(|| Landed {
            caller: asker.caller,
            said: Said::Failed(load_died()),
        });
        let is_ours = landed.caller == asker.caller;
        match landed.said {
            Said::Answer(answer) if is_ours => {
                Waited::Over(Ok(self.shown(&answer, Way::Collapsed)))
            }
            Said::Answer(answer) => self.shared(answer, held),
            Said::Failed(failure) => Waited::Over(self.failed(&failure, held)),
            Said::Absent(at) if is_ours => Waited::Over(Ok(self.absent(at))),
            Said::Denied(failure) if is_ours => Waited::Over(Err(LookupRefusal::Denied(failure))),
            Said::Absent(_) | Said::Denied(_) => Waited::OfNoUse,
        }
    }

    /// Another's answer, if this caller is related to it; what was asked for later and has landed
    /// before is the source's last word.
    fn shared(&self, answer: Arc<Shelved>, held: &Held) -> Waited {
        let Lookup { key, asker, .. } = &self.lookup;
        let known = self.inside.known_now(*key, held);
        let younger = known.filter(|known| known.fetched_at > answer.fetched_at);
        let answer = younger.unwrap_or(answer);
        let (freshness, now) = (&self.rules.freshness, self.now());
        let may_see = showing::is_related(&answer, asker, freshness, now);
        if may_see && !self.inside.is_denied(&answer, asker) {
            Waited::Over(Ok(self.shown(&answer, Way::Collapsed)))
        } else {
            Waited::NotTheirs
        }
    }

    /// The source has failed: what is known, else that it has.
    fn failed(&self, failure: &Failure, held: &Held) -> Outcomes {
        let refusal = match failure.code {
            Code::ShuttingDown => LookupRefusal::Stopping,
            code => LookupRefusal::Failed(code, self.wait_after(failure)),
        };
        self.stale_or(held, failure.code, refusal)
    }

    /// No load may begin: what is known, else why.
    fn refused(&self, no_leave: NoLeave, held: &Held) -> Outcomes {
        let read_within = self.rules.calls.read_within;
        match no_leave {
            NoLeave::Known(looked) => Ok(looked),
            NoLeave::Refused(Refusal::Authority) => {
                Err(LookupRefusal::Denied(Refusal::Authority.failure()))
            }
            NoLeave::Refused(Refusal::Source) => self.failed(&Refusal::Source.failure(), held),
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
    fn out_of_time(&self, held: &Held) -> Outcomes {
        let code = Code::UpstreamTimeout;
        let asked_for = self.now().since(self.asked_at);
        let wait = self.rules.calls.read_within.saturating_sub(asked_for);
        self.stale_or(held, code, LookupRefusal::Failed(code, wait))
    }

    /// What is known and may be shown, because the source failed with `code`; else `refusal`. Not under
    /// an authority that the source refuses, while it accepts others.
    fn stale_or(&self, held: &Held, code: Code, refusal: LookupRefusal) -> Outcomes {
        if let Some(refused) = self.inside.refused(&self.lookup.authority) {
            return Err(refused);
        }
        let known = self.known(held, Some(Way::Stale(code)));
        known.map(Looked::Known).ok_or(refusal)
    }

    /// What is known and may be shown to this caller now.
    fn known(&self, held: &Held, stale: Option<Way>) -> Option<Known> {
        let Lookup { key, asker, .. } = &self.lookup;
        let answer = self.inside.known_now(*key, held)?;
        let freshness = &self.rules.freshness;
        self.inside.show(&answer, asker, freshness, stale)
    }

    /// `answer`, which the source has given this caller, or one that is related to it.
    fn shown(&self, answer: &Shelved, way: Way) -> Looked {
        let freshness = &self.rules.freshness;
        let asker = &self.lookup.asker;
        Looked::Known(showing::known(answer, asker, freshness, self.now(), way))
    }

    fn absent(&self, at: Timestamp) -> Looked {
        Looked::Absent(self.now().since(at))
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
