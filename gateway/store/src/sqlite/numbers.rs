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

use engine::ports::{BlockId, NumberBlock, NumberRange, WriteError};
use rusqlite::{Connection, OptionalExtension, params};

use super::ranges::Change;
use super::row::{int, uint};
use super::tx::Tx;

/// A number's position must fit SQLite's 64-bit integer; an NRE has fewer digits than that.
const DIGITS_MAX: u8 = 18;

/// Stores a range; one whose prefix is known is left as it is, and is none the richer for it.
pub(super) fn add_range(
    tx: &mut Tx<'_>,
    range: NumberRange,
) -> rusqlite::Result<Result<bool, WriteError>> {
    let known = tx
        .conn
        .prepare_cached("SELECT 1 FROM ranges WHERE prefix = ?1")?
        .exists([&range.prefix])?;
    if known {
        return Ok(Ok(false));
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
    Ok(Ok(true))
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
