//! `argine check access` and `argine check --policies`: what they print, and how they end.

use std::fs;

use tests::world::gateway::{self, Ended};
use tests::world::{Setup, World};

const PERSONS: &str = include_str!("../../../policies/access/persons.cedar");
const WRONG: Option<i32> = Some(64);

async fn check(world: &World, arguments: &[&str]) -> Ended {
    let output = world.directory().join("check.log");
    let mut all = vec!["check"];
    all.extend(arguments);
    all.push("--config");
    gateway::run(&all, world.config_file(), &output).await
}

/// Asked whether a pharmacy may search, under the rules of `world`.
async fn ask(world: &World, more: &[&str]) -> Ended {
    let mut arguments = vec!["access", "--action", "search-person"];
    arguments.extend(more);
    check(world, &arguments).await
}

#[tokio::test]
async fn a_decision_ends_well_and_what_is_no_question_or_no_policy_does_not() {
    let world = World::prepare(Setup::default());
    for (profile, word) in [("pharmacy", "allowed"), ("operator", "denied")] {
        let ended = ask(&world, &["--profile", profile, "--relation", "none"]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.output);
        assert!(ended.output.contains(word), "{}", ended.output);
    }
    let ended = ask(&world, &["--profile", "king"]).await;
    assert_eq!(ended.code, WRONG, "{}", ended.output);
    assert!(ended.output.contains("--profile: must be one of"));
    let ended = ask(&world, &[]).await;
    assert_eq!(ended.code, WRONG, "{}", ended.output);
    let ended = check(&world, &["access", "--table"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert!(ended.output.contains("# Who may do what"));

    let directory = world.policies_dir().join("access");
    fs::create_dir_all(&directory).expect("a directory can be made");
    fs::write(directory.join("persons.cedar"), "permit (").expect("a file can be written");
    let ended = ask(&world, &["--profile", "pharmacy"]).await;
    assert_eq!(ended.code, WRONG, "{}", ended.output);
    assert!(
        ended.output.contains("access/persons.cedar"),
        "{}",
        ended.output
    );
}

#[tokio::test]
async fn a_check_of_other_policies_lists_the_verdicts_that_change() {
    let world = World::prepare(Setup::default());
    let other = world.directory().join("other");
    fs::create_dir_all(other.join("access")).expect("a directory can be made");
    let sac = world.policies_dir().join("sac.toml");
    fs::copy(sac, other.join("sac.toml")).expect("the policy can be copied");
    let other_path = other.to_str().expect("a temporary path is text");
    let same = check(&world, &["--policies", other_path]).await;
    assert!(
        same.output.contains("nothing would change"),
        "{}",
        same.output
    );
    let without = PERSONS.replace("    Profile::\"pharmacy\",\n", "");
    fs::write(other.join("access/persons.cedar"), without).expect("a file can be written");
    let ended = check(&world, &["--policies", other_path]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    let line = "access pharmacy search-person none: allowed → denied";
    assert!(ended.output.contains(line), "{}", ended.output);
    assert!(!ended.output.contains("nothing would change"));
}
