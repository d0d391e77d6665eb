//! Where one segment ends and the next begins, what is removed then, and how far the chain is anchored.

mod retention;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use policies::time::Timestamp;

use super::super::chain::{Chain, HEADER_LEN, Header, Mac};
use super::super::segment::Segment;
use super::super::start::Anchor;
use super::super::verify::hex;
use super::super::walk::list;
use super::{DAY_MS, Writer};

/// How long segments are sealed under one key.
const KEY_AGE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Segments that are removed when one is begun: more than one, so that a gateway keeps up, and few, so that
/// a clock that was put forward by years does not empty the directory.
const REMOVED_MAX: usize = 2;
/// How often a new segment is tried for that could not be begun: each try takes space from the store.
const ROLL_RETRY_EVERY: Duration = Duration::from_secs(600);

/// Whether there is `space` for a new segment, and as much again for whoever else needs some.
fn has_space(directory: &Path, space: u64) -> io::Result<()> {
    let disk = rustix::fs::statvfs(directory)?;
    match disk.f_bavail.saturating_mul(disk.f_frsize) / 2 >= space {
        true => Ok(()),
        false => Err(io::ErrorKind::StorageFull.into()),
    }
}

/// When the segment at `path` was begun, if that can be told.
fn began(chain: &Chain, path: &Path) -> Option<Timestamp> {
    let mut bytes = Vec::with_capacity(HEADER_LEN);
    let file = File::open(path).ok()?;
    file.take(HEADER_LEN as u64).read_to_end(&mut bytes).ok()?;
    Header::decode(chain, &bytes).map(|(header, _)| header.at)
}

impl Writer {
    /// Begins a new segment, if this one is long or a day old, and removes what is over.
    pub(super) fn roll_if_due(&mut self, now: Timestamp) {
        let is_empty = self.head.sequence < self.segment.first;
        let is_long = self.segment.length() >= self.settings.segment_bytes_max;
        let is_old = now.0 / DAY_MS != self.day;
        let is_late = now.since(self.rolled_at) >= ROLL_RETRY_EVERY;
        if is_empty || !(is_long || is_old) || self.is_short || !is_late || !self.sync(now) {
            return;
        }
        let header = Header {
            node: self.settings.node.clone(),
            first: self.head.sequence + 1,
            at: now,
            previous: self.head.mac,
            broken: false,
        };
        let (encoded, mac) = header.encode(&self.chain);
        // As much as this one has, so that what is promised in it has its place there, too.
        let space = self.segment.ahead();
        let begun = has_space(&self.directory, space)
            .and_then(|()| Segment::create(&self.directory, header.first, &encoded, space));
        match begun {
            Ok(next) => self.go_on_in(next, mac, now),
            Err(error) => {
                tracing::warn!(error = %error, "a new segment of the audit cannot be begun now");
                self.rolled_at = now;
            }
        }
    }

    fn go_on_in(&mut self, next: Segment, mac: Mac, now: Timestamp) {
        let mut before = std::mem::replace(&mut self.segment, next);
        self.inlet.set_room(before.ahead(), self.segment.ahead());
        self.head.mac = mac;
        self.day = now.0 / DAY_MS;
        match self.keys.renew_audit_key(now, KEY_AGE_MAX) {
            Ok(Some(key)) => self.key = key,
            Ok(None) => {}
            Err(error) => tracing::warn!(error = %error, "the audit goes on under its old key"),
        }
        if let Err(error) = before.cut() {
            let path = before.path().display();
            tracing::warn!(error = %error, segment = %path, "space behind a segment is not given back");
        }
        self.set_anchor(now);
        self.remove_expired(now);
    }

    /// Removes the segments whose every record is older than is kept. Their head is in the next one.
    fn remove_expired(&mut self, now: Timestamp) {
        let Ok(listed) = list(&self.directory) else {
            return;
        };
        let segments = listed.segments;
        let begun = segments.iter().map(|(_, path)| began(&self.chain, path));
        let begun: Vec<Option<Timestamp>> = begun.collect();
        if !retention::is_calm(&begun, now) {
            tracing::error!(
                "the clock has jumped by days: nothing of the audit is removed for a week"
            );
            return;
        }
        let expired = retention::expired(&begun, now, self.settings.keep_for).min(REMOVED_MAX);
        if expired == 0 {
            return;
        }
        self.anchor.floor = segments[expired].0;
        // What must be there is written down first: whatever a crash leaves is not missed.
        if !self.set_anchor(now) {
            return;
        }
        for (_, path) in &segments[..expired] {
            match std::fs::remove_file(path) {
                Ok(()) => {
                    tracing::info!(segment = %path.display(), "a segment was kept long enough")
                }
                Err(error) => tracing::warn!(error = %error, "an old segment cannot be removed"),
            }
        }
        retention::remove_torn(&self.directory, self.anchor.floor);
        let first = begun[expired..].iter().flatten().min();
        let destroyed = first.map(|first| self.keys.destroy_audit_keys_before(*first));
        if let Some(Err(error)) = destroyed {
            tracing::warn!(error = %error, "a key of segments that are gone is kept");
        }
    }

    /// Writes down in the store, and in the log, how far the chain goes; it is on disk that far.
    pub(super) fn set_anchor(&mut self, now: Timestamp) -> bool {
        self.anchored_at = now;
        if !self.sync(now) {
            return false;
        }
        let anchor = Anchor {
            head: self.head,
            segment: self.segment.first,
            place: self.place,
            floor: self.anchor.floor,
        };
        if let Err(error) = self.store.put_anchor(&anchor.encode()) {
            tracing::warn!(error = %error, "how far the audit goes could not be kept");
            return false;
        }
        self.anchor = anchor;
        tracing::info!(
            target: "argine::audit_anchor",
            sequence = anchor.head.sequence,
            mac = hex(&anchor.head.mac),
            segment = anchor.segment,
            "the audit goes as far as this"
        );
        true
    }
}
