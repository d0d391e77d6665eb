//! Ranges of numbers, and the blocks in which they are given out.
//!
//! # Invariants
//!
//! 1. A number is in one block at most, ever: blocks are cut off the untouched end of a range, and
//!    ranges that share a number are refused.
//! 2. A block belongs to one instance. What a process that is gone left of its blocks, past the
//!    mark, goes to the next one first: no entry holds those numbers, so none was ever sent.
//! 3. The mark of a block is past every number of it that an entry holds, in the transaction that
//!    stores the entry.

use std::collections::BTreeMap;

use engine::ports::{BlockId, NumberBlock, NumberRange, WriteError};
use rusqlite::{Connection, OptionalExtension, params};

use super::row::{int, uint};
use super::writer::Tx;

/// A number's position must fit SQLite's 64-bit integer; an NRE has fewer digits than that.
const DIGITS_MAX: u8 = 18;

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
    fn overlapping(&self, range: &NumberRange) -> Option<&str> {
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

/// Stores a range; one whose prefix is known is left as it is.
pub(super) fn add_range(
    tx: &mut Tx<'_>,
    range: NumberRange,
) -> rusqlite::Result<Result<(), WriteError>> {
    let known = tx
        .conn
        .prepare_cached("SELECT 1 FROM ranges WHERE prefix = ?1")?
        .exists([&range.prefix])?;
    if known {
        return Ok(Ok(()));
    }
    if range.digits > DIGITS_MAX || tx.numbers.overlapping(&range).is_some() {
        tracing::error!(
            digits = range.digits,
            "a range of numbers was refused: too long, or it shares numbers with a known one"
        );
        return Ok(Err(WriteError::Refused));
    }
    tx.conn
        .prepare_cached("INSERT INTO ranges (prefix, digits, size, taken) VALUES (?1, ?2, ?3, 0)")?
        .execute(params![range.prefix, range.digits, int(range.size())])?;
    tx.changes.push(Change::Range(range));
    Ok(Ok(()))
}

/// Takes a block of up to `numbers_max` numbers for this instance.
pub(super) fn lease_block(
    tx: &mut Tx<'_>,
    numbers_max: u64,
) -> rusqlite::Result<Option<NumberBlock>> {
    if numbers_max == 0 {
        return Ok(None);
    }
    let block = match inherit(tx, numbers_max)? {
        Some(block) => Some(block),
        None => cut(tx, numbers_max)?,
    };
    if let Some(block) = &block {
        tx.changes.push(Change::Block(block.clone()));
    }
    Ok(block)
}

/// What remains of a block whose process is gone. Of one larger than was asked for, the front part
/// becomes a block of its own.
fn inherit(tx: &Tx<'_>, numbers_max: u64) -> rusqlite::Result<Option<NumberBlock>> {
    let left = tx
        .conn
        .prepare_cached(
            "SELECT b.id, b.range_id, b.mark, b.stop, r.prefix, r.digits
             FROM blocks b JOIN ranges r ON r.id = b.range_id
             WHERE b.mark < b.stop AND b.instance <> ?1 ORDER BY b.id LIMIT 1",
        )?
        .query_row([tx.fixed.instance], |row| {
            let id: i64 = row.get(0)?;
            let range_id: i64 = row.get(1)?;
            let (mark, stop) = (uint(row.get(2)?), uint(row.get(3)?));
            Ok((id, range_id, mark, stop, range(row, 4)?))
        })
        .optional()?;
    let Some((id, range_id, mark, stop, range)) = left else {
        return Ok(None);
    };
    if stop - mark > numbers_max {
        let end = mark + numbers_max;
        tx.conn
            .prepare_cached("UPDATE blocks SET mark = ?2 WHERE id = ?1")?
            .execute(params![id, int(end)])?;
        return insert_block(tx, range_id, range, mark, end).map(Some);
    }
    tx.conn
        .prepare_cached("UPDATE blocks SET instance = ?2 WHERE id = ?1")?
        .execute(params![id, tx.fixed.instance])?;
    Ok(Some(NumberBlock {
        id: BlockId(uint(id)),
        range,
        next: mark,
        end: stop,
    }))
}

/// A new block from the untouched end of the oldest range that has one.
fn cut(tx: &Tx<'_>, numbers_max: u64) -> rusqlite::Result<Option<NumberBlock>> {
    let left = tx
        .conn
        .prepare_cached(
            "SELECT id, taken, size, prefix, digits FROM ranges
             WHERE taken < size ORDER BY id LIMIT 1",
        )?
        .query_row([], |row| {
            let id: i64 = row.get(0)?;
            Ok((id, uint(row.get(1)?), uint(row.get(2)?), range(row, 3)?))
        })
        .optional()?;
    let Some((range_id, taken, size, range)) = left else {
        return Ok(None);
    };
    let end = taken.saturating_add(numbers_max).min(size);
    tx.conn
        .prepare_cached("UPDATE ranges SET taken = ?2 WHERE id = ?1")?
        .execute(params![range_id, int(end)])?;
    insert_block(tx, range_id, range, taken, end).map(Some)
}

fn insert_block(
    tx: &Tx<'_>,
    range_id: i64,
    range: NumberRange,
    next: u64,
    end: u64,
) -> rusqlite::Result<NumberBlock> {
    tx.conn
        .prepare_cached(
            "INSERT INTO blocks (range_id, instance, mark, stop) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![range_id, tx.fixed.instance, int(next), int(end)])?;
    Ok(NumberBlock {
        id: BlockId(uint(tx.conn.last_insert_rowid())),
        range,
        next,
        end,
    })
}

fn range(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<NumberRange> {
    Ok(NumberRange {
        prefix: row.get(first)?,
        digits: row.get(first + 1)?,
    })
}

/// Moves the mark of each block past what the group has used of it.
pub(super) fn write_marks(tx: &Tx<'_>) -> rusqlite::Result<()> {
    for (block, mark) in &tx.marks {
        tx.conn
            .prepare_cached("UPDATE blocks SET mark = max(mark, ?2) WHERE id = ?1")?
            .execute(params![int(block.0), int(*mark)])?;
    }
    Ok(())
}

/// How many numbers are in no block yet.
pub(super) fn left(conn: &Connection) -> rusqlite::Result<u64> {
    let mut select = conn.prepare_cached("SELECT size - taken FROM ranges WHERE taken < size")?;
    let mut rows = select.query([])?;
    let mut left = 0_u64;
    while let Some(row) = rows.next()? {
        left = left.saturating_add(uint(row.get(0)?));
    }
    Ok(left)
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
