//! The disk is full, fails, or is somebody else's.

use std::fs;
use std::time::Duration;

use tests::upstreams::sac::faults::{Fault, Rule};
use tests::world::caller::{Caller, Reply};
use tests::world::disk::SmallDisk;
use tests::world::gateway::Gateway;
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};

const SOON: Duration = Duration::from_secs(20);
const LOG: Option<&str> = Some("entries.db-wal");
/// The disk of the full-disk test.
const MEGABYTES: u32 = 16;

/// Writes until a write is refused, and hands over the refusal.
async fn refusal(caller: &Caller) -> Reply {
    until("a write is refused", SOON, async || {
        let reply = caller.prescribe(&key(), &drug()).await;
        (!matches!(reply.status, 201 | 202)).then_some(reply)
    })
    .await
}

/// On a full disk writes are refused in plain words, reads go on, and service resumes by itself.
#[tokio::test]
async fn a_full_disk_refuses_writes_and_resumes_by_itself() {
    let disk = match SmallDisk::mount(MEGABYTES) {
        Ok(disk) => disk,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let world = World::with(Setup::default().store(&disk.path().join("store"))).await;
    let caller = world.caller("practice-a");
    let before = caller.prescribe(&key(), &drug()).await.expect(201);
    disk.fill();
    let refused = refusal(&caller).await.expect(503);
    assert_eq!((refused.text("/code"), refused.text("/outcome")), full());
    assert!(!refused.header("retry-after").is_empty());
    for _ in 0..3 {
        caller.prescribe(&key(), &drug()).await.expect(503);
    }
    let id = before.text("/id");
    assert_eq!(
        caller.prescription(&id).await.expect(200).text("/nre"),
        before.text("/nre")
    );
    caller.get("/v1/prescriptions").await.expect(200);
    caller.reminder(&id).await.expect(200);

    disk.free();
    until("writes are taken again", SOON, async || {
        let reply = caller.prescribe(&key(), &drug()).await;
        (reply.status == 201).then_some(())
    })
    .await;
    let tally = world.settled().await;
    assert_eq!(tally.registered, tally.stored, "{tally:?}");
}

fn full() -> (String, String) {
    ("store-refused".to_owned(), "not-done".to_owned())
}

/// An fsync that fails leaves the outcome unknown, and says so; the process ends, and its successor
/// answers the same key with what is true.
#[tokio::test]
async fn a_failed_fsync_is_unknown_until_the_restart_settles_it() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    caller.prescribe(&key(), &drug()).await.expect(201);
    let Some(strace) = world
        .inject(LOG, &["fsync,fdatasync:error=EIO:when=1"])
        .await
    else {
        return;
    };
    let (key, body) = (key(), drug());
    let reply = caller.prescribe(&key, &body).await.expect(503);
    assert_eq!(reply.text("/code"), "outcome-unknown");
    assert_eq!((reply.text("/outcome"), reply.text("/retry")), same_key());
    assert!(!reply.header("retry-after").is_empty());
    let status = world.ended().await;
    assert!(status.code().is_some_and(|code| code != 0), "{status:?}");
    drop(strace);

    world.restart().await.expect("its successor starts");
    let again = caller.prescribe(&key, &body).await;
    assert!(matches!(again.status, 201 | 202), "{}", again.text("/code"));
    caller.until(&again.text("/id"), "registered").await;
    let tally = world.settled().await;
    assert_eq!((tally.stored, tally.registered), (2, 2));
}

fn same_key() -> (String, String) {
    ("unknown".to_owned(), "same-key".to_owned())
}

/// A write that the disk has no room for in the middle of a transaction leaves nothing behind.
#[tokio::test]
async fn a_write_without_room_is_refused_whole() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    caller.prescribe(&key(), &drug()).await.expect(201);
    let Some(_strace) = world.inject(LOG, &["pwrite64:error=ENOSPC:when=2"]).await else {
        return;
    };
    let (key, body) = (key(), drug());
    let refused = caller.prescribe(&key, &body).await.expect(503);
    assert_eq!((refused.text("/code"), refused.text("/outcome")), full());
    let again = caller.prescribe(&key, &body).await.expect(201);
    assert_eq!(again.text("/state"), "registered");
    assert_eq!(world.settled().await.stored, 2);
}

/// A second process on the same store is refused in one line, and the first does not notice.
#[tokio::test]
async fn a_second_process_on_the_same_store_is_refused() {
    let world = World::start().await;
    let output = world.directory().join("second.log");
    let second = Gateway::serve(world.config_file(), &output).await;
    let ended = second.expect_err("the store belongs to the first");
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(ended.output.contains("another process"), "{}", ended.output);
    assert!(!ended.output.contains("panicked"), "{}", ended.output);
    world
        .caller("practice-a")
        .prescribe(&key(), &drug())
        .await
        .expect(201);
    assert_eq!(world.settled().await.registered, 1);
}

/// A store is opened with its own key or not at all.
#[tokio::test]
async fn a_wrong_key_is_refused() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    let reply = caller.prescribe(&key(), &drug()).await.expect(202);
    world.kill().await;
    let wrong = world.directory().join("wrong.key");
    fs::write(&wrong, "ab".repeat(32)).expect("a key file can be written");
    let right = world.certs_dir().join("store.key");
    world.reconfigure("store.key_file", wrong.to_str());
    let ended = world
        .restart()
        .await
        .expect_err("the store is sealed under another key");
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(ended.output.contains("key"), "{}", ended.output);

    world.reconfigure("store.key_file", right.to_str());
    world.recover();
    world.restart().await.expect("with its own key it opens");
    caller.until(&reply.text("/id"), "registered").await;
    world.settled().await;
}
