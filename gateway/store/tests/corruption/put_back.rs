//! A copy that was put back knows what waited for what, and sends none of it unasked.

use std::fs;
use std::time::Duration;

use engine::ports::{NewEntry, Store};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;

use store::sqlite::Sqlite;
use tempfile::TempDir;

use super::{DATABASE, KEYS, open};
use crate::world::{
    self, LEASE, SEND, START, UNDOING, VERIFY, about, accept, bytes, entry, lease_one, practice,
    recalled, settle, settlement, show, stands,
};

/// Ends `store`, and puts a copy of what it left elsewhere.
async fn put_back(store: Sqlite, directory: &TempDir) -> TempDir {
    store.close().await;
    let copy = world::scratch();
    for name in [DATABASE, KEYS] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[tokio::test]
async fn what_waits_for_another_is_asked_for_when_its_turn_has_come() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let first = accept(&store, entry("first")).await;
    let second = NewEntry {
        depends_on: Some(first),
        ..entry("second")
    };
    let second = accept(&store, second).await;
    let third = accept(&store, entry("third")).await;
    let leased = store.lease_due(SEND, 9, LEASE).await.unwrap();
    assert_eq!(leased.len(), 2, "the first and the third");
    accept(&store, about(third, Role::Cancel, "c")).await;
    settle(&store, &leased[0], State::Accepted, None).await;
    let copy = put_back(store, &directory).await;
    let store = open(copy.path()).unwrap();
    let unknown = (State::Uncertain, Some(Code::LeaseExpired));
    for id in [first, second, third] {
        assert_eq!(stands(&store, id).await, unknown);
    }
    assert_eq!(recalled(&store, "c").await, (State::Accepted, None));
    assert!(store.lease_due(SEND, 9, LEASE).await.unwrap().is_empty());
    assert!(store.lease_due(UNDOING, 9, LEASE).await.unwrap().is_empty());
    let looking = store.lease_due(VERIFY, 9, LEASE).await.unwrap();
    let held: Vec<_> = looking.iter().map(|leased| leased.id).collect();
    assert_eq!(held, [first, third], "the second waits for the first");
    for leased in &looking {
        settle(&store, leased, State::Registered, None).await;
    }
    assert_eq!(stands(&store, third).await, (State::Cancelling, None));
    let asked_for = lease_one(&store, VERIFY).await;
    assert_eq!(asked_for.id, second, "it may have been sent since");
    assert!(store.lease_due(SEND, 9, LEASE).await.unwrap().is_empty());
    assert!(store.tally().await.unwrap().balances());
    store.close().await;
}

/// The lost process may have sent what was never sent when the copy was made.
#[tokio::test]
async fn what_waited_and_is_given_up_is_watched() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let on_paper = accept(&store, entry("on paper")).await;
    let mut late = entry("late");
    late.terms.deadline = START - Duration::from_secs(1);
    let late = accept(&store, late).await;
    let cancelled = accept(&store, entry("cancelled")).await;
    let dependent = NewEntry {
        depends_on: Some(cancelled),
        ..entry("depends on it")
    };
    let dependent = accept(&store, dependent).await;
    let copy = put_back(store, &directory).await;

    let store = open(copy.path()).unwrap();
    assert_eq!(store.sweep(9).await.unwrap().parked, 1);
    accept(&store, about(on_paper, Role::Paper, "p")).await;
    let leased = lease_one(&store, VERIFY).await;
    assert_eq!((leased.id, leased.sends), (cancelled, 1));
    settle(&store, &leased, State::Accepted, None).await;
    accept(&store, about(cancelled, Role::Cancel, "c")).await;
    for (id, state) in [
        (on_paper, State::RedRecipe),
        (late, State::Parked),
        (cancelled, State::Withdrawn),
        (dependent, State::Parked),
    ] {
        let shown = show(&store, id).await;
        assert_eq!((shown.state, shown.watched), (state, true));
    }
    store.close().await;
}

#[tokio::test]
async fn what_waits_for_its_prescriber_is_asked_for_then() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let id = accept(&store, entry("k")).await;
    let leased = lease_one(&store, SEND).await;
    let mut unsent = settlement(&leased, State::NeedsAuthorization, None);
    unsent.sends = 0;
    store.settle(vec![unsent]).await.unwrap();
    let copy = put_back(store, &directory).await;

    let store = open(copy.path()).unwrap();
    assert_eq!(stands(&store, id).await, (State::NeedsAuthorization, None));
    let identity = entry("k").identity;
    let authorized = store.reauthorize(practice(), identity, bytes("a later authority"));
    assert_eq!(authorized.await, Ok(1));
    assert_eq!(stands(&store, id).await, (State::Uncertain, None));
    assert!(store.lease_due(SEND, 9, LEASE).await.unwrap().is_empty());
    store.close().await;
}
