//! What `argine check` says of a process before it is started: everything it would go by, or what
//! another policy would change of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::rules::{self, Composed, Composer, Files, RulesError, changes, of_sac, typed};
use crate::told::{Told, ToldError};

/// A policy to hold against the one that the settings name.
#[derive(Debug, Clone, Default)]
pub struct Other {
    /// Policy files in place of those of the settings.
    pub directory: Option<PathBuf>,
    /// Toggles over the files, each `TARGET=VALUE`.
    pub toggles: Vec<String>,
}

/// Every setting and every policy value, a line each, with where it comes from.
///
/// # Errors
///
/// Lists the rules that the policy breaks.
pub fn everything(told: Told) -> Result<String, ToldError> {
    let (settings, composed) = told.sound()?;
    let mut lines: Vec<_> = settings.effective.iter().map(ToString::to_string).collect();
    let policy = composed.layers.effective();
    lines.extend(policy.iter().map(ToString::to_string));
    Ok(lines.join("\n") + "\n")
}

/// What `other` would change, a line each.
///
/// # Errors
///
/// Lists the rules that it breaks, or those that the policy of the settings does.
pub fn difference(told: Told, other: &Other) -> Result<String, ToldError> {
    let answer_within = Some(told.settings.config.listen.answer_within);
    let (files, before) = told.policies?;
    let after = match &other.directory {
        Some(directory) => candidate(directory, &other.toggles, answer_within),
        None => composed(&files, &other.toggles, answer_within),
    }?;
    let lines: Vec<_> = changes(&before.layers, &after.layers)
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok(match lines.as_slice() {
        [] => "nothing would change\n".to_owned(),
        lines => lines.join("\n") + "\n",
    })
}

fn candidate(
    directory: &Path,
    toggles: &[String],
    answer_within: Option<Duration>,
) -> Result<Composed, RulesError> {
    let (files, _) = rules::load(Some(directory), answer_within)?;
    composed(&files, toggles, answer_within)
}

fn composed(
    files: &Files,
    toggles: &[String],
    answer_within: Option<Duration>,
) -> Result<Composed, RulesError> {
    let mut toggled = Vec::new();
    let mut problems = Vec::new();
    let composer = Composer::new(answer_within);
    let known = composer
        .compose(files, &[])
        .map_err(|problems| RulesError { problems })?;
    for toggle in toggles {
        let Some((target, value)) = toggle.split_once('=') else {
            problems.push(format!("--toggle {toggle}: must be TARGET=VALUE"));
            continue;
        };
        match of_sac(target).filter(|key| known.layers.get(key).is_some()) {
            Some(key) => toggled.push((key.to_owned(), typed(value))),
            None => problems.push(format!("--toggle {target}: no such value of the policy")),
        }
    }
    if !problems.is_empty() {
        return Err(RulesError { problems });
    }
    let composed = composer.compose(files, &toggled);
    composed.map_err(|problems| RulesError { problems })
}
