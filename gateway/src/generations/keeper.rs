//! Keeps the generations: one task that decides about files and toggles, one at a time.
//!
//! # Invariants
//!
//! 1. A toggle is on disk before it takes effect, and both before who set it is answered. One that
//!    cannot be put on disk changes nothing.
//! 2. A toggle that is over ends whether or not that can be put on disk: after a restart it is over
//!    too.
//! 3. Who asked and went away does not leave a change half made: the task goes on without them.
//!
//! # Limits
//!
//! [`COMMANDS_MAX`] that wait; beyond it an operator hears that the gateway is busy.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::live::Live;
use engine::ports::{Clock, OperatorStates, WriteError};
use engine::stop::Stop;
use policies::time::Timestamp;
use policies::toggle::{Due, Toggle, WARN_BEFORE};
use tokio::sync::mpsc;

use super::desk::{Answer, Command, Desk, Done, Refusal, Wish, Withdrawal};
use super::directory::Directory;
use super::kept::{Ended, Held, Kept, Withdrawn, write_last_good};
use super::{Candidate, Found, Generations, Unsound, View, fingerprint_of};
use crate::policy::Policy;
use crate::rules::{shown, typed};

/// Changes that may wait to be decided about.
const COMMANDS_MAX: usize = 32;
/// How often it is looked whether the lane of an overdue toggle is back, and whether what could not
/// be put on disk now can.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Puts a generation in force.
pub type Adopt = Box<dyn Fn(&Arc<Policy>) + Send + Sync>;

/// Everything the task needs of others.
pub struct Parts {
    /// Where operators' settings are kept.
    pub store: Arc<dyn OperatorStates>,
    /// The time of expiries.
    pub clock: Arc<dyn Clock>,
    /// Puts a generation in force everywhere.
    pub adopt: Adopt,
    /// Whether the lane of this name does not reach its upstream.
    pub is_down: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// When to end.
    pub stop: Stop,
}

/// The task.
pub struct Keeper {
    parts: Parts,
    generations: Generations,
    commands: mpsc::Receiver<Command>,
    view: Live<View>,
    directory: Option<(PathBuf, mpsc::Sender<Command>)>,
    /// When each toggle was looked at last.
    looked_at: BTreeMap<String, Timestamp>,
}

/// A keeper of `generations`, which follows `directory` if there is one, and the way to it.
pub fn open(generations: Generations, directory: Option<PathBuf>, parts: Parts) -> (Keeper, Desk) {
    let (sender, commands) = mpsc::channel(COMMANDS_MAX);
    let view = Live::new(generations.view());
    let desk = Desk {
        commands: sender.clone(),
        view: view.clone(),
    };
    let keeper = Keeper {
        parts,
        generations,
        commands,
        view,
        directory: directory.map(|path| (path, sender)),
        looked_at: BTreeMap::new(),
    };
    (keeper, desk)
}

impl Keeper {
    /// Decides until the gateway stops.
    pub async fn run(mut self) {
        let stop = self.parts.stop.clone();
        let following = self.follow();
        let deciding = async {
            loop {
                self.pay().await;
                let until = self.next_look();
                // What is being decided is decided to its end: a toggle on disk is in force.
                tokio::select! {
                    biased;
                    () = stop.draining() => return,
                    Some(command) = self.commands.recv() => self.decide(command).await,
                    () = self.parts.clock.sleep(until) => self.look(),
                }
            }
        };
        tokio::join!(following, deciding);
    }

    fn follow(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let seen = match self.generations.problems() {
            [] => Ok(self.generations.files().clone()),
            problems => Err(problems.to_vec()),
        };
        let followed = self.directory.take().map(|(path, commands)| {
            let directory = Directory {
                path,
                clock: Arc::clone(&self.parts.clock),
                seen: fingerprint_of(&seen),
            };
            directory.follow(commands, self.parts.stop.clone())
        });
        async {
            if let Some(followed) = followed {
                followed.await;
            }
        }
    }

    async fn decide(&mut self, command: Command) {
        match command {
            Command::Found(found) => self.found(found),
            Command::Set(wish, reply) => {
                let answer = self.set(wish).await;
                // Whoever asked may have gone away; it is done all the same.
                drop(reply.send(answer));
            }
            Command::Withdraw(withdrawal, reply) => {
                let answer = self.withdraw(withdrawal).await;
                drop(reply.send(answer));
            }
        }
    }

    fn found(&mut self, found: Found) {
        match self.generations.consider(found) {
            Ok(candidate) => {
                self.put_in_force(candidate, Vec::new());
                self.generations.owed.last_good = true;
            }
            Err(is_new) => {
                if is_new {
                    let problems = self.generations.problems();
                    tracing::error!(
                        ?problems,
                        "a bad policy was refused, the last good one stays"
                    );
                }
                self.show();
            }
        }
    }

    async fn set(&mut self, wish: Wish) -> Answer {
        let now = self.parts.clock.now();
        let toggle = Toggle {
            target: wish.target,
            value: shown(&typed(&wish.value)),
            reason: wish.reason,
            author: wish.author,
            set_at: now,
            expires_at: now + wish.lasts,
        };
        let expires_at = toggle.expires_at;
        let held = Held {
            organization: wish.organization,
            toggle,
            is_overdue: false,
        };
        let candidate = self.generations.with(held.clone());
        let candidate = candidate.map_err(Refusal::Unsound)?;
        let changes = candidate.changes.clone();
        if !wish.dry_run {
            self.keep(&candidate, &[]).await?;
            tracing::warn!(
                toggle.target = held.toggle.target,
                toggle.value = held.toggle.value,
                organization = held.organization,
                toggle.expires_at = %instant(expires_at),
                "a toggle was set"
            );
            self.looked_at.remove(&held.toggle.target);
            self.put_in_force(candidate, Vec::new());
            self.reconsider();
        }
        Ok(Done {
            number: self.generations.number,
            changes,
            expires_at: Some(expires_at),
        })
    }

    async fn withdraw(&mut self, withdrawal: Withdrawal) -> Answer {
        let Withdrawal { target, by } = withdrawal;
        let held = self
            .generations
            .toggles()
            .find(|held| held.toggle.target == target);
        let held = held.cloned().ok_or(Refusal::NoSuchToggle)?;
        let unsound = unsound(&held, &by);
        if !unsound.is_empty() {
            return Err(Refusal::Unsound(unsound));
        }
        let candidate = self.generations.without(std::slice::from_ref(&target));
        let candidate = candidate.map_err(|problems| {
            let problems = problems.into_iter().map(|problem| ("target", problem));
            Refusal::Unsound(problems.collect())
        })?;
        let ended = vec![Ended {
            held,
            at: self.parts.clock.now(),
            withdrawn: Some(by.clone()),
        }];
        let changes = candidate.changes.clone();
        self.keep(&candidate, &ended).await?;
        tracing::warn!(
            toggle.target = target,
            organization = by.organization,
            "a toggle was withdrawn"
        );
        self.put_in_force(candidate, ended);
        self.reconsider();
        Ok(Done {
            number: self.generations.number,
            changes,
            expires_at: None,
        })
    }

    /// Puts on disk what `candidate` would have in force.
    async fn keep(&mut self, candidate: &Candidate, ended: &[Ended]) -> Result<(), Refusal> {
        let kept = self.generations.toggles_kept_with(candidate, ended);
        let written = kept.write_toggles(self.parts.store.as_ref()).await;
        written.map_err(Refusal::Store)?;
        self.generations.owed.toggles = false;
        Ok(())
    }

    fn put_in_force(&mut self, candidate: Candidate, ended: Vec<Ended>) {
        let now = self.parts.clock.now();
        if let Some(policy) = self.generations.adopt(candidate, ended, now) {
            (self.parts.adopt)(&policy);
        }
        self.show();
    }

    /// Files that were refused may be good under the toggles that there are now.
    fn reconsider(&mut self) {
        if let Some(files) = self.generations.refused_files() {
            self.found(Ok(files));
        }
    }

    fn show(&self) {
        self.view.replace(Arc::new(self.generations.view()));
    }

    /// Looks which toggles are over, or soon will be.
    fn look(&mut self) {
        let now = self.parts.clock.now();
        let (mut over, mut overdue) = (Vec::new(), Vec::new());
        for Held { toggle, .. } in self.generations.toggles() {
            let target = toggle.target.clone();
            let looked_at = self.looked_at.insert(target.clone(), now);
            let is_down = (self.parts.is_down)(toggle.lane());
            match toggle.due(looked_at.unwrap_or(toggle.set_at), now, is_down) {
                Due::Keep => {}
                Due::Warn => tracing::warn!(
                    toggle.target = target,
                    toggle.expires_at = %instant(toggle.expires_at),
                    "a toggle ends soon"
                ),
                Due::Expire => over.push(target),
                Due::Overdue => overdue.push(target),
            }
        }
        if !over.is_empty() {
            self.expire(over, &mut overdue, now);
        }
        self.note_overdue(&overdue);
        self.show();
    }

    /// Ends toggles; those whose end would leave a bad policy go on as overdue.
    fn expire(&mut self, over: Vec<String>, overdue: &mut Vec<String>, now: Timestamp) {
        match self.generations.without(&over) {
            Ok(candidate) => {
                let held = self.generations.toggles().cloned();
                let held = held.filter(|held| over.contains(&held.toggle.target));
                let ended = held.map(|held| Ended::expired(held, now)).collect();
                tracing::warn!(targets = ?over, "toggles ended");
                self.looked_at.retain(|target, _| !over.contains(target));
                self.put_in_force(candidate, ended);
                self.generations.owed.toggles = true;
                self.reconsider();
            }
            Err(problems) => {
                tracing::error!(targets = ?over, ?problems, "toggles cannot end: what is left is bad");
                overdue.extend(over);
            }
        }
    }

    fn note_overdue(&mut self, overdue: &[String]) {
        for held in self.generations.toggles.values_mut() {
            let is_overdue = overdue.contains(&held.toggle.target);
            if is_overdue && !held.is_overdue {
                tracing::error!(
                    toggle.target = held.toggle.target,
                    "a toggle is over and kept, because its lane is down"
                );
            }
            held.is_overdue = is_overdue;
        }
    }

    /// Puts on disk what is owed to it. What cannot be is tried again later.
    async fn pay(&mut self) {
        let store = Arc::clone(&self.parts.store);
        if self.generations.owed.toggles {
            let kept: Kept = self.generations.toggles_kept();
            let written = kept.write_toggles(store.as_ref()).await;
            self.generations.owed.toggles = is_owed(written, "toggles");
        }
        if self.generations.owed.last_good && self.generations.problems().is_empty() {
            let written = write_last_good(self.generations.files(), store.as_ref()).await;
            self.generations.owed.last_good = is_owed(written, "last good policy");
        }
    }

    /// How long nothing can be due.
    fn next_look(&self) -> Duration {
        let now = self.parts.clock.now();
        let mut next = LOOK_AGAIN;
        for Held { toggle, .. } in self.generations.toggles() {
            for at in [toggle.expires_at, toggle.expires_at - WARN_BEFORE] {
                if at > now {
                    next = next.min(at.since(now));
                }
            }
        }
        next
    }
}

/// What is wrong with the words of who takes a toggle back: they have the limits of who set it.
fn unsound(held: &Held, by: &Withdrawn) -> Vec<Unsound> {
    let worded = Toggle {
        author: by.author.clone(),
        reason: by.reason.clone(),
        ..held.toggle.clone()
    };
    let problems = worded.problems().into_iter();
    let words = problems.filter(|problem| matches!(problem.key.as_str(), "author" | "reason"));
    words
        .map(|problem| (super::field(&problem.key), problem.rule.to_owned()))
        .collect()
}

fn is_owed(written: Result<(), WriteError>, what: &str) -> bool {
    if let Err(error) = written {
        tracing::warn!(%error, what, "not on disk yet; tried again soon");
    }
    written.is_err()
}

/// As it is logged.
fn instant(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_millisecond(millis);
    instant.unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
pub(crate) mod tests;
