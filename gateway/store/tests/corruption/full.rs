//! A full disk: writes are refused, reads go on, and it passes by itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use engine::ports::{AppendError, Appended, EntryId, Store};
use store::sqlite::{Settings, Sqlite};

use crate::world::{self, SEND, TestClock, bytes, entry, lease_one, practice, settlement};
use policies::state::State;

/// Far more than fits into any limit here.
const ATTEMPTS_MAX: usize = 5_000;

/// Appends until one is refused; those that were accepted.
async fn fill(store: &Sqlite, name: &str) -> Vec<EntryId> {
    let mut accepted = Vec::new();
    for n in 0..ATTEMPTS_MAX {
        let mut new = entry(&format!("{name}-{n}"));
        new.payload = bytes(&"x".repeat(2_000));
        let id = new.id;
        match store.append(vec![new]).await.remove(0) {
            Ok(Appended::Accepted { .. }) => accepted.push(id),
            Err(AppendError::Refused) => return accepted,
            other => panic!("{other:?}"),
        }
    }
    panic!("the disk never filled up");
}

async fn all_there(store: &Sqlite, ids: &[EntryId]) {
    for id in ids {
        assert!(store.get(practice(), *id).await.unwrap().is_some());
    }
    let tally = store.tally().await.unwrap();
    assert_eq!(tally.stored, u64::try_from(ids.len()).unwrap());
    assert!(tally.balances());
}

fn limited(directory: &Path, size_bytes_max: Option<u64>) -> Settings {
    let mut settings = world::settings(directory, &TestClock::new());
    settings.size_bytes_max = size_bytes_max;
    settings
}

#[tokio::test]
async fn at_the_size_limit_writes_are_refused_and_reads_go_on() {
    let directory = world::scratch();
    let store = Sqlite::open(&limited(directory.path(), Some(1_000_000))).unwrap();
    let mut ids = fill(&store, "a").await;
    assert!(ids.len() > 50);
    assert!(!store.poisoned());
    all_there(&store, &ids).await;
    // What takes no more room is still written, so that the queue drains.
    let leased = lease_one(&store, SEND).await;
    let done = settlement(&leased, State::Rejected, None);
    store.settle(vec![done]).await.unwrap();
    store.close().await;
    let size = fs::metadata(directory.path().join("entries.db"))
        .unwrap()
        .len();
    assert!(size <= 1_000_000, "{size}");

    let store = Sqlite::open(&limited(directory.path(), None)).unwrap();
    all_there(&store, &ids).await;
    ids.push(world::accept(&store, entry("there is room again")).await);
    all_there(&store, &ids).await;
    store.close().await;
}

/// A small file system of its own, if this user may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let directory = world::scratch();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(directory.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(directory)),
            _ => None,
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be unmounted", self.0.path().display());
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: no tmpfs can be mounted here; the size limit stands in for it");
        return;
    };
    let directory = disk.0.path();
    let ballast = directory.join("ballast");
    fs::write(&ballast, vec![0; 2_000_000]).unwrap();
    let store = Sqlite::open(&limited(directory, None)).unwrap();
    let mut ids = fill(&store, "a").await;
    assert!(!store.poisoned(), "a full disk is weather");
    all_there(&store, &ids).await;

    fs::remove_file(&ballast).unwrap();
    let more = fill(&store, "b").await;
    assert!(!more.is_empty(), "space is used as soon as it is there");
    ids.extend(more);
    assert!(!store.poisoned());
    all_there(&store, &ids).await;
    store.close().await;
}
