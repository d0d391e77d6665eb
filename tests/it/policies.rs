//! Policies change while the gateway serves: whole, or not at all.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::json;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::world::gateway::{self, Ended};
use tests::world::prescription::{drug, key};
use tests::world::wait::{passed, until};
use tests::world::{Setup, World};

const WAIT: &str = "sac.prescriptions.answer_within";
const SOON: Duration = Duration::from_secs(20);
/// The exit code of a wrong configuration (`EX_USAGE`).
const WRONG: i32 = 64;

/// A changed file is in force without a restart; its lines say so, and what needs one waits.
#[tokio::test]
async fn a_changed_file_is_in_force_within_a_second_or_two() {
    let mut world = World::start().await;
    let operator = world.operator();
    assert_eq!(operator.policy_value(WAIT).await, "\"1s\"");
    let before = operator.get("/ops/v1/policies").await.at("/generation");
    world.repolicy("prescriptions.answer_within", "1500ms");
    operator.until_policy(WAIT, "\"1500ms\"").await;
    let after = operator.get("/ops/v1/policies").await.at("/generation");
    assert!(after.as_u64() > before.as_u64(), "{after} after {before}");
    assert!(
        world
            .output()
            .contains("sac.prescriptions.answer_within: \\\"1s\\\" → \\\"1500ms\\\"")
    );

    world.repolicy("prescriptions.calls.queue_max", 2000);
    let waits = |reply: &tests::world::caller::Reply| {
        reply.text("/pending/0/key") == "sac.prescriptions.calls.queue_max"
    };
    let policies = operator
        .until_policies("it waits for a restart", waits)
        .await;
    assert_eq!(policies.text("/pending/0/after"), "2000");
    assert_eq!(
        operator
            .policy_value("sac.prescriptions.calls.queue_max")
            .await,
        "1024"
    );
    world.terminate().await;
    world.restart().await.expect("the new policy is good");
    assert_eq!(
        operator
            .policy_value("sac.prescriptions.calls.queue_max")
            .await,
        "2000"
    );
    assert_eq!(
        operator.get("/ops/v1/policies").await.at("/pending"),
        json!([])
    );
}

/// A directory behind a link, put in another's place at once, as Kubernetes does it.
#[tokio::test]
async fn a_directory_behind_a_link_is_followed() {
    let mut world = World::start().await;
    let operator = world.operator();
    let directory = world.policies_dir();
    let data = |name: &str, wait: &str| {
        let line = |wait: &str| format!("prescriptions.answer_within = {wait}\n");
        let text = world.policy_text().replace(&line("\"1s\""), &line(wait));
        let at = directory.join(name);
        fs::create_dir(&at).expect("a directory can be made");
        fs::write(at.join("sac.toml"), text).expect("a policy can be written");
    };
    data("..1", "\"1s\"");
    data("..2", "\"1700ms\"");
    symlink("..1", directory.join("..data")).expect("a link can be made");
    fs::remove_file(directory.join("sac.toml")).expect("the file can be removed");
    symlink("..data/sac.toml", directory.join("sac.toml")).expect("a link can be made");
    world.terminate().await;
    world.restart().await.expect("the policy is good");
    symlink("..2", directory.join("..next")).expect("a link can be made");
    fs::rename(directory.join("..next"), directory.join("..data")).expect("links can be swapped");
    operator.until_policy(WAIT, "\"1700ms\"").await;
}

/// A file that is cut short is refused whichever part is there, is named once, and changes nothing.
#[tokio::test]
async fn a_bad_file_leaves_the_last_good_policy_in_force() {
    let mut world = World::start().await;
    let operator = world.operator();
    let whole = world.policy_text();
    for length in [0, whole.len() / 3, whole.len() - 4] {
        world
            .write_policy(&whole[..length])
            .expect("the policy can be written");
        let refused = |reply: &tests::world::caller::Reply| reply.at("/is_last_good") == true;
        let policies = operator
            .until_policies("the file is refused", refused)
            .await;
        let said = policies.text("/problems/0");
        assert!(
            said.contains("sac.toml") && said.contains("# end of policy"),
            "{said}"
        );
        assert_eq!(operator.policy_value(WAIT).await, "\"1s\"");
        world
            .write_policy(&whole)
            .expect("the policy can be written");
        let taken = |reply: &tests::world::caller::Reply| reply.at("/is_last_good") == false;
        operator
            .until_policies("the file is good again", taken)
            .await;
    }
    let caller = world.caller("practice-a");
    world.repolicy("prescriptions.answer_within", "40s");
    let names = |reply: &tests::world::caller::Reply| {
        reply
            .text("/problems/0")
            .contains("prescriptions.answer_within")
    };
    operator
        .until_policies("it is refused by its key", names)
        .await;
    caller.prescribe(&key(), &drug()).await.expect(201);
    let said = "must be shorter than the edge's listen.answer_within";
    let lines = world
        .output()
        .lines()
        .filter(|line| line.contains(said))
        .count();
    assert_eq!(lines, 1, "said once");
}

/// With a bad file the gateway serves again by the last good one; without one that it remembers, not
/// at all; and `argine check` refuses it in any case.
#[tokio::test]
async fn the_last_good_policy_survives_a_restart() {
    let mut world = World::start().await;
    let operator = world.operator();
    world.repolicy("prescriptions.answer_within", "1500ms");
    operator.until_policy(WAIT, "\"1500ms\"").await;
    world.kill().await;
    world.repolicy("lots.kind", 0);
    world
        .restart()
        .await
        .expect("it serves by the last good policy");
    let policies = operator.get("/ops/v1/policies").await.expect(200);
    assert_eq!(policies.at("/is_last_good"), true);
    assert!(policies.text("/problems/0").contains("lots.kind = 0"));
    assert_eq!(operator.policy_value(WAIT).await, "\"1500ms\"");
    world.logged(&["serving with the last good one"]).await;
    let output = world.directory().join("check.log");
    let checked = gateway::run(&["check", "--config"], world.config_file(), &output).await;
    assert_eq!(checked.code, Some(WRONG));

    world.repolicy("lots.kind", 3);
    let taken = |reply: &tests::world::caller::Reply| reply.at("/is_last_good") == false;
    operator
        .until_policies("the file is good again", taken)
        .await;

    let mut fresh = World::prepare(Setup::default().policy("lots.kind", 0));
    let ended = fresh
        .restart()
        .await
        .expect_err("nothing good is remembered");
    assert_eq!(ended.code, Some(WRONG), "{}", ended.output);
    assert!(ended.output.contains("lots.kind = 0"), "{}", ended.output);
    assert!(
        !fresh.store_dir().exists(),
        "a store was made for a bad policy"
    );
}

/// A file that is deleted, and a directory that is lost, leave everything in force, live and after a
/// restart.
#[tokio::test]
async fn a_file_that_is_gone_leaves_its_policy_in_force() {
    let mut world = World::start().await;
    let operator = world.operator();
    let refused = |reply: &tests::world::caller::Reply| reply.at("/is_last_good") == true;
    fs::remove_file(world.policies_dir().join("sac.toml")).expect("the file can be removed");
    for is_restarted in [false, true] {
        if is_restarted {
            world.kill().await;
            world.restart().await.expect("it serves by the last good");
        }
        let policies = operator.until_policies("it is missed", refused).await;
        let said = policies.text("/problems/0");
        assert!(said.contains("only the line"), "{said}");
        assert_eq!(operator.policy_value(WAIT).await, "\"1s\"");
    }
    world
        .write_policy("# end of policy\n")
        .expect("a policy can be written");
    operator.until_policy(WAIT, "\"8s\"").await;
}

/// A file of no upstream is a misspelt one; what editors leave behind is nothing.
#[tokio::test]
async fn a_file_of_no_upstream_is_refused() {
    let mut world = World::start().await;
    world.terminate().await;
    let directory = world.policies_dir();
    for name in ["sac.toml~", ".sac.toml.swp", "notes.txt"] {
        fs::write(directory.join(name), "x").expect("a file can be written");
    }
    let output = world.directory().join("check.log");
    let check = async || gateway::run(&["check", "--config"], world.config_file(), &output).await;
    assert_eq!(check().await.code, Some(0));
    fs::write(directory.join("scc.toml"), "").expect("a file can be written");
    let ended = check().await;
    assert_eq!(ended.code, Some(WRONG));
    assert!(ended.output.contains("scc.toml"), "{}", ended.output);
}

/// `argine check` prints every value with what set it, and what other files or toggles would change.
#[tokio::test]
async fn check_shows_the_policy_and_what_would_change() {
    let world = World::prepare(Setup::default());
    let output = world.directory().join("check.log");
    let other = world.directory().join("other");
    fs::create_dir(&other).expect("a directory can be made");
    let write = |text: String| {
        fs::write(other.join("sac.toml"), text).expect("a policy can be written");
    };
    let check = async |arguments: &[&str]| {
        let arguments = [&["check"], arguments, &["--config"]].concat();
        gateway::run(&arguments, world.config_file(), &output).await
    };
    let all = check(&[]).await.output;
    for line in [
        "sac.prescriptions.answer_within = \"1s\"  # sac.toml, live",
        "sac.prescriptions.mode = \"auto\"  # compiled-in, live",
        "sac.lots.kind = 3  # compiled-in, restart",
    ] {
        assert!(
            all.lines().any(|printed| printed == line),
            "{line} in {all}"
        );
    }
    let path = other.to_str().expect("a temporary path is text");
    let directory = ["--policies", path];
    write(world.policy_text().replace(
        "prescriptions.answer_within = \"1s\"",
        "prescriptions.answer_within = \"900ms\"",
    ));
    let said = check(&directory).await;
    assert_eq!(
        said.output,
        "sac.prescriptions.answer_within: \"1s\" → \"900ms\"  (live)\n"
    );
    let toggled = check(&["--toggle", "sac.prescriptions.mode=disabled"]).await;
    assert_eq!(
        toggled.output,
        "sac.prescriptions.mode: \"auto\" → \"disabled\"  (live)\n"
    );
    write(world.policy_text());
    assert_eq!(check(&directory).await.output, "nothing would change\n");

    let refused = |ended: Ended, named: &str| {
        assert_eq!(ended.code, Some(WRONG), "{}", ended.output);
        assert!(ended.output.contains(named), "{named} in {}", ended.output);
    };
    refused(check(&["--toggle", "sac.no.such=1"]).await, "sac.no.such");
    refused(check(&["--toggle", "sac.lots.kind"]).await, "TARGET=VALUE");
    refused(check(&["--toggle", "sac.lots.kind=4"]).await, "restart");
    refused(
        check(&["--toggle", "sac.lots.block={a = 1}"]).await,
        "not a table",
    );
    refused(
        check(&["--toggle", "sac.lots.block=0"]).await,
        "lots.block = 0",
    );
    write(world.policy_text().replace("\"1s\"", "\"1h\""));
    refused(check(&directory).await, "answer_within");
    // The repair of a bad file can be checked before it takes its place.
    let good = world.policy_text();
    let cut = &good[..good.len() / 2];
    world.write_policy(cut).expect("a policy can be written");
    refused(check(&[]).await, "# end of policy");
    write(good);
    let repaired = check(&directory).await;
    assert_eq!(repaired.code, Some(0), "{}", repaired.output);
    assert!(repaired.output.starts_with("# the policy of the settings"));
    assert!(!world.store_dir().exists(), "a check opens no store");
}

/// Two policies that differ in two values at once, put in each other's place under traffic: each answer
/// is by one of them, and the memory of it all does not grow. One holds writes and refuses a drug
/// with a field of a service; the other takes it and sends all to paper: such a drug is held by neither.
#[tokio::test]
async fn reloads_under_traffic_leave_no_answer_of_two_policies() {
    let mut world =
        World::with(Setup::default().policy("prescriptions.fallback.otherwise", "hold")).await;
    let operator = world.operator();
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    operator
        .toggle("sac.prescriptions.mode", "forced-open", "1h")
        .await
        .expect(200);
    let hold = world.policy_text();
    world.repolicy("prescriptions.fallback.otherwise", "red-recipe");
    world.repolicy("prescriptions.checks_off", vec!["specialist-only"]);
    let paper = world.policy_text();
    let (mut held, mut on_paper, mut refused) = (0, 0, 0);
    let mut misplaced = drug();
    misplaced["rows"][0]["access"] = json!("first");
    let memory = world.memory_kib();
    for round in 0..30 {
        let text = if round % 2 == 0 { &hold } else { &paper };
        world.write_policy(text).expect("the policy can be written");
        for number in 0..20 {
            let is_misplaced = number % 2 == 0;
            let body = if is_misplaced {
                misplaced.clone()
            } else {
                drug()
            };
            let reply = caller.prescribe(&key(), &body).await;
            match reply.status {
                202 if !is_misplaced => held += 1,
                422 if is_misplaced => refused += 1,
                503 if reply.code() == "issue-red-recipe" => on_paper += 1,
                _ => panic!("{} {} by two policies", reply.status, reply.code()),
            }
        }
        // Shorter and longer than it takes a file to settle.
        passed(Duration::from_millis(50 + 40 * (round % 10))).await;
    }
    assert!(
        held > 0 && on_paper > 0 && refused > 0,
        "{held} held, {on_paper} on paper, {refused} refused"
    );
    let grown = world.memory_kib().saturating_sub(memory);
    assert!(grown < 64 * 1024, "{grown} KiB more than before");
    world.recover();
    operator
        .withdraw_toggle("sac.prescriptions.mode")
        .await
        .expect(200);
    let tally = until("what was held is registered", SOON, async || {
        let entries = world.entries();
        let waiting = entries
            .values()
            .filter(|state| state.as_str() == "accepted");
        (waiting.count() == 0).then_some(entries.len())
    });
    assert_eq!(tally.await, held + on_paper);
}
