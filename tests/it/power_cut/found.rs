//! What a store holds after the power came back, held against what it acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use engine::clock::AnchoredClock;
use engine::numbers::Numbers;
use engine::ports::{Appended, Entry, Filter, NumberUse, Page, Store};
use policies::state::State;
use rusqlite::{Connection, Row};
use store::sqlite::Sqlite;
use tests::world::account;
use uuid::Uuid;

use super::acknowledged::Acknowledged;
use super::writer::{self, DESKS};
use super::{Place, database};

const PAGE: usize = 1_000;

/// A store opened after a cut.
pub(super) struct Found {
    store: Sqlite,
    directory: PathBuf,
    entries: BTreeMap<Uuid, Entry>,
}

impl Found {
    /// Opens it and reads every entry.
    pub(super) async fn open(place: &Place) -> Found {
        let store = place.open();
        let mut entries = BTreeMap::new();
        let mut after = None;
        loop {
            let page = Page {
                after,
                entries_max: PAGE,
            };
            let listed = store.list(writer::organization(), Filter::default(), page);
            let listed = listed.await.expect("every entry can be read");
            let Some(last) = listed.last() else { break };
            after = Some(last.id);
            entries.extend(listed.into_iter().map(|entry| (entry.id.0, entry)));
        }
        Found {
            store,
            directory: place.directory.clone(),
            entries,
        }
    }

    /// Examines and closes it: how many of the writes acknowledged by `lives` processes are lost.
    ///
    /// # Panics
    ///
    /// When what is there is unsound in any other way.
    pub(super) async fn examined(self, told: &Acknowledged, lives: u32) -> usize {
        let lost = self.lost(told);
        let numbers = self.numbers();
        self.holds_no_more_than_was_handed_over(told, lives);
        let tally = self.store.tally().await.expect("the entries are counted");
        assert!(tally.balances(), "{tally:?}");
        assert_eq!(tally.stored, self.entries.len() as u64, "{tally:?}");
        self.remembers_its_keys(told).await;
        self.goes_on(&numbers).await;
        self.store.close().await;
        assert_eq!(account::integrity(&self.directory), "ok");
        marks_are_past(&self.directory, &numbers);
        lost
    }

    fn lost(&self, told: &Acknowledged) -> usize {
        let accepted = told.accepted.iter().filter(|(id, number)| {
            let entry = self.entries.get(id);
            entry.is_none_or(|entry| entry.number.0 != number.as_bytes())
        });
        let registered = told.registered.iter().filter(|id| {
            let entry = self.entries.get(id);
            entry.is_none_or(|entry| entry.state != State::Registered)
        });
        accepted.count() + registered.count()
    }

    /// The places in the range that entries hold, each held once.
    fn numbers(&self) -> BTreeSet<u64> {
        let range = writer::range();
        let mut held = BTreeSet::new();
        for entry in self.entries.values() {
            let number = std::str::from_utf8(&entry.number.0).expect("a number is text");
            assert!(range.contains(number), "a number from nowhere");
            let position = number[range.prefix.len()..].parse();
            let position: u64 = position.expect("a position is made of digits");
            assert!(held.insert(position), "a number is held twice: {position}");
        }
        held
    }

    /// What nobody was told of was on its way: at most one entry of each desk.
    fn holds_no_more_than_was_handed_over(&self, told: &Acknowledged, lives: u32) {
        let untold = self
            .entries
            .keys()
            .filter(|id| !told.accepted.contains_key(id));
        let untold = untold.count();
        assert!(
            untold <= DESKS * lives as usize,
            "{untold} entries too many"
        );
    }

    /// A caller who repeats the last write that is there is told so.
    async fn remembers_its_keys(&self, told: &Acknowledged) {
        let there = |id: &&Uuid| self.entries.contains_key(*id);
        let Some(id) = told.accepted.keys().rev().find(there) else {
            return;
        };
        let number = NumberUse::Callers(self.entries[id].number.clone());
        let again = writer::entry(*id, number, &AnchoredClock::start());
        let answer = self.store.append(vec![again]).await.remove(0);
        assert!(
            matches!(&answer, Ok(Appended::Replay(entry)) if entry.id.0 == *id),
            "{answer:?}"
        );
    }

    /// The next write is taken, under a number that no entry held.
    async fn goes_on(&self, held: &BTreeSet<u64>) {
        let range = self.store.add_range(writer::range()).await;
        range.expect("the range is known, or stored now");
        let block = self.store.lease_block(1).await.expect("a block is leased");
        let numbers = Numbers::default();
        numbers.add(block.expect("the range is far from used up"));
        let clock = AnchoredClock::start();
        let number = numbers.take(&clock).await.expect("the block has a number");
        let NumberUse::Ours { position, .. } = &number else {
            panic!("the number is of a block of ours");
        };
        assert!(!held.contains(position), "a number is given out again");
        let new = writer::entry(Uuid::now_v7(), number, &clock);
        let answer = self.store.append(vec![new]).await.remove(0);
        assert!(
            matches!(answer, Ok(Appended::Accepted { .. })),
            "{answer:?}"
        );
    }
}

/// A place in a range, as a row holds it.
fn place(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let place: i64 = row.get(column)?;
    Ok(u64::try_from(place).expect("a place is not negative"))
}

/// No number that an entry holds can be given out again: it is in a block, and behind its mark.
fn marks_are_past(directory: &Path, held: &BTreeSet<u64>) {
    let Some(highest) = held.last() else { return };
    let conn = Connection::open(database(directory)).expect("the database can be read");
    let taken: u64 = conn
        .query_row("SELECT taken FROM ranges", [], |row| place(row, 0))
        .expect("there is one range");
    assert!(
        taken > *highest,
        "{highest} is held, the range is cut at {taken}"
    );
    let mut select = conn
        .prepare("SELECT mark, stop FROM blocks WHERE mark < stop")
        .expect("blocks have marks");
    let left = select
        .query_map([], |row| Ok(place(row, 0)?..place(row, 1)?))
        .expect("the blocks can be read");
    for left in left {
        let left = left.expect("a block can be read");
        let again = held.range(left).next();
        assert!(again.is_none(), "{again:?} is held and before a mark");
    }
}
