//! What becomes of entries, and what the caller hears of it.

use std::time::Duration;

use engine::ports::{Event, Organization, Settled, Store, WriteError};
use policies::failure::Code;
use policies::state::State;

use super::{PLENTY, Place};
use crate::world::{
    LEASE, SEND, START, VERIFY, accept, bytes, entry, lease_one, practice, settlement,
};

async fn steps(store: &dyn Store, id: engine::ports::EntryId) -> Vec<(State, Option<Code>)> {
    let events = store
        .events(practice(), id)
        .await
        .unwrap()
        .expect("its events");
    assert!(events.iter().all(|event| event.entry == id));
    assert!(events.is_sorted_by(|a, b| a.seq < b.seq));
    events
        .iter()
        .map(|event| (event.state, event.reason))
        .collect()
}

pub(crate) async fn an_event_is_written_only_when_there_is_news(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let unreachable = Some(Code::UpstreamUnreachable);
    for _ in 0..3 {
        place.clock().advance(Duration::from_secs(1));
        let leased = lease_one(&*store, SEND).await;
        let tried = settlement(&leased, State::Accepted, unreachable);
        store.settle(vec![tried]).await.unwrap();
    }
    let news = [(State::Accepted, None), (State::Accepted, unreachable)];
    assert_eq!(steps(&*store, id).await, news);
    let found = store.get(practice(), id).await.unwrap().unwrap();
    assert_eq!(found.updated_at, START + Duration::from_secs(1));
    assert_eq!(found.reason, unreachable);

    let leased = lease_one(&*store, SEND).await;
    let done = settlement(&leased, State::Registered, None);
    store.settle(vec![done]).await.unwrap();
    assert_eq!(
        steps(&*store, id).await,
        [news[0], news[1], (State::Registered, None)]
    );
}

pub(crate) async fn an_ended_lease_is_news_once(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    lease_one(&*store, SEND).await;
    for _ in 0..3 {
        place.clock().advance(LEASE);
        lease_one(&*store, VERIFY).await;
    }
    assert_eq!(
        steps(&*store, id).await,
        [
            (State::Accepted, None),
            (State::Uncertain, Some(Code::LeaseExpired))
        ]
    );
}

pub(crate) async fn a_settlement_keeps_the_answer_it_does_not_bring(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let leased = lease_one(&*store, SEND).await;
    let mut first = settlement(&leased, State::Uncertain, Some(Code::UpstreamReset));
    first.answer = Some(bytes("first words"));
    store.settle(vec![first]).await.unwrap();
    let leased = lease_one(&*store, VERIFY).await;
    let second = settlement(&leased, State::Registered, None);
    store.settle(vec![second]).await.unwrap();
    let found = store.get(practice(), id).await.unwrap().unwrap();
    assert_eq!(found.answer, Some(bytes("first words")));
}

pub(crate) async fn a_batch_of_settlements_is_answered_one_by_one(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    accept(&*store, entry("a")).await;
    accept(&*store, entry("b")).await;
    let leased = store.lease_due(SEND, 2, LEASE).await.unwrap();
    let done = |index: usize| settlement(&leased[index], State::Registered, None);
    let mut stale = done(1);
    stale.epoch = 9;
    let settled = store.settle(vec![done(0), stale, done(1), done(1)]).await;
    assert_eq!(
        settled.unwrap(),
        [
            Settled::Settled,
            Settled::Stale(State::Sending),
            Settled::Settled,
            Settled::Stale(State::Registered)
        ]
    );
}

pub(crate) async fn a_settlement_that_cannot_come_from_a_lease_is_refused(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let leased = lease_one(&*store, SEND).await;
    let good = settlement(&leased, State::Registered, None);
    let mut unknown = good.clone();
    unknown.id = entry("never stored").id;
    let leasing = settlement(&leased, State::Verifying, None);
    for bad in [unknown, leasing] {
        let refused = store.settle(vec![good.clone(), bad]).await;
        assert_eq!(refused, Err(WriteError::Refused));
        let found = store.get(practice(), id).await.unwrap().unwrap();
        assert_eq!(
            found.state,
            State::Sending,
            "nothing of the batch is written"
        );
    }
}

pub(crate) async fn a_passed_deadline_parks_what_nobody_holds(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut ids = Vec::new();
    for (key, seconds) in [("held", 1), ("soon", 2), ("sooner", 1), ("later", 100)] {
        let mut new = entry(key);
        new.terms.deadline = START + Duration::from_secs(seconds);
        ids.push(accept(&*store, new).await);
    }
    assert_eq!(lease_one(&*store, SEND).await.id, ids[0]);
    place.clock().advance(Duration::from_secs(1));
    assert_eq!(store.sweep(10).await.unwrap().parked, 0, "not past it yet");
    place.clock().advance(Duration::from_secs(2));
    assert_eq!(store.sweep(1).await.unwrap().parked, 1);
    assert_eq!(store.sweep(10).await.unwrap().parked, 1);
    let mut states = Vec::new();
    for id in &ids {
        states.push(store.get(practice(), *id).await.unwrap().unwrap().state);
    }
    assert_eq!(
        states,
        [
            State::Sending,
            State::Parked,
            State::Parked,
            State::Accepted
        ]
    );
    assert_eq!(
        steps(&*store, ids[2]).await,
        [
            (State::Accepted, None),
            (State::Parked, Some(Code::DeadlinePassed))
        ]
    );
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.parked, tally.waiting), (2, 2));
    assert!(tally.balances());
}

pub(crate) async fn a_new_authority_makes_the_entries_of_its_identity_due(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut theirs = entry("another doctor");
    theirs.identity = bytes("RSSMRA80A01H501U");
    let mut elsewhere = entry("another practice");
    elsewhere.organization = Organization("practice-b".to_owned());
    let new = [entry("never sent"), entry("sent once"), theirs, elsewhere];
    let ids: Vec<_> = new.iter().map(|entry| entry.id).collect();
    store.append(new.to_vec()).await;
    let leased = store.lease_due(SEND, 10, LEASE).await.unwrap();
    assert_eq!(leased.len(), 4);
    let mut waiting = Vec::new();
    for leased in &leased {
        let reason = Some(Code::AuthorityExpired);
        let mut settled = settlement(leased, State::NeedsAuthorization, reason);
        settled.sends = u32::from(leased.id != ids[0]);
        waiting.push(settled);
    }
    store.settle(waiting).await.unwrap();
    assert_eq!(store.tally().await.unwrap().needs_authorization, 4);

    let doctor = bytes("PROVAX00X00X000Y");
    let authority = bytes("a new authority");
    let count = store.reauthorize(practice(), doctor.clone(), authority.clone());
    assert_eq!(count.await, Ok(2));
    let again = store.reauthorize(practice(), doctor, authority.clone());
    assert_eq!(again.await, Ok(0));
    assert_eq!(store.tally().await.unwrap().needs_authorization, 2);

    let sending = lease_one(&*store, SEND).await;
    assert_eq!(sending.id, ids[0]);
    assert_eq!(sending.request.unwrap().authority, authority);
    let verifying = lease_one(&*store, VERIFY).await;
    assert_eq!(verifying.id, ids[1]);
    assert_eq!(verifying.request.unwrap().authority, authority);
    assert_eq!(
        steps(&*store, ids[1]).await.last(),
        Some(&(State::Uncertain, None))
    );
}

pub(crate) async fn a_passed_deadline_parks_what_waits_for_its_prescriber(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut ids = Vec::new();
    for (key, seconds) in [("waits", 5), ("waits longer", 100)] {
        let mut new = entry(key);
        new.terms.deadline = START + Duration::from_secs(seconds);
        ids.push(accept(&*store, new).await);
    }
    let leased = store.lease_due(SEND, 2, LEASE).await.unwrap();
    let waits = leased.iter().map(|leased| {
        let reason = Some(Code::AuthorityExpired);
        settlement(leased, State::NeedsAuthorization, reason)
    });
    store.settle(waits.collect()).await.unwrap();
    place.clock().advance(Duration::from_secs(5));
    assert_eq!(store.sweep(10).await.unwrap().parked, 0, "not past it yet");
    place.clock().advance(Duration::from_secs(1));
    assert_eq!(store.sweep(10).await.unwrap().parked, 1);
    assert_eq!(
        steps(&*store, ids[0]).await.last(),
        Some(&(State::Parked, Some(Code::DeadlinePassed)))
    );
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.parked, tally.needs_authorization), (1, 1));
    let renewed = store.reauthorize(practice(), bytes("PROVAX00X00X000Y"), bytes("renewed"));
    assert_eq!(renewed.await, Ok(1), "what is parked is not sent any more");
}

pub(crate) async fn an_awaited_authority_shows_until_it_comes(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    accept(&*store, entry("k")).await;
    assert_eq!(store.authority_awaited().await, Ok(false));
    let leased = lease_one(&*store, SEND).await;
    let waits = settlement(&leased, State::NeedsAuthorization, None);
    store.settle(vec![waits]).await.unwrap();
    assert_eq!(store.authority_awaited().await, Ok(true));
    let renewed = store.reauthorize(practice(), bytes("PROVAX00X00X000Y"), bytes("renewed"));
    assert_eq!(renewed.await, Ok(1));
    assert_eq!(store.authority_awaited().await, Ok(false));
}

pub(crate) async fn events_have_one_order_over_all_entries(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let a = accept(&*store, entry("a")).await;
    let leased = lease_one(&*store, SEND).await;
    let b = accept(&*store, entry("b")).await;
    let mut theirs = entry("c");
    theirs.organization = Organization("practice-b".to_owned());
    accept(&*store, theirs).await;
    let done = settlement(&leased, State::Registered, None);
    store.settle(vec![done]).await.unwrap();
    drop(store);

    let store = super::reopen(place).await;
    let d = accept(&*store, entry("d")).await;
    let all = store.events_after(practice(), 0, 100).await.unwrap();
    let seen: Vec<_> = all.iter().map(|event| (event.entry, event.state)).collect();
    let expected = [
        (a, State::Accepted),
        (b, State::Accepted),
        (a, State::Registered),
        (d, State::Accepted),
    ];
    assert_eq!(seen, expected);
    assert!(all.is_sorted_by(|x: &Event, y: &Event| x.seq < y.seq));

    // Read by pages it is the same list.
    let mut paged = Vec::new();
    let mut after = 0;
    loop {
        let page = store.events_after(practice(), after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        paged.extend(page);
    }
    assert_eq!(paged, all);
}
