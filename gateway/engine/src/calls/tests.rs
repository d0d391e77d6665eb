//! Random schedules of a lane's gates and slots: whatever order things come in, and whatever rules are
//! adopted among them, nothing leaks.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::gate::GateState;
use policies::operation::{LaneName, Late, Resend};
use policies::rules::{AdmissionKind, GateRules};

use super::*;
use crate::ports::Unwatched;
use crate::stop::StopSwitch;

const SCHEDULES: u64 = 10_000;
const STEPS: u64 = 60;
const ADOPTIONS: usize = 10_000;
const CALLS_MAX: usize = 6;
const WRITE: OpName = OpName("write");

/// Time that only the schedule moves.
#[derive(Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000 + self.0.load(Ordering::Relaxed))
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        futures_util::future::pending().boxed()
    }
}

/// Chance of a seed (splitmix64).
struct Seeded(AtomicU64);

impl Seeded {
    fn below(&self, bound: u64) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

impl Rng for Seeded {
    fn unit(&self) -> f64 {
        0.5
    }
}

struct Nobody;

impl Upstream for Nobody {
    fn call<'a>(
        &'a self,
        _: OpName,
        _: &'a Request,
        _: Duration,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        unreachable!("schedules make no calls")
    }
}

fn rules() -> LaneRules {
    let seconds = Duration::from_secs;
    LaneRules {
        mode: Mode::Auto,
        calls: CallRules {
            calls_max: CALLS_MAX,
            calls_min: 2,
            admission: AdmissionKind::Adaptive,
            live_reserve: 2,
            queue_max: 8,
            write_within: seconds(10),
            read_within: seconds(5),
        },
        gate: GateRules {
            failures_in_row: 3,
            failure_share: 0.5,
            slow_share: 0.8,
            slow_after: seconds(6),
            window: seconds(10),
            calls_min: 5,
            open_for: seconds(2),
            open_for_max: seconds(60),
            ramp: seconds(30),
        },
        retry_share: 0.1,
        retry_floor_per_second: 1,
    }
}

/// What an operator may make of them, within `calls_max`.
fn other_rules(chance: &Seeded) -> LaneRules {
    let mut rules = rules();
    let seconds = |from, below| Duration::from_secs(from + chance.below(below));
    rules.calls.calls_max = 1 + usize::try_from(chance.below(CALLS_MAX as u64)).unwrap();
    rules.calls.calls_min = rules.calls.calls_min.min(rules.calls.calls_max);
    rules.calls.live_reserve = rules.calls.live_reserve.min(rules.calls.calls_max - 1);
    rules.gate.failures_in_row = 1 + u32::try_from(chance.below(5)).unwrap();
    rules.gate.window = seconds(1, 30);
    rules.gate.open_for = seconds(1, 10);
    rules.gate.ramp = seconds(0, 60);
    rules.gate.slow_after = seconds(1, 10);
    rules
}

fn calls(clock: &Arc<HandClock>, chance: &Arc<Seeded>) -> Calls {
    let row = Operation {
        op: WRITE,
        lane: LaneName("lane"),
        strategy: Strategy::WriteBehind,
        settle_by: &[],
        undo_by: None,
        resend: Resend::Same,
        late: Late::Watch,
    };
    let (_, stop) = StopSwitch::new();
    let (clock, chance) = (Arc::clone(clock), Arc::clone(chance));
    Calls::new(
        Arc::new(Nobody),
        &[row],
        &rules(),
        clock,
        chance,
        Arc::new(Unwatched),
        stop,
    )
}

/// One call of a schedule: its room, its leave, and when it began.
struct Going {
    _slot: Slot,
    permit: Permit,
    begun: Timestamp,
    /// Trips there had been: a probe of before the last one decides nothing any more.
    trips: u64,
}

fn begin(calls: &Calls, turn: Turn, trips: u64, going: &mut Vec<Going>) {
    let state = calls.view()[0].view.state;
    let (limit, _) = calls.room();
    let Some(slot) = calls.try_slot(turn) else {
        return;
    };
    // Refused by the gate, the room is free again.
    if let Ok(permit) = calls.try_enter_as(WRITE, turn) {
        assert!(going.len() < limit, "room was exceeded");
        assert_eq!(permit.is_probe(), state != GateState::Closed);
        let begun = calls.clock.now();
        going.push(Going {
            _slot: slot,
            permit,
            begun,
            trips,
        });
    }
}

fn end(calls: &Calls, chance: &Seeded, going: &mut Vec<Going>) {
    if going.is_empty() {
        return;
    }
    let at = usize::try_from(chance.below(going.len() as u64)).unwrap();
    let Going { permit, begun, .. } = going.swap_remove(at);
    match chance.below(5) {
        0 | 1 => {
            calls.slots.learn(Load::Borne, begun);
            permit.answered();
        }
        2 => {
            calls.slots.learn(Load::Strained, begun);
            permit.failed();
        }
        3 => permit.unused(),
        _ => drop(permit),
    }
}

fn probes(going: &[Going], trips: u64) -> usize {
    let current = |one: &&Going| one.permit.is_probe() && one.trips == trips;
    going.iter().filter(current).count()
}

#[test]
fn no_schedule_leaks_a_permit_or_room_or_lets_two_probes_out() {
    for seed in 0..SCHEDULES {
        let (clock, chance) = (
            Arc::new(HandClock::default()),
            Arc::new(Seeded(seed.into())),
        );
        let calls = calls(&clock, &chance);
        let (mut going, mut trips) = (Vec::new(), 0);
        for _ in 0..STEPS {
            match chance.below(21) {
                0..6 => begin(&calls, Turn::Live, trips, &mut going),
                6..9 => begin(&calls, Turn::Delivery, trips, &mut going),
                9..15 => end(&calls, &chance, &mut going),
                15 => {
                    trips += 1;
                    calls.gates.values().for_each(|(_, gate)| gate.trip());
                }
                16 => {
                    let before = calls.view()[0].view;
                    calls.adopt(&other_rules(&chance));
                    let after = calls.view()[0].view;
                    assert_eq!(before.state, after.state, "seed {seed}: a gate changed");
                    if before.state == GateState::Open {
                        let told = |view: policies::gate::View| view.retry_after;
                        assert_eq!(told(before), told(after), "seed {seed}: told otherwise");
                    }
                }
                _ => {
                    let millis = chance.below(4_000);
                    clock.0.fetch_add(millis, Ordering::Relaxed);
                }
            }
            assert!(probes(&going, trips) <= 1, "seed {seed}: two probes");
            let view = calls.view()[0].view;
            assert_eq!(view.under_way, going.len(), "seed {seed}: a permit leaked");
            assert_eq!(calls.room().1, going.len(), "seed {seed}: room leaked");
        }
        going.clear();
        assert_eq!(
            (calls.view()[0].view.under_way, calls.room().1),
            (0, 0),
            "seed {seed}"
        );
        // An hour later it lets calls through again.
        clock.0.fetch_add(3_600_000, Ordering::Relaxed);
        calls
            .try_enter(WRITE)
            .expect("it lets one through")
            .answered();
    }
}

/// The same from several threads at once, under rules that change all the time: the locks hold what
/// the schedules show.
#[test]
fn threads_leak_nothing_either() {
    let (clock, chance) = (Arc::new(HandClock::default()), Arc::new(Seeded(7.into())));
    let calls = calls(&clock, &chance);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let chance = Seeded(8.into());
            for _ in 0..ADOPTIONS {
                calls.adopt(&other_rules(&chance));
            }
        });
        for thread in 0..4 {
            let (calls, clock) = (&calls, &clock);
            scope.spawn(move || {
                let chance = Seeded((1_000 + thread).into());
                for _ in 0..20_000 {
                    let turn = [Turn::Live, Turn::Delivery][usize::from(chance.below(2) == 0)];
                    let slot = calls.try_slot(turn);
                    assert!(calls.room().1 <= CALLS_MAX);
                    let permit = slot
                        .as_ref()
                        .and_then(|_| calls.try_enter_as(WRITE, turn).ok());
                    match (permit, chance.below(4)) {
                        (Some(permit), 0) => permit.failed(),
                        (Some(permit), 1) => drop(permit),
                        (Some(permit), _) => permit.answered(),
                        (None, _) => {}
                    }
                    clock.0.fetch_add(chance.below(50), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((calls.view()[0].view.under_way, calls.room().1), (0, 0));
}
