//! What is promised of records that are written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::time::Duration;

use store::audit::{LeaveError, RECORD_BYTES_MAX, Unavailable, leave};
use uuid::Uuid;

use super::*;

#[tokio::test]
async fn what_was_taken_is_there_after_a_clean_stop() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open_with(directory.path(), TestClock::new(), |settings| {
        settings.reserve_bytes = 1 << 20;
    });
    for index in 0..1_000 {
        let text = format!("look-up {index}");
        rig.audit.note(START, record(PERSON, &text)).unwrap();
    }
    rig.close().await;
    let verified = verified(directory.path());
    assert_eq!((verified.records, &verified.bad), (1_000, &None));
    let expected: Vec<String> = (0..1_000).map(|index| format!("look-up {index}")).collect();
    assert_eq!(texts(directory.path()), expected);
}

#[tokio::test]
async fn a_chain_goes_on_over_restarts_and_is_verified_while_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    for run in 0..3 {
        let rig = Rig::open(directory.path());
        assert_eq!(rig.audit.found().bad, None);
        rig.note(&format!("run {run}")).await;
        let beside = verified(directory.path());
        assert_eq!((beside.records, beside.bad), (run + 1, None));
        rig.close().await;
    }
    assert_eq!(segments(directory.path()).len(), 1);
}

#[tokio::test]
async fn the_record_of_a_write_is_copied_once() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    rig.append(accounted("first")).await;
    rig.append(accounted("second")).await;
    rig.append(crate::world::entry("nobody asked")).await;
    rig.close().await;
    let rig = Rig::open(directory.path());
    rig.append(accounted("third")).await;
    rig.close().await;
    assert_eq!(texts(directory.path()), ["first", "second", "third"]);
}

#[tokio::test]
async fn no_person_and_no_word_is_in_a_segment() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    rig.note("seen by doctor PROVAX00X00X000Y").await;
    rig.append(accounted("written by PROVAX00X00X000Y")).await;
    rig.close().await;
    for planted in [PERSON, b"PROVAX00X00X000Y"] {
        for file in segments(directory.path())
            .into_iter()
            .chain([directory.path().join("entries.db")])
        {
            let bytes = fs::read(&file).unwrap();
            let is_there = bytes.windows(planted.len()).any(|part| part == planted);
            assert!(!is_there, "{}", file.display());
        }
    }
}

#[tokio::test]
async fn a_person_is_told_from_others_and_found_by_their_entries() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    rig.note("about them").await;
    rig.note_about(b"RSSMRA80A01H501U", "about another").await;
    rig.note_about(b"", "about nobody").await;
    let theirs = NewEntry {
        person: Some(policies::failure::Opaque(PERSON.to_vec())),
        audit: record(b"", "a write about them").into_opaque(),
        ..crate::world::entry("k1")
    };
    rig.append(theirs).await;
    rig.close().await;
    let mut found = Vec::new();
    let always = (Timestamp(0), Timestamp(u64::MAX));
    export(directory.path(), &key(), PERSON, always, |seen, _| {
        if seen.is_theirs {
            found.push(String::from_utf8(seen.body.0).unwrap());
        }
    })
    .unwrap();
    assert_eq!(found, ["about them", "a write about them"]);
}

#[tokio::test]
async fn a_record_that_is_too_long_is_refused_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    let long = record(PERSON, &"x".repeat(RECORD_BYTES_MAX));
    assert_eq!(rig.audit.note(START, long), Err(Unavailable));
    assert_eq!(rig.audit.counts().refused, 1);
    rig.close().await;
}

/// The space ahead is all that is promised: whoever comes after it is refused, until there is more.
#[tokio::test]
async fn a_record_is_taken_only_if_it_has_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    let mut taken = 0;
    let text = "x".repeat(20_000);
    // No await in between: the thread may grow the space meanwhile, but not without end.
    while rig.audit.note(START, record(PERSON, &text)).is_ok() {
        taken += 1;
        assert!(taken < 100_000, "the queue has no end");
    }
    assert!(taken >= RESERVE / 20_200, "{taken}");
    rig.close().await;
    assert_eq!(verified(directory.path()).records, taken);
}

#[tokio::test]
async fn what_a_command_leaves_is_taken_on_once() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    leave(
        directory.path(),
        &key(),
        START,
        Uuid::now_v7(),
        &record(PERSON, "an export"),
    )
    .unwrap();
    rig.clock.advance(Duration::from_secs(2));
    rig.note("later").await;
    rig.close().await;
    let rig = Rig::open(directory.path());
    rig.close().await;
    let mut found = texts(directory.path());
    found.sort_unstable();
    assert_eq!(found, ["an export", "later"]);
}

/// The inbox of a store, once its gateway runs.
fn inbox(directory: &Path) -> PathBuf {
    directory.join("audit/inbox")
}

/// It is read as what it is not: kept, and tried again until it can be read.
#[tokio::test]
async fn what_cannot_be_read_now_is_kept_and_taken_on_later() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    let leave = || {
        let (key, record) = (key(), record(PERSON, "an export"));
        leave(directory.path(), &key, START, Uuid::now_v7(), &record).unwrap();
    };
    leave();
    let files = fs::read_dir(inbox(directory.path())).unwrap();
    let path = files.map(|file| file.unwrap().path()).next().unwrap();
    let aside = directory.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    // Whatever cannot be read, also by root.
    fs::create_dir(&path).unwrap();
    rig.clock.advance(Duration::from_secs(2));
    rig.note("later").await;
    rig.close().await;
    assert!(path.is_dir(), "it is still there");
    assert_eq!(texts(directory.path()), ["later"]);
    fs::remove_dir(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    Rig::open(directory.path()).close().await;
    assert_eq!(texts(directory.path()), ["later", "an export"]);
    assert!(!path.exists());
}

#[tokio::test]
async fn what_does_not_open_is_kept_under_another_name_and_recorded_once() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        Rig::open_with(directory.path(), TestClock::new(), |settings| {
            settings.damaged = Box::new(|name| record(PERSON, &format!("damaged {name}")));
        })
    };
    let rig = open();
    let path = inbox(directory.path()).join(format!("{}.record", Uuid::from_u128(5)));
    fs::write(&path, "what nobody has sealed").unwrap();
    rig.close().await;
    open().close().await;
    let name = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(texts(directory.path()), [format!("damaged {name}")]);
    assert!(!path.exists() && path.with_extension("damaged").exists());
}

#[tokio::test]
async fn the_inbox_is_the_gateways_own() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    let inbox = fs::metadata(inbox(directory.path())).unwrap();
    assert_eq!(inbox.permissions().mode() & 0o777, 0o700);
    rig.close().await;
    let Ok(()) = chown(directory.path(), Some(12_345), None) else {
        return println!("skipped: a directory is given away by root only");
    };
    let left = leave(
        directory.path(),
        &key(),
        START,
        Uuid::now_v7(),
        &record(PERSON, "an export"),
    );
    let error = left.unwrap_err();
    assert!(matches!(error, LeaveError::NotOwner { owner: 12_345, .. }));
}

#[tokio::test]
async fn after_the_end_nothing_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    rig.audit.close().await;
    assert_eq!(
        rig.audit.note(START, record(PERSON, "late")),
        Err(Unavailable)
    );
    rig.store.close().await;
}
