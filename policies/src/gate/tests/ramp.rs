//! Cases of the way back to full load.

use proptest::prelude::*;

use super::*;

pub(super) const RAMP: Duration = Duration::from_secs(30);

pub(super) fn ramped() -> GateRules {
    GateRules {
        ramp: RAMP,
        ..rules()
    }
}

/// A gate that has just closed, at second two.
pub(super) fn just_closed() -> Breaker {
    let mut gate = gate_with(ramped(), Mode::Auto);
    (0..5).for_each(|_| call(&mut gate, CallOutcome::Failed, at(0)));
    call(&mut gate, FAST, at(2));
    assert_eq!(state(&gate), GateState::Closed);
    gate
}

/// Everybody who waits asks at once.
fn burst(gate: &mut Breaker, now: Timestamp) -> Vec<Admission> {
    let asking = (0..1_000).map(|_| gate.admit(Turn::Live, now));
    asking.filter_map(Result::ok).collect()
}

#[test]
fn a_burst_of_fast_calls_is_spread_over_the_ramp() {
    let mut gate = just_closed();
    let mut by_second = Vec::new();
    for second in 0..40 {
        let mut begun = 0;
        for tenth in 0..10 {
            let now = at(2 + second) + Duration::from_millis(100 * tenth);
            let passed = burst(&mut gate, now);
            begun += passed.len();
            passed
                .into_iter()
                .for_each(|one| gate.finish(one, FAST, now, WHOLE));
        }
        by_second.push(begun);
    }
    assert!((6..=9).contains(&by_second[0]), "{by_second:?}");
    assert!(
        (30..=40).contains(&by_second[15]),
        "half-way: {by_second:?}"
    );
    assert!(
        by_second[..30].is_sorted_by(|one, next| *next + 3 >= *one),
        "{by_second:?}"
    );
    assert!(
        by_second[..30].iter().all(|begun| *begun <= 64),
        "{by_second:?}"
    );
    assert_eq!(by_second[30], 10_000, "all pass after the ramp");
}

#[test]
fn calls_under_way_follow_the_ramp() {
    let mut gate = just_closed();
    for (second, room) in [(0, 7), (10, 26), (20, 45), (29, 63)] {
        for tenth in 0..10 {
            burst(
                &mut gate,
                at(2 + second) + Duration::from_millis(100 * tenth),
            );
            assert!(
                gate.under_way <= room + 2,
                "{} at {second} s",
                gate.under_way
            );
        }
    }
    let told = gate.view(at(2 + 29)).ramp_percent;
    assert_eq!(told, Some(97));
    assert_eq!(gate.view(at(2 + 30)).ramp_percent, None);
}

#[test]
fn delivery_leaves_a_call_to_live_requests() {
    let mut gate = just_closed();
    for tenth in 0..300 {
        let now = at(2) + Duration::from_millis(100 * tenth);
        while let Ok(one) = gate.admit(Turn::Delivery, now) {
            gate.finish(one, FAST, now, WHOLE);
        }
        let live = gate
            .admit(Turn::Live, now)
            .expect("there is one left for it");
        gate.finish(live, CallOutcome::Unused, now, WHOLE);
    }
}

#[test]
fn what_was_never_called_costs_the_ramp_nothing() {
    let mut gate = just_closed();
    for _ in 0..100 {
        let one = gate.admit(Turn::Live, at(2)).expect("it was given back");
        gate.finish(one, CallOutcome::Unused, at(2), WHOLE);
    }
}

#[test]
fn opening_again_during_the_ramp_waits_longer_than_before() {
    let mut gate = gate_with(ramped(), Mode::Auto);
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..7 {
        while let Ok(one) = gate.admit(Turn::Live, now) {
            gate.finish(one, CallOutcome::Failed, now, WHOLE);
            now = now + Duration::from_millis(200);
        }
        while state(&gate) == GateState::Closed {
            now = now + Duration::from_millis(200);
            if let Ok(one) = gate.admit(Turn::Live, now) {
                gate.finish(one, CallOutcome::Failed, now, WHOLE);
            }
        }
        let wait = gate.admit(Turn::Live, now).expect_err("it is open");
        waits.push(wait.as_secs());
        now = now + wait;
        call(&mut gate, FAST, now);
    }
    assert!(waits.is_sorted() && waits[6] >= 59, "{waits:?}");
    // A whole ramp without an opening ends the row.
    now = now + RAMP;
    (0..5).for_each(|_| call(&mut gate, CallOutcome::Failed, now));
    assert_eq!(gate.admit(Turn::Live, now), Err(Duration::from_secs(2)));
}

#[test]
fn leave_of_before_the_outage_passes_by_the_ramp_too() {
    let mut gate = gate_with(ramped(), Mode::Auto);
    let early = burst(&mut gate, at(0))
        .into_iter()
        .take(64)
        .collect::<Vec<_>>();
    assert_eq!(early.len(), 64);
    gate.under_way = 64;
    gate.trip(at(0), WHOLE);
    call(&mut gate, FAST, at(2));
    let mut begun = 0;
    for admission in early {
        match gate.confirm(admission, at(2)) {
            Ok(()) => begun += 1,
            Err(_) => gate.finish(admission, CallOutcome::Neutral, at(2), WHOLE),
        }
    }
    assert_eq!(begun, 1, "whoever waited for a disk went on at once");
}

#[test]
fn the_wait_it_tells_is_enough() {
    let mut gate = just_closed();
    let mut now = at(2);
    for _ in 0..200 {
        burst(&mut gate, now)
            .into_iter()
            .for_each(|one| gate.finish(one, FAST, now, WHOLE));
        let Some(wait) = gate.view(now).retry_after else {
            break;
        };
        now = now + wait;
        let one = gate.admit(Turn::Live, now).expect("the wait was enough");
        gate.finish(one, FAST, now, WHOLE);
    }
    let mut gate = just_closed();
    gate.trip(at(2), WHOLE);
    let until_known = gate.view(at(2)).retry_after.expect("it is open");
    let open = gate.admit(Turn::Live, at(2)).unwrap_err();
    assert_eq!(until_known, open + WITHIN, "the probe needs its time");
    let probe = gate.admit(Turn::Live, at(2) + open).expect("a probe");
    let later = at(2) + open + Duration::from_secs(3);
    let left = Some(Duration::from_secs(7));
    assert_eq!(
        gate.view(later).retry_after,
        left,
        "what is left of the probe"
    );
    assert_eq!(gate.admit(Turn::Live, later).err(), left);
    gate.finish(probe, FAST, at(2) + until_known, WHOLE);
    assert!(gate.admit(Turn::Live, at(2) + until_known).is_ok());
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Admit(bool),
    Confirm,
    Finish(u8),
    Trip,
    SetMode(usize),
    Pass(u64),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<bool>().prop_map(Step::Admit),
        2 => Just(Step::Confirm),
        6 => (0_u8..5).prop_map(Step::Finish),
        1 => Just(Step::Trip),
        1 => (0_usize..4).prop_map(Step::SetMode),
        4 => (0_u64..5_000).prop_map(Step::Pass),
    ]
}

pub(super) const OUTCOMES: [CallOutcome; 5] = [
    FAST,
    SLOW,
    CallOutcome::Failed,
    CallOutcome::Neutral,
    CallOutcome::Unused,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever happens in whatever order: one probe, room kept, nothing leaked, and it lets calls
    /// through again.
    #[test]
    fn any_schedule_keeps_the_gate_whole(steps in prop::collection::vec(step(), 1..120)) {
        let mut gate = gate_with(ramped(), Mode::Auto);
        let mut now = at(0);
        let mut out: Vec<Admission> = Vec::new();
        for step in steps {
            match step {
                Step::Admit(live) => {
                    let turn = if live { Turn::Live } else { Turn::Delivery };
                    let before = gate.view(now);
                    let admitted = gate.admit(turn, now);
                    let shut = before.mode.is_shut();
                    prop_assert!(!(shut && admitted.is_ok()), "it let a call through");
                    if let Ok(one) = admitted {
                        out.push(one);
                        let room = before.ramp_percent.map(|percent| 64 * (usize::from(percent) + 1) / 100 + 1);
                        let is_ramped = before.mode == Mode::Auto && before.state == GateState::Closed;
                        if let Some(room) = room.filter(|_| is_ramped) {
                            prop_assert!(out.len() <= room.max(1), "{} of {room}", out.len());
                        }
                    }
                    let probes = out.iter().filter(|one| one.probe && one.epoch == gate.epoch).count();
                    prop_assert!(probes <= 1, "{probes} probes");
                }
                Step::Confirm => if let Some(one) = out.last() {
                    let refused = gate.confirm(*one, now).is_err();
                    prop_assert!(refused || !gate.mode.is_shut());
                },
                Step::Finish(outcome) => if !out.is_empty() {
                    gate.finish(out.remove(0), OUTCOMES[usize::from(outcome)], now, WHOLE);
                },
                Step::Trip => gate.trip(now, WHOLE),
                Step::SetMode(mode) => gate.set_mode(Mode::ALL[mode], now),
                Step::Pass(millis) => now = now + Duration::from_millis(millis),
            }
            prop_assert_eq!(gate.under_way, out.len());
        }
        out.drain(..).for_each(|one| gate.finish(one, FAST, now, WHOLE));
        prop_assert_eq!(gate.under_way, 0);
        gate.set_mode(Mode::Auto, now);
        now = now + Duration::from_secs(60);
        call(&mut gate, FAST, now);
        call(&mut gate, FAST, now + RAMP);
        prop_assert_eq!(state(&gate), GateState::Closed);
    }
}
