//! Puts other credentials in force when their files change, without a restart.
//!
//! # Invariants
//!
//! 1. What does not keep every rule takes nothing out of force.
//! 2. A certificate of ours that is not valid at the time takes no other's place, and is tried again at
//!    every poll; whom we trust does not wait for it.
//! 3. What was refused is said once, with its file and its rule, and said again when it changes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::live::Live;
use engine::ports::Clock;
use engine::stop::Stop;
use policies::time::Timestamp;

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
    let known = live.load().mark;
    let mut followed = Followed::new(reading(files), Arc::clone(&clock), known);
    let mut said = None;
    let rotating = async {
        loop {
            let texts = followed.next().await;
            let found = judge(&texts, &live.load(), clock.now());
            if let Some(credentials) = found.credentials {
                let generation = credentials.number;
                live.replace(Arc::new(credentials));
                tracing::info!(
                    tls.generation = generation,
                    "other certificates are in force"
                );
            }
            if found.may_pass {
                followed.ask_again();
            }
            // Files that were mended and broken in the same way again are not the same.
            let refused = (texts.mark(), found.flaws);
            if !refused.1.is_empty() && said.as_ref() != Some(&refused) {
                refuse(&refused.1);
            }
            said = Some(refused);
        }
    };
    tokio::select! {
        () = rotating => {}
        () = stop.draining() => {}
    }
}

/// What follows from a reading of the files.
struct Judged {
    /// What is to be in force from now on, if anything changes.
    credentials: Option<Credentials>,
    flaws: Vec<Flaw>,
    /// Whether the flaws may pass by themselves.
    may_pass: bool,
}

/// Judges `texts` at `now`, while `in_force` is.
fn judge(texts: &Texts, in_force: &Credentials, now: Timestamp) -> Judged {
    let found = match Credentials::compose(texts, in_force.number + 1) {
        Ok(found) => found,
        Err(flaws) => {
            return Judged {
                credentials: None,
                flaws,
                may_pass: false,
            };
        }
    };
    let flaw = found.flaw_at(now);
    let credentials = match &flaw {
        None => Some(found),
        // A stolen certificate is revoked at once, whatever our own is like.
        Some(_) => (!found.trusts_as(in_force)).then(|| found.behind(in_force)),
    };
    Judged {
        credentials,
        may_pass: flaw.is_some(),
        flaws: flaw.into_iter().collect(),
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

#[cfg(test)]
mod tests;
