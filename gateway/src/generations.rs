//! Generations of the policy: where the next one comes from, and which is in force.
//!
//! Candidates are files that changed and toggles that were set, withdrawn or are over. Whoever keeps
//! the generations ([`keeper`]) decides about one at a time.
//!
//! # Invariants
//!
//! 1. Only a policy that keeps every rule becomes a generation; whatever else is found, the last good
//!    one stays, and what is wrong with the other is shown until there is a good one.
//! 2. Nothing of a candidate is in force before all of it is.
//! 3. A value that needs a restart stays as the process began with it.
//!
//! 4. A law that has ended, and a file that is gone, take nothing out of force.
//!
//! # Failure
//!
//! At start the last good files go before a found one that the toggles do not fit, as they do while
//! the gateway runs. Only a toggle that fits neither is let go of, and named.

pub mod desk;
pub mod keeper;
pub mod kept;

mod begin;
mod candidate;
mod directory;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use policies::access::Turned;
use policies::rules::SacRules;
use policies::time::Timestamp;
use toml::Value;

use crate::access;
use crate::policy::Policy;
use crate::rules::{
    Change, Composed, Composer, Effective, Files, Fingerprint, fingerprint, law_that_ended, of_sac,
    typed,
};
use kept::{Ended, Held, Kept};

/// How long after a start the gates of a lane are given to be tried, before a toggle that is over is
/// taken back because they seem to pass.
const GATES_TRIED_WITHIN: Duration = Duration::from_secs(600);

/// What was found in a directory of policies.
pub(crate) type Found = Result<Files, Vec<String>>;

/// Tells what was found from what was found before.
pub(crate) fn fingerprint_of(found: &Found) -> Fingerprint {
    match found {
        Ok(files) => files.fingerprint(),
        Err(problems) => fingerprint(problems.iter().map(String::as_str)),
    }
}

/// A field of a toggle that breaks a rule, and the rule.
pub type Unsound = (&'static str, String);

/// Toggles by their targets.
type Toggles = BTreeMap<String, Held>;

/// A candidate that keeps every rule, and is not in force.
#[derive(Clone)]
pub(crate) struct Candidate {
    files: Files,
    toggles: Toggles,
    composed: Composed,
    /// It is what is in the directory.
    is_found: bool,
    /// What it would change of what is in force.
    pub(crate) changes: Vec<Change>,
}

/// The generation in force, and what it was made of.
#[derive(Debug)]
pub struct Generations {
    composer: Composer,
    number: u64,
    since: Timestamp,
    files: Files,
    toggles: Toggles,
    ended: Vec<Ended>,
    composed: Composed,
    /// What is wrong with what is in the directory; empty if it is what is in force.
    problems: Vec<String>,
    refused: Option<Refused>,
    /// What the store does not remember as it is.
    pub(crate) owed: Owed,
}

/// What is still to be put on disk.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Owed {
    /// The targets of which not everything is there.
    pub(crate) toggles: BTreeSet<String>,
    /// The files in force.
    pub(crate) last_good: bool,
}

/// What was found last and is not in force.
#[derive(Debug)]
struct Refused {
    fingerprint: Fingerprint,
    /// Readable files, which other toggles may make a good policy.
    files: Option<Files>,
}

/// What operators are shown.
#[derive(Debug, Clone)]
pub struct View {
    /// The number of the generation in force.
    pub number: u64,
    /// Since when.
    pub since: Timestamp,
    /// Its values.
    pub values: Vec<Effective>,
    /// The verdicts of its access rules that are not those of the compiled-in ones.
    pub access: Vec<Turned>,
    /// What a restart would change.
    pub pending: Vec<Change>,
    /// What is wrong with the files. While there is something, the last good ones are in force.
    pub problems: Vec<String>,
    /// The toggles in force.
    pub toggles: Vec<Held>,
    /// Those that ended last, the latest first.
    pub ended: Vec<Ended>,
}

impl Generations {
    /// The policy in force.
    pub fn policy(&self) -> Policy {
        let composed = &self.composed;
        Policy::new(self.number, composed.rules.clone(), composed.access)
    }

    /// Its rules.
    pub fn rules(&self) -> &SacRules {
        &self.composed.rules
    }

    /// What operators are shown.
    pub(crate) fn view(&self) -> View {
        View {
            number: self.number,
            since: self.since,
            values: self.composed.layers.effective(),
            access: access::compiled_in().changes(&self.composed.access),
            pending: self.composed.pending.clone(),
            problems: self.problems.clone(),
            toggles: self.toggles.values().cloned().collect(),
            ended: self.ended.clone(),
        }
    }

    /// What is wrong with the files that were found.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The files in force.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// Tells what was found last, in force or not.
    pub(crate) fn seen(&self) -> Fingerprint {
        match &self.refused {
            Some(refused) => refused.fingerprint,
            None => self.files.fingerprint(),
        }
    }

    /// What is wrong with the law that is leant on, where it ended before `now`.
    pub(crate) fn law_that_ended(&self, now: Timestamp) -> Option<String> {
        law_that_ended(self.rules(), now)
    }

    /// The toggle that is in force for `target`.
    pub(crate) fn held(&self, target: &str) -> Option<&Held> {
        self.toggles.get(target)
    }

    /// Notes whether the toggle for `target` is over and kept all the same; whether that is new.
    pub(crate) fn note_overdue(&mut self, target: &str, is_overdue: bool) -> bool {
        let Some(held) = self.toggles.get_mut(target) else {
            return false;
        };
        let is_new = held.is_overdue != is_overdue;
        held.is_overdue = is_overdue;
        if is_new {
            self.owed.toggles.insert(target.to_owned());
        }
        is_new
    }

    /// The toggles in force.
    pub(crate) fn toggles(&self) -> impl Iterator<Item = &Held> {
        self.toggles.values()
    }

    /// Everything about toggles that is kept through a restart.
    pub(crate) fn toggles_kept(&self) -> Kept {
        Kept {
            last_good: None,
            toggles: self.toggles.values().cloned().collect(),
            ended: self.ended.clone(),
        }
    }

    /// What would be kept if `candidate` were in force.
    pub(crate) fn toggles_kept_with(&self, candidate: &Candidate, ended: &[Ended]) -> Kept {
        let mut kept = Kept {
            last_good: None,
            toggles: candidate.toggles.values().cloned().collect(),
            ended: self.ended.clone(),
        };
        for ended in ended {
            kept::push(&mut kept.ended, ended.clone());
        }
        kept
    }

    /// Puts `candidate` in force at `now`; its policy, if it is another.
    pub(crate) fn adopt(
        &mut self,
        candidate: Candidate,
        ended: Vec<Ended>,
        now: Timestamp,
    ) -> Option<Arc<Policy>> {
        for ended in ended {
            kept::push(&mut self.ended, ended);
        }
        if candidate.is_found {
            self.problems.clear();
            self.refused = None;
            self.owed.last_good = true;
        }
        self.files = candidate.files;
        self.toggles = candidate.toggles;
        let is_another = candidate.composed.rules != self.composed.rules
            || candidate.composed.access != self.composed.access;
        let turned = self.composed.access.changes(&candidate.composed.access);
        self.composed = candidate.composed;
        for verdict in turned {
            tracing::info!(policy.change = %verdict, "the policy changes");
        }
        for change in &candidate.changes {
            tracing::info!(policy.change = %change, "the policy changes");
        }
        for change in &self.composed.pending {
            tracing::warn!(policy.change = %change, "a policy value waits for a restart");
        }
        self.say_again_what_is_refused(now);
        is_another.then(|| {
            self.number += 1;
            self.since = now;
            Arc::new(self.policy())
        })
    }
}

/// What the toggles say, as [`Composer::compose`] takes it.
fn toggled(toggles: &Toggles) -> Vec<(String, Value)> {
    let known = toggles.values().filter_map(|held| {
        let key = of_sac(&held.toggle.target)?;
        Some((key.to_owned(), typed(&held.toggle.value)))
    });
    known.collect()
}
