//! The policy in force: compiled-in rules with an operator's file laid over them.
//!
//! # Failure
//!
//! A bad file never takes effect: every problem is listed with file, key and rule, and nothing is
//! opened.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use policies::rules::{SAC_DEFAULTS, SacRules};
use toml::{Table, Value};

use crate::config::pem::read_bounded;

/// Bytes a policy file may have.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Levels of tables a policy file may have.
const DEPTH_MAX: usize = 8;

/// One thing that is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesProblem(String);

impl fmt::Display for RulesProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The policy breaks at least one rule.
#[derive(Debug, thiserror::Error)]
#[error("the policy breaks {} rule(s)", problems.len())]
pub struct RulesError {
    /// All of them.
    pub problems: Vec<RulesProblem>,
}

/// The rules for the SAC, from `file` laid over the compiled-in ones, for an edge that lets no
/// request take longer than `answer_within`.
pub fn load(file: Option<&Path>, answer_within: Duration) -> Result<SacRules, RulesError> {
    gather(file)
        .and_then(|rules| fit(rules, answer_within))
        .map_err(|problems| RulesError { problems })
}

/// An edge that gave up before its lane would call an outcome unknown that is on disk.
fn fit(rules: SacRules, answer_within: Duration) -> Result<SacRules, Vec<RulesProblem>> {
    if rules.prescriptions.answer_within < answer_within {
        return Ok(rules);
    }
    let problem =
        "prescriptions.answer_within: must be shorter than the edge's listen.answer_within";
    Err(vec![RulesProblem(problem.to_owned())])
}

fn gather(file: Option<&Path>) -> Result<SacRules, Vec<RulesProblem>> {
    let mut rules: Table = SAC_DEFAULTS.parse().expect("the compiled-in rules parse");
    let Some(file) = file else {
        return read(rules, "compiled-in rules");
    };
    let name = file.display().to_string();
    let refuse = |rule: String| vec![RulesProblem(format!("{name}: {rule}"))];
    let bytes = read_bounded(file, FILE_BYTES_MAX).map_err(refuse)?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("must be UTF-8".to_owned()))?;
    let over: Table = text.parse().map_err(|error: toml::de::Error| {
        // Never the line itself: it may be of a file that was named by mistake, a key among them.
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        refuse(format!("must be TOML: line {line}: {}", error.message()))
    })?;
    lay_over(&mut rules, over, DEPTH_MAX);
    read(rules, &name)
}

fn read(rules: Table, name: &str) -> Result<SacRules, Vec<RulesProblem>> {
    let rules: SacRules = rules.try_into().map_err(|error: toml::de::Error| {
        vec![RulesProblem(format!("{name}: {}", error.message()))]
    })?;
    let problems: Vec<_> = rules
        .problems()
        .into_iter()
        .map(|problem| RulesProblem(format!("{name}: {problem}")))
        .collect();
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(problems)
    }
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
    use super::*;

    fn load_text(text: &str) -> Result<SacRules, Vec<String>> {
        let mut rules: Table = SAC_DEFAULTS.parse().unwrap();
        lay_over(&mut rules, text.parse().unwrap(), DEPTH_MAX);
        read(rules, "test").map_err(|list| list.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_file_replaces_only_what_it_names() {
        let rules = load_text("[prescriptions]\nanswer_within = \"2s\"\n").unwrap();
        assert_eq!(rules.prescriptions.answer_within, Duration::from_secs(2));
        let defaults = load(None, Duration::from_secs(30)).unwrap();
        assert_eq!(rules.prescriptions.gate, defaults.prescriptions.gate);
    }

    #[test]
    fn the_lane_answers_before_the_edge_gives_up() {
        let lane = load(None, Duration::from_secs(30)).unwrap();
        let wait = lane.prescriptions.answer_within;
        assert!(load(None, wait + Duration::from_millis(1)).is_ok());
        let error = load(None, wait).unwrap_err();
        assert!(
            error.problems[0].0.contains("listen.answer_within"),
            "{error}"
        );
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
}
