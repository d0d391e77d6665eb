//! The policy in force: compiled-in rules, operators' files laid over them, toggles over those.
//!
//! # Invariants
//!
//! 1. What is composed keeps every rule as it will be after a restart, and as it is until then, with
//!    the values that need one left as the process began with them.
//! 2. Files keep every rule without the toggles too: all of them end.
//!
//! # Failure
//!
//! A bad file never takes effect: every problem is listed with file, key and rule. A law that has ended
//! is a problem of what is new, and an alarm about what is in force.

mod change;
mod files;
mod layers;

use std::path::Path;
use std::time::Duration;

use adapters::sac::checks;
use policies::access;
use policies::rules::knobs::RESTART;
use policies::rules::{SAC_DEFAULTS, SacRules};
use policies::time::Timestamp;
use toml::{Table, Value};

use crate::problem::without_value;
pub use change::{Change, changes};
#[cfg(test)]
pub(crate) use files::FILE_BYTES_MAX;
pub use files::Files;
pub(crate) use files::{ACCESS_DIRECTORY, Fingerprint, SAC_FILE, fingerprint};
pub use layers::{Effective, Layers, Origin};
pub(crate) use layers::{full, of_sac, of_toggle, shown, takes_effect, typed};

/// The policy breaks at least one rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy breaks {} rule(s)", problems.len())]
pub struct RulesError {
    /// All of them, each with its file, its key and its rule.
    pub problems: Vec<String>,
}

/// Composes policies for one process.
#[derive(Debug, Clone)]
pub struct Composer {
    compiled_in: Layers,
    /// No request takes longer than this, where it is known.
    answer_within: Option<Duration>,
    /// What the process began with.
    begun_with: Option<Layers>,
}

/// A policy that keeps every rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// The rules, as they are in force until a restart.
    pub rules: SacRules,
    /// Each of their values, with what set it.
    pub layers: Layers,
    /// What a restart would change.
    pub pending: Vec<Change>,
    /// Who may do what.
    pub access: access::Table,
}

/// Values that operators have set over the files, by their keys.
pub type Toggled = [(String, Value)];

impl Composer {
    /// For an edge that lets no request take longer than `answer_within`, where that is known.
    pub fn new(answer_within: Option<Duration>) -> Composer {
        Composer {
            compiled_in: Layers::compiled_in(),
            answer_within,
            begun_with: None,
        }
    }

    /// For the process that began with `layers`.
    #[must_use]
    pub fn begun_with(mut self, layers: &Layers) -> Composer {
        self.begun_with = Some(layers.clone());
        self
    }

    /// `toggled` laid over `files` laid over the compiled-in rules.
    ///
    /// # Errors
    ///
    /// Lists every broken rule of the files; of the toggles, if there is none.
    pub fn compose(&self, files: &Files, toggled: &Toggled) -> Result<Composed, Vec<String>> {
        let mut layers = self.compiled_in.clone();
        let allowed = crate::access::table(&files.access());
        let over = files.sac().map_err(|rule| named(SAC_FILE, vec![rule]));
        let (over, allowed) = match (over, allowed) {
            (Ok(over), Ok(allowed)) => (over, allowed),
            (over, allowed) => {
                let problems = over.err().into_iter().chain(allowed.err());
                return Err(problems.flatten().collect());
            }
        };
        let at = over.as_ref().map_or("compiled-in rules", |_| SAC_FILE);
        if let Some(over) = over {
            layers.lay(over, &Origin::File);
        }
        let mut rules = read(&layers, self.answer_within).map_err(|all| named(at, all))?;
        if !toggled.is_empty() {
            for (key, value) in toggled {
                layers.set(key, value.clone(), &Origin::Toggle);
            }
            rules = read(&layers, self.answer_within).map_err(|all| named("toggles", all))?;
        }
        let pending = match &self.begun_with {
            None => Vec::new(),
            Some(begun_with) => {
                let wanted = layers.clone();
                for running in RESTART.iter().filter_map(|key| begun_with.get(key)) {
                    layers.set(&running.key, running.value, &running.origin);
                }
                changes(&layers, &wanted)
            }
        };
        if !pending.is_empty() {
            let until = "until a restart, which some values need";
            rules = read(&layers, self.answer_within).map_err(|all| named(until, all))?;
        }
        Ok(Composed {
            rules,
            layers,
            pending,
            access: allowed,
        })
    }
}

/// The policy of `directory` laid over the compiled-in rules, for an edge that lets no request take
/// longer than `answer_within`, where that is known.
///
/// # Errors
///
/// Lists every broken rule.
pub fn load(
    directory: Option<&Path>,
    answer_within: Option<Duration>,
) -> Result<(Files, Composed), RulesError> {
    let files = match directory {
        None => Ok(Files::default()),
        Some(directory) => Files::read(directory),
    };
    let composed = files.and_then(|files| {
        let composed = Composer::new(answer_within).compose(&files, &[]);
        let composed = composed.and_then(|composed| {
            let over = law_that_ended(&composed.rules, now());
            over.map_or(Ok(composed), |over| Err(named(SAC_FILE, vec![over])))
        });
        let composed = composed.map_err(|problems| match directory {
            None => problems,
            Some(at) => {
                let problems = problems.into_iter();
                problems
                    .map(|problem| format!("{}/{problem}", at.display()))
                    .collect()
            }
        })?;
        Ok((files, composed))
    });
    composed.map_err(|problems| RulesError { problems })
}

pub(crate) fn named(at: &str, problems: Vec<String>) -> Vec<String> {
    let problems = problems.into_iter();
    problems.map(|problem| format!("{at}: {problem}")).collect()
}

/// The rules that are compiled in.
pub(crate) fn compiled_in() -> SacRules {
    toml::from_str(SAC_DEFAULTS).expect("the compiled-in rules are rules")
}

fn read(layers: &Layers, answer_within: Option<Duration>) -> Result<SacRules, Vec<String>> {
    let table: Table = layers.table();
    let rules: SacRules =
        serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let rule = without_value(error.inner().message());
            vec![format!("{}: {rule}", error.path())]
        })?;
    let broken = rules.problems().into_iter();
    let mut problems: Vec<_> = broken
        .map(|broken| match layers.get(&broken.key) {
            Some(set) => format!("{} = {}: {}", broken.key, shown(&set.value), broken.rule),
            None => broken.to_string(),
        })
        .collect();
    problems.extend(unknown_checks(&rules));
    problems.extend(law_without_end(&rules));
    // An edge that gave up before its lane would call an outcome unknown that is on disk, or leave a
    // reader without what is known.
    let waits = [
        (
            "prescriptions.answer_within",
            rules.prescriptions.answer_within,
        ),
        ("registry.answer_within", rules.registry.answer_within),
    ];
    for (key, wait) in waits {
        if answer_within.is_some_and(|edge| wait >= edge) {
            problems.push(format!(
                "{key}: must be shorter than the edge's listen.answer_within"
            ));
        }
    }
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(problems)
    }
}

const LAW_ENDS: &str = "prescriptions.fallback.legal_basis.valid_until";

/// What is wrong with how a policy says when the law ends that it leans on.
fn law_without_end(rules: &SacRules) -> Option<String> {
    let law = rules.prescriptions.fallback.legal_basis.as_ref()?;
    let date = law.valid_until.parse::<jiff::civil::Date>();
    let is_date = date.is_ok_and(|last| last.to_string() == law.valid_until);
    (!is_date).then(|| format!("{LAW_ENDS}: must be a date in the form YYYY-MM-DD"))
}

/// What is wrong with the law that a policy leans on, where it ended before `now`. Nothing that is in
/// force ends by that: a date must not shut a region, and a clock may be wrong.
pub(crate) fn law_that_ended(rules: &SacRules, now: Timestamp) -> Option<String> {
    let law = rules.prescriptions.fallback.legal_basis.as_ref()?;
    // Dates of this form sort as text.
    let has_passed = law.valid_until < day_of(now);
    has_passed.then(|| format!("{LAW_ENDS}: has passed: the law is not in force any more"))
}

/// The day of `now`, where the law applies.
fn day_of(now: Timestamp) -> String {
    let rome =
        jiff::tz::TimeZone::get("Europe/Rome").expect("the time zone database is compiled in");
    let millis = i64::try_from(now.0).unwrap_or(i64::MAX);
    let now = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    now.to_zoned(rome).date().to_string()
}

fn now() -> Timestamp {
    let millis = jiff::Timestamp::now().as_millisecond();
    Timestamp(u64::try_from(millis).unwrap_or_default())
}

/// A check that does not exist is a misspelt one, which stays on.
fn unknown_checks(rules: &SacRules) -> impl Iterator<Item = String> {
    let checks_off = rules.prescriptions.checks_off.iter().enumerate();
    checks_off
        .filter(|(_, id)| checks::RULES.iter().all(|rule| rule.id != id.as_str()))
        .map(|(index, _)| {
            let number = index + 1;
            format!("prescriptions.checks_off: number {number} is not the id of a check")
        })
}

#[cfg(test)]
mod tests;
