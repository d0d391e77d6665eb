//! Space: the oldest answers go first, what is free is used again, and a full disk stops no reader.

use std::process::Command;

use engine::ports::{Appended, Store, WriteError};
use store::sqlite::Sqlite;

use super::*;
use crate::world::entry;

const MEGABYTE: u64 = 1_048_576;
const BODY_LEN: usize = 3_000;

fn size(directory: &Path) -> u64 {
    fs::metadata(directory.join(DATABASE)).unwrap().len()
}

fn limited(directory: &Path, size_bytes_max: u64) -> Persons {
    let mut settings = settings(directory, &TestClock::new());
    settings.size_bytes_max = size_bytes_max;
    Persons::open(&settings).unwrap()
}

/// Which of the first `persons` are kept.
async fn kept(shelf: &Persons, persons: u32) -> Vec<bool> {
    let mut kept = Vec::new();
    for person in 0..persons {
        kept.push(get(shelf, key(person, 0)).await.is_some());
    }
    kept
}

/// The limits are some times what a group takes at most: for one group more than that never goes.
#[tokio::test]
async fn at_the_size_limit_the_oldest_answers_go_first() {
    let directory = world::scratch();
    let shelf = limited(directory.path(), 4 * MEGABYTE);
    let text = "x".repeat(BODY_LEN);
    for hundred in 0..20 {
        fill(&shelf, hundred * 100..(hundred + 1) * 100, &text).await;
    }
    let all = kept(&shelf, 2_000).await;
    assert!(all.is_sorted(), "the youngest stay");
    let count = all.iter().filter(|kept| **kept).count();
    assert!((450..1_100).contains(&count), "{count}");
    shelf.close().await;
    assert!(size(directory.path()) <= 4 * MEGABYTE);

    // Under a lower limit it comes down bit by bit.
    let shelf = limited(directory.path(), 2 * MEGABYTE);
    fill(&shelf, 2_000..2_100, &text).await;
    let all = kept(&shelf, 2_100).await;
    assert!(all[2_099]);
    let less = all.iter().filter(|kept| **kept).count();
    assert!((50..550).contains(&less) && less < count, "{less}");
    shelf.close().await;
}

#[tokio::test]
async fn free_space_is_used_again_and_given_back() {
    let directory = world::scratch();
    let shelf = open(directory.path());
    let text = "x".repeat(BODY_LEN);
    let mut sizes = Vec::new();
    for round in 0..5 {
        fill(&shelf, round * 500..(round + 1) * 500, &text).await;
        let before = START + Duration::from_millis(u64::from(round * 500 + 400));
        assert_eq!(shelf.sweep(before, 500).await, Ok(400));
        sizes.push(size(directory.path()));
        assert_eq!(shelf.sweep(START + HOUR, 400).await, Ok(100));
    }
    assert!(sizes[4] < 2 * sizes[0], "{sizes:?}");
    assert!(size(directory.path()) < sizes[4] / 2, "{sizes:?}");
    shelf.close().await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let directory = world::scratch();
    let shelf = open(directory.path());
    let large = answer(key(1, 0), &"x".repeat(65_536), START);
    assert_eq!(shelf.put(large).await, Err(WriteError::Refused));
    let fits = answer(key(1, 0), &"x".repeat(65_000), START);
    assert_eq!(shelf.put(fits).await, Ok(()));
    shelf.close().await;
}

/// A queue of one still serves everyone: who finds it full waits.
#[tokio::test]
async fn a_short_queue_makes_callers_wait_and_loses_none() {
    let directory = world::scratch();
    let mut settings = settings(directory.path(), &TestClock::new());
    settings.queue_max = 1;
    let shelf = Persons::open(&settings).unwrap();
    fill(&shelf, 0..100, "text").await;
    let gets = (0..100).map(|person| get(&shelf, key(person, 0)));
    let found = futures_util::future::join_all(gets).await;
    assert!(found.iter().all(Option::is_some));
    shelf.close().await;
}

/// A small file system of its own, if this user may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let directory = world::scratch();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"])
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

/// Puts until one is refused; the persons whose answers were kept.
async fn fill_up(shelf: &Persons, from: u32) -> u32 {
    let text = "x".repeat(BODY_LEN);
    for person in from..from + 10_000 {
        let at = START + Duration::from_millis(u64::from(person));
        match shelf.put(answer(key(person, 0), &text, at)).await {
            Ok(()) => {}
            Err(WriteError::Refused) => return person,
            other => panic!("{other:?}"),
        }
    }
    panic!("the disk never filled up");
}

#[tokio::test]
async fn on_a_full_disk_puts_are_refused_reads_go_on_and_the_store_gets_the_space() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: no tmpfs can be mounted here");
        return;
    };
    let directory = disk.0.path();
    let store = Sqlite::open(&world::settings(directory, &TestClock::new())).unwrap();
    world::accept(&store, entry("before")).await;
    let shelf = open(directory);
    let kept = fill_up(&shelf, 0).await;
    assert!(kept > 200, "{kept}");
    assert!(get(&shelf, key(kept - 1, 0)).await.is_some(), "reads go on");
    // Space was given back, and an entry gets it.
    for n in 0..20 {
        let accepted = store.append(vec![entry(&format!("k{n}"))]).await.remove(0);
        assert!(matches!(accepted, Ok(Appended::Accepted { .. })), "{n}");
    }
    // Somebody else takes all there is.
    let ballast = directory.join("ballast");
    let taken = fs::write(&ballast, vec![0; 32_000_000]);
    assert!(taken.is_err());
    for person in 0..20 {
        let put = shelf.put(answer(
            key(90_000 + person, 0),
            &"x".repeat(BODY_LEN),
            START,
        ));
        assert!(matches!(put.await, Ok(()) | Err(WriteError::Refused)));
    }
    assert!(get(&shelf, key(kept - 1, 0)).await.is_some(), "reads go on");
    fs::remove_file(&ballast).unwrap();
    assert_eq!(shelf.purge(key(kept - 1, 0).person).await, Ok(1));
    shelf.put(answer(key(1, 0), "room", START)).await.unwrap();
    assert_eq!(body(&shelf, key(1, 0)).await.unwrap(), "room");
    shelf.close().await;
    store.close().await;
}
