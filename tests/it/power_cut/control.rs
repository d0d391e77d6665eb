//! The control: plain SQLite in WAL, rows like those of the store, one a commit, and a `synchronous`
//! that the product cannot be given.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};

use super::acknowledged::{Acknowledged, Line};
use super::{database, writer};

/// The test that plays the role.
pub(super) const ROLE: &str = "power_cut::control::commit_until_the_power_is_cut";
/// The pragma.
pub(super) const SYNCHRONOUS: &str = "ARGINE_POWER_CUT_SYNCHRONOUS";

/// It folds its log as rarely as the store.
const LOG_PAGES_MAX: u32 = 4_096;
/// As many indexes of random keys as the store has.
const SCHEMA: &str = "
    CREATE TABLE entries (
        row INTEGER PRIMARY KEY, organization TEXT NOT NULL, state TEXT NOT NULL,
        id BLOB NOT NULL, key_digest BLOB NOT NULL, number_digest BLOB NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX entries_id ON entries (id);
    CREATE UNIQUE INDEX entries_key ON entries (key_digest);
    CREATE UNIQUE INDEX entries_number ON entries (number_digest);";

#[test]
#[ignore = "the process whose power the tests of this module cut"]
fn commit_until_the_power_is_cut() {
    let directory = std::env::var(writer::DIRECTORY);
    let (Ok(directory), Ok(synchronous)) = (directory, std::env::var(SYNCHRONOUS)) else {
        return;
    };
    fs::create_dir_all(&directory).expect("a directory can be made");
    let conn = Connection::open(database(directory.as_ref())).expect("a database can be made");
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .expect("it can keep a log");
    assert_eq!(mode, "wal");
    conn.pragma_update(None, "synchronous", synchronous)
        .expect("a pragma can be set");
    conn.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES_MAX, |_| Ok(()))
        .expect("a pragma can be set");
    conn.execute_batch(SCHEMA).expect("a table can be made");
    let payload = vec![b'p'; writer::PAYLOAD_BYTES];
    let mut insert = conn
        .prepare("INSERT INTO entries VALUES (?1, 'practice-a', 'registered', ?2, ?3, ?4, ?5)")
        .expect("a row can be prepared");
    for row in 1_i64.. {
        let random = rand::random::<[u8; 16]>;
        insert
            .execute(params![row, random(), random(), random(), payload])
            .expect("a row can be committed");
        Line::Row(row).say();
    }
}

/// How many acknowledged rows are missing. A database that cannot be read has lost them all.
pub(super) fn lost(directory: &Path, told: &Acknowledged) -> usize {
    let kept = kept(directory).unwrap_or_default();
    told.rows.difference(&kept).count()
}

fn kept(directory: &Path) -> rusqlite::Result<BTreeSet<i64>> {
    let conn = Connection::open(database(directory))?;
    let mut select = conn.prepare("SELECT row FROM entries")?;
    select.query_map([], |row| row.get(0))?.collect()
}
