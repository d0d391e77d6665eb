//! What is in a copy, and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::ports::Store;
use rusqlite::{Connection, OpenFlags};
use store::backup;

use super::{DATABASE, MANIFEST, Site, files, with_numbers};
use crate::world::{self, accept, entry};

#[tokio::test]
async fn a_copy_holds_what_is_owed_and_nothing_else() {
    let site = Site::new();
    let store = site.open();
    with_numbers(&store).await;
    site.lay_beside();
    let made = site.make();
    assert_eq!((made.prescriptions, made.files), (1, 4));
    let held = [
        "audit/000001",
        "audit/node-a/000002",
        DATABASE,
        "keys",
        MANIFEST,
    ];
    assert_eq!(files(&site.copy()), held);
    for file in ["audit/000001", "audit/node-a/000002", "keys"] {
        let read = |at: std::path::PathBuf| fs::read(at.join(file)).unwrap();
        assert_eq!(read(site.copy()), read(site.store()), "{file}");
    }
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for directory in [site.copy(), site.copy().join("audit/node-a")] {
        assert_eq!(mode(directory), 0o700);
    }
    for file in held {
        assert_eq!(mode(site.copy().join(file)), 0o600, "{file}");
    }
    store.close().await;
}

#[tokio::test]
async fn what_was_deleted_is_not_in_a_copy() {
    const PLANTED: &str = "PNIMRA70A01H501P";
    let site = Site::new();
    let store = site.open();
    accept(&store, entry("k")).await;
    store.close().await;
    let conn = Connection::open(site.store().join(DATABASE)).unwrap();
    for row in 0..1_000 {
        let sql = "INSERT INTO operator_state (name, value, at) VALUES (?1, ?2, 0)";
        let name = format!("{PLANTED} {row}");
        conn.execute(sql, (&name, name.as_bytes())).unwrap();
    }
    conn.execute("DELETE FROM operator_state WHERE at = 0", ())
        .unwrap();
    drop(conn);
    let holds = |file| {
        let bytes = fs::read(file).unwrap();
        let mut windows = bytes.windows(PLANTED.len());
        windows.any(|window| window == PLANTED.as_bytes())
    };
    assert!(holds(site.store().join(DATABASE)), "nothing is left of it");
    site.make();
    assert!(!holds(site.copy().join(DATABASE)));
}

/// Whatever is being written, a copy is the store at one moment: it ends with some entry, has all
/// before it, and what it counts as used is what it holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_under_load_is_the_store_at_one_moment() {
    let site = Site::new();
    let store = Arc::new(site.open());
    for n in 0..200 {
        accept(&*store, entry(&format!("before-{n}"))).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                accept(&*store, entry(&format!("while-{written}"))).await;
                written += 1;
            }
            written
        }
    });
    for round in 0..5 {
        let to = site.path(&format!("copy-{round}"));
        let path = to.clone();
        let made = tokio::task::block_in_place(|| site.make_at(&path)).unwrap();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let conn = Connection::open_with_flags(to.join(DATABASE), flags).unwrap();
        let of = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
        let (held, last) = (
            of("SELECT count(*) FROM entries"),
            of("SELECT max(accepted_seq) FROM entries"),
        );
        assert_eq!(held, last, "round {round}");
        assert_eq!(made.prescriptions, u64::from(held));
        assert_eq!(of("PRAGMA freelist_count"), 0);
        drop(conn);
        assert_eq!(
            files(&to),
            [DATABASE, "keys", MANIFEST],
            "files of SQLite lie about"
        );
    }
    stop.store(true, Ordering::Relaxed);
    let written = writing.await.unwrap();
    assert!(written > 0, "nothing was written meanwhile");
    let tally = store.tally().await.unwrap();
    assert_eq!(tally.stored, 200 + written);
    store.close().await;
}

/// What stands in the log of a process that was killed is in the copy, and the store is as it was.
#[tokio::test]
async fn a_copy_of_a_store_nobody_closed_has_its_log() {
    let site = Site::new();
    let store = site.open();
    for n in 0..5 {
        accept(&store, entry(&n.to_string())).await;
    }
    let crashed = Site::new();
    fs::create_dir(crashed.store()).unwrap();
    for name in [DATABASE, "entries.db-wal", "entries.guard", "keys"] {
        fs::copy(site.store().join(name), crashed.store().join(name)).unwrap();
    }
    store.close().await;
    assert_eq!(crashed.make().prescriptions, 5);
    let store = crashed.open();
    assert_eq!(store.tally().await.unwrap().stored, 5);
    let waiting = store.lease_due(world::SEND, 9, world::LEASE).await;
    assert_eq!(waiting.unwrap().len(), 5, "the store was taken for a copy");
    store.close().await;
}

/// A copy that would make the log grow past its limit is given up, the place is as it was, and the store
/// goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_given_up_when_the_log_grows_too_long() {
    let site = Site::new();
    let store = site.open();
    accept(&store, entry("before")).await;
    store.close().await;
    let conn = Connection::open(site.store().join(DATABASE)).unwrap();
    for name in 0..8 {
        // So large that it is not copied before anybody can look.
        let sql = "INSERT INTO operator_state (name, value, at) VALUES (?1, zeroblob(30000000), 0)";
        conn.execute(sql, [name.to_string()]).unwrap();
    }
    drop(conn);
    let store = site.open();
    accept(&store, entry("first")).await;
    let log = site.store().join("entries.db-wal");
    let length = fs::metadata(&log).unwrap().len();
    let making = backup::Making {
        store: &site.store(),
        to: &site.copy(),
        key: &world::key(1),
        now: world::START,
        release: "test",
        log_bytes_max: length,
    };
    let runtime = tokio::runtime::Handle::current();
    let meanwhile = |_: backup::Progress<'_>| {
        let one = accept(&store, entry(&uuid::Uuid::now_v7().to_string()));
        runtime.block_on(one);
    };
    let refused = tokio::task::block_in_place(|| backup::make(&making, &meanwhile)).unwrap_err();
    let is_told = matches!(refused, backup::BackupError::LogGrew { .. });
    assert!(is_told && !refused.is_misuse(), "{refused}");
    assert!(!site.copy().exists());
    accept(&store, entry("after")).await;
    store.close().await;
}
