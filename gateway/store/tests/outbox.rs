//! The promises of `engine::ports::Outbox`, kept by SQLite.

mod hurt;
mod killed;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::{Callback, NewEntry, Outbox, ReplyTo, Start, Store};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;
use store::sqlite::Sqlite;
use tempfile::TempDir;

use crate::world::{
    self, LOOK_UP, SEND, START, TestClock, UNDOING, about, accept, bytes, deliver, entry,
    lease_one, settle,
};

const HOST: &str = "practice.example:443";
const OTHER: &str = "other.example:443";
/// More than any test has.
const PLENTY: usize = 100;

/// A store with a clock that is moved by hand.
struct Place {
    store: Sqlite,
    clock: Arc<TestClock>,
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        let (directory, clock) = (world::scratch(), TestClock::new());
        let store = Sqlite::open(&world::settings(directory.path(), &clock)).unwrap();
        Place {
            store,
            clock,
            directory,
        }
    }

    async fn reopened(self) -> Place {
        self.store.close().await;
        let store = Sqlite::open(&world::settings(self.directory.path(), &self.clock)).unwrap();
        Place { store, ..self }
    }

    async fn due(&self) -> Vec<Callback> {
        self.store.due(PLENTY, BTreeSet::new()).await.unwrap().due
    }

    /// What is due, in short.
    async fn steps(&self) -> Vec<(String, State, Option<Code>)> {
        let short = |due: Callback| (due.host, due.state, due.reason);
        self.due().await.into_iter().map(short).collect()
    }

    /// Stores an entry that is followed, and has it registered.
    async fn registered(&self, key: &str, host: &str) {
        accept(&self.store, followed(key, host)).await;
        deliver(&self.store, SEND, State::Registered, None).await;
    }
}

fn reply_to(host: &str) -> Option<ReplyTo> {
    Some(ReplyTo {
        host: host.to_owned(),
        url: bytes(&format!("https://{host}/a-path-that-a-caller-chose")),
    })
}

fn followed(key: &str, host: &str) -> NewEntry {
    NewEntry {
        reply_to: reply_to(host),
        ..entry(key)
    }
}

#[tokio::test]
async fn a_step_that_is_pushed_is_due_at_once_with_its_address() {
    let place = Place::new();
    let id = accept(&place.store, followed("k", HOST)).await;
    assert_eq!(place.due().await, [], "the answer says that it is accepted");
    deliver(&place.store, SEND, State::Registered, None).await;
    place.store.changed().await;
    let due = place.due().await;
    let [callback] = due.as_slice() else {
        panic!("{due:?}");
    };
    let events = place.store.events(world::practice(), id).await.unwrap();
    let event = events.unwrap().pop().unwrap();
    assert_eq!((callback.seq, callback.at), (event.seq, event.at));
    assert_eq!((callback.entry, callback.state), (id, State::Registered));
    assert_eq!((callback.host.as_str(), callback.tries), (HOST, 0));
    assert_eq!(callback.url, Ok(reply_to(HOST).unwrap().url));
    assert_eq!(place.store.waiting().await, Ok(1));
    place.store.remove(callback.seq, HOST).await.unwrap();
    assert_eq!(place.due().await, []);
    assert_eq!(place.store.waiting().await, Ok(0));
}

#[tokio::test]
async fn nobody_who_did_not_ask_is_told() {
    let place = Place::new();
    accept(&place.store, entry("k")).await;
    deliver(&place.store, SEND, State::Registered, None).await;
    accept(&place.store, followed("l", HOST)).await;
    let unreachable = Some(Code::UpstreamUnreachable);
    deliver(&place.store, SEND, State::Accepted, unreachable).await;
    assert_eq!(place.store.waiting().await, Ok(0));
}

#[tokio::test]
async fn what_never_goes_out_is_pushed_too() {
    let place = Place::new();
    let withdrawn = NewEntry {
        start: Start::Withdrawn(Code::GateOpen),
        ..followed("k", HOST)
    };
    accept(&place.store, withdrawn).await;
    let expected = (HOST.to_owned(), State::Withdrawn, Some(Code::GateOpen));
    assert_eq!(place.steps().await, [expected]);
}

#[tokio::test]
async fn the_next_event_of_a_prescription_waits_for_the_one_before() {
    let place = Place::new();
    let id = accept(&place.store, followed("k", HOST)).await;
    deliver(&place.store, SEND, State::Registered, None).await;
    accept(&place.store, about(id, Role::Cancel, "c")).await;
    deliver(&place.store, UNDOING, State::Registered, None).await;
    let of = |state, reason| (HOST.to_owned(), state, reason);
    assert_eq!(place.store.waiting().await, Ok(2));
    assert_eq!(place.steps().await, [of(State::Registered, None)]);
    let first = place.due().await.remove(0);
    place.clock.advance(Duration::from_secs(1));
    let later = START + Duration::from_secs(60);
    place
        .store
        .put_off(first.seq, HOST, 1, later)
        .await
        .unwrap();
    assert_eq!(place.steps().await, []);
    assert_eq!(
        place.store.due(PLENTY, BTreeSet::new()).await.unwrap().next,
        Some(later)
    );
    place.store.remove(first.seq, HOST).await.unwrap();
    assert_eq!(place.steps().await, [of(State::Cancelled, None)]);
}

#[tokio::test]
async fn a_cancel_that_names_an_address_moves_what_waits_and_what_it_does() {
    let place = Place::new();
    let followed_id = accept(&place.store, followed("k", HOST)).await;
    deliver(&place.store, SEND, State::Registered, None).await;
    let silent_id = accept(&place.store, entry("silent")).await;
    for (id, key) in [(followed_id, "c"), (silent_id, "d")] {
        let cancel = NewEntry {
            reply_to: reply_to(OTHER),
            ..about(id, Role::Cancel, key)
        };
        accept(&place.store, cancel).await;
    }
    let moved = (OTHER.to_owned(), State::Registered, None);
    let done = (
        OTHER.to_owned(),
        State::Withdrawn,
        Some(Code::CancelRequested),
    );
    assert_eq!(place.steps().await, [moved, done]);
    let due = place.due().await;
    assert!(
        due.iter()
            .all(|callback| callback.url == Ok(reply_to(OTHER).unwrap().url))
    );
}

#[tokio::test]
async fn each_host_has_its_own_part_of_a_look() {
    let place = Place::new();
    for index in 0..5 {
        place.registered(&format!("a{index}"), HOST).await;
    }
    place.registered("b", OTHER).await;
    let hosts = |due: Vec<Callback>| {
        let hosts = due.into_iter().map(|callback| callback.host);
        hosts.collect::<Vec<_>>()
    };
    let waiting = place.store.due(2, BTreeSet::new()).await.unwrap();
    assert_eq!(hosts(waiting.due), [OTHER, HOST, HOST]);
    let skipped = [HOST.to_owned()].into();
    let waiting = place.store.due(2, skipped).await.unwrap();
    assert_eq!(hosts(waiting.due), [OTHER]);
}

#[tokio::test]
async fn a_start_keeps_names_and_tries_and_makes_everything_due() {
    let place = Place::new();
    place.registered("k", HOST).await;
    let before = place.due().await.remove(0);
    let far = START + Duration::from_secs(86_400 * 365);
    place.store.put_off(before.seq, HOST, 3, far).await.unwrap();
    assert_eq!(place.due().await, []);
    let place = place.reopened().await;
    let after = place.due().await.remove(0);
    assert_eq!((after.id, after.tries), (before.id, 3));
}

#[tokio::test]
async fn a_start_leaves_what_is_due_in_its_order() {
    let place = Place::new();
    place.registered("k", HOST).await;
    let first = place.due().await.remove(0);
    let later = START + Duration::from_secs(1);
    place
        .store
        .put_off(first.seq, HOST, 1, later)
        .await
        .unwrap();
    place.registered("l", HOST).await;
    place.clock.advance(Duration::from_secs(2));
    let before = place.due().await;
    assert_eq!(before[1].seq, first.seq);
    let place = place.reopened().await;
    assert_eq!(place.due().await, before);
}

#[tokio::test]
async fn what_became_of_a_push_elsewhere_does_not_count_after_a_move() {
    let place = Place::new();
    let id = accept(&place.store, followed("k", HOST)).await;
    deliver(&place.store, SEND, State::Registered, None).await;
    let pushed = place.due().await.remove(0);
    let far = START + Duration::from_secs(86_400);
    place.store.put_off(pushed.seq, HOST, 7, far).await.unwrap();
    let cancel = NewEntry {
        reply_to: reply_to(OTHER),
        ..about(id, Role::Cancel, "c")
    };
    accept(&place.store, cancel).await;
    let moved = place.due().await.remove(0);
    assert_eq!((moved.host.as_str(), moved.tries), (OTHER, 0));
    // A push to the old host was under way.
    place.store.put_off(pushed.seq, HOST, 8, far).await.unwrap();
    place.store.remove(pushed.seq, HOST).await.unwrap();
    assert_eq!(place.due().await, std::slice::from_ref(&moved));
    place.store.remove(moved.seq, OTHER).await.unwrap();
    assert_eq!(place.due().await, []);
}

#[tokio::test]
async fn the_address_is_sealed() {
    let place = Place::new();
    place.registered("k", HOST).await;
    place.store.close().await;
    for file in std::fs::read_dir(place.directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("a-path-that-a-caller-chose"));
    }
}

#[tokio::test]
async fn what_a_watch_finds_out_is_pushed() {
    let place = Place::new();
    let new = NewEntry {
        reply_to: reply_to(HOST),
        ..world::red_recipe("k")
    };
    let id = accept(&place.store, new).await;
    let withdrawn = engine::ports::Settlement::withdrawn(id, 1, Code::UpstreamTimeout);
    place.store.settle(vec![withdrawn]).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    let looked = lease_one(&place.store, LOOK_UP).await;
    settle(
        &place.store,
        &looked,
        State::Conflict,
        Some(Code::PossibleDouble),
    )
    .await;
    let first = place.due().await.remove(0);
    assert_eq!(first.state, State::Withdrawn);
    place.store.remove(first.seq, HOST).await.unwrap();
    let second = place.due().await.remove(0);
    assert_eq!(second.state, State::Conflict);
}
