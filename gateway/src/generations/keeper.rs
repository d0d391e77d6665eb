//! Keeps the generations: one task that decides about files and toggles, one at a time.
//!
//! # Invariants
//!
//! 1. A toggle is on disk before it takes effect, and both before who set it is answered. One that
//!    cannot be put on disk changes nothing.
//! 2. A toggle that is over ends whether or not that can be put on disk: after a restart it is over
//!    too.
//! 3. Who asked and went away does not leave a change half made: the task goes on without them.
//! 4. However many changes wait, and however long the disk takes, ends are looked at in time.
//!
//! # Limits
//!
//! `COMMANDS_MAX` that wait; beyond it an operator hears that the gateway is busy. `WRITE_WITHIN`
//! for the disk; what takes longer is uncertain, and put right later.

mod disk;
mod ends;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use engine::live::Live;
use engine::ports::{Clock, OperatorStates};
use engine::stop::Stop;
use policies::time::Timestamp;
use policies::toggle::Toggle;
use tokio::sync::mpsc;

use super::desk::{Answer, Command, Desk, Done, Refusal, Wish, Withdrawal};
use super::directory::Directory;
use super::kept::{By, End, Ended, Held};
use super::{Candidate, Found, Generations, Unsound, View};
use crate::policy::Policy;
use crate::rules::{shown, typed};

/// Changes that may wait to be decided about.
const COMMANDS_MAX: usize = 32;

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
    /// By when something may be due.
    look_by: Timestamp,
    begun_at: Timestamp,
    /// What people were told of the law in force.
    alarmed: Option<String>,
}

/// A keeper of `generations`, which follows `directory` if there is one, and the way to it.
pub fn open(generations: Generations, directory: Option<PathBuf>, parts: Parts) -> (Keeper, Desk) {
    let (sender, commands) = mpsc::channel(COMMANDS_MAX);
    let view = Live::new(generations.view());
    let desk = Desk {
        commands: sender.clone(),
        view: view.clone(),
    };
    let now = parts.clock.now();
    let keeper = Keeper {
        parts,
        generations,
        commands,
        view,
        directory: directory.map(|path| (path, sender)),
        looked_at: BTreeMap::new(),
        look_by: now,
        begun_at: now,
        alarmed: None,
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
                let now = self.parts.clock.now();
                if self.look_by <= now {
                    self.look();
                }
                let until = self.look_by.since(now);
                // What is being decided is decided to its end: a toggle on disk is in force.
                tokio::select! {
                    biased;
                    () = stop.draining() => break,
                    Some(command) = self.commands.recv() => self.decide(command).await,
                    () = self.parts.clock.sleep(until) => {}
                }
            }
            self.commands.close();
            while let Ok(command) = self.commands.try_recv() {
                command.refuse();
            }
        };
        tokio::join!(following, deciding);
    }

    fn follow(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let seen = self.generations.seen();
        let followed = self.directory.take().map(|(path, commands)| {
            let directory = Directory {
                path,
                clock: Arc::clone(&self.parts.clock),
                seen,
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
        let now = self.parts.clock.now();
        match self.generations.consider(found, now) {
            Ok(candidate) => _ = self.put_in_force(candidate, Vec::new()),
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
        let by = By {
            organization: wish.organization,
            author: toggle.author.clone(),
            reason: toggle.reason.clone(),
        };
        let held = Held {
            organization: by.organization.clone(),
            toggle,
            is_overdue: false,
        };
        let candidate = self.generations.with(held.clone(), now);
        let candidate = candidate.map_err(Refusal::Unsound)?;
        let Toggle {
            target, expires_at, ..
        } = held.toggle;
        let mut done = self.would_be_done(&candidate, Some(expires_at));
        if !wish.dry_run {
            let replaced = self.generations.held(&target).cloned();
            let ended = replaced.map(|held| Ended::by_itself(held, End::Replaced(by.clone()), now));
            let ended: Vec<_> = ended.into_iter().collect();
            self.keep(&target, &candidate, &ended).await?;
            tracing::warn!(
                toggle.target = target,
                toggle.value = held.toggle.value,
                organization = by.organization,
                toggle.expires_at = %instant(expires_at),
                "a toggle was set"
            );
            self.looked_at.remove(&target);
            done.number = self.put_in_force(candidate, ended);
        }
        Ok(done)
    }

    async fn withdraw(&mut self, withdrawal: Withdrawal) -> Answer {
        let Withdrawal {
            target,
            by,
            dry_run,
        } = withdrawal;
        let now = self.parts.clock.now();
        let held = self.generations.held(&target).cloned();
        let held = held.ok_or(Refusal::NoSuchToggle)?;
        let unsound = unsound(&held, &by);
        if !unsound.is_empty() {
            return Err(Refusal::Unsound(unsound));
        }
        let candidate = self
            .generations
            .without(std::slice::from_ref(&target), now)
            .map_err(|problems| {
                let problems = problems.into_iter().map(|problem| ("target", problem));
                Refusal::Unsound(problems.collect())
            })?;
        let mut done = self.would_be_done(&candidate, None);
        if !dry_run {
            let organization = by.organization.clone();
            let ended = vec![Ended::by_itself(held, End::Withdrawn(by), now)];
            self.keep(&target, &candidate, &ended).await?;
            tracing::warn!(
                toggle.target = target,
                organization,
                "a toggle was withdrawn"
            );
            done.number = self.put_in_force(candidate, ended);
        }
        Ok(done)
    }

    fn would_be_done(&self, candidate: &Candidate, expires_at: Option<Timestamp>) -> Done {
        Done {
            number: self.generations.number,
            changes: candidate.changes.clone(),
            expires_at,
        }
    }

    /// The number of the generation that is in force then.
    fn put_in_force(&mut self, candidate: Candidate, ended: Vec<Ended>) -> u64 {
        let now = self.parts.clock.now();
        if let Some(policy) = self.generations.adopt(candidate, ended, now) {
            (self.parts.adopt)(&policy);
        }
        self.look_by = self.look_by.min(now + self.next_look());
        self.show();
        self.generations.number
    }

    fn show(&self) {
        self.view.replace(Arc::new(self.generations.view()));
    }
}

/// What is wrong with the words of who takes a toggle back: they have the limits of who set it.
fn unsound(held: &Held, by: &By) -> Vec<Unsound> {
    let worded = Toggle {
        author: by.author.clone(),
        reason: by.reason.clone(),
        ..held.toggle.clone()
    };
    let problems = worded.problems().into_iter();
    let words = problems.filter(|problem| matches!(problem.key.as_str(), "author" | "reason"));
    words
        .map(|problem| {
            (
                super::candidate::field(&problem.key),
                problem.rule.to_owned(),
            )
        })
        .collect()
}

/// As it is logged.
fn instant(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_millisecond(millis);
    instant.unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
pub(crate) mod tests;
