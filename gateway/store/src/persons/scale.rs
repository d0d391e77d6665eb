//! The time that answers are stamped with: it goes on through restarts, whatever the wall clock does.
//!
//! *Shelf time* counts milliseconds as the gateway's clock does, shifted by a span that is fixed when
//! the file is opened, so that shelf time goes on from where the last process left it. Only the shift
//! is worked out anew: rows are never rewritten.
//!
//! # Invariants
//!
//! 1. On the same start of the machine shelf time goes on by exactly what its uptime did, suspensions
//!    included, whatever the wall clock says by now.
//! 2. On another start the wall clock is believed if it stands after the last reading by no less than
//!    the machine has been up, and by no more than [`OFF_MAX`].
//! 3. If it stands later than that, nothing is gone on with ([`Lapsed`]): the machine was off for long,
//!    or its clock is wrong, and who knows.
//! 4. If it stands earlier (the clock was put back, or its battery is dead) nobody knows how long the
//!    machine was off: shelf time goes on by the uptime alone, and what was stamped before carries an age
//!    that is a floor. It is the one case in which the end of an answer's time is counted from what can
//!    be known: by how old it was at the last reading, and from the restart on.
//! 5. An instant before 1970 on the gateway's clock cannot be shown: its age is a floor, too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::ports::Clock;
use policies::time::Timestamp;
use uuid::Uuid;

use super::machine::{Machine, Reading};

/// What a machine that was off for longer has kept is past any use.
const OFF_MAX: Duration = Duration::from_secs(30 * 86_400);
/// The wall clock is set while a machine starts; by less than this it has not been put back.
const BACK_MAX: Duration = Duration::from_secs(5);
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

/// What was kept must not be gone on with: the machine was off for too long, or seems to have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lapsed;

/// Shelf time of this process.
#[derive(Debug, Clone, Copy)]
struct State {
    /// How far it is ahead of the gateway's clock.
    shift_ms: i64,
    floor: ShelfTime,
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
    ///
    /// # Errors
    ///
    /// Invariant 3; nothing is settled.
    pub(super) fn settle(&self, last: Option<Mark>) -> Result<(), Lapsed> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_some() {
            return Ok(());
        }
        let reading = self.machine.read();
        let clock_ms = self.clock_ms();
        let (now, floor) = match last {
            None => (ShelfTime(clock_ms), ShelfTime(i64::MIN)),
            Some(last) => go_on(&last, &reading)?,
        };
        *state = Some(State {
            shift_ms: now.0.saturating_sub(clock_ms),
            floor,
        });
        Ok(())
    }

    /// Shelf time now; `None` before it is settled.
    pub(super) fn moment(&self) -> Option<Moment> {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { shift_ms, floor } = state?;
        let reading = self.machine.read();
        Some(Moment {
            mark: Mark {
                boot: reading.boot,
                uptime_ms: millis(reading.uptime),
                wall_ms: signed(reading.wall),
                now: ShelfTime(self.clock_ms().saturating_add(shift_ms)),
                floor,
            },
            shift_ms,
        })
    }

    fn clock_ms(&self) -> i64 {
        signed(self.clock.now())
    }
}

impl Moment {
    /// Where `at` on the gateway's clock lies in shelf time.
    pub(super) fn stamp(&self, at: Timestamp) -> ShelfTime {
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
fn go_on(last: &Mark, now: &Reading) -> Result<(ShelfTime, ShelfTime), Lapsed> {
    let after = |off: i64| ShelfTime(last.now.0.saturating_add(off));
    let uptime_ms = millis(now.uptime);
    if last.boot.is_some() && last.boot == now.boot && uptime_ms >= last.uptime_ms {
        return Ok((after(uptime_ms - last.uptime_ms), last.floor));
    }
    let off = signed(now.wall) - last.wall_ms;
    if off > millis(OFF_MAX) {
        return Err(Lapsed);
    }
    if off >= uptime_ms.saturating_sub(millis(BACK_MAX)).max(0) {
        return Ok((after(off.max(uptime_ms)), last.floor));
    }
    tracing::error!(
        last_ms = last.wall_ms,
        now_ms = now.wall.0,
        "the clock stands before what the shelf of persons has seen, and the machine was restarted: \
         what is kept is not shown as fresh, and is kept on from its last known age"
    );
    // One more, so that what is stamped from now on lies after the floor.
    Ok((after(uptime_ms.max(1)), last.now))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn signed(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
