//! Follows files in their directories: what they hold, whenever that changes and has settled.
//!
//! Directories are watched, not files: editors put another file in place of the old one, and
//! Kubernetes another directory behind a link. A watch can miss a change (of a link further up, of a
//! file on another machine), so that everything is read now and then all the same.
//!
//! # Invariants
//!
//! 1. What is handed on was read twice, [`SETTLE`] apart, and was the same: it is not being written.
//! 2. A file system that hangs holds up neither those who decide nor the end.
//! 3. The same is handed on once, whatever the file system says about it, unless it is asked for again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::ports::Clock;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long what was read must stay the same before it is believed.
const SETTLE: Duration = Duration::from_millis(200);
/// How often it is read in vain before the next poll is waited for.
const SETTLE_TRIES: usize = 25;
/// How long a reading is waited for.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What is read, and how two readings are told apart.
pub(crate) struct Reading<T, M> {
    /// The directories that are watched, those that are not there yet included.
    pub(crate) directories: BTreeSet<PathBuf>,
    /// How often everything is read though nothing was heard of it.
    pub(crate) every: Duration,
    /// Reads everything.
    pub(crate) read: Arc<dyn Fn() -> T + Send + Sync>,
    /// What stands for a reading that does not end; it is given the rule that it breaks.
    pub(crate) hangs: fn(&Path, String) -> T,
    /// The same of two readings that are the same.
    pub(crate) mark: fn(&T) -> M,
}

/// Files that are followed.
pub(crate) struct Followed<T, M> {
    reading: Reading<T, M>,
    clock: Arc<dyn Clock>,
    /// What is known already, and not wanted again.
    seen: Option<M>,
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    /// A reading that has not ended.
    under_way: Option<JoinHandle<T>>,
}

impl<T: Send + 'static, M: Copy + PartialEq> Followed<T, M> {
    /// Follows what is known to be as `seen`.
    pub(crate) fn new(reading: Reading<T, M>, clock: Arc<dyn Clock>, seen: M) -> Followed<T, M> {
        let changed = Arc::new(Notify::new());
        let watcher = watcher(&changed);
        // The first look is taken at once.
        changed.notify_one();
        Followed {
            reading,
            clock,
            seen: Some(seen),
            changed,
            watcher,
            under_way: None,
        }
    }

    /// Waits for something else than before.
    pub(crate) async fn next(&mut self) -> T {
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                () = self.clock.sleep(self.reading.every) => {}
            }
            // Anew, because another directory may stand in its place, or a first one below it; and
            // before anything is read, so that nothing is missed in between.
            self.watch();
            if let Some(found) = self.settled().await {
                return found;
            }
        }
    }

    /// Hands the same on once more at the next poll: what was wrong with it may pass by itself.
    pub(crate) fn ask_again(&mut self) {
        self.seen = None;
    }

    fn watch(&mut self) {
        let Some(watcher) = self.watcher.as_mut() else {
            return;
        };
        for directory in self.reading.directories.iter().filter(|path| path.is_dir()) {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, "files are not watched, only read now and then");
            }
        }
    }

    /// What is there, if it is something else than before and stays the same for a while.
    async fn settled(&mut self) -> Option<T> {
        let mut before = None;
        for _ in 0..SETTLE_TRIES {
            let found = self.read().await;
            let mark = (self.reading.mark)(&found);
            if self.seen == Some(mark) {
                return None;
            }
            if before.replace(mark) == Some(mark) {
                self.seen = Some(mark);
                return Some(found);
            }
            self.clock.sleep(SETTLE).await;
        }
        None
    }

    /// On a thread of its own, and not for ever: a file system may hang. One such thread at a time,
    /// or a mount that is lost would take all there are.
    async fn read(&mut self) -> T {
        let read = Arc::clone(&self.reading.read);
        let under_way = self
            .under_way
            .get_or_insert_with(|| tokio::task::spawn_blocking(move || read()));
        let ended = timeout(READ_WITHIN, under_way).await;
        if ended.is_ok() {
            self.under_way = None;
        }
        match ended {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => self.hangs("cannot be read now".to_owned()),
            Err(_) => {
                let seconds = READ_WITHIN.as_secs();
                self.hangs(format!("must be readable within {seconds} s"))
            }
        }
    }

    fn hangs(&self, rule: String) -> T {
        let first = self.reading.directories.first();
        (self.reading.hangs)(first.map_or(Path::new(""), PathBuf::as_path), rule)
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
        tracing::warn!(%error, "no directory can be watched; files are read now and then");
    }
    watcher.ok()
}
