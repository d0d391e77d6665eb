//! Prescriptions that wait for others.

use engine::ports::{Appended, EntryId, NewEntry, Store};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;

use super::{PLENTY, Place};
use crate::world::{LEASE, SEND, START, about, accept, deliver, entry, recalled, stands};

fn after(parent: EntryId, key: &str) -> NewEntry {
    NewEntry {
        depends_on: Some(parent),
        ..entry(key)
    }
}

/// Three, each waiting for the one before it.
async fn chain(store: &dyn Store) -> [EntryId; 3] {
    let first = accept(store, entry("first")).await;
    let second = accept(store, after(first, "second")).await;
    let third = accept(store, after(second, "third")).await;
    [first, second, third]
}

pub(crate) async fn a_chain_is_sent_one_after_another(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let ids = chain(&*store).await;
    for id in ids {
        let leased = store.lease_due(SEND, 9, LEASE).await.unwrap();
        let held: Vec<_> = leased.iter().map(|leased| leased.id).collect();
        assert_eq!(held, [id]);
        let done = crate::world::settlement(&leased[0], State::Registered, None);
        store.settle(vec![done]).await.unwrap();
    }
    let late = accept(&*store, after(ids[2], "late")).await;
    assert_eq!(crate::world::lease_one(&*store, SEND).await.id, late);
}

pub(crate) async fn what_waits_for_one_that_ended_otherwise_is_parked(place: &mut dyn Place) {
    let cases = [
        (State::Rejected, Code::DependencyRejected),
        (State::Withdrawn, Code::DependencyWithdrawn),
        (State::Conflict, Code::DependencyConflict),
        (State::Parked, Code::DependencyParked),
    ];
    for (state, reason) in cases {
        let store = place.open(PLENTY);
        let [first, second, third] = chain(&*store).await;
        deliver(&*store, SEND, state, None).await;
        assert_eq!(stands(&*store, first).await, (state, None));
        let parked = (State::Parked, Some(reason));
        assert_eq!(stands(&*store, second).await, parked);
        let behind = (State::Parked, Some(Code::DependencyParked));
        assert_eq!(stands(&*store, third).await, behind);
        let refused = store.append(vec![after(first, "late")]).await.remove(0);
        assert!(matches!(refused, Ok(Appended::Moot(now)) if now == state));
        drop(store);
        place.shut().await;
        place.erase();
    }
}

pub(crate) async fn one_that_waits_for_another_can_be_taken_back(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let [first, second, third] = chain(&*store).await;
    accept(&*store, about(second, Role::Cancel, "c")).await;
    assert_eq!(recalled(&*store, "c").await, (State::Registered, None));
    let withdrawn = (State::Withdrawn, Some(Code::CancelRequested));
    assert_eq!(stands(&*store, second).await, withdrawn);
    let parked = (State::Parked, Some(Code::DependencyWithdrawn));
    assert_eq!(stands(&*store, third).await, parked);
    assert_eq!(stands(&*store, first).await, (State::Accepted, None));
}

/// Both are late, and each is parked once.
pub(crate) async fn a_chain_past_its_deadline_is_parked_link_by_link(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut first = entry("first");
    first.terms.deadline = START + LEASE;
    let first = accept(&*store, first).await;
    let mut second = after(first, "second");
    second.terms.deadline = START + LEASE;
    let second = accept(&*store, second).await;
    let mut alone = after(first, "alone");
    alone.terms.deadline = START + LEASE / 2;
    let alone = accept(&*store, alone).await;
    place.clock().advance(2 * LEASE);
    assert_eq!(store.sweep(10).await.unwrap().parked, 2);
    let late = (State::Parked, Some(Code::DeadlinePassed));
    assert_eq!(stands(&*store, alone).await, late);
    assert_eq!(stands(&*store, first).await, late);
    let taken_along = (State::Parked, Some(Code::DependencyParked));
    assert_eq!(stands(&*store, second).await, taken_along);
    assert!(store.tally().await.unwrap().balances());
}
