//! Toggles: a value put in force for a while, on disk first, by operators alone.

use std::time::Duration;

use serde_json::json;
use tests::world::caller::Caller;
use tests::world::gateway::{self, Ended};
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};

const MODE: &str = "sac.prescriptions.mode";
const BLOCK: &str = "sac.lots.block";
const SOON: Duration = Duration::from_secs(20);
/// How soon a toggle must be seen by a caller.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(1);

async fn targets(operator: &Caller) -> Vec<String> {
    let items = operator
        .get("/ops/v1/toggles")
        .await
        .expect(200)
        .at("/items");
    let items = items.as_array().cloned().unwrap_or_default();
    let targets = items.iter().filter_map(|item| item["target"].as_str());
    targets.map(str::to_owned).collect()
}

/// Forced open, a write is held; taken back, it is registered; both at once.
#[tokio::test]
async fn a_mode_holds_writes_and_lets_them_go() {
    let world = World::start().await;
    let (operator, caller) = (world.operator(), world.caller("practice-a"));
    caller.prescribe(&key(), &drug()).await.expect(201);
    operator.toggle(MODE, "forced-open", "2h").await.expect(200);
    let held = until("a write is held", IN_FORCE_WITHIN, async || {
        let reply = caller.prescribe(&key(), &drug()).await;
        (reply.status == 202).then_some(reply)
    })
    .await;
    assert_eq!(caller.get("/v1/status").await.text("/state"), "degraded");
    let listed = operator.get("/ops/v1/toggles").await;
    assert_eq!(listed.text("/items/0/reason"), "announced maintenance");
    assert_eq!(listed.text("/items/0/author"), "shift leader");
    assert_eq!(listed.text("/items/0/organization"), "operator-a");
    operator.withdraw_toggle(MODE).await.expect(200);
    caller.until(&held.text("/id"), "registered").await;
    let ended = operator.get("/ops/v1/toggles").await;
    assert_eq!(
        (ended.at("/items"), ended.text("/ended/0/ended_because")),
        (json!([]), "over".to_owned())
    );
    world.logged(&["a toggle was set", "operator-a"]).await;
    world
        .logged(&["a toggle was withdrawn", "operator-a"])
        .await;
    for word in ["announced maintenance", "shift leader"] {
        assert!(!world.output().contains(word), "{word} was logged");
    }
    world.settled().await;
}

/// What was answered is on disk: the toggle is there after a kill, and its end comes on time.
#[tokio::test]
async fn a_toggle_survives_a_kill_and_ends() {
    let mut world = World::start().await;
    let operator = world.operator();
    operator.toggle(BLOCK, "77", "1h").await.expect(200);
    operator.toggle(MODE, "forced-open", "6s").await.expect(200);
    world.kill().await;
    world.restart().await.expect("it serves again");
    assert_eq!(operator.policy_value(BLOCK).await, "77");
    assert_eq!(operator.policy_value(MODE).await, "\"forced-open\"");
    until("the mode ends", SOON, async || {
        (targets(&operator).await == [BLOCK]).then_some(())
    })
    .await;
    assert_eq!(operator.policy_value(MODE).await, "\"auto\"");
    let caller = world.caller("practice-a");
    caller.prescribe(&key(), &drug()).await.expect(201);
    world.kill().await;
    world.restart().await.expect("it serves again");
    assert_eq!(targets(&operator).await, [BLOCK]);
}

/// Nobody but operators sees or sets anything.
#[tokio::test]
async fn only_an_operator_is_let_in() {
    let world = World::start().await;
    let mut pretender = world.caller("practice-a");
    for claims_to_be in ["practice", "operator"] {
        pretender.profile = claims_to_be.to_owned();
        let (status, code) = match claims_to_be {
            "operator" => (401, "token-profile"),
            _ => (403, "profile-not-allowed"),
        };
        for reply in [
            pretender.toggle(MODE, "disabled", "1h").await,
            pretender.withdraw_toggle(MODE).await,
            pretender.get("/ops/v1/toggles").await,
            pretender.get("/ops/v1/policies").await,
        ] {
            assert_eq!((reply.status, reply.code()), (status, code.to_owned()));
            assert!(reply.blames_the_caller());
        }
    }
    let operator = world.operator();
    assert!(targets(&operator).await.is_empty());
    operator.prescribe(&key(), &drug()).await.expect(403);
}

/// What breaks a rule is refused by its field, and what only asks changes nothing.
#[tokio::test]
async fn what_breaks_a_rule_changes_nothing() {
    let world = World::start().await;
    let operator = world.operator();
    let wish = |target: &str, value: &str, lasts: &str| json!({"target": target, "value": value, "expires_in": lasts, "reason": "r", "author": "a"});
    let with = |key: &str, value: &str| {
        let mut body = wish(MODE, "disabled", "1h");
        body[key] = json!(value);
        body
    };
    for (body, pointer) in [
        (wish("sac.prescriptions.nothing", "1", "1h"), "/target"),
        (wish("sac.lots.kind", "4", "1h"), "/target"),
        (wish(MODE, "open", "1h"), "/value"),
        (wish(BLOCK, "0", "1h"), "/value"),
        (
            wish("sac.prescriptions.answer_within", "40s", "1h"),
            "/value",
        ),
        (wish(MODE, "disabled", "25h"), "/expires_in"),
        (wish(BLOCK, "7", "8d"), "/expires_in"),
        (wish(MODE, "disabled", "soon"), "/expires_in"),
        (with("reason", ""), "/reason"),
        (with("author", &"x".repeat(65)), "/author"),
    ] {
        let reply = operator.post("/ops/v1/toggles", &body).await.expect(422);
        assert_eq!(reply.code(), "content-refused");
        assert_eq!(reply.text("/errors/0/pointer"), pointer, "{body}");
    }
    let mut surprising = wish(MODE, "disabled", "1h");
    surprising["incident"] = json!("4711");
    operator
        .post("/ops/v1/toggles", &surprising)
        .await
        .expect(400);
    let mut only_asked = wish(MODE, "disabled", "1h");
    only_asked["dry_run"] = json!(true);
    let asked = operator
        .post("/ops/v1/toggles", &only_asked)
        .await
        .expect(200);
    assert_eq!(asked.at("/dry_run"), true);
    assert_eq!(asked.text("/changes/0/after"), "\"disabled\"");
    operator.withdraw_toggle(MODE).await.expect(404);
    assert!(targets(&operator).await.is_empty());
    assert_eq!(operator.policy_value(MODE).await, "\"auto\"");
}

/// Two operators at once: each change is whole, and the last one is what both see.
#[tokio::test]
async fn two_operators_at_once_do_not_mix() {
    let world = World::start().await;
    let (one, other) = (world.operator(), world.operator());
    let set = async |operator: &Caller, values: &[u32]| {
        for value in values {
            operator
                .toggle(BLOCK, &value.to_string(), "1h")
                .await
                .expect(200);
            operator
                .toggle("sac.lots.retry_after", &format!("[\"{value}ms\"]"), "1h")
                .await
                .expect(200);
        }
    };
    let numbers: Vec<u32> = (1..=20).collect();
    let large: Vec<u32> = (101..=120).collect();
    tokio::join!(set(&one, &numbers), set(&other, &large));
    let mut both = targets(&one).await;
    both.sort();
    assert_eq!(both, [BLOCK, "sac.lots.retry_after"]);
    let listed = other.get("/ops/v1/toggles").await;
    let block = one.policy_value(BLOCK).await;
    assert_eq!(listed.text("/items/0/value"), block);
    assert!(block == "20" || block == "120", "{block}");
    let generation = one.get("/ops/v1/policies").await.at("/generation");
    assert_eq!(generation, 81, "each of 80 changes is a generation");
}

/// A toggle that cannot be put on disk is refused, and changes nothing.
#[tokio::test]
async fn a_disk_that_refuses_keeps_a_toggle_out() {
    let mut world = World::start().await;
    let operator = world.operator();
    let faults = ["pwrite64:error=ENOSPC:when=1+"];
    let Some(strace) = world.inject(Some("entries.db-wal"), &faults).await else {
        return;
    };
    let refused = operator.toggle(MODE, "disabled", "1h").await.expect(503);
    assert_eq!(
        (refused.code(), refused.text("/outcome")),
        ("store-refused".to_owned(), "not-done".to_owned())
    );
    assert!(targets(&operator).await.is_empty());
    assert_eq!(operator.policy_value(MODE).await, "\"auto\"");
    drop(strace);
    world.kill().await;
    world.restart().await.expect("it serves again");
    assert!(targets(&operator).await.is_empty());
}

/// The command line says what it did, and what kept it from that.
#[tokio::test]
async fn the_command_line_sets_lists_and_withdraws() {
    let world = World::with(Setup::default()).await;
    let (file, output) = (world.operator_file(), world.directory().join("toggle.log"));
    let argine = async |arguments: &[&str]| {
        let arguments = [&["toggle"], arguments, &["--operator"]].concat();
        gateway::run(&arguments, &file, &output).await
    };
    let says = |ended: &Ended, code: i32, parts: &[&str]| {
        assert_eq!(ended.code, Some(code), "{}", ended.output);
        for part in parts {
            assert!(ended.output.contains(part), "{part} in {}", ended.output);
        }
    };
    let set = [
        "set",
        MODE,
        "forced-open",
        "--reason",
        "a test",
        "--author",
        "me",
    ];
    let dry = [&set[..], &["--for", "2h", "--dry-run"]].concat();
    says(
        &argine(&dry).await,
        0,
        &["\"auto\" → \"forced-open\"", "nothing was changed"],
    );
    says(&argine(&["list"]).await, 0, &["no toggle is set"]);
    let set = [&set[..], &["--for", "2h"]].concat();
    says(&argine(&set).await, 0, &["in force until"]);
    says(
        &argine(&["list"]).await,
        0,
        &[MODE, "a test", "me (operator-a)"],
    );
    let withdraw = ["withdraw", MODE, "--reason", "over", "--author", "me"];
    says(
        &argine(&withdraw).await,
        0,
        &["\"forced-open\" → \"auto\"", "withdrawn"],
    );
    says(&argine(&withdraw).await, 1, &["no-such-toggle"]);
    let bad = [
        "set", MODE, "open", "--reason", "r", "--author", "me", "--for", "2h",
    ];
    says(&argine(&bad).await, 1, &["content-refused", "value:"]);
    says(&argine(&["set", MODE]).await, 64, &["Usage"]);
    std::fs::write(&file, "url = \"http://here\"\n").expect("the file can be written");
    says(&argine(&["list"]).await, 64, &["missing field"]);
}
