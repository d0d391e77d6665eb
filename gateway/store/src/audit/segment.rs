//! The file that records are written to, with space held ahead of them.
//!
//! # Invariants
//!
//! 1. Under its name a segment has its whole header, and its space: it is made under another name.
//! 2. Bytes go where nothing but zeros was, and until they are synced they are kept here: after any failed
//!    write or sync all of them are written again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::walk::name;

/// By how much the space ahead is made longer at a time: a few milliseconds of writing.
const GROWTH_BYTES: u64 = 1024 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
const UNFINISHED: &str = "next.unfinished";
/// What the name of a file ends with that was kept aside.
pub(super) const TORN: &str = "torn";

/// An open segment.
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    /// Its first record.
    pub(super) first: u64,
    /// Where the next record goes.
    end: u64,
    /// How long the file is: behind `end` are zeros.
    allocated: u64,
    /// What was not synced yet; it ends at `end`.
    unsynced: Vec<u8>,
    /// How much of that was written.
    written: usize,
}

impl Segment {
    /// Makes the segment that begins with `first` and `header`, with `space` behind it.
    pub(super) fn create(
        directory: &Path,
        first: u64,
        header: &[u8],
        space: u64,
    ) -> io::Result<Segment> {
        let unfinished = directory.join(UNFINISHED);
        let path = directory.join(name(first));
        let make = || -> io::Result<Segment> {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)?;
            file.write_all_at(header, 0)?;
            let end = header.len() as u64;
            let mut segment = Segment {
                file,
                path: path.clone(),
                first,
                end,
                allocated: end,
                unsynced: Vec::new(),
                written: 0,
            };
            while segment.ahead() < space {
                segment.grow(space)?;
            }
            segment.file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            let named = File::open(directory).and_then(|directory| directory.sync_all());
            // A segment that nobody writes to would be found empty.
            named.inspect_err(|_| drop(fs::remove_file(&path)))?;
            Ok(segment)
        };
        make().inspect_err(|_| drop(fs::remove_file(&unfinished)))
    }

    /// Goes on in the segment at `path` behind `end`, where nothing follows but zeros, or what is cut away
    /// before anything else. What stands before `end` is on disk then: a kill may have left it in memory only.
    pub(super) fn go_on(path: &Path, first: u64, end: u64) -> io::Result<Segment> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        file.sync_all()?;
        let allocated = file.metadata()?.len();
        Ok(Segment {
            file,
            path: path.to_owned(),
            first,
            end,
            allocated,
            unsynced: Vec::new(),
            written: 0,
        })
    }

    /// Keeps `bytes` of what stands behind its end in a file beside it, for whoever wants to know what a power
    /// cut left; where.
    pub(super) fn keep_aside(&self, bytes: u64) -> io::Result<PathBuf> {
        let aside = self.path.with_extension(format!("{}.{TORN}", self.end));
        let mut from = File::open(&self.path)?;
        from.seek(SeekFrom::Start(self.end))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut to = options.open(&aside)?;
        io::copy(&mut from.take(bytes), &mut to)?;
        to.sync_all()?;
        Ok(aside)
    }

    /// Cuts away what stands behind its end.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        self.file.sync_all()?;
        self.allocated = self.end;
        Ok(())
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is, records and header.
    pub(super) fn length(&self) -> u64 {
        self.end
    }

    /// The space ahead, in bytes.
    pub(super) fn ahead(&self) -> u64 {
        self.allocated.saturating_sub(self.end)
    }

    /// Whether everything is on disk.
    pub(super) fn is_synced(&self) -> bool {
        self.unsynced.is_empty()
    }

    /// Bytes that are not synced.
    pub(super) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// Makes the space ahead longer, by `wanted` or one step; by how much.
    pub(super) fn grow(&mut self, wanted: u64) -> io::Result<u64> {
        let growth = GROWTH_BYTES.min(wanted.max(1));
        let zeros = [0; CHUNK_BYTES];
        let mut at = self.allocated;
        let stop = self.allocated + growth;
        while at < stop {
            // Written, not only named: a hole takes no space.
            let length =
                usize::try_from(stop - at).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            self.file.write_all_at(&zeros[..length], at)?;
            at += length as u64;
        }
        self.allocated = stop;
        Ok(growth)
    }

    /// Takes `bytes` to be written; they must fit into the space ahead.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        assert!(
            bytes.len() as u64 <= self.ahead(),
            "a record is only taken if it has a place"
        );
        self.unsynced.extend_from_slice(bytes);
        self.end += bytes.len() as u64;
    }

    /// Writes what was taken. What a kill leaves of it is whole; a power cut may leave less.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let begin = self.end - self.unsynced.len() as u64;
        let bytes = &self.unsynced[self.written..];
        let written = self.file.write_all_at(bytes, begin + self.written as u64);
        match written {
            Ok(()) => self.written = self.unsynced.len(),
            Err(_) => self.written = 0,
        }
        written
    }

    /// Writes and syncs what was taken.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.write()?;
        // A sync that failed may have dropped what was written.
        self.file.sync_data().inspect_err(|_| self.written = 0)?;
        self.unsynced.clear();
        self.written = 0;
        Ok(())
    }
}
