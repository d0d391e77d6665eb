//! What `argine check` says of a process before it is started: everything it would go by, or what
//! another policy would change of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::clock::AnchoredClock;
use engine::ports::Clock;

use crate::access::Access;
use crate::app::certificate_files;
use crate::rules::{
    self, Composed, Composer, Files, RulesError, changes, of_sac, of_toggle, typed,
};
use crate::tls::expiry::untimely;
use crate::told::{Told, ToldError};

/// A policy to hold against the one that the settings name.
#[derive(Debug, Clone, Default)]
pub struct Other {
    /// Policy files in place of those of the settings.
    pub directory: Option<PathBuf>,
    /// Toggles over the files, each `TARGET=VALUE`.
    pub toggles: Vec<String>,
}

/// Every setting and every policy value, a line each, with where it comes from; before these, a line for
/// every file of certificates or lists that is out of date: the gateway starts with it.
///
/// # Errors
///
/// Lists the rules that the policy breaks.
pub fn everything(told: Told) -> Result<String, ToldError> {
    let (settings, composed) = told.sound()?;
    let untimely = untimely(
        &certificate_files(&settings.config),
        AnchoredClock::start().now(),
    );
    let mut lines: Vec<_> = untimely.iter().map(|line| format!("# {line}")).collect();
    lines.extend(settings.effective.iter().map(ToString::to_string));
    let policy = composed.layers.effective();
    lines.extend(policy.iter().map(ToString::to_string));
    Ok(lines.join("\n") + "\n")
}

/// What `other` would change, a line each: values first, then verdicts of the access rules. Where the policy of the settings is a bad one, what `other`
/// would change of the compiled-in values, after a line that says so.
///
/// # Errors
///
/// Lists the rules that it breaks; those that the policy of the settings does, where nothing is held
/// against it.
pub fn difference(told: Told, other: &Other) -> Result<String, ToldError> {
    let answer_within = Some(told.settings.config.listen.answer_within);
    let (before, after, is_bad) = match (told.policies, &other.directory) {
        (Ok((_, before)), Some(directory)) => {
            let after = candidate(directory, &other.toggles, answer_within)?;
            (before, after, false)
        }
        (Ok((files, before)), None) => {
            let after = composed(&files, &other.toggles, answer_within)?;
            (before, after, false)
        }
        (Err(_), Some(directory)) => {
            let after = candidate(directory, &other.toggles, answer_within)?;
            (rules::load(None, answer_within)?.1, after, true)
        }
        (Err(error), None) => return Err(error.into()),
    };
    let changes = changes(&before.layers, &after.layers);
    let mut lines: Vec<_> = changes.iter().map(ToString::to_string).collect();
    let turned = before.access.changes(&after.access);
    lines.extend(turned.iter().map(ToString::to_string));
    if lines.is_empty() {
        lines.push("nothing would change".to_owned());
    }
    if is_bad {
        lines.insert(0, INSTEAD.to_owned());
    }
    Ok(lines.join("\n") + "\n")
}

/// The access rules of the policy; without one the compiled-in ones.
///
/// # Errors
///
/// Lists the rules that the policy breaks.
pub fn access(told: Option<Told>) -> Result<Access, ToldError> {
    let files = match told {
        Some(told) => told.policies?.0,
        None => Files::default(),
    };
    Access::read(&files.access()).map_err(|problems| ToldError { problems })
}

/// What is said of a good policy that is to replace a bad one.
const INSTEAD: &str = "# the policy of the settings is bad: compared with the compiled-in values";

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
        let value = typed(value);
        let misuse = of_toggle(target, &value, &known.layers);
        problems.extend(
            misuse
                .iter()
                .map(|(field, rule)| format!("--toggle {target}: {field} {rule}")),
        );
        if let Some(key) = of_sac(target) {
            toggled.push((key.to_owned(), value));
        }
    }
    if !problems.is_empty() {
        return Err(RulesError { problems });
    }
    let composed = composer.compose(files, &toggled);
    composed.map_err(|problems| RulesError { problems })
}
