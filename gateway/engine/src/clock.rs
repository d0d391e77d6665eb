//! The gateway's clock: the wall is read once, and the machine's own running time is counted from there.
//!
//! # Invariants
//!
//! 1. A jump of the wall clock, by an operator or by a time server, moves no lease, no schedule, no gate
//!    and no age. It is said once ([`AnchoredClock::watch`]).
//! 2. Time goes on while the machine is suspended (`CLOCK_BOOTTIME`): after eight days of it what was
//!    known is eight days older, and a lease has long ended.
//!
//! # Limits
//!
//! A pause that the machine itself does not notice, by its hypervisor or by a snapshot that was put back,
//! looks like a wall clock put forward: it is said, and nothing ages by it. After one the gateway is to be
//! restarted, and only a restart of the machine ages what is kept on disk.
//!
//! [`Clock::sleep`] stands still during a suspension: a sleep ends later by as much. What is due is
//! decided by [`Clock::now`], whenever that is.
//!
//! Elsewhere than on Linux a suspension counts for nothing.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use crate::ports::Clock;

#[cfg(target_os = "linux")]
const RUNNING: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const RUNNING: ClockId = ClockId::Monotonic;

/// A wall clock that has moved by less has not jumped: time servers slew both clocks alike, and a leap
/// second is none.
const JUMP_MIN: Duration = Duration::from_secs(5);
/// How often the wall clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The two clocks of a machine; tests have their own.
pub trait Machine: Send + Sync {
    /// For how long it has been running, suspensions included, from whatever beginning. Never goes
    /// back.
    fn running(&self) -> Duration;
    /// What the wall clock says, from 1970 on.
    fn wall(&self) -> Duration;
}

/// The machine this process runs on.
#[derive(Debug, Clone, Copy)]
pub struct ThisMachine;

#[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
impl Machine for ThisMachine {
    fn running(&self) -> Duration {
        Duration::try_from(clock_gettime(RUNNING)).unwrap_or_default()
    }

    fn wall(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// Wall time as of start, plus what the machine has been running since.
#[derive(Debug)]
pub struct AnchoredClock<M = ThisMachine> {
    machine: M,
    wall_at_start: Duration,
    running_at_start: Duration,
    /// How far the wall stood ahead of this clock when that was last said, in milliseconds.
    said_ms: AtomicI64,
}

impl AnchoredClock {
    /// Anchors the clock now.
    pub fn start() -> AnchoredClock {
        AnchoredClock::anchored(ThisMachine)
    }
}

impl<M: Machine> AnchoredClock<M> {
    /// Anchors a clock now that counts on `machine`.
    pub fn anchored(machine: M) -> AnchoredClock<M> {
        AnchoredClock {
            wall_at_start: machine.wall(),
            running_at_start: machine.running(),
            said_ms: AtomicI64::new(0),
            machine,
        }
    }

    /// Looks every ten seconds whether the wall clock has jumped, and says so; never ends.
    pub async fn watch(&self) {
        loop {
            self.sleep(LOOK_EVERY).await;
            self.look();
        }
    }

    /// Whether the wall clock has jumped since this last said so, and by how many milliseconds: forward
    /// if above zero.
    pub fn look(&self) -> Option<i64> {
        let wall_ms = i64::try_from(self.machine.wall().as_millis()).unwrap_or(i64::MAX);
        let ahead_ms = wall_ms.saturating_sub_unsigned(self.now().0);
        let jump_ms = ahead_ms.saturating_sub(self.said_ms.load(Ordering::Relaxed));
        if u128::from(jump_ms.unsigned_abs()) < JUMP_MIN.as_millis() {
            return None;
        }
        self.said_ms.store(ahead_ms, Ordering::Relaxed);
        tracing::error!(
            jump_ms,
            ahead_ms,
            "the wall clock has jumped: nothing here moves with it, but what is signed or dated does; \
             if the machine was paused or put back, restart the gateway"
        );
        Some(jump_ms)
    }
}

impl<M: Machine> Clock for AnchoredClock<M> {
    fn now(&self) -> Timestamp {
        let since = self.machine.running().saturating_sub(self.running_at_start);
        Timestamp(0) + (self.wall_at_start + since)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(span).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const SECOND: Duration = Duration::from_secs(1);
    const START: Duration = Duration::from_secs(1_790_000_000);

    /// Running time and wall, set by hand.
    struct ByHand(Mutex<(Duration, Duration)>);

    impl ByHand {
        fn set(&self, change: impl FnOnce(&mut Duration, &mut Duration)) {
            let (running, wall) = &mut *self.0.lock().unwrap();
            change(running, wall);
        }

        fn pass(&self, span: Duration) {
            self.set(|running, wall| {
                *running += span;
                *wall += span;
            });
        }
    }

    impl Machine for ByHand {
        fn running(&self) -> Duration {
            self.0.lock().unwrap().0
        }

        fn wall(&self) -> Duration {
            self.0.lock().unwrap().1
        }
    }

    fn clock() -> AnchoredClock<ByHand> {
        AnchoredClock::anchored(ByHand(Mutex::new((DAY, START))))
    }

    fn since_start(clock: &AnchoredClock<ByHand>) -> Duration {
        clock.now().since(Timestamp(0) + START)
    }

    #[test]
    fn time_goes_on_as_the_machine_runs() {
        let clock = clock();
        assert_eq!(clock.now(), Timestamp(0) + START);
        clock.machine.pass(8 * DAY);
        assert_eq!(since_start(&clock), 8 * DAY);
        assert_eq!(clock.look(), None);
    }

    #[test]
    fn a_jump_of_the_wall_moves_nothing_and_is_said_once() {
        let clock = clock();
        clock.machine.set(|_, wall| *wall += 8 * DAY);
        assert_eq!(since_start(&clock), Duration::ZERO);
        assert_eq!(clock.look(), Some(8 * 86_400_000));
        assert_eq!(clock.look(), None, "it was said");
        clock.machine.pass(DAY);
        assert_eq!((clock.look(), since_start(&clock)), (None, DAY));
        // The way back is another jump.
        clock.machine.set(|_, wall| *wall -= 8 * DAY);
        assert_eq!(clock.look(), Some(-8 * 86_400_000));
        // To before 1970, as far as that goes.
        clock.machine.set(|_, wall| *wall = Duration::ZERO);
        assert!(clock.look().is_some_and(|jump| jump < 0));
        assert_eq!((clock.look(), since_start(&clock)), (None, DAY));
    }

    #[test]
    fn small_steps_are_said_when_they_add_up() {
        let clock = clock();
        for step in 1..=5 {
            clock.machine.set(|_, wall| *wall += SECOND);
            assert_eq!(clock.look(), (step == 5).then_some(5_000));
        }
    }

    /// The clock that is counted is the one that suspensions do not stop: the same that `/proc/uptime`
    /// shows.
    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_counts_suspensions() {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = text.split(' ').next().unwrap().parse().unwrap();
        let apart = ThisMachine.running().as_secs_f64() - uptime;
        assert!((-1.0..30.0).contains(&apart), "{apart}");
        assert_eq!(RUNNING, ClockId::Boottime);
    }
}
