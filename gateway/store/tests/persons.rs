//! The shelf of answers about persons: what `engine::ports::Shelf` promises, and what is done to its
//! file by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use engine::ports::{LookupKey, Shelf, Shelved, Tag};
use policies::time::Timestamp;
use store::persons::{Machine, Persons, PersonsSettings, Reading};
use uuid::Uuid;

use crate::world::{self, START, TestClock};

mod clocks;
mod damage;
mod promises;
mod space;

const DATABASE: &str = "persons.db";
const LOG: &str = "persons.db-wal";
const HOUR: Duration = Duration::from_secs(3_600);

/// A machine whose clocks are set by hand.
struct TestMachine(Mutex<Reading>);

impl TestMachine {
    fn new() -> Arc<TestMachine> {
        Arc::new(TestMachine(Mutex::new(Reading {
            boot: Some(Uuid::from_u128(1)),
            uptime: 100 * HOUR,
            wall: START,
        })))
    }

    fn set(&self, change: impl FnOnce(&mut Reading)) {
        change(&mut self.0.lock().unwrap());
    }
}

impl Machine for TestMachine {
    fn read(&self) -> Reading {
        *self.0.lock().unwrap()
    }
}

fn settings(directory: &Path, clock: &Arc<TestClock>) -> PersonsSettings {
    let keys = world::ring(1);
    let mut settings = PersonsSettings::new(directory.to_owned(), keys, Arc::clone(clock) as _);
    settings.machine = TestMachine::new();
    settings
}

fn open(directory: &Path) -> Persons {
    Persons::open(&settings(directory, &TestClock::new())).unwrap()
}

/// The `question`th question about the `person`th person.
fn key(person: u32, question: u8) -> LookupKey {
    let mut digest = [0x5a; 16];
    // Spread as digests are.
    digest[..4].copy_from_slice(&person.wrapping_mul(0x9e37_79b1).to_be_bytes());
    digest[4..8].copy_from_slice(&person.to_be_bytes());
    LookupKey {
        person: digest,
        question: [question; 16],
    }
}

fn tag(seed: u8) -> Tag {
    Tag([seed; 16])
}

/// An answer with `text` in it, given at `fetched_at`.
fn answer(key: LookupKey, text: &str, fetched_at: Timestamp) -> Shelved {
    Shelved {
        key,
        fetched_at,
        tags: vec![tag(1), tag(2)],
        seen_by: vec![(tag(3), fetched_at), (tag(4), fetched_at + HOUR)],
        body: Bytes::from(text.to_owned()),
        age_is_floor: false,
    }
}

async fn get(shelf: &Persons, key: LookupKey) -> Option<Shelved> {
    shelf.get(key).await.expect("it can be read")
}

async fn body(shelf: &Persons, key: LookupKey) -> Option<Bytes> {
    get(shelf, key).await.map(|found| found.body)
}

/// Keeps an answer about each of `persons`, the later the younger.
async fn fill(shelf: &Persons, persons: std::ops::Range<u32>, text: &str) {
    let puts = persons.map(|person| {
        let at = START + Duration::from_millis(u64::from(person));
        shelf.put(answer(key(person, 0), text, at))
    });
    for outcome in futures_util::future::join_all(puts).await {
        assert_eq!(outcome, Ok(()));
    }
}

/// Whether `part` stands in any file of `directory`.
fn is_on_disk(directory: &Path, part: &[u8]) -> bool {
    files(directory).iter().any(|file| {
        let content = fs::read(file).unwrap_or_default();
        content.windows(part.len()).any(|found| found == part)
    })
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory).unwrap();
    listed.map(|file| file.unwrap().path()).collect()
}

/// What lies sealed under `key`.
fn sealed(directory: &Path, key: LookupKey) -> Vec<u8> {
    let conn = rusqlite::Connection::open(directory.join(DATABASE)).unwrap();
    conn.query_row(
        "SELECT sealed FROM answers WHERE person = ?1 AND question = ?2",
        rusqlite::params![key.person, key.question],
        |row| row.get(0),
    )
    .unwrap()
}
