//! Looks at the files of a store before SQLite does, and finds losses that SQLite would pass over
//! in silence.
//!
//! SQLite takes a missing write-ahead log for an empty one, and a damaged one for one that ends
//! where the damage begins: after a crash that is how committed rows vanish without a word. It
//! extends a database that was cut short with zeros.
//!
//! # Invariants
//!
//! 1. A store that was open before has its database; one that was not closed in order has its log,
//!    with a whole header.
//! 2. No committed transaction stands in the log behind a damaged frame. A crash can tear only the
//!    last transaction, the one that was not synced yet, so there is at most one commit behind the
//!    first bad frame: two prove a loss. (The log is emptied at every open, so no older leftovers
//!    lie there; a transaction refused for lack of space leaves no commit behind.)
//! 3. Every page the database should have is in the file or in the log.
//!
//! # Not here
//!
//! A log whose tail was cut off between two transactions looks like one that ended there. Only a
//! record outside of the store can tell.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::OpenError;
use super::guard::Left;

const DATABASE_HEADER_LEN: usize = 100;
const HEADER_LEN: usize = 32;
const FRAME_HEADER_LEN: usize = 24;
/// The last bit says in which byte order checksums are counted.
const MAGIC: u32 = 0x377f_0682;
const FORMAT: u32 = 3_007_000;
/// SQLite never stores anything in the page that holds this byte: file locks live there.
const LOCK_BYTE: u64 = 0x4000_0000;
/// One commit behind a bad frame is a torn transaction that nobody was promised; two are a loss.
const COMMITS_TORN_MAX: u32 = 1;

/// Where the files of a store are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) database: PathBuf,
    pub(super) log: PathBuf,
}

impl Files {
    pub(super) fn of(directory: &Path) -> Files {
        Files {
            database: directory.join("entries.db"),
            log: directory.join("entries.db-wal"),
        }
    }

    /// Refuses files that have lost something.
    pub(super) fn check(&self, left: Left) -> Result<(), OpenError> {
        let database = length(&self.database)?;
        let log = length(&self.log)?;
        if database == 0 {
            return if left == Left::New && log == 0 {
                Ok(())
            } else {
                Err(OpenError::DatabaseGone {
                    path: self.database.clone(),
                })
            };
        }
        if left == Left::Open && log == 0 {
            return Err(OpenError::LogGone {
                path: self.log.clone(),
            });
        }
        let Some(page_size) = self.page_size()? else {
            return Err(OpenError::Foreign {
                path: self.database.clone(),
            });
        };
        let pages_in_file = database / u64::from(page_size);
        let logged = if log == 0 {
            Logged::default()
        } else {
            self.scan(page_size, pages_in_file, left)?
        };
        self.check_pages(page_size, pages_in_file, &logged)
    }

    /// Invariant 3.
    fn check_pages(&self, page_size: u32, in_file: u64, logged: &Logged) -> Result<(), OpenError> {
        let needed = match logged.pages {
            Some(pages) => pages,
            None => self.pages_in_header()?.unwrap_or(0),
        };
        let lock_page = LOCK_BYTE / u64::from(page_size) + 1;
        let missing = (in_file + 1..=u64::from(needed))
            .any(|page| page != lock_page && !logged.beyond.contains(&page));
        if missing {
            return Err(OpenError::Truncated {
                path: self.database.clone(),
            });
        }
        Ok(())
    }

    fn database_header(&self) -> Result<Option<[u8; DATABASE_HEADER_LEN]>, OpenError> {
        let mut header = [0; DATABASE_HEADER_LEN];
        let file = File::open(&self.database).map_err(|source| OpenError::File {
            path: self.database.clone(),
            source,
        })?;
        match BufReader::new(file).read_exact(&mut header) {
            Ok(()) if header.starts_with(b"SQLite format 3\0") => Ok(Some(header)),
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(source) => Err(OpenError::File {
                path: self.database.clone(),
                source,
            }),
        }
    }

    fn page_size(&self) -> Result<Option<u32>, OpenError> {
        Ok(self.database_header()?.and_then(|header| {
            match u16::from_be_bytes([header[16], header[17]]) {
                1 => Some(65_536),
                size if size >= 512 && size.is_power_of_two() => Some(u32::from(size)),
                _ => None,
            }
        }))
    }

    /// How many pages the database's own header speaks of; `None` where it says it is out of date.
    fn pages_in_header(&self) -> Result<Option<u32>, OpenError> {
        Ok(self
            .database_header()?
            .filter(|header| header[24..28] == header[92..96])
            .map(|header| word(&header, 28)))
    }

    /// Invariants 1 and 2.
    fn scan(&self, page_size: u32, in_file: u64, left: Left) -> Result<Logged, OpenError> {
        let failed = |source| OpenError::File {
            path: self.log.clone(),
            source,
        };
        let damaged = || OpenError::LogDamaged {
            path: self.log.clone(),
        };
        let mut log = BufReader::new(File::open(&self.log).map_err(failed)?);
        let mut header = [0; HEADER_LEN];
        if !read_whole(&mut log, &mut header).map_err(failed)? {
            // Shorter than a header: the very first write was torn, before anything was promised.
            return match left {
                Left::Open => Err(damaged()),
                Left::New | Left::Closed => Ok(Logged::default()),
            };
        }
        let mut checksum = Checksum::start(&header).ok_or_else(damaged)?;
        if word(&header, 8) != page_size {
            return Err(damaged());
        }
        let salts = &header[16..24];
        let mut frame = vec![0; FRAME_HEADER_LEN + page_size as usize];
        let mut logged = Logged::default();
        let mut uncommitted = Vec::new();
        let mut torn = false;
        let mut commits_torn = 0;
        while read_whole(&mut log, &mut frame).map_err(failed)? {
            let ours = &frame[8..16] == salts;
            let commit = word(&frame, 4);
            torn = torn || !ours || !checksum.accepts(&frame);
            if torn {
                commits_torn += u32::from(ours && commit != 0);
                continue;
            }
            uncommitted.push(u64::from(word(&frame, 0)));
            if commit != 0 {
                logged.pages = Some(commit);
                let beyond = uncommitted.drain(..).filter(|page| *page > in_file);
                logged.beyond.extend(beyond);
            }
        }
        if commits_torn > COMMITS_TORN_MAX {
            return Err(damaged());
        }
        Ok(logged)
    }
}

/// What the log adds to the database.
#[derive(Debug, Default)]
struct Logged {
    /// How many pages the database has after its last commit.
    pages: Option<u32>,
    /// The committed pages that lie past the end of the database's file.
    beyond: BTreeSet<u64>,
}

/// The running checksum of a log (SQLite's file format, section 4.2).
struct Checksum {
    big_endian: bool,
    sums: (u32, u32),
}

impl Checksum {
    /// The checksum behind `header`; `None` if the header is not whole.
    fn start(header: &[u8; HEADER_LEN]) -> Option<Checksum> {
        let magic = word(header, 0);
        if magic & !1 != MAGIC || word(header, 4) != FORMAT {
            return None;
        }
        let mut checksum = Checksum {
            big_endian: magic & 1 == 1,
            sums: (0, 0),
        };
        checksum.add(&header[..24]);
        (checksum.sums == (word(header, 24), word(header, 28))).then_some(checksum)
    }

    /// Whether `frame` continues what came before.
    fn accepts(&mut self, frame: &[u8]) -> bool {
        self.add(&frame[..8]);
        self.add(&frame[FRAME_HEADER_LEN..]);
        self.sums == (word(frame, 16), word(frame, 20))
    }

    fn add(&mut self, bytes: &[u8]) {
        let (mut first, mut second) = self.sums;
        for pair in bytes.chunks_exact(8) {
            let (left, right) = if self.big_endian {
                (word(pair, 0), word(pair, 4))
            } else {
                (word(pair, 0).swap_bytes(), word(pair, 4).swap_bytes())
            };
            first = first.wrapping_add(left).wrapping_add(second);
            second = second.wrapping_add(right).wrapping_add(first);
        }
        self.sums = (first, second);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn length(path: &Path) -> Result<u64, OpenError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(OpenError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Fills `buffer`; false at the end of the file.
fn read_whole(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
