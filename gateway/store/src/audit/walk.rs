//! Walking over segments, record by record, and the first thing that is wrong.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use policies::time::Timestamp;

use super::chain::{
    Chain, HEADER_LEN, Head, Header, LENGTH_LEN, NOTHING, Sealed, expected, read, record_len,
};
use super::start::Anchor;

/// What the name of a segment ends with; before it stands its first sequence, in twenty digits.
const ENDING: &str = ".audit";
const DIGITS: usize = 20;
/// No chain ever comes so far: a file that is called after a later record was put there.
const SEQUENCE_MAX: u64 = 1 << 62;
/// How much of a segment is read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// The name of the segment that begins with `first`.
pub(super) fn name(first: u64) -> String {
    format!("{first:0DIGITS$}{ENDING}")
}

/// The files of a directory that are called as segments are.
#[derive(Default)]
pub(super) struct Listed {
    /// The segments by the number in their name, in order.
    pub(super) segments: Vec<(u64, PathBuf)>,
    /// Those that can be none.
    pub(super) strange: Vec<Bad>,
}

impl Listed {
    /// The first record of the last one; 0 if there is none.
    pub(super) fn last(&self) -> u64 {
        self.segments.last().map_or(0, |(first, _)| *first)
    }
}

/// The segments of `directory`. None where it is not there.
pub(super) fn list(directory: &Path) -> io::Result<Listed> {
    let mut listed = Listed::default();
    let found = match fs::read_dir(directory) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listed),
        Err(error) => return Err(error),
    };
    for file in found {
        let path = file?.path();
        let called = path.file_name().and_then(|name| name.to_str());
        let digits = called.and_then(|name| name.strip_suffix(ENDING));
        let digits = digits.filter(|digits| digits.len() == DIGITS);
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(first @ 1..=SEQUENCE_MAX) => listed.segments.push((first, path)),
            Some(first) => listed.strange.push(Bad {
                segment: name(first),
                sequence: first,
                offset: 0,
                wrong: Wrong::Name,
            }),
            None => {}
        }
    }
    listed.segments.sort_unstable();
    Ok(listed)
}

/// What is wrong with a chain at its first bad record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The segment cannot be recognised.
    #[error("the head of the segment is not as it was written")]
    Header,
    /// The segment is another than its name says.
    #[error("the segment is under another name than its own")]
    Name,
    /// The segment does not follow the one before it.
    #[error("the segment does not follow the one before it: records between them are missing")]
    Gap,
    /// The chain was found damaged before, and goes on behind it.
    #[error("the chain was broken before this segment")]
    Broken,
    /// What stands there is no record.
    #[error("it is no record: cut off, or overwritten")]
    Garbled,
    /// Another record stands in its place.
    #[error("another record stands in its place: records were taken away, put in or moved")]
    Order,
    /// It was changed, or one before it was.
    #[error("it is not as it was written, or does not follow the one before it")]
    Changed,
    /// There were more records.
    #[error("the chain ends before it: records that were there are missing")]
    Missing,
    /// How far the chain went is kept in the store, and cannot be read there.
    #[error("how far the audit went is damaged in the store")]
    Anchor,
    /// A head that is known from elsewhere is not in the chain.
    #[error(
        "the chain does not have the anchor that is known: it was put back, cut off or replaced"
    )]
    Known,
    /// The store has a write whose record should be in the chain; its sequence is the place of the write.
    #[error("the record of a write that the store has is in no segment")]
    Unrecorded,
}

/// The first bad record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// The file it is in, or should be in.
    pub segment: String,
    /// Which it is, or should be.
    pub sequence: u64,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub wrong: Wrong,
}

/// A segment as far as it can be followed.
#[derive(Debug)]
pub(super) struct Walked {
    /// Its header; none if it cannot be recognised.
    pub(super) header: Option<Header>,
    /// Its last good record.
    pub(super) head: Head,
    /// When that was written.
    pub(super) last_at: Option<Timestamp>,
    /// Where the records end that are good, in bytes.
    pub(super) end: u64,
    /// What stands there instead of the end.
    pub(super) bad: Option<Bad>,
    /// How long that is, up to the zeros at the end.
    pub(super) bad_bytes: u64,
}

impl Walked {
    /// Of a segment that cannot be followed at all.
    fn none(header: Option<Header>, bad: Bad) -> Walked {
        Walked {
            header,
            head: Head {
                sequence: bad.sequence.saturating_sub(1),
                mac: NOTHING,
            },
            last_at: None,
            end: 0,
            bad: Some(bad),
            bad_bytes: 0,
        }
    }
}

impl Walked {
    /// Whether its header is its own: its records were followed.
    pub(super) fn is_followed(&self) -> bool {
        self.end > 0
    }

    /// How many bytes of it are no records, if all of them are behind `anchor`, which must have been met, and
    /// behind every other sync that is known of: only then may they be what a crash left.
    pub(super) fn torn(&self, anchor: &Anchor, is_last: bool) -> Option<u64> {
        let bad = self.bad.as_ref()?;
        let is_behind = bad.sequence > anchor.head.sequence;
        (is_last && is_behind && self.is_followed()).then_some(self.bad_bytes)
    }
}

/// Follows the segment at `path`, which is called after `first`, and shows its header (no record) and each
/// good record to `each`, with the head that the chain has there. A record is in memory at a time.
pub(super) fn walk(
    chain: &Chain,
    first: u64,
    path: &Path,
    mut each: impl FnMut(Option<&Sealed<&[u8]>>, &Head),
) -> io::Result<Walked> {
    let bad = |sequence, at: usize, wrong| Bad {
        segment: name(first),
        sequence,
        offset: at as u64,
        wrong,
    };
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let mut bytes = Vec::new();
    take(&mut file, HEADER_LEN, &mut bytes)?;
    let Some((header, mac)) = Header::decode(chain, &bytes) else {
        return Ok(Walked::none(None, bad(first, 0, Wrong::Header)));
    };
    if header.first != first {
        return Ok(Walked::none(Some(header), bad(first, 0, Wrong::Name)));
    }
    let mut walked = Walked {
        header: Some(header),
        head: Head {
            sequence: first - 1,
            mac,
        },
        last_at: None,
        end: 0,
        bad: None,
        bad_bytes: 0,
    };
    each(None, &walked.head);
    let mut at = HEADER_LEN;
    loop {
        let due = walked.head.sequence + 1;
        let wrong = match next(&mut file, &mut bytes)? {
            false => Wrong::Garbled,
            true => {
                let (record, mac) = read(&bytes);
                let is_next = record.sequence == due;
                if is_next && expected(chain, &walked.head.mac, &bytes) == mac {
                    walked.head = Head { sequence: due, mac };
                    walked.last_at = Some(record.at);
                    each(Some(&record), &walked.head);
                    at += bytes.len();
                    continue;
                }
                if is_next {
                    Wrong::Changed
                } else {
                    Wrong::Order
                }
            }
        };
        // Nothing but zeros up to the end of the file is the space ahead.
        walked.bad_bytes = up_to_zeros(&bytes, &mut file)?;
        walked.bad = (walked.bad_bytes > 0).then(|| bad(due, at, wrong));
        break;
    }
    walked.end = at as u64;
    Ok(walked)
}

/// Reads what may be the next record; whether it is one as far as its length goes.
fn next(file: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.clear();
    take(file, LENGTH_LEN, bytes)?;
    let length = bytes.as_slice().try_into().ok().and_then(record_len);
    let Some(length) = length else {
        return Ok(false);
    };
    take(file, length - LENGTH_LEN, bytes)?;
    Ok(bytes.len() == length)
}

/// Appends the next `wanted` bytes, or as many as there are.
fn take(file: &mut impl Read, wanted: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    file.take(wanted as u64).read_to_end(bytes).map(drop)
}

/// How long `bytes` and the rest of `file` are together without the zeros at their end.
fn up_to_zeros(bytes: &[u8], file: &mut impl Read) -> io::Result<u64> {
    let end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0);
    let mut length = end(bytes).map_or(0, |last| last as u64 + 1);
    let mut at = bytes.len() as u64;
    let mut part = Vec::new();
    loop {
        take(file, BUFFER_BYTES, &mut part)?;
        if part.is_empty() {
            return Ok(length);
        }
        if let Some(last) = end(&part) {
            length = at + last as u64 + 1;
        }
        at += part.len() as u64;
        part.clear();
    }
}
