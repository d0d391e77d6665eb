//! Says how long our certificates and those we trust by still hold, before they do not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::ports::Clock;
use engine::stop::Stop;
use policies::time::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::rotation::ALARM;
use super::{at, valid_until};
use crate::config::pem::LISTS_BYTES_MAX;
use crate::files::read_bounded;
use crate::telemetry::Watcher;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Days before the end at which it is said.
const WARN_DAYS: [i64; 3] = [60, 30, 7];
const DAY_MS: i64 = 86_400_000;

/// A file with certificates or lists of revoked ones, and the key that names it.
pub(crate) type Named = (&'static str, PathBuf);

/// Looks at `files` now and then, until the gateway stops.
pub(crate) async fn watch(
    files: Vec<Named>,
    watcher: Arc<Watcher>,
    clock: Arc<dyn Clock>,
    stop: Stop,
) {
    let watching = async {
        let mut said = vec![None; files.len()];
        loop {
            for ((key, path), said) in files.iter().zip(&mut said) {
                look(key, path, said, &watcher, clock.now()).await;
            }
            clock.sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = watching => {}
        () = stop.draining() => {}
    }
}

async fn look(
    key: &'static str,
    path: &Path,
    said: &mut Option<i64>,
    watcher: &Watcher,
    now: Timestamp,
) {
    let path = path.to_owned();
    let ends = tokio::task::spawn_blocking(move || first_end(&path)).await;
    let Ok(Some(end)) = ends else {
        // Whoever needs the file says what is wrong with it.
        return;
    };
    let days = days_until(end, now);
    watcher.certificate_days(key, days);
    let band = WARN_DAYS.into_iter().rev().find(|limit| days < *limit);
    if band != *said && band.is_some() {
        tracing::warn!(target: ALARM, file = key, days, "a certificate or list ends soon");
    }
    *said = band;
}

/// Whole days, negative once it is over.
fn days_until(end: Timestamp, now: Timestamp) -> i64 {
    let ms = |at: Timestamp| i64::try_from(at.0).unwrap_or(i64::MAX);
    (ms(end) - ms(now)).div_euclid(DAY_MS)
}

/// The first end of everything in a file; none if nothing in it ends.
fn first_end(path: &Path) -> Option<Timestamp> {
    let text = read_bounded(path, LISTS_BYTES_MAX).ok()?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .filter_map(Result::ok)
        .filter_map(|certificate| valid_until(&certificate));
    let lists = CertificateRevocationListDer::pem_slice_iter(&text)
        .filter_map(Result::ok)
        .filter_map(|list| {
            let (_, list) = CertificateRevocationList::from_der(&list).ok()?;
            list.next_update().map(at)
        });
    certificates.chain(lists).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_go_below_zero() {
        let now = Timestamp(1_000 * 86_400_000);
        let after = |ms: u64| days_until(Timestamp(now.0 + ms), now);
        assert_eq!((after(0), after(86_399_999), after(86_400_000)), (0, 0, 1));
        assert_eq!(days_until(Timestamp(now.0 - 1), now), -1);
    }
}
