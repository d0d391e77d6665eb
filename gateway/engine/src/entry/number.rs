//! Numbers: the ranges they come in, the blocks they are given out from, and whose they are.

use policies::failure::Opaque;

/// Where the number of an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberUse {
    /// It has none: nothing will be sent under a number of its own.
    None,
    /// From a block of ours; the mark of the block moves up to `position` with the entry.
    Ours {
        /// The block.
        block: BlockId,
        /// The place within its range.
        position: u64,
        /// The number itself. Stored sealed, and as a keyed digest.
        number: Opaque,
    },
    /// From the caller's own; refused if it lies in a range that was ever ours.
    Callers(Opaque),
}

impl NumberUse {
    /// The number itself, where there is one.
    pub fn number(&self) -> Option<&Opaque> {
        match self {
            NumberUse::None => None,
            NumberUse::Ours { number, .. } | NumberUse::Callers(number) => Some(number),
        }
    }
}

/// A range of numbers that an upstream gave us: `prefix` and `digits` decimal places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRange {
    /// The part every number of the range begins with.
    pub prefix: String,
    /// How many decimal digits follow it: the range holds `10^digits` numbers.
    pub digits: u8,
}

impl NumberRange {
    /// The number at `position`, zero-padded.
    pub fn number(&self, position: u64) -> String {
        format!(
            "{}{position:0width$}",
            self.prefix,
            width = usize::from(self.digits)
        )
    }

    /// How many numbers the range holds.
    pub fn size(&self) -> u64 {
        10_u64.pow(u32::from(self.digits))
    }

    /// Whether `number` belongs to the range.
    pub fn contains(&self, number: &str) -> bool {
        number
            .strip_prefix(self.prefix.as_str())
            .is_some_and(|rest| {
                rest.len() == usize::from(self.digits) && rest.bytes().all(|b| b.is_ascii_digit())
            })
    }
}

/// The name of a block of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u64);

/// A block of numbers, leased durably, to be given out in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberBlock {
    /// Its name.
    pub id: BlockId,
    /// The range it is part of.
    pub range: NumberRange,
    /// The next position to give out.
    pub next: u64,
    /// The first position that is not part of it.
    pub end: u64,
}
