//! What the tests of a store share: a clock that is moved by hand, and entries to store.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use engine::ports::{
    Appended, Clock, Entry, EntryId, Leased, NewEntry, NumberUse, Organization, Recall, Renumber,
    Settled, Settlement, Start, Store, Wanted,
};
use futures_util::future::BoxFuture;
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::{Code, Opaque};
use policies::family::Role;
use policies::operation::{LaneName, OpName};
use policies::state::State;
use policies::time::Timestamp;
use store::keys::Keys;
use store::sealing::Key;
use store::sqlite::Settings;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const LANE: LaneName = LaneName("sac.prescriptions");
pub(crate) const SENDING: OpName = OpName("invio");
pub(crate) const UNDO: OpName = OpName("annulla");
pub(crate) const SEND: Wanted = Wanted {
    lane: LANE,
    op: SENDING,
    verify: false,
};
pub(crate) const VERIFY: Wanted = Wanted {
    lane: LANE,
    op: SENDING,
    verify: true,
};
/// Cancels to send.
pub(crate) const UNDOING: Wanted = Wanted {
    lane: LANE,
    op: UNDO,
    verify: false,
};
/// Watches to look, and cancels to look after.
pub(crate) const LOOK_UP: Wanted = Wanted {
    lane: LANE,
    op: UNDO,
    verify: true,
};
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// Where every test clock begins.
pub(crate) const START: Timestamp = Timestamp(1_790_000_000_000);

/// A clock that stands still until it is moved.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn new() -> Arc<TestClock> {
        Arc::new(TestClock(AtomicU64::new(START.0)))
    }

    pub(crate) fn advance(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).expect("tests take no ages");
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// What someone does to the wall clock while no process looks.
    pub(crate) fn put_back(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).expect("tests take no ages");
        self.0.fetch_sub(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

pub(crate) fn bytes(text: &str) -> Opaque {
    Opaque(text.as_bytes().to_vec())
}

pub(crate) fn practice() -> Organization {
    Organization("practice-a".to_owned())
}

/// An entry of `practice-a` under a number of its own, not leased, due at once.
pub(crate) fn entry(key: &str) -> NewEntry {
    let id = EntryId(Uuid::now_v7());
    NewEntry {
        id,
        lane: LANE,
        op: SENDING,
        role: Role::Create,
        order_key: id,
        depends_on: None,
        organization: practice(),
        key: key.to_owned(),
        fingerprint: bytes(&format!("what was sent under {key}")),
        person: None,
        number: NumberUse::Callers(bytes(&format!("own-{key}"))),
        identity: bytes("PROVAX00X00X000Y"),
        payload: bytes(&format!("the prescription of {key}")),
        authority: bytes("an authority"),
        terms: Terms {
            fallback: Fallback::Hold,
            uncertain: Uncertain::Verify,
            deadline: START + Duration::from_secs(86_400),
            answer_within: Duration::from_secs(8),
            paper_within: Duration::from_secs(7_200),
            look_after: Duration::from_secs(60),
            annul_consent: false,
        },
        start: Start::Due,
        trace: Some("00-trace".to_owned()),
        audit: Opaque::default(),
        reply_to: None,
    }
}

/// An entry about `parent` under `key`, due at once.
pub(crate) fn about(parent: EntryId, role: Role, key: &str) -> NewEntry {
    NewEntry {
        op: match role {
            Role::Cancel => UNDO,
            role => OpName(role.as_str()),
        },
        role,
        order_key: parent,
        depends_on: Some(parent),
        number: NumberUse::None,
        payload: match role {
            Role::Paper => bytes("the number of the paper form"),
            _ => bytes(""),
        },
        authority: bytes("a later authority"),
        ..entry(key)
    }
}

/// The same, of a desk that does not wait: leased at once.
pub(crate) fn red_recipe(key: &str) -> NewEntry {
    let hold = entry(key);
    NewEntry {
        terms: Terms {
            fallback: Fallback::RedRecipe,
            ..hold.terms
        },
        start: Start::Leased(LEASE),
        ..hold
    }
}

/// What `id` shows to its owner.
pub(crate) async fn show(store: &dyn Store, id: EntryId) -> Entry {
    let found = store.get(practice(), id).await.expect("it is read");
    found.expect("it is there")
}

/// Where `id` stands, and why.
pub(crate) async fn stands(store: &dyn Store, id: EntryId) -> (State, Option<Code>) {
    let entry = show(store, id).await;
    (entry.state, entry.reason)
}

/// Where the entry under `key` stands, as its own writer hears it.
pub(crate) async fn recalled(store: &dyn Store, key: &str) -> (State, Option<Code>) {
    let body = entry(key).fingerprint;
    match store.recall(practice(), key.to_owned(), body).await {
        Ok(Recall::Replay(entry)) => (entry.state, entry.reason),
        other => panic!("not recalled: {other:?}"),
    }
}

/// Takes `leased` to `state`; it must count.
pub(crate) async fn settle(store: &dyn Store, leased: &Leased, state: State, reason: Option<Code>) {
    let settled = store.settle(vec![settlement(leased, state, reason)]).await;
    assert_eq!(settled, Ok(vec![Settled::Settled]));
}

/// Leases the one entry of `wanted` that is due, and takes it to `state`.
pub(crate) async fn deliver(store: &dyn Store, wanted: Wanted, state: State, reason: Option<Code>) {
    let leased = lease_one(store, wanted).await;
    settle(store, &leased, state, reason).await;
}

/// Stores one entry that must be accepted.
pub(crate) async fn accept(store: &dyn Store, new: NewEntry) -> EntryId {
    let id = new.id;
    match store.append(vec![new]).await.remove(0) {
        Ok(Appended::Accepted { .. }) => id,
        other => panic!("not accepted: {other:?}"),
    }
}

/// Leases one entry that must be there.
pub(crate) async fn lease_one(store: &dyn Store, wanted: Wanted) -> Leased {
    let mut leased = store.lease_due(wanted, 1, LEASE).await.expect("leased");
    assert_eq!(leased.len(), 1, "one entry is due");
    leased.remove(0)
}

/// The settlement that takes `leased` to `state`.
pub(crate) fn settlement(leased: &Leased, state: State, reason: Option<Code>) -> Settlement {
    Settlement {
        id: leased.id,
        epoch: leased.epoch,
        state,
        due: None,
        sends: leased.sends,
        failures: leased.failures,
        reason,
        answer: None,
        document: None,
        number: Renumber::Kept,
    }
}

/// An empty directory, in memory where there is such a place: what these tests do to a store does
/// not depend on what a sync reaches, and most of their time would go into syncs.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary directory")
}

/// A key made of one byte.
pub(crate) fn key(seed: u8) -> Key {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), format!("{seed:02x}").repeat(32)).expect("written");
    Key::from_file(file.path()).expect("a key")
}

/// A ring of keys that stands apart from any store, under a key made of one byte.
pub(crate) fn ring(seed: u8) -> Arc<Keys> {
    static RINGS: LazyLock<TempDir> = LazyLock::new(scratch);
    let directory = RINGS.path().join(seed.to_string());
    std::fs::create_dir_all(&directory).expect("a directory");
    // Tests that run beside each other must not make it twice.
    static MAKING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MAKING.lock();
    Arc::new(Keys::open_or_create(&directory, &key(seed), START).expect("a ring"))
}

/// The settings of a store in `directory`, under key 1.
pub(crate) fn settings(directory: &Path, clock: &Arc<TestClock>) -> Settings {
    Settings::new(directory.to_owned(), key(1), Arc::clone(clock) as _, UNDO)
}
