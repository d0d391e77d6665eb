//! The gateway's clock: the wall is read once, and monotonic time is counted from there.
//!
//! A jump of the wall clock, by an operator or by a time server, therefore moves no lease, no
//! schedule and no gate.

#![expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::time::Timestamp;

use crate::ports::Clock;

/// Wall time as of start, plus monotonic time since.
#[derive(Debug)]
pub struct AnchoredClock {
    wall_at_start: Duration,
    start: Instant,
}

impl AnchoredClock {
    /// Anchors the clock now.
    pub fn start() -> AnchoredClock {
        let wall_at_start = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        AnchoredClock {
            wall_at_start,
            start: Instant::now(),
        }
    }
}

impl Clock for AnchoredClock {
    fn now(&self) -> Timestamp {
        Timestamp(0) + (self.wall_at_start + self.start.elapsed())
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(span).boxed()
    }
}
