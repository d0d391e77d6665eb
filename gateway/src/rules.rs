//! The policy in force: compiled-in rules with an operator's file laid over them.
//!
//! # Failure
//!
//! A bad file never takes effect: every problem is listed with file, key and rule, and nothing is
//! opened.

use std::path::Path;
use std::time::Duration;

use adapters::sac::checks;
use policies::rules::{SAC_DEFAULTS, SacRules};
use toml::{Table, Value};

use crate::files::read_table;
use crate::problem::without_value;

/// Levels of tables a policy file may have.
const DEPTH_MAX: usize = 8;
/// Largest policy file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The policy breaks at least one rule.
#[derive(Debug, thiserror::Error)]
#[error("the policy breaks {} rule(s)", problems.len())]
pub struct RulesError {
    /// All of them, each with its file, its key and its rule.
    pub problems: Vec<String>,
}

/// The rules for the SAC, from `file` laid over the compiled-in ones, for an edge that lets no
/// request take longer than `answer_within`, where that is known.
///
/// # Errors
///
/// Lists every broken rule.
pub fn load(file: Option<&Path>, answer_within: Option<Duration>) -> Result<SacRules, RulesError> {
    let name = match file {
        Some(file) => file.display().to_string(),
        None => "compiled-in rules".to_owned(),
    };
    gather(file)
        .and_then(|rules| read(rules, answer_within))
        .map_err(|problems| RulesError {
            problems: problems
                .into_iter()
                .map(|problem| format!("{name}: {problem}"))
                .collect(),
        })
}

/// The rules that are compiled in.
pub(crate) fn compiled_in() -> SacRules {
    toml::from_str(SAC_DEFAULTS).expect("the compiled-in rules are rules")
}

fn gather(file: Option<&Path>) -> Result<Table, Vec<String>> {
    let mut rules: Table = SAC_DEFAULTS.parse().expect("the compiled-in rules parse");
    if let Some(file) = file {
        let over = read_table(file, FILE_BYTES_MAX).map_err(|rule| vec![rule])?;
        lay_over(&mut rules, over, DEPTH_MAX);
    }
    Ok(rules)
}

fn read(rules: Table, answer_within: Option<Duration>) -> Result<SacRules, Vec<String>> {
    let rules: SacRules =
        serde_path_to_error::deserialize(Value::Table(rules)).map_err(|error| {
            let rule = without_value(error.inner().message());
            vec![format!("{}: {rule}", error.path())]
        })?;
    let mut problems: Vec<_> = rules.problems().iter().map(ToString::to_string).collect();
    problems.extend(unknown_checks(&rules));
    problems.extend(legal_basis(&rules, &in_force_on()));
    // An edge that gave up before its lane would call an outcome unknown that is on disk.
    if answer_within.is_some_and(|edge| rules.prescriptions.answer_within >= edge) {
        problems.push(
            "prescriptions.answer_within: must be shorter than the edge's listen.answer_within"
                .to_owned(),
        );
    }
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(problems)
    }
}

/// Today, where the law applies.
fn in_force_on() -> String {
    let rome =
        jiff::tz::TimeZone::get("Europe/Rome").expect("the time zone database is compiled in");
    jiff::Timestamp::now().to_zoned(rome).date().to_string()
}

/// What is wrong with the law that a policy leans on: it must say when it ends, and not have ended
/// before `today`. Dates of this form sort as text.
fn legal_basis(rules: &SacRules, today: &str) -> Option<String> {
    let law = rules.prescriptions.fallback.legal_basis.as_ref()?;
    let date = law.valid_until.parse::<jiff::civil::Date>();
    let rule = if date.is_err() || date.is_ok_and(|last| last.to_string() != law.valid_until) {
        "must be a date in the form YYYY-MM-DD"
    } else if law.valid_until.as_str() < today {
        "has passed: the law is not in force any more"
    } else {
        return None;
    };
    Some(format!(
        "prescriptions.fallback.legal_basis.valid_until: {rule}"
    ))
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

/// A table is laid over key by key; anything else replaces what was there.
fn lay_over(under: &mut Table, over: Table, depth: usize) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) if depth > 0 => {
                lay_over(under, over, depth - 1);
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use policies::rules::LegalBasis;

    use super::*;

    fn load_text(text: &str) -> Result<SacRules, Vec<String>> {
        let mut rules: Table = SAC_DEFAULTS.parse().unwrap();
        lay_over(&mut rules, text.parse().unwrap(), DEPTH_MAX);
        read(rules, None)
    }

    #[test]
    fn a_file_replaces_only_what_it_names() {
        let rules = load_text("[prescriptions]\nanswer_within = \"2s\"\n").unwrap();
        assert_eq!(rules.prescriptions.answer_within, Duration::from_secs(2));
        let defaults = load(None, Some(Duration::from_secs(30))).unwrap();
        assert_eq!(rules.prescriptions.gate, defaults.prescriptions.gate);
    }

    #[test]
    fn the_lane_answers_before_the_edge_gives_up() {
        let lane = load(None, Some(Duration::from_secs(30))).unwrap();
        let wait = lane.prescriptions.answer_within;
        assert!(load(None, Some(wait + Duration::from_millis(1))).is_ok());
        let error = load(None, Some(wait)).unwrap_err();
        assert!(
            error.problems[0].contains("listen.answer_within"),
            "{error}"
        );
    }

    #[test]
    fn a_law_is_leant_on_until_its_last_day() {
        let rule = |until: &str, today: &str| {
            let mut rules = compiled_in();
            rules.prescriptions.fallback.legal_basis = Some(LegalBasis {
                act: "DL 1/2026".to_owned(),
                article: "3".to_owned(),
                valid_until: until.to_owned(),
            });
            legal_basis(&rules, today)
        };
        assert_eq!(legal_basis(&compiled_in(), "2026-11-22"), None);
        assert_eq!(rule("2026-11-22", "2026-11-22"), None);
        let over = rule("2026-11-21", "2026-11-22").unwrap();
        assert!(over.contains("has passed"), "{over}");
        for wrong in [
            "",
            "2026-02-30",
            "22/11/2999",
            "2999-1-1",
            "2999-01-01T00:00:00",
        ] {
            let refused = rule(wrong, "2026-11-22").unwrap();
            assert!(refused.contains("YYYY-MM-DD"), "{wrong}: {refused}");
        }
    }

    #[test]
    fn every_problem_is_listed_with_its_key() {
        let text = "[lots]\nkind = 0\n[prescriptions.delivery]\nlease_for = \"1s\"\n";
        let problems = load_text(text).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(
            problems[0].contains("prescriptions.delivery.lease_for"),
            "{problems:?}"
        );
        assert!(problems[1].contains("lots.kind"), "{problems:?}");
    }

    #[test]
    fn a_misspelt_key_and_a_wrong_type_are_refused() {
        assert!(load_text("[lots]\nblok = 1\n").unwrap_err()[0].contains("blok"));
        assert!(load_text("[prescriptions]\nanswer_within = 8\n").is_err());
        assert!(load_text("prescriptions = 3\n").is_err());
    }

    #[test]
    fn a_wrong_type_names_its_key_and_not_its_value() {
        let problems = load_text("[prescriptions]\nanswer_within = 1234\n").unwrap_err();
        assert!(
            problems[0].starts_with("prescriptions.answer_within: must be "),
            "{problems:?}"
        );
        assert!(!problems[0].contains("1234"), "{problems:?}");
    }

    #[test]
    fn a_file_that_does_not_parse_is_refused_with_its_line_and_nothing_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policies.toml");
        std::fs::write(&path, "[lots]\npin = 1234567890 secret\n").unwrap();
        let problem = load(Some(&path), None).unwrap_err().problems.remove(0);
        assert!(problem.contains("line 2"), "{problem}");
        assert!(!problem.contains("1234567890"), "{problem}");
        assert!(!problem.contains("secret"), "{problem}");
        let large = "#".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 1);
        std::fs::write(&path, large).unwrap();
        let problem = load(Some(&path), None).unwrap_err().problems.remove(0);
        assert!(problem.contains("bytes long"), "{problem}");
    }

    #[test]
    fn only_checks_that_exist_are_switched_off() {
        let off = |ids: &str| load_text(&format!("[prescriptions]\nchecks_off = [{ids}]\n"));
        assert!(off(r#""packs-per-row""#).is_ok());
        let problems = off(r#""packs-per-row", "packs-per-raw", """#).unwrap_err();
        assert_eq!(
            problems,
            [2, 3].map(|number| format!(
                "prescriptions.checks_off: number {number} is not the id of a check"
            ))
        );
    }
}
