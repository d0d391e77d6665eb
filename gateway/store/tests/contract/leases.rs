//! Leasing: one holder at a time, in order, and an end that is never taken for "not sent".

use std::time::Duration;

use engine::ports::{Appended, EntryId, Settled, Store, Wanted};
use policies::failure::Code;
use policies::operation::LaneName;
use policies::state::State;
use policies::time::Timestamp;

use super::{PLENTY, Place, reopen};
use crate::world::{
    LEASE, SEND, SENDING, START, VERIFY, accept, entry, lease_one, practice, settlement,
};

async fn state_of(store: &dyn Store, id: EntryId) -> (State, Option<Code>) {
    let found = store.get(practice(), id).await.unwrap().unwrap();
    (found.state, found.reason)
}

async fn ids(store: &dyn Store, wanted: Wanted, entries_max: usize) -> Vec<EntryId> {
    let leased = store.lease_due(wanted, entries_max, LEASE).await.unwrap();
    leased.iter().map(|leased| leased.id).collect()
}

/// Invariant 3.
pub(crate) async fn an_entry_is_leased_by_one_deliverer_and_an_older_lease_settles_nothing(
    place: &mut dyn Place,
) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let first = lease_one(&*store, SEND).await;
    assert_eq!(
        (first.id, first.state, first.epoch, first.sends),
        (id, State::Sending, 1, 1)
    );
    assert_eq!(first.lease_until, START + LEASE);
    assert!(store.lease_due(SEND, 10, LEASE).await.unwrap().is_empty());

    let tried = settlement(&first, State::Accepted, Some(Code::UpstreamUnreachable));
    assert_eq!(store.settle(vec![tried]).await.unwrap(), [Settled::Settled]);
    let late = settlement(&first, State::Registered, None);
    assert_eq!(
        store.settle(vec![late.clone()]).await.unwrap(),
        [Settled::Stale(State::Accepted)]
    );

    let second = lease_one(&*store, SEND).await;
    assert_eq!((second.epoch, second.sends), (2, 2));
    assert_eq!(
        store.settle(vec![late]).await.unwrap(),
        [Settled::Stale(State::Sending)]
    );
    let done = settlement(&second, State::Registered, None);
    assert_eq!(store.settle(vec![done]).await.unwrap(), [Settled::Settled]);
    assert_eq!(state_of(&*store, id).await, (State::Registered, None));
}

/// Invariant 4.
pub(crate) async fn a_lease_that_ran_out_leaves_its_entry_uncertain_never_due(
    place: &mut dyn Place,
) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let held = lease_one(&*store, SEND).await;
    place.clock().advance(LEASE - Duration::from_millis(1));
    assert!(ids(&*store, VERIFY, 10).await.is_empty(), "it still runs");
    place.clock().advance(Duration::from_millis(1));

    assert!(ids(&*store, SEND, 10).await.is_empty(), "never due again");
    assert_eq!(
        state_of(&*store, id).await,
        (State::Uncertain, Some(Code::LeaseExpired))
    );
    let late = settlement(&held, State::Registered, None);
    assert_eq!(
        store.settle(vec![late]).await.unwrap(),
        [Settled::Stale(State::Uncertain)]
    );

    let verifying = lease_one(&*store, VERIFY).await;
    assert_eq!(
        (
            verifying.id,
            verifying.state,
            verifying.epoch,
            verifying.sends
        ),
        (id, State::Verifying, 2, 1)
    );
    place.clock().advance(LEASE);
    assert_eq!(
        ids(&*store, VERIFY, 10).await,
        [id],
        "and can be verified again"
    );
}

pub(crate) async fn a_deliverer_hears_why_its_entry_stands_there_and_a_lost_question_changes_it_not(
    place: &mut dyn Place,
) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let sending = lease_one(&*store, SEND).await;
    assert_eq!(sending.reason, None);
    let reset = Some(Code::UpstreamReset);
    let uncertain = settlement(&sending, State::Uncertain, reset);
    store.settle(vec![uncertain]).await.unwrap();
    assert_eq!(lease_one(&*store, VERIFY).await.reason, reset);
    place.clock().advance(LEASE);
    assert_eq!(lease_one(&*store, VERIFY).await.reason, reset);
    assert_eq!(state_of(&*store, id).await, (State::Verifying, reset));
    assert_eq!(
        store.events(practice(), id).await.unwrap().unwrap().len(),
        2
    );
}

/// Invariant 4.
pub(crate) async fn a_lease_of_a_process_that_is_gone_has_ended(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let sent = accept(&*store, entry("sent")).await;
    let waiting = accept(&*store, entry("waiting")).await;
    assert_eq!(lease_one(&*store, SEND).await.id, sent);
    drop(store);

    let store = reopen(place).await;
    assert_eq!(
        state_of(&*store, sent).await,
        (State::Uncertain, Some(Code::LeaseExpired))
    );
    assert_eq!(state_of(&*store, waiting).await, (State::Accepted, None));
    assert_eq!(ids(&*store, SEND, 10).await, [waiting]);
    let leased = lease_one(&*store, VERIFY).await;
    assert_eq!((leased.id, leased.sends), (sent, 1));
}

pub(crate) async fn the_earliest_deadline_is_leased_first(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut expected = Vec::new();
    for (key, hours) in [("c", 3), ("a", 1), ("d", 3), ("b", 2)] {
        let mut new = entry(key);
        new.terms.deadline = START + Duration::from_secs(3_600 * hours);
        expected.push((hours, key, accept(&*store, new).await));
    }
    expected.sort();
    let expected: Vec<_> = expected.into_iter().map(|(_, _, id)| id).collect();
    let mut leased = ids(&*store, SEND, 3).await;
    leased.extend(ids(&*store, SEND, 3).await);
    assert_eq!(leased, expected);
}

pub(crate) async fn entries_of_one_prescription_leave_in_order(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let first = accept(&*store, entry("first")).await;
    let mut later = Vec::new();
    for key in ["second", "third"] {
        let mut new = entry(key);
        new.order_key = first;
        // Its own deadline does not put it in front.
        new.terms.deadline = START + Duration::from_secs(1);
        later.push(accept(&*store, new).await);
    }
    let sending = store.lease_due(SEND, 10, LEASE).await.unwrap();
    assert_eq!(sending.len(), 1);
    assert_eq!(sending[0].id, first);
    assert!(ids(&*store, SEND, 10).await.is_empty());

    let uncertain = settlement(&sending[0], State::Uncertain, Some(Code::UpstreamTimeout));
    store.settle(vec![uncertain]).await.unwrap();
    assert!(ids(&*store, SEND, 10).await.is_empty(), "still pending");
    assert_eq!(
        store.next_due(SEND).await.unwrap(),
        None,
        "nothing to wake for"
    );

    let verifying = lease_one(&*store, VERIFY).await;
    let done = settlement(&verifying, State::Registered, None);
    store.settle(vec![done]).await.unwrap();
    assert_eq!(ids(&*store, SEND, 10).await, [later[0]]);
}

pub(crate) async fn an_entry_is_leased_from_its_own_queue_when_it_is_due(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let elsewhere = Wanted {
        lane: LaneName("sac.lots"),
        op: SENDING,
        verify: false,
    };
    let id = accept(&*store, entry("k")).await;
    assert!(ids(&*store, elsewhere, 10).await.is_empty());
    assert!(ids(&*store, VERIFY, 10).await.is_empty());

    let leased = lease_one(&*store, SEND).await;
    let mut tried = settlement(&leased, State::Accepted, None);
    tried.due = Some(START + Duration::from_secs(5));
    tried.failures = 1;
    tried.sends = 0;
    store.settle(vec![tried]).await.unwrap();
    assert!(ids(&*store, SEND, 10).await.is_empty(), "not due yet");
    place.clock().advance(Duration::from_secs(5));
    let leased = lease_one(&*store, SEND).await;
    assert_eq!((leased.id, leased.failures, leased.sends), (id, 1, 1));
}

pub(crate) async fn next_due_is_the_next_instant_there_may_be_work(place: &mut dyn Place) {
    let at = |seconds| Some(START + Duration::from_secs(seconds));
    let store = place.open(PLENTY);
    assert_eq!(store.next_due(SEND).await.unwrap(), None);
    accept(&*store, entry("k")).await;
    assert!(store.next_due(SEND).await.unwrap() <= at(0), "due now");
    assert_eq!(store.next_due(VERIFY).await.unwrap(), None);

    let leased = lease_one(&*store, SEND).await;
    assert_eq!(
        store.next_due(SEND).await.unwrap(),
        at(60),
        "its lease ends"
    );
    assert_eq!(store.next_due(VERIFY).await.unwrap(), at(60));

    let mut tried = settlement(&leased, State::Accepted, None);
    tried.due = at(7);
    store.settle(vec![tried]).await.unwrap();
    assert_eq!(store.next_due(SEND).await.unwrap(), at(7));
    assert_eq!(store.next_due(VERIFY).await.unwrap(), None);
    place.clock().advance(Duration::from_secs(8));
    assert!(store.next_due(SEND).await.unwrap() <= Some(Timestamp(START.0 + 8_000)));

    let leased = lease_one(&*store, SEND).await;
    let done = settlement(&leased, State::Registered, None);
    store.settle(vec![done]).await.unwrap();
    assert_eq!(store.next_due(SEND).await.unwrap(), None);
}

pub(crate) async fn deliverers_at_once_never_hold_the_same_entry(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let all: Vec<_> = (0..60).map(|n| entry(&format!("k{n}"))).collect();
    for outcome in store.append(all).await {
        assert!(matches!(outcome, Ok(Appended::Accepted { .. })));
    }
    let mut deliverers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = std::sync::Arc::clone(&store);
        deliverers.spawn(async move { ids(&*store, SEND, 4).await });
    }
    let mut held: Vec<_> = deliverers.join_all().await.concat();
    held.sort();
    held.dedup();
    assert_eq!(held.len(), 60);
}
