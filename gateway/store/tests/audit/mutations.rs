//! Every record of a small chain, attacked in every way: the first bad one is named.

use std::fs;
use std::ops::Range;

use store::audit::Wrong;

use super::*;

const RECORDS: u64 = 4;

/// A small chain, and where each record of its one segment stands, the header first.
async fn chain() -> (TempDir, Vec<u8>, Vec<Range<usize>>) {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    for index in 1..=RECORDS {
        rig.note(&format!("record {index}")).await;
    }
    rig.close().await;
    let bytes = fs::read(&segments(directory.path())[0]).unwrap();
    let header = 154;
    let mut places: Vec<Range<usize>> = std::iter::once(0..header).collect();
    let mut at = header;
    for _ in 0..RECORDS {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let end = at + 4 + length as usize + 32;
        places.push(at..end);
        at = end;
    }
    assert!(bytes[at..].iter().all(|byte| *byte == 0));
    (directory, bytes, places)
}

/// What is found once the segment holds `bytes`.
fn found(directory: &Path, bytes: &[u8]) -> (u64, u64, Wrong) {
    fs::write(&segments(directory)[0], bytes).unwrap();
    let bad = verified(directory).bad.expect("it is found");
    assert_eq!(bad.segment, "00000000000000000001.audit");
    (bad.sequence, bad.offset, bad.wrong)
}

#[tokio::test]
async fn fault_58_a_change_of_any_byte_names_its_record() {
    let (directory, bytes, places) = chain().await;
    for (index, place) in places.iter().enumerate() {
        for at in place.clone() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x41;
            let (sequence, offset, wrong) = found(directory.path(), &changed);
            let named = (index.max(1) as u64, place.start as u64);
            assert_eq!((sequence, offset), named, "byte {at}: {wrong}");
        }
    }
    let mut beyond = bytes.clone();
    let end = places.last().unwrap().end;
    beyond[end + 1] = 1;
    fs::write(&segments(directory.path())[0], &beyond).unwrap();
    let unfinished = verified(directory.path());
    assert_eq!((unfinished.records, unfinished.bad), (RECORDS, None));
    assert!(
        unfinished.unfinished_bytes > 0,
        "what is behind the anchor is said"
    );
}

#[tokio::test]
async fn fault_58_a_cut_at_any_byte_is_found() {
    let (directory, bytes, places) = chain().await;
    let end = places.last().unwrap().end;
    for length in 0..end {
        let index = places.iter().position(|place| length < place.end).unwrap();
        let (sequence, _, wrong) = found(directory.path(), &bytes[..length]);
        assert_eq!(sequence, index.max(1) as u64, "cut to {length}: {wrong}");
        // As if it had never been written.
        let mut zeroed = bytes.clone();
        zeroed[length..].fill(0);
        let (sequence, _, wrong) = found(directory.path(), &zeroed);
        assert_eq!(
            sequence,
            index.max(1) as u64,
            "zeros from {length}: {wrong}"
        );
    }
}

#[tokio::test]
async fn fault_58_records_moved_removed_or_doubled_are_found() {
    let (directory, bytes, places) = chain().await;
    let write = |order: &[usize]| {
        let mut other = Vec::new();
        for index in order {
            other.extend_from_slice(&bytes[places[*index].clone()]);
        }
        other.resize(bytes.len(), 0);
        other
    };
    let put = |order: &[usize]| found(directory.path(), &write(order)).0;
    assert_eq!(put(&[0, 2, 1, 3, 4]), 1, "swapped");
    assert_eq!(put(&[0, 1, 3, 2, 4]), 2, "swapped");
    assert_eq!(put(&[0, 1, 2, 4]), 3, "removed");
    assert_eq!(put(&[0, 1, 2, 3]), 4, "removed at the end");
    assert_eq!(put(&[0]), 1, "all removed");
    assert_eq!(put(&[0, 1, 1, 2, 3, 4]), 2, "doubled");
    assert_eq!(put(&[1, 2, 3, 4]), 1, "without its header");
    // Behind the anchor nothing was promised to be: a start cuts it away, and says so.
    let doubled = write(&[0, 1, 2, 3, 4, 4]);
    fs::write(&segments(directory.path())[0], doubled).unwrap();
    let verified = verified(directory.path());
    assert_eq!((verified.records, verified.bad), (RECORDS, None));
    assert_eq!(verified.unfinished_bytes, places[4].len() as u64);
}

/// A chain of another key is none of ours, whole as it may be.
#[tokio::test]
async fn fault_58_a_chain_made_with_another_key_is_found() {
    let (directory, _, _) = chain().await;
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("key");
    fs::write(&path, "ab".repeat(32)).unwrap();
    let forged_key = store::sealing::Key::from_file(&path).unwrap();
    let clock = TestClock::new();
    let mut settings = settings(other.path(), &clock);
    settings.key = forged_key;
    let store = Arc::new(Sqlite::open(&settings).unwrap());
    let audit = Settings::new(other.path().to_owned(), clock as _);
    let audit = Audit::open(audit, Arc::clone(&store)).unwrap();
    for index in 1..=RECORDS {
        let text = format!("record {index}");
        audit.note(START, record(PERSON, &text)).unwrap();
    }
    audit.close().await;
    store.close().await;
    let forged = fs::read(&segments(other.path())[0]).unwrap();
    assert_eq!(found(directory.path(), &forged), (1, 0, Wrong::Header));
}
