//! A wish that is given up, a gap in the rows, a power cut.

use std::future::Future as _;
use std::task::{Context, Waker};

use super::*;

/// Whoever asked for it may go away at any moment: it has begun, or another may begin.
#[tokio::test]
async fn a_wish_that_is_given_up_blocks_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::open(directory.path());
    {
        let mut wish = Box::pin(world.rotation.begin());
        let mut context = Context::from_waker(Waker::noop());
        assert!(wish.as_mut().poll(&mut context).is_pending());
    }
    let began = async {
        while world.rotation.progress().standing != Standing::Running {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let began = tokio::time::timeout(Duration::from_secs(20), began).await;
    began.expect("it has begun");
    world.finish().await;
    world.rotation.end();
    assert_eq!(world.rotation.begin().await.unwrap(), Begun::Now);
    world.close().await;
}

/// Values that are looked at for their key are found across the gap that a restore leaves, however large
/// they are.
#[tokio::test]
async fn what_lies_behind_a_gap_is_sealed_again_too() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::open(directory.path());
    world.fill().await;
    let conn = Connection::open(world.database()).unwrap();
    let put_off = "UPDATE entries SET accepted_seq = accepted_seq + (1 << 50) \
                   WHERE accepted_seq > 20 AND accepted_seq NOT IN (SELECT entry FROM documents)";
    conn.execute(put_off, ()).unwrap();
    world.rotation.begin().await.unwrap();
    let mut steps = 0;
    let mut pass = Pass::default();
    while pass.step(&world.rotation).await.unwrap() {
        steps += 1;
        assert!(steps < 100, "it walks through the gap");
    }
    world.only_one_key_is_left().await;
    world.close().await;
}

/// Invariant 3: the last thing before a key is destroyed is a synced commit of the shelf.
#[tokio::test]
async fn the_shelf_is_synced_before_a_key_is_destroyed() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::open(directory.path());
    world.fill().await;
    world.rotation.begin().await.unwrap();
    let mut pass = Pass::default();
    while !matches!(pass.stage, Stage::Destroy) {
        assert!(pass.step(&world.rotation).await.unwrap());
    }
    let log = || fs::read(directory.path().join("persons.db-wal")).unwrap();
    let before = log();
    assert!(!pass.step(&world.rotation).await.unwrap());
    assert!(
        log() != before,
        "nothing was committed, and so nothing synced"
    );
    world.close().await;
}
