//! Ranges of numbers on the model's disk, and the blocks cut off them.

use engine::ports::{BlockId, NumberBlock, NumberRange};
use policies::failure::Opaque;

/// Everything about numbers.
#[derive(Clone, Default)]
pub(super) struct Held {
    /// Which opening of the store this is.
    instance: u64,
    /// Each with the first position that no block has.
    ranges: Vec<(NumberRange, u64)>,
    blocks: Vec<Block>,
}

#[derive(Clone)]
struct Block {
    range: NumberRange,
    instance: u64,
    /// The first position that no entry holds.
    mark: u64,
    end: u64,
}

impl Held {
    pub(super) fn open(&mut self) {
        self.instance += 1;
    }

    /// Whether the range is new.
    pub(super) fn add(&mut self, range: NumberRange) -> bool {
        let known = self.ranges.iter().any(|(known, _)| *known == range);
        if !known {
            self.ranges.push((range, 0));
        }
        !known
    }

    pub(super) fn left(&self) -> u64 {
        let left = |(range, taken): &(NumberRange, u64)| range.size() - taken;
        self.ranges.iter().map(left).sum()
    }

    pub(super) fn is_ours(&self, number: &Opaque) -> bool {
        let text = String::from_utf8_lossy(&number.0);
        self.ranges.iter().any(|(range, _)| range.contains(&text))
    }

    /// Whether `number` stands there, in a block of this instance.
    pub(super) fn is_given(&self, id: BlockId, position: u64, number: &Opaque) -> bool {
        let block = usize::try_from(id.0)
            .ok()
            .and_then(|at| self.blocks.get(at));
        block.is_some_and(|block| {
            block.instance == self.instance
                && position < block.end
                && block.range.number(position).as_bytes() == number.0
        })
    }

    pub(super) fn mark(&mut self, id: BlockId, mark: u64) {
        let block = &mut self.blocks[id.0 as usize];
        block.mark = block.mark.max(mark);
    }

    /// First what remains of blocks of processes that are gone, then a new one.
    pub(super) fn lease(&mut self, most: u64) -> Option<NumberBlock> {
        let instance = self.instance;
        let inherited = self
            .blocks
            .iter()
            .position(|block| block.instance != instance && block.mark < block.end);
        if let Some(place) = inherited {
            let block = &mut self.blocks[place];
            block.instance = instance;
            return Some(given(place, block));
        }
        let (range, taken) = self
            .ranges
            .iter_mut()
            .find(|(range, taken)| *taken < range.size())?;
        let mark = *taken;
        *taken = (mark + most).min(range.size());
        let block = Block {
            range: range.clone(),
            instance,
            mark,
            end: *taken,
        };
        self.blocks.push(block);
        let place = self.blocks.len() - 1;
        Some(given(place, &self.blocks[place]))
    }
}

fn given(place: usize, block: &Block) -> NumberBlock {
    NumberBlock {
        id: BlockId(place as u64),
        range: block.range.clone(),
        next: block.mark,
        end: block.end,
    }
}
