//! What an operator asks of a running gateway from the command line, over its own edge.
//!
//! # Failure
//!
//! A file that does not serve is named with its key and its rule. What the gateway refuses is told in
//! its own words, each broken rule on a line.

mod file;
mod keys;

use std::fmt::Write as _;
use std::path::Path;

use adapters::operator::{Operator, Unanswered};
use serde_json::{Value, json};

pub use file::{FileError, OperatorFile};

/// What is asked.
#[derive(Debug, Clone)]
pub enum Request {
    /// Which toggles there are.
    List,
    /// To set one.
    Set {
        /// The value of the policy.
        target: String,
        /// What it is to be.
        value: String,
        /// Why.
        reason: String,
        /// Who.
        author: String,
        /// For how long.
        lasts: String,
        /// Only to say what it would change.
        dry_run: bool,
    },
    /// Which keys there are, and how a rotation stands.
    Keys {
        /// Whether to count the values under each.
        count: bool,
    },
    /// To rotate them.
    RotateKeys,
    /// To take one back.
    Withdraw {
        /// The value of the policy.
        target: String,
        /// Why.
        reason: String,
        /// Who.
        author: String,
        /// Only to say what it would change.
        dry_run: bool,
    },
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The operator's file, or one that it names.
    #[error("{} problem(s) of the operator's file", .0.len())]
    File(Vec<FileError>),
    /// No answer.
    #[error(transparent)]
    Unanswered(Unanswered),
    /// An answer that is a refusal, in words.
    #[error("{0}")]
    Refused(String),
}

/// Asks the gateway that `file` names, and says what it answers.
///
/// # Errors
///
/// What kept it from an answer, or what the gateway refused.
pub async fn ask(file: &Path, request: Request) -> Result<String, AskError> {
    let file = OperatorFile::read(file).map_err(AskError::File)?;
    let operator = Operator::open(&file.settings)
        .map_err(|error| AskError::File(vec![FileError::of_client(&error)]))?;
    let token = file.token().map_err(|error| AskError::File(vec![error]))?;
    let (path, body) = on_the_wire(&request);
    let body = body.map(|body| body.to_string().into_bytes());
    let answer = operator.ask(path, &token, body).await;
    let answer = answer.map_err(AskError::Unanswered)?;
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == 200 {
        return Ok(match request {
            Request::List => listed(&said),
            Request::Keys { .. } => keys::listed(&said),
            Request::RotateKeys => keys::begun(&said),
            Request::Set { .. } | Request::Withdraw { .. } => done(&said),
        });
    }
    Err(AskError::Refused(refused(answer.status, &said)))
}

fn on_the_wire(request: &Request) -> (&'static str, Option<Value>) {
    match request {
        Request::List => ("/toggles", None),
        Request::Keys { count: false } => ("/keys", None),
        Request::Keys { count: true } => ("/keys?count=true", None),
        Request::RotateKeys => ("/keys/rotate", Some(json!({}))),
        Request::Set {
            target,
            value,
            reason,
            author,
            lasts,
            dry_run,
        } => {
            let body = json!({
                "target": target, "value": value, "reason": reason, "author": author,
                "expires_in": lasts, "dry_run": dry_run,
            });
            ("/toggles", Some(body))
        }
        Request::Withdraw {
            target,
            reason,
            author,
            dry_run,
        } => {
            let body = json!({
                "target": target, "reason": reason, "author": author, "dry_run": dry_run,
            });
            ("/toggles/withdraw", Some(body))
        }
    }
}

fn items<'a>(said: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    said[key].as_array().into_iter().flatten()
}

fn text<'a>(said: &'a Value, key: &str) -> &'a str {
    said[key].as_str().unwrap_or_default()
}

fn listed(said: &Value) -> String {
    let mut lines = String::new();
    for toggle in items(said, "items") {
        let overdue = match toggle["is_overdue"].as_bool() {
            Some(true) => ", over and still in force",
            _ => "",
        };
        let (target, value) = (text(toggle, "target"), text(toggle, "value"));
        let (until, author) = (text(toggle, "expires_at"), text(toggle, "author"));
        let (organization, reason) = (text(toggle, "organization"), text(toggle, "reason"));
        writeln!(
            lines,
            "{target} = {value}  until {until}{overdue}\n  {author} ({organization}): {reason}"
        )
        .expect("writing to a String cannot fail");
    }
    if lines.is_empty() {
        lines.push_str("no toggle is set\n");
    }
    lines
}

fn done(said: &Value) -> String {
    let mut lines = String::new();
    for change in items(said, "changes") {
        let or_none = |key| change[key].as_str().unwrap_or("(none)");
        let (before, after) = (or_none("before"), or_none("after"));
        writeln!(lines, "{}: {before} → {after}", text(change, "key"))
            .expect("writing to a String cannot fail");
    }
    if lines.is_empty() {
        lines.push_str("the values stay as they are\n");
    }
    if said["dry_run"] == true {
        lines.push_str("nothing was changed\n");
    } else if let Some(until) = said["expires_at"].as_str() {
        writeln!(lines, "in force until {until}").expect("writing to a String cannot fail");
    } else {
        lines.push_str("withdrawn\n");
    }
    lines
}

fn refused(status: u16, said: &Value) -> String {
    let mut lines = format!("{status} {}: {}", text(said, "code"), text(said, "title"));
    for error in items(said, "errors") {
        let field = text(error, "pointer").trim_start_matches('/');
        write!(lines, "\n  {field}: {}", text(error, "detail"))
            .expect("writing to a String cannot fail");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_rule_is_on_a_line() {
        let said = json!({"code": "content-refused", "title": "It breaks rules", "errors": [
            {"pointer": "/target", "detail": "is not a value of the policy"},
            {"pointer": "/reason", "detail": "must have 1 to 500 characters"},
        ]});
        assert_eq!(
            refused(422, &said),
            "422 content-refused: It breaks rules\n  target: is not a value of the policy\n  \
             reason: must have 1 to 500 characters"
        );
    }

    #[test]
    fn what_changed_is_told_before_and_after() {
        let said = json!({"dry_run": true, "expires_at": "2026-11-22T10:00:00Z", "changes": [
            {"key": "sac.lots.mode", "before": "\"auto\"", "after": "\"disabled\""},
        ]});
        assert_eq!(
            done(&said),
            "sac.lots.mode: \"auto\" → \"disabled\"\nnothing was changed\n"
        );
        let said = json!({"dry_run": false, "changes": []});
        assert_eq!(done(&said), "the values stay as they are\nwithdrawn\n");
        assert_eq!(listed(&json!({"items": []})), "no toggle is set\n");
    }
}
