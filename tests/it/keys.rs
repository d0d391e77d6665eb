//! Keys: rotated while the gateway serves, by operators alone, and through kills and a full disk.

use std::time::Duration;

use serde_json::json;
use tests::world::World;
use tests::world::caller::Caller;
use tests::world::gateway::{self, Ended, was_killed};
use tests::world::load::Load;
use tests::world::prescription::{drug, key};
use tests::world::wait::until;

const LOG: Option<&str> = Some("entries.db-wal");
const SOON: Duration = Duration::from_secs(30);
/// Prescriptions there are before a rotation.
const PRESCRIPTIONS: usize = 20;

async fn fill(caller: &Caller) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..PRESCRIPTIONS {
        let written = caller.prescribe(&key(), &drug()).await.expect(201);
        ids.push(written.text("/id"));
    }
    ids
}

async fn all_are_read(caller: &Caller, ids: &[String]) {
    for id in ids {
        let read = caller.get(&format!("/v1/prescriptions/{id}")).await;
        assert_eq!(read.expect(200).text("/state"), "registered");
    }
}

/// Waits until no value is left under any key but one, and every other is gone; how many there are.
async fn rotated(operator: &Caller) -> usize {
    until("the rotation ends", SOON, async || {
        let said = operator.get("/ops/v1/keys?count=true").await.expect(200);
        let mut keys = said.at("/items").as_array().cloned().unwrap_or_default();
        // A key of the audit stays with its segment.
        keys.retain(|key| key["seals"] == "rows");
        let states: Vec<_> = keys.iter().map(|key| key["state"].clone()).collect();
        let (last, before) = states.split_last()?;
        let is_over = *last == "active" && before.iter().all(|state| *state == "gone");
        (is_over && said.at("/rotation/is_running") == false).then(|| {
            for (key, state) in keys.iter().zip(&states) {
                assert_eq!(*state == "active", key["values"] != 0, "{key}");
            }
            keys.len()
        })
    })
    .await
}

async fn rotate(operator: &Caller) -> bool {
    let said = operator.post("/ops/v1/keys/rotate", &json!({})).await;
    said.expect(200).at("/began") == true
}

/// Nobody notices: not who writes, not who reads; and the files hold nothing of it in clear.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_under_traffic() {
    let mut world = World::start().await;
    let (operator, caller) = (world.operator(), world.caller("practice-a"));
    let ids = fill(&caller).await;
    let load = Load::start(vec![world.caller("practice-a"); 2]);
    assert!(rotate(&operator).await, "none was under way");
    all_are_read(&caller, &ids).await;
    assert_eq!(rotated(&operator).await, 2);
    assert!(rotate(&operator).await);
    assert_eq!(rotated(&operator).await, 3);
    all_are_read(&caller, &ids).await;
    load.stop().await;
    world
        .logged(&["a rotation of the keys was begun", "operator-a"])
        .await;
    world.kill().await;
    world.restart().await.expect("it serves again");
    all_are_read(&caller, &ids).await;
    world.settled().await;
}

/// Killed as the ring is replaced, and in the middle of a write: the next process goes on, and ends it.
/// (Every other step is tried by the store's own tests.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_survives_a_kill() {
    let points = [
        (None, "rename,renameat,renameat2:signal=SIGKILL:when=1"),
        (LOG, "pwrite64:signal=SIGKILL:when=3"),
    ];
    for (file, fault) in points {
        let mut world = World::start().await;
        let (operator, caller) = (world.operator(), world.caller("practice-a"));
        let ids = fill(&caller).await;
        let Some(_strace) = world.inject(file, &[fault]).await else {
            return;
        };
        let asked = tokio::spawn({
            let operator = operator.clone();
            async move { operator.post("/ops/v1/keys/rotate", &json!({})).await }
        });
        assert!(was_killed(world.ended().await), "{fault}");
        // Its answer may be lost.
        drop(asked.await);
        world.restart().await.expect("it serves again");
        all_are_read(&caller, &ids).await;
        rotated(&operator).await;
        all_are_read(&caller, &ids).await;
        world.settled().await;
    }
}

/// A full disk stops it, that is said, and it goes on when there is room.
#[tokio::test]
async fn a_full_disk_stops_a_rotation_and_no_longer() {
    let world = World::start().await;
    let (operator, caller) = (world.operator(), world.caller("practice-a"));
    let ids = fill(&caller).await;
    let full = ["pwrite64:error=ENOSPC:when=1+"];
    let Some(strace) = world.inject(LOG, &full).await else {
        return;
    };
    assert!(rotate(&operator).await);
    until("it is said", SOON, async || {
        let said = operator.get("/ops/v1/keys").await.expect(200);
        (said.at("/rotation/is_stopped") == true).then_some(())
    })
    .await;
    assert!(!rotate(&operator).await, "it is under way still");
    world.logged(&["the rotation of keys has stopped"]).await;
    all_are_read(&caller, &ids).await;
    drop(strace);
    assert_eq!(rotated(&operator).await, 2);
    all_are_read(&caller, &ids).await;
}

/// Nobody but operators sees or rotates keys.
#[tokio::test]
async fn only_an_operator_rotates_keys() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    caller.get("/ops/v1/keys").await.expect(403);
    let refused = caller.post("/ops/v1/keys/rotate", &json!({})).await;
    assert_eq!(refused.expect(403).code(), "profile-not-allowed");
    let operator = world.operator();
    let wish = json!({"now": true});
    operator
        .post("/ops/v1/keys/rotate", &wish)
        .await
        .expect(400);
    assert_eq!(rotated(&operator).await, 1);
}

/// The command line rotates, and changes the master key; a wrong one is one clear error at start.
#[tokio::test]
async fn the_command_line_rotates_and_changes_the_master_key() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    let ids = fill(&caller).await;
    let output = world.directory().join("keys.log");
    let says = |ended: &Ended, code: i32, part: &str| {
        assert_eq!(ended.code, Some(code), "{}", ended.output);
        assert!(ended.output.contains(part), "{part} in {}", ended.output);
    };
    let operator = world.operator_file();
    let ask = async |what| gateway::run(&["keys", what, "--operator"], &operator, &output).await;
    says(&ask("rotate").await, 0, "a new key seals what is new");
    rotated(&world.operator()).await;
    says(&ask("show").await, 0, "active  rows");
    let count = ["keys", "show", "--count", "--operator"];
    let counted = gateway::run(&count, &operator, &output).await;
    says(&counted, 0, " values\n");

    let new = world.directory().join("new.key");
    std::fs::write(&new, "5c".repeat(32)).expect("written");
    let new = new.to_str().expect("a path").to_owned();
    let rewrap = ["keys", "rewrap", "--new-key-file", &new, "--config"];
    let config = world.config_file().to_owned();
    let refused = gateway::run(&rewrap, &config, &output).await;
    says(&refused, 1, "in use by another process");
    world.terminate().await;
    says(
        &gateway::run(&rewrap, &config, &output).await,
        0,
        "the new master key opens",
    );
    world.restart().await.expect("the old one opens it still");
    world.terminate().await;
    // Never in its place: other worlds have the same file.
    let old = world.certs_dir().join("store.key");
    world.reconfigure("store.key_file", new.as_str());
    world.restart().await.expect("the new one opens it");
    all_are_read(&caller, &ids).await;
    world.terminate().await;
    world.reconfigure("store.key_file", old.to_str());
    let refused = world
        .restart()
        .await
        .expect_err("the old one is not accepted any more");
    says(
        &refused,
        1,
        "the key file is not the one this store was sealed with",
    );
}
