//! What operators set: kept as durably as entries, sealed, and never overlooked.

use std::fs;
use std::path::Path;

use engine::ports::{OperatorState, OperatorStates, ReadError, WriteError};
use store::sqlite::Sqlite;

use crate::world::{self, TestClock, bytes};

fn open(directory: &Path) -> Sqlite {
    Sqlite::open(&world::settings(directory, &TestClock::new())).unwrap()
}

async fn put(store: &Sqlite, name: &str, value: Option<&str>) -> Result<(), WriteError> {
    store
        .put_operator_state(name.to_owned(), value.map(bytes))
        .await
}

fn state(name: &str, value: &str) -> OperatorState {
    OperatorState {
        name: name.to_owned(),
        value: bytes(value),
    }
}

#[tokio::test]
async fn what_operators_set_is_kept_through_restarts() {
    let directory = world::scratch();
    let store = open(directory.path());
    assert_eq!(store.operator_states().await, Ok(vec![]));
    put(&store, "b", Some("closed by M. Rossi")).await.unwrap();
    put(&store, "a", Some("1")).await.unwrap();
    put(&store, "c", Some("gone")).await.unwrap();
    put(&store, "a", Some("2")).await.unwrap();
    put(&store, "c", None).await.unwrap();
    put(&store, "never", None).await.unwrap();
    let kept = vec![state("a", "2"), state("b", "closed by M. Rossi")];
    assert_eq!(store.operator_states().await, Ok(kept.clone()));
    // As a crash would leave it.
    let copy = world::scratch();
    for name in ["entries.db", "entries.db-wal", "entries.guard", "keys"] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    store.close().await;
    for place in [&directory, &copy] {
        let store = open(place.path());
        assert_eq!(store.operator_states().await, Ok(kept.clone()));
        store.close().await;
        for file in fs::read_dir(place.path()).unwrap() {
            let content = fs::read(file.unwrap().path()).unwrap();
            assert!(!content.windows(8).any(|part| part == b"M. Rossi"));
        }
    }
    let store = open(directory.path());
    store.close().await;
    assert_eq!(put(&store, "a", None).await, Err(WriteError::Refused));
}

#[tokio::test]
async fn a_damaged_or_exchanged_value_is_not_overlooked() {
    for change in [
        "UPDATE operator_state SET value = x'00' WHERE name = 'a'",
        "UPDATE operator_state SET value = (SELECT value FROM operator_state WHERE name = 'b')",
        "UPDATE operator_state SET name = 'z' WHERE name = 'a'",
    ] {
        let directory = world::scratch();
        let store = open(directory.path());
        put(&store, "a", Some("1")).await.unwrap();
        put(&store, "b", Some("2")).await.unwrap();
        store.close().await;
        let conn = rusqlite::Connection::open(directory.path().join("entries.db")).unwrap();
        assert!(conn.execute(change, []).unwrap() > 0);
        drop(conn);
        let store = open(directory.path());
        let states = store.operator_states().await;
        assert_eq!(states, Err(ReadError::Damaged), "{change}");
        store.close().await;
    }
}

#[tokio::test]
async fn what_is_too_long_or_too_much_is_refused() {
    let directory = world::scratch();
    let store = open(directory.path());
    let (name, value) = ("n".repeat(256), "v".repeat(64 * 1024));
    assert_eq!(put(&store, &name, Some(&value)).await, Ok(()));
    let refused = Err(WriteError::Refused);
    assert_eq!(put(&store, &format!("{name}n"), Some("")).await, refused);
    assert_eq!(put(&store, "n", Some(&format!("{value}v"))).await, refused);
    let names: Vec<String> = (1..4_096).map(|n| n.to_string()).collect();
    let puts = names.iter().map(|name| put(&store, name, Some("v")));
    for outcome in futures_util::future::join_all(puts).await {
        assert_eq!(outcome, Ok(()));
    }
    assert_eq!(put(&store, "one more", Some("v")).await, refused);
    assert_eq!(put(&store, "1", Some("again")).await, Ok(()));
    store.close().await;
}
