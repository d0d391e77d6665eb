//! Puts other callers in force when their files change, without a restart.
//!
//! # Invariants
//!
//! 1. What does not keep every rule takes nobody out of force, and lets nobody in.
//! 2. What was refused is said once, with its rules, and said again when it changes.
//! 3. Whoever is believed from then on is believed by the new files alone: no token that was remembered
//!    under the old ones is ([`super::known`]). What may be presented once stays remembered all the same:
//!    that is no part of [`super::Callers`].
//!
//! # Limits
//!
//! A change in the directories of the list, of the authorities and of what they have revoked is seen at
//! once; one of a key that lies elsewhere within [`POLL_EVERY`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::live::Live;
use engine::ports::Clock;
use engine::stop::Stop;

use super::Callers;
use super::files::{CallersFiles, Found, Mark, Mistakes};
use crate::files::directories_of;
use crate::files::follow::{Followed, Reading};

/// Log lines by which operators find out that something is wrong with the callers.
pub(crate) const ALARM: &str = "argine::callers";
/// How often the files are read though nothing was heard of them.
const POLL_EVERY: Duration = Duration::from_secs(10);

/// Follows `files` and keeps `live` in accord with them, until the gateway stops.
pub(crate) async fn reload(
    files: CallersFiles,
    live: Live<Callers>,
    clock: Arc<dyn Clock>,
    stop: Stop,
) {
    let mark = live.load().mark;
    let mut followed = Followed::new(reading(files), clock, mark);
    let reloading = async {
        loop {
            match followed.next().await.callers {
                Ok(callers) => {
                    tracing::info!(?callers, "other callers are in force");
                    live.replace(Arc::new(callers));
                }
                Err(mistakes) => refuse(&mistakes),
            }
        }
    };
    tokio::select! {
        () = reloading => {}
        () = stop.draining() => {}
    }
}

fn refuse(mistakes: &Mistakes) {
    let text = mistakes.to_string();
    let problems: Vec<&str> = text.lines().collect();
    tracing::error!(
        target: ALARM,
        ?problems,
        "bad callers were refused, the last good ones stay"
    );
}

fn reading(files: CallersFiles) -> Reading<Found, Mark> {
    let named = [
        Some(&files.list),
        files.authorities.as_ref(),
        files.revoked.as_ref(),
    ];
    let directories: BTreeSet<PathBuf> = named
        .into_iter()
        .flatten()
        .flat_map(|path| directories_of(path).map(Path::to_owned))
        .collect();
    Reading {
        directories,
        every: POLL_EVERY,
        read: Arc::new(move || files.read()),
        hangs: |_, rule| Found::unreadable(rule),
        mark: |found| found.mark,
    }
}
