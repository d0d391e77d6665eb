//! Pushes events to those who asked for them, until they are received or given up.
//!
//! # Invariants
//!
//! 1. At least once: an event leaves the outbox only after its receiver has it, or after it is given up.
//!    Every try carries the same name, so that who receives it twice can tell.
//! 2. In order: an event of a prescription is not pushed before the one before it has left the outbox.
//! 3. What one host does holds up its own events alone ([`hosts`]).
//!
//! # Limits
//!
//! Those of [`CallbackRules`]; of what is due the loop holds in memory what may begin at once.
//!
//! # Failure
//!
//! What is given up is an alarm, and stays to be asked for. A store that cannot be read or written is asked
//! again later; nothing is pushed faster for it.

mod hosts;
mod port;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use policies::callback::{Next, Said, next};
use policies::rules::CallbackRules;
use policies::time::Timestamp;
use tokio::task::JoinSet;

use crate::live::Live;
use crate::ports::{Clock, Rng, Signals};
use crate::stop::Stop;
use hosts::Hosts;
pub use port::{Callback, Outbox, Receivers, Waiting};

/// How often the outbox is looked at when nobody says that it has changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
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
    rests_until: Option<Timestamp>,
}

impl Callbacks {
    /// Pushes until told to stop. What is under way then is cut short when the drain is over, and pushed
    /// again after the next start.
    pub async fn run(self) {
        let mut hosts = Hosts::default();
        let mut under_way = JoinSet::new();
        while !self.stop.is_draining() {
            let wait = self.begin(&mut hosts, &mut under_way).await;
            tokio::select! {
                biased;
                () = self.stop.draining() => {}
                Some(ended) = under_way.join_next() => note(&mut hosts, ended),
                () = self.outbox.changed() => {}
                () = self.clock.sleep(wait) => {}
            }
            while let Some(ended) = under_way.try_join_next() {
                note(&mut hosts, ended);
            }
        }
        tokio::select! {
            biased;
            () = self.stop.forced() => {}
            () = async { while under_way.join_next().await.is_some() {} } => {}
        }
    }

    /// Begins what may begin; how long nothing more can.
    async fn begin(&self, hosts: &mut Hosts, under_way: &mut JoinSet<Ended>) -> Duration {
        let rules = self.rules.load();
        // Those under way are due, too: as many of a host again may begin.
        let Ok(waiting) = self.outbox.due(2 * rules.requests_per_host_max).await else {
            return LOOK_EVERY;
        };
        let now = self.clock.now();
        for callback in hosts.begin(waiting.due, &rules, now) {
            let (pusher, rules) = (self.clone(), Arc::clone(&rules));
            under_way.spawn(async move { pusher.push(callback, &rules).await });
        }
        let next = waiting.next.into_iter().chain(hosts.next_rested(now)).min();
        next.map_or(LOOK_EVERY, |next| next.since(now).min(LOOK_EVERY))
    }

    /// Pushes `callback` and writes down what became of it.
    async fn push(&self, callback: Callback, rules: &CallbackRules) -> Ended {
        let said = tokio::select! {
            biased;
            said = self.receivers.push(&callback, rules.request_within) => said,
            () = self.clock.sleep(rules.request_within + OVERTIME) => Said::Failed,
        };
        let (now, tries) = (self.clock.now(), callback.tries.saturating_add(1));
        let (written, mut rests_until) =
            match next(rules, said, tries, callback.at, now, self.rng.unit()) {
                Next::Done => {
                    self.signals.pushed("delivered");
                    (self.outbox.remove(callback.seq).await, None)
                }
                Next::Again { at, host_rests } => {
                    self.signals.pushed("failed");
                    let written = self.outbox.put_off(callback.seq, tries, at).await;
                    (written, host_rests.then_some(at))
                }
                Next::GiveUp => {
                    self.signals.pushed("given-up");
                    give_up(&callback, tries);
                    let written = self.outbox.remove(callback.seq).await;
                    // A host that does not answer is not told faster of the rest for it.
                    (written, (said == Said::Failed).then_some(now))
                }
            };
        if let Err(error) = written {
            tracing::error!(error = %error, "what became of a callback is not written down");
            rests_until = Some(now + REST_UNWRITTEN);
        }
        Ended {
            host: callback.host,
            seq: callback.seq,
            rests_until,
        }
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

fn note(hosts: &mut Hosts, ended: Result<Ended, tokio::task::JoinError>) {
    match ended {
        Ok(Ended {
            host,
            seq,
            rests_until,
        }) => hosts.ended(&host, seq, rests_until),
        // A defect: whoever watches this loop ends the process, and a restart pushes again.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}
