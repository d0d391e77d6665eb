//! The time that answers are stamped with: it goes on through restarts, whatever the wall clock does.
//!
//! *Shelf time* counts milliseconds as the gateway's clock does, shifted by a span that is fixed when
//! the file is opened, so that shelf time goes on from where the last process left it. Only the shift
//! is worked out anew: rows are never rewritten.
//!
//! # Invariants
//!
//! 1. On the same start of the machine shelf time goes on by exactly what its uptime did, whatever
//!    the wall clock says by now.
//! 2. On another start the wall clock is believed if it stands after the last reading by no less than
//!    the machine has been up, and by no more than [`JUMP_MAX`]. Else nobody knows: shelf time goes
//!    on by the uptime alone, and what was stamped before carries an age that is a floor.
//! 3. A suspension, in which the gateway's clock stands still and the uptime does not, ages what was
//!    stamped before it.
//! 4. An instant before 1970 on the gateway's clock cannot be shown: its age is a floor, too.
//!
//! # Limits
//!
//! Ages are exact to [`LAG_MAX`] for each process they have lived through.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::ports::Clock;
use policies::time::Timestamp;
use uuid::Uuid;

use super::machine::{Machine, Reading};

/// A machine that was off for longer says so, right or wrong.
const JUMP_MAX: Duration = Duration::from_secs(30 * 86_400);
/// The wall clock is set while a machine starts; by less than this it has not been put back.
const BACK_MAX: Duration = Duration::from_secs(5);
/// A clock that lags behind the uptime by less was not suspended: the uptime has two decimals, and
/// both are not read at once.
const LAG_MAX: Duration = Duration::from_secs(1);
/// Suspensions that are told apart; of more, the first ones are taken for one.
const SUSPENSIONS_MAX: usize = 64;
/// The bytes of a kept [`Mark`].
const MARK_LEN: usize = 16 + 4 * 8;

/// An instant in shelf time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShelfTime(pub(super) i64);

/// What a process leaves behind for the next one: the machine's clocks and shelf time, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    boot: Option<Uuid>,
    uptime_ms: i64,
    wall_ms: i64,
    pub(super) now: ShelfTime,
    /// What was stamped up to here has an age that is a floor.
    floor: ShelfTime,
}

impl Mark {
    /// As it is sealed.
    pub(super) fn encode(&self) -> [u8; MARK_LEN] {
        let mut bytes = [0; MARK_LEN];
        let (boot, numbers) = bytes.split_at_mut(16);
        boot.copy_from_slice(self.boot.unwrap_or_default().as_bytes());
        let values = [self.uptime_ms, self.wall_ms, self.now.0, self.floor.0];
        for (slot, value) in numbers.chunks_exact_mut(8).zip(values) {
            slot.copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Mark::encode`] wrote; `None` if it is something else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Mark> {
        let bytes: &[u8; MARK_LEN] = bytes.try_into().ok()?;
        let (boot, numbers) = bytes.split_at(16);
        let boot = Uuid::from_slice(boot).ok()?;
        let mut values = numbers.chunks_exact(8).map(|value| {
            let mut number = [0; 8];
            number.copy_from_slice(value);
            i64::from_be_bytes(number)
        });
        Some(Mark {
            boot: Some(boot).filter(|boot| !boot.is_nil()),
            uptime_ms: values.next()?,
            wall_ms: values.next()?,
            now: ShelfTime(values.next()?),
            floor: ShelfTime(values.next()?),
        })
    }
}

/// From one instant of the gateway's clock on, how far shelf time is ahead of it.
#[derive(Debug, Clone, Copy)]
struct Step {
    from_ms: i64,
    shift_ms: i64,
}

/// Shelf time of this process.
struct State {
    /// The first one holds for all before it, too; never empty.
    steps: Vec<Step>,
    floor: ShelfTime,
    /// Clock and uptime, read together when they were last found to agree.
    agreed: (i64, i64),
}

impl State {
    fn shift_ms(&self) -> i64 {
        self.steps.last().map_or(0, |step| step.shift_ms)
    }

    /// Invariant 3.
    fn notice_suspension(&mut self, clock_ms: i64, uptime_ms: i64) {
        let (clock, uptime) = self.agreed;
        let lag = (uptime_ms - uptime) - (clock_ms - clock);
        if lag.unsigned_abs() < LAG_MAX.as_millis() as u64 {
            return;
        }
        self.agreed = (clock_ms, uptime_ms);
        if lag < 0 {
            return;
        }
        tracing::warn!(
            seconds = lag / 1_000,
            "the machine was suspended: what is kept about persons has aged by as much"
        );
        if self.steps.len() == SUSPENSIONS_MAX {
            // Times between are taken for older than they are, never for younger.
            self.steps.remove(1);
        }
        self.steps.push(Step {
            from_ms: clock_ms,
            shift_ms: self.shift_ms() + lag,
        });
    }
}

/// The scale of shelf time.
pub(super) struct Scale {
    clock: Arc<dyn Clock>,
    machine: Arc<dyn Machine>,
    state: Mutex<Option<State>>,
}

/// Shelf time at one instant: everything within one read or one group is measured by it.
pub(super) struct Moment {
    /// Now.
    pub(super) mark: Mark,
    shift_ms: i64,
    steps: Vec<Step>,
}

impl Scale {
    pub(super) fn new(clock: Arc<dyn Clock>, machine: Arc<dyn Machine>) -> Scale {
        Scale {
            clock,
            machine,
            state: Mutex::new(None),
        }
    }

    /// Goes on from `last`, which a file of an earlier process holds; from the clock where there is
    /// none. Once settled it stays, whichever file is opened later in this process.
    pub(super) fn settle(&self, last: Option<Mark>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_some() {
            return;
        }
        let reading = self.machine.read();
        let clock_ms = self.clock_ms();
        let uptime_ms = millis(reading.uptime);
        let (now, floor) = match last {
            None => (ShelfTime(clock_ms), ShelfTime(i64::MIN)),
            Some(last) => go_on(&last, &reading),
        };
        *state = Some(State {
            steps: vec![Step {
                from_ms: i64::MIN,
                shift_ms: now.0.saturating_sub(clock_ms),
            }],
            floor,
            agreed: (clock_ms, uptime_ms),
        });
    }

    /// Shelf time now; `None` before it is settled.
    pub(super) fn moment(&self) -> Option<Moment> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.as_mut()?;
        let reading = self.machine.read();
        let clock_ms = self.clock_ms();
        let uptime_ms = millis(reading.uptime);
        state.notice_suspension(clock_ms, uptime_ms);
        let shift_ms = state.shift_ms();
        Some(Moment {
            mark: Mark {
                boot: reading.boot,
                uptime_ms,
                wall_ms: signed(reading.wall),
                now: ShelfTime(clock_ms.saturating_add(shift_ms)),
                floor: state.floor,
            },
            shift_ms,
            steps: state.steps.clone(),
        })
    }

    fn clock_ms(&self) -> i64 {
        signed(self.clock.now())
    }
}

impl Moment {
    /// When something was stamped that the gateway's clock says was at `at`.
    pub(super) fn stamp(&self, at: Timestamp) -> ShelfTime {
        let at_ms = signed(at);
        let step = self.steps.iter().rev().find(|step| step.from_ms <= at_ms);
        let shift_ms = step.map_or(self.shift_ms, |step| step.shift_ms);
        ShelfTime(at_ms.saturating_add(shift_ms))
    }

    /// The bound in shelf time that is as far from now as `at` is on the gateway's clock.
    pub(super) fn bound(&self, at: Timestamp) -> ShelfTime {
        ShelfTime(signed(at).saturating_add(self.shift_ms))
    }

    /// Where `stamp` lies on the gateway's clock; `None` if that is before 1970.
    pub(super) fn show(&self, stamp: ShelfTime) -> Option<Timestamp> {
        let at = stamp.0.saturating_sub(self.shift_ms);
        u64::try_from(at).ok().map(Timestamp)
    }

    /// Whether the age of `stamp` is a floor.
    pub(super) fn is_floor(&self, stamp: ShelfTime) -> bool {
        stamp <= self.mark.floor
    }
}

/// Shelf time now, and up to where ages are floors, given what the last process left.
fn go_on(last: &Mark, now: &Reading) -> (ShelfTime, ShelfTime) {
    let uptime_ms = millis(now.uptime);
    if last.boot.is_some() && last.boot == now.boot && uptime_ms >= last.uptime_ms {
        let off = uptime_ms - last.uptime_ms;
        return (ShelfTime(last.now.0.saturating_add(off)), last.floor);
    }
    let off = signed(now.wall) - last.wall_ms;
    if off >= uptime_ms.saturating_sub(millis(BACK_MAX)).max(0) && off <= millis(JUMP_MAX) {
        let off = off.max(uptime_ms);
        return (ShelfTime(last.now.0.saturating_add(off)), last.floor);
    }
    tracing::error!(
        last_ms = last.wall_ms,
        now_ms = now.wall.0,
        "the clock does not follow on what the shelf of persons has seen, and the machine was \
         restarted: what is kept is not shown as fresh, and is kept on from its last known age"
    );
    // One more, so that what is stamped from now on lies after the floor.
    let off = uptime_ms.max(1);
    (ShelfTime(last.now.0.saturating_add(off)), last.now)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn signed(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
