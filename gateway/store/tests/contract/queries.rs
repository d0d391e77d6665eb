//! Reading: all of one's own, nothing of anybody else's.

use std::time::Duration;

use engine::ports::{Document, Filter, NumberUse, Organization, Page, Store};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;

use super::{PLENTY, Place};
use crate::world::{
    LEASE, SEND, START, about, accept, bytes, entry, lease_one, practice, settlement,
};

const ALL: Page = Page {
    after: None,
    entries_max: 100,
};

async fn keys(store: &dyn Store, filter: Filter, page: Page) -> Vec<String> {
    let found = store.list(practice(), filter, page).await.unwrap();
    found
        .iter()
        .map(|entry| String::from_utf8(entry.number.0.clone()).unwrap())
        .collect()
}

pub(crate) async fn an_entry_is_visible_to_its_organization_only(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let others = || Organization("practice-b".to_owned());
    assert!(store.get(practice(), id).await.unwrap().is_some());
    assert!(store.get(others(), id).await.unwrap().is_none());
    assert!(store.events(others(), id).await.unwrap().is_none());
    assert!(
        store
            .events_after(others(), 0, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let listed = store.list(others(), Filter::default(), ALL).await.unwrap();
    assert!(listed.is_empty());
    let by_number = Filter {
        number: Some(bytes("own-k")),
        ..Filter::default()
    };
    assert!(
        store
            .list(others(), by_number, ALL)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store.document(others(), id).await.unwrap(),
        Document::NoEntry
    );
    let count = store.reauthorize(others(), bytes("PROVAX00X00X000Y"), bytes("x"));
    assert_eq!(count.await, Ok(0));
}

pub(crate) async fn a_list_is_newest_first_and_continues_after_a_name(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(accept(&*store, entry(&n.to_string())).await);
    }
    let page = |after, entries_max| Page { after, entries_max };
    let all = ["own-4", "own-3", "own-2", "own-1", "own-0"];
    assert_eq!(keys(&*store, Filter::default(), ALL).await, all);
    assert_eq!(
        keys(&*store, Filter::default(), page(None, 2)).await,
        all[..2]
    );
    assert_eq!(
        keys(&*store, Filter::default(), page(Some(ids[3]), 2)).await,
        all[2..4]
    );
    assert!(
        keys(&*store, Filter::default(), page(Some(ids[0]), 2))
            .await
            .is_empty()
    );
    let unknown = page(Some(entry("never stored").id), 9);
    assert!(keys(&*store, Filter::default(), unknown).await.is_empty());
    let mut theirs = entry("another practice");
    theirs.organization = Organization("practice-b".to_owned());
    let theirs = accept(&*store, theirs).await;
    let foreign = page(Some(theirs), 9);
    assert!(keys(&*store, Filter::default(), foreign).await.is_empty());
}

pub(crate) async fn a_list_holds_what_passes_every_filter(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    for (n, person) in [
        (0, "PNIMRA70A01H501P"),
        (1, "RSSMRA80A01H501U"),
        (2, "PNIMRA70A01H501P"),
    ] {
        let mut new = entry(&n.to_string());
        new.person = Some(bytes(person));
        new.terms.deadline = START + Duration::from_secs(1_000 + n);
        accept(&*store, new).await;
        place.clock().advance(Duration::from_secs(10));
    }
    let leased = lease_one(&*store, SEND).await;
    let refused = settlement(&leased, State::Rejected, Some(Code::UpstreamRejected));
    store.settle(vec![refused]).await.unwrap();

    let (patient, ten) = ("PNIMRA70A01H501P", START + Duration::from_secs(10));
    let number = |own: &str| Filter {
        number: Some(bytes(own)),
        ..Filter::default()
    };
    let person = |state| Filter {
        person: Some(bytes(patient)),
        state,
        ..Filter::default()
    };
    let state = |state| Filter {
        state: Some(state),
        ..Filter::default()
    };
    let between = |from, to| Filter {
        from: Some(from),
        to,
        ..Filter::default()
    };
    let cases: [(Filter, &[&str]); 7] = [
        (state(State::Rejected), &["own-0"]),
        (number("own-1"), &["own-1"]),
        (number("own-9"), &[]),
        (person(None), &["own-2", "own-0"]),
        (person(Some(State::Accepted)), &["own-2"]),
        (between(ten, None), &["own-2", "own-1"]),
        (between(START, Some(ten)), &["own-0"]),
    ];
    for (filter, expected) in cases {
        assert_eq!(
            keys(&*store, filter.clone(), ALL).await,
            expected,
            "{filter:?}"
        );
    }
}

pub(crate) async fn a_document_is_there_once_its_entry_is_registered(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("with")).await;
    let other = accept(&*store, entry("without")).await;
    let missing = store.document(practice(), entry("never stored").id).await;
    assert_eq!(missing.unwrap(), Document::NoEntry);
    assert_eq!(
        store.document(practice(), id).await.unwrap(),
        Document::NotRegistered(State::Accepted)
    );
    let leased = store.lease_due(SEND, 2, LEASE).await.unwrap();
    let mut with = settlement(&leased[0], State::Registered, None);
    with.document = Some(bytes("%PDF-1.7"));
    let without = settlement(&leased[1], State::Registered, None);
    store.settle(vec![with, without]).await.unwrap();
    drop(store);

    let store = super::reopen(place).await;
    assert_eq!(
        store.document(practice(), id).await.unwrap(),
        Document::Found(bytes("%PDF-1.7"))
    );
    assert_eq!(
        store.document(practice(), other).await.unwrap(),
        Document::None
    );
    // Its number is being annulled: nothing of it is printed any more.
    accept(&*store, about(id, Role::Cancel, "c")).await;
    assert_eq!(
        store.document(practice(), id).await.unwrap(),
        Document::NotRegistered(State::Cancelling)
    );
}

pub(crate) async fn every_entry_is_in_one_term_of_the_equation(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let settled: Vec<_> = State::ALL
        .into_iter()
        .filter(|state| !state.is_leased())
        .collect();
    let new = (0..settled.len() + 2).map(|n| {
        let mut new = entry(&n.to_string());
        new.number = NumberUse::Callers(bytes(&format!("n{n}")));
        new
    });
    store.append(new.collect()).await;
    let leased = store
        .lease_due(SEND, settled.len() + 1, LEASE)
        .await
        .unwrap();
    let settlements = settled
        .iter()
        .zip(&leased)
        .map(|(state, leased)| settlement(leased, *state, None))
        .collect();
    store.settle(settlements).await.unwrap();
    let tally = store.tally().await.unwrap();
    assert!(tally.balances(), "{tally:?}");
    assert_eq!(tally.stored, u64::try_from(settled.len() + 2).unwrap());
    // Accepted by settlement, still held, and never leased.
    assert_eq!((tally.waiting, tally.registered), (3, 2));
}
