//! Whether the chain is as it was written: offline, or beside a gateway that writes to it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use policies::time::Timestamp;

use super::chain::{Chain, HEADER_LEN, Head, Header, NOTHING};
use super::start::Anchor;
use super::walk::{Bad, Walked, Wrong, list, name, walk};
use super::{DIRECTORY, StartError};
use crate::keys::{Keys, RingError};
use crate::sealing::Key;
use crate::sqlite::OpenError;
use crate::sqlite::audit::Rows;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Good records, up to the first bad one.
    pub records: u64,
    /// Segments that were looked at.
    pub segments: u64,
    /// When the first record was written.
    pub first_at: Option<Timestamp>,
    /// When the last good one was.
    pub last_at: Option<Timestamp>,
    /// The sequence of the last good one.
    pub head: u64,
    /// Its mac, in hexadecimal: what the log calls an anchor.
    pub mac: String,
    /// Bytes of half a record at the end, which is being written, or was when the gateway was killed.
    pub unfinished_bytes: u64,
    /// The first bad record.
    pub bad: Option<Bad>,
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The keys of the store cannot be used.
    #[error(transparent)]
    Keys(#[from] RingError),
    /// The database cannot be read.
    #[error("the store cannot be read")]
    Store(#[source] OpenError),
    /// What it keeps of the audit cannot be read.
    #[error("how far the audit goes cannot be told")]
    Anchor(#[source] StartError),
}

/// Follows the whole chain beside the store in `directory`.
///
/// # Errors
///
/// Where files cannot be read; a chain that is damaged is no error ([`Verified::bad`]).
pub fn verify(directory: &Path, key: &Key) -> Result<Verified, VerifyError> {
    let keys = Keys::look(directory, key)?;
    let chain = Chain::new(&keys);
    // The anchor first: beside a running gateway the chain only gets longer.
    let rows = Rows::open(directory).map_err(VerifyError::Store)?;
    let anchor = Anchor::read(&rows, &keys.sealer()).map_err(VerifyError::Anchor)?;
    let anchor = anchor.unwrap_or(Anchor::NONE);
    let directory = directory.join(DIRECTORY);
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source: io::Error| VerifyError::File { path, source }
    };
    let segments = list(&directory).map_err(failed(&directory))?;
    let mut looking = Looking {
        anchor,
        met_anchor: anchor.head.sequence == 0,
        head: None,
        verified: Verified::default(),
    };
    let last = segments.len().saturating_sub(1);
    for (index, (first, path)) in segments.iter().enumerate() {
        let bytes = fs::read(path).map_err(failed(path))?;
        looking.segment(&chain, *first, &bytes, index == last);
        if looking.verified.bad.is_some() {
            break;
        }
    }
    Ok(looking.end(segments.last().map_or(0, |(first, _)| *first)))
}

struct Looking {
    anchor: Anchor,
    met_anchor: bool,
    /// Of the segment before.
    head: Option<Head>,
    verified: Verified,
}

impl Looking {
    fn segment(&mut self, chain: &Chain, first: u64, bytes: &[u8], is_last: bool) {
        let (mut met, mut records) = (self.met_anchor, 0);
        let (anchored, mut first_at) = (self.anchor.head, self.verified.first_at);
        let walked = walk(chain, first, bytes, |record, head| {
            met |= *head == anchored;
            if let Some(record) = record {
                records += 1;
                first_at = first_at.or(Some(record.at));
            }
        });
        self.met_anchor = met;
        self.verified.segments += 1;
        self.verified.first_at = first_at;
        let follows = self.follows(first, &walked);
        if let Some(wrong) = follows {
            self.verified.bad = Some(Bad {
                segment: name(first),
                sequence: self
                    .head
                    .map_or(self.anchor.floor, |head| head.sequence + 1),
                offset: 0,
                wrong,
            });
            return;
        }
        self.verified.records += records;
        self.head = Some(walked.head);
        self.verified.head = walked.head.sequence;
        self.verified.mac = hex(&walked.head.mac);
        self.verified.last_at = walked.last_at.or(self.verified.last_at);
        let torn = walked.torn_bytes.filter(|_| is_last && met);
        match torn {
            Some(bytes) => self.verified.unfinished_bytes = bytes,
            None => self.verified.bad = walked.bad,
        }
    }

    /// What is wrong with where the segment stands, if something is.
    fn follows(&self, first: u64, walked: &Walked) -> Option<Wrong> {
        let header = walked.header.as_ref()?;
        if header.first != first {
            return Some(Wrong::Name);
        }
        let (due, previous) = match self.head {
            Some(head) => (head.sequence + 1, Some(head.mac)),
            // Those before it were kept long enough, or are still there because a crash came between.
            None if first <= self.anchor.floor => (first, Some(NOTHING).filter(|_| first == 1)),
            None => (self.anchor.floor, None),
        };
        if header.broken {
            return Some(Wrong::Broken);
        }
        let is_next = first == due && previous.is_none_or(|previous| header.previous == previous);
        (!is_next).then_some(Wrong::Gap)
    }

    fn end(mut self, last: u64) -> Verified {
        let misses = !self.met_anchor || self.anchor.segment > last;
        if self.verified.bad.is_none() && misses {
            self.verified.bad = Some(Bad {
                segment: name(self.anchor.segment.max(last)),
                sequence: (self.verified.head + 1).min(self.anchor.head.sequence.max(1)),
                offset: 0,
                wrong: Wrong::Missing,
            });
        }
        self.verified
    }
}

/// When the segment at `path` was begun, if that can be told.
pub(super) fn began(chain: &Chain, path: &Path) -> Option<Timestamp> {
    let mut bytes = Vec::with_capacity(HEADER_LEN);
    let file = File::open(path).ok()?;
    file.take(HEADER_LEN as u64).read_to_end(&mut bytes).ok()?;
    Header::decode(chain, &bytes).map(|(header, _)| header.at)
}

/// `mac` as people compare it.
pub(super) fn hex(mac: &[u8]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}
