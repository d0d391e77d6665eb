//! What `engine::ports::Shelf` promises, but for time, and that nothing is in clear.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use engine::ports::{Digest, WriteError};
use store::keys::Keys;

use super::*;

const DIRECTORY: &str = "SHELF_TEST_DIRECTORY";

/// Invariant 1.
#[tokio::test]
async fn what_is_read_back_was_put_under_that_key_whole() {
    let directory = world::scratch();
    let shelf = open(directory.path());
    assert!(get(&shelf, key(1, 0)).await.is_none());
    let kept = answer(key(1, 0), "{\"exemptions\":[]}", START - HOUR);
    shelf.put(kept.clone()).await.unwrap();
    shelf
        .put(answer(key(1, 1), "another question", START))
        .await
        .unwrap();
    shelf
        .put(answer(key(2, 0), "another person", START))
        .await
        .unwrap();
    let same = |found: Shelved| {
        assert_eq!(found.key, kept.key);
        assert_eq!(found.fetched_at, kept.fetched_at);
        assert_eq!(found.tags, kept.tags);
        assert_eq!(found.seen_by, kept.seen_by);
        assert_eq!(found.body, kept.body);
        assert!(!found.age_is_floor);
        // Bytes that are overwritten when they are let go have an owner to do it, so that nobody may
        // take them for their own.
        assert!(found.body.try_into_mut().is_err());
    };
    same(get(&shelf, key(1, 0)).await.unwrap());
    shelf.close().await;

    let shelf = open(directory.path());
    same(get(&shelf, key(1, 0)).await.unwrap());
    let mut later = answer(key(1, 0), "later", START);
    later.age_is_floor = true;
    later.tags.clear();
    shelf.put(later).await.unwrap();
    let found = get(&shelf, key(1, 0)).await.unwrap();
    assert_eq!((found.body, found.tags), ("later".into(), vec![]));
    assert!(found.age_is_floor, "what was known to be a floor stays one");
    assert_eq!(body(&shelf, key(1, 1)).await.unwrap(), "another question");
    shelf.close().await;
    assert!(shelf.get(key(1, 0)).await.is_err());
    let closed = shelf.put(answer(key(1, 0), "x", START)).await;
    assert_eq!(closed, Err(WriteError::Refused));
}

/// Invariant 3.
#[tokio::test]
async fn what_was_purged_or_swept_is_not_read_back_after_a_restart() {
    let directory = world::scratch();
    let shelf = open(directory.path());
    fill(&shelf, 0..10, "text").await;
    for question in 1..4 {
        shelf
            .put(answer(key(9, question), "text", START))
            .await
            .unwrap();
    }
    assert_eq!(shelf.purge(key(9, 0).person).await, Ok(4));
    assert_eq!(shelf.purge(key(9, 0).person).await, Ok(0));
    shelf.remove(key(8, 0)).await.unwrap();
    let before = START + Duration::from_millis(5);
    assert_eq!(shelf.sweep(before, 3).await, Ok(3), "the oldest first");
    assert!(get(&shelf, key(2, 0)).await.is_none());
    assert!(get(&shelf, key(3, 0)).await.is_some());
    assert_eq!(shelf.sweep(before, 3).await, Ok(2));
    assert_eq!(shelf.sweep(before, 3).await, Ok(0));
    // As a crash would leave it.
    let copy = world::scratch();
    for name in [DATABASE, LOG] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    shelf.close().await;
    for place in [&directory, &copy] {
        let shelf = open(place.path());
        for person in 0..10 {
            let is_kept = (5..8).contains(&person);
            assert_eq!(get(&shelf, key(person, 0)).await.is_some(), is_kept);
        }
        assert!(get(&shelf, key(9, 3)).await.is_none());
        shelf.close().await;
    }
}

/// A purge has nothing left in the log that a power cut could take away.
#[tokio::test]
async fn a_purge_stands_in_the_database_itself_when_it_is_answered() {
    let directory = world::scratch();
    let shelf = open(directory.path());
    fill(&shelf, 0..10, "text").await;
    assert_eq!(shelf.purge(key(3, 0).person).await, Ok(1));
    let copy = world::scratch();
    fs::copy(directory.path().join(DATABASE), copy.path().join(DATABASE)).unwrap();
    shelf.close().await;
    let shelf = open(copy.path());
    assert!(get(&shelf, key(3, 0)).await.is_none());
    assert!(get(&shelf, key(4, 0)).await.is_some());
    shelf.close().await;
}

#[tokio::test]
async fn nothing_personal_is_in_clear_on_disk() {
    let directory = world::scratch();
    let shelf = open(directory.path());
    let secret = b"PNIMRA70A01H501P";
    let doctor: Digest = *b"digest of doctor";
    let caller: Digest = *b"digest of caller";
    let mut planted = answer(key(1, 0), "{\"tax_code\":\"PNIMRA70A01H501P\"}", START);
    planted.tags = vec![Tag(doctor)];
    planted.seen_by = vec![(Tag(caller), START)];
    shelf.put(planted).await.unwrap();
    let look = || {
        for part in [secret, &doctor, &caller] {
            assert!(!is_on_disk(directory.path(), part));
        }
        assert!(is_on_disk(directory.path(), &key(1, 0).person), "it looks");
    };
    assert!(
        files(directory.path()).len() >= 3,
        "database, log and index"
    );
    look();
    shelf.close().await;
    look();
}

#[tokio::test]
async fn what_was_purged_or_swept_is_overwritten() {
    let directory = world::scratch();
    let shelf = open(directory.path());
    fill(&shelf, 0..50, &"x".repeat(6_000)).await;
    let (swept, purged) = (key(0, 0), key(40, 0));
    let traces: Vec<Vec<u8>> = [swept, purged]
        .iter()
        // The end of what was sealed: it lies on a page of its own.
        .flat_map(|key| {
            let sealed = sealed(directory.path(), *key);
            [
                sealed[..100].to_vec(),
                sealed[sealed.len() - 100..].to_vec(),
            ]
        })
        .collect();
    assert!(traces.iter().all(|part| is_on_disk(directory.path(), part)));
    assert_eq!(
        shelf.sweep(START + Duration::from_millis(1), 10).await,
        Ok(1)
    );
    assert_eq!(shelf.purge(purged.person).await, Ok(1));
    assert!(!traces.iter().any(|part| is_on_disk(directory.path(), part)));
    shelf.close().await;
    assert!(!traces.iter().any(|part| is_on_disk(directory.path(), part)));
}

/// The steps of a sweep before its last leave what they deleted in the log: others are not kept
/// waiting for each of them.
#[tokio::test]
async fn a_sweep_in_steps_erases_once_with_its_last_step() {
    let directory = world::scratch();
    let shelf = open(directory.path());
    fill(&shelf, 0..30, &"x".repeat(6_000)).await;
    let traces: Vec<Vec<u8>> = (0..20)
        .map(|person| sealed(directory.path(), key(person, 0)))
        .map(|sealed| sealed[sealed.len() - 100..].to_vec())
        .collect();
    let lie = |traces: &[Vec<u8>]| {
        let left = traces
            .iter()
            .filter(|part| is_on_disk(directory.path(), part));
        left.count()
    };
    let log = || fs::metadata(directory.path().join(LOG)).unwrap().len();
    let before = START + Duration::from_millis(20);
    for _ in 0..2 {
        assert_eq!(shelf.sweep(before, 10).await, Ok(10));
        assert!(log() > 0, "it was not emptied for a step");
    }
    // Nothing is left to delete: that is how the last step knows that it is.
    assert_eq!(shelf.sweep(before, 10).await, Ok(0));
    assert_eq!((lie(&traces), log()), (0, 0));
    // A purge in the midst of a sweep waits for nobody.
    fill(&shelf, 40..60, &"x".repeat(6_000)).await;
    assert_eq!(shelf.sweep(START + HOUR, 5).await, Ok(5));
    assert_eq!(shelf.purge(key(50, 0).person).await, Ok(1));
    assert_eq!(log(), 0);
    shelf.close().await;
}

#[tokio::test]
async fn its_files_are_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = world::scratch();
    let directory = parent.path().join("state");
    let shelf = open(&directory);
    shelf.put(answer(key(1, 0), "x", START)).await.unwrap();
    for file in files(&directory) {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    shelf.close().await;
}

/// A shelf under a ring that the next process finds.
fn open_with_ring(directory: &Path) -> Persons {
    let mut settings = settings(directory, &TestClock::new());
    settings.keys = Arc::new(Keys::open_or_create(directory, &world::key(1), START).unwrap());
    Persons::open(&settings).unwrap()
}

/// Runs in the process that is killed: keeps answers and purges some, and says so, for ever.
#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn put_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let shelf = open_with_ring(Path::new(&directory));
    let mut out = std::io::stdout();
    for person in 0.. {
        let kept = answer(key(person, 0), &person.to_string(), START);
        shelf.put(kept).await.unwrap();
        writeln!(out, "kept {person}").unwrap();
        if person % 5 == 0 {
            shelf.purge(key(person, 0).person).await.unwrap();
            writeln!(out, "purged {person}").unwrap();
        }
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_has_lost_no_answer_and_brings_none_back() {
    for lines_max in [10, 300] {
        let directory = world::scratch();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["persons::promises::put_until_killed", "--exact"])
            .args(["--ignored", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut kept = Vec::new();
        let mut purged = Vec::new();
        let mut hear = |line: String| {
            if let Some((_, person)) = line.split_once("kept ") {
                kept.push(person.parse::<u32>().unwrap());
            } else if let Some((_, person)) = line.split_once("purged ") {
                purged.push(person.parse::<u32>().unwrap());
            }
        };
        for line in lines.by_ref().take(lines_max) {
            hear(line.unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            hear(line.unwrap());
        }
        let shelf = open_with_ring(directory.path());
        // Whether the last one was purged before the kill, nobody has heard.
        let last = kept.pop().unwrap();
        for person in kept {
            let found = body(&shelf, key(person, 0)).await;
            let expected = (!purged.contains(&person)).then(|| Bytes::from(person.to_string()));
            assert_eq!(found, expected, "{person}");
        }
        assert!(last > 0 && !purged.is_empty());
        shelf.close().await;
    }
}
