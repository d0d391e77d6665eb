//! The lane's timer: what has expired leaves memory and disk, whether or not anybody asks.

use std::sync::Arc;
use std::time::Duration;

use super::inside::Inside;

/// The store sweeps what is older than an instant; an answer expires *at* the end of its time.
const INSTANT: Duration = Duration::from_millis(1);

impl Inside {
    /// Sweeps now, for the shelf may be an old one, and every `sweep_every`, until told to stop.
    pub(super) async fn sweep_at_times(self: Arc<Self>) {
        loop {
            self.sweep().await;
            let every = self.core.rules.load().cache.sweep_every;
            tokio::select! {
                biased;
                () = self.core.stop.draining() => return,
                () = self.core.clock.sleep(every) => {}
            }
        }
    }

    async fn sweep(&self) {
        let rules = self.core.rules.load().freshness;
        let now = self.core.clock.now();
        self.memory.sweep(now, &rules);
        self.shelving.order_again();
        self.shelving.sweep(now - rules.stale_for + INSTANT).await;
        self.shelving.report();
    }
}
