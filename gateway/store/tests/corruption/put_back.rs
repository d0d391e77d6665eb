//! A copy that was put back knows what waited for what, and sends none of it unasked.

use std::fs;

use engine::ports::{NewEntry, Store};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;

use super::{DATABASE, open};
use crate::world::{
    self, LEASE, SEND, UNDOING, VERIFY, about, accept, entry, lease_one, recalled, settle, stands,
};

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
    store.close().await;

    let copy = world::scratch();
    fs::copy(directory.path().join(DATABASE), copy.path().join(DATABASE)).unwrap();
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
