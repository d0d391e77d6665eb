//! Damage done by hand: what is lost is said, and nothing is ever taken for something else.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::ports::{AppendError, Appended, EntryId, NumberUse, ReadError, Store};
use policies::failure::{Code, Opaque};
use policies::state::State;
use store::sqlite::{OpenError, Sqlite};
use tempfile::TempDir;

use crate::world::{
    self, LEASE, SEND, TestClock, accept, bytes, entry, lease_one, practice, settlement,
};

mod full;
mod killed;

const DATABASE: &str = "entries.db";
const LOG: &str = "entries.db-wal";
const GUARD: &str = "entries.guard";

/// What is waited for takes milliseconds; this only ends a test that would hang.
const BOUND: Duration = Duration::from_secs(20);
/// Where damage is tried: at every so many bytes.
const SECTOR: u64 = 512;

fn open(directory: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::open(&world::settings(directory, &TestClock::new()))
}

/// A copy of the files of a store, as they are at this moment: what a crash would leave.
fn image(of: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in [DATABASE, LOG, GUARD] {
        fs::copy(of.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

/// A store that was closed in order, with `entries` entries.
async fn closed(entries: usize) -> (TempDir, Vec<EntryId>) {
    let directory = tempfile::tempdir().unwrap();
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

/// Flips one bit of what `column` of `id` holds, where it stands in the file.
fn flip(directory: &Path, id: EntryId, column: &str) {
    let database = directory.join(DATABASE);
    let conn = rusqlite::Connection::open(&database).unwrap();
    let value: Vec<u8> = conn
        .query_row(
            &format!("SELECT {column} FROM entries WHERE id = ?1"),
            [id.0.as_bytes()],
            |row| row.get(0),
        )
        .unwrap();
    drop(conn);
    overwrite(&database, |content| {
        let at = content
            .windows(value.len())
            .position(|part| part == value)
            .expect("the value stands in the file");
        content[at + value.len() / 2] ^= 1;
    });
}

#[tokio::test]
async fn a_row_that_does_not_unseal_is_parked_while_others_flow() {
    for column in ["payload", "authority", "number"] {
        let (directory, ids) = closed(3).await;
        flip(directory.path(), ids[0], column);
        let store = open(directory.path()).unwrap();
        let leased = store.lease_due(SEND, 10, LEASE).await.unwrap();
        let held: Vec<_> = leased.iter().map(|leased| leased.id).collect();
        assert_eq!(held, ids);
        assert_eq!(leased[0].request, Err(ReadError::Damaged), "{column}");
        assert!(leased[1..].iter().all(|leased| leased.request.is_ok()));

        let parked = settlement(&leased[0], State::Parked, Some(Code::Unreadable));
        store.settle(vec![parked]).await.unwrap();
        assert_eq!(store.tally().await.unwrap().parked, 1);
        store.close().await;
    }
}

#[tokio::test]
async fn a_damaged_number_or_answer_is_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (store, ids) = running(directory.path(), 1).await;
    let leased = lease_one(&store, SEND).await;
    let mut done = settlement(&leased, State::Registered, None);
    done.answer = Some(bytes("the receipt"));
    store.settle(vec![done]).await.unwrap();
    store.close().await;

    flip(directory.path(), ids[0], "answer");
    let store = open(directory.path()).unwrap();
    let shown = store.get(practice(), ids[0]).await;
    assert_eq!(shown, Err(ReadError::Damaged));
    store.close().await;
}

/// A sealed value that was moved to another row is as good as damaged.
#[tokio::test]
async fn a_payload_of_another_entry_is_not_taken_for_its_own() {
    let (directory, ids) = closed(2).await;
    let conn = rusqlite::Connection::open(directory.path().join(DATABASE)).unwrap();
    conn.execute(
        "UPDATE entries SET payload = (SELECT payload FROM entries WHERE id = ?1) WHERE id = ?2",
        [ids[0].0.as_bytes(), ids[1].0.as_bytes()],
    )
    .unwrap();
    drop(conn);
    let store = open(directory.path()).unwrap();
    let leased = store.lease_due(SEND, 2, LEASE).await.unwrap();
    assert!(leased[0].request.is_ok());
    assert_eq!(leased[1].request, Err(ReadError::Damaged));
    store.close().await;
}

/// One bit anywhere in the database: an error is fine, another prescription is not.
#[tokio::test]
async fn no_flipped_bit_makes_another_request() {
    const ENTRIES: usize = 4;
    const STRIDE: usize = 1_021;
    let (directory, ids) = closed(ENTRIES).await;
    let length = fs::metadata(directory.path().join(DATABASE)).unwrap().len();
    let mut damaged = 0;
    for at in (0..usize::try_from(length).unwrap()).step_by(STRIDE) {
        let copy = image(directory.path());
        overwrite(&copy.path().join(DATABASE), |content| content[at] ^= 0x10);
        let Ok(store) = open(copy.path()) else {
            damaged += 1;
            continue;
        };
        let Ok(leased) = store.lease_due(SEND, 10, LEASE).await else {
            damaged += 1;
            continue;
        };
        for leased in leased {
            let Ok(request) = leased.request else {
                damaged += 1;
                continue;
            };
            let n = ids
                .iter()
                .position(|id| *id == leased.id)
                .expect("one of ours");
            let expected = format!("the prescription of {n}");
            assert_eq!(request.payload, bytes(&expected), "byte {at}");
            assert_eq!(request.number, bytes(&format!("own-{n}")), "byte {at}");
        }
        store.close().await;
    }
    assert!(damaged > 0, "some of the damage must have been met");
}

#[tokio::test]
async fn a_truncated_database_is_refused_at_every_length() {
    let (directory, _) = closed(20).await;
    let whole = fs::metadata(directory.path().join(DATABASE)).unwrap().len();
    for length in (0..whole).step_by(usize::try_from(SECTOR).unwrap()) {
        let copy = image(directory.path());
        truncate(&copy.path().join(DATABASE), length);
        let error = open(copy.path()).err();
        let expected = match length {
            0 => matches!(error, Some(OpenError::DatabaseGone { .. })),
            _ => matches!(error, Some(OpenError::Truncated { .. })),
        };
        assert!(expected, "{length} of {whole} bytes: {error:?}");
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_made_anew() {
    let (directory, _) = closed(1).await;
    fs::remove_file(directory.path().join(DATABASE)).unwrap();
    let error = open(directory.path()).err();
    assert!(matches!(error, Some(OpenError::DatabaseGone { .. })));
    assert!(!directory.path().join(DATABASE).exists());
}

#[tokio::test]
async fn what_is_only_in_the_log_is_there_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (store, ids) = running(directory.path(), 5).await;
    let crashed = image(directory.path());
    store.close().await;
    let store = open(crashed.path()).unwrap();
    for id in ids {
        assert!(store.get(practice(), id).await.unwrap().is_some());
    }
    store.close().await;
}

#[tokio::test]
async fn a_log_that_is_gone_is_missed_unless_the_store_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = running(directory.path(), 5).await;
    let crashed = image(directory.path());
    fs::remove_file(crashed.path().join(LOG)).unwrap();
    let error = open(crashed.path()).err();
    assert!(
        matches!(error, Some(OpenError::LogGone { .. })),
        "{error:?}"
    );
    // It does not become less lost by trying again.
    let error = open(crashed.path()).err();
    assert!(
        matches!(error, Some(OpenError::LogGone { .. })),
        "{error:?}"
    );

    let emptied = image(directory.path());
    truncate(&emptied.path().join(LOG), 0);
    let error = open(emptied.path()).err();
    assert!(
        matches!(error, Some(OpenError::LogGone { .. })),
        "{error:?}"
    );

    store.close().await;
    fs::remove_file(directory.path().join(LOG)).unwrap();
    let store = open(directory.path()).expect("everything stands in the database");
    assert_eq!(store.tally().await.unwrap().stored, 5);
    store.close().await;
}

#[tokio::test]
async fn a_damaged_log_is_refused_where_confirmed_writes_lie_behind_the_damage() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = running(directory.path(), 5).await;
    let crashed = image(directory.path());
    store.close().await;
    let refused = |change: fn(&mut Vec<u8>)| {
        let copy = image(crashed.path());
        overwrite(&copy.path().join(LOG), change);
        let error = open(copy.path()).err();
        assert!(
            matches!(error, Some(OpenError::LogDamaged { .. })),
            "{error:?}"
        );
    };
    refused(|log| log.fill(0));
    refused(|log| log[5] ^= 1);
    refused(|log| log[20] ^= 1);
    refused(|log| log[32 + 24 + 100] ^= 1);
    refused(|log| log.truncate(31));
}

/// A crash tears the last transaction at most, and nobody was promised it.
#[tokio::test]
async fn a_log_cut_short_gives_back_a_beginning_of_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let (store, ids) = running(directory.path(), 3).await;
    let crashed = image(directory.path());
    store.close().await;
    let whole = fs::metadata(crashed.path().join(LOG)).unwrap().len();
    let mut seen = 0;
    for length in (SECTOR..=whole).step_by(usize::try_from(SECTOR).unwrap() * 3) {
        let copy = image(crashed.path());
        truncate(&copy.path().join(LOG), length);
        let store = open(copy.path()).expect("a torn tail is no loss that can be seen");
        let mut there = Vec::new();
        for id in &ids {
            there.push(store.get(practice(), *id).await.unwrap().is_some());
        }
        assert!(there.is_sorted_by(|a, b| a >= b), "{there:?}");
        let count = there.iter().filter(|there| **there).count();
        assert!(count >= seen, "a longer log holds no less");
        seen = count;
        store.close().await;
    }
}

#[tokio::test]
async fn a_wrong_key_is_one_clear_error_and_changes_nothing() {
    let (directory, ids) = closed(1).await;
    let before = fs::read(directory.path().join(DATABASE)).unwrap();
    let mut settings = world::settings(directory.path(), &TestClock::new());
    settings.key = world::key(2);
    let error = Sqlite::open(&settings).err();
    assert!(matches!(error, Some(OpenError::WrongKey)), "{error:?}");
    assert_eq!(fs::read(directory.path().join(DATABASE)).unwrap(), before);

    let store = open(directory.path()).unwrap();
    assert!(store.get(practice(), ids[0]).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
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
    let directory = tempfile::tempdir().unwrap();
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
    let parent = tempfile::tempdir().unwrap();
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

#[tokio::test]
async fn closing_answers_what_was_handed_over_and_refuses_what_comes_later() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(directory.path()).unwrap());
    let mut appends = tokio::task::JoinSet::new();
    for n in 0..100 {
        let store = Arc::clone(&store);
        appends.spawn(async move { store.append(vec![entry(&n.to_string())]).await.remove(0) });
    }
    store.close().await;
    store.close().await;
    let accepted = appends
        .join_all()
        .await
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Appended::Accepted { .. })))
        .count();
    assert!(accepted > 0, "what was in the queue is written");
    assert_eq!(store.tally().await, Err(ReadError::Unavailable));
    let later = store.append(vec![entry("later")]).await.remove(0);
    assert!(matches!(later, Err(AppendError::Refused)), "{later:?}");
    let store = open(directory.path()).unwrap();
    let stored = store.tally().await.unwrap().stored;
    assert_eq!(stored, u64::try_from(accepted).unwrap());
    store.close().await;
}

/// A store dropped without being closed finishes by itself, and keeps what it confirmed.
#[tokio::test]
async fn a_dropped_store_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, ids) = running(directory.path(), 3).await;
    drop(store);
    // Its threads let go of the lock a moment later.
    let reopened = async {
        loop {
            match open(directory.path()) {
                Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
                opened => return opened.expect("the store opens"),
            }
        }
    };
    let store = tokio::time::timeout(BOUND, reopened)
        .await
        .expect("the lock is let go of");
    let found = store.get(practice(), ids[2]).await.unwrap().unwrap();
    assert_eq!(found.number, Opaque(b"own-2".to_vec()));
    store.close().await;
}
