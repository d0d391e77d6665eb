//! Puts other credentials in force when their files change, without a restart.
//!
//! # Invariants
//!
//! 1. What does not keep every rule, or is not valid now, takes nothing out of force.
//! 2. What was refused is said once, with its file and its rule, and said again when it changes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::live::Live;
use engine::ports::Clock;
use engine::stop::Stop;

use super::credentials::{Credentials, Flaw, Mark, Texts, TlsFiles};
use crate::files::directories_of;
use crate::files::follow::{Followed, Reading};

/// Log lines by which operators find out that something is wrong with certificates.
pub(crate) const ALARM: &str = "argine::certificates";
/// How often the files are read though nothing was heard of them.
const POLL_EVERY: Duration = Duration::from_secs(10);

/// Follows `files` and keeps `live` in accord with them, until the gateway stops.
pub(crate) async fn rotate(
    files: TlsFiles,
    live: Live<Credentials>,
    clock: Arc<dyn Clock>,
    stop: Stop,
) {
    let known = live.load();
    let mut number = known.number;
    let mut followed = Followed::new(reading(files), Arc::clone(&clock), known.mark);
    drop(known);
    let rotating = async {
        loop {
            let texts = followed.next().await;
            let composed = Credentials::compose(&texts, number + 1);
            match composed.and_then(|found| found.valid_at(clock.now())) {
                Ok(credentials) => {
                    number = credentials.number;
                    live.replace(Arc::new(credentials));
                    tracing::info!(tls.generation = number, "other certificates are in force");
                }
                Err(flaws) => refuse(&flaws),
            }
        }
    };
    tokio::select! {
        () = rotating => {}
        () = stop.draining() => {}
    }
}

fn refuse(flaws: &[Flaw]) {
    let problems: Vec<String> = flaws
        .iter()
        .map(|flaw| format!("listen.{}: {}", flaw.key, flaw.rule))
        .collect();
    tracing::error!(
        target: ALARM,
        ?problems,
        "bad certificates were refused, the last good ones stay"
    );
}

fn reading(files: TlsFiles) -> Reading<Texts, Mark> {
    let paths = [&files.certificate, &files.key, &files.authorities];
    let directories: BTreeSet<_> = paths
        .into_iter()
        .chain(&files.revoked)
        .flat_map(|path| directories_of(path).map(Path::to_owned))
        .collect();
    Reading {
        directories,
        every: POLL_EVERY,
        read: Arc::new(move || files.read()),
        hangs: |_, rule| Texts::unreadable(&rule),
        mark: Texts::mark,
    }
}
