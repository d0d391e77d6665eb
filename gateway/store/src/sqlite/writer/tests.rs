//! The writing thread when a commit goes wrong (the store's sixth promise).

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use engine::ports::{
    AppendError, Appended, Clock, EntryId, NewEntry, NumberUse, Organization, ReadError, Start,
    Store,
};
use futures_util::future::BoxFuture;
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::Opaque;
use policies::family::Role;
use policies::operation::{LaneName, OpName};
use policies::time::Timestamp;
use rusqlite::ffi;
use uuid::Uuid;

use super::*;
use crate::sealing::Key;
use crate::sqlite::{OpenError, Settings, Sqlite, start};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_790_000_000_000)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn practice() -> Organization {
    Organization("practice-a".to_owned())
}

fn entry(key: &str) -> NewEntry {
    let id = EntryId(Uuid::now_v7());
    NewEntry {
        id,
        lane: LaneName("sac.prescriptions"),
        op: OpName("invio"),
        role: Role::Create,
        order_key: id,
        depends_on: None,
        organization: practice(),
        key: key.to_owned(),
        fingerprint: Opaque::default(),
        person: None,
        number: NumberUse::Callers(Opaque(key.as_bytes().to_vec())),
        identity: Opaque::default(),
        payload: Opaque::default(),
        authority: Opaque::default(),
        terms: Terms {
            fallback: Fallback::Hold,
            uncertain: Uncertain::Verify,
            deadline: Timestamp(1_800_000_000_000),
            answer_within: Duration::from_secs(8),
            paper_within: Duration::from_secs(7_200),
            look_after: Duration::from_secs(60),
            annul_consent: false,
        },
        start: Start::Due,
        trace: None,
        audit: Opaque::default(),
        reply_to: None,
    }
}

fn open(
    directory: &Path,
    commit: Commit,
    poisoned: &Arc<AtomicUsize>,
) -> Result<Sqlite, OpenError> {
    let file = directory.join("key");
    std::fs::write(&file, "01".repeat(32)).unwrap();
    let key = Key::from_file(&file).unwrap();
    let mut settings = Settings::new(
        directory.to_owned(),
        key,
        Arc::new(Still),
        OpName("annulla"),
    );
    let poisoned = Arc::clone(poisoned);
    settings.on_poison = Some(Arc::new(move || {
        poisoned.fetch_add(1, Ordering::SeqCst);
    }));
    start::open(&settings, commit)
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

/// What a failed sync looks like: the commit is in the log, and its success is not known.
fn synced_badly(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("COMMIT")?;
    Err(failure(ffi::SQLITE_IOERR_FSYNC))
}

fn lost(_: &Connection) -> rusqlite::Result<()> {
    Err(failure(ffi::SQLITE_IOERR_WRITE))
}

fn full(_: &Connection) -> rusqlite::Result<()> {
    Err(failure(ffi::SQLITE_FULL))
}

fn panics(_: &Connection) -> rusqlite::Result<()> {
    panic!("a defect in the writer");
}

async fn append(store: &Sqlite, key: &str) -> Result<Appended, AppendError> {
    store.append(vec![entry(key)]).await.remove(0)
}

/// The group whose commit failed is unknown, and so is everything after it; reads go on, but what
/// was written under a key is not said; the process is told once, and nothing is written on closing.
async fn poisoned_by(commit: Commit) -> (tempfile::TempDir, u64) {
    let directory = tempfile::tempdir().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let store = open(directory.path(), super::commit, &told).unwrap();
    assert!(append(&store, "before").await.is_ok());
    store.close().await;

    let store = open(directory.path(), commit, &told).unwrap();
    assert!(!store.poisoned());
    let unknown = append(&store, "in it").await;
    assert!(matches!(unknown, Err(AppendError::Unknown)), "{unknown:?}");
    assert!(store.poisoned());
    for key in ["in it", "after", "before"] {
        let after = append(&store, key).await;
        assert!(matches!(after, Err(AppendError::Unknown)), "{after:?}");
        let recalled = store.recall(practice(), key.to_owned(), Opaque::default());
        let recalled = recalled.await;
        assert!(
            matches!(recalled, Err(ReadError::Unavailable)),
            "{recalled:?}"
        );
    }
    assert_eq!(store.lease_block(1).await, Err(WriteError::Unknown));
    assert!(store.tally().await.is_ok(), "reads go on");
    assert_eq!(told.load(Ordering::SeqCst), 1);

    let log = directory.path().join("entries.db-wal");
    let before = std::fs::read(&log).unwrap();
    store.close().await;
    assert_eq!(
        std::fs::read(&log).unwrap(),
        before,
        "nothing more is written"
    );

    let store = open(directory.path(), super::commit, &told).unwrap();
    let stored = store.tally().await.unwrap().stored;
    let again = append(&store, "in it").await;
    let expected = if stored == 2 {
        matches!(again, Ok(Appended::Replay(_)))
    } else {
        matches!(again, Ok(Appended::Accepted { .. }))
    };
    assert!(expected, "the restart settles what was unknown: {again:?}");
    store.close().await;
    (directory, stored)
}

#[tokio::test]
async fn a_failed_sync_is_unknown_and_the_restart_finds_the_row() {
    assert_eq!(poisoned_by(synced_badly).await.1, 2);
}

#[tokio::test]
async fn a_failed_write_is_unknown_and_the_restart_finds_nothing() {
    assert_eq!(poisoned_by(lost).await.1, 1);
}

#[tokio::test]
async fn no_space_at_commit_refuses_and_leaves_no_trace_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let store = open(directory.path(), super::commit, &told).unwrap();
    let range = engine::ports::NumberRange {
        prefix: "A".to_owned(),
        digits: 2,
    };
    store.add_range(range).await.unwrap();
    store.close().await;

    let store = open(directory.path(), full, &told).unwrap();
    for _ in 0..3 {
        let refused = append(&store, "k").await;
        assert!(matches!(refused, Err(AppendError::Refused)), "{refused:?}");
        assert_eq!(store.lease_block(10).await, Err(WriteError::Refused));
    }
    assert!(!store.poisoned());
    assert_eq!(told.load(Ordering::SeqCst), 0);
    assert_eq!(store.tally().await.unwrap().stored, 0);
    assert_eq!(store.numbers_left().await, Ok(100));
    store.close().await;
}

#[tokio::test]
async fn a_panic_of_the_writer_is_unknown_and_poisons() {
    let directory = tempfile::tempdir().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let store = open(directory.path(), panics, &told).unwrap();
    let unknown = append(&store, "k").await;
    assert!(matches!(unknown, Err(AppendError::Unknown)), "{unknown:?}");
    // The thread may still be unwinding when the answer arrives; closing waits for it.
    store.close().await;
    assert!(store.poisoned());
    assert_eq!(told.load(Ordering::SeqCst), 1);
    let again = append(&store, "k").await;
    assert!(matches!(again, Err(AppendError::Unknown)), "{again:?}");
}

/// Everyone in a group hears the same, and hears it after the commit.
#[tokio::test]
async fn nobody_is_answered_before_the_commit_of_their_group() {
    static COMMITS: AtomicUsize = AtomicUsize::new(0);
    fn counted(conn: &Connection) -> rusqlite::Result<()> {
        super::commit(conn)?;
        COMMITS.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    let directory = tempfile::tempdir().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let store = open(directory.path(), counted, &told).unwrap();
    let keys: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let appends = keys.iter().map(|key| async {
        let before = COMMITS.load(Ordering::SeqCst);
        assert!(append(&store, key).await.is_ok());
        assert!(COMMITS.load(Ordering::SeqCst) > before);
    });
    futures_util::future::join_all(appends).await;
    let commits = COMMITS.load(Ordering::SeqCst);
    assert!(commits >= 200_usize.div_ceil(GROUP_MAX), "{commits}");
    assert!(commits < 200, "what waits together is committed together");
    store.close().await;
}
