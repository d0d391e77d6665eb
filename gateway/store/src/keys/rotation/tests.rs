//! Rotation, stopped at every step of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use engine::clock::AnchoredClock;
use engine::ports::{
    Appended, EntryId, LookupKey, NewEntry, NumberUse, OperatorStates, Organization, Shelf,
    Shelved, Start, Store,
};
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::Opaque;
use policies::family::Role;
use policies::operation::{LaneName, OpName};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::keys::KeyState;
use crate::persons::PersonsSettings;
use crate::sealing::Key;
use crate::sqlite::Settings;

mod attacks;

/// More rows than one step seals again.
const ENTRIES: usize = 40;

/// A store and its shelf, open.
struct World {
    entries: Arc<Sqlite>,
    persons: Arc<Persons>,
    rotation: Arc<Rotation>,
}

fn organization() -> Organization {
    Organization("practice-a".to_owned())
}

fn entry(n: usize) -> NewEntry {
    let id = EntryId(Uuid::from_u128(n as u128));
    let text = |what: &str| Opaque(format!("{what} {n}").into_bytes());
    NewEntry {
        id,
        lane: LaneName("sac.prescriptions"),
        op: OpName("invio"),
        role: Role::Create,
        order_key: id,
        depends_on: None,
        organization: organization(),
        key: n.to_string(),
        fingerprint: text("body"),
        person: None,
        number: NumberUse::Callers(text("number")),
        identity: text("identity"),
        payload: text("payload"),
        authority: text("authority"),
        terms: Terms {
            fallback: Fallback::Hold,
            uncertain: Uncertain::Verify,
            deadline: Timestamp(u64::MAX >> 1),
            answer_within: Duration::from_secs(8),
            paper_within: Duration::from_secs(7_200),
            look_after: Duration::from_secs(60),
            annul_consent: false,
        },
        start: Start::Due,
        trace: None,
        audit: Opaque::default(),
        reply_to: None,
    }
}

fn person(n: u8) -> LookupKey {
    LookupKey {
        person: [n; 16],
        question: [0; 16],
    }
}

impl World {
    fn open(directory: &Path) -> World {
        let clock: Arc<dyn Clock> = Arc::new(AnchoredClock::start());
        let undo = OpName("annulla");
        let settings = Settings::new(
            directory.to_owned(),
            Key::of_seed(1),
            Arc::clone(&clock),
            undo,
        );
        let entries = Arc::new(Sqlite::open(&settings).expect("it opens"));
        let keys = Arc::clone(entries.keys());
        let settings = PersonsSettings::new(directory.to_owned(), keys, Arc::clone(&clock));
        let persons = Arc::new(Persons::open(&settings).unwrap());
        let rotation = Rotation::new(Arc::clone(&entries), Arc::clone(&persons), clock);
        World {
            entries,
            persons,
            rotation: Arc::new(rotation),
        }
    }

    async fn append(&self, n: usize) {
        let appended = self.entries.append(vec![entry(n)]).await.remove(0);
        assert!(matches!(appended, Ok(Appended::Accepted { .. })), "{n}");
    }

    async fn fill(&self) {
        for n in 0..ENTRIES {
            self.append(n).await;
        }
        for n in 0..3 {
            let state = Some(Opaque(b"disabled".to_vec()));
            let put = self
                .entries
                .put_operator_state(format!("toggle {n}"), state);
            put.await.unwrap();
            let answer = Shelved {
                key: person(n),
                fetched_at: self.rotation.clock.now(),
                tags: Vec::new(),
                seen_by: Vec::new(),
                body: Bytes::from_static(b"an answer"),
                age_is_floor: false,
            };
            self.persons.put(answer).await.unwrap();
        }
        let conn = Connection::open(self.database()).unwrap();
        let sealer = self.rotation.keys.sealer();
        for n in 0..3_u128 {
            let place = crate::sealing::Place {
                table: "documents",
                row: *Uuid::from_u128(n).as_bytes(),
                column: "body",
            };
            let sealed = sealer.seal(place, b"%PDF").unwrap();
            conn.execute(
                "INSERT INTO documents SELECT accepted_seq, ?2 FROM entries WHERE id = ?1",
                (place.row, sealed),
            )
            .unwrap();
            let registered = "UPDATE entries SET state = 'registered', queue = NULL WHERE id = ?1";
            conn.execute(registered, [place.row]).unwrap();
        }
    }

    fn database(&self) -> std::path::PathBuf {
        self.rotation.keys.directory.join("entries.db")
    }

    /// Everything that was stored is read back.
    async fn all_is_read(&self) {
        for n in 0..ENTRIES {
            let id = EntryId(Uuid::from_u128(n as u128));
            let read = self.entries.get(organization(), id).await;
            let read = read.expect("it is read").expect("it is there");
            let number = format!("number {n}").into_bytes();
            assert_eq!(read.number, Opaque(number), "{n}");
        }
        assert_eq!(self.entries.operator_states().await.unwrap().len(), 3);
        for n in 0..3 {
            let id = EntryId(Uuid::from_u128(n));
            let document = self.entries.document(organization(), id).await;
            assert!(
                matches!(document, Ok(engine::ports::Document::Found(_))),
                "{document:?}"
            );
            let n = u8::try_from(n).unwrap();
            let answer = self.persons.get(person(n)).await.unwrap();
            assert_eq!(answer.expect("it is kept").body, b"an answer".as_slice());
        }
    }

    async fn finish(&self) {
        let mut pass = Pass::default();
        while pass.step(&self.rotation).await.unwrap() {}
    }

    /// No value names a key that is not active, and every other is gone.
    async fn only_one_key_is_left(&self) {
        let report = self.rotation.counted().await.unwrap();
        let counted = report.values.expect("they were counted");
        for key in &report.keys {
            let is_active = key.state == KeyState::Active;
            assert_eq!(counted.contains_key(&key.id), is_active, "{key:?}");
            assert!(is_active || key.state == KeyState::Gone, "{key:?}");
        }
        let known: BTreeSet<_> = report.keys.iter().map(|key| key.id).collect();
        assert!(counted.keys().all(|id| known.contains(id)));
        // Entries have three columns each, toggles, documents and answers one, and the shelf its mark.
        let values = counted.values().sum::<u64>();
        assert_eq!(values, 3 * ENTRIES as u64 + 3 * 3 + 1);
    }

    async fn close(&self) {
        self.entries.close().await;
        self.persons.close().await;
    }
}

/// The files as they are at this moment: what a kill would leave.
fn image(of: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(of).unwrap() {
        let file = file.unwrap();
        let name = file.file_name();
        if name.to_str().is_some_and(|name| !name.ends_with("-shm")) {
            fs::copy(file.path(), copy.path().join(name)).unwrap();
        }
    }
    copy
}

/// Invariant 2.
#[tokio::test]
async fn a_rotation_killed_at_any_step_goes_on_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::open(directory.path());
    world.fill().await;
    assert_eq!(world.rotation.begin().await.unwrap(), Begun::Now);
    let mut images = vec![image(directory.path())];
    let mut pass = Pass::default();
    while pass.step(&world.rotation).await.unwrap() {
        images.push(image(directory.path()));
    }
    images.push(image(directory.path()));
    world.only_one_key_is_left().await;
    world.all_is_read().await;
    world.close().await;
    assert!(images.len() > 10, "{} steps", images.len());
    let mut unfinished = 0;
    for image in images {
        let world = World::open(image.path());
        world.all_is_read().await;
        unfinished += usize::from(world.rotation.progress().is_running());
        world.finish().await;
        world.only_one_key_is_left().await;
        world.all_is_read().await;
        world.close().await;
    }
    assert!(unfinished > 10, "{unfinished}");
}

/// What was sealed before the rotation and is written after it is still opened by its key.
#[tokio::test]
async fn a_key_outlives_whoever_has_sealed_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::open(directory.path());
    let held = world.entries.keys().sealer();
    world.rotation.begin().await.unwrap();
    let rotation = Arc::clone(&world.rotation);
    let pass = tokio::spawn(async move {
        let mut pass = Pass::default();
        while pass.step(&rotation).await.unwrap() {}
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        world.rotation.keys.old().len(),
        1,
        "it is not destroyed yet"
    );
    drop(held);
    pass.await.unwrap();
    assert!(world.rotation.keys.old().is_empty());
    world.close().await;
}

/// Invariant 1, under traffic: whoever reads or writes beside rotations is never refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_a_rotation() {
    let directory = tempfile::tempdir().unwrap();
    let world = Arc::new(World::open(directory.path()));
    world.fill().await;
    let rotation = Arc::clone(&world.rotation);
    let running = tokio::spawn(async move { rotation.run().await });
    let traffic = |from: usize| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            for n in from..from + 150 {
                world.append(n).await;
                world.all_is_read().await;
            }
        })
    };
    let traffic = [traffic(1_000), traffic(2_000)];
    let mut rotations = 0;
    while rotations < 3 || traffic.iter().any(|task| !task.is_finished()) {
        match world.rotation.begin().await.unwrap() {
            Begun::Now => rotations += 1,
            Begun::Before => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    for task in traffic {
        task.await.unwrap();
    }
    while world.rotation.progress().is_running() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let report = world.rotation.counted().await.unwrap();
    assert_eq!(
        (report.progress.damaged, report.progress.is_stopped),
        (0, false)
    );
    assert_eq!(report.values.map(|values| values.len()), Some(1));
    assert!(world.rotation.keys.old().is_empty());
    running.abort();
    world.close().await;
}

/// Invariant 4.
#[tokio::test]
async fn a_damaged_value_is_counted_and_keeps_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::open(directory.path());
    world.fill().await;
    let conn = Connection::open(world.database()).unwrap();
    let read = || -> Vec<u8> {
        conn.query_row(
            "SELECT payload FROM entries WHERE key_digest IS NOT NULL AND id = ?1",
            [Uuid::from_u128(1).as_bytes()],
            |row| row.get(0),
        )
        .unwrap()
    };
    let whole = read();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let put = |value: &[u8]| {
        let id = Uuid::from_u128(1);
        let sql = "UPDATE entries SET payload = ?2 WHERE id = ?1";
        conn.execute(sql, (id.as_bytes(), value)).unwrap();
    };
    put(&damaged);
    world.rotation.begin().await.unwrap();
    world.finish().await;
    assert_eq!(world.rotation.progress().damaged, 1);
    assert_eq!(world.rotation.keys.old().len(), 1, "its key is kept");
    assert_eq!(read(), damaged, "it stays as it is");
    // Put right, it opens, and the rotation ends.
    put(&whole);
    world.finish().await;
    world.only_one_key_is_left().await;
    world.all_is_read().await;
    world.close().await;
}

/// Whoever adds a sealed column adds it to what is sealed again, or says here that it is in clear.
#[tokio::test]
async fn every_column_of_bytes_is_known() {
    const CLEAR: [&str; 10] = [
        "meta.key_check",
        "entries.id",
        "entries.order_key",
        "entries.depends_on",
        "entries.key_digest",
        "entries.fingerprint",
        "entries.number_digest",
        "entries.person_digest",
        "entries.identity_digest",
        "outbox.id",
    ];
    let directory = tempfile::tempdir().unwrap();
    let world = World::open(directory.path());
    let conn = Connection::open(world.database()).unwrap();
    let mut select = conn
        .prepare(
            "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND c.type = 'BLOB'",
        )
        .unwrap();
    let found: BTreeSet<String> = select
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let sealed = TABLES.iter().flat_map(Table::sealed);
    let known: BTreeSet<String> = CLEAR.map(str::to_owned).into_iter().chain(sealed).collect();
    assert_eq!(found, known);
    world.close().await;
}
