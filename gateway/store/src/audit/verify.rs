//! Whether the chain is as it was written: offline, or beside a gateway that writes to it.
//!
//! What is kept in one place can be put back to what it was before, all of it, and then nothing in it shows
//! that. A head that was copied from the log elsewhere does ([`Known`]).

mod following;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use policies::time::Timestamp;

use super::StartError;
use super::chain::Head;
use super::walk::Bad;
use crate::keys::{Keys, RingError};
use crate::sealing::Key;
use crate::sqlite::OpenError;
pub(super) use following::follow;

/// Bad places that are told of, of those that are counted.
pub const BAD_MAX: usize = 100;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Good records.
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
    /// Bytes behind the last anchor that are no whole records: they are being written, or a crash left them.
    pub unfinished_bytes: u64,
    /// The first bad place.
    pub bad: Option<Bad>,
    /// The others, [`BAD_MAX`] at most: the first of each segment, since a chain is followed no further.
    pub also_bad: Vec<Bad>,
    /// How many there are, the first one too.
    pub bad_places: u64,
}

/// A head of the chain that is known from elsewhere: from a line of the log (`argine::audit_anchor`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    sequence: u64,
    mac: String,
}

impl Known {
    fn is(&self, head: &Head) -> bool {
        self.sequence == head.sequence && self.mac == hex(&head.mac)
    }
}

/// It is not `SEQUENCE:MAC`, as in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be SEQUENCE:MAC, as a line of the log says: a number, and 64 hexadecimal digits")]
pub struct NotKnown;

impl FromStr for Known {
    type Err = NotKnown;

    fn from_str(text: &str) -> Result<Known, NotKnown> {
        let (sequence, mac) = text.split_once(':').ok_or(NotKnown)?;
        let is_mac = mac.len() == 64 && mac.bytes().all(|digit| digit.is_ascii_hexdigit());
        let sequence = sequence.parse().ok().filter(|_| is_mac);
        Ok(Known {
            sequence: sequence.ok_or(NotKnown)?,
            mac: mac.to_ascii_lowercase(),
        })
    }
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
    /// What it has of writes cannot be read.
    #[error("the writes of the store cannot be read")]
    Rows(#[source] rusqlite::Error),
    /// What it keeps of the audit cannot be read.
    #[error("how far the audit goes cannot be told")]
    Anchor(#[source] StartError),
    /// The head that is known is of a record that was removed, since its time was over.
    #[error("the known anchor is older than what is kept: take a later one")]
    KnownTooOld,
}

/// Follows the whole chain beside the store in `directory`, which should have the head `known`.
///
/// # Errors
///
/// Where files cannot be read; a chain that is damaged is no error ([`Verified::bad`]).
pub fn verify(directory: &Path, key: &Key, known: Option<&Known>) -> Result<Verified, VerifyError> {
    let once = || follow(directory, &Keys::look(directory, key)?, known, |_| ());
    match once() {
        Ok(verified) if verified.bad.is_none() => Ok(verified),
        // A gateway that runs may have written, begun or removed a segment meanwhile: what is bad stays so.
        _ => once(),
    }
}

/// `mac` as people compare it.
pub(super) fn hex(mac: &[u8]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}
