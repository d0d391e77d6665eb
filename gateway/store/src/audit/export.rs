//! Reading records back, for whoever has a right to know.

use std::collections::HashSet;
use std::path::Path;

use engine::ports::EntryId;
use policies::failure::Opaque;
use policies::time::Timestamp;
use uuid::Uuid;

use super::chain::Sealed;
use super::verify::{VerifyError, follow};
use super::writer::place;
use crate::keys::{Keys, RingError};
use crate::sealing::{Digest, Key, Purpose};
use crate::sqlite::OpenError;
use crate::sqlite::audit::Rows;

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The chain cannot be followed.
    #[error(transparent)]
    Chain(#[from] VerifyError),
    /// The keys of the store cannot be used.
    #[error(transparent)]
    Keys(#[from] RingError),
    /// The database cannot be read.
    #[error("the store cannot be read")]
    Store(#[source] OpenError),
    /// What it has of the person cannot be read.
    #[error("the entries of the person cannot be read")]
    Rows(#[source] rusqlite::Error),
}

/// One record that may be about the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its place in the chain.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The write that it is of.
    pub entry: Option<EntryId>,
    /// Whether it names the person, or is of a write about them.
    pub is_theirs: bool,
    /// What it says.
    pub body: Opaque,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Records that were read.
    pub records: u64,
    /// Places where the chain is bad, or a record cannot be read: the list has gaps.
    pub damaged: u64,
}

/// Shows every record between `from` and `to` that is as it was written to `each`, with the names of all
/// entries of `person`.
///
/// A record about several entries says so itself. One record is in memory at a time.
///
/// # Errors
///
/// Where files cannot be read.
pub fn export(
    directory: &Path,
    key: &Key,
    person: &[u8],
    (from, to): (Timestamp, Timestamp),
    mut each: impl FnMut(Seen, &HashSet<[u8; 16]>),
) -> Result<Exported, ExportError> {
    let keys = Keys::look(directory, key)?;
    let sealer = keys.sealer();
    let rows = Rows::open(directory).map_err(ExportError::Store)?;
    let entries: HashSet<[u8; 16]> = rows
        .entries_of(&sealer, person)
        .map_err(ExportError::Rows)?
        .into_iter()
        .collect();
    let digest = sealer.digest(Purpose::Audit, &[person]);
    let mut exported = Exported::default();
    let followed = follow(directory, &keys, None, |record| {
        exported.records += 1;
        if record.at < from || record.at >= to {
            return;
        }
        match open(&keys, &digest, &entries, record) {
            Some(seen) => each(seen, &entries),
            None => exported.damaged += 1,
        }
    });
    exported.damaged += followed?.bad_places;
    Ok(exported)
}

fn open(
    keys: &Keys,
    digest: &Digest,
    entries: &HashSet<[u8; 16]>,
    record: &Sealed<&[u8]>,
) -> Option<Seen> {
    let body = keys
        .open_audit(place(record.sequence), record.sealed)
        .ok()?;
    let is_write = record.place > 0;
    Some(Seen {
        sequence: record.sequence,
        at: record.at,
        entry: is_write.then(|| EntryId(Uuid::from_bytes(record.entry))),
        is_theirs: record.person.as_ref() == Some(digest)
            || is_write && entries.contains(&record.entry),
        body,
    })
}
