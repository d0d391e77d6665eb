//! All chance of a simulation, out of one seed: a stream for every part, so that one part drawing
//! more often does not change what another draws.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One stream of chance (SplitMix64).
pub(crate) struct Chance(Mutex<u64>);

impl Chance {
    pub(crate) fn new(seed: u64, stream: &str) -> Chance {
        let start = stream
            .bytes()
            .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            });
        Chance(Mutex::new(start))
    }

    fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In `[0, 1)`.
    pub(crate) fn share(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In `from..=to`.
    pub(crate) fn between(&self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    /// Yes, this often.
    pub(crate) fn hit(&self, share: f64) -> bool {
        self.share() < share
    }

    /// In `from..=to`, small ones as likely as large ones of the same proportion. Whole
    /// milliseconds and no logarithm: the same on every machine.
    pub(crate) fn span(&self, from: Duration, to: Duration) -> Duration {
        let (from, to) = (from.as_millis() as u64, to.as_millis() as u64);
        let doublings = u64::from((to / from).ilog2());
        let least = from << self.between(0, doublings);
        Duration::from_millis(self.between(least, 2 * least).min(to))
    }

    /// A fault of a class that is on in a share `on` of all seeds, and then this likely.
    pub(crate) fn swarm(&self, on: f64, from: f64, to: f64) -> f64 {
        let (drawn, share) = (self.hit(on), from + (to - from) * self.share());
        if drawn { share } else { 0.0 }
    }
}

impl engine::ports::Rng for Chance {
    fn unit(&self) -> f64 {
        self.share()
    }
}
