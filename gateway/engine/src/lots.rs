//! Keeps numbers in stock: blocks in memory, ranges on disk, and lots asked for ahead.
//!
//! A lot whose answer was lost is lost, and harmless: it is simply asked for again (sac.md §2.1).

use std::sync::Arc;
use std::time::Duration;

use policies::operation::OpName;
use policies::rules::LotRules;
use policies::schedule;

use crate::calls::Calls;
use crate::live::Live;
use crate::numbers::Numbers;
use crate::ports::{Clock, Fact, Request, Rng, Store};
use crate::stop::Stop;

/// How often the stock is looked at when nothing is taken from it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Spread of the waits after a failed request for a lot.
const JITTER_SHARE: f64 = 0.2;

/// The keeper of one kind of number.
#[derive(Clone)]
pub struct Lots {
    /// Where blocks are given out from.
    pub numbers: Arc<Numbers>,
    /// The gates and the upstream.
    pub calls: Arc<Calls>,
    /// The operation that asks for a lot.
    pub op: OpName,
    /// Where ranges and blocks are kept.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// The stock to keep.
    pub rules: Live<LotRules>,
    /// When to stop.
    pub stop: Stop,
}

impl Lots {
    /// Keeps the stock until told to stop: numbers on disk reach the lane also while no lot can be
    /// had.
    pub async fn run(self) {
        tokio::join!(self.keep_blocks(), self.keep_lots());
    }

    async fn keep_blocks(&self) {
        while !self.stop.is_draining() {
            self.fill_blocks().await;
            tokio::select! {
                biased;
                () = self.stop.draining() => {}
                () = self.block_needed() => {}
                () = self.clock.sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn keep_lots(&self) {
        let mut failures = 0;
        while !self.stop.is_draining() {
            let wait = if self.restock().await {
                failures = 0;
                LOOK_EVERY
            } else {
                failures += 1;
                let rules = self.rules.load();
                schedule::wait(&rules.retry_after, failures, JITTER_SHARE, self.rng.unit())
            };
            tokio::select! {
                biased;
                () = self.stop.draining() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    /// Asks for lots until the stock is above low water; `false` if one could not be had.
    async fn restock(&self) -> bool {
        while !self.stop.is_draining() {
            let Ok(left) = self.store.numbers_left().await else {
                return false;
            };
            if left + self.numbers.left() >= self.rules.load().low_water {
                return true;
            }
            if !self.ask_for_lot().await {
                return false;
            }
            self.fill_blocks().await;
        }
        true
    }

    /// Two blocks are kept in hand, so that the second is there while the next one is leased.
    async fn fill_blocks(&self) {
        let block = self.rules.load().block;
        while self.numbers.left() <= block {
            match self.store.lease_block(block).await {
                Ok(Some(block)) => self.numbers.add(block),
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(error = %error, "cannot lease a block of numbers");
                    return;
                }
            }
        }
    }

    async fn block_needed(&self) {
        loop {
            self.numbers.taken().await;
            if self.numbers.left() <= self.rules.load().block {
                return;
            }
        }
    }

    async fn ask_for_lot(&self) -> bool {
        let Ok(permit) = self.calls.try_enter(self.op) else {
            return false;
        };
        let request = Request::empty();
        let within = self.rules.load().request_within;
        match self.calls.call(permit, self.op, &request, within).await {
            Ok(answer) => {
                let Fact::Range(range) = answer.fact else {
                    tracing::error!("a request for a lot was answered with something else");
                    return false;
                };
                match self.store.add_range(range).await {
                    Ok(true) => true,
                    // As good as none, and not to be asked for again at once.
                    Ok(false) => {
                        tracing::error!("a lot was received that we already held");
                        false
                    }
                    Err(error) => {
                        tracing::error!(error = %error, "a lot was received and is not on disk");
                        false
                    }
                }
            }
            Err(failure) => {
                let left = self.numbers.left();
                tracing::warn!(
                    code = failure.code.as_str(),
                    left,
                    "no lot of numbers was received"
                );
                false
            }
        }
    }
}
