//! What may become the next generation: other files, or other toggles.
//!
//! # Invariants
//!
//! 1. A candidate keeps every rule; only a law that is new is held against the day.
//! 2. Files that were refused are held against the toggles of every candidate: nothing comes into force
//!    by a toggle that the answer to it does not name.

use policies::rules::SacRules;
use policies::time::Timestamp;
use policies::toggle::Toggle;

use super::kept::Held;
use super::{Candidate, Found, Generations, Refused, Toggles, Unsound, fingerprint_of, toggled};
use crate::rules::{Files, SAC_FILE, changes, law_that_ended, named, of_toggle, typed};

impl Generations {
    /// The candidate that other files would be.
    ///
    /// # Errors
    ///
    /// If they are refused, which is noted: whether that is new, so that it is said once.
    pub(crate) fn consider(&mut self, found: Found, now: Timestamp) -> Result<Candidate, bool> {
        let refused = Refused {
            fingerprint: fingerprint_of(&found),
            files: found.as_ref().ok().cloned(),
        };
        let candidate = found.and_then(|files| self.of_files(files, self.toggles.clone(), now));
        candidate.map_err(|problems| {
            self.problems = problems;
            let before = self.refused.replace(refused);
            let now = self.refused.as_ref().map(|refused| refused.fingerprint);
            before.map(|refused| refused.fingerprint) != now
        })
    }

    /// The candidate that files that were found would be.
    fn of_files(
        &self,
        files: Files,
        toggles: Toggles,
        now: Timestamp,
    ) -> Result<Candidate, Vec<String>> {
        self.files.are_all_in(&files)?;
        let candidate = self.candidate(files, toggles)?;
        self.leans_on_law(&candidate, now)
            .map_err(|problem| named(SAC_FILE, vec![problem]))?;
        Ok(Candidate {
            is_found: true,
            ..candidate
        })
    }

    /// A law that is new must be in force.
    fn leans_on_law(&self, candidate: &Candidate, now: Timestamp) -> Result<(), String> {
        let law = |rules: &SacRules| rules.prescriptions.fallback.legal_basis.clone();
        if law(&candidate.composed.rules) == law(self.rules()) {
            return Ok(());
        }
        law_that_ended(&candidate.composed.rules, now).map_or(Ok(()), Err)
    }

    /// `candidate`, with the files that were refused, where they are good under its toggles.
    fn with_refused(&self, candidate: Candidate, now: Timestamp) -> Candidate {
        let refused = self.refused.as_ref();
        let files = refused.and_then(|refused| refused.files.clone());
        let reconsidered =
            files.and_then(|files| self.of_files(files, candidate.toggles.clone(), now).ok());
        reconsidered.unwrap_or(candidate)
    }

    /// The candidate that `held` would be, laid over the files in force, or over those that were
    /// refused without it.
    ///
    /// # Errors
    ///
    /// Each of its fields that breaks a rule.
    pub(crate) fn with(&self, held: Held, now: Timestamp) -> Result<Candidate, Vec<Unsound>> {
        let unsound = self.unsound(&held.toggle);
        if !unsound.is_empty() {
            return Err(unsound);
        }
        let mut toggles = self.toggles.clone();
        toggles.insert(held.toggle.target.clone(), held);
        let candidate = self.candidate(self.files.clone(), toggles);
        let candidate = candidate.and_then(|candidate| {
            let law = self.leans_on_law(&candidate, now);
            law.map_or_else(|problem| Err(vec![problem]), |()| Ok(candidate))
        });
        let candidate = candidate.map_err(|problems| {
            let problems = problems.into_iter().map(|problem| ("value", problem));
            problems.collect::<Vec<_>>()
        })?;
        Ok(self.with_refused(candidate, now))
    }

    fn unsound(&self, toggle: &Toggle) -> Vec<Unsound> {
        let broken = toggle.problems().into_iter();
        let mut unsound: Vec<Unsound> = broken
            .map(|broken| (field(&broken.key), broken.rule.to_owned()))
            .collect();
        let misuse = of_toggle(&toggle.target, &typed(&toggle.value), &self.composed.layers);
        unsound.extend(
            misuse
                .into_iter()
                .map(|(field, rule)| (field, rule.to_owned())),
        );
        unsound
    }

    /// The candidate that is left without these toggles.
    ///
    /// # Errors
    ///
    /// What would be wrong with it.
    pub(crate) fn without(
        &self,
        targets: &[String],
        now: Timestamp,
    ) -> Result<Candidate, Vec<String>> {
        let mut toggles = self.toggles.clone();
        toggles.retain(|target, _| !targets.contains(target));
        let candidate = self.candidate(self.files.clone(), toggles)?;
        Ok(self.with_refused(candidate, now))
    }

    /// What is wrong with the files that are refused, under the toggles that there are now.
    pub(super) fn say_again_what_is_refused(&mut self, now: Timestamp) {
        let refused = self.refused.as_ref();
        let files = refused.and_then(|refused| refused.files.clone());
        let again = files.map(|files| self.of_files(files, self.toggles.clone(), now));
        if let Some(Err(problems)) = again {
            self.problems = problems;
        }
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
}

/// The field of a request that a field of a toggle comes from.
pub(super) fn field(key: &str) -> &'static str {
    match key {
        "value" => "value",
        "reason" => "reason",
        "author" => "author",
        "expires_at" => "expires_in",
        _ => "target",
    }
}
