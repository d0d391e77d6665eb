//! Numbers: each in one block, each held by one entry, for ever.

use std::collections::BTreeSet;

use engine::ports::{AppendError, Appended, NewEntry, NumberBlock, NumberRange, NumberUse};
use policies::failure::Opaque;
use policies::state::State;

use super::{PLENTY, Place, reopen};
use crate::world::{SEND, accept, bytes, entry, lease_one, settlement};

fn range(prefix: &str, digits: u8) -> NumberRange {
    NumberRange {
        prefix: prefix.to_owned(),
        digits,
    }
}

fn numbers(block: &NumberBlock) -> Vec<String> {
    (block.next..block.end)
        .map(|position| block.range.number(position))
        .collect()
}

fn from_block(key: &str, block: &NumberBlock, position: u64) -> NewEntry {
    NewEntry {
        number: NumberUse::Ours {
            block: block.id,
            position,
            number: Opaque(block.range.number(position).into_bytes()),
        },
        ..entry(key)
    }
}

/// Invariant 2.
pub(crate) async fn a_number_is_held_by_one_entry_for_ever(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut first = entry("first");
    first.number = NumberUse::Callers(bytes("1300A4000000001"));
    let mut second = entry("second");
    second.number = first.number.clone();
    accept(&*store, first).await;
    let used = store.append(vec![second.clone()]).await.remove(0);
    assert!(matches!(used, Ok(Appended::NumberUsed)), "{used:?}");

    let leased = lease_one(&*store, SEND).await;
    let refused = settlement(&leased, State::Rejected, None);
    store.settle(vec![refused]).await.unwrap();
    let used = store.append(vec![second]).await.remove(0);
    assert!(matches!(used, Ok(Appended::NumberUsed)), "{used:?}");
}

pub(crate) async fn a_callers_number_in_a_range_of_ours_is_refused(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    store.add_range(range("1300A40", 8)).await.unwrap();
    for _ in 0..2 {
        let mut new = entry("ours");
        new.number = NumberUse::Callers(bytes("1300A4012345678"));
        let ours = store.append(vec![new]).await.remove(0);
        assert!(matches!(ours, Ok(Appended::NumberOurs)), "{ours:?}");
    }
    let mut new = entry("theirs");
    new.number = NumberUse::Callers(bytes("1300A4112345678"));
    accept(&*store, new).await;
    drop(store);
    let store = reopen(place).await;
    let mut new = entry("ours");
    new.number = NumberUse::Callers(bytes("1300A4012345678"));
    let ours = store.append(vec![new]).await.remove(0);
    assert!(matches!(ours, Ok(Appended::NumberOurs)), "{ours:?}");
}

pub(crate) async fn a_key_is_recognised_before_its_number_is_judged(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut new = entry("k");
    new.number = NumberUse::Callers(bytes("1300A4012345678"));
    accept(&*store, new.clone()).await;
    store.add_range(range("1300A40", 8)).await.unwrap();
    let again = store.append(vec![new]).await.remove(0);
    assert!(matches!(again, Ok(Appended::Replay(_))), "{again:?}");
}

pub(crate) async fn every_number_is_in_one_block(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    assert!(
        store.lease_block(10).await.unwrap().is_none(),
        "no range yet"
    );
    assert_eq!(store.add_range(range("A", 1)).await, Ok(true));
    assert_eq!(store.add_range(range("B", 1)).await, Ok(true));
    assert_eq!(store.add_range(range("A", 1)).await, Ok(false), "known");
    assert_eq!(store.numbers_left().await, Ok(20));

    let mut seen = BTreeSet::new();
    let mut sizes = Vec::new();
    while let Some(block) = store.lease_block(4).await.unwrap() {
        sizes.push(block.end - block.next);
        for number in numbers(&block) {
            assert!(seen.insert(number), "given twice");
        }
        assert_eq!(
            store.numbers_left().await,
            Ok(20 - u64::try_from(seen.len()).unwrap())
        );
    }
    assert_eq!(sizes, [4, 4, 2, 4, 4, 2]);
    assert_eq!(seen.len(), 20);
    assert_eq!(store.lease_block(0).await, Ok(None));
}

pub(crate) async fn ranges_that_share_a_number_are_refused(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    store.add_range(range("A1", 2)).await.unwrap();
    assert!(store.add_range(range("A", 3)).await.is_err());
    assert!(store.add_range(range("A12", 1)).await.is_err());
    assert!(store.add_range(range("B", 19)).await.is_err(), "too long");
    store.add_range(range("A2", 2)).await.unwrap();
    store.add_range(range("A", 4)).await.unwrap();
    assert_eq!(store.numbers_left().await, Ok(100 + 100 + 10_000));
}

/// Invariant 1: the mark of the block is on disk with the entry.
pub(crate) async fn what_a_gone_process_left_of_its_blocks_is_used_first(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    store.add_range(range("1300A40", 8)).await.unwrap();
    let block = store.lease_block(10).await.unwrap().unwrap();
    // Out of order, with a gap: 3 is given and never stored.
    let batch = [4, 1, 0, 2].map(|at| from_block(&format!("k{at}"), &block, at));
    for outcome in store.append(batch.to_vec()).await {
        assert!(
            matches!(outcome, Ok(Appended::Accepted { .. })),
            "{outcome:?}"
        );
    }
    drop(store);

    let store = reopen(place).await;
    let rest = store.lease_block(10).await.unwrap().unwrap();
    assert_eq!((rest.id, rest.next, rest.end), (block.id, 5, 10));
    assert_eq!(rest.range, block.range);
    let fresh = store.lease_block(10).await.unwrap().unwrap();
    assert_eq!((fresh.next, fresh.end), (10, 20));
    accept(&*store, from_block("k5", &rest, 5)).await;
    drop(store);

    // A smaller block is cut off the front of what is left.
    let store = reopen(place).await;
    let small = store.lease_block(3).await.unwrap().unwrap();
    assert_eq!((small.next, small.end), (6, 9));
    let tail = store.lease_block(3).await.unwrap().unwrap();
    assert_eq!((tail.next, tail.end), (9, 10));
    let unused = store.lease_block(20).await.unwrap().unwrap();
    assert_eq!((unused.next, unused.end), (10, 20));
    accept(&*store, from_block("k6", &small, 6)).await;
    accept(&*store, from_block("k9", &tail, 9)).await;
}

pub(crate) async fn a_repetition_does_not_move_the_mark(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    store.add_range(range("1300A40", 8)).await.unwrap();
    let block = store.lease_block(10).await.unwrap().unwrap();
    accept(&*store, from_block("k", &block, 0)).await;
    let again = store
        .append(vec![from_block("k", &block, 7)])
        .await
        .remove(0);
    assert!(matches!(again, Ok(Appended::Replay(_))), "{again:?}");
    drop(store);
    let store = reopen(place).await;
    assert_eq!(store.lease_block(10).await.unwrap().unwrap().next, 1);
}

pub(crate) async fn a_number_that_is_not_of_its_block_is_refused(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    store.add_range(range("1300A40", 8)).await.unwrap();
    let block = store.lease_block(10).await.unwrap().unwrap();
    let mut elsewhere = from_block("k", &block, 3);
    if let NumberUse::Ours { position, .. } = &mut elsewhere.number {
        *position = 4;
    }
    let outside = from_block("l", &block, 10);
    for outcome in store.append(vec![elsewhere, outside]).await {
        assert!(matches!(outcome, Err(AppendError::Refused)), "{outcome:?}");
    }
    drop(store);
    // Nor is the block of a process that is gone anyone's to use.
    let store = reopen(place).await;
    let gone = store
        .append(vec![from_block("m", &block, 0)])
        .await
        .remove(0);
    assert!(matches!(gone, Err(AppendError::Refused)), "{gone:?}");
    assert_eq!(store.tally().await.unwrap().stored, 0);
}
