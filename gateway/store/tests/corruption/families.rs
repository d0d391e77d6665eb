//! Damage to a row that another one is to be made of: what cannot be looked after any more is said
//! aloud, and nothing else stops for it.

use std::path::Path;

use engine::ports::{EntryId, NumberRange, NumberUse, Renumber, Settled, Settlement, Store};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;
use store::sqlite::Sqlite;

use super::{DATABASE, open};
use crate::world::{
    self, SEND, UNDOING, VERIFY, about, accept, bytes, deliver, entry, lease_one, recalled,
    red_recipe, settle, settlement, show, stands,
};

const DOUBLE: (State, Option<Code>) = (State::Conflict, Some(Code::PossibleDouble));
const UNREADABLE: (State, Option<Code>) = (State::Parked, Some(Code::Unreadable));

/// Changes one bit of what is sealed in `column` of `id`, while its store runs.
fn flip(directory: &Path, id: EntryId, column: &str) {
    let conn = rusqlite::Connection::open(directory.join(DATABASE)).unwrap();
    conn.busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    let of = [id.0.as_bytes()];
    let select = format!("SELECT {column} FROM entries WHERE id = ?1");
    let mut value: Vec<u8> = conn.query_row(&select, of, |row| row.get(0)).unwrap();
    let middle = value.len() / 2;
    value[middle] ^= 1;
    let update = format!("UPDATE entries SET {column} = ?2 WHERE id = ?1");
    let changed = conn
        .execute(&update, rusqlite::params![id.0.as_bytes(), value])
        .unwrap();
    assert_eq!(changed, 1);
}

/// Whatever was damaged, the store goes on writing.
async fn goes_on(store: &Sqlite) {
    assert!(!store.poisoned());
    accept(store, entry("goes on")).await;
    assert!(store.tally().await.unwrap().balances());
    store.close().await;
}

#[tokio::test]
async fn a_number_that_cannot_be_watched_is_a_possible_double() {
    for column in ["payload", "number", "authority"] {
        let directory = world::scratch();
        let store = open(directory.path()).unwrap();
        let id = accept(&store, red_recipe("k")).await;
        flip(directory.path(), id, column);
        let withdrawn = Settlement::withdrawn(id, 1, Code::UpstreamTimeout);
        let settled = store.settle(vec![withdrawn]).await;
        assert_eq!(settled, Ok(vec![Settled::Settled]), "{column}");
        if column == "number" {
            assert_eq!(store.tally().await.unwrap().conflict, 1);
        } else {
            assert_eq!(stands(&store, id).await, DOUBLE, "{column}");
            assert!(!show(&store, id).await.watched);
        }
        goes_on(&store).await;
    }
}

#[tokio::test]
async fn a_start_raises_what_it_cannot_watch_and_watches_the_rest() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let damaged = accept(&store, red_recipe("damaged")).await;
    let whole = accept(&store, red_recipe("whole")).await;
    store.close().await;
    flip(directory.path(), damaged, "payload");
    let store = open(directory.path()).unwrap();
    assert_eq!(stands(&store, damaged).await, DOUBLE);
    assert!(show(&store, whole).await.watched);
    goes_on(&store).await;
}

#[tokio::test]
async fn a_number_that_cannot_be_watched_is_not_replaced() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let range = NumberRange {
        prefix: "1300A4".to_owned(),
        digits: 9,
    };
    store.add_range(range.clone()).await.unwrap();
    let block = store.lease_block(10).await.unwrap().unwrap();
    let id = accept(&store, entry("k")).await;
    deliver(&store, SEND, State::Uncertain, None).await;
    let leased = lease_one(&store, VERIFY).await;
    flip(directory.path(), id, "authority");
    let mut superseded = settlement(&leased, State::Accepted, Some(Code::Superseded));
    superseded.number = Renumber::Replaced(NumberUse::Ours {
        block: block.id,
        position: 0,
        number: bytes(&range.number(0)),
    });
    store.settle(vec![superseded]).await.unwrap();
    assert_eq!(stands(&store, id).await, DOUBLE);
    assert_eq!(show(&store, id).await.number, bytes("own-k"));
    goes_on(&store).await;
}

#[tokio::test]
async fn what_cannot_be_read_cannot_be_cancelled_and_is_raised() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let id = accept(&store, entry("k")).await;
    deliver(&store, SEND, State::Registered, None).await;
    flip(directory.path(), id, "payload");
    accept(&store, about(id, Role::Cancel, "c")).await;
    assert_eq!(stands(&store, id).await, DOUBLE);
    assert_eq!(recalled(&store, "c").await, UNREADABLE);
    assert_eq!(store.next_due(UNDOING).await.unwrap(), None);
    goes_on(&store).await;
}

#[tokio::test]
async fn every_held_cancel_of_what_cannot_be_read_is_let_go_of() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let id = accept(&store, entry("k")).await;
    let sending = lease_one(&store, SEND).await;
    accept(&store, about(id, Role::Cancel, "c1")).await;
    accept(&store, about(id, Role::Cancel, "c2")).await;
    flip(directory.path(), id, "payload");
    settle(&store, &sending, State::Registered, None).await;
    assert_eq!(stands(&store, id).await, DOUBLE);
    assert_eq!(recalled(&store, "c1").await, UNREADABLE);
    assert_eq!(recalled(&store, "c2").await, UNREADABLE);
    goes_on(&store).await;
}

/// Even its own watch cannot be read: its prescription hears of it when the watch is settled.
#[tokio::test]
async fn a_watch_that_does_not_unseal_is_raised_by_its_deliverer() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let id = accept(&store, red_recipe("k")).await;
    store.close().await;
    let store = open(directory.path()).unwrap();
    let late = settlement_of(id);
    store.settle(vec![late]).await.unwrap();
    let watch = {
        let conn = rusqlite::Connection::open(directory.path().join(DATABASE)).unwrap();
        conn.query_row("SELECT id FROM entries WHERE role = 'watch'", [], |row| {
            row.get::<_, [u8; 16]>(0)
        })
        .unwrap()
    };
    flip(
        directory.path(),
        EntryId(uuid::Uuid::from_bytes(watch)),
        "payload",
    );
    let leased = lease_one(&store, world::LOOK_UP).await;
    assert!(leased.request.is_err());
    assert_eq!(leased.role, Role::Watch);
    settle(&store, &leased, State::Conflict, Some(Code::Unreadable)).await;
    let raised = (State::Conflict, Some(Code::Unreadable));
    assert_eq!(stands(&store, id).await, raised);
    goes_on(&store).await;
}

/// A watch alone has no deadline: by that it is known when the word for it is damaged.
#[tokio::test]
async fn a_watch_whose_role_cannot_be_read_is_raised_too() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let id = accept(&store, red_recipe("k")).await;
    let withdrawn = Settlement::withdrawn(id, 1, Code::UpstreamTimeout);
    store.settle(vec![withdrawn]).await.unwrap();
    store.close().await;
    let conn = rusqlite::Connection::open(directory.path().join(DATABASE)).unwrap();
    let spoiled = "UPDATE entries SET role = 'wetch', queue = 'ready' WHERE role = 'watch'";
    assert_eq!(conn.execute(spoiled, []).unwrap(), 1);
    drop(conn);
    let store = open(directory.path()).unwrap();
    let leased = lease_one(&store, world::LOOK_UP).await;
    assert!(leased.request.is_err());
    assert_eq!(leased.role, Role::Watch);
    settle(&store, &leased, State::Conflict, Some(Code::Unreadable)).await;
    let raised = (State::Conflict, Some(Code::Unreadable));
    assert_eq!(stands(&store, id).await, raised);
    // As with every damaged role, the row that it is of shows in the equation.
    assert!(!store.poisoned() && !store.tally().await.unwrap().balances());
    store.close().await;
}

/// An answer that comes after its lease was lost.
fn settlement_of(id: EntryId) -> Settlement {
    Settlement {
        state: State::Registered,
        ..Settlement::withdrawn(id, 1, Code::UpstreamTimeout)
    }
}
