//! Following a chain from its first segment to its last, through whatever is bad.

use std::io;
use std::path::Path;

use super::super::DIRECTORY;
use super::super::chain::{Chain, Head, NOTHING, Sealed};
use super::super::start::{Anchor, Kept};
use super::super::walk::{Bad, Listed, Walked, Wrong, list, name, walk};
use super::{BAD_MAX, Known, Verified, VerifyError, hex};
use crate::keys::Keys;
use crate::sqlite::audit::Rows;

/// Follows the chain beside the store in `directory`, and shows each good record to `each`.
pub(in crate::audit) fn follow(
    directory: &Path,
    keys: &Keys,
    known: Option<&Known>,
    mut each: impl FnMut(&Sealed<&[u8]>),
) -> Result<Verified, VerifyError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source: io::Error| VerifyError::File { path, source }
    };
    // The anchor before the segments: beside a running gateway the chain only gets longer.
    let rows = Rows::open(directory).map_err(VerifyError::Store)?;
    let kept = Kept::read(&rows, keys).map_err(VerifyError::Anchor)?;
    let directory = directory.join(DIRECTORY);
    let listed = list(&directory).map_err(failed(&directory))?;
    let lost = kept.lost(&listed);
    let anchor = kept.anchor();
    if known.is_some_and(|known| known.sequence.saturating_add(1) < anchor.floor) {
        return Err(VerifyError::KnownTooOld);
    }
    let chain = Chain::new(keys);
    let mut following = Following {
        anchor,
        known,
        met_anchor: lost.is_none() && anchor.head.sequence == 0,
        met_known: known.is_none(),
        is_anchor_damaged: false,
        before: Before::Nothing,
        writes: Writes::kept(&rows, &anchor).map_err(VerifyError::Rows)?,
        verified: Verified::default(),
    };
    for (index, (first, path)) in listed.segments.iter().enumerate() {
        let is_last = index + 1 == listed.segments.len();
        following
            .segment(&chain, *first, path, is_last, &mut each)
            .map_err(failed(path))?;
    }
    Ok(following.end(listed, lost))
}

/// What stands before a segment.
enum Before {
    /// Nothing that is kept.
    Nothing,
    /// A segment that ends so.
    Head(Head),
    /// One whose end is not known.
    Damaged,
}

struct Following<'a> {
    anchor: Anchor,
    known: Option<&'a Known>,
    met_anchor: bool,
    met_known: bool,
    /// Whether the segment of the anchor is bad: then it is no wonder that the anchor was not met.
    is_anchor_damaged: bool,
    before: Before,
    writes: Writes,
    verified: Verified,
}

impl Following<'_> {
    fn segment(
        &mut self,
        chain: &Chain,
        first: u64,
        path: &Path,
        is_last: bool,
        each: &mut impl FnMut(&Sealed<&[u8]>),
    ) -> io::Result<()> {
        let walked = walk(chain, first, path, |record, head| {
            self.met_anchor |= *head == self.anchor.head;
            self.met_known |= self.known.is_some_and(|known| known.is(head));
            if let Some(record) = record {
                self.verified.records += 1;
                self.verified.first_at.get_or_insert(record.at);
                self.writes.met(record.place, &record.entry);
                each(record);
            }
        })?;
        self.verified.segments += 1;
        if let Some(wrong) = self.follows(first, &walked) {
            self.bad(Bad {
                segment: name(first),
                sequence: match self.before {
                    Before::Head(head) => head.sequence + 1,
                    Before::Nothing | Before::Damaged => self.anchor.floor,
                },
                offset: 0,
                wrong,
            });
        }
        self.before = Before::Damaged;
        if walked.is_followed() {
            self.verified.head = walked.head.sequence;
            self.verified.mac = hex(&walked.head.mac);
            self.verified.last_at = walked.last_at.or(self.verified.last_at);
        }
        if walked.bad.is_none() {
            self.before = Before::Head(walked.head);
        }
        if let Some(bytes) = walked.torn(&self.anchor, is_last && self.met_anchor) {
            self.verified.unfinished_bytes = bytes;
        } else if let Some(bad) = walked.bad {
            self.is_anchor_damaged |= first == self.anchor.segment;
            self.bad(bad);
        }
        Ok(())
    }

    /// What is wrong with where the segment stands, if something is.
    fn follows(&self, first: u64, walked: &Walked) -> Option<Wrong> {
        let header = walked.header.as_ref().filter(|_| walked.is_followed())?;
        let (due, previous) = match self.before {
            // It is known already that something is missing before it.
            Before::Damaged => return None,
            Before::Head(head) => (head.sequence + 1, Some(head.mac)),
            // Those before it were kept long enough, or are still there because a crash came between.
            Before::Nothing if first <= self.anchor.floor => {
                (first, Some(NOTHING).filter(|_| first == 1))
            }
            Before::Nothing => (self.anchor.floor, None),
        };
        if header.broken {
            return Some(Wrong::Broken);
        }
        let is_next = first == due && previous.is_none_or(|previous| header.previous == previous);
        (!is_next).then_some(Wrong::Gap)
    }

    fn bad(&mut self, bad: Bad) {
        self.verified.bad_places += 1;
        match &self.verified.bad {
            None => self.verified.bad = Some(bad),
            Some(_) if self.verified.also_bad.len() + 1 < BAD_MAX => {
                self.verified.also_bad.push(bad);
            }
            Some(_) => {}
        }
    }

    fn end(mut self, listed: Listed, lost: Option<Wrong>) -> Verified {
        let last = listed.last();
        for bad in listed.strange {
            self.bad(bad);
        }
        let misses = !self.met_anchor && !self.is_anchor_damaged || self.anchor.segment > last;
        let ends = |sequence: u64, segment: u64, wrong| Bad {
            segment: name(segment),
            sequence,
            offset: 0,
            wrong,
        };
        if let Some(wrong) = lost.or(misses.then_some(Wrong::Missing)) {
            let due = (self.verified.head + 1).min(self.anchor.head.sequence.max(1));
            self.bad(ends(due, self.anchor.segment.max(last), wrong));
        }
        if let Some(known) = self.known.filter(|_| !self.met_known) {
            self.bad(ends(known.sequence, last, Wrong::Known));
        }
        for place in self.writes.missed(&self.anchor) {
            self.bad(Bad {
                segment: "entries.db".to_owned(),
                sequence: place,
                offset: 0,
                wrong: Wrong::Unrecorded,
            });
        }
        self.verified
    }
}

/// The writes that the store has, and whether their records were met: as many as it keeps entries.
struct Writes {
    /// Place and entry, in order.
    kept: Vec<(u64, [u8; 16])>,
    met: Vec<bool>,
    first_met: Option<u64>,
}

impl Writes {
    /// Those whose records were taken on before `anchor` was set.
    fn kept(rows: &Rows, anchor: &Anchor) -> rusqlite::Result<Writes> {
        let kept = rows.writes(anchor.place)?;
        Ok(Writes {
            met: vec![false; kept.len()],
            kept,
            first_met: None,
        })
    }

    fn met(&mut self, place: u64, entry: &[u8; 16]) {
        if place == 0 {
            return;
        }
        self.first_met.get_or_insert(place);
        let found = self.kept.binary_search_by_key(&place, |kept| kept.0);
        if let Ok(index) = found.map_err(drop)
            && self.kept[index].1 == *entry
        {
            self.met[index] = true;
        }
    }

    /// The places of those that were not met, and are not from before what is kept of the chain.
    fn missed(&self, anchor: &Anchor) -> Vec<u64> {
        let from = match self.first_met {
            _ if anchor.floor == 1 => 0,
            Some(first) => first,
            None => return Vec::new(),
        };
        let places = self.kept.iter().map(|(place, _)| *place);
        let missed = places.zip(&self.met).filter(|(_, met)| !**met);
        missed
            .map(|(place, _)| place)
            .filter(|place| *place > from)
            .collect()
    }
}
