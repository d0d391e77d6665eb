//! Reading records back, for whoever has a right to know.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use engine::ports::EntryId;
use policies::failure::Opaque;
use policies::time::Timestamp;
use uuid::Uuid;

use super::chain::{Chain, HEADER_LEN, Next, Sealed, next};
use super::walk::list;
use super::writer::place;
use super::{DIRECTORY, chain};
use crate::keys::{Keys, RingError};
use crate::sealing::{Digest, Key, Purpose};
use crate::sqlite::OpenError;
use crate::sqlite::audit::Rows;

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
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
    /// Places where something stands that cannot be read: the list has gaps.
    pub damaged: u64,
}

/// Shows every record between `from` and `to` to `each`, with the names of all entries of `person`: a record
/// about several entries says so itself.
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
    let directory = directory.join(DIRECTORY);
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source: io::Error| ExportError::File { path, source }
    };
    let mut exported = Exported::default();
    for (_, path) in list(&directory).map_err(failed(&directory))? {
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let shown = segment(&Chain::new(&keys), &bytes, |record| {
            exported.records += 1;
            if record.at < from || record.at >= to {
                return true;
            }
            let Some(seen) = open(&keys, &digest, &entries, record) else {
                return false;
            };
            each(seen, &entries);
            true
        });
        exported.damaged += shown;
    }
    Ok(exported)
}

/// Shows every record of a segment as far as it can be followed, which says whether it could be read; how
/// many places could not.
fn segment(chain: &Chain, bytes: &[u8], mut each: impl FnMut(&Sealed<&[u8]>) -> bool) -> u64 {
    let mut damaged = u64::from(chain::Header::decode(chain, bytes).is_none());
    let mut at = HEADER_LEN;
    loop {
        match next(bytes.get(at..).unwrap_or_default()) {
            Next::Record(record, _, taken) => {
                damaged += u64::from(!each(&record));
                at += taken;
            }
            Next::End => return damaged,
            Next::Garbled => return damaged + 1,
        }
    }
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
