//! Walking over segments, record by record, and the first thing that is wrong.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use policies::time::Timestamp;

use super::chain::{Chain, HEADER_LEN, Head, Header, NOTHING, Next, Sealed, expected, next};

/// What the name of a segment ends with; before it stands its first sequence, in twenty digits.
const ENDING: &str = ".audit";
const DIGITS: usize = 20;

/// The name of the segment that begins with `first`.
pub(super) fn name(first: u64) -> String {
    format!("{first:0DIGITS$}{ENDING}")
}

/// The segments of `directory` by the number in their name, in order. None where it is not there.
pub(super) fn list(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let found = match fs::read_dir(directory) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut segments = Vec::new();
    for file in found {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let digits = name.and_then(|name| name.strip_suffix(ENDING));
        let digits = digits.filter(|digits| digits.len() == DIGITS);
        if let Some(first) = digits.and_then(|digits| digits.parse().ok()) {
            segments.push((first, path));
        }
    }
    segments.sort_unstable();
    Ok(segments)
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
    /// How long that is, if it is half a record and nothing behind it, as a crash leaves it.
    pub(super) torn_bytes: Option<u64>,
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
            torn_bytes: None,
        }
    }
}

/// Follows the segment `bytes`, which is called after `first`, and shows its header (no record) and each
/// good record to `each`, with the head that the chain has there.
pub(super) fn walk(
    chain: &Chain,
    first: u64,
    bytes: &[u8],
    mut each: impl FnMut(Option<&Sealed<&[u8]>>, &Head),
) -> Walked {
    let bad = |sequence, at: usize, wrong| Bad {
        segment: name(first),
        sequence,
        offset: at as u64,
        wrong,
    };
    let Some((header, mac)) = Header::decode(chain, bytes) else {
        return Walked::none(None, bad(first, 0, Wrong::Header));
    };
    if header.first != first {
        return Walked::none(Some(header), bad(first, 0, Wrong::Name));
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
        torn_bytes: None,
    };
    each(None, &walked.head);
    let mut at = HEADER_LEN;
    loop {
        let due = walked.head.sequence + 1;
        let wrong = match next(&bytes[at..]) {
            Next::End => break,
            Next::Garbled => Wrong::Garbled,
            Next::Record(record, mac, taken) => {
                let is_next = record.sequence == due;
                if is_next && expected(chain, &walked.head.mac, &bytes[at..at + taken]) == mac {
                    walked.head = Head { sequence: due, mac };
                    walked.last_at = Some(record.at);
                    each(Some(&record), &walked.head);
                    at += taken;
                    continue;
                }
                // A write that was cut short has left its end as it was before: zeros.
                let unwritten = &bytes[at + taken - 1..];
                let is_torn = unwritten.iter().all(|byte| *byte == 0);
                walked.torn_bytes = is_torn.then_some(taken as u64);
                if is_next {
                    Wrong::Changed
                } else {
                    Wrong::Order
                }
            }
        };
        walked.bad = Some(bad(due, at, wrong));
        break;
    }
    walked.end = at as u64;
    walked
}
