//! Rules that operators write while the gateway serves: another text takes effect, a bad one never.

use std::fs;
use std::io;
use std::time::Duration;

use tests::world::World;
use tests::world::caller::Caller;
use tests::world::wait::until;

use super::known_to_others;

const PERSONS: &str = include_str!("../../../policies/access/persons.cedar");
const SOON: Duration = Duration::from_secs(20);

/// Puts `text` in the place of the access rules of this name, as a careful editor does.
fn write(world: &World, name: &str, text: &str) -> io::Result<()> {
    let directory = world.policies_dir().join("access");
    fs::create_dir_all(&directory)?;
    let new = directory.join(".new");
    fs::write(&new, text)?;
    fs::rename(new, directory.join(name))
}

/// Waits until a pharmacy is refused or not.
async fn until_pharmacies(caller: &Caller, may: bool) {
    until("the rules are in force", SOON, async || {
        let reply = caller.search_person(&known_to_others()).await;
        ((reply.status == 200) == may).then_some(())
    })
    .await;
}

/// Without pharmacies among those who search, and then with them again.
#[tokio::test]
async fn a_changed_text_takes_effect_without_a_restart() {
    let mut world = World::start().await;
    let pharmacy = world.pharmacy();
    pharmacy.search_person(&known_to_others()).await.expect(200);
    let without = PERSONS.replace("    Profile::\"pharmacy\",\n", "");
    assert_ne!(without, PERSONS);
    write(&world, "persons.cedar", &without).expect("the rules can be written");
    until_pharmacies(&pharmacy, false).await;
    let verdict = "access pharmacy search-person none: allowed → denied";
    world.logged(&["the policy changes", verdict]).await;
    let policies = world.operator().get("/ops/v1/policies").await;
    assert!(policies.at("/access").to_string().contains(verdict));
    let refused = pharmacy.search_person(&known_to_others()).await.expect(403);
    assert_eq!(refused.code(), "profile-not-allowed");
    assert!(!refused.text("/errors/0/detail").contains("pharmacy"));
    world
        .booking()
        .search_person(&known_to_others())
        .await
        .expect(200);
    // It is the last good one through a restart, too, even where the file is bad by then.
    write(&world, "persons.cedar", "permit (").expect("the rules can be written");
    world.terminate().await;
    world
        .restart()
        .await
        .expect("it serves with the last good rules");
    pharmacy.search_person(&known_to_others()).await.expect(403);
    write(&world, "persons.cedar", "// end of policy\n").expect("the rules can be written");
    until_pharmacies(&pharmacy, true).await;
    let policies = world.operator().get("/ops/v1/policies").await;
    assert_eq!(policies.at("/access"), serde_json::json!([]));
}

/// Every kind of bad text is named with file, rule and reason, and the rules before it stay.
#[tokio::test]
async fn a_bad_text_never_takes_effect() {
    let world = World::start().await;
    let operator = world.operator();
    let rule = |head: &str, when: &str| {
        format!("@id(\"grab\")\n@comment(\"c\")\n{head}\nwhen {{ {when} }};\n// end of policy\n")
    };
    let anything = "permit (principal, action, resource)";
    let operators = "permit (principal == Profile::\"operator\", action == Action::\"search-person\", \
                     resource)";
    let show =
        "permit (principal == Profile::\"booking\", action == Action::\"show-known\", resource)";
    let none = "context.relation == Relation::\"none\"";
    for (text, named) in [
        (
            rule(anything, "true"),
            "access/persons.cedar: grab: must allow an operator",
        ),
        (
            rule(operators, none),
            "access/persons.cedar: grab: must allow an operator",
        ),
        (
            rule(show, none),
            "access/persons.cedar: grab: must show nobody",
        ),
        (
            rule(operators, "context.relation == Relation::\"boss\""),
            "access/persons.cedar: grab:",
        ),
        (
            PERSONS[..PERSONS.len() / 2].to_owned(),
            "access/persons.cedar: must end with",
        ),
        (format!("permit (\n{PERSONS}"), "access/persons.cedar: line"),
        (String::new(), "access/persons.cedar: must end with"),
    ] {
        write(&world, "persons.cedar", &text).expect("the rules can be written");
        until(named, SOON, async || {
            let policies = operator.get("/ops/v1/policies").await;
            let problems = policies.at("/problems").to_string();
            problems.contains(named).then_some(())
        })
        .await;
        let reply = operator.search_person(&known_to_others()).await.expect(403);
        assert_eq!(reply.code(), "profile-not-allowed");
        world
            .booking()
            .search_person(&known_to_others())
            .await
            .expect(200);
    }
    write(&world, "persons.cedar", PERSONS).expect("the rules can be written");
    write(&world, "everybody.cedar", PERSONS).expect("the rules can be written");
    until("a file of no concern is named", SOON, async || {
        let policies = operator.get("/ops/v1/policies").await;
        let problems = policies.at("/problems").to_string();
        problems
            .contains("everybody.cedar: must be named persons.cedar")
            .then_some(())
    })
    .await;
}
