//! The account of a world: what is on disk, what callers were told, and what the SAC holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use policies::state::{State, Tally};
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::record::{Heard, Record};
use crate::upstreams::sac::book::Book;

/// How long a reader waits for a writer that holds the whole database.
const BUSY_WITHIN: Duration = Duration::from_secs(5);

fn open(store: &Path) -> Connection {
    open_file(&store.join("entries.db"))
}

fn open_file(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database =
        Connection::open_with_flags(path, flags).expect("the store's database can be read");
    database
        .busy_timeout(BUSY_WITHIN)
        .expect("a connection can be told to wait");
    database
}

/// What SQLite itself says about the database; `ok` if it is whole.
///
/// # Panics
///
/// When the database cannot be read at all.
pub fn integrity(store: &Path) -> String {
    open(store)
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("the store's database can be checked")
}

/// How many answers about persons are on disk.
///
/// # Panics
///
/// When the database cannot be read.
pub fn persons_kept(store: &Path) -> usize {
    let count: u32 = open_file(&store.join("persons.db"))
        .query_row("SELECT count(*) FROM answers", [], |row| row.get(0))
        .expect("the answers can be counted");
    count as usize
}

/// Every prescription on disk: its id and where it stands.
///
/// # Panics
///
/// When the database cannot be read, or a state is not a word of ours.
pub fn entries(store: &Path) -> BTreeMap<String, State> {
    let database = open(store);
    let mut query = database
        .prepare("SELECT id, state FROM entries WHERE role = 'create'")
        .expect("the entries have an id and a state");
    let rows = query
        .query_map([], |row| {
            let id: Vec<u8> = row.get(0)?;
            let state: String = row.get(1)?;
            Ok((id, state))
        })
        .expect("the entries can be read");
    let mut entries = BTreeMap::new();
    for row in rows {
        let (id, word) = row.expect("an entry can be read");
        let id = Uuid::from_slice(&id)
            .expect("an entry's id is a UUID")
            .to_string();
        let state = State::parse(&word).unwrap_or_else(|| panic!("{word:?} is not a state"));
        assert!(
            entries.insert(id, state).is_none(),
            "an id stands on disk twice"
        );
    }
    entries
}

/// The equation of the design over `entries`, held against what callers were told.
///
/// # Panics
///
/// When an entry is counted nowhere, a caller was told of one that is not there, or more are there
/// than anyone sent.
pub(super) fn equation(entries: &BTreeMap<String, State>, record: &Record) -> Tally {
    let mut tally = Tally {
        stored: entries.len() as u64,
        ..Tally::default()
    };
    for state in entries.values() {
        tally.add(*state, 1);
    }
    assert!(tally.balances(), "the equation does not hold: {tally:?}");

    let told = record.stored();
    let lost: Vec<&String> = told
        .keys()
        .filter(|id| !entries.contains_key(*id))
        .collect();
    assert!(lost.is_empty(), "acknowledged and not on disk: {lost:?}");
    let contradictions = record.contradictions();
    assert!(contradictions.is_empty(), "{contradictions:?}");
    let nameless = entries.keys().filter(|id| !told.contains_key(*id)).count();
    assert!(
        nameless <= record.nameless(),
        "{nameless} entries that no caller knows, of {} that may be",
        record.nameless()
    );
    tally
}

/// What must hold in the SAC's book at every moment, whatever happened.
///
/// # Panics
///
/// When one request took effect twice, or a number was sent for two different ones.
pub(super) fn book_is_sound(book: &Book) {
    let doubles = book.doubles().len();
    assert_eq!(
        doubles, 0,
        "{doubles} requests took effect twice: {:?}",
        book.received
    );
    let mut contents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for received in &book.received {
        contents
            .entry(&received.nre)
            .or_default()
            .insert(&received.content);
    }
    let reused: Vec<_> = contents
        .iter()
        .filter(|(_, contents)| contents.len() > 1)
        .collect();
    assert!(
        reused.is_empty(),
        "numbers used for two requests: {}",
        reused.len()
    );
}

/// What must hold between store and book once nothing moves any more.
///
/// # Panics
///
/// When the SAC holds fewer live prescriptions than are registered here, or more of them than are
/// registered or raised as a conflict, or a caller was given a number that the SAC does not hold.
pub(super) fn book_agrees(entries: &BTreeMap<String, State>, record: &Record, book: &Book) {
    let count = |state| entries.values().filter(|is| **is == state).count();
    let (registered, raised) = (count(State::Registered), count(State::Conflict));
    let live = book.prescriptions.iter().filter(|p| p.is_live()).count();
    assert!(
        (registered..=registered + raised).contains(&live),
        "{registered} registered here and {raised} raised, {live} live at the SAC"
    );
    for (write, heard) in record.writes() {
        for heard in heard {
            let Heard::Stored { nre: Some(nre), .. } = heard else {
                continue;
            };
            let held = book.prescription(&nre).is_some();
            assert!(
                held,
                "{write:?} was given a number that the SAC does not hold"
            );
        }
    }
}
