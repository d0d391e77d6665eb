//! The generation that a process begins with.

use policies::time::Timestamp;
use policies::toggle::OVERDUE_LASTS_MAX;

use super::kept::{End, Ended, Held, Kept, push};
use super::{
    Found, GATES_TRIED_WITHIN, Generations, Owed, Refused, Toggles, fingerprint_of, toggled,
};
use crate::rules::{Composed, Composer, Files, RulesError};

/// The number of the policy that a process starts with.
const FIRST: u64 = 1;

/// What is to be in force.
struct Chosen {
    files: Files,
    toggles: Toggles,
    composed: Composed,
    /// What is wrong with what was found, if that is something else.
    problems: Vec<String>,
    unfit: Vec<Held>,
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
        let mut ended = kept.ended;
        let toggles = restored(kept.toggles, &mut ended, now);
        let mut refused = Refused {
            fingerprint: fingerprint_of(&found),
            files: found.as_ref().ok().cloned(),
        };
        let chosen = choose(&composer, found, kept.last_good, toggles);
        let chosen = chosen.map_err(|problems| RulesError { problems })?;
        for held in chosen.unfit {
            tracing::error!(
                toggle.target = held.toggle.target,
                "a toggle does not fit the files: let go of"
            );
            push(&mut ended, Ended::by_itself(held, End::Unfit, now));
        }
        if refused.files.as_ref() == Some(&chosen.files) {
            refused.files = None;
        }
        let mut generations = Generations {
            owed: Owed::default(),
            composer: composer.begun_with(&chosen.composed.layers),
            number: FIRST,
            since: now,
            refused: (!chosen.problems.is_empty()).then_some(refused),
            files: chosen.files,
            toggles: chosen.toggles,
            ended,
            composed: chosen.composed,
            problems: chosen.problems,
        };
        generations.owed = Owed {
            toggles: generations.toggles_kept().differing(&remembered),
            last_good: remembered.last_good.as_ref() != Some(&generations.files),
        };
        Ok(generations)
    }
}

/// The toggles that are in force again. One that was overdue still is, and so is one that ended only
/// just now: nobody has seen yet whether its lane is down.
fn restored(kept: Vec<Held>, ended: &mut Vec<Ended>, now: Timestamp) -> Toggles {
    let mut toggles = Toggles::new();
    for held in kept {
        let mut held = held.restored(now);
        let over_for = now.since(held.toggle.expires_at);
        let is_over = held.toggle.expires_at <= now;
        let lasts = match held.is_overdue {
            true => OVERDUE_LASTS_MAX,
            false => GATES_TRIED_WITHIN,
        };
        if is_over && (held.toggle.is_of_mode() || over_for >= lasts) {
            tracing::warn!(
                toggle.target = held.toggle.target,
                "a toggle ended meanwhile"
            );
            push(ended, Ended::by_itself(held, End::Expired, now));
        } else {
            held.is_overdue = is_over;
            toggles.insert(held.toggle.target.clone(), held);
        }
    }
    toggles
}

/// The files found with every toggle; else the last good ones with every toggle, as it would be if the
/// process had gone on; else whatever is good, with the toggles that fit it.
fn choose(
    composer: &Composer,
    found: Found,
    last_good: Option<Files>,
    toggles: Toggles,
) -> Result<Chosen, Vec<String>> {
    let whole = |files: &Files| composer.compose(files, &toggled(&toggles));
    let is_there = |files: &Files| {
        last_good
            .as_ref()
            .map_or(Ok(()), |last| last.are_all_in(files))
    };
    let found = found.and_then(|files| is_there(&files).map(|()| files));
    let problems = match &found {
        Ok(files) => match whole(files) {
            Ok(composed) => return Ok(chosen(files, toggles, composed, Vec::new())),
            Err(problems) => problems,
        },
        Err(problems) => problems.clone(),
    };
    if let Some(files) = &last_good
        && let Ok(composed) = whole(files)
    {
        return Ok(chosen(files, toggles, composed, problems));
    }
    if let Ok(files) = &found
        && let Some(chosen) = fitting(composer, files, &toggles)
    {
        return Ok(chosen);
    }
    let last = last_good.as_ref();
    match last.and_then(|files| fitting(composer, files, &toggles)) {
        Some(chosen) => Ok(Chosen { problems, ..chosen }),
        None => Err(problems),
    }
}

fn chosen(files: &Files, toggles: Toggles, composed: Composed, problems: Vec<String>) -> Chosen {
    Chosen {
        files: files.clone(),
        toggles,
        composed,
        problems,
        unfit: Vec::new(),
    }
}

/// `files` with as many toggles as fit, modes before others; `None` if they are bad by themselves.
fn fitting(composer: &Composer, files: &Files, toggles: &Toggles) -> Option<Chosen> {
    let composed = composer.compose(files, &[]).ok()?;
    let mut chosen = chosen(files, Toggles::new(), composed, Vec::new());
    let mut all: Vec<_> = toggles.values().collect();
    all.sort_by_key(|held| !held.toggle.is_of_mode());
    for held in all {
        let mut with = chosen.toggles.clone();
        with.insert(held.toggle.target.clone(), held.clone());
        match composer.compose(files, &toggled(&with)) {
            Ok(composed) => (chosen.toggles, chosen.composed) = (with, composed),
            Err(_) => chosen.unfit.push(held.clone()),
        }
    }
    Some(chosen)
}
