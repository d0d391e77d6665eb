//! The compiled-in rules, and every kind of text that never takes effect.

use std::collections::{BTreeMap, BTreeSet};

use policies::access::{END_OF_TEXT, Resource};

use super::*;

const PERSONS: &str = "persons.cedar";
const OPERATIONS: &str = "operations.cedar";

fn compiled_in(name: &str) -> &'static str {
    let found = TEXTS.iter().find(|(file, _)| *file == name);
    found.expect("it is compiled in").1
}

/// What is wrong with `text` in the place of the compiled-in `name`.
fn problems(name: &str, text: &str) -> Vec<String> {
    match Access::read(&BTreeMap::from([(name, text)])) {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    }
}

/// A rule for persons, whole, with these parts.
fn rule(head: &str, when: &str) -> String {
    format!("@id(\"r\")\n@comment(\"c\")\n{head} when {{ {when} }};\n{END_OF_TEXT}\n")
}

#[test]
fn the_words_of_the_schema_are_ours() {
    let words = |start: &str, text: &str| -> BTreeSet<String> {
        let (_, rest) = text.split_once(start).expect("the schema has it");
        let (inside, _) = rest.split_once(']').expect("the list ends");
        let quoted = inside.split('"').skip(1).step_by(2);
        quoted.map(str::to_owned).collect()
    };
    let ours = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let profiles: BTreeSet<String> = ours(&Profile::ALL.map(Profile::as_str));
    assert_eq!(words("entity Profile enum [", SCHEMA), profiles);
    let relations: BTreeSet<String> = ours(&Relation::ALL.map(Relation::as_str));
    assert_eq!(words("entity Relation enum [", SCHEMA), relations);
    let actions: BTreeSet<String> = schema()
        .actions()
        .map(|uid| uid.id().unescaped().to_owned())
        .collect();
    assert_eq!(actions, ours(&Action::ALL.map(Action::as_str)));
    for action in Action::ALL {
        let uid = uid("Action", action.as_str());
        let resources: Vec<String> = schema()
            .resources_for_action(&uid)
            .expect("it is an action of the schema")
            .map(ToString::to_string)
            .collect();
        assert_eq!(resources, [action.resource().as_str()], "{action:?}");
    }
}

#[test]
fn the_compiled_in_texts_hold() {
    let access = Access::read(&BTreeMap::new()).expect("they hold");
    let table = access.table();
    let relations = |profile, action| table.relations(profile, action).collect::<Vec<_>>();
    for profile in [Profile::Operator, Profile::Viewer] {
        for action in Action::ALL {
            let is_clinical = action.resource() != Resource::Gateway;
            assert!(!is_clinical || relations(profile, action).is_empty());
        }
    }
    assert_eq!(
        relations(Profile::Practice, Action::ShowKnown),
        [
            Relation::ListedDoctor,
            Relation::Answered,
            Relation::BrokenGlass
        ]
    );
    assert_eq!(
        relations(Profile::Portal, Action::SearchPerson),
        [Relation::Oneself]
    );
    assert!(!table.allows_some(Profile::CallCentre, Action::VerifyCard));
}

#[test]
fn a_text_takes_the_place_of_the_one_of_its_name_alone() {
    let text = compiled_in(PERSONS).replace("    Profile::\"pharmacy\",\n", "");
    let read = Access::read(&BTreeMap::from([(PERSONS, text.as_str())])).expect("it holds");
    let before = COMPILED_IN.table;
    let lost =
        everything().filter(|&(p, a, r)| before.allows(p, a, r) != read.table.allows(p, a, r));
    let lost: Vec<_> = lost.collect();
    assert_eq!(
        lost,
        [
            (Profile::Pharmacy, Action::SearchPerson, Relation::None),
            (Profile::Pharmacy, Action::VerifyCard, Relation::None),
            (Profile::Pharmacy, Action::ShowKnown, Relation::Answered),
        ]
    );
    let empty = format!("// back to the compiled-in rules\n{END_OF_TEXT}\n");
    let read = Access::read(&BTreeMap::from([(PERSONS, empty.as_str())])).expect("it holds");
    assert_eq!(read.table, before);
}

#[test]
fn a_forbid_takes_away_what_a_permit_gives() {
    let text = compiled_in(PERSONS).replace(
        END_OF_TEXT,
        &rule(
            "forbid (principal, action == Action::\"break-glass\", resource)",
            "true",
        ),
    );
    let read = Access::read(&BTreeMap::from([(PERSONS, text.as_str())])).expect("it holds");
    assert!(
        !read
            .table
            .allows_some(Profile::Practice, Action::BreakGlass)
    );
    assert!(
        read.table
            .allows_some(Profile::Practice, Action::SearchPerson)
    );
}

/// A text, and the words that its problems must hold.
type BadText = (String, Vec<&'static str>);

const PERMIT: &str = "permit (principal, action == Action::\"search-person\", resource)";

fn of(word: &str) -> String {
    format!("context.relation == Relation::\"{word}\"")
}

/// What is no rule.
fn unreadable() -> Vec<BadText> {
    vec![
        (
            rule(PERMIT, &of("listed-docter")),
            vec!["access/persons.cedar: r:", "listed-docter"],
        ),
        (
            rule(PERMIT, "context.relaton == 1"),
            vec!["access/persons.cedar: r:", "relaton"],
        ),
        (
            rule(
                "permit (principal == Profile::\"king\", action, resource)",
                "true",
            ),
            vec!["r:", "king"],
        ),
        (
            rule(
                "permit (principal, action == Action::\"read-all\", resource)",
                "true",
            ),
            vec!["r:", "read-all"],
        ),
        (rule(PERMIT, "1 + 1"), vec!["r:"]),
        (
            rule("permit (principal, action, resource", "true"),
            vec!["persons.cedar: line 3: must be Cedar"],
        ),
        (
            rule("permit (principal == ?principal, action, resource)", "true"),
            vec!["slot"],
        ),
        (
            rule(PERMIT, &of("none")).replace("@id(\"r\")", "@id(\"R 1\")"),
            vec!["rule 1: must have an @id"],
        ),
        (
            rule(PERMIT, &of("none")).replace("@comment(\"c\")", ""),
            vec!["r: must say in an @comment"],
        ),
        (
            rule(PERMIT, &of("none")).replace("\"r\"", "\"doctors-write\""),
            vec!["doctors-write: must have an @id of its own"],
        ),
        (String::new(), vec!["must end with the line"]),
    ]
}

/// What allows too much.
fn out_of_bounds() -> Vec<BadText> {
    vec![
        (
            rule("permit (principal, action, resource)", "true"),
            vec!["r: must allow an operator", "concern of its file"],
        ),
        (
            rule(PERMIT, "true"),
            vec!["r: must allow an operator and a viewer nothing clinical"],
        ),
        (
            rule(
                "permit (principal == Profile::\"practice\", action == Action::\"show-known\", resource)",
                "true",
            ),
            vec!["r: must show nobody what is known without a relation"],
        ),
        (
            rule(
                "permit (principal == Profile::\"portal\", action == Action::\"search-person\", resource)",
                &of("none"),
            ),
            vec!["r: must let a citizen look up themselves alone"],
        ),
        (
            rule(
                "permit (principal == Profile::\"practice\", action == Action::\"write-prescription\", resource)",
                &of("prescriber"),
            ),
            vec!["r: must be about the concern of its file alone"],
        ),
    ]
}

#[test]
fn a_bad_text_is_refused_with_file_rule_and_reason() {
    for (text, parts) in unreadable().into_iter().chain(out_of_bounds()) {
        let problems = problems(PERSONS, &text).join("\n");
        for part in parts {
            assert!(
                problems.contains(part),
                "{part:?} is not in {problems:?}\n{text}"
            );
        }
    }
}

#[test]
fn an_overflow_that_would_switch_a_forbid_off_is_refused() {
    let text = compiled_in(PERSONS).replace(
        END_OF_TEXT,
        &rule(
            "forbid (principal, action == Action::\"break-glass\", resource)",
            "9223372036854775807 + 1 == 0",
        ),
    );
    let problems = problems(PERSONS, &text).join("\n");
    assert!(
        problems.contains("must be evaluated everywhere"),
        "{problems}"
    );
}

#[test]
fn everybody_may_ask_for_the_status() {
    let text = compiled_in(OPERATIONS).replace(
        "principal,\n  action == Action::\"read-status\"",
        "principal == Profile::\"viewer\",\n  action == Action::\"read-status\"",
    );
    assert_eq!(problems(OPERATIONS, &text), [STATUS_IS_OPEN]);
}

/// A text cut anywhere is refused, or was only white space away from being whole.
#[test]
fn a_text_that_was_cut_is_refused() {
    for (name, text) in TEXTS {
        let end = text.trim_end().len();
        for length in (0..end).filter(|length| text.is_char_boundary(*length)) {
            let problems = text::read(name, &text[..length]).unwrap_err();
            assert!(problems[0].contains("cut short"), "{name} at {length}");
        }
    }
}

#[test]
fn the_page_is_the_one_in_the_documents() {
    let frozen = include_str!("../../../docs/access.md");
    assert!(
        page(&COMPILED_IN) == frozen,
        "the rules have changed. If that is meant, write the page anew and review the difference:\n\
         cargo run -q -p gateway -- check access --table > docs/access.md"
    );
}

#[test]
fn a_decision_names_the_rule_that_made_it() {
    let ask = |profile: &str, action: &str, relation: Option<&str>| {
        let question = Question {
            profile: profile.to_owned(),
            action: action.to_owned(),
            relation: relation.map(str::to_owned),
        };
        explain(&COMPILED_IN, &question)
    };
    let said = ask("practice", "cancel-prescription", Some("prescriber")).unwrap();
    assert!(
        said.starts_with("allowed: practice cancel-prescription (prescriber)\n"),
        "{said}"
    );
    assert!(
        said.contains(
            "prescribers-cancel in access/prescriptions.cedar (compiled in) allows it: Only who"
        ),
        "{said}"
    );
    let said = ask("operator", "read-prescription", Some("same-organization")).unwrap();
    assert!(
        said.starts_with("denied: ") && said.contains("none can"),
        "{said}"
    );
    let said = ask("pharmacy", "break-glass", None).unwrap();
    assert_eq!(
        said.matches("denied: ").count(),
        Relation::ALL.len(),
        "{said}"
    );
    let problems = ask("king", "rule", Some("divine")).unwrap_err();
    assert_eq!(problems.len(), 3);
    assert!(problems[0].contains("practice, substitute"), "{problems:?}");
}
