//! The page `docs/access.md`: the table of the compiled-in rules, for people.

use policies::access::{Action, Profile, Resource, TEXTS, Table};

use super::Access;

/// What stands before the tables.
const INTRODUCTION: &str = include_str!("introduction.md");

/// The page of `access`, in Markdown.
pub fn page(access: &Access) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (resource, title) in [
        (Resource::Person, "Persons and health cards"),
        (Resource::Prescription, "Prescriptions"),
        (Resource::Gateway, "Running the gateway"),
    ] {
        page += &format!("\n## {title}\n\n");
        page += &grid(access.table(), resource);
        page += &format!("\nThe rules (`policies/access/{}`):\n\n", resource.file());
        for (id, rule) in &access.rules {
            if rule.concern == resource.file() {
                page += &format!("- `{id}`: {}\n", rule.comment);
            }
        }
    }
    debug_assert_eq!(TEXTS.len(), Resource::ALL.len());
    page
}

/// A row an action, a column a profile, in each cell the relations that allow it.
fn grid(table: &Table, resource: Resource) -> String {
    let head = Profile::ALL.map(Profile::as_str).join(" | ");
    let rule = Profile::ALL.map(|_| "---").join("|");
    let mut lines = format!("| | {head} |\n|---|{rule}|\n");
    let actions = Action::ALL.into_iter();
    for action in actions.filter(|action| action.resource() == resource) {
        let cells = Profile::ALL.map(|profile| {
            let words: Vec<_> = table
                .relations(profile, action)
                .map(|relation| relation.as_str())
                .collect();
            if words.is_empty() {
                "–".to_owned()
            } else {
                words.join(", ")
            }
        });
        lines += &format!("| `{}` | {} |\n", action.as_str(), cells.join(" | "));
    }
    lines
}
