//! Damage within the database: a row is lost, and no row is taken for another.

use std::fs;
use std::path::Path;

use engine::ports::{AppendError, EntryId, ReadError, Store};
use policies::failure::Code;
use policies::state::State;

use super::{DATABASE, closed, image, open, overwrite, running};
use crate::world::{self, LEASE, SEND, bytes, entry, lease_one, practice, settlement};

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
    let directory = world::scratch();
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

/// Its entry is on disk, so a repetition never hears that nothing was stored.
#[tokio::test]
async fn a_repetition_of_what_does_not_unseal_is_unknown() {
    let (directory, ids) = closed(1).await;
    flip(directory.path(), ids[0], "number");
    let store = open(directory.path()).unwrap();
    let new = entry("0");
    let again = store.append(vec![new.clone()]).await.remove(0);
    assert!(matches!(again, Err(AppendError::Unknown)), "{again:?}");
    let recalled = store.recall(practice(), new.key, new.fingerprint).await;
    assert!(matches!(recalled, Err(ReadError::Damaged)), "{recalled:?}");
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
