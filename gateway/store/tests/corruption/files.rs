//! Damage to whole files: a loss is said, and a store is never taken for an empty one.

use std::fs;

use engine::ports::{Appended, NumberRange, NumberUse, Store};
use policies::state::State;
use store::sqlite::OpenError;

use super::{DATABASE, KEYS, LOG, closed, image, open, overwrite, running, truncate};
use crate::world::{
    self, LEASE, SEND, START, VERIFY, accept, bytes, entry, lease_one, practice, settlement,
};

/// Where damage is tried: at every so many bytes.
const SECTOR: u64 = 512;

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
    let directory = world::scratch();
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
    let directory = world::scratch();
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
    let directory = world::scratch();
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
    let directory = world::scratch();
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

/// What was given or sent after a copy was made is not in it.
#[tokio::test]
async fn a_copy_put_back_gives_none_of_its_numbers_and_asks_before_it_sends() {
    let directory = world::scratch();
    let store = open(directory.path()).unwrap();
    let range = NumberRange {
        prefix: "1300A40".to_owned(),
        digits: 8,
    };
    store.add_range(range.clone()).await.unwrap();
    store.lease_block(10).await.unwrap().unwrap();
    for key in ["waiting", "tried"] {
        accept(&store, entry(key)).await;
    }
    let leased = lease_one(&store, SEND).await;
    let mut tried = settlement(&leased, State::Accepted, None);
    tried.due = Some(START + LEASE);
    store.settle(vec![tried]).await.unwrap();
    store.close().await;

    let copy = world::scratch();
    for name in [DATABASE, KEYS] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let store = open(copy.path()).unwrap();
    assert_eq!(store.numbers_left().await, Ok(0));
    assert_eq!(store.lease_block(10).await, Ok(None));
    assert!(store.lease_due(SEND, 10, LEASE).await.unwrap().is_empty());
    assert_eq!(store.lease_due(VERIFY, 10, LEASE).await.unwrap().len(), 2);
    let mut theirs = entry("theirs");
    theirs.number = NumberUse::Callers(bytes("1300A4012345678"));
    let ours = store.append(vec![theirs]).await.remove(0);
    assert!(matches!(ours, Ok(Appended::NumberOurs)), "{ours:?}");
    store.add_range(range).await.unwrap();
    assert_eq!(
        store.numbers_left().await,
        Ok(0),
        "asked for again, it stays discarded"
    );
    store.close().await;

    // From here on it is a store like any other.
    let store = open(copy.path()).unwrap();
    accept(&store, entry("new")).await;
    assert_eq!(store.lease_due(SEND, 10, LEASE).await.unwrap().len(), 1);
    store.close().await;
}
