//! A word in clear that is damaged costs its own row, never the statement that meets it.

use std::path::Path;
use std::time::Duration;

use engine::ports::{EntryId, Filter, Page, ReadError, Store};
use policies::failure::Code;
use policies::state::State;
use store::sqlite::Sqlite;

use super::{DATABASE, closed};
use crate::world::{self, LEASE, SEND, TestClock, VERIFY, lease_one, practice, settlement};

const ALL: Page = Page {
    after: None,
    entries_max: 100,
};

/// Sets the high bit of the first letter of `column`, which then is no UTF-8 any more. A column
/// that is empty is given a word first.
fn spoil(directory: &Path, table: &str, column: &str, condition: &str, of: &[u8]) {
    let conn = rusqlite::Connection::open(directory.join(DATABASE)).unwrap();
    let mut word: Vec<u8> = conn
        .query_row(
            &format!(
                "SELECT CAST(coalesce({column}, 'lease-expired') AS BLOB) FROM {table} \
                 WHERE {condition}"
            ),
            [of],
            |row| row.get(0),
        )
        .unwrap();
    word[0] |= 0x80;
    let changed = conn
        .execute(
            &format!("UPDATE {table} SET {column} = CAST(?2 AS TEXT) WHERE {condition}"),
            rusqlite::params![of, word],
        )
        .unwrap();
    assert_eq!(changed, 1);
}

fn spoil_entry(directory: &Path, id: EntryId, column: &str) {
    spoil(directory, "entries", column, "id = ?1", id.0.as_bytes());
}

async fn listed(store: &Sqlite) -> Vec<EntryId> {
    let listed = store.list(practice(), Filter::default(), ALL).await;
    listed.unwrap().iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn a_row_with_a_damaged_word_is_parked_while_others_flow() {
    for column in ["role", "trace", "fallback", "uncertain", "reason"] {
        let (directory, ids) = closed(3).await;
        spoil_entry(directory.path(), ids[0], column);
        let store = super::open(directory.path()).unwrap();
        // The trace is passed on to the upstream, and shown to nobody.
        let shown = if column == "trace" { 3 } else { 2 };
        assert_eq!(listed(&store).await.len(), shown, "{column}");
        let one = store.get(practice(), ids[0]).await;
        assert_eq!(one.is_ok(), column == "trace", "{column}: {one:?}");

        let leased = store.lease_due(SEND, 10, LEASE).await.unwrap();
        let held: Vec<_> = leased.iter().map(|leased| leased.id).collect();
        assert_eq!(held, ids, "{column}");
        assert_eq!(leased[0].request, Err(ReadError::Damaged), "{column}");
        assert!(leased[1..].iter().all(|leased| leased.request.is_ok()));
        let parked = settlement(&leased[0], State::Parked, Some(Code::Unreadable));
        store.settle(vec![parked]).await.unwrap();
        let tally = store.tally().await.unwrap();
        // What may be a prescription or not is in no term.
        let counted = column != "role";
        assert_eq!((tally.parked == 1, tally.balances()), (counted, counted));
        store.close().await;
    }
}

#[tokio::test]
async fn a_damaged_word_stops_no_start_and_no_parking() {
    for column in ["op", "trace", "fallback", "reason", "state", "organization"] {
        let (directory, ids) = closed(3).await;
        let clock = TestClock::new();
        let open = || Sqlite::open(&world::settings(directory.path(), &clock)).unwrap();
        let store = open();
        assert_eq!(store.lease_due(SEND, 10, LEASE).await.unwrap().len(), 3);
        store.close().await;
        spoil_entry(directory.path(), ids[0], column);

        // The start ends the lease of the damaged row beside those of the others.
        let store = open();
        let uncertain = store.lease_due(VERIFY, 10, LEASE).await.unwrap();
        // What is to be done with a damaged operation nobody knows, so that nobody takes it up.
        let taken_up = if column == "op" { 2 } else { 3 };
        assert_eq!(uncertain.len(), taken_up, "{column}");
        clock.advance(LEASE);
        assert_eq!(
            store.lease_due(SEND, 10, LEASE).await.unwrap().len(),
            0,
            "{column}"
        );
        clock.advance(Duration::from_secs(100_000));
        assert_eq!(store.sweep(10).await.unwrap().parked, 3, "{column}");
        let tally = store.tally().await.unwrap();
        assert_eq!((tally.stored, tally.parked), (3, 3), "{column}");
        store.close().await;
    }
}

/// What waits in a state that cannot be read is not leased; it shows, and its deadline still parks it.
#[tokio::test]
async fn a_waiting_row_with_a_damaged_state_unbalances_the_equation_until_it_is_parked() {
    let (directory, ids) = closed(3).await;
    spoil_entry(directory.path(), ids[1], "state");
    let clock = TestClock::new();
    let store = Sqlite::open(&world::settings(directory.path(), &clock)).unwrap();
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.stored, tally.waiting), (3, 2));
    assert!(!tally.balances());
    assert_eq!(listed(&store).await, [ids[2], ids[0]]);
    let document = store.document(practice(), ids[1]).await;
    assert_eq!(document, Err(ReadError::Damaged));
    assert_eq!(lease_one(&store, SEND).await.id, ids[0]);
    clock.advance(Duration::from_secs(100_000));
    assert_eq!(store.sweep(10).await.unwrap().parked, 3);
    let parked = store.get(practice(), ids[1]).await.unwrap().unwrap();
    assert_eq!(parked.state, State::Parked);
    assert!(store.tally().await.unwrap().balances());
    store.close().await;
}

/// A page is not cut short, and so not taken for the last one, by what is damaged on it.
#[tokio::test]
async fn a_damaged_row_leaves_its_page_full() {
    let (directory, ids) = closed(4).await;
    spoil_entry(directory.path(), ids[3], "op");
    let store = super::open(directory.path()).unwrap();
    let page = Page {
        after: None,
        entries_max: 1,
    };
    let listed = store.list(practice(), Filter::default(), page).await;
    assert_eq!(listed.unwrap()[0].id, ids[2]);
    store.close().await;
}

#[tokio::test]
async fn a_damaged_event_hides_the_events_of_its_entry_only() {
    let (directory, ids) = closed(2).await;
    let store = super::open(directory.path()).unwrap();
    for leased in store.lease_due(SEND, 2, LEASE).await.unwrap() {
        let done = settlement(&leased, State::Registered, None);
        store.settle(vec![done]).await.unwrap();
    }
    store.close().await;
    let of = "entry = (SELECT accepted_seq FROM entries WHERE id = ?1)";
    spoil(directory.path(), "events", "state", of, ids[0].0.as_bytes());
    let store = super::open(directory.path()).unwrap();
    let own = store.events(practice(), ids[0]).await;
    assert_eq!(own, Err(ReadError::Damaged));
    let others = store.events(practice(), ids[1]).await.unwrap().unwrap();
    assert_eq!(others.len(), 2);
    let all = store.events_after(practice(), 0, 3).await.unwrap();
    let seen: Vec<_> = all.iter().map(|event| (event.entry, event.state)).collect();
    let expected = [
        (ids[0], State::Accepted),
        (ids[1], State::Accepted),
        (ids[1], State::Registered),
    ];
    assert_eq!(seen, expected);
    store.close().await;
}
