//! How a process ends: closed or dropped, nothing that was confirmed is lost.

use std::time::Duration;

use engine::ports::{AppendError, Appended, ReadError, Store};
use futures_util::future::{join, join_all};
use policies::failure::Opaque;
use store::sqlite::OpenError;

use super::{open, running};
use crate::world::{self, entry, practice};

/// What is waited for takes milliseconds; this only ends a test that would hang.
const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn closing_answers_what_was_handed_over_and_refuses_what_comes_later() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let keys: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let appends = join_all(keys.iter().map(|key| store.append(vec![entry(key)])));
    // The appends are polled first, so they are in the queue when closing begins.
    let (outcomes, ()) = join(appends, store.close()).await;
    store.close().await;
    let accepted = outcomes
        .iter()
        .filter(|outcome| matches!(outcome[0], Ok(Appended::Accepted { .. })))
        .count();
    assert_eq!(accepted, keys.len(), "what was in the queue is written");
    assert_eq!(store.tally().await, Err(ReadError::Unavailable));
    let later = store.append(vec![entry("later")]).await.remove(0);
    assert!(matches!(later, Err(AppendError::Refused)), "{later:?}");
    let store = open(directory.path()).unwrap();
    let stored = store.tally().await.unwrap().stored;
    assert_eq!(stored, u64::try_from(accepted).unwrap());
    store.close().await;
}

/// A store dropped without being closed finishes by itself, and keeps what it confirmed.
#[tokio::test]
async fn a_dropped_store_loses_nothing() {
    let directory = world::scratch();
    let (store, ids) = running(directory.path(), 3).await;
    drop(store);
    // Its threads let go of the lock a moment later.
    let reopened = async {
        loop {
            match open(directory.path()) {
                Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
                opened => return opened.expect("the store opens"),
            }
        }
    };
    let store = tokio::time::timeout(BOUND, reopened)
        .await
        .expect("the lock is let go of");
    let found = store.get(practice(), ids[2]).await.unwrap().unwrap();
    assert_eq!(found.number, Opaque(b"own-2".to_vec()));
    store.close().await;
}
