//! The chain in a backup, and what a restored store makes of it.

use store::backup::{self, BackupError, Making, Progress, Restoring};
use store::keys::Use;

use super::*;

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// Makes a copy of the store in `top`; `meanwhile` is called whenever there is something to tell.
fn make(top: &Path, meanwhile: &dyn Fn(Progress<'_>)) -> Result<backup::Made, BackupError> {
    let making = Making {
        store: &top.join("store"),
        to: &top.join("copy"),
        key: &key(),
        now: START,
        release: "test",
        log_bytes_max: backup::LOG_BYTES_MAX,
    };
    tokio::task::block_in_place(|| backup::make(&making, meanwhile))
}

/// The store burns down and is put back.
fn put_back(top: &Path) {
    fs::remove_dir_all(top.join("store")).unwrap();
    let restoring = Restoring {
        from: &top.join("copy"),
        store: &top.join("store"),
        key: &key(),
    };
    backup::restore(&restoring, &|_| {}).unwrap();
}

/// Opens what was put back, writes on, and closes it: what the start has found, and what there is then.
async fn goes_on(store: &Path) -> (store::audit::Found, Verified) {
    let rig = Rig::open(store);
    let found = rig.audit.found().clone();
    rig.append(accounted("after the fire")).await;
    rig.note("seen after the fire").await;
    rig.close().await;
    (found, verified(store))
}

/// A day ends in the middle of every attempt: a new segment, under a new key. The ring is another each
/// time, and that is no reason to give up; and the copied ring opens what was copied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_begun_during_a_copy_is_whole_in_it() {
    let top = tempfile::tempdir().unwrap();
    let store = top.path().join("store");
    let rig = Rig::open_with(&store, TestClock::new(), |settings| {
        settings.keep_for = 30 * DAY;
    });
    rig.append(accounted("written before")).await;
    rig.note("seen before").await;
    let before = rig.store.keys().list().len();
    let runtime = tokio::runtime::Handle::current();
    let meanwhile = |progress: Progress<'_>| {
        if matches!(progress, Progress::Database { .. }) {
            rig.clock.advance(30 * DAY / 4);
            rig.store.keys().add_audit_key(START).unwrap();
            runtime.block_on(rig.note("seen meanwhile"));
            runtime.block_on(rig.append(accounted(&uuid::Uuid::now_v7().to_string())));
        }
    };
    make(top.path(), &meanwhile).expect("keys of the audit do not make a copy unsteady");
    let keys = rig.store.keys().list();
    assert!(keys.len() > before && keys.iter().any(|key| key.usage == Use::Audit));
    rig.close().await;
    put_back(top.path());
    assert_eq!(verified(&store).bad, None);
    assert!(texts(&store).contains(&"seen before".to_owned()));
    let (found, after) = goes_on(&store).await;
    assert_eq!((found.bad, after.bad), (None, None));
    assert!(texts(&store).contains(&"after the fire".to_owned()));
}

/// The audit is copied after the rows, and goes further than they know: that is no damage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_ahead_of_its_rows_is_gone_on_with() {
    let top = tempfile::tempdir().unwrap();
    let store = top.path().join("store");
    let rig = Rig::open(&store);
    rig.append(accounted("in the copy")).await;
    make(top.path(), &|_| {}).unwrap();
    for n in 0..5 {
        rig.append(accounted(&format!("after the copy {n}"))).await;
        rig.note("seen after the copy").await;
    }
    rig.close().await;
    // The segments of later, beside the rows and under the ring of then.
    let later = image(&store);
    put_back(top.path());
    fs::remove_dir_all(store.join("audit")).unwrap();
    fs::create_dir(store.join("audit")).unwrap();
    copy(&later.path().join("audit"), &store.join("audit"));
    let (found, after) = goes_on(&store).await;
    assert_eq!((found.bad, after.bad), (None, None));
    let texts = texts(&store);
    for text in ["in the copy", "after the copy 4", "after the fire"] {
        let there = texts.iter().filter(|found| *found == text).count();
        assert_eq!(there, 1, "{text}");
    }
}

/// An audit that is behind what its rows know is one that was cut: the gateway starts, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_behind_its_rows_is_said_and_gone_on_with() {
    let top = tempfile::tempdir().unwrap();
    let store = top.path().join("store");
    let rig = Rig::open(&store);
    rig.note("seen early").await;
    let early = image(&store.join("audit"));
    rig.note("seen late").await;
    rig.close().await;
    make(top.path(), &|_| {}).unwrap();
    put_back(top.path());
    copy(early.path(), &store.join("audit"));
    let (found, after) = goes_on(&store).await;
    assert!(found.bad.is_some(), "it is not said");
    assert!(after.bad.is_some(), "a cut cannot be mended");
    let (texts, damaged) = texts_around_damage(&store);
    assert!(texts.contains(&"seen after the fire".to_owned()) && damaged > 0);
}
