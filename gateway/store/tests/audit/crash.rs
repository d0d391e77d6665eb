//! What a crash leaves, what it must not lose, and what is no crash.

use std::fs;

use store::audit::Wrong;

use super::*;

/// An image of a chain of which the first record is anchored and two more are not.
async fn crashed() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    for text in ["anchored", "second", "third"] {
        rig.note(text).await;
    }
    let image = image(directory.path());
    rig.close().await;
    image
}

fn record_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![154];
    loop {
        let at = *ends.last().unwrap();
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        if length == 0 {
            return ends;
        }
        ends.push(at + 4 + length as usize + 32);
    }
}

#[tokio::test]
async fn i8_half_a_record_behind_the_anchor_is_cut_away_and_said() {
    let image = crashed().await;
    let path = &segments(image.path())[0];
    let whole = fs::read(path).unwrap();
    let ends = record_ends(&whole);
    assert_eq!(ends.len(), 4);
    for left in ends[2] + 4..ends[3] {
        let mut half = whole.clone();
        half[left..].fill(0);
        fs::write(path, &half).unwrap();
        let beside = verified(image.path());
        assert_eq!((beside.bad, beside.records), (None, 2), "{left}");
    }
    let mut half = whole.clone();
    half[ends[3] - 40..].fill(0);
    fs::write(path, &half).unwrap();
    let rig = Rig::open(image.path());
    assert!(rig.audit.found().torn_bytes > 0);
    assert_eq!(rig.audit.found().bad, None);
    rig.note("after").await;
    rig.close().await;
    assert_eq!(verified(image.path()).bad, None);
    assert_eq!(texts(image.path()), ["anchored", "second", "after"]);
}

/// Pages that a power cut left damaged, and good ones behind them: no page behind the anchor was promised.
#[tokio::test]
async fn i8_damaged_pages_behind_the_anchor_are_kept_aside_and_are_no_tampering() {
    let image = crashed().await;
    let path = segments(image.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let ends = record_ends(&bytes);
    bytes[ends[1] + 60..ends[2]].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let beside = verified(image.path());
    assert_eq!((beside.bad, beside.records), (None, 1));
    assert_eq!(beside.unfinished_bytes, (ends[3] - ends[1]) as u64);
    let rig = Rig::open(image.path());
    assert_eq!(rig.audit.found().bad, None);
    assert_eq!(rig.audit.found().torn_bytes, beside.unfinished_bytes);
    rig.note("after").await;
    rig.close().await;
    assert_eq!(verified(image.path()).bad, None);
    assert_eq!(texts(image.path()), ["anchored", "after"]);
    let mut files = fs::read_dir(image.path().join("audit")).unwrap();
    let torn = files.find_map(|file| {
        let path = file.unwrap().path();
        path.to_str().unwrap().ends_with(".torn").then_some(path)
    });
    assert_eq!(fs::read(torn.unwrap()).unwrap(), bytes[ends[1]..ends[3]]);
}

#[tokio::test]
async fn fault_58_damage_before_the_anchor_stays_for_ever_and_records_go_on() {
    let image = crashed().await;
    let path = &segments(image.path())[0];
    let whole = fs::read(path).unwrap();
    let ends = record_ends(&whole);
    let mut changed = whole.clone();
    changed[ends[1] - 1] ^= 1;
    fs::write(path, &changed).unwrap();
    let rig = Rig::open(image.path());
    let bad = rig.audit.found().bad.clone().expect("it is said");
    assert_eq!((bad.sequence, bad.wrong), (1, Wrong::Changed));
    rig.note("after the damage").await;
    rig.close().await;
    for _ in 0..2 {
        let verified = verified(image.path());
        assert_eq!(verified.bad.expect("it stays").sequence, 1);
        let rig = Rig::open(image.path());
        assert_eq!(rig.audit.found().bad, None, "it is said once");
        rig.note("more").await;
        rig.close().await;
    }
    // What is changed behind the damage is found, too, and all else is still read.
    let last = segments(image.path()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    assert_eq!(verified(image.path()).bad_places, 1);
    bytes[160] ^= 1;
    fs::write(&last, &bytes).unwrap();
    let both = verified(image.path());
    assert_eq!((both.bad_places, both.also_bad.len()), (2, 1));
    assert_eq!(
        both.also_bad[0].segment,
        last.file_name().unwrap().to_str().unwrap()
    );
    // Also once the damaged segment is out of the way.
    fs::remove_file(path).unwrap();
    assert!(verified(image.path()).bad.is_some());
}

/// The rows of writes are still there when their records are not.
#[tokio::test]
async fn fault_58_records_of_writes_that_damage_took_are_taken_on_once_more() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    for text in ["kept", "lost 1", "lost 2"] {
        rig.append(accounted(text)).await;
    }
    rig.close().await;
    let path = segments(directory.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let ends = record_ends(&bytes);
    bytes[ends[2] - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let bad = verified(directory.path());
    let unrecorded = bad
        .also_bad
        .iter()
        .filter(|bad| bad.wrong == Wrong::Unrecorded);
    assert_eq!(unrecorded.count(), 2);
    Rig::open(directory.path()).close().await;
    let after = verified(directory.path());
    assert_eq!((after.bad_places, after.records), (1, 3), "{after:?}");
}

#[tokio::test]
async fn fault_58_a_cut_before_the_anchor_is_damage_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    rig.note("first").await;
    rig.note("second").await;
    rig.close().await;
    let path = &segments(directory.path())[0];
    let mut bytes = fs::read(path).unwrap();
    let ends = record_ends(&bytes);
    bytes[ends[1]..].fill(0);
    fs::write(path, &bytes).unwrap();
    let rig = Rig::open(directory.path());
    let bad = rig.audit.found().bad.clone().expect("it is said");
    assert_eq!(bad.wrong, Wrong::Missing);
    rig.note("after").await;
    rig.close().await;
    let bad = verified(directory.path()).bad.expect("and named for ever");
    assert_eq!(bad.sequence, 2);
}

/// Killed between the commit of a write and its segment: the record is in the row, and taken on at start.
#[tokio::test]
async fn i8_a_write_whose_record_is_in_no_segment_is_taken_on_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    rig.append(accounted("known")).await;
    rig.close().await;
    let store = Sqlite::open(&settings(directory.path(), &TestClock::new())).unwrap();
    for text in ["lost 1", "lost 2"] {
        drop(store.append(vec![accounted(text)]).await.remove(0).unwrap());
    }
    let image = image(directory.path());
    store.close().await;
    for _ in 0..2 {
        Rig::open(image.path()).close().await;
        assert_eq!(verified(image.path()).bad, None);
        assert_eq!(texts(image.path()), ["known", "lost 1", "lost 2"]);
    }
}

/// A store that was put back gives places to other writes: their records are taken on all the same.
#[tokio::test]
async fn i8_writes_of_a_store_that_was_put_back_are_taken_on() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    rig.append(accounted("kept")).await;
    rig.close().await;
    let before = image(directory.path());
    let rig = Rig::open(directory.path());
    rig.append(accounted("lost with the disk")).await;
    rig.close().await;
    // The old store, and the segments that have gone on.
    fs::remove_dir_all(before.path().join("audit")).unwrap();
    fs::create_dir(before.path().join("audit")).unwrap();
    copy(
        &directory.path().join("audit"),
        &before.path().join("audit"),
    );
    let rig = Rig::open(before.path());
    rig.append(accounted("after it was put back")).await;
    rig.close().await;
    assert_eq!(verified(before.path()).bad, None);
    assert_eq!(
        texts(before.path()),
        ["kept", "lost with the disk", "after it was put back"]
    );
}
