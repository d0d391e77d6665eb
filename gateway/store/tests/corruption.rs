//! Damage done by hand: what is lost is said, and nothing is ever taken for something else.

use std::fs;
use std::path::{Path, PathBuf};

use engine::ports::{EntryId, NumberUse, Store};
use policies::state::State;
use store::keys::RingError;
use store::sqlite::{OpenError, Sqlite};
use tempfile::TempDir;

use crate::world::{self, SEND, TestClock, accept, bytes, entry, lease_one, practice, settlement};

mod ending;
mod families;
mod files;
mod full;
mod killed;
mod killed_families;
mod put_back;
mod rows;
mod upgrade;
mod words;

const DATABASE: &str = "entries.db";
const LOG: &str = "entries.db-wal";
const GUARD: &str = "entries.guard";
const KEYS: &str = "keys";

fn open(directory: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::open(&world::settings(directory, &TestClock::new()))
}

/// A copy of the files of a store, as they are at this moment: what a crash would leave.
fn image(of: &Path) -> TempDir {
    let copy = world::scratch();
    for name in [DATABASE, LOG, GUARD, KEYS] {
        fs::copy(of.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

/// A store that was closed in order, with `entries` entries.
async fn closed(entries: usize) -> (TempDir, Vec<EntryId>) {
    let directory = world::scratch();
    let (store, ids) = running(directory.path(), entries).await;
    store.close().await;
    (directory, ids)
}

/// A running store; every entry is a commit of its own.
async fn running(directory: &Path, entries: usize) -> (Sqlite, Vec<EntryId>) {
    let store = open(directory).unwrap();
    let mut ids = Vec::new();
    for n in 0..entries {
        ids.push(accept(&store, entry(&n.to_string())).await);
    }
    (store, ids)
}

fn overwrite(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = fs::read(file).unwrap();
    change(&mut content);
    fs::write(file, content).unwrap();
}

fn truncate(file: &Path, length: u64) {
    let opened = fs::OpenOptions::new().write(true).open(file).unwrap();
    opened.set_len(length).unwrap();
}

#[tokio::test]
async fn a_wrong_key_is_one_clear_error_and_changes_nothing() {
    let (directory, ids) = closed(1).await;
    let before = fs::read(directory.path().join(DATABASE)).unwrap();
    let mut settings = world::settings(directory.path(), &TestClock::new());
    settings.key = world::key(2);
    let error = Sqlite::open(&settings).err();
    assert!(
        matches!(error, Some(OpenError::Ring(RingError::WrongKey))),
        "{error:?}"
    );
    assert_eq!(fs::read(directory.path().join(DATABASE)).unwrap(), before);

    let store = open(directory.path()).unwrap();
    assert!(store.get(practice(), ids[0]).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let directory = world::scratch();
    let database = directory.path().join(DATABASE);
    fs::write(&database, "minutes of the last meeting\n".repeat(500)).unwrap();
    let error = open(directory.path()).err();
    assert!(
        matches!(error, Some(OpenError::Foreign { .. })),
        "{error:?}"
    );
    assert!(
        fs::read_to_string(&database)
            .unwrap()
            .starts_with("minutes")
    );
}

#[tokio::test]
async fn nothing_personal_is_in_clear_on_disk() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let secrets = [
        "PNIMRA70A01H501P",
        "PROVAX00X00X000Y",
        "1300A4000000001",
        "idempotency-key-1",
        "fingerprint-1",
        "penicillin",
        "SpidL2",
        "codice-autenticazione",
        "%PDF-1.7 promemoria",
        "renewed-authority",
    ];
    let mut new = entry(secrets[3]);
    new.person = Some(bytes(secrets[0]));
    new.identity = bytes(secrets[1]);
    new.number = NumberUse::Callers(bytes(secrets[2]));
    new.fingerprint = bytes(secrets[4]);
    new.payload = bytes(secrets[5]);
    new.authority = bytes(secrets[6]);
    accept(&store, new).await;
    let leased = lease_one(&store, SEND).await;
    let mut waits = settlement(&leased, State::NeedsAuthorization, None);
    waits.answer = Some(bytes(secrets[7]));
    waits.document = Some(bytes(secrets[8]));
    store.settle(vec![waits]).await.unwrap();
    let renewed = store.reauthorize(practice(), bytes(secrets[1]), bytes(secrets[9]));
    assert_eq!(renewed.await, Ok(1));
    let files: Vec<PathBuf> = fs::read_dir(directory.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let look = || {
        for file in &files {
            let content = fs::read(file).unwrap_or_default();
            for secret in secrets {
                let found = content
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes());
                assert!(!found, "{secret} in {}", file.display());
            }
        }
    };
    assert!(files.len() >= 4, "database, log, index and guard");
    look();
    store.close().await;
    look();
}

#[tokio::test]
async fn its_files_are_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = world::scratch();
    let directory = parent.path().join("state");
    let (store, _) = running(&directory, 1).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for file in fs::read_dir(&directory).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.close().await;
}
