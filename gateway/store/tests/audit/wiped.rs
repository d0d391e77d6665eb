//! An audit that was taken away or put back, its anchor too, and a thread that dies.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::ports::Clock;
use store::audit::{Known, Unavailable, Wrong};

use super::*;

async fn closed() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    rig.append(accounted("a write")).await;
    rig.note("a look").await;
    rig.close().await;
    directory
}

fn sql(directory: &Path, statement: &str) {
    let database = rusqlite::Connection::open(directory.join("entries.db")).unwrap();
    database.execute_batch(statement).unwrap();
}

#[tokio::test]
async fn fault_58_an_audit_without_its_anchor_is_no_new_one() {
    let segments_too = [false, true];
    for (statement, wrong) in [
        ("DELETE FROM audit_anchor", Wrong::Missing),
        ("UPDATE audit_anchor SET anchor = x'00'", Wrong::Anchor),
    ] {
        for is_wiped in segments_too {
            let directory = closed().await;
            sql(directory.path(), statement);
            if is_wiped {
                fs::remove_dir_all(directory.path().join("audit")).unwrap();
            }
            let bad = verified(directory.path()).bad.expect("it is missed");
            assert_eq!(bad.wrong, wrong, "wiped: {is_wiped}");
            // It goes on, says so, and that stays.
            let rig = Rig::open(directory.path());
            let found = rig.audit.found().bad.clone().expect("it is said");
            assert_eq!(found.wrong, wrong);
            rig.note("after").await;
            rig.close().await;
            let after = verified(directory.path());
            assert_eq!(after.bad.expect("for ever").wrong, Wrong::Broken);
            assert!(
                !is_wiped || after.records == 2,
                "the write is taken on once more"
            );
        }
    }
}

/// A crash anywhere in the first start leaves nothing that looks like an audit without an anchor.
#[tokio::test]
async fn an_audit_that_begins_is_anchored_before_anything_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(directory.path());
    let image = image(directory.path());
    rig.close().await;
    assert_eq!(verified(image.path()).bad, None);
    sql(image.path(), "DELETE FROM audit_anchor");
    assert_eq!(verified(image.path()).bad.unwrap().wrong, Wrong::Missing);
}

/// All of it put back to what it was: only a head that was copied elsewhere shows that.
#[tokio::test]
async fn fault_58_what_was_put_back_as_a_whole_lacks_the_anchor_that_is_known() {
    let directory = closed().await;
    let before = image(directory.path());
    let rig = Rig::open(directory.path());
    rig.note("somebody looked").await;
    rig.close().await;
    let now = verified(directory.path());
    let known: Known = format!("{}:{}", now.head, now.mac).parse().unwrap();
    let verify = |directory: &Path| verify(directory, &key(), Some(&known)).unwrap();
    assert_eq!(verify(directory.path()).bad, None);
    assert_eq!(verified(before.path()).bad, None);
    let bad = verify(before.path()).bad.expect("it is seen");
    assert_eq!((bad.sequence, bad.wrong), (now.head, Wrong::Known));
    for text in [
        "",
        "3",
        "3:ab",
        "x:ab",
        &format!("{}:{}", now.head, "g".repeat(64)),
    ] {
        assert!(text.parse::<Known>().is_err(), "{text}");
    }
}

/// Kills whoever asks it, once it is told to, if that is the thread of the audit.
struct Deadly(AtomicBool);

impl Clock for Deadly {
    fn now(&self) -> Timestamp {
        let is_audit = std::thread::current().name() == Some("audit");
        assert!(
            !(is_audit && self.0.load(Ordering::SeqCst)),
            "a planted defect"
        );
        START
    }

    fn sleep(&self, _: Duration) -> futures_util::future::BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_thread_that_dies_is_told_and_nobody_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let (told, mut hears) = tokio::sync::mpsc::channel(1);
    let deadly = Arc::new(Deadly(AtomicBool::new(false)));
    let clock = Arc::clone(&deadly);
    let rig = Rig::open_with(directory.path(), TestClock::new(), |settings| {
        settings.clock = clock as _;
        settings.on_death = Some(Arc::new(move || told.try_send(()).unwrap()));
    });
    rig.note("before").await;
    deadly.0.store(true, Ordering::SeqCst);
    let unsynced = rig.audit.note_synced(START, record(PERSON, "waits"));
    assert_eq!(unsynced.await, Err(Unavailable));
    hears.recv().await.expect("it is told");
    let late = rig.audit.note(START, record(PERSON, "late"));
    assert_eq!(late, Err(Unavailable));
    // Twice: also whoever comes when it is over.
    rig.audit.close().await;
    rig.close().await;
}
