//! One text of access rules, taken apart.

use cedar_policy::{Policy, PolicyId, PolicySet};
use miette::Diagnostic;
use policies::access::END_OF_TEXT;
use policies::rules::knobs::is_whole;

/// The annotation that names a rule.
const ID: &str = "id";
/// The annotation that says what a rule is for.
pub(super) const COMMENT: &str = "comment";
/// Longest name of a rule.
const ID_BYTES_MAX: usize = 64;

/// The rules of the text that is to stand in the place of `concern`, each under the name that it gives
/// itself, in the order of their names.
pub(super) fn read(concern: &str, text: &str) -> Result<Vec<Policy>, Vec<String>> {
    let file = format!("access/{concern}");
    if !is_whole(text, END_OF_TEXT) {
        return Err(vec![format!(
            "{file}: must end with the line \"{END_OF_TEXT}\", once: it may have been cut short"
        )]);
    }
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        let errors = errors.iter();
        errors
            .map(|error| match line(error, text) {
                Some(line) => format!("{file}: line {line}: must be Cedar: {error}"),
                None => format!("{file}: must be Cedar: {error}"),
            })
            .collect::<Vec<_>>()
    })?;
    let mut problems = Vec::new();
    if set.templates().next().is_some() {
        problems.push(format!(
            "{file}: must have no rule with a slot (?principal, ?resource)"
        ));
    }
    let mut policies = Vec::new();
    for policy in set.policies() {
        match named(policy) {
            Ok(policy) => policies.push(policy),
            Err(rule) => problems.push(format!("{file}: {rule}")),
        }
    }
    policies.sort_by(|one, other| one.id().cmp(other.id()));
    if problems.is_empty() {
        Ok(policies)
    } else {
        Err(problems)
    }
}

/// The line in which what is wrong begins.
fn line(error: &impl Diagnostic, text: &str) -> Option<usize> {
    let offset = error.labels()?.next()?.offset();
    Some(text.get(..offset)?.matches('\n').count() + 1)
}

/// `policy` under its own name.
fn named(policy: &Policy) -> Result<Policy, String> {
    let id = policy.annotation(ID).unwrap_or_default();
    let is_name = (1..=ID_BYTES_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_name {
        let number = policy.id().to_string();
        let number = number.trim_start_matches("policy").parse::<usize>();
        let number = number.map_or_else(|_| "a rule".to_owned(), |at| format!("rule {}", at + 1));
        return Err(format!(
            "{number}: must have an @id of 1 to {ID_BYTES_MAX} small letters, digits and hyphens"
        ));
    }
    if policy
        .annotation(COMMENT)
        .is_none_or(|comment| comment.trim().is_empty())
    {
        return Err(format!("{id}: must say in an @comment what it is for"));
    }
    Ok(policy.new_id(PolicyId::new(id)))
}
