//! What the door of a read-through lane and its tasks share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use policies::failure::{Code, Failure, Opaque, Outcome};
use policies::operation::OpName;
use policies::rules::{FreshnessRules, RegistryRules};
use policies::time::Timestamp;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::flights::Flights;
use super::leaving::Forgotten;
use super::loading::Landed;
use super::refusals::Refusal;
use super::refusals::Refusals;
use super::shelving::{Op, Shelving, Unread};
use super::{Asked, Purge, ReadCore, Reply, showing};
use crate::cache::{Callers, Memory};
use crate::lookup::{Asker, Digest, Known, Looked, LookupKey, LookupRefusal, Shelved, Tag, Way};
use crate::ports::WriteError;

/// Which flight: the one of a key that everybody joins first, or a caller's own.
pub(super) type Route = (LookupKey, Option<Tag>);

/// What is held is compared with what was forgotten since by this many groups of persons: one that
/// shares its group with a person who was forgotten is merely looked up again.
const GROUPS: usize = 1_024;

/// What the door and the tasks share.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) core: ReadCore,
    pub(super) memory: Memory,
    pub(super) callers: Callers,
    pub(super) loads: Flights<Route, Landed>,
    pub(super) shelving: Shelving,
    /// Authorities that the source refused of late.
    pub(super) refusals: Refusals,
    /// How often something was forgotten before its time, by groups of persons.
    forgotten: Box<[AtomicU64]>,
}

/// What one look-up has found, and until when it may be used.
#[derive(Debug, Clone)]
pub(super) struct Held {
    answer: Option<Arc<Shelved>>,
    /// The shelf did not say whether it has something.
    is_unread: bool,
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
            refusals: Refusals::default(),
            forgotten: (0..GROUPS).map(|_| AtomicU64::new(0)).collect(),
            core,
        };
        (inside, ops)
    }

    /// What is known under `key`: in memory, else on the shelf. From there it comes back into memory
    /// only for who may see it, so that nobody fills memory with what others use.
    pub(super) async fn look(&self, key: LookupKey, asker: &Asker, rules: &RegistryRules) -> Held {
        let forgotten = self.forgotten(key.person).load(Ordering::SeqCst);
        let held = |answer, is_unread| Held {
            answer,
            is_unread,
            forgotten,
        };
        if let Some(answer) = self.memory.look_again(&key) {
            return held(Some(answer), false);
        }
        let keep = |answer: &Arc<Shelved>| {
            let stale = Some(Way::Hit);
            if self.show(answer, asker, &rules.freshness, stale).is_some() {
                self.memory.put_back(answer);
            }
        };
        match self.shelving.read(key, keep).await {
            Ok(answer) => held(answer, false),
            Err(Unread) => held(None, true),
        }
    }

    /// What is known under `key` at this instant: the younger of memory's and what is held, which is
    /// let go of once anything about the person was forgotten meanwhile.
    pub(super) fn known_now(&self, key: LookupKey, held: &Held) -> Option<Arc<Shelved>> {
        let held = match self.is_valid(key, held) {
            true => held.answer.clone(),
            false => None,
        };
        let known = self.memory.look_again(&key);
        known
            .into_iter()
            .chain(held)
            .max_by_key(|answer| answer.fetched_at)
    }

    /// Whether the shelf may have an answer under `key` that could not be read.
    pub(super) fn may_be_unread(&self, key: LookupKey, held: &Held) -> bool {
        held.is_unread && self.is_valid(key, held)
    }

    fn is_valid(&self, key: LookupKey, held: &Held) -> bool {
        held.forgotten == self.forgotten(key.person).load(Ordering::SeqCst)
    }

    fn forgotten(&self, person: Digest) -> &AtomicU64 {
        let group = usize::from(u16::from_be_bytes([person[14], person[15]]));
        &self.forgotten[group % GROUPS]
    }

    /// As [`showing::show`], now; nothing that the source has said no about to `asker` since.
    pub(super) fn show(
        &self,
        answer: &Shelved,
        asker: &Asker,
        rules: &FreshnessRules,
        stale: Option<Way>,
    ) -> Option<Known> {
        let now = self.core.clock.now();
        let shown = showing::show(answer, asker, rules, now, stale)?;
        (!self.is_denied(answer, asker)).then_some(shown)
    }

    /// Whether the source's last word to `asker` was a no that it said after it gave `answer`. Who breaks
    /// the glass is one whom it would refuse, and is denied only by what it says now.
    pub(super) fn is_denied(&self, answer: &Shelved, asker: &Asker) -> bool {
        let no = self.memory.no_since(answer.key, asker.caller);
        !asker.breaks_glass && no.is_some_and(|at| answer.fetched_at <= at)
    }

    /// Whom of `seen` the source's answers still show to be related at `now`: each once, the latest
    /// first, up to the limit.
    pub(super) fn related(
        &self,
        key: LookupKey,
        seen: impl Iterator<Item = (Tag, Timestamp)>,
        rules: &RegistryRules,
        now: Timestamp,
    ) -> Vec<(Tag, Timestamp)> {
        let mut related: Vec<(Tag, Timestamp)> = Vec::new();
        for (caller, at) in seen {
            match related.iter_mut().find(|(known, _)| *known == caller) {
                Some((_, known_at)) => *known_at = at.max(*known_at),
                None => related.push((caller, at)),
            }
        }
        related.retain(|&(caller, at)| {
            let no = self.memory.no_since(key, caller);
            now.since(at) < rules.freshness.relation_for && no.is_none_or(|no| no < at)
        });
        related.sort_by_key(|&(_, at)| std::cmp::Reverse(at));
        related.truncate(rules.cache.seen_by_max);
        related
    }

    /// Why no answer may be shown under `authority`, whatever is known: the source refused it a moment
    /// ago, and not everybody's.
    pub(super) fn refused(&self, authority: &Opaque) -> Option<LookupRefusal> {
        match self.refusals.of(authority, self.core.clock.now())? {
            Refusal::Authority => Some(LookupRefusal::Denied(Refusal::Authority.failure())),
            Refusal::Source => None,
        }
    }

    /// Forgets one answer: its source said no to somebody who was related to it.
    pub(super) fn forget(&self, key: LookupKey) {
        self.forgotten(key.person).fetch_add(1, Ordering::SeqCst);
        self.shelving.forget(key, || self.memory.forget(&key));
    }

    /// Forgets everything about a person, and tells who ordered it. Memory is gone through where it
    /// holds up nobody's look-ups.
    pub(super) async fn purge(self: Arc<Self>, purge: Purge) {
        let person = purge.person;
        self.forgotten(person).fetch_add(1, Ordering::SeqCst);
        let order = self.shelving.expel(Forgotten::Person(person));
        // First the loads: what has landed by then is in memory.
        self.loads.void(|(key, _)| key.person == person);
        let inside = Arc::clone(&self);
        let forgotten = spawn_blocking(move || inside.memory.forget_person(person)).await;
        let purged = self.shelving.purge(person, order).await;
        let result = forgotten.map_err(|_| WriteError::Unknown).and(purged);
        // Who has given up waiting has been told that nobody knows.
        purge.reply.send(result).ok();
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
        asked: &Asked,
        refusal: LookupRefusal,
    ) -> Result<Looked, LookupRefusal> {
        let Asked {
            op,
            key,
            asker,
            authority,
            rules,
        } = asked;
        let code = match &refusal {
            LookupRefusal::Failed(code, _) => Some(*code),
            LookupRefusal::Busy(_) => Some(Code::LaneBusy),
            _ => None,
        };
        let stale = code.map(|code| {
            if let Some(refused) = self.refused(authority) {
                return Err(refused);
            }
            let answer = self.memory.look_again(key);
            let way = Some(Way::Stale(code));
            Ok(answer.and_then(|answer| self.show(&answer, asker, &rules.freshness, way)))
        });
        let result = match stale {
            Some(Ok(Some(known))) => Ok(Looked::Known(known)),
            Some(Err(refused)) => Err(refused),
            Some(Ok(None)) | None => Err(refusal),
        };
        self.tell(*op, word(&result));
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
