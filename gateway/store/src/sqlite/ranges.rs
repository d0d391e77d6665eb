//! The ranges of numbers ever held, and this instance's blocks, in memory.

use std::collections::BTreeMap;

use engine::ports::{BlockId, NumberBlock, NumberRange};
use rusqlite::Connection;

/// The ranges ever held and the blocks of this instance, as committed.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    ranges: BTreeMap<String, u8>,
    blocks: BTreeMap<BlockId, NumberBlock>,
}

/// What a group adds to them.
#[derive(Debug)]
pub(super) enum Change {
    Range(NumberRange),
    Block(NumberBlock),
}

impl Numbers {
    /// Reads the ranges; a new instance has no blocks yet.
    pub(super) fn load(conn: &Connection) -> rusqlite::Result<Numbers> {
        let mut numbers = Numbers::default();
        let mut select = conn.prepare("SELECT prefix, digits FROM ranges")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            numbers.ranges.insert(row.get(0)?, row.get(1)?);
        }
        Ok(numbers)
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Range(range) => {
                self.ranges.insert(range.prefix, range.digits);
            }
            Change::Block(block) => {
                self.blocks.insert(block.id, block);
            }
        }
    }

    /// Whether `number` lies in a range that was ever ours.
    pub(super) fn ours(&self, number: &[u8]) -> bool {
        let Ok(number) = std::str::from_utf8(number) else {
            return false;
        };
        // Every prefix of the number is looked up: a number is short, the ranges may be many.
        (0..=number.len())
            .filter_map(|end| number.get(..end))
            .filter_map(|prefix| self.ranges.get_key_value(prefix))
            .any(|(prefix, digits)| {
                let range = NumberRange {
                    prefix: prefix.clone(),
                    digits: *digits,
                };
                range.contains(number)
            })
    }

    /// Whether `number` is what stands at `position` of our block `id`.
    pub(super) fn given(&self, id: BlockId, position: u64, number: &[u8]) -> bool {
        self.blocks.get(&id).is_some_and(|block| {
            (block.next..block.end).contains(&position)
                && block.range.number(position).as_bytes() == number
        })
    }

    /// A known range that shares a number with `range`.
    pub(super) fn overlapping(&self, range: &NumberRange) -> Option<&str> {
        let length = |prefix: &str, digits: u8| prefix.len() + usize::from(digits);
        self.ranges
            .iter()
            .find(|(prefix, digits)| {
                length(prefix, **digits) == length(&range.prefix, range.digits)
                    && (prefix.starts_with(&range.prefix) || range.prefix.starts_with(*prefix))
            })
            .map(|(prefix, _)| prefix.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(prefix: &str, digits: u8) -> NumberRange {
        NumberRange {
            prefix: prefix.to_owned(),
            digits,
        }
    }

    fn holding(ranges: &[NumberRange]) -> Numbers {
        let mut numbers = Numbers::default();
        for range in ranges {
            numbers.apply(Change::Range(range.clone()));
        }
        numbers
    }

    #[test]
    fn a_number_is_ours_if_any_range_holds_it() {
        let numbers = holding(&[range("1300A40", 8), range("1300A41", 8)]);
        assert!(numbers.ours(b"1300A4000000000"));
        assert!(numbers.ours(b"1300A4199999999"));
        for other in [
            "1300A4200000000",
            "1300A400000000",
            "1300A40000000000",
            "1300A40",
            "",
        ] {
            assert!(!numbers.ours(other.as_bytes()), "{other}");
        }
        assert!(!numbers.ours(&[0xff; 15]));
        assert!(!numbers.ours("1300A4è00000000".as_bytes()));
    }

    #[test]
    fn ranges_overlap_if_they_share_a_number() {
        let numbers = holding(&[range("1300A4", 9)]);
        assert!(numbers.overlapping(&range("1300A41", 8)).is_some());
        assert!(numbers.overlapping(&range("1300", 11)).is_some());
        assert!(numbers.overlapping(&range("1300A41", 9)).is_none());
        assert!(numbers.overlapping(&range("1300A5", 9)).is_none());
    }

    #[test]
    fn a_number_is_given_only_from_its_place_in_our_block() {
        let mut numbers = Numbers::default();
        numbers.apply(Change::Block(NumberBlock {
            id: BlockId(3),
            range: range("1300A4", 9),
            next: 10,
            end: 12,
        }));
        assert!(numbers.given(BlockId(3), 10, b"1300A4000000010"));
        assert!(!numbers.given(BlockId(3), 11, b"1300A4000000010"));
        assert!(!numbers.given(BlockId(3), 12, b"1300A4000000012"));
        assert!(!numbers.given(BlockId(3), 9, b"1300A4000000009"));
        assert!(!numbers.given(BlockId(4), 10, b"1300A4000000010"));
    }
}
