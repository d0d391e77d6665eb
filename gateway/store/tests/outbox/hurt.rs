//! What the outbox holds after a disk has lied, and after a fire.

use std::collections::BTreeSet;

use engine::ports::{Outbox, Unreadable};
use policies::state::State;
use rusqlite::Connection;
use store::backup::{self, Making, Restoring};
use store::sqlite::Sqlite;

use super::{HOST, PLENTY, Place, followed};
use crate::world::{self, SEND, START, accept, deliver};

#[tokio::test]
async fn a_row_that_cannot_be_read_is_handed_over_and_holds_up_nothing() {
    for damage in [
        "UPDATE events SET state = 'nonsense' WHERE seq = ?1",
        "UPDATE events SET reason = 'nonsense' WHERE seq = ?1",
        "UPDATE outbox SET id = x'00' WHERE seq = ?1",
    ] {
        let place = Place::new();
        place.registered("k", HOST).await;
        place.registered("l", HOST).await;
        let [hurt, whole] = place.due().await.try_into().expect("two are due");
        place.store.close().await;
        let conn = Connection::open(place.directory.path().join("entries.db")).unwrap();
        conn.execute(damage, [i64::try_from(hurt.seq).unwrap()])
            .unwrap();
        drop(conn);
        let place = place.reopened().await;
        let waiting = place.store.due(PLENTY, BTreeSet::new()).await;
        let waiting = waiting.expect(damage);
        assert_eq!(waiting.due, [whole], "{damage}");
        let (seq, host) = (hurt.seq, HOST.to_owned());
        assert_eq!(waiting.unreadable, [Unreadable { seq, host }], "{damage}");
        place.store.remove(hurt.seq, HOST).await.unwrap();
        assert_eq!(place.store.waiting().await, Ok(1), "{damage}");
    }
}

/// What a copy holds may have been received since: it is pushed again, and its name tells.
#[tokio::test]
async fn what_a_copy_holds_is_pushed_again_under_the_same_name() {
    let (directory, clock) = (world::scratch(), world::TestClock::new());
    let [from, copy] = ["store", "copy"].map(|name| directory.path().join(name));
    let open = || Sqlite::open(&world::settings(&from, &clock)).unwrap();
    let store = open();
    accept(&store, followed("k", HOST)).await;
    deliver(&store, SEND, State::Registered, None).await;
    let due = store.due(PLENTY, BTreeSet::new()).await.unwrap().due;
    let making = Making {
        store: &from,
        to: &copy,
        key: &world::key(1),
        now: START,
        release: "test",
        log_bytes_max: backup::LOG_BYTES_MAX,
    };
    backup::make(&making, &|_| {}).unwrap();
    store.remove(due[0].seq, HOST).await.unwrap();
    store.close().await;
    std::fs::remove_dir_all(&from).unwrap();
    let restoring = Restoring {
        from: &copy,
        store: &from,
        key: &world::key(1),
    };
    backup::restore(&restoring, &|_| {}).unwrap();
    let store = open();
    assert_eq!(store.due(PLENTY, BTreeSet::new()).await.unwrap().due, due);
    store.close().await;
}
