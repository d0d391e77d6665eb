//! The file of the answers: opened if it is whole and ours, else begun anew.
//!
//! # Invariants
//!
//! 1. A file that is damaged, sealed under another key, not of this release, or left by a machine that
//!    was off for too long, is deleted and begun anew, and that is said. It is not kept aside: it would
//!    hold what a later purge cannot reach.
//! 2. What was deleted is overwritten in the database (`secure_delete`) and, after [`fold`], no longer
//!    in the log. The log is cut short, not overwritten: its blocks go back to the file system as they
//!    are, and so do those of a file that is deleted or made shorter. What they hold is sealed.
//! 3. Any other failure (no space, no permission) changes nothing; whoever opens tries again later.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::ffi::{self, ErrorCode};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::scale::{Lapsed, Mark, Scale};
use crate::sealing::{Place, Sealer};
use crate::sqlite::{OpenError, schema, start};

const FILE: &str = "persons.db";
/// What lies beside it.
const SIDE_FILES: [&str; 2] = ["persons.db-wal", "persons.db-shm"];
/// "ARGP".
const APPLICATION_ID: i32 = 0x4152_4750;
/// A file of another version is begun anew: nothing in it is worth a migration.
const VERSION: i32 = 1;
/// The interior pages of the indexes of a million answers.
const CACHE_KIB: u32 = 32 * 1024;
/// How long folding the log waits for readers; a read takes far less.
const READERS_MS: u32 = 200;
/// How long the log grows before it is folded: 4 MiB, which fit into the reserve.
const LOG_PAGES_MAX: i64 = 1_024;
/// Free pages given back to the disk at a time.
const SHRINK_PAGES: u32 = 1_024;
const SCHEMA: &str = "
-- Whose file this is: one row.
CREATE TABLE meta (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    -- Recognises the sealing key; not the key.
    key_check BLOB    NOT NULL,
    -- The machine's clocks when something was last written, sealed.
    mark      BLOB    NOT NULL
) STRICT;
CREATE TABLE answers (
    id         INTEGER PRIMARY KEY,
    -- Keyed digests: whom it is about, and what was asked.
    person     BLOB    NOT NULL,
    question   BLOB    NOT NULL,
    -- When its source gave it, in shelf time; sealed with the answer as well.
    fetched_at INTEGER NOT NULL,
    sealed     BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX answers_key ON answers (person, question);
CREATE INDEX answers_age ON answers (fetched_at);
";

/// Why a file is not gone on with.
#[derive(Debug)]
enum Unopened {
    /// It holds nothing that can be used.
    Useless(&'static str),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unopened {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) {
            Unopened::Useless("it is damaged")
        } else {
            Unopened::Sqlite(error)
        }
    }
}

/// Whether `error` speaks of a file whose content is not to be trusted.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Whether `error` says that there is no space.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// What [`is_full`] is true of.
pub(super) fn full() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None)
}

/// Opens a connection that can only read.
pub(super) fn open_reader(directory: &Path) -> rusqlite::Result<Connection> {
    schema::open_reader(&directory.join(FILE)).map_err(sqlite_error)
}

/// Opens the file of `directory` to write, creating it or beginning it anew where that is needed, and
/// settles `scale` by what it holds.
pub(super) fn open(
    directory: &Path,
    sealer: &Sealer,
    scale: &Scale,
    size_bytes_max: u64,
) -> rusqlite::Result<Connection> {
    match open_once(directory, sealer, scale, size_bytes_max) {
        Ok(conn) => Ok(conn),
        Err(Unopened::Sqlite(error)) => Err(error),
        Err(Unopened::Useless(reason)) => {
            tracing::error!(reason, "the shelf of persons is begun anew");
            delete(directory).map_err(cannot_open)?;
            open_once(directory, sealer, scale, size_bytes_max).map_err(|again| match again {
                Unopened::Sqlite(error) => error,
                Unopened::Useless(reason) => cannot_open(io::Error::other(reason)),
            })
        }
    }
}

fn open_once(
    directory: &Path,
    sealer: &Sealer,
    scale: &Scale,
    size_bytes_max: u64,
) -> Result<Connection, Unopened> {
    let path = directory.join(FILE);
    start::create_directory(directory)
        .and_then(|()| start::create_private(&path))
        .map_err(cannot_open)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = schema::open(&path, flags, CACHE_KIB).map_err(sqlite_error)?;
    let is_new = is_new(&conn)?;
    if is_new {
        // Takes effect only before the first page is written.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    configure(&conn, size_bytes_max)?;
    let last = if is_new {
        None
    } else {
        Some(known(&conn, sealer)?)
    };
    scale.settle(last).map_err(|Lapsed| {
        Unopened::Useless("the machine was off for more than 30 days, it seems")
    })?;
    let tx = conn.transaction()?;
    if is_new {
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", VERSION)?;
    }
    if let Some(moment) = scale.moment() {
        mark(&tx, sealer, &moment.mark)?;
    }
    tx.commit()?;
    fold(&conn)?;
    whole(&conn, &path)?;
    Ok(conn)
}

/// Whether nothing was ever written to it; a file of someone else is of no use.
fn is_new(conn: &Connection) -> Result<bool, Unopened> {
    let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let objects: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (id, version, objects) {
        (0, 0, 0) => Ok(true),
        (APPLICATION_ID, VERSION, _) => Ok(false),
        (APPLICATION_ID, _, _) => Err(Unopened::Useless("another release has written it")),
        _ => Err(Unopened::Useless("it is not one")),
    }
}

fn configure(conn: &Connection, size_bytes_max: u64) -> rusqlite::Result<()> {
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    sync_commits(conn, false)?;
    conn.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "busy_timeout", READERS_MS, |_| Ok(()))?;
    let pages = pages_max(conn, size_bytes_max)?;
    conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

/// How many pages `size_bytes_max` is.
pub(super) fn pages_max(conn: &Connection, size_bytes_max: u64) -> rusqlite::Result<i64> {
    let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(i64::try_from(size_bytes_max).unwrap_or(i64::MAX) / page)
}

/// Whether a commit is synced (a power cut takes none back), or only survives its process.
pub(super) fn sync_commits(conn: &Connection, synced: bool) -> rusqlite::Result<()> {
    let mode = if synced { "FULL" } else { "NORMAL" };
    conn.pragma_update(None, "synchronous", mode)
}

/// The mark of the last process, if the file is sealed under our key.
fn known(conn: &Connection, sealer: &Sealer) -> Result<Mark, Unopened> {
    let found: Option<(Vec<u8>, Vec<u8>)> = conn
        .query_row("SELECT key_check, mark FROM meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(|error| match error {
            // No table, or no bytes in a column: damage that SQLite did not see.
            error @ rusqlite::Error::SqliteFailure(..) if !is_missing(&error) => error.into(),
            _ => Unopened::Useless("it is damaged"),
        })?;
    let (key_check, mark) = found.ok_or(Unopened::Useless("it is damaged"))?;
    if key_check != sealer.check() {
        return Err(Unopened::Useless("it is sealed under another key"));
    }
    sealer
        .unseal(MARK, &mark)
        .ok()
        .and_then(|plain| Mark::decode(&plain.0))
        .ok_or(Unopened::Useless("its clock mark is damaged"))
}

/// `SQLITE_ERROR`: the statement names what is not there.
fn is_missing(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::Unknown)
}

/// Keeps `mark` for the next process.
pub(super) fn mark(conn: &Connection, sealer: &Sealer, mark: &Mark) -> rusqlite::Result<()> {
    let Ok(sealed) = sealer.seal(MARK, &mark.encode()) else {
        // Without randomness no answer is sealed either; the last mark stays.
        return Ok(());
    };
    conn.prepare_cached(
        "INSERT INTO meta (one, key_check, mark) VALUES (1, ?1, ?2) \
         ON CONFLICT (one) DO UPDATE SET mark = ?2",
    )?
    .execute(params![sealer.check(), sealed])
    .map(drop)
}

const MARK: Place = Place {
    table: "meta",
    row: [0; 16],
    column: "mark",
};

/// A file that was cut short misses pages that SQLite meets only when it reads them.
fn whole(conn: &Connection, path: &Path) -> Result<(), Unopened> {
    let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let length = fs::metadata(path).map_err(cannot_open)?.len();
    if i64::try_from(length).unwrap_or(i64::MAX) < pages.saturating_mul(page) {
        return Err(Unopened::Useless("it was cut short"));
    }
    Ok(())
}

/// Copies the log into the database, syncs that, and empties the log; false if a reader stood in the
/// way.
pub(super) fn fold(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok(row.get::<_, i64>(0)? == 0)
    })
}

/// Folds a log that has grown long.
pub(super) fn fold_if_long(conn: &Connection) -> rusqlite::Result<()> {
    let mut count = conn.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
    let waiting = count.query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))?;
    if waiting >= LOG_PAGES_MAX {
        fold(conn)?;
    }
    Ok(())
}

/// How many pages hold something, and how many are free.
pub(super) fn pages(conn: &Connection) -> rusqlite::Result<(i64, i64)> {
    let count = |sql| conn.prepare_cached(sql)?.query_row([], |row| row.get(0));
    let all: i64 = count("PRAGMA page_count")?;
    let free: i64 = count("PRAGMA freelist_count")?;
    Ok((all - free, free))
}

/// Gives up to [`SHRINK_PAGES`] free pages back to the disk.
pub(super) fn shrink(conn: &Connection) -> rusqlite::Result<()> {
    let mut vacuum = conn.prepare(&format!("PRAGMA incremental_vacuum({SHRINK_PAGES})"))?;
    let mut pages = vacuum.raw_query();
    while pages.next()?.is_some() {}
    Ok(())
}

/// Deletes the file and what lies beside it.
pub(super) fn delete(directory: &Path) -> io::Result<()> {
    for name in SIDE_FILES.into_iter().chain([FILE]) {
        match fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// An error that is none of SQLite's, on the way that theirs go.
fn cannot_open(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// What SQLite said, where it is the one who refused.
fn sqlite_error(error: OpenError) -> rusqlite::Error {
    match error {
        OpenError::Sqlite { source, .. } => match source.downcast() {
            Ok(error) => *error,
            Err(other) => rusqlite::Error::ToSqlConversionFailure(other),
        },
        other => cannot_open(other),
    }
}
