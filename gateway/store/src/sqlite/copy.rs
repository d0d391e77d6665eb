//! A copy of the database of a store that is in use, and a look into one.
//!
//! # Invariants
//!
//! 1. A copy is the store at one moment: one read transaction, which a writer neither waits for nor
//!    disturbs. Until it has ended the log is not reused, and grows by what is written meanwhile: whoever
//!    copies watches it, and can interrupt.
//! 2. A copy holds rows and nothing else: no free page, and within a page nothing that was deleted.
//! 3. A copy is marked as one before anybody can take it for whole.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, InterruptHandle, OpenFlags};

use super::row::uint;
use super::start::key_check;
use super::{OpenError, schema};
use crate::keys::Keys;
use crate::sealing::Key;

/// Enough for a table to be read once from beginning to end.
const CACHE_KIB: u32 = 8 * 1024;

/// What stands in a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contents {
    /// How many migrations it has seen.
    pub(crate) schema: usize,
    /// The number of the opening it was made in.
    pub(crate) instance: u64,
    /// Prescriptions in it.
    pub(crate) prescriptions: u64,
    /// Prescriptions, cancels and watches among what nobody knows the outcome of.
    pub(crate) unsettled: u64,
    /// Numbers that no prescription in it holds.
    pub(crate) numbers: u64,
}

/// Why there is no good copy.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// The database cannot be opened, or is not ours to copy.
    Open(OpenError),
    /// There is no room for the copy.
    NoSpace,
    /// The log of the original grew too long meanwhile.
    LogGrew {
        /// The log.
        log: PathBuf,
    },
    /// SQLite finds the database damaged, in its own words.
    Damaged(String),
}

impl From<OpenError> for CopyError {
    fn from(error: OpenError) -> CopyError {
        match error {
            // Which page is damaged decides who meets it first.
            OpenError::Sqlite { attempt, source } => match source.downcast() {
                Ok(error) => failure(attempt, *error),
                Err(source) => CopyError::Open(OpenError::Sqlite { attempt, source }),
            },
            error => CopyError::Open(error),
        }
    }
}

/// Copies the database `from`, whose ring lies beside it under `key`, to `to`, which must be there and
/// be empty. `begin` is given what interrupts it; what it returns is dropped when the copy is over.
pub(crate) fn take<Held>(
    from: &Path,
    to: &Path,
    key: &Key,
    begin: impl FnOnce(InterruptHandle) -> Held,
) -> Result<(), CopyError> {
    let source = schema::open_reader(from)?;
    schema::own(&source, from)?;
    schema::version(&source)?;
    let beside = from.parent().unwrap_or(from);
    check_keys(&source, beside, key)?;
    let failed = |error| failure("copy the database", error);
    let path = to.to_str().ok_or(CopyError::Open(OpenError::Foreign {
        path: to.to_owned(),
    }))?;
    let _until_over = begin(source.get_interrupt_handle());
    // Not page by page: a copy of pages takes the free ones along.
    source.execute("VACUUM INTO ?1", [path]).map_err(failed)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = schema::open(to, flags, CACHE_KIB)?;
    let mark = || -> rusqlite::Result<()> {
        // No file beside it, also while it is marked: nobody needs to roll an unfinished copy back.
        copy.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
        schema::mark_copy(&copy)
    };
    mark().map_err(failed)
}

/// Checks the copy `path`, whose ring lies in `keys` under `key`, from its first page to its last, and
/// says what stands in it. Changes nothing.
pub(crate) fn examine(path: &Path, keys: &Path, key: &Key) -> Result<Contents, CopyError> {
    let conn = schema::open_reader(path)?;
    schema::own(&conn, path)?;
    let schema = schema::version(&conn)?;
    let failed = |error| failure("read the copy", error);
    let said: String = conn
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if said != "ok" {
        return Err(CopyError::Damaged(said));
    }
    if !schema::is_copy(&conn).map_err(failed)? {
        return Err(CopyError::Damaged("it is not marked as a copy".to_owned()));
    }
    check_keys(&conn, keys, key)?;
    let count = |sql: &str| -> rusqlite::Result<u64> {
        conn.query_row(sql, [], |row| row.get(0)).map(uint)
    };
    let read = || -> rusqlite::Result<Contents> {
        Ok(Contents {
            schema,
            instance: count("SELECT instance FROM meta")?,
            prescriptions: count("SELECT count(*) FROM entries WHERE role = 'create'")?,
            unsettled: count("SELECT count(*) FROM entries WHERE queue IS NOT NULL")?,
            numbers: count(
                "SELECT coalesce((SELECT sum(size - taken) FROM ranges), 0) \
                 + coalesce((SELECT sum(stop - mark) FROM blocks), 0)",
            )?,
        })
    };
    read().map_err(failed)
}

fn check_keys(conn: &Connection, keys: &Path, key: &Key) -> Result<(), CopyError> {
    let known = key_check(conn).map_err(|error| failure("read the store", error))?;
    let checked = Keys::check(keys, key, known.as_deref());
    checked.map_err(|error| CopyError::Open(OpenError::Ring(error)))
}

fn failure(attempt: &'static str, error: rusqlite::Error) -> CopyError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
    match error.sqlite_error_code() {
        Some(DiskFull) => CopyError::NoSpace,
        Some(DatabaseCorrupt | NotADatabase) => CopyError::Damaged(error.to_string()),
        _ => CopyError::Open(OpenError::sqlite(attempt, error)),
    }
}
