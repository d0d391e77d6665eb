//! How long whoever is refused is told to wait: derived from what refuses, never a guess.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policies::pace::{Meter, Smoothed};
use policies::time::Timestamp;

use crate::core::Core;
use crate::door::Refusal;

/// No caller is told to wait longer: what takes longer is nothing to wait for.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// How fast a lane gets on.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    served: Meter,
    settled: Meter,
    storing: Smoothed,
}

impl Paces {
    /// A request was served, well or ill.
    pub(crate) fn served(&self, now: Timestamp) {
        self.seen().served.note(now);
    }

    /// An entry was settled for good: it needs no delivery any more.
    pub(crate) fn settled(&self, now: Timestamp) {
        self.seen().settled.note(now);
    }

    /// Putting a request on disk has taken this long.
    pub(crate) fn stored(&self, took: Duration) {
        self.seen().storing.note(took);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// How long until a write that was refused so may be taken; `None` where waiting changes nothing,
    /// or nobody can say. `queue_max` requests are served at a time.
    pub(crate) fn retry_after(&self, refusal: Refusal, queue_max: usize) -> Option<Duration> {
        let now = self.clock.now();
        let paces = &self.traffic.paces;
        let wait = match refusal {
            // Its key is claimed until it is on disk, and no longer.
            Refusal::InFlight => paces.seen().storing.value(),
            // Those before it, at the pace they are served; none served, and all that are being
            // served hang: then until their attempts are over.
            Refusal::Busy => {
                let queue = paces.seen().served.time_for(queue_max, now);
                queue.unwrap_or_else(|| self.rules.load().calls.attempt_longest())
            }
            // As many places as there may be requests that ask for one; if nothing is settled, not
            // before the gate lets something through.
            Refusal::Full => {
                let places = paces.seen().settled.time_for(queue_max, now);
                places.unwrap_or_else(|| {
                    let gate = self.calls.retry_after(self.write.op).unwrap_or_default();
                    gate + self.rules.load().calls.attempt_longest()
                })
            }
            Refusal::Disabled => self.calls.retry_after(self.write.op)?,
            _ => return None,
        };
        Some(wait.min(WAIT_MAX))
    }
}
