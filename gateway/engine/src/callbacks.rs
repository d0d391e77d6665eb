//! Pushes events to those who asked for them, until they are received or given up.
//!
//! # Invariants
//!
//! 1. At least once: an event leaves the outbox only after its receiver has it, or after it is given up.
//!    Every try carries the same name, so that who receives it twice can tell.
//! 2. In order: an event of a prescription is not pushed before the one before it has left the outbox.
//! 3. What one host does holds up its own events alone (`hosts`).
//! 4. Nothing goes to a host that is not registered any more; it waits until it is again, or is given up.
//!
//! # Limits
//!
//! Those of [`CallbackRules`]; of what is due the loop holds in memory what may begin at once.
//!
//! # Failure
//!
//! What is given up is an alarm, and stays to be asked for; so does what cannot be read. A store that cannot be read or written is asked
//! again later; nothing is pushed faster for it.

mod hosts;
mod port;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use policies::callback::{Next, Said, next};
use policies::rules::CallbackRules;
use policies::time::Timestamp;
use tokio::task::{JoinError, JoinSet};

use crate::live::Live;
use crate::ports::{Clock, Rng, Signals};
use crate::stop::Stop;
use hosts::Hosts;
pub use port::{Callback, MayReceive, Outbox, Pushed, Receivers, Unreadable, Waiting};

/// How often the outbox is looked at when nobody says that it has changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// One look for all that happens within this.
const LOOKS_APART: Duration = Duration::from_millis(50);
/// How long a host rests after an outcome that could not be written down.
const REST_UNWRITTEN: Duration = Duration::from_secs(5);
/// How much longer than its time a push is waited for before it is cut off from outside.
const OVERTIME: Duration = Duration::from_millis(500);

/// Who pushes.
#[derive(Clone)]
pub struct Callbacks {
    /// What is to be pushed.
    pub outbox: Arc<dyn Outbox>,
    /// To whom.
    pub receivers: Arc<dyn Receivers>,
    /// Who of them may be told.
    pub may_receive: Arc<MayReceive>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Who watches.
    pub signals: Arc<dyn Signals>,
    /// How often, how many at a time, how long.
    pub rules: Live<CallbackRules>,
    /// When to stop.
    pub stop: Stop,
}

/// A push that has ended.
struct Ended {
    host: String,
    seq: u64,
    pushed: Pushed,
    is_written: bool,
}

impl Callbacks {
    /// Pushes until told to stop. What is under way then is cut short when the drain is over, and pushed
    /// again after the next start.
    pub async fn run(self) {
        let began = self.clock.now();
        let mut hosts = Hosts::default();
        let mut under_way = JoinSet::new();
        while !self.stop.is_draining() {
            let looked = self.clock.now();
            let wait = self.begin(&mut hosts, &mut under_way, began).await;
            tokio::select! {
                biased;
                () = self.stop.draining() => {}
                Some(ended) = under_way.join_next() => self.note(&mut hosts, ended),
                () = self.outbox.changed() => {}
                () = self.clock.sleep(wait) => {}
            }
            let passed = self.clock.now().since(looked);
            tokio::select! {
                biased;
                () = self.stop.draining() => {}
                () = self.clock.sleep(LOOKS_APART.saturating_sub(passed)) => {}
            }
            while let Some(ended) = under_way.try_join_next() {
                self.note(&mut hosts, ended);
            }
        }
        tokio::select! {
            biased;
            () = self.stop.forced() => {}
            () = async { while under_way.join_next().await.is_some() {} } => {}
        }
    }

    /// Begins what may begin; how long nothing more can.
    async fn begin(
        &self,
        hosts: &mut Hosts,
        under_way: &mut JoinSet<Ended>,
        began: Timestamp,
    ) -> Duration {
        let rules = self.rules.load();
        if hosts.are_full(&rules) {
            return LOOK_EVERY;
        }
        let closed = hosts.closed(&rules, self.clock.now());
        // Those under way are due, too: as many of a host again may begin.
        let per_host_max = 2 * rules.requests_per_host_max;
        let Ok(waiting) = self.outbox.due(per_host_max, closed).await else {
            return LOOK_EVERY;
        };
        for unreadable in &waiting.unreadable {
            self.end(unreadable).await;
        }
        let now = self.clock.now();
        for callback in hosts.begin(waiting.due, &rules, now) {
            let (pusher, rules) = (self.clone(), Arc::clone(&rules));
            under_way.spawn(async move { pusher.push(callback, &rules, began).await });
        }
        let next = waiting.next.into_iter().chain(hosts.next_rested(now)).min();
        next.map_or(LOOK_EVERY, |next| next.since(now).min(LOOK_EVERY))
    }

    /// Pushes `callback` and writes down what became of it.
    async fn push(&self, callback: Callback, rules: &CallbackRules, began: Timestamp) -> Ended {
        let pushed = if (self.may_receive)(&callback.organization, &callback.host) {
            tokio::select! {
                biased;
                pushed = self.receivers.push(&callback, rules.request_within) => pushed,
                () = self.clock.sleep(rules.request_within + OVERTIME) => died(Said::Failed, "timeout"),
            }
        } else {
            died(Said::Unsent, "not-registered")
        };
        let (now, tries) = (self.clock.now(), callback.tries.saturating_add(1));
        let (seq, host, since) = (callback.seq, &callback.host, callback.at.max(began));
        let written = match next(rules, pushed.said, tries, since, now, self.rng.unit()) {
            Next::Done => {
                self.signals.pushed("delivered");
                self.outbox.remove(seq, host).await
            }
            Next::Again(at) => {
                self.signals.pushed("failed");
                self.outbox.put_off(seq, host, tries, at).await
            }
            Next::GiveUp => {
                self.signals.pushed("given-up");
                give_up(&callback, tries);
                self.outbox.remove(seq, host).await
            }
        };
        if let Err(error) = &written {
            tracing::error!(error = %error, "what became of a callback is not written down");
        }
        Ended {
            is_written: written.is_ok(),
            host: callback.host,
            seq,
            pushed,
        }
    }

    /// Gives up what nobody can tell.
    async fn end(&self, unreadable: &Unreadable) {
        self.signals.pushed("given-up");
        tracing::error!(
            event.seq = unreadable.seq,
            receiver.host = unreadable.host,
            "a callback was given up: its event cannot be read"
        );
        let removed = self.outbox.remove(unreadable.seq, &unreadable.host).await;
        if let Err(error) = removed {
            tracing::error!(error = %error, "what became of a callback is not written down");
        }
    }

    fn note(&self, hosts: &mut Hosts, ended: Result<Ended, JoinError>) {
        let ended = match ended {
            Ok(ended) => ended,
            // A defect: whoever watches this loop ends the process, and a restart pushes again.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let (now, chance) = (self.clock.now(), self.rng.unit());
        let (host, said) = (&ended.host, ended.pushed.said);
        let is_first = hosts.ended(host, ended.seq, said, &self.rules.load(), (now, chance));
        if !ended.is_written {
            hosts.rest(host, now + REST_UNWRITTEN);
        }
        if said != Said::Received {
            ended.tell(is_first);
        }
    }
}

impl Ended {
    /// Tells operators: aloud that a host has begun to fail, in passing that it goes on.
    fn tell(&self, is_first: bool) {
        const WHAT: &str = "a callback was not received";
        let Pushed { cause, status, .. } = self.pushed;
        let (host, seq) = (self.host.as_str(), self.seq);
        if is_first {
            tracing::warn!(
                receiver.host = host,
                event.seq = seq,
                cause,
                status,
                "{WHAT}"
            );
        } else {
            tracing::info!(
                receiver.host = host,
                event.seq = seq,
                cause,
                status,
                "{WHAT}"
            );
        }
    }
}

/// A push that came to no answer.
fn died(said: Said, cause: &'static str) -> Pushed {
    Pushed {
        said,
        cause,
        status: 0,
    }
}

/// Tells operators: its receiver does not know, and has to ask.
fn give_up(callback: &Callback, tries: u32) {
    tracing::error!(
        entry.id = %callback.entry,
        event.seq = callback.seq,
        receiver.host = callback.host,
        tries,
        "a callback was given up: its receiver must ask for the event"
    );
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
