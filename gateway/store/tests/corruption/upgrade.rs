//! A store of the first release, with entries in every state: the next one goes on with it.

use std::path::Path;

use engine::ports::{EntryId, Filter, Page, Settlement, Store};
use policies::failure::Code;
use policies::family::Role;
use policies::operation::OpName;
use policies::state::State;
use rusqlite::{Connection, params};
use store::sqlite::Sqlite;

use super::{DATABASE, GUARD, KEYS, open};
use crate::world::{
    self, LEASE, LOOK_UP, SEND, TestClock, UNDOING, VERIFY, about, accept, bytes, entry, lease_one,
    practice, red_recipe, settle, settlement, show, stands,
};

const FIRST: &str = include_str!("../../src/sqlite/migrations/0001-entries.sql");
/// The columns of the first release.
const COLUMNS: &str = "accepted_seq, id, organization, lane, op, order_key, state, reason, queue, \
     due, lease_until, epoch, sends, failures, accepted_at, updated_at, deadline, \
     answer_within_ms, fallback, uncertain, origin_node, trace, key_digest, fingerprint, \
     number_digest, person_digest, identity_digest, number, authority, payload, answer";

/// Writes the store of `from` into `to` as the first release would have it.
fn as_first_release(from: &Path, to: &Path, states: &[(EntryId, State)]) {
    let conn = Connection::open(to.join(DATABASE)).unwrap();
    conn.execute_batch(FIRST).unwrap();
    conn.pragma_update(None, "application_id", 0x4152_474e)
        .unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
    let path = from.join(DATABASE);
    conn.execute("ATTACH ?1 AS later", [path.to_str().unwrap()])
        .unwrap();
    conn.execute_batch(&format!(
        "INSERT INTO main.meta SELECT one, key_check, instance, clock FROM later.meta; \
         INSERT INTO main.entries SELECT {COLUMNS} FROM later.entries; \
         INSERT INTO main.events SELECT * FROM later.events;"
    ))
    .unwrap();
    for (id, state) in states {
        let queue = match state {
            State::Accepted | State::Uncertain => Some("ready"),
            State::Sending | State::Verifying => Some("leased"),
            _ => None,
        };
        conn.execute(
            "UPDATE entries SET state = ?2, queue = ?3, \
             lease_until = CASE WHEN ?3 = 'leased' THEN 0 END WHERE id = ?1",
            params![id.0.as_bytes(), state.as_str(), queue],
        )
        .unwrap();
    }
    std::fs::copy(from.join(KEYS), to.join(KEYS)).unwrap();
    std::fs::write(to.join(GUARD), "argine store 1 closed\n").unwrap();
}

#[tokio::test]
async fn a_store_of_the_first_release_is_gone_on_with() {
    let (later, first) = (world::scratch(), world::scratch());
    let store = open(later.path()).unwrap();
    let mut states = Vec::new();
    for state in State::ALL {
        states.push((accept(&store, entry(state.as_str())).await, state));
    }
    store.close().await;
    as_first_release(later.path(), first.path(), &states);

    let store = open(first.path()).unwrap();
    for (id, state) in &states {
        let expected = match state {
            State::Sending | State::Verifying => State::Uncertain,
            other => *other,
        };
        let shown = show(&store, *id).await;
        assert_eq!(shown.state, expected);
        assert_eq!(shown.number, bytes(&format!("own-{}", state.as_str())));
        assert_eq!((shown.watched, shown.paper_due), (false, None));
        assert!(!shown.acknowledged && !shown.terms.annul_consent);
    }
    let tally = store.tally().await.unwrap();
    assert!(tally.balances());
    assert_eq!(tally.stored, State::ALL.len() as u64);

    let of = |wanted: State| {
        let found = states.iter().find(|(_, state)| *state == wanted);
        found.expect("there is one of each").0
    };
    let filter = Filter {
        unacknowledged: true,
        ..Filter::default()
    };
    let all = Page {
        after: None,
        entries_max: 100,
    };
    let open = store.list(practice(), filter, all).await.unwrap();
    let open: Vec<_> = open.iter().map(|entry| entry.id).collect();
    let expected = [State::Conflict, State::Parked, State::Rejected].map(of);
    assert_eq!(open, expected);

    // Everything that waited is delivered.
    let sending = store.lease_due(SEND, 9, LEASE).await.unwrap();
    assert_eq!(sending.len(), 1);
    assert_eq!(sending[0].id, of(State::Accepted));
    assert_eq!(sending[0].role, Role::Create);
    settle(&store, &sending[0], State::Registered, None).await;
    let looking = store.lease_due(VERIFY, 9, LEASE).await.unwrap();
    assert_eq!(looking.len(), 3);
    for leased in &looking {
        settle(&store, leased, State::Registered, None).await;
    }
    // And taken back.
    accept(&store, about(of(State::Accepted), Role::Cancel, "c")).await;
    let cancel = lease_one(&store, UNDOING).await;
    assert_eq!(cancel.request.unwrap().number, bytes("own-accepted"));
    let parked = of(State::Parked);
    accept(&store, about(parked, Role::Cancel, "d")).await;
    let requested = (State::Withdrawn, Some(Code::CancelRequested));
    assert_eq!(stands(&store, parked).await, requested);
    // Given up under the rules of today.
    let accepted = accept(&store, red_recipe("new")).await;
    let withdrawn = Settlement::withdrawn(accepted, 1, Code::UpstreamTimeout);
    store.settle(vec![withdrawn]).await.unwrap();
    assert!(show(&store, accepted).await.watched);
    assert!(store.tally().await.unwrap().balances());
    store.close().await;
}

/// Under another name nobody would take a watch up, wherever it stood when its process ended.
#[tokio::test]
async fn every_open_watch_goes_on_under_the_operation_of_this_release() {
    const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
    let directory = world::scratch();
    let clock = TestClock::new();
    let mut settings = world::settings(directory.path(), &clock);
    let store = Sqlite::open(&settings).unwrap();
    let given_up = ["ready", "leased", "deferred"].map(|key| async {
        let id = accept(&store, red_recipe(key)).await;
        let withdrawn = Settlement::withdrawn(id, 1, Code::UpstreamTimeout);
        store.settle(vec![withdrawn]).await.unwrap();
    });
    for one in given_up {
        one.await;
    }
    clock.advance(DAY);
    let watches = store.lease_due(LOOK_UP, 3, LEASE).await.unwrap();
    settle(&store, &watches[0], State::Uncertain, None).await;
    let mut later = settlement(&watches[1], State::Uncertain, None);
    later.due = Some(world::START + 2 * DAY);
    store.settle(vec![later]).await.unwrap();
    store.close().await;

    settings.undo_op = OpName("annulla-2");
    let store = Sqlite::open(&settings).unwrap();
    clock.advance(2 * DAY);
    let wanted = engine::ports::Wanted {
        op: settings.undo_op,
        ..LOOK_UP
    };
    assert_eq!(store.lease_due(wanted, 9, LEASE).await.unwrap().len(), 3);
    assert!(store.lease_due(LOOK_UP, 9, LEASE).await.unwrap().is_empty());
    store.close().await;
}

/// A master key that takes over does not before the database is accepted.
#[tokio::test]
async fn a_store_that_is_refused_keeps_the_master_key_before() {
    let directory = world::scratch();
    let clock = TestClock::new();
    open(directory.path()).unwrap().close().await;
    store::sqlite::rewrap(directory.path(), &world::key(1), &world::key(2)).unwrap();
    let conn = Connection::open(directory.path().join(DATABASE)).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    let mut settings = world::settings(directory.path(), &clock);
    settings.key = world::key(2);
    assert!(Sqlite::open(&settings).is_err(), "a later release wrote it");
    let before = store::keys::Keys::open_or_create(directory.path(), &world::key(1), world::START);
    before.expect("the key before opens it still");
}
