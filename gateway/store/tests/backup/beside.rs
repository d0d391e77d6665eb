//! What an accept takes beside a backup, and beside a rotation: figures, on a real disk.

#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::clock::AnchoredClock;
use store::backup;
use store::keys::Rotation;
use store::persons::{Persons, PersonsSettings};
use store::sqlite::{Settings, Sqlite};

use crate::world::{self, UNDO, accept, entry};

const ENTRIES: usize = 20_000;
const CALLERS: usize = 8;

/// Prints the median and the 99th percentile of accepts, `CALLERS` at a time, for as long as `until` runs.
async fn measure(what: &str, store: &Arc<Sqlite>, until: impl Future<Output = ()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (store, stop) = (Arc::clone(store), Arc::clone(&stop));
            let (taken, what) = (Arc::clone(&taken), what.to_owned());
            tokio::spawn(async move {
                for n in 0.. {
                    let started = Instant::now();
                    accept(&*store, entry(&format!("{what} {caller} {n}"))).await;
                    taken.lock().unwrap().push(started.elapsed());
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            })
        })
        .collect();
    until.await;
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let mut taken: Vec<Duration> = std::mem::take(&mut *taken.lock().unwrap());
    taken.sort();
    let at = |part: usize| taken[(taken.len() - 1) * part / 1_000];
    println!(
        "{what}: {} accepts, p50 {:?}, p99 {:?}, most {:?}",
        taken.len(),
        at(500),
        at(990),
        at(1_000)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures for half a minute"]
async fn accepts_beside_a_backup_and_a_rotation() {
    let top = tempfile::tempdir().unwrap();
    let directory = top.path().join("store");
    let clock: Arc<AnchoredClock> = Arc::new(AnchoredClock::start());
    let settings = Settings::new(
        directory.clone(),
        world::key(1),
        Arc::clone(&clock) as _,
        UNDO,
    );
    let store = Arc::new(Sqlite::open(&settings).unwrap());
    let filling: Vec<_> = (0..64)
        .map(|filler| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..ENTRIES / 64 {
                    accept(&*store, entry(&format!("{filler} {n}"))).await;
                }
            })
        })
        .collect();
    for filler in filling {
        filler.await.unwrap();
    }
    measure("alone", &store, tokio::time::sleep(Duration::from_secs(5))).await;
    let copying = async {
        let (store, to) = (directory.clone(), top.path().to_owned());
        let copying = tokio::task::spawn_blocking(move || {
            for round in 0..5 {
                let making = backup::Making {
                    store: &store,
                    to: &to.join(round.to_string()),
                    key: &world::key(1),
                    now: world::START,
                    release: "test",
                    log_bytes_max: backup::LOG_BYTES_MAX,
                };
                backup::make(&making, &|_| {}).unwrap();
            }
        });
        copying.await.unwrap();
    };
    measure("beside five backups", &store, copying).await;
    let shelf = PersonsSettings::new(directory, Arc::clone(store.keys()), Arc::clone(&clock) as _);
    let shelf = Arc::new(Persons::open(&shelf).unwrap());
    let rotation = Arc::new(Rotation::new(Arc::clone(&store), shelf, clock));
    let running = tokio::spawn({
        let rotation = Arc::clone(&rotation);
        async move { rotation.run().await }
    });
    rotation.begin().await.unwrap();
    let rotating = tokio::time::sleep(Duration::from_secs(8));
    measure("beside a rotation", &store, rotating).await;
    println!("{:?}", rotation.progress());
    running.abort();
    store.close().await;
}
