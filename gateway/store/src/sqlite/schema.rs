//! The shape of the database, and how a connection to it is set up.
//!
//! # Invariants
//!
//! 1. A migration that was released is never edited: its text is frozen by a test.
//! 2. A database is at the version of its last whole migration; each is one transaction.
//! 3. A file that is not ours, or was written by a later release, is refused and left alone.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::OpenError;

/// "ARGN", so that `file` and every tool can tell whose database it is.
const APPLICATION_ID: i32 = 0x4152_474e;
/// "ARGC": a copy that no process has opened yet. What happened after it was made is not in it, and
/// nobody may go by it before that has been taken into account ([`super::restore`]).
const COPY_ID: i32 = 0x4152_4743;
/// Forward only; the version of a database is how many of them it has seen.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001-entries.sql"),
    include_str!("migrations/0002-family.sql"),
    include_str!("migrations/0003-operator-state.sql"),
    include_str!("migrations/0004-audit.sql"),
    include_str!("migrations/0005-outbox.sql"),
    include_str!("migrations/0006-sequence.sql"),
];
/// The interior pages of every index of a million entries, and some.
const WRITER_CACHE_KIB: u32 = 64 * 1024;
const READER_CACHE_KIB: u32 = 8 * 1024;
/// What a log that grew during a burst is cut back to.
const LOG_SIZE_MAX: u32 = 64 * 1024 * 1024;
/// More than the statements there are, so that each is prepared once.
const STATEMENTS_MAX: usize = 96;

/// Opens the one connection that writes, creating the database if there is none.
pub(super) fn open_writer(path: &Path, size_max: Option<u64>) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = open(path, flags, WRITER_CACHE_KIB)?;
    own(&conn, path)?;
    let durable = configure(&conn, size_max)
        .map_err(|error| OpenError::sqlite("set up the database", error))?;
    if !durable {
        return Err(OpenError::NoLog {
            path: path.to_owned(),
        });
    }
    migrate(&mut conn)?;
    Ok(conn)
}

/// Opens a connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    open(path, flags, READER_CACHE_KIB)
}

pub(crate) fn open(path: &Path, flags: OpenFlags, cache_kib: u32) -> Result<Connection, OpenError> {
    let set_up = || -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(path, flags)?;
        // The last connection to close would fold the log into the database, also after a failed
        // sync, when nothing more may be written. The writer does it itself, when all is well.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // A plan made once stays: else a statement whose parameter stands beside a partial index is
        // planned anew whenever the parameter changes, which costs more than running it.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        conn.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
        conn.pragma_update(None, "cell_size_check", true)?;
        // Sorting never spills into a temporary file.
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(conn)
    };
    set_up().map_err(|error| OpenError::sqlite("open the database", error))
}

/// Invariant 3: refuses a database of another program before anything is changed in it.
pub(super) fn own(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let read = || -> rusqlite::Result<(i32, i64)> {
        let id = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let objects = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((id, objects))
    };
    match read() {
        Ok((APPLICATION_ID | COPY_ID, _) | (0, 0)) => Ok(()),
        Ok(_) => Err(OpenError::Foreign {
            path: path.to_owned(),
        }),
        Err(error) => Err(OpenError::sqlite("read the database", error)),
    }
}

/// Marks a database as a copy.
pub(super) fn mark_copy(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "application_id", COPY_ID)
}

/// Takes that mark away, within a transaction.
pub(super) fn unmark_copy(tx: &Connection) -> rusqlite::Result<()> {
    tx.pragma_update(None, "application_id", APPLICATION_ID)
}

/// Whether it is a copy that nobody has opened yet.
pub(super) fn is_copy(conn: &Connection) -> rusqlite::Result<bool> {
    let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(id == COPY_ID)
}

/// The version of a database; refused if a later release wrote it.
pub(super) fn version(conn: &Connection) -> Result<usize, OpenError> {
    let version: i64 = conn
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| OpenError::sqlite("read the store", error))?;
    usize::try_from(version)
        .ok()
        .filter(|seen| *seen <= MIGRATIONS.len())
        .ok_or(OpenError::Newer {
            found: version,
            known: MIGRATIONS.len(),
        })
}

/// Copies the whole log into the database and syncs it; false if someone else is reading it. The log
/// stays as it is.
pub(super) fn fold(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| {
        let (busy, pages, folded): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && pages == folded)
    })
}

/// Empties a log that was folded. One that someone has begun to read is left as it is, and folded
/// again by the next start.
pub(super) fn empty(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Sets the database up; false if it does not do what makes a commit durable: a write-ahead log,
/// synced at every commit (2 is FULL; less loses confirmed rows in a power cut).
fn configure(conn: &Connection, size_max: Option<u64>) -> rusqlite::Result<bool> {
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    let synchronous: i64 = conn.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    // The writer folds the log itself, where an error is seen; SQLite would pass over it in silence.
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "journal_size_limit", LOG_SIZE_MAX, |_| Ok(()))?;
    if let Some(bytes) = size_max {
        let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page;
        conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(mode == "wal" && synchronous == 2)
}

fn migrate(conn: &mut Connection) -> Result<(), OpenError> {
    let failed = |error| OpenError::sqlite("migrate the database", error);
    let seen = version(conn)?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(seen) {
        let mut step = || -> rusqlite::Result<()> {
            let tx = conn.transaction()?;
            tx.execute_batch(migration)?;
            // A copy stays one until it has been distrusted, whatever is migrated before.
            if index == 0 {
                tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            }
            tx.pragma_update(None, "user_version", index as i64 + 1)?;
            tx.commit()
        };
        step().map_err(failed)?;
    }
    Ok(())
}

/// How SQLite would run `sql`, line by line.
#[cfg(test)]
pub(super) fn plan(conn: &Connection, sql: &str) -> String {
    let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for parameter in 1..=explain.parameter_count() {
        explain.raw_bind_parameter(parameter, 1).unwrap();
    }
    let mut rows = explain.raw_query();
    let mut plan = String::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push_str(&row.get::<_, String>(3).unwrap());
        plan.push('\n');
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::digest::{SHA256, digest};

    /// Add a line with every new migration; never change one.
    const FROZEN: &[&str] = &[
        "86b31069f57010a4df00b39bd239d9933ce024de91b087117e2474ef26f45eba",
        "7dfeb21d2942f9409967cfa5c00a9e2b9b68b5ec2c3a22c6469d4f25c519e1ed",
        "512f37271e8ff99e2f05ed2e3981399b63b341bf3d31e35cc3a3219c801a01a1",
        "a8715fff4e349fb9f1bdfe4c80ed2f2d5a1117bd8ed25e88009d73a17c22b32a",
        "99167a6a09e71a996baa73ff2b4344816a8bea585803c8549f5b9b4b58afe5a5",
        "2a93a2538d722744ab849a4813675bb39da54df8727349b9d8a3899aa9165af6",
    ];

    #[test]
    fn a_released_migration_is_never_edited() {
        let found: Vec<String> = MIGRATIONS
            .iter()
            .map(|text| {
                let hash = digest(&SHA256, text.as_bytes());
                hash.as_ref()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            })
            .collect();
        assert_eq!(found, FROZEN);
    }

    #[test]
    fn an_interrupted_migration_leaves_the_old_version() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("entries.db");
        let conn = Connection::open(&path).unwrap();
        // A table that the migration is about to create makes its last statement fail.
        conn.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; CREATE TABLE documents (entry INTEGER);"
        ))
        .unwrap();
        drop(conn);
        assert!(open_writer(&path, None).is_err());

        let conn = Connection::open(&path).unwrap();
        let version: i64 = conn
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        let tables: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!((version, tables), (0, 1));
        conn.execute_batch("DROP TABLE documents").unwrap();
        drop(conn);
        open_writer(&path, None).expect("the next start finishes the migration");
    }

    #[test]
    fn a_database_of_another_program_or_a_later_release_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let foreign = directory.path().join("foreign.db");
        let conn = Connection::open(&foreign).unwrap();
        conn.execute_batch("CREATE TABLE theirs (x)").unwrap();
        drop(conn);
        let before = std::fs::read(&foreign).unwrap();
        assert!(matches!(
            open_writer(&foreign, None),
            Err(OpenError::Foreign { .. })
        ));
        assert_eq!(std::fs::read(&foreign).unwrap(), before);

        let later = directory.path().join("later.db");
        let conn = open_writer(&later, None).unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        drop(conn);
        assert!(matches!(
            open_writer(&later, None),
            Err(OpenError::Newer { found: 99, .. })
        ));
    }
}
