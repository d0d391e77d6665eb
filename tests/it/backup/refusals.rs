//! What a backup and a restore refuse, in one line and with an exit code that tells whose fault it is.

use std::fs;

use tests::world::World;
use tests::world::disk::SmallDisk;
use tests::world::gateway::Ended;
use tests::world::prescription::{drug, key};

use super::{FILES, MISUSE, burnt, copy, done};

fn refused(ended: &Ended, code: Option<i32>, words: &[&str]) {
    assert_eq!(ended.code, code, "{}", ended.output);
    for word in words {
        assert!(
            ended.output.contains(word),
            "{word} is not in: {}",
            ended.output
        );
    }
    assert!(!ended.output.contains("panicked"), "{}", ended.output);
}

#[tokio::test]
async fn a_place_that_cannot_hold_a_backup_is_refused() {
    let world = World::start().await;
    done(&world.backup(&copy(&world)).await);
    let again = world.backup(&copy(&world)).await;
    refused(&again, MISUSE, &["in the way"]);
    let inside = world.backup(&world.store_dir().join("copy")).await;
    refused(&inside, MISUSE, &["inside the store"]);
    let nowhere = world.backup(&world.directory().join("no/such/copy")).await;
    refused(&nowhere, FILES, &["no/such/copy"]);
    let running = world.restore(&copy(&world)).await;
    refused(&running, MISUSE, &["in use by another process"]);
    world
        .caller("practice-a")
        .prescribe(&key(), &drug())
        .await
        .expect(201);
    world.settled().await;
}

#[tokio::test]
async fn fault_60_another_key_is_one_clear_error() {
    let (mut world, caller) = burnt().await;
    let wrong = world.directory().join("wrong.key");
    fs::write(&wrong, "ab".repeat(32)).expect("a key file can be written");
    let right = world.certs_dir().join("store.key");
    world.reconfigure("store.key_file", wrong.to_str());
    refused(
        &world.restore(&copy(&world)).await,
        MISUSE,
        &["another key"],
    );
    assert!(!world.store_dir().exists());

    world.reconfigure("store.key_file", right.to_str());
    done(&world.restore(&copy(&world)).await);
    world.reconfigure("store.key_file", wrong.to_str());
    let other = world.backup(&world.directory().join("other")).await;
    refused(&other, MISUSE, &["not the one this store was sealed with"]);
    world.reconfigure("store.key_file", right.to_str());
    world.recover();
    world.restart().await.expect("with its own key it opens");
    caller.get("/v1/prescriptions").await.expect(200);
    assert_eq!(world.settled().await.registered, 2);
}

#[tokio::test]
async fn fault_60_a_damaged_backup_names_its_file() {
    let (world, _) = burnt().await;
    let nothing = world.restore(&world.directory().join("nothing")).await;
    refused(&nothing, MISUSE, &["no finished backup"]);
    for name in ["entries.db", "manifest.json"] {
        let path = copy(&world).join(name);
        let whole = fs::read(&path).expect("it is there");
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, changed).expect("it can be written");
        refused(&world.restore(&copy(&world)).await, FILES, &[name]);
        fs::write(&path, whole).expect("it can be written");
    }
    done(&world.restore(&copy(&world)).await);
}

/// A full disk says so, and a backup or a restore that finds no room leaves nothing behind.
#[tokio::test]
async fn a_full_disk_leaves_nothing_behind() {
    let disk = match SmallDisk::mount(64) {
        Ok(disk) => disk,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let (mut world, _) = burnt().await;
    done(&world.restore(&copy(&world)).await);
    let to = disk.path().join("copy");
    disk.fill();
    refused(&world.backup(&to).await, FILES, &["no space left"]);
    assert!(!to.exists());

    world.reconfigure("store.directory", disk.path().join("store").to_str());
    refused(
        &world.restore(&copy(&world)).await,
        FILES,
        &["no space left"],
    );
    let left = fs::read_dir(disk.path().join("store")).map_or(0, Iterator::count);
    assert!(left <= 1, "more than a guard was left");
    disk.free();
    done(&world.restore(&copy(&world)).await);
    assert!(disk.path().join("store/entries.db").exists());
}
