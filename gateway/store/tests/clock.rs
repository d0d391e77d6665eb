//! A wall clock that was wrong, or is: nothing waits for years, and nothing is given up for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::{EntryId, Settlement, Store};
use policies::failure::Code;
use policies::state::State;
use store::sqlite::Sqlite;

use crate::world::{
    self, LEASE, LOOK_UP, SEND, START, TestClock, accept, entry, lease_one, practice, red_recipe,
    settlement,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn open(directory: &Path, clock: &Arc<TestClock>) -> Sqlite {
    Sqlite::open(&world::settings(directory, clock)).unwrap()
}

/// Stores an entry with its deadline `after` the start.
async fn accept_until(store: &Sqlite, key: &str, after: Duration) -> EntryId {
    let mut new = entry(key);
    new.terms.deadline = START + after;
    accept(store, new).await
}

async fn state_of(store: &Sqlite, id: EntryId) -> State {
    store.get(practice(), id).await.unwrap().unwrap().state
}

/// Sends the one entry that is due, in vain, and puts it off by `span` from `now`.
async fn put_off(store: &Sqlite, now: policies::time::Timestamp, span: Duration) {
    let leased = lease_one(store, SEND).await;
    let mut tried = settlement(&leased, State::Accepted, None);
    tried.due = Some(now + span);
    store.settle(vec![tried]).await.unwrap();
}

#[tokio::test]
async fn what_was_put_off_is_due_when_the_clock_was_put_back() {
    let directory = world::scratch();
    let clock = TestClock::new();
    let store = open(directory.path(), &clock);
    let id = accept(&store, entry("k")).await;
    put_off(&store, START, MINUTE).await;
    store.close().await;

    clock.put_back(DAY);
    let store = open(directory.path(), &clock);
    assert_eq!(lease_one(&store, SEND).await.id, id);
    store.close().await;
}

/// Its schedule counts from when it began: that must not lie years ahead.
#[tokio::test]
async fn a_watch_of_a_clock_that_was_ahead_counts_from_now_on() {
    let directory = world::scratch();
    let clock = TestClock::new();
    clock.advance(3_650 * DAY);
    let store = open(directory.path(), &clock);
    let id = accept(&store, red_recipe("k")).await;
    let withdrawn = Settlement::withdrawn(id, 1, Code::UpstreamTimeout);
    store.settle(vec![withdrawn]).await.unwrap();
    store.close().await;

    clock.put_back(3_650 * DAY);
    let store = open(directory.path(), &clock);
    assert_eq!(lease_one(&store, LOOK_UP).await.accepted_at, START);
    store.close().await;

    // One that began before is counted from where it was.
    clock.advance(2 * DAY);
    open(directory.path(), &clock).close().await;
    clock.put_back(DAY);
    let store = open(directory.path(), &clock);
    assert_eq!(lease_one(&store, LOOK_UP).await.accepted_at, START);
    store.close().await;
}

#[tokio::test]
async fn what_was_put_off_stays_so_where_the_clock_goes_on() {
    for correction in [Duration::ZERO, Duration::from_secs(2)] {
        let directory = world::scratch();
        let clock = TestClock::new();
        let store = open(directory.path(), &clock);
        accept(&store, entry("k")).await;
        put_off(&store, START, MINUTE).await;
        store.close().await;
        clock.put_back(correction);
        let store = open(directory.path(), &clock);
        let due = store.next_due(SEND).await.unwrap();
        assert_eq!(due, Some(START + MINUTE), "{correction:?}");
        store.close().await;
    }
}

/// The last reading is not that of the start: a process that ran for long has moved it.
#[tokio::test]
async fn the_last_reading_follows_the_writes_of_a_process() {
    let directory = world::scratch();
    let clock = TestClock::new();
    let store = open(directory.path(), &clock);
    clock.advance(20 * DAY);
    let id = accept_until(&store, "k", 40 * DAY).await;
    put_off(&store, START + 20 * DAY, MINUTE).await;
    store.close().await;

    // After the first start, and still ten days before the last write.
    clock.put_back(10 * DAY);
    let store = open(directory.path(), &clock);
    assert_eq!(lease_one(&store, SEND).await.id, id);
    store.close().await;
}

#[tokio::test]
async fn a_clock_ten_years_ahead_parks_nothing_by_itself() {
    let directory = world::scratch();
    let clock = TestClock::new();
    let store = open(directory.path(), &clock);
    let before = accept_until(&store, "passed before", MINUTE).await;
    let between = accept_until(&store, "passed between", 2 * DAY).await;
    let waits = accept_until(&store, "waits for its prescriber", 2 * DAY).await;
    clock.advance(2 * MINUTE);
    for leased in store.lease_due(SEND, 10, LEASE).await.unwrap() {
        let state = match leased.id == waits {
            true => State::NeedsAuthorization,
            false => State::Accepted,
        };
        let settled = settlement(&leased, state, None);
        store.settle(vec![settled]).await.unwrap();
    }
    store.close().await;

    clock.advance(3_650 * DAY);
    let store = open(directory.path(), &clock);
    let later = accept_until(&store, "passes later", 3_650 * DAY + 4 * MINUTE).await;
    assert_eq!(store.sweep(10).await.unwrap().parked, 1);
    assert_eq!(state_of(&store, before).await, State::Parked);
    clock.advance(3 * MINUTE);
    assert_eq!(store.sweep(10).await.unwrap().parked, 1);
    assert_eq!(state_of(&store, later).await, State::Parked);
    assert_eq!(state_of(&store, between).await, State::Accepted);
    assert_eq!(state_of(&store, waits).await, State::NeedsAuthorization);
    assert_eq!(lease_one(&store, SEND).await.id, between, "it goes on");
    store.close().await;
}

#[tokio::test]
async fn a_gateway_that_was_off_for_a_week_parks_what_is_overdue() {
    let directory = world::scratch();
    let clock = TestClock::new();
    let store = open(directory.path(), &clock);
    accept_until(&store, "k", 2 * DAY).await;
    store.close().await;
    clock.advance(7 * DAY);
    let store = open(directory.path(), &clock);
    assert_eq!(store.sweep(10).await.unwrap().parked, 1);
    store.close().await;
}
