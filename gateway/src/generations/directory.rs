//! Follows a directory of policy files: hands on what is in it, whenever that changes.
//!
//! How, and what is promised about it, says [`crate::files::follow`].

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::Clock;
use engine::stop::Stop;
use tokio::sync::mpsc;

use super::desk::Command;
use super::{Found, fingerprint_of};
use crate::files::follow::{Followed, Reading};
use crate::rules::{ACCESS_DIRECTORY, Files, Fingerprint};

/// How often the directory is read though nothing was heard of it.
const POLL_EVERY: Duration = Duration::from_secs(30);

/// A directory that is followed.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    /// What is known already.
    pub(super) seen: Fingerprint,
}

impl Directory {
    /// Hands on what is found, until there is nobody to take it or the gateway stops.
    pub(super) async fn follow(self, commands: mpsc::Sender<Command>, stop: Stop) {
        let path = self.path.clone();
        let reading = Reading::<Found, Fingerprint> {
            directories: BTreeSet::from([self.path.join(ACCESS_DIRECTORY), self.path]),
            every: POLL_EVERY,
            read: Arc::new(move || Files::read(&path)),
            hangs: |path, rule| Err(vec![format!("{}: {rule}", path.display())]),
            mark: fingerprint_of,
        };
        let mut followed = Followed::new(reading, self.clock, self.seen);
        let following = async {
            loop {
                let found = followed.next().await;
                if commands.send(Command::Found(found)).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = following => {}
            () = stop.draining() => {}
        }
    }
}
