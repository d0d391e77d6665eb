//! Many segments: begun, removed when their time is over, and missed when somebody else removes them.

use std::fs;
use std::time::Duration;

use store::audit::Wrong;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// A chain of `days` segments, a record each.
async fn chain(days: u32) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    write(&rig, days).await;
    rig.close().await;
    assert_eq!(segments(directory.path()).len(), days as usize);
    directory
}

async fn write(rig: &Rig, days: u32) {
    for day in 0..days {
        if day > 0 {
            rig.clock.advance(DAY);
            // The day is over once something is written: this is the last of the day before.
        }
        rig.note(&format!("day {day}")).await;
    }
}

#[tokio::test]
async fn a_day_and_a_length_begin_a_segment() {
    let directory = chain(4).await;
    let verified_days = verified(directory.path());
    assert_eq!((verified_days.segments, verified_days.bad), (4, None));

    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open_with(directory.path(), TestClock::new(), |settings| {
        settings.segment_bytes_max = 1_000;
    });
    for index in 0..50 {
        rig.note(&format!("record {index}")).await;
    }
    rig.close().await;
    let long = verified(directory.path());
    assert!(long.segments > 4, "{long:?}");
    assert_eq!((long.records, long.bad), (50, None));
}

#[tokio::test]
async fn fault_58_a_segment_that_is_taken_away_or_renamed_is_missed() {
    let days: u32 = 4;
    for index in 0..days as usize {
        let directory = chain(days).await;
        let segments = segments(directory.path());
        let first: u64 = segments[index]
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        fs::remove_file(&segments[index]).unwrap();
        let bad = verified(directory.path()).bad.expect("it is missed");
        assert_eq!(bad.sequence, first, "segment {index}: {}", bad.wrong);

        let directory = chain(days).await;
        let from = &super::segments(directory.path())[index];
        fs::rename(from, from.with_file_name("00000000000000000777.audit")).unwrap();
        assert!(verified(directory.path()).bad.is_some(), "renamed {index}");

        let directory = chain(days).await;
        let from = &super::segments(directory.path())[index];
        fs::copy(from, from.with_file_name("00000000000000000777.audit")).unwrap();
        let bad = verified(directory.path()).bad.expect("it is one too many");
        assert_eq!(bad.wrong, Wrong::Name);

        let directory = chain(days).await;
        let from = &super::segments(directory.path())[index];
        let bytes = fs::read(from).unwrap();
        fs::write(from, &bytes[..154]).unwrap();
        let bad = verified(directory.path()).bad.expect("it is empty");
        assert_eq!(bad.sequence, first, "emptied {index}: {}", bad.wrong);
    }
    let directory = chain(days).await;
    fs::remove_dir_all(directory.path().join("audit")).unwrap();
    assert_eq!(verified(directory.path()).bad.unwrap().sequence, 1);
}

#[tokio::test]
async fn what_was_kept_long_enough_is_removed_and_not_missed() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open_with(directory.path(), TestClock::new(), |settings| {
        settings.keep_for = 3 * DAY;
    });
    write(&rig, 10).await;
    rig.close().await;
    let kept = verified(directory.path());
    assert_eq!(kept.bad, None);
    assert!((4..=6).contains(&kept.segments), "{kept:?}");
    // And one that may not go is missed as before.
    fs::remove_file(&segments(directory.path())[0]).unwrap();
    assert!(verified(directory.path()).bad.is_some());
}

/// A clock that is put forward, or back, while no gateway runs: nothing is removed that it alone says is over.
#[tokio::test]
async fn a_clock_that_jumps_removes_nothing() {
    for is_forward in [true, false] {
        let directory = chain(6).await;
        let clock = TestClock::new();
        match is_forward {
            true => clock.advance(DAY * 365 * 20),
            false => clock.put_back(DAY * 365 * 20),
        }
        let rig = Rig::open_with(directory.path(), clock, |settings| {
            settings.keep_for = 3 * DAY;
        });
        write(&rig, 3).await;
        rig.close().await;
        let days = segments(directory.path()).len();
        assert_eq!(days, 6 + 3, "forward: {is_forward}");
        assert_eq!(verified(directory.path()).bad, None);
    }
}

/// A file that no gateway makes is named, and stops nothing.
#[tokio::test]
async fn fault_58_a_file_with_a_number_that_no_chain_reaches_is_named() {
    let directory = chain(1).await;
    let strange = "18446744073709551615.audit";
    fs::write(directory.path().join("audit").join(strange), b"x").unwrap();
    let bad = verified(directory.path()).bad.expect("it is named");
    assert_eq!((bad.segment.as_str(), bad.wrong), (strange, Wrong::Name));
    let rig = Rig::open(directory.path());
    assert_eq!(rig.audit.found().bad.as_ref(), Some(&bad));
    rig.note("it goes on").await;
    rig.close().await;
    assert_eq!(verified(directory.path()).bad_places, 1);
}
