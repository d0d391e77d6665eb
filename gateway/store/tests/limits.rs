//! Every limit that has a name is reached here, or in the contract (`entries_max`).

use std::time::Duration;

use engine::ports::{Appended, Filter, Page, Store};
use policies::state::State;
use store::sqlite::Sqlite;

use crate::world::{self, LEASE, SEND, START, TestClock, VERIFY, entry, practice, settlement};

/// What one call leases, ends, or lets come due, at most.
const BATCH_MAX: usize = 512;
/// The rows of one answer, at most.
const PAGE_MAX: usize = 1_000;

async fn filled(entries: usize) -> (tempfile::TempDir, std::sync::Arc<TestClock>, Sqlite) {
    let directory = world::scratch();
    let clock = TestClock::new();
    let store = Sqlite::open(&world::settings(directory.path(), &clock)).unwrap();
    let new = (0..entries).map(|n| entry(&n.to_string())).collect();
    for outcome in store.append(new).await {
        assert!(matches!(outcome, Ok(Appended::Accepted { .. })));
    }
    (directory, clock, store)
}

#[tokio::test]
async fn one_call_leases_a_bounded_number_of_entries() {
    let (_directory, clock, store) = filled(BATCH_MAX + 1).await;
    let lease = |wanted| store.lease_due(wanted, usize::MAX, LEASE);
    assert_eq!(lease(SEND).await.unwrap().len(), BATCH_MAX);
    assert_eq!(lease(SEND).await.unwrap().len(), 1);
    // As many leases end with one call; the rest with the next.
    clock.advance(LEASE);
    assert_eq!(lease(VERIFY).await.unwrap().len(), BATCH_MAX);
    assert_eq!(lease(VERIFY).await.unwrap().len(), 1);
    store.close().await;
}

#[tokio::test]
async fn deferred_entries_come_due_a_bounded_number_at_a_time() {
    let (_directory, clock, store) = filled(BATCH_MAX + 1).await;
    for _ in 0..2 {
        let leased = store.lease_due(SEND, BATCH_MAX, LEASE).await.unwrap();
        let tried = leased.iter().map(|leased| {
            let mut tried = settlement(leased, State::Accepted, None);
            tried.due = Some(START + Duration::from_secs(5));
            tried
        });
        store.settle(tried.collect()).await.unwrap();
    }
    clock.advance(Duration::from_secs(5));
    let first = store.lease_due(SEND, usize::MAX, LEASE).await.unwrap();
    assert_eq!(first.len(), BATCH_MAX);
    assert!(store.next_due(SEND).await.unwrap() <= Some(START + Duration::from_secs(5)));
    let rest = store.lease_due(SEND, usize::MAX, LEASE).await.unwrap();
    assert_eq!(rest.len(), 1);
    store.close().await;
}

#[tokio::test]
async fn an_answer_has_a_bounded_number_of_rows() {
    let (_directory, _clock, store) = filled(PAGE_MAX + 1).await;
    let page = Page {
        after: None,
        entries_max: usize::MAX,
    };
    let listed = store
        .list(practice(), Filter::default(), page)
        .await
        .unwrap();
    assert_eq!(listed.len(), PAGE_MAX);
    let events = store.events_after(practice(), 0, usize::MAX).await.unwrap();
    assert_eq!(events.len(), PAGE_MAX);
    store.close().await;
}

/// A queue of one still serves everyone: who finds it full waits.
#[tokio::test]
async fn a_short_queue_makes_callers_wait_and_loses_none() {
    let directory = world::scratch();
    let mut settings = world::settings(directory.path(), &TestClock::new());
    settings.queue_max = 1;
    let store = Sqlite::open(&settings).unwrap();
    let keys: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let appends = keys.iter().map(|key| store.append(vec![entry(key)]));
    for outcome in futures_util::future::join_all(appends).await {
        assert!(matches!(outcome[0], Ok(Appended::Accepted { .. })));
    }
    let tallies = keys.iter().map(|_| store.tally());
    for tally in futures_util::future::join_all(tallies).await {
        assert_eq!(tally.unwrap().stored, 100);
    }
    store.close().await;
}
