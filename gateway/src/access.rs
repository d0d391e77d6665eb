//! Who may do what: access rules are read here, proved here, and become the table that the edge asks.
//!
//! The only place that knows Cedar. The rules are texts, one a concern (persons, prescriptions,
//! operations): those that are compiled in, and in their place those of the operators' directory.
//!
//! # Invariants
//!
//! 1. What no rule allows is denied.
//! 2. Texts become a table only as a whole: each is complete, keeps the schema in the strict sense, says
//!    of every rule what it is for, and stays within [`policies::access::out_of_bounds`].
//! 3. A rule that cannot be evaluated is refused: a `forbid` that failed would forbid nothing.
//!
//! # Limits
//!
//! [`RULES_MAX`] rules; the texts are as large as [`crate::rules`] lets files be.
//!
//! # Failure
//!
//! Every problem is named with its file, its rule and what is wrong with it.

mod page;
mod text;
mod why;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, Request, Response, RestrictedExpression, Schema, ValidationMode, Validator,
};
use policies::access::{Action, Profile, Relation, SCHEMA, TEXTS, Table, out_of_bounds};

pub use page::page;
pub use why::{Question, explain};

/// Rules of all texts together.
pub const RULES_MAX: usize = 200;

/// Access rules that hold, and what they come to.
pub struct Access {
    set: PolicySet,
    rules: BTreeMap<PolicyId, Rule>,
    table: Table,
}

/// One rule of a text.
#[derive(Debug, Clone)]
struct Rule {
    /// Where it stands, as people are told it.
    file: String,
    /// The concern of that file, by the name of the compiled-in one.
    concern: &'static str,
    /// What it is for, in its own words.
    comment: String,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

/// What the compiled-in texts come to.
static COMPILED_IN: LazyLock<Access> = LazyLock::new(|| {
    Access::read(&BTreeMap::new()).expect("a test reads the texts that are compiled in")
});

/// The table of the compiled-in texts with `files` in the place of those of the same names.
///
/// # Errors
///
/// Lists every problem.
pub(crate) fn table(files: &BTreeMap<&str, &str>) -> Result<Table, Vec<String>> {
    if files.is_empty() {
        return Ok(COMPILED_IN.table);
    }
    Access::read(files).map(|access| access.table)
}

/// The table of the compiled-in texts.
pub(crate) fn compiled_in() -> Table {
    COMPILED_IN.table
}

impl Access {
    /// The compiled-in texts with `files` in the place of those of the same names: `persons.cedar`,
    /// `prescriptions.cedar`, `operations.cedar`. A file without a rule leaves the compiled-in one.
    ///
    /// # Errors
    ///
    /// Lists every problem: those of the texts, or else those of their rules.
    pub fn read(files: &BTreeMap<&str, &str>) -> Result<Access, Vec<String>> {
        let mut problems = Vec::new();
        let mut access = Access {
            set: PolicySet::new(),
            rules: BTreeMap::new(),
            table: Table::denied(),
        };
        for (concern, compiled_in) in TEXTS {
            let of_file = files.get(concern).map(|text| text::read(concern, text));
            let file = format!("access/{concern}");
            let (file, policies) = match of_file {
                Some(Ok(policies)) if !policies.is_empty() => (file, policies),
                Some(Err(more)) => {
                    problems.extend(more);
                    continue;
                }
                Some(Ok(_)) | None => match text::read(concern, compiled_in) {
                    Ok(policies) => (format!("{file} (compiled in)"), policies),
                    Err(more) => {
                        problems.extend(more);
                        continue;
                    }
                },
            };
            for policy in policies {
                problems.extend(access.add(policy, concern, &file).err());
            }
        }
        if access.rules.len() > RULES_MAX {
            problems.push(format!("access: must hold {RULES_MAX} rules at most"));
        }
        if problems.is_empty() {
            problems = access.misfits();
        }
        if problems.is_empty() {
            access.evaluate().map(|()| access)
        } else {
            Err(problems)
        }
    }

    /// What they come to.
    pub fn table(&self) -> &Table {
        &self.table
    }

    fn add(&mut self, policy: Policy, concern: &'static str, file: &str) -> Result<(), String> {
        let id = policy.id().clone();
        if let Some(other) = self.rules.get(&id) {
            let other = &other.file;
            return Err(format!(
                "{file}: {id}: must have an @id of its own: {other} has it too"
            ));
        }
        let rule = Rule {
            file: file.to_owned(),
            concern,
            comment: policy
                .annotation(text::COMMENT)
                .unwrap_or_default()
                .to_owned(),
        };
        self.rules.insert(id, rule);
        self.set
            .add(policy)
            .map_err(|error| format!("{file}: {error}"))
    }

    /// What is wrong with the rules by the schema.
    fn misfits(&self) -> Vec<String> {
        let said = Validator::new(schema()).validate(&self.set, ValidationMode::Strict);
        let said = said.validation_errors();
        let named = said.map(|error| self.problem(error.policy_id(), &error.to_string()));
        // A set, for the validator tells of one word once for each action that it is looked at for.
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn problem(&self, id: &PolicyId, rule: &str) -> String {
        let file = self.rules.get(id).map_or("access", |rule| &rule.file);
        format!("{file}: {id}: {rule}")
    }

    /// Asks the rules about everything once, and lists what they must not allow.
    fn evaluate(&mut self) -> Result<(), Vec<String>> {
        let mut problems = BTreeSet::new();
        let mut allowed = BTreeSet::new();
        for (profile, action, relation) in everything() {
            let response = self.ask(profile, action, relation);
            for error in response.diagnostics().errors() {
                problems.insert(format!("access: must be evaluated everywhere: {error}"));
            }
            let is_allowed = response.decision() == Decision::Allow;
            let deciding: Vec<&PolicyId> = response.diagnostics().reason().collect();
            if is_allowed {
                allowed.insert((profile, action, relation));
                let bound = out_of_bounds(profile, action, relation);
                let concern = action.resource().file();
                for id in deciding {
                    problems.extend(bound.map(|rule| self.problem(id, rule)));
                    if self
                        .rules
                        .get(id)
                        .is_some_and(|rule| rule.concern != concern)
                    {
                        let rule = "must be about the concern of its file alone";
                        problems.insert(self.problem(id, rule));
                    }
                }
            } else if action == Action::ReadStatus && relation == Relation::None {
                problems.insert(STATUS_IS_OPEN.to_owned());
            }
        }
        if !problems.is_empty() {
            return Err(problems.into_iter().collect());
        }
        self.table =
            Table::of(|profile, action, relation| allowed.contains(&(profile, action, relation)));
        Ok(())
    }

    /// What the rules say of one thing.
    fn ask(&self, profile: Profile, action: Action, relation: Relation) -> Response {
        let relation = RestrictedExpression::new_entity_uid(uid("Relation", relation.as_str()));
        let context = Context::from_pairs([("relation".to_owned(), relation)]);
        let request = Request::new(
            uid("Profile", profile.as_str()),
            uid("Action", action.as_str()),
            uid(action.resource().as_str(), "any"),
            context.expect("one pair has no name twice"),
            None,
        );
        let request = request.expect("without a schema nothing is checked");
        Authorizer::new().is_authorized(&request, &self.set, &Entities::empty())
    }
}

/// The status is asked for without a token, so that no rule could keep anybody from it.
const STATUS_IS_OPEN: &str =
    "access/operations.cedar: must allow read-status to every profile: it is asked without a token";

/// Every cell of the table.
fn everything() -> impl Iterator<Item = (Profile, Action, Relation)> {
    Profile::ALL.into_iter().flat_map(|profile| {
        Action::ALL.into_iter().flat_map(move |action| {
            let relations = Relation::ALL.into_iter();
            relations.map(move |relation| (profile, action, relation))
        })
    })
}

fn uid(kind: &'static str, word: &str) -> EntityUid {
    let kind: EntityTypeName = kind.parse().expect("the kinds of the schema are names");
    EntityUid::from_type_name_and_id(kind, EntityId::new(word))
}

/// The schema, which is compiled in.
fn schema() -> Schema {
    let (schema, _) =
        Schema::from_cedarschema_str(SCHEMA).expect("a test reads the schema that is compiled in");
    schema
}

#[cfg(test)]
mod tests;
