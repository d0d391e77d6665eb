//! Every moment at which a process that closes or opens a store may be killed.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::{Clock, NumberRange, Store};
use futures_util::future::BoxFuture;
use policies::operation::OpName;
use policies::time::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::sealing::Key;
use crate::sqlite::{Settings, Sqlite};

const DATABASE: &str = "entries.db";
const LOG: &str = "entries.db-wal";

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_790_000_000_000)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn open(directory: &Path) -> Result<Sqlite, OpenError> {
    let file = directory.join("key");
    fs::write(&file, "01".repeat(32)).unwrap();
    let key = Key::from_file(&file).unwrap();
    Sqlite::open(&Settings::new(
        directory.to_owned(),
        key,
        Arc::new(Still),
        OpName("annulla"),
    ))
}

fn image(of: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in [DATABASE, LOG, "entries.guard", "keys"] {
        fs::copy(of.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

/// What a process leaves that was killed after it stored ten numbers.
async fn crashed() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let range = NumberRange {
        prefix: "A".to_owned(),
        digits: 1,
    };
    assert_eq!(store.add_range(range).await, Ok(true));
    let image = image(directory.path());
    store.close().await;
    image
}

fn log_length(directory: &Path) -> u64 {
    fs::metadata(directory.join(LOG)).unwrap().len()
}

/// Starts and ends a store on it, twice, and finds the numbers each time.
async fn is_whole(directory: &Path, point: &str) {
    for _ in 0..2 {
        let store = open(directory).unwrap_or_else(|error| panic!("{point}: {error}"));
        assert_eq!(store.numbers_left().await, Ok(10), "{point}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_opens_again_wherever_its_closing_or_opening_was_cut_off() {
    let crashed = crashed().await;
    let directory = crashed.path();
    let mut points = vec![("before the log is folded", image(directory))];
    {
        let (mut guard, left) = Guard::take(directory).unwrap();
        assert_eq!(left, Left::Open);
        let conn = schema::open_writer(&directory.join(DATABASE), None).unwrap();
        assert!(schema::fold(&conn).unwrap());
        points.push(("folded", image(directory)));
        guard.mark_closed().unwrap();
        points.push(("marked as closed", image(directory)));
        schema::empty(&conn).unwrap();
        assert_eq!(log_length(directory), 0);
        points.push(("emptied", image(directory)));
        // The first commit of the next process, before it says that it has the store open.
        conn.execute("UPDATE meta SET instance = instance + 1", [])
            .unwrap();
        points.push(("the next one has begun", image(directory)));
        guard.mark_open().unwrap();
        points.push(("the next one has opened it", image(directory)));
    }
    for (point, image) in points {
        is_whole(image.path(), point).await;
    }
}

/// A guard that cannot be written stops the rest: the log is all there is.
#[tokio::test]
async fn a_log_is_not_emptied_unless_the_guard_says_closed() {
    let crashed = crashed().await;
    let directory = crashed.path();
    let before = log_length(directory);
    {
        let mut guard = Guard::unwritable(directory);
        let conn = schema::open_writer(&directory.join(DATABASE), None).unwrap();
        assert!(retire(&conn, &mut guard, Left::Open).is_err());
    }
    assert_eq!(log_length(directory), before);
    is_whole(directory, "a guard that could not be written").await;
}

/// A reader in the way leaves log and guard as they are.
#[tokio::test]
async fn a_log_that_someone_reads_is_left() {
    let crashed = crashed().await;
    let directory = crashed.path();
    {
        let (mut guard, _) = Guard::take(directory).unwrap();
        let conn = schema::open_writer(&directory.join(DATABASE), None).unwrap();
        let reader = schema::open_reader(&directory.join(DATABASE)).unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM meta")
            .unwrap();
        conn.execute("UPDATE meta SET instance = instance + 1", [])
            .unwrap();
        conn.busy_timeout(Duration::ZERO).unwrap();
        assert!(!retire(&conn, &mut guard, Left::Open).unwrap());
    }
    assert!(log_length(directory) > 0);
    let (_, left) = Guard::take(directory).unwrap();
    assert_eq!(left, Left::Open);
}

/// A start on a copy that is cut off after the log was emptied has trusted nothing yet.
#[tokio::test]
async fn a_copy_whose_first_start_was_cut_off_is_still_a_copy() {
    let crashed = crashed().await;
    let directory = crashed.path();
    fs::remove_file(directory.join("entries.guard")).unwrap();
    {
        let (mut guard, left) = Guard::take(directory).unwrap();
        let conn = schema::open_writer(&directory.join(DATABASE), None).unwrap();
        assert!(retire(&conn, &mut guard, left).unwrap());
    }
    let store = open(directory).unwrap();
    assert_eq!(store.numbers_left().await, Ok(0), "its numbers are gone");
    store.close().await;
}
