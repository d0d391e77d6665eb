//! Where a chain goes on: how far it goes on disk, and whether that is as far as it went.

use std::io;
use std::path::{Path, PathBuf};

use policies::failure::Opaque;
use policies::time::Timestamp;

use super::chain::{Chain, Head, Mac, NOTHING};
use super::walk::{Bad, Listed, Walked, Wrong, list, name, walk};
use super::{Found, StartError};
use crate::keys::Keys;
use crate::sqlite::audit::Rows;

/// How far a chain went, as the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    /// How far the chain went.
    pub(super) head: Head,
    /// The segment it was in.
    pub(super) segment: u64,
    /// The last write whose record was taken on, by its place in the order of events.
    pub(super) place: u64,
    /// The first record that must be there: earlier ones were removed, their time was over.
    pub(super) floor: u64,
}

impl Anchor {
    const LEN: usize = 8 + 32 + 8 + 8 + 8;
    /// Before there was one.
    pub(super) const NONE: Anchor = Anchor {
        head: Head {
            sequence: 0,
            mac: NOTHING,
        },
        segment: 0,
        place: 0,
        floor: 1,
    };

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Anchor::LEN);
        bytes.extend_from_slice(&self.head.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.head.mac);
        for number in [self.segment, self.place, self.floor] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &Opaque) -> Option<Anchor> {
        let bytes: &[u8; Anchor::LEN] = bytes.0.as_slice().try_into().ok()?;
        let number = |at: usize| {
            let bytes = bytes[at..at + 8].try_into().expect("it is cut to 8 bytes");
            u64::from_be_bytes(bytes)
        };
        let mac: Mac = bytes[8..40].try_into().expect("it is cut to 32 bytes");
        Some(Anchor {
            head: Head {
                sequence: number(0),
                mac,
            },
            segment: number(40),
            place: number(48),
            floor: number(56),
        })
    }
}

/// What the store keeps of how far a chain went.
pub(super) struct Kept {
    anchor: Option<Anchor>,
    is_damaged: bool,
    /// Whether the ring has a key of the audit: it is made once there is an anchor.
    has_key: bool,
}

impl Kept {
    pub(super) fn read(rows: &Rows, keys: &Keys) -> Result<Kept, StartError> {
        let has_key = keys.has_audit();
        let opened = rows.anchor(&keys.sealer()).map_err(StartError::Row)?;
        let is_there = opened.is_some();
        let anchor = opened.flatten().and_then(|bytes| Anchor::decode(&bytes));
        Ok(Kept {
            is_damaged: is_there && anchor.is_none(),
            anchor,
            has_key,
        })
    }

    /// The anchor, or that of a chain that begins.
    pub(super) fn anchor(&self) -> Anchor {
        self.anchor.unwrap_or(Anchor::NONE)
    }

    /// Whether there is an anchor.
    pub(super) fn is_set(&self) -> bool {
        self.anchor.is_some()
    }

    /// What is wrong with it, if something is: where there is an audit there is an anchor.
    pub(super) fn lost(&self, listed: &Listed) -> Option<Wrong> {
        let is_begun = self.has_key || !listed.segments.is_empty();
        match self.anchor {
            _ if self.is_damaged => Some(Wrong::Anchor),
            None if is_begun => Some(Wrong::Missing),
            _ => None,
        }
    }
}

/// A segment to go on in.
pub(super) struct Open {
    pub(super) path: PathBuf,
    pub(super) first: u64,
    /// Where its records end, in bytes.
    pub(super) end: u64,
    /// When it was begun.
    pub(super) began: Timestamp,
}

/// Where the chain goes on.
pub(super) struct Standing {
    pub(super) anchor: Anchor,
    /// Whether there was never an audit here.
    pub(super) is_first: bool,
    /// The record that the next one follows.
    pub(super) head: Head,
    /// The last write whose record the chain has.
    pub(super) place: u64,
    /// The segment to go on in; none: in a new one.
    pub(super) segment: Option<Open>,
    /// Whether the new segment has to say that the chain is broken before it.
    pub(super) broken: bool,
    pub(super) found: Found,
}

/// What one walk over the last segments has shown.
struct Looked<'a> {
    chain: &'a Chain,
    rows: &'a Rows,
    anchor: Anchor,
    /// Of the last segment.
    last: Option<Walked>,
    bad: Option<Bad>,
    /// Which of the segments that is in.
    bad_index: usize,
    /// Whether the anchored record was met, with its mac.
    met_anchor: bool,
    place: u64,
}

/// Looks how far the chain in `directory` goes, and whether it reaches its anchor.
pub(super) fn look(
    directory: &Path,
    chain: &Chain,
    keys: &Keys,
    rows: &Rows,
) -> Result<Standing, StartError> {
    let kept = Kept::read(rows, keys)?;
    let anchor = kept.anchor();
    let listed = list(directory).map_err(failed(directory))?;
    let lost = kept.lost(&listed);
    let segments = &listed.segments;
    let mut looked = Looked {
        chain,
        rows,
        anchor,
        last: None,
        bad: None,
        bad_index: segments.len().saturating_sub(1),
        // The head before the first record is no record.
        met_anchor: lost.is_none() && anchor.head.sequence == 0,
        place: anchor.place,
    };
    looked.last_segments(segments)?;
    let torn = looked.torn();
    let missing = looked.missing(lost, listed.last());
    let is_missing = missing.is_some();
    let bad = looked.bad.take().or(missing);
    let place = match bad {
        // Records of writes that the chain has lost are taken on once more.
        Some(_) => looked.place_below(&segments[..segments.len().min(looked.bad_index + 1)])?,
        None => looked.place,
    };
    let standing = |head, segment, broken| Standing {
        anchor,
        is_first: !kept.is_set() && !is_missing,
        head,
        place,
        segment,
        broken,
        found: Found {
            torn_bytes: torn.unwrap_or(0),
            bad: bad.clone().or(listed.strange.first().cloned()),
        },
    };
    let last_good = looked.last.as_ref().map_or(0, |last| last.head.sequence);
    let good_end = looked.last.filter(|last| {
        let is_whole = last.bad.is_none() || torn.is_some();
        is_whole && !is_missing
    });
    Ok(match (good_end, segments.last()) {
        (Some(last), Some((first, path))) => {
            let segment = Open {
                path: path.clone(),
                first: *first,
                end: last.end,
                began: last.header.map_or(Timestamp(0), |header| header.at),
            };
            standing(last.head, Some(segment), false)
        }
        // Nothing there, and nothing missed.
        (None, None) if bad.is_none() => standing(anchor.head, None, false),
        _ => {
            let sequence = anchor.head.sequence.max(listed.last()).max(last_good);
            let mac = anchor.head.mac;
            standing(Head { sequence, mac }, None, true)
        }
    })
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StartError {
    let path = path.to_owned();
    |source| StartError::File { path, source }
}

impl Looked<'_> {
    /// Walks over the segment that the anchored record is in, and those after it.
    fn last_segments(&mut self, segments: &[(u64, PathBuf)]) -> Result<(), StartError> {
        let anchored = self.anchor.head.sequence.max(1);
        let begin = segments.partition_point(|(first, _)| *first <= anchored);
        for (index, (first, path)) in segments.iter().enumerate().skip(begin.saturating_sub(1)) {
            self.segment(index, *first, path)?;
        }
        Ok(())
    }

    fn segment(&mut self, index: usize, first: u64, path: &Path) -> Result<(), StartError> {
        let (mut place, mut met) = (self.place, self.met_anchor);
        let mut held = Ok(());
        let walked = walk(self.chain, first, path, |record, head| {
            met |= *head == self.anchor.head;
            // A store that was put back has other writes at these places: those are still to be taken on.
            if let Some(record) = record.filter(|record| record.place > place) {
                match self.rows.holds(record.place, &record.entry) {
                    Ok(true) => place = record.place,
                    Ok(false) => {}
                    Err(error) => held = Err(StartError::Row(error)),
                }
            }
        });
        let walked = walked.map_err(failed(path))?;
        (self.place, self.met_anchor) = (place, met);
        let earlier = self.last.replace(walked);
        if let Some(bad) = earlier.and_then(|walked| walked.bad)
            && self.bad.is_none()
        {
            (self.bad, self.bad_index) = (Some(bad), index - 1);
        }
        held
    }

    /// Bytes behind the anchor that are no records, if that is all that is wrong with the last segment. Else
    /// what is wrong with it is noted.
    fn torn(&mut self) -> Option<u64> {
        let last = self.last.as_ref()?;
        let torn = last.torn(&self.anchor, self.met_anchor && self.bad.is_none());
        if torn.is_none() {
            self.bad = self.bad.take().or(last.bad.clone());
        }
        torn
    }

    /// What was `lost` of the anchor, or else that what it says is not there; the last segment begins
    /// with `last`.
    fn missing(&self, lost: Option<Wrong>, last: u64) -> Option<Bad> {
        let misses = !self.met_anchor || self.anchor.segment > last;
        let wrong = lost.or(misses.then_some(Wrong::Missing))?;
        Some(Bad {
            segment: name(self.anchor.segment.max(last)),
            sequence: self.anchor.head.sequence,
            offset: 0,
            wrong,
        })
    }

    /// The last write of the store that `segments` have, as far as they are good.
    fn place_below(&self, segments: &[(u64, PathBuf)]) -> Result<u64, StartError> {
        for (first, path) in segments.iter().rev() {
            let mut below = Looked {
                anchor: Anchor::NONE,
                last: None,
                bad: None,
                place: 0,
                ..*self
            };
            below.segment(0, *first, path)?;
            if below.place > 0 {
                return Ok(below.place);
            }
        }
        Ok(0)
    }
}
