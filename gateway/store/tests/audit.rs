//! The audit: what was written is there, what was changed is found, and what the store has is taken on.

mod backup;
mod crash;
mod mutations;
mod promises;
mod segments;
mod short;
mod wiped;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::ports::{Appended, NewEntry, Store};
use policies::time::Timestamp;
use store::audit::{Audit, Record, Seen, Settings, Verified, export, verify};
use store::sqlite::Sqlite;
use tempfile::TempDir;

use crate::world::{START, TestClock, settings};

/// Small, so that a test writes little.
const RESERVE: u64 = 64 * 1024;
const PERSON: &[u8] = b"PNIMRA70A01H501P";

/// A store with its audit, in a directory.
struct Rig {
    clock: Arc<TestClock>,
    store: Arc<Sqlite>,
    audit: Audit,
}

impl Rig {
    fn open(directory: &Path) -> Rig {
        Rig::open_with(directory, TestClock::new(), |_| {})
    }

    fn open_with(
        directory: &Path,
        clock: Arc<TestClock>,
        change: impl FnOnce(&mut Settings),
    ) -> Rig {
        let store = Sqlite::open(&settings(directory, &clock)).unwrap();
        let store = Arc::new(store);
        let mut audit = Settings::new(directory.to_owned(), Arc::clone(&clock) as _);
        audit.reserve_bytes = RESERVE;
        change(&mut audit);
        Rig {
            clock,
            audit: Audit::open(audit, Arc::clone(&store)).unwrap(),
            store,
        }
    }

    async fn note(&self, text: &str) {
        self.note_about(PERSON, text).await;
    }

    async fn note_about(&self, person: &[u8], text: &str) {
        let synced = self.audit.note_synced(START, record(person, text));
        synced.await.unwrap();
    }

    async fn append(&self, entry: NewEntry) {
        let appended = self.store.append(vec![entry]).await.remove(0).unwrap();
        assert!(matches!(appended, Appended::Accepted { .. }));
    }

    async fn close(self) {
        self.audit.close().await;
        self.store.close().await;
    }
}

fn record(person: &[u8], text: &str) -> Record {
    Record::new(text.as_bytes().to_vec(), person)
}

/// An entry whose writer is to be accounted for by `text`.
fn accounted(text: &str) -> NewEntry {
    NewEntry {
        audit: record(PERSON, text).into_opaque(),
        ..crate::world::entry(text)
    }
}

fn verified(directory: &Path) -> Verified {
    verify(directory, &key(), None).unwrap()
}

/// The texts of every record of a chain that is whole, in order.
fn texts(directory: &Path) -> Vec<String> {
    let (texts, damaged) = texts_around_damage(directory);
    assert_eq!(damaged, 0);
    texts
}

/// The texts of every record that can be read, and how many places cannot.
fn texts_around_damage(directory: &Path) -> (Vec<String>, u64) {
    let mut texts = Vec::new();
    let each = |seen: Seen, _: &HashSet<[u8; 16]>| {
        texts.push(String::from_utf8(seen.body.0).unwrap());
    };
    let always = (Timestamp(0), Timestamp(u64::MAX));
    let exported = export(directory, &key(), PERSON, always, each).unwrap();
    (texts, exported.damaged)
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory.join("audit")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    paths.sort_unstable();
    paths
}

/// A copy of everything, as a crash at this moment would leave it.
fn image(directory: &Path) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    copy(directory, image.path());
    image
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&copied).unwrap();
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}

/// The key of every test's store.
fn key() -> store::sealing::Key {
    crate::world::key(1)
}
