//! Where a chain goes on: how far it goes on disk, and whether that is as far as it went.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use policies::failure::Opaque;
use policies::time::Timestamp;

use super::chain::{Chain, Head, Mac, NOTHING};
use super::walk::{Bad, Walked, Wrong, list, name, walk};
use super::{Found, StartError};
use crate::sealing::Sealer;
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

    /// The one in the store, or none yet.
    pub(super) fn read(rows: &Rows, sealer: &Sealer) -> Result<Option<Anchor>, StartError> {
        match rows.anchor(sealer).map_err(StartError::Row)? {
            None => Ok(None),
            Some(opened) => opened
                .and_then(|bytes| Anchor::decode(&bytes))
                .map(Some)
                .ok_or(StartError::Anchor),
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
#[derive(Default)]
struct Looked {
    last: Option<Walked>,
    bad: Option<Bad>,
    /// Whether the anchored record was met, with its mac.
    met_anchor: bool,
    place: u64,
}

/// Looks how far the chain in `directory` goes, and whether it reaches its anchor.
pub(super) fn look(
    directory: &Path,
    chain: &Chain,
    sealer: &Sealer,
    rows: &Rows,
) -> Result<Standing, StartError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source: io::Error| StartError::File { path, source }
    };
    let kept = Anchor::read(rows, sealer)?;
    let anchor = kept.unwrap_or(Anchor::NONE);
    let segments = list(directory).map_err(failed(directory))?;
    let begin = segments.partition_point(|(first, _)| *first <= anchor.head.sequence.max(1));
    let mut looked = Looked {
        place: anchor.place,
        // The head before the first record is no record.
        met_anchor: anchor.head.sequence == 0,
        ..Looked::default()
    };
    for (first, path) in &segments[begin.saturating_sub(1)..] {
        let bytes = fs::read(path).map_err(failed(path))?;
        looked.segment(chain, *first, &bytes, &anchor, rows)?;
    }
    let torn = looked.torn(anchor.head.sequence);
    let missing = (!looked.met_anchor || anchor.segment > last_of(&segments)).then(|| Bad {
        segment: name(anchor.segment.max(last_of(&segments))),
        sequence: anchor.head.sequence,
        offset: 0,
        wrong: Wrong::Missing,
    });
    let bad = looked.bad.take().or(missing);
    let found = Found {
        torn_bytes: torn.unwrap_or(0),
        bad: bad.clone(),
    };
    let place = looked.place;
    let last_good = looked.last.as_ref().map_or(0, |last| last.head.sequence);
    let good_end = looked.last.filter(|last| {
        let is_whole = last.bad.is_none() || torn.is_some();
        is_whole && last.head.sequence >= anchor.head.sequence
    });
    let standing = |head, segment, broken| Standing {
        anchor,
        head,
        place,
        segment,
        broken,
        found: found.clone(),
    };
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
        (_, last) => {
            let named = last.map_or(0, |(first, _)| *first);
            let sequence = anchor.head.sequence.max(named).max(last_good);
            let mac = anchor.head.mac;
            standing(Head { sequence, mac }, None, true)
        }
    })
}

fn last_of(segments: &[(u64, PathBuf)]) -> u64 {
    segments.last().map_or(0, |(first, _)| *first)
}

impl Looked {
    fn segment(
        &mut self,
        chain: &Chain,
        first: u64,
        bytes: &[u8],
        anchor: &Anchor,
        rows: &Rows,
    ) -> Result<(), StartError> {
        let mut failed = None;
        let (mut place, mut met) = (self.place, self.met_anchor);
        let walked = walk(chain, first, bytes, |record, head| {
            met |= *head == anchor.head;
            // A store that was put back has other writes at these places: those are still to be taken on.
            if let Some(record) = record.filter(|record| record.place > place) {
                match rows.holds(record.place, &record.entry) {
                    Ok(true) => place = record.place,
                    Ok(false) => {}
                    Err(error) => failed = Some(error),
                }
            }
        });
        (self.place, self.met_anchor) = (place, met);
        let earlier = self.last.replace(walked);
        self.bad = self.bad.take().or(earlier.and_then(|walked| walked.bad));
        failed.map_or(Ok(()), |error| Err(StartError::Row(error)))
    }

    /// Bytes of half a record behind `anchored`, if that is all that is wrong with the last segment. Else
    /// what is wrong with it is noted.
    fn torn(&mut self, anchored: u64) -> Option<u64> {
        let last = self.last.as_ref()?;
        let bad = last.bad.as_ref()?;
        let torn = last.torn_bytes.filter(|_| bad.sequence > anchored);
        if torn.is_none() || self.bad.is_some() {
            self.bad = self.bad.take().or(last.bad.clone());
            return None;
        }
        torn
    }
}
