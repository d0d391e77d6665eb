//! What the door of a read-through lane and its tasks share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use policies::failure::{Code, Failure, Outcome};
use policies::operation::OpName;
use policies::rules::RegistryRules;
use tokio::sync::mpsc;

use super::flights::Flights;
use super::loading::Landed;
use super::shelving::{Op, Shelving};
use super::{ReadCore, Reply, showing};
use crate::authority::RefusedAuthorities;
use crate::cache::{Callers, Memory};
use crate::lookup::{Asker, Digest, Looked, LookupKey, LookupRefusal, Shelved, Tag, Way};
use crate::ports::WriteError;

/// Which flight: the one of a key that everybody joins first, or a caller's own.
pub(super) type Route = (LookupKey, Option<Tag>);

/// What the door and the tasks share.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) core: ReadCore,
    pub(super) memory: Memory,
    pub(super) callers: Callers,
    pub(super) loads: Flights<Route, Landed>,
    pub(super) shelving: Shelving,
    /// Authorities that the source refused: none is presented a second time.
    pub(super) refused: RefusedAuthorities,
    /// How often something was forgotten before its time.
    forgotten: AtomicU64,
}

/// An answer in the hands of one look-up, and until when it may be used.
#[derive(Debug, Clone)]
pub(super) struct Held {
    answer: Arc<Shelved>,
    forgotten: u64,
}

impl Inside {
    /// A lane that knows nothing yet, and what it will ask of its shelf.
    pub(super) fn new(core: ReadCore) -> (Inside, mpsc::Receiver<Op>) {
        let rules = core.rules.load();
        let (shelving, ops) = Shelving::new(&core);
        let inside = Inside {
            memory: Memory::new(&rules.cache),
            callers: Callers::new(&rules.callers),
            loads: Flights::new(),
            shelving,
            refused: RefusedAuthorities::default(),
            forgotten: AtomicU64::new(0),
            core,
        };
        (inside, ops)
    }

    /// What is known under `key`: in memory, else on the shelf. From there it comes back into memory
    /// only for who may see it, so that nobody fills memory with what others use.
    pub(super) async fn look(
        &self,
        key: LookupKey,
        asker: &Asker,
        rules: &RegistryRules,
    ) -> Option<Held> {
        let forgotten = self.forgotten.load(Ordering::SeqCst);
        if let Some(answer) = self.memory.look_again(&key) {
            return Some(Held { answer, forgotten });
        }
        let keep = |answer: &Arc<Shelved>| {
            let now = self.core.clock.now();
            let stale = Some(Way::Hit);
            if showing::show(answer, asker, &rules.freshness, now, stale).is_some() {
                self.memory.put(answer);
            }
        };
        let answer = self.shelving.read(key, keep).await?;
        Some(Held { answer, forgotten })
    }

    /// What is known under `key` at this instant: the younger of memory's and what is held, which is
    /// let go of once anything was forgotten meanwhile.
    pub(super) fn known_now(&self, key: LookupKey, held: Option<&Held>) -> Option<Arc<Shelved>> {
        let forgotten = self.forgotten.load(Ordering::SeqCst);
        let held = held.filter(|held| held.forgotten == forgotten);
        let held = held.map(|held| Arc::clone(&held.answer));
        let known = self.memory.look_again(&key);
        known
            .into_iter()
            .chain(held)
            .max_by_key(|answer| answer.fetched_at)
    }

    /// Forgets one answer: its source said no to somebody who was related to it.
    pub(super) fn forget(&self, key: LookupKey) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.shelving.forget(key, || self.memory.forget(&key));
    }

    /// Forgets everything about a person.
    pub(super) async fn purge(&self, person: Digest) -> Result<usize, WriteError> {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        let purging = self.shelving.purge(person, || {
            // First the loads: what has landed by then is in memory.
            self.loads.void(|(key, _)| key.person == person);
            self.memory.forget_person(person);
        });
        purging.await
    }

    /// Tells who asked, and who watches.
    pub(super) fn answer(&self, op: OpName, reply: Reply, result: Result<Looked, LookupRefusal>) {
        self.tell(op, word(&result));
        // Whoever has left has lost nothing but this.
        drop(reply.send(result));
    }

    /// A look-up has ended so.
    pub(super) fn tell(&self, op: OpName, word: &'static str) {
        let calls = &self.core.calls;
        calls.signals().looked_up(self.core.lane, op, word);
    }

    /// The outcome of a look-up that was not served: what memory holds for who asks, else `refusal`.
    pub(super) fn unserved(
        &self,
        op: OpName,
        key: LookupKey,
        asker: &Asker,
        rules: &RegistryRules,
        refusal: LookupRefusal,
    ) -> Result<Looked, LookupRefusal> {
        let code = match &refusal {
            LookupRefusal::Failed(code, _) => Some(*code),
            LookupRefusal::Busy(_) => Some(Code::LaneBusy),
            _ => None,
        };
        let answer = code.and_then(|code| Some((self.memory.look_again(&key)?, Way::Stale(code))));
        let known = answer.and_then(|(answer, way)| {
            let now = self.core.clock.now();
            showing::show(&answer, asker, &rules.freshness, now, Some(way))
        });
        let result = known.map(Looked::Known).ok_or(refusal);
        self.tell(op, word(&result));
        result
    }

    /// The lane takes no more: each that it serves is answered within `answer_within`.
    pub(super) fn queue_full(&self, rules: &RegistryRules) -> LookupRefusal {
        LookupRefusal::Busy(rules.answer_within)
    }

    /// The task of a look-up died over it, or the lane was cut short.
    pub(super) fn lost(&self, op: OpName, rules: &RegistryRules) -> LookupRefusal {
        if self.core.stop.is_draining() {
            return LookupRefusal::Stopping;
        }
        let failure = load_died();
        LookupRefusal::Failed(failure.code, self.wait_after(op, &failure, rules))
    }

    /// How long whoever heard of `failure` should wait: until the gate lets a call pass, as long as the
    /// source itself has asked for, or until a load begun now would be over.
    pub(super) fn wait_after(
        &self,
        op: OpName,
        failure: &Failure,
        rules: &RegistryRules,
    ) -> Duration {
        let asked = match failure.retry {
            policies::failure::Retry::After(wait) if !wait.is_zero() => Some(wait),
            _ => None,
        };
        let gate = self.core.calls.retry_after(op);
        gate.max(asked).unwrap_or(rules.calls.read_within)
    }
}

/// A load that died tells nothing, to whoever waits for it: as if what came could not be read.
pub(super) fn load_died() -> Failure {
    Failure::upstream(Code::UpstreamGarbage, Outcome::Unknown)
}

fn word(result: &Result<Looked, LookupRefusal>) -> &'static str {
    match result {
        Ok(Looked::Known(known)) => known.way.as_str(),
        Ok(Looked::Absent(_)) => "absent",
        Err(LookupRefusal::Denied(_)) => "denied",
        Err(LookupRefusal::Failed(..)) => "failed",
        Err(LookupRefusal::Limited(_)) => "limited",
        Err(LookupRefusal::Busy(_)) => "busy",
        Err(LookupRefusal::Disabled) => "disabled",
        Err(LookupRefusal::Stopping) => "stopping",
    }
}
