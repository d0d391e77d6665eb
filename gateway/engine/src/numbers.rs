//! Numbers in hand: given out from memory, out of blocks that are already ours on disk.
//!
//! # Invariants
//!
//! 1. A number is given out once: a position is taken under the lock and never given back, even if
//!    the write that took it is refused. Gaps are fine.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use policies::failure::Opaque;
use tokio::sync::Notify;

use crate::entry::{NumberBlock, NumberUse};
use crate::ports::Clock;

/// How long a write waits for a block that is just being leased.
const BLOCK_WAIT_MAX: Duration = Duration::from_millis(500);

/// Numbers tried for one entry, should the first be held already.
pub(crate) const TRIED_MAX: usize = 3;

/// The blocks this process gives numbers from.
#[derive(Debug, Default)]
pub struct Numbers {
    blocks: Mutex<VecDeque<NumberBlock>>,
    taken: Notify,
    added: Notify,
}

impl Numbers {
    /// The next number; waits a moment for a block on its way. `None`: there is none to be had.
    pub async fn take(&self, clock: &dyn Clock) -> Option<NumberUse> {
        let added = self.added.notified();
        if let Some(number) = self.take_now() {
            return Some(number);
        }
        tokio::select! {
            biased;
            () = added => self.take_now(),
            () = clock.sleep(BLOCK_WAIT_MAX) => self.take_now(),
        }
    }

    /// How many are in hand.
    pub fn left(&self) -> u64 {
        self.lock().iter().map(|block| block.end - block.next).sum()
    }

    /// Adds a block.
    pub fn add(&self, block: NumberBlock) {
        assert!(
            block.next <= block.end,
            "a block does not begin after its end"
        );
        self.lock().push_back(block);
        self.added.notify_waiters();
    }

    /// Ends when there is one.
    pub async fn some(&self) {
        loop {
            let added = self.added.notified();
            if self.left() > 0 {
                return;
            }
            added.await;
        }
    }

    /// Ends after the next number was taken or missed.
    pub async fn taken(&self) {
        self.taken.notified().await;
    }

    fn take_now(&self) -> Option<NumberUse> {
        self.taken.notify_one();
        let mut blocks = self.lock();
        while blocks.front().is_some_and(|block| block.next == block.end) {
            blocks.pop_front();
        }
        let block = blocks.front_mut()?;
        let position = block.next;
        block.next += 1;
        let number = Opaque(block.range.number(position).into_bytes());
        Some(NumberUse::Ours {
            block: block.id,
            position,
            number,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<NumberBlock>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
