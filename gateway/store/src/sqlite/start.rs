//! Opening a store: every check before the first write, and the first write before anyone is
//! served.
//!
//! # Invariants
//!
//! 1. The lock is taken before anything is looked at, and the files are looked at before SQLite is
//!    let near them: its recovery writes.
//! 2. Database and log are on disk by name, not only by content, before a write is promised.
//! 3. A clock that does not follow on that of the last process is said, see [`super::drift`].
//! 4. A copy is distrusted in the very transaction that makes it a store of its own, see
//!    [`super::restore`]: a start that is cut off leaves it a copy.
//! 5. A master key that takes over does so only once the database is this process's own.
//! 6. A lease or a block of an earlier process is never mistaken for one of this process.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use policies::state::State;
use policies::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tokio::sync::Notify;

use super::audit::Accounts;
use super::drift::Drift;
use super::guard::{Guard, Left};
use super::log::Files;
use super::ranges::Numbers;
use super::reader::Readers;
use super::retire::retire;
use super::row::{at, uint};
use super::tx::{Counts, Fixed, Tx};
use super::writer::{Alarm, Commit, Engine, Writer};
use super::{OpenError, Settings, Sqlite, lease, outbox, restore, schema, watch};
use crate::keys::{self, Keys};
use crate::sealing::{Key, Sealer};

/// Where a restore gathers its files, in the directory of the store; gone once it is finished.
pub(crate) const STAGING: &str = "restore.unfinished";

/// Opens the store of `settings`.
pub(super) fn open(settings: &Settings, commit: Commit) -> Result<Sqlite, OpenError> {
    create_directory(&settings.directory)?;
    let (mut guard, left) = Guard::take(&settings.directory)?;
    refuse_half_restored(&settings.directory)?;
    let files = Files::of(&settings.directory);
    files.check(left)?;
    // One that cannot be used is refused before SQLite writes anything.
    drop(Keys::open(&settings.directory, &settings.key)?);
    create_private(&files.database)?;
    let mut conn = schema::open_writer(&files.database, settings.size_bytes_max)?;
    let known = key_check(&conn).map_err(|error| OpenError::sqlite("read the store", error))?;
    let now = settings.clock.now();
    let keys = Keys::of_database(&settings.directory, &settings.key, known.as_deref(), now)?;
    let fixed = Fixed {
        sealer: Sealer::clone(&keys.sealer()),
        recorded: keys.record(),
        clock: Arc::clone(&settings.clock),
        node: settings.node.clone(),
        undo_op: settings.undo_op,
        entries_max: settings.entries_max,
        instance: 0,
        drift: Drift::None,
    };
    let left = (left, known.is_some());
    let began = begin(&mut conn, &mut guard, left, fixed)?;
    keys.settle(&settings.key)?;
    sync_directory(&settings.directory)?;
    guard.mark_open()?;

    let connections = (0..settings.readers.max(1))
        .map(|_| schema::open_reader(&files.database))
        .collect::<Result<Vec<_>, _>>()?;
    let thread_failed = |source| OpenError::File {
        path: settings.directory.clone(),
        source,
    };
    let readers =
        Readers::start("store", connections, settings.queue_max).map_err(thread_failed)?;
    let pushable = Arc::new(Notify::new());
    let accounts = Arc::new(Accounts::default());
    let engine = Engine {
        conn,
        guard,
        fixed: began.fixed,
        counts: began.counts,
        numbers: began.numbers,
        alarm: Alarm::new(settings.on_poison.clone()),
        commit,
        pushable: Arc::clone(&pushable),
        accounts: Arc::clone(&accounts),
    };
    Ok(Sqlite {
        accounts,
        directory: settings.directory.clone(),
        writer: Writer::start(engine, settings.queue_max).map_err(thread_failed)?,
        readers,
        keys: Arc::new(keys),
        clock: Arc::clone(&settings.clock),
        pushable,
    })
}

/// Makes `new` a master key of the store in `directory`, beside `current`: whichever is given opens it,
/// until it is first opened under `new`.
///
/// # Errors
///
/// Another process has the store open, or its ring cannot be used. Nothing was changed, or both are
/// accepted.
pub fn rewrap(directory: &Path, current: &Key, new: &Key) -> Result<(), OpenError> {
    let (_locked, _) = Guard::take(directory)?;
    Ok(keys::rewrap(directory, current, new)?)
}

/// What this process knows of the store once it is its own.
struct Began {
    fixed: Fixed,
    counts: Counts,
    numbers: Numbers,
}

/// Makes the store this process's own: an instance of its own, and every lease of others ended.
fn begin(
    conn: &mut Connection,
    guard: &mut Guard,
    (left, is_known): (Left, bool),
    mut fixed: Fixed,
) -> Result<Began, OpenError> {
    let is_copy =
        schema::is_copy(conn).map_err(|error| OpenError::sqlite("read the store", error))?;
    // The log of each process begins empty ([`super::log`] relies on it), unless someone reads it.
    retire(conn, guard, left)?;
    let mut take = || -> rusqlite::Result<(Counts, Numbers)> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = fixed.clock.now();
        fixed.drift = Drift::find(&tx, now)?;
        watch::rename(&tx, fixed.undo_op)?;
        fixed.drift.wake(&tx, now)?;
        outbox::wake(&tx, now)?;
        fixed.instance = tx.query_row(
            "INSERT INTO meta (one, key_check, instance, clock) VALUES (1, ?1, 1, ?2) \
             ON CONFLICT (one) DO UPDATE SET key_check = ?1, instance = instance + 1, clock = ?2 \
             RETURNING instance",
            params![fixed.recorded, at(now)],
            |row| row.get(0),
        )?;
        let numbers = Numbers::load(&tx)?;
        let mut started = Tx {
            conn: &tx,
            fixed: &fixed,
            now,
            counts: count(&tx, now)?,
            numbers: &numbers,
            marks: BTreeMap::new(),
            has_accounts: false,
            changes: Vec::new(),
            has_callbacks: false,
        };
        // A copy made by `argine backup` says so itself, whatever lies beside it; another one is
        // known by the guard it lacks.
        let is_restored = is_known && (is_copy || left == Left::New);
        if is_restored {
            restore::leave_gap(&mut started)?;
        }
        lease::end_leases(&mut started, i64::MAX, usize::MAX)?;
        if is_restored {
            restore::distrust(&mut started)?;
            schema::unmark_copy(&tx)?;
        }
        let counts = started.counts;
        tx.commit()?;
        Ok((counts, numbers))
    };
    let (counts, numbers) = take().map_err(|error| OpenError::sqlite("begin", error))?;
    Ok(Began {
        fixed,
        counts,
        numbers,
    })
}

/// What a restore has not finished is no store, and no empty one either.
fn refuse_half_restored(directory: &Path) -> Result<(), OpenError> {
    let staging = directory.join(STAGING);
    match staging.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(OpenError::HalfRestored {
            directory: directory.to_owned(),
        }),
        Err(source) => Err(OpenError::File {
            path: staging,
            source,
        }),
    }
}

pub(super) fn key_check(conn: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.query_row("SELECT key_check FROM meta", [], |row| row.get(0))
        .optional()
}

/// Reads once what the writer counts from here on.
fn count(conn: &Connection, noted: Timestamp) -> rusqlite::Result<Counts> {
    let last: i64 = conn.query_row(
        "SELECT max(coalesce((SELECT max(accepted_seq) FROM entries), 0), \
                    coalesce((SELECT max(seq) FROM events), 0), \
                    coalesce((SELECT seq_from FROM meta), 1) - 1)",
        [],
        |row| row.get(0),
    )?;
    let mut pending = 0;
    for state in State::ALL.into_iter().filter(|state| state.is_pending()) {
        let count: i64 = conn.query_row(
            "SELECT count(*) FROM entries INDEXED BY entries_state \
             WHERE role = 'create' AND state = ?1",
            [state.as_str()],
            |row| row.get(0),
        )?;
        pending += uint(count);
    }
    Ok(Counts {
        seq_next: last + 1,
        pending,
        noted,
    })
}

pub(crate) fn create_directory(directory: &Path) -> Result<(), OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| OpenError::File {
            path: directory.to_owned(),
            source,
        })
}

/// SQLite gives its other files the permissions of the database.
pub(crate) fn create_private(database: &Path) -> Result<(), OpenError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(database)
        .map(drop)
        .map_err(|source| OpenError::File {
            path: database.to_owned(),
            source,
        })
}

/// Invariant 2. SQLite does this too when it creates a log, and ignores it if it fails.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), OpenError> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|source| OpenError::File {
            path: directory.to_owned(),
            source,
        })
}
