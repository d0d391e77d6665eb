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
//! # Failure
//!
//! A toggle that was kept and does not fit the files any more is let go of at start, and named.

pub mod desk;
pub mod keeper;
pub mod kept;

mod directory;

use std::collections::BTreeMap;
use std::sync::Arc;

use policies::rules::SacRules;
use policies::rules::knobs::needs_restart;
use policies::time::Timestamp;
use policies::toggle::Toggle;
use toml::Value;

use crate::policy::Policy;
use crate::rules::{
    Change, Composed, Composer, Effective, Files, Fingerprint, RulesError, changes, fingerprint,
    of_sac, typed,
};
use kept::{Ended, Held, Kept};

/// The number of the policy that a process starts with.
const FIRST: u64 = 1;

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
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owed {
    /// Toggles in force, and those that ended.
    pub(crate) toggles: bool,
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
    /// The generation that a process begins with at `now`: of the files that were `found`, else of
    /// the last good ones that were kept; and of the toggles that were kept.
    ///
    /// # Errors
    ///
    /// What is wrong with the files, if no good ones were kept.
    pub(crate) fn begin(
        composer: Composer,
        found: Found,
        kept: Kept,
        now: Timestamp,
    ) -> Result<Generations, RulesError> {
        let remembered = kept.clone();
        let is_sound = |files: &Files| composer.compose(files, &[]).map(|_| ());
        let found = found.and_then(|files| is_sound(&files).map(|()| files));
        let (files, problems) = match (found, kept.last_good) {
            (Ok(files), _) => (files, Vec::new()),
            (Err(problems), Some(kept)) if is_sound(&kept).is_ok() => (kept, problems),
            (Err(problems), _) => return Err(RulesError { problems }),
        };
        let mut toggles = Toggles::new();
        let mut ended = kept.ended;
        for held in kept.toggles {
            let held = held.restored(now);
            if held.toggle.expires_at <= now {
                tracing::info!(
                    toggle.target = held.toggle.target,
                    "a toggle ended meanwhile"
                );
                kept::push(&mut ended, Ended::expired(held, now));
            } else {
                toggles.insert(held.toggle.target.clone(), held);
            }
        }
        let composed = match composer.compose(&files, &toggled(&toggles)) {
            Ok(composed) => composed,
            Err(problems) => {
                let targets: Vec<_> = toggles.keys().collect();
                tracing::error!(
                    ?targets,
                    ?problems,
                    "the toggles do not fit the files: let go of"
                );
                for held in std::mem::take(&mut toggles).into_values() {
                    kept::push(&mut ended, Ended::expired(held, now));
                }
                let composed = composer.compose(&files, &[]);
                composed.map_err(|problems| RulesError { problems })?
            }
        };
        let owed = Owed {
            toggles: !toggles.values().eq(&remembered.toggles) || ended != remembered.ended,
            last_good: remembered.last_good.as_ref() != Some(&files),
        };
        Ok(Generations {
            owed,
            composer: composer.begun_with(&composed.layers),
            number: FIRST,
            since: now,
            files,
            toggles,
            ended,
            composed,
            problems,
            refused: None,
        })
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        Policy::new(self.number, self.composed.rules.clone())
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

    /// The candidate that other files would be.
    ///
    /// # Errors
    ///
    /// If they are refused, which is noted: whether that is new, so that it is said once.
    pub(crate) fn consider(&mut self, found: Found) -> Result<Candidate, bool> {
        let refused = Refused {
            fingerprint: fingerprint_of(&found),
            files: found.as_ref().ok().cloned(),
        };
        let candidate = found.and_then(|files| self.candidate(files, self.toggles.clone()));
        let candidate = candidate.map_err(|problems| {
            self.problems = problems;
            let before = self.refused.replace(refused);
            let now = self.refused.as_ref().map(|refused| refused.fingerprint);
            before.map(|refused| refused.fingerprint) != now
        })?;
        Ok(Candidate {
            is_found: true,
            ..candidate
        })
    }

    /// Files that were refused, and may be good under other toggles.
    pub(crate) fn refused_files(&self) -> Option<Files> {
        self.refused.as_ref()?.files.clone()
    }

    /// The candidate that `held` would be, laid over the files in force.
    ///
    /// # Errors
    ///
    /// Each of its fields that breaks a rule.
    pub(crate) fn with(&self, held: Held) -> Result<Candidate, Vec<Unsound>> {
        let mut unsound = self.unsound(&held.toggle);
        if !unsound.is_empty() {
            return Err(unsound);
        }
        let mut toggles = self.toggles.clone();
        toggles.insert(held.toggle.target.clone(), held);
        let candidate = self.candidate(self.files.clone(), toggles);
        candidate.map_err(|problems| {
            unsound.extend(problems.into_iter().map(|problem| ("value", problem)));
            unsound
        })
    }

    fn unsound(&self, toggle: &Toggle) -> Vec<Unsound> {
        let broken = toggle.problems().into_iter();
        let mut unsound: Vec<Unsound> = broken
            .map(|broken| (field(&broken.key), broken.rule.to_owned()))
            .collect();
        let key = of_sac(&toggle.target).filter(|key| self.composed.layers.get(key).is_some());
        match key {
            None => unsound.push(("target", "is not a value of the policy".to_owned())),
            Some(key) if needs_restart(key) => unsound.push((
                "target",
                "takes effect with a restart alone: write it into the file".to_owned(),
            )),
            Some(_) => {}
        }
        if matches!(typed(&toggle.value), Value::Table(_)) {
            unsound.push(("value", "must be one value, not a table".to_owned()));
        }
        unsound
    }

    /// The candidate that is left without these toggles.
    ///
    /// # Errors
    ///
    /// What would be wrong with it.
    pub(crate) fn without(&self, targets: &[String]) -> Result<Candidate, Vec<String>> {
        let mut toggles = self.toggles.clone();
        toggles.retain(|target, _| !targets.contains(target));
        self.candidate(self.files.clone(), toggles)
    }

    fn candidate(&self, files: Files, toggles: Toggles) -> Result<Candidate, Vec<String>> {
        let composed = self.composer.compose(&files, &toggled(&toggles))?;
        Ok(Candidate {
            changes: changes(&self.composed.layers, &composed.layers),
            files,
            toggles,
            composed,
            is_found: false,
        })
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
        }
        self.files = candidate.files;
        self.toggles = candidate.toggles;
        let is_another = candidate.composed.rules != self.composed.rules;
        self.composed = candidate.composed;
        for change in &candidate.changes {
            tracing::info!(policy.change = %change, "the policy changes");
        }
        for change in &self.composed.pending {
            tracing::warn!(policy.change = %change, "a policy value waits for a restart");
        }
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

/// The field of a request that a field of a toggle comes from.
fn field(key: &str) -> &'static str {
    match key {
        "value" => "value",
        "reason" => "reason",
        "author" => "author",
        "expires_at" => "expires_in",
        _ => "target",
    }
}
