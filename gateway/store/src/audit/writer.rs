//! The one thread that writes records: what waits together is written together.
//!
//! A round takes what waits, then what the store has of writes, then what was left for it; writes all of it;
//! syncs if somebody waits or a second has passed; and sees to segment, anchor and the space ahead.

mod taking;
mod turn;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use policies::time::Timestamp;
use tokio::sync::oneshot;

use super::chain::{Chain, Head, Header, NODE_BYTES_MAX, Sealed};
use super::inlet::{Inlet, Note};
use super::segment::Segment;
use super::start::{Anchor, Standing, look};
use super::{ANCHOR_EVERY, Found, GATHER_FOR, Record, SYNC_EVERY, Settings, StartError, inbox};
use crate::keys::{KeyId, Keys, RingError};
use crate::sealing::Purpose;
use crate::sqlite::Sqlite;
use crate::sqlite::audit::Rows;

/// Records of writes that are taken on at a time.
const ROWS_MAX: usize = 256;
/// Bytes that are synced at once, whoever waits: what is kept until then is kept in memory.
const UNSYNCED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often a disk that fails, or is full, is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
const DAY_MS: u64 = 86_400_000;

/// Where a sealed record stands; it opens nowhere else.
pub(super) fn place(sequence: u64) -> [u8; 16] {
    let mut place = [0; 16];
    place[8..].copy_from_slice(&sequence.to_be_bytes());
    place
}

/// What records are sealed under: made by the first gateway that keeps an audit here.
fn audit_key(keys: &Keys, now: Timestamp) -> Result<KeyId, RingError> {
    match keys.audit_key() {
        Some(key) => Ok(key),
        None => keys.add_audit_key(now),
    }
}

/// What the thread owns.
pub(super) struct Writer {
    settings: Settings,
    directory: PathBuf,
    chain: Chain,
    keys: Arc<Keys>,
    /// What records are sealed under, until a later segment.
    key: KeyId,
    store: Arc<Sqlite>,
    rows: Rows,
    inlet: Arc<Inlet>,
    segment: Segment,
    /// The day on which the segment was begun.
    day: u64,
    head: Head,
    /// The last write whose record was taken on.
    place: u64,
    /// What the store keeps.
    anchor: Anchor,
    /// Whoever waits for the next sync.
    waiters: Vec<oneshot::Sender<()>>,
    /// Files that were taken on, to be removed after the next sync.
    left: Vec<PathBuf>,
    synced_at: Timestamp,
    anchored_at: Timestamp,
    /// When something was written or synced last, or was tried to be.
    tried_at: Timestamp,
    /// When the space ahead could not be made longer.
    grew_at: Timestamp,
    /// When no segment could be begun.
    rolled_at: Timestamp,
    /// When the store could not be asked, or there was no room for what it has.
    asked_at: Timestamp,
    /// When it was last looked for what commands have left.
    looked_at: Timestamp,
    is_failing: bool,
    /// Whether there is no space for the reserve.
    is_short: bool,
    /// Whether the records of writes wait for the store or for room.
    is_held_up: bool,
    has_accounts: bool,
}

impl Writer {
    /// Goes on where the chain ends, and writes what the store has beyond it.
    pub(super) fn open(
        settings: Settings,
        store: Arc<Sqlite>,
        inlet: Arc<Inlet>,
    ) -> Result<(Writer, Found), StartError> {
        assert!(
            settings.node.len() <= NODE_BYTES_MAX,
            "a node has a short name"
        );
        let directory = settings.segments();
        crate::sqlite::start::create_directory(&directory).map_err(StartError::Store)?;
        let keys = Arc::clone(store.keys());
        let chain = Chain::new(&keys);
        let rows = store.audit_rows().map_err(StartError::Store)?;
        let standing = look(&directory, &chain, &keys, &rows)?;
        let now = settings.clock.now();
        if standing.is_first {
            // Before a key or a segment says that there is an audit.
            put_first_anchor(&store)?;
        }
        let begun = segment_at(&settings, &directory, &chain, &standing, now);
        let (segment, head) = begun.map_err(|source| StartError::File {
            path: directory.clone(),
            source,
        })?;
        inlet.add_room(segment.ahead());
        let mut writer = Writer {
            directory,
            chain,
            key: audit_key(&keys, now)?,
            keys,
            store,
            rows,
            inlet,
            segment,
            day: standing.segment.map_or(now, |open| open.began).0 / DAY_MS,
            head,
            place: standing.place,
            anchor: standing.anchor,
            waiters: Vec::new(),
            left: Vec::new(),
            synced_at: now,
            anchored_at: Timestamp(0),
            tried_at: Timestamp(0),
            grew_at: Timestamp(0),
            rolled_at: Timestamp(0),
            asked_at: Timestamp(0),
            looked_at: Timestamp(0),
            is_failing: false,
            is_short: false,
            is_held_up: false,
            has_accounts: true,
            settings,
        };
        say(&standing.found);
        writer.make_room(now);
        writer.round(Vec::new(), now);
        // A chain that goes on behind damage is anchored before anything is taken.
        thread::scope(|scope| scope.spawn(|| writer.set_anchor(now)).join())
            .expect("an anchor is set or refused");
        // The first record of a run is anchored at once.
        writer.anchored_at = Timestamp(0);
        Ok((writer, standing.found))
    }

    pub(super) fn run(mut self) {
        loop {
            let taken = self.inlet.gathered(GATHER_FOR);
            let now = self.settings.clock.now();
            self.has_accounts |= taken.accounts;
            let asks = self.has_accounts && self.may_ask(now);
            let is_quiet = taken.notes.is_empty() && !asks;
            self.roll_if_due(now);
            self.round(taken.notes, now);
            let due = now.since(self.synced_at) >= SYNC_EVERY;
            if due || !self.waiters.is_empty() || self.segment.unsynced() > UNSYNCED_BYTES_MAX {
                self.sync(now);
            }
            self.make_room(now);
            if now.since(self.anchored_at) >= ANCHOR_EVERY && self.head != self.anchor.head {
                self.set_anchor(now);
            }
            if !taken.closing.is_empty() {
                self.finish(now);
                drop(taken.closing);
                return;
            }
            if is_quiet {
                self.inlet.idle(SYNC_EVERY);
            }
        }
    }

    /// Takes `notes`, what the store has, and what was left; and writes all of it.
    fn round(&mut self, notes: Vec<Note>, now: Timestamp) {
        let mut written = notes.len() as u64;
        for note in notes {
            self.push(note.at, &note.record, 0, [0; 16]);
            self.waiters.extend(note.done);
        }
        written += self.accounts(now);
        written += self.inbox(now);
        if self.segment.is_synced() {
            return;
        }
        self.inlet.wrote(written);
        if self.may_try(now) {
            let wrote = self.segment.write();
            self.tried(wrote, now);
        }
    }

    /// Appends `record` to the segment, in which it has its place.
    fn push(&mut self, at: Timestamp, record: &Record, place_of_entry: u64, entry: [u8; 16]) {
        let sequence = self.head.sequence + 1;
        let (person, body) = record.parts();
        // Nothing that is short enough to be taken is too long to be sealed.
        let sealed = self
            .keys
            .seal_audit(self.key, place(sequence), body)
            .expect("a record is short, and there is randomness");
        let sealed = Sealed {
            sequence,
            at,
            place: place_of_entry,
            entry,
            person: person.map(|person| self.keys.sealer().digest(Purpose::Audit, &[person])),
            sealed,
        };
        let mut bytes = Vec::new();
        let mac = sealed.encode(&self.chain, &self.head.mac, &mut bytes);
        self.segment.push(&bytes);
        self.head = Head { sequence, mac };
    }

    fn may_try(&self, now: Timestamp) -> bool {
        !self.is_failing || now.since(self.tried_at) >= RETRY_EVERY
    }

    /// Whether `tried` went well; and notes it if that has changed.
    fn tried(&mut self, tried: io::Result<()>, now: Timestamp) -> bool {
        self.tried_at = now;
        let is_failing = tried.is_err();
        if let Err(error) = &tried
            && !self.is_failing
        {
            tracing::error!(error = %error, "records of the audit cannot be written");
        }
        if self.is_failing != is_failing {
            self.is_failing = is_failing;
            self.inlet.fails(is_failing);
        }
        !is_failing
    }

    /// Syncs what was written, and tells whoever waits for it.
    fn sync(&mut self, now: Timestamp) -> bool {
        if self.segment.is_synced() {
            self.synced_at = now;
        } else if self.may_try(now) {
            let synced = self.segment.sync();
            if !self.tried(synced, now) {
                return false;
            }
            self.synced_at = now;
        } else {
            return false;
        }
        for waiter in self.waiters.drain(..) {
            // Whoever waited may have left.
            let _left = waiter.send(());
        }
        inbox::remove(self.left.drain(..));
        true
    }

    /// Holds as much space ahead as it should, or as there is.
    fn make_room(&mut self, now: Timestamp) {
        let wanted = self.settings.reserve_bytes;
        while self.inlet.room() < wanted {
            if self.is_short && now.since(self.grew_at) < RETRY_EVERY {
                return;
            }
            match self.segment.grow(wanted) {
                Ok(growth) => self.inlet.add_room(growth),
                Err(error) => {
                    if !self.is_short {
                        tracing::warn!(error = %error, "the audit has its reserve only");
                    }
                    self.is_short = true;
                    self.grew_at = now;
                    return;
                }
            }
        }
        self.is_short = false;
    }

    fn finish(mut self, now: Timestamp) {
        self.has_accounts = true;
        // Whatever was tried a moment ago is tried once more.
        self.tried_at = Timestamp(0);
        self.asked_at = Timestamp(0);
        self.looked_at = Timestamp(0);
        self.round(Vec::new(), now);
        if !self.sync(now) || !self.set_anchor(now) {
            tracing::error!("the audit ends without all of its records on disk");
        }
    }
}

/// Writes down that there is an audit. A thread of its own may wait for the store, whoever opens it.
fn put_first_anchor(store: &Sqlite) -> Result<(), StartError> {
    let put = || store.put_anchor(&Anchor::NONE.encode());
    let put = thread::scope(|scope| scope.spawn(put).join());
    match put {
        Ok(Ok(())) => Ok(()),
        _ => Err(StartError::Unanchored),
    }
}

/// The segment that the chain goes on in, and the head it has there: the open one without what is torn,
/// or a new one.
fn segment_at(
    settings: &Settings,
    directory: &Path,
    chain: &Chain,
    standing: &Standing,
    now: Timestamp,
) -> io::Result<(Segment, Head)> {
    let Some(open) = &standing.segment else {
        let (header, mac) = next_header(settings, standing, now).encode(chain);
        let first = standing.head.sequence + 1;
        let segment = Segment::create(directory, first, &header, settings.reserve_bytes)?;
        let head = Head {
            mac,
            ..standing.head
        };
        return Ok((segment, head));
    };
    let mut segment = Segment::go_on(&open.path, open.first, open.end)?;
    if standing.found.torn_bytes > 0 {
        keep_aside(&segment, standing.found.torn_bytes);
        segment.cut()?;
    }
    Ok((segment, standing.head))
}

/// Keeps what a power cut left of the last records. It is cut away all the same: a full disk stops no start.
fn keep_aside(segment: &Segment, bytes: u64) {
    match segment.keep_aside(bytes) {
        Ok(path) => tracing::warn!(file = %path.display(), "what is cut away is kept aside"),
        Err(error) => tracing::error!(error = %error, "what is cut away cannot be kept aside"),
    }
}

/// The header of the segment that goes on where `standing` says.
fn next_header(settings: &Settings, standing: &Standing, now: Timestamp) -> Header {
    Header {
        node: settings.node.clone(),
        first: standing.head.sequence + 1,
        at: now,
        previous: standing.head.mac,
        broken: standing.broken,
    }
}

/// Says what a start has found.
fn say(found: &Found) {
    if found.torn_bytes > 0 {
        let bytes = found.torn_bytes;
        tracing::warn!(
            bytes,
            "what stood behind the last records of the audit was cut away, as a crash leaves it"
        );
    }
    if let Some(bad) = &found.bad {
        tracing::error!(
            segment = bad.segment,
            sequence = bad.sequence,
            offset = bad.offset,
            wrong = %bad.wrong,
            "the audit is damaged: see `argine audit verify`"
        );
    }
}
