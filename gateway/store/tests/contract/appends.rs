//! Storing: once, whole, and never beyond the limit.

use std::sync::Arc;

use engine::ports::{AppendError, Appended, NumberUse, Organization, Recall, Start};
use policies::state::State;

use super::{PLENTY, Place, reopen};
use crate::world::{LEASE, SEND, START, accept, bytes, entry, lease_one, practice, settlement};

/// Invariant 1.
pub(crate) async fn an_accepted_entry_its_key_and_its_number_are_there_after_reopening(
    place: &mut dyn Place,
) {
    let store = place.open(PLENTY);
    let mut new = entry("k");
    new.number = NumberUse::Callers(bytes("1300A4000000001"));
    let id = accept(&*store, new.clone()).await;
    drop(store);

    let store = reopen(place).await;
    let found = store
        .get(practice(), id)
        .await
        .unwrap()
        .expect("it is there");
    assert_eq!(found.id, id);
    assert_eq!(found.op, "invio");
    assert_eq!(found.state, State::Accepted);
    assert_eq!(found.reason, None);
    assert_eq!((found.accepted_at, found.updated_at), (START, START));
    assert_eq!(found.terms, new.terms);
    assert_eq!(found.number, bytes("1300A4000000001"));
    assert_eq!(found.answer, None);

    let again = store.append(vec![new.clone()]).await.remove(0);
    assert!(matches!(again, Ok(Appended::Replay(entry)) if entry.id == id));
    let mut other = entry("another key");
    other.number = new.number.clone();
    let used = store.append(vec![other]).await.remove(0);
    assert!(matches!(used, Ok(Appended::NumberUsed)), "{used:?}");

    let leased = lease_one(&*store, SEND).await;
    let request = leased.request.expect("it unseals");
    assert_eq!(request.payload, new.payload);
    assert_eq!(request.authority, new.authority);
    assert_eq!(request.number, bytes("1300A4000000001"));
    assert_eq!(request.trace, new.trace);
    assert_eq!((leased.id, leased.op.as_str()), (id, "invio"));
    assert_eq!(leased.terms, new.terms);
}

pub(crate) async fn a_repeated_key_answers_with_the_entry_as_it_stands_now(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let leased = lease_one(&*store, SEND).await;
    let mut settled = settlement(&leased, State::Registered, None);
    settled.answer = Some(bytes("the receipt"));
    store.settle(vec![settled]).await.unwrap();

    match store.append(vec![entry("k")]).await.remove(0) {
        Ok(Appended::Replay(found)) => {
            assert_eq!((found.id, found.state), (id, State::Registered));
            assert_eq!(found.answer, Some(bytes("the receipt")));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.tally().await.unwrap().stored, 1);
}

pub(crate) async fn a_key_used_for_another_request_is_refused(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    accept(&*store, entry("k")).await;
    let mut other = entry("k");
    other.fingerprint = bytes("something else");
    let reused = store.append(vec![other]).await.remove(0);
    assert!(matches!(reused, Ok(Appended::KeyReused)), "{reused:?}");
}

pub(crate) async fn a_key_is_unique_within_its_organization_only(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    accept(&*store, entry("k")).await;
    let mut theirs = entry("k");
    theirs.organization = Organization("practice-b".to_owned());
    theirs.number = NumberUse::Callers(bytes("another"));
    accept(&*store, theirs).await;
}

pub(crate) async fn two_entries_with_one_key_in_one_batch_are_one_entry(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let first = entry("k");
    let id = first.id;
    let mut other = entry("k");
    other.fingerprint = bytes("something else");
    let outcomes = store.append(vec![first, entry("k"), other]).await;
    assert!(matches!(
        outcomes[0],
        Ok(Appended::Accepted { epoch: 0, .. })
    ));
    assert!(matches!(&outcomes[1], Ok(Appended::Replay(found)) if found.id == id));
    assert!(matches!(outcomes[2], Ok(Appended::KeyReused)));
    assert_eq!(store.tally().await.unwrap().stored, 1);
}

pub(crate) async fn fifty_requests_with_one_key_at_once_are_one_entry(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(&store);
        requests.spawn(async move { store.append(vec![entry("k")]).await.remove(0) });
    }
    let outcomes = requests.join_all().await;
    let accepted = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Appended::Accepted { .. })))
        .count();
    let replayed = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Appended::Replay(_))))
        .count();
    assert_eq!((accepted, replayed), (1, 49));
    assert_eq!(store.tally().await.unwrap().stored, 1);
}

pub(crate) async fn an_entry_appended_leased_has_its_first_send_on_disk(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut new = entry("k");
    new.start = Start::Leased(LEASE);
    let id = new.id;
    let outcome = store.append(vec![new]).await.remove(0);
    assert!(
        matches!(
            outcome,
            Ok(Appended::Accepted {
                at: START,
                state: State::Sending,
                epoch: 1,
                request: None,
            })
        ),
        "{outcome:?}"
    );
    let found = store.get(practice(), id).await.unwrap().unwrap();
    assert_eq!(found.state, State::Sending);
    assert!(store.lease_due(SEND, 10, LEASE).await.unwrap().is_empty());
    drop(store);

    let store = reopen(place).await;
    let leased = lease_one(&*store, crate::world::VERIFY).await;
    assert_eq!((leased.id, leased.sends, leased.epoch), (id, 1, 2));
}

/// Invariant 5.
pub(crate) async fn a_full_store_refuses_new_entries_and_keeps_every_old_one(
    place: &mut dyn Place,
) {
    let store = place.open(2);
    accept(&*store, entry("a")).await;
    let outcomes = store.append(vec![entry("b"), entry("c")]).await;
    assert!(matches!(outcomes[0], Ok(Appended::Accepted { .. })));
    assert!(
        matches!(outcomes[1], Err(AppendError::Full)),
        "{outcomes:?}"
    );
    // A repetition takes no room.
    let again = store.append(vec![entry("a")]).await.remove(0);
    assert!(matches!(again, Ok(Appended::Replay(_))), "{again:?}");
    drop(store);

    place.shut().await;
    let store = place.open(2);
    let full = store.append(vec![entry("c")]).await.remove(0);
    assert!(matches!(full, Err(AppendError::Full)), "{full:?}");

    // What is settled makes room; what must be tried again does not.
    let leased = lease_one(&*store, SEND).await;
    let tried = settlement(&leased, State::Accepted, None);
    store.settle(vec![tried]).await.unwrap();
    let full = store.append(vec![entry("c")]).await.remove(0);
    assert!(matches!(full, Err(AppendError::Full)), "{full:?}");
    let leased = lease_one(&*store, SEND).await;
    let done = settlement(&leased, State::Registered, None);
    store.settle(vec![done]).await.unwrap();
    accept(&*store, entry("c")).await;
    assert_eq!(store.tally().await.unwrap().stored, 3);
}

pub(crate) async fn an_entry_behind_another_of_its_prescription_is_not_appended_leased(
    place: &mut dyn Place,
) {
    let store = place.open(PLENTY);
    let first = entry("prescription");
    let mut second = entry("cancel");
    second.order_key = first.id;
    second.start = Start::Leased(LEASE);
    accept(&*store, first).await;
    let outcome = store.append(vec![second]).await.remove(0);
    assert!(
        matches!(outcome, Ok(Appended::Accepted { epoch: 0, .. })),
        "{outcome:?}"
    );
}

pub(crate) async fn an_operation_without_a_number_holds_none(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    for key in ["a", "b"] {
        let mut new = entry(key);
        new.number = NumberUse::Callers(bytes(""));
        accept(&*store, new).await;
    }
    let leased = lease_one(&*store, SEND).await;
    assert_eq!(leased.request.unwrap().number, bytes(""));
}

pub(crate) async fn an_earlier_write_is_recalled_as_it_stands_now(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let new = entry("k");
    let recall = |fingerprint| store.recall(practice(), new.key.clone(), fingerprint);
    let nothing = recall(new.fingerprint.clone()).await;
    assert!(matches!(nothing, Ok(Recall::Nothing)), "{nothing:?}");
    let id = accept(&*store, new.clone()).await;
    let leased = lease_one(&*store, SEND).await;
    let done = settlement(&leased, State::Registered, None);
    store.settle(vec![done]).await.unwrap();

    match recall(new.fingerprint.clone()).await {
        Ok(Recall::Replay(found)) => {
            assert_eq!((found.id, found.state), (id, State::Registered));
        }
        other => panic!("{other:?}"),
    }
    let reused = recall(bytes("another body")).await;
    assert!(matches!(reused, Ok(Recall::KeyReused)), "{reused:?}");
    let others = Organization("practice-b".to_owned());
    let theirs = store.recall(others, new.key.clone(), new.fingerprint.clone());
    let theirs = theirs.await;
    assert!(matches!(theirs, Ok(Recall::Nothing)), "{theirs:?}");
}
