//! Says how long our certificates and those we trust by still hold, before they do not, and which do not.
//!
//! What has ended stops nobody from starting: a restart is no worse than going on, and what was accepted
//! must be delivered. Callers refuse an ended certificate of ours themselves, and an ended list revokes
//! whom it names all the same: without it they would be let in, and with none nobody would.

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
use super::{at, date};
use crate::config::pem::LISTS_BYTES_MAX;
use crate::files::read_bounded;
use crate::telemetry::Watcher;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Days before the end at which it is said.
const WARN_DAYS: [i64; 4] = [60, 30, 7, 0];
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
    let ends = tokio::task::spawn_blocking(move || validity(&path)).await;
    let Ok(Some((_, end))) = ends else {
        // Whoever needs the file says what is wrong with it.
        return;
    };
    let days = days_until(end, now);
    watcher.certificate_days(key, days);
    let band = WARN_DAYS.into_iter().rev().find(|limit| days < *limit);
    if band != *said && band.is_some() {
        if days < 0 {
            tracing::error!(target: ALARM, file = key, days, "a certificate or list has ended");
        } else {
            tracing::warn!(target: ALARM, file = key, days, "a certificate or list ends soon");
        }
    }
    *said = band;
}

/// A line for every one of `files` in which something has ended, or not begun, by `now`.
pub(crate) fn untimely(files: &[Named], now: Timestamp) -> Vec<String> {
    let line = |key: &str, path: &Path, rule: &str, at| {
        let (path, at) = (path.display(), date(at));
        format!("{key}: {path}: must hold what is valid {rule} {at}")
    };
    let mut lines = Vec::new();
    for (key, path) in files {
        let Some((begin, end)) = validity(path) else {
            continue;
        };
        if now >= end {
            lines.push(line(key, path, "still: some of it was until", end));
        }
        if now < begin {
            lines.push(line(key, path, "already: some of it is from", begin));
        }
    }
    lines
}

/// Whole days, negative once it is over.
fn days_until(end: Timestamp, now: Timestamp) -> i64 {
    let ms = |at: Timestamp| i64::try_from(at.0).unwrap_or(i64::MAX);
    (ms(end) - ms(now)).div_euclid(DAY_MS)
}

/// The last begin and the first end of everything in a file; none if nothing in it ends.
fn validity(path: &Path) -> Option<(Timestamp, Timestamp)> {
    let text = read_bounded(path, LISTS_BYTES_MAX).ok()?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .filter_map(Result::ok)
        .filter_map(|certificate| {
            let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).ok()?;
            let validity = parsed.validity();
            Some((at(validity.not_before), at(validity.not_after)))
        });
    let lists = CertificateRevocationListDer::pem_slice_iter(&text)
        .filter_map(Result::ok)
        .filter_map(|list| {
            let (_, list) = CertificateRevocationList::from_der(&list).ok()?;
            Some((at(list.last_update()), at(list.next_update()?)))
        });
    let both =
        |(begin, end): (Timestamp, Timestamp), (from, until)| (begin.max(from), end.min(until));
    certificates.chain(lists).reduce(both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::credentials::tests::{Authority, Ground};

    #[test]
    fn days_are_whole_and_go_below_zero() {
        let now = Timestamp(1_000 * 86_400_000);
        let after = |ms: u64| days_until(Timestamp(now.0 + ms), now);
        assert_eq!((after(0), after(86_399_999), after(86_400_000)), (0, 0, 1));
        assert_eq!(days_until(Timestamp(now.0 - 1), now), -1);
    }

    #[test]
    fn what_has_ended_or_not_begun_is_named_with_its_file_and_date() {
        let authority = Authority::new("a");
        let mut ground = Ground::new(&authority, &[&authority]);
        ground.revoke(&authority.revoke(&[]));
        let list = ground.files.revoked.clone().unwrap();
        let files = [
            ("listen.certificate_file", ground.files.certificate.clone()),
            ("listen.callers_crl_file", list.clone()),
        ];
        let at = |years: u64| untimely(&files, Timestamp(years * 31_557_600_000));
        assert_eq!(at(56), [""; 0], "all of it is valid in 2026");
        let late = at(60);
        assert_eq!(late.len(), 1, "{late:?}");
        let rule = "must hold what is valid still: some of it was until 2027-01-01";
        let expected = format!("listen.callers_crl_file: {}: {rule}", list.display());
        assert!(late[0].starts_with(&expected), "{late:?}");
        assert_eq!(at(1).len(), 2, "nothing has begun in 1971");
    }
}
