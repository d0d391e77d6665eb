//! The lane's timers: what has expired leaves memory and disk, whether or not anybody asks.
//!
//! Memory does not wait for the disk: an hour's backlog there holds up nothing else.

use std::sync::Arc;
use std::time::Duration;

use super::inside::Inside;

/// The store sweeps what is older than an instant; an answer expires *at* the end of its time.
const INSTANT: Duration = Duration::from_millis(1);

impl Inside {
    /// Sweeps memory and gives again the orders to forget that have come to nothing, every
    /// `sweep_every`, until told to stop.
    pub(super) async fn sweep_memory_at_times(self: Arc<Self>) {
        while self.is_time_to_sweep().await {
            let rules = self.core.rules.load().freshness;
            self.memory.sweep(self.core.clock.now(), &rules);
            self.shelving.order_again();
            self.shelving.report();
        }
    }

    /// Sweeps the shelf now, for it may be an old one, and every `sweep_every`, until told to stop.
    pub(super) async fn sweep_shelf_at_times(self: Arc<Self>) {
        loop {
            let rules = self.core.rules.load().freshness;
            let now = self.core.clock.now();
            self.shelving.sweep(now - rules.stale_for + INSTANT).await;
            if !self.is_time_to_sweep().await {
                return;
            }
        }
    }

    /// Waits for the next sweep; false if the lane is told to stop before.
    async fn is_time_to_sweep(&self) -> bool {
        let every = self.core.rules.load().cache.sweep_every;
        tokio::select! {
            biased;
            () = self.core.stop.draining() => false,
            () = self.core.clock.sleep(every) => true,
        }
    }
}
