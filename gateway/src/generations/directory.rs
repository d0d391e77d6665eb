//! Follows a directory of policy files: what is in it, whenever that changes and has settled.
//!
//! The directory is watched, not its files: editors put another file in place of the old one, and
//! Kubernetes another directory behind a link. A watch can miss a change (of a link further up, of a
//! file on another machine), so that the directory is read every [`POLL_EVERY`] all the same.
//!
//! # Invariants
//!
//! 1. What is handed on was read twice, [`SETTLE`] apart, and was the same: it is not being written.
//! 2. A file system that hangs is a bad policy, and holds up neither those who decide nor the end.
//! 3. The same is handed on once, whatever the file system says about it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::Clock;
use engine::stop::Stop;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::desk::Command;
use super::{Found, fingerprint_of};
use crate::rules::{ACCESS_DIRECTORY, Files, Fingerprint};

/// How often the directory is read though nothing was heard of it.
const POLL_EVERY: Duration = Duration::from_secs(30);
/// How long what is in it must stay the same before it is believed.
const SETTLE: Duration = Duration::from_millis(200);
/// How often it is read in vain before the next poll is waited for.
const SETTLE_TRIES: usize = 25;

/// How long a reading is waited for.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A directory that is followed.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    /// What is known already.
    pub(super) seen: Fingerprint,
    /// A reading that has not ended.
    pub(super) reading: Option<JoinHandle<Found>>,
}

impl Directory {
    /// Hands on what is found, until there is nobody to take it or the gateway stops.
    pub(super) async fn follow(mut self, commands: mpsc::Sender<Command>, stop: Stop) {
        let following = async {
            let changed = Arc::new(Notify::new());
            let mut watcher = watcher(&changed);
            loop {
                // Each time anew, because another directory may stand in its place, or a first one
                // below it; and before it is read, so that nothing is missed in between.
                self.watch(watcher.as_mut());
                if let Some(found) = self.settled().await
                    && commands.send(Command::Found(found)).await.is_err()
                {
                    return;
                }
                tokio::select! {
                    () = changed.notified() => {}
                    () = self.clock.sleep(POLL_EVERY) => {}
                }
            }
        };
        tokio::select! {
            () = following => {}
            () = stop.draining() => {}
        }
    }

    fn watch(&self, watcher: Option<&mut RecommendedWatcher>) {
        let Some(watcher) = watcher else {
            return;
        };
        let access = self.path.join(ACCESS_DIRECTORY);
        let watched = [&self.path, &access].into_iter();
        for path in watched.filter(|path| **path == self.path || path.is_dir()) {
            if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, "the policies are not watched, only read now and then");
            }
        }
    }

    /// What is in the directory, if it is something else than before and stays the same for a while.
    async fn settled(&mut self) -> Option<Found> {
        let mut before = None;
        for _ in 0..SETTLE_TRIES {
            let found = self.read().await;
            let fingerprint = fingerprint_of(&found);
            if fingerprint == self.seen {
                return None;
            }
            if before.replace(fingerprint) == Some(fingerprint) {
                self.seen = fingerprint;
                return Some(found);
            }
            self.clock.sleep(SETTLE).await;
        }
        None
    }

    /// On a thread of its own, and not for ever: a file system may hang. One such thread at a time,
    /// or a mount that is lost would take all there are.
    async fn read(&mut self) -> Found {
        let path = self.path.clone();
        let reading = self
            .reading
            .get_or_insert_with(|| tokio::task::spawn_blocking(move || Files::read(&path)));
        let Ok(read) = timeout(READ_WITHIN, reading).await else {
            return Err(vec![format!(
                "{}: must be readable within {} s",
                self.path.display(),
                READ_WITHIN.as_secs()
            )]);
        };
        self.reading = None;
        read.unwrap_or_else(|_| Err(vec!["the files cannot be read now".to_owned()]))
    }
}

/// One that notes changes. Whoever reads a file changes nothing, or every look would cause the next.
fn watcher(changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let changed = Arc::clone(changed);
    let noted = move |event: notify::Result<Event>| {
        if !event.is_ok_and(|event| event.kind.is_access()) {
            changed.notify_one();
        }
    };
    let watcher = notify::recommended_watcher(noted);
    if let Err(error) = &watcher {
        tracing::warn!(%error, "no directory can be watched; policies are read now and then");
    }
    watcher.ok()
}
