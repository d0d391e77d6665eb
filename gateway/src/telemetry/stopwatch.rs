//! How long something took, to the microsecond: for signals only, no decision rests on it.

use std::time::{Duration, Instant};

/// Running since it was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "the gateway's clock counts milliseconds, and a hit in memory takes less"
    )]
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
