//! What `argine check access` says: allowed or denied, and by which rule.

use std::fmt::Write;

use cedar_policy::Decision;
use policies::access::{Action, Profile, Relation, out_of_bounds};

use super::Access;

/// What is asked about, in the words of the rules.
#[derive(Debug, Clone)]
pub struct Question {
    /// Of the caller.
    pub profile: String,
    /// What they would do.
    pub action: String,
    /// What they are to it; every relation, if it is left out.
    pub relation: Option<String>,
}

/// What `access` says to `question`, a line each relation, with the rules that decide.
///
/// # Errors
///
/// Names each word that is none, with those that there are.
pub fn explain(access: &Access, question: &Question) -> Result<String, Vec<String>> {
    let mut problems = Vec::new();
    let profile = Profile::parse(&question.profile);
    if profile.is_none() {
        problems.push(unknown("--profile", &Profile::ALL.map(Profile::as_str)));
    }
    let action = Action::parse(&question.action);
    if action.is_none() {
        problems.push(unknown("--action", &Action::ALL.map(Action::as_str)));
    }
    let relations = match question.relation.as_deref().map(Relation::parse) {
        None => Relation::ALL.to_vec(),
        Some(Some(relation)) => vec![relation],
        Some(None) => {
            problems.push(unknown("--relation", &Relation::ALL.map(Relation::as_str)));
            Vec::new()
        }
    };
    let (Some(profile), Some(action), true) = (profile, action, problems.is_empty()) else {
        return Err(problems);
    };
    let mut said = String::new();
    for relation in relations {
        said += &verdict(access, profile, action, relation);
    }
    Ok(said)
}

fn unknown(argument: &str, words: &[&str]) -> String {
    format!("{argument}: must be one of {}", words.join(", "))
}

fn verdict(access: &Access, profile: Profile, action: Action, relation: Relation) -> String {
    let response = access.ask(profile, action, relation);
    let is_allowed = response.decision() == Decision::Allow;
    let mut said = format!(
        "{}: {} {} ({})\n",
        if is_allowed { "allowed" } else { "denied" },
        profile.as_str(),
        action.as_str(),
        relation.as_str(),
    );
    let mut deciding: Vec<_> = response.diagnostics().reason().collect();
    deciding.sort();
    for id in &deciding {
        if let Some(rule) = access.rules.get(id) {
            let (file, comment) = (&rule.file, &rule.comment);
            let verb = if is_allowed { "allows" } else { "forbids" };
            writeln!(said, "  {id} in {file} {verb} it: {comment}")
                .expect("writing to a String cannot fail");
        }
    }
    if deciding.is_empty() {
        said += "  no rule allows it";
        said += match out_of_bounds(profile, action, relation) {
            Some(bound) => return format!("{said}, and none can: a text {bound}\n"),
            None => "\n",
        };
    }
    said
}
