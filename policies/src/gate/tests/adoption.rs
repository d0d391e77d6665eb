//! Cases of rules that change while calls pass.

use proptest::prelude::*;

use super::ramp::{OUTCOMES, RAMP, Step, just_closed, ramped, step};
use super::*;

const PASSING: Passing = Passing {
    calls_max: 64,
    call_within: WITHIN,
};

fn adopt(gate: &mut Breaker, rules: GateRules, now: Timestamp) {
    let mode = gate.mode;
    gate.adopt(rules, PASSING, mode, now);
}

fn windowed(seconds: u64) -> GateRules {
    GateRules {
        failures_in_row: u32::MAX,
        window: Duration::from_secs(seconds),
        ..rules()
    }
}

#[test]
fn an_open_gate_stays_open_as_long_as_was_told() {
    for open_for in [Duration::from_millis(1), Duration::from_secs(50)] {
        let mut gate = opened();
        let told = gate.admit(Turn::Live, at(1)).unwrap_err();
        adopt(
            &mut gate,
            GateRules {
                open_for,
                ..rules()
            },
            at(1),
        );
        assert_eq!(gate.admit(Turn::Live, at(1)), Err(told));
        assert!(gate.admit(Turn::Live, at(1) + told).is_ok());
        // The next opening goes by the new rules, and knows of the one before.
        gate.trip(at(10), WHOLE);
        let next = (open_for * 2).min(rules().open_for_max);
        assert_eq!(gate.admit(Turn::Live, at(10)), Err(next));
    }
}

#[test]
fn leave_that_was_given_votes_under_the_rules_in_force() {
    let mut gate = closed();
    let leaves: Vec<_> = (0..5)
        .map(|_| gate.admit(Turn::Live, at(0)).unwrap())
        .collect();
    adopt(&mut gate, windowed(20), at(0));
    adopt(&mut gate, rules(), at(0));
    assert_eq!(gate.view(at(0)).under_way, 5);
    for leave in leaves {
        assert_eq!(gate.confirm(leave, at(0)), Ok(()));
        gate.finish(leave, CallOutcome::Failed, at(0), WHOLE);
    }
    assert_eq!(state(&gate), GateState::Open);
    let probe = gate.admit(Turn::Live, at(2)).unwrap();
    adopt(&mut gate, windowed(20), at(3));
    assert!(gate.admit(Turn::Live, at(3)).is_err(), "two probes");
    assert_eq!(gate.confirm(probe, at(3)), Ok(()));
    gate.finish(probe, FAST, at(3), WHOLE);
    assert_eq!(state(&gate), GateState::Closed);
}

#[test]
fn a_lower_threshold_opens_at_the_next_failure_and_not_by_itself() {
    let mut gate = closed();
    (0..4).for_each(|_| call(&mut gate, CallOutcome::Failed, at(0)));
    let strict = GateRules {
        failures_in_row: 2,
        ..rules()
    };
    adopt(&mut gate, strict, at(0));
    assert_eq!(state(&gate), GateState::Closed);
    call(&mut gate, CallOutcome::Failed, at(0));
    assert_eq!(state(&gate), GateState::Open);
}

/// Ten failures and nine answers a second apart; whether one failure more opens the gate at `last`,
/// when the window was changed at `changed`.
fn opens_at(last: u64, (from, to): (u64, u64), changed: u64) -> bool {
    let mut gate = gate_with(windowed(from), Mode::Auto);
    for n in 0..19 {
        let outcome = [CallOutcome::Failed, FAST][n % 2];
        call(&mut gate, outcome, at(n as u64 / 10));
    }
    adopt(&mut gate, windowed(to), at(changed));
    call(&mut gate, CallOutcome::Failed, at(last));
    state(&gate) == GateState::Open
}

#[test]
fn what_was_counted_has_a_vote_as_long_as_it_fits_the_window() {
    let cases = [
        // The same window: until it has passed.
        ((10, 10), 5, 9, true),
        ((10, 10), 5, 10, false),
        // A longer one, and what was in the window by then stays as long.
        ((10, 100), 5, 90, true),
        ((10, 100), 5, 100, false),
        ((10, 25), 5, 20, true),
        // A shorter one: what is older has none at once.
        ((10, 5), 6, 6, false),
        ((10, 5), 4, 4, true),
        // What had left the old window does not come back.
        ((10, 100), 12, 12, false),
    ];
    for (windows, changed, last, opens) in cases {
        let heard = opens_at(last, windows, changed);
        assert_eq!(heard, opens, "{windows:?} changed at {changed}, {last}");
    }
}

#[test]
fn a_ramp_goes_on_from_the_share_it_has_reached() {
    for ramp in [3, 30, 300] {
        let mut gate = just_closed();
        let half = at(2) + RAMP / 2;
        let ramp = Duration::from_secs(ramp);
        adopt(&mut gate, GateRules { ramp, ..ramped() }, half);
        assert_eq!(gate.view(half).ramp_percent, Some(55), "{ramp:?}");
        let end = half + ramp / 2;
        assert!(
            gate.view(end - Duration::from_millis(1))
                .ramp_percent
                .is_some()
        );
        assert_eq!(gate.view(end).ramp_percent, None, "{ramp:?}");
    }
    let mut gate = just_closed();
    let none = GateRules {
        ramp: Duration::ZERO,
        ..ramped()
    };
    adopt(&mut gate, none, at(2));
    assert_eq!(gate.view(at(2)).ramp_percent, None);
    (0..1_000).for_each(|_| assert!(gate.admit(Turn::Live, at(2)).is_ok()));
}

#[test]
fn a_mode_comes_with_the_rules_and_goes_with_them() {
    let mut gate = gate_with(ramped(), Mode::Auto);
    gate.adopt(ramped(), PASSING, Mode::ForcedOpen, at(0));
    assert!(gate.admit(Turn::Live, at(0)).is_err());
    gate.adopt(ramped(), PASSING, Mode::Auto, at(60));
    assert_eq!(gate.view(at(60)).ramp_percent, Some(10));
    gate.adopt(ramped(), PASSING, Mode::Auto, at(75));
    assert_eq!(gate.view(at(75)).ramp_percent, Some(55), "it began anew");
}

/// Performs `step`; what it let in, or how long it said to wait.
fn perform(
    gate: &mut Breaker,
    step: Step,
    now: &mut Timestamp,
    out: &mut Vec<Admission>,
) -> Option<Result<bool, Duration>> {
    match step {
        Step::Admit(live) => {
            let turn = if live { Turn::Live } else { Turn::Delivery };
            let admitted = gate.admit(turn, *now);
            out.extend(admitted.ok());
            return Some(admitted.map(|one| one.probe));
        }
        Step::Confirm => {
            let last = out.last()?;
            return Some(gate.confirm(*last, *now).map(|()| false));
        }
        Step::Finish(outcome) if !out.is_empty() => {
            gate.finish(out.remove(0), OUTCOMES[usize::from(outcome)], *now, WHOLE);
        }
        Step::Finish(_) => {}
        Step::Trip => gate.trip(*now, WHOLE),
        Step::SetMode(mode) => gate.set_mode(Mode::ALL[mode], *now),
        Step::Pass(millis) => *now = *now + Duration::from_millis(millis),
    }
    None
}

fn other_rules() -> impl Strategy<Value = (GateRules, usize)> {
    let seconds = |range: std::ops::Range<u64>| range.prop_map(Duration::from_secs);
    let parts = (
        1_u32..8,
        seconds(1..40),
        1_u32..30,
        seconds(1..5),
        seconds(0..60),
        1_usize..80,
    );
    parts.prop_map(
        |(failures_in_row, window, calls_min, open_for, ramp, calls_max)| {
            let rules = GateRules {
                failures_in_row,
                window,
                calls_min,
                open_for,
                ramp,
                ..rules()
            };
            (rules, calls_max)
        },
    )
}

/// What others rely on, whatever the rules.
fn said(gate: &Breaker) -> (GateState, u64, u32, usize, bool, Timestamp, Timestamp) {
    let state = gate.tap.state();
    let (open_until, probe_until) = (gate.open_until, gate.probe_until);
    let (row, under_way) = (gate.opened_in_row, gate.under_way);
    (
        state,
        gate.epoch,
        row,
        under_way,
        gate.probing,
        open_until,
        probe_until,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// A gate that adopts its own rules again and again is like one that never did.
    #[test]
    fn equal_rules_change_nothing(
        steps in prop::collection::vec((step(), any::<bool>()), 1..120),
    ) {
        let [mut one, mut other] = [(); 2].map(|()| gate_with(ramped(), Mode::Auto));
        let (mut now, mut later) = (at(0), at(0));
        let (mut out, mut kept) = (Vec::new(), Vec::new());
        for (step, adopts) in steps {
            if adopts {
                adopt(&mut other, ramped(), now);
            }
            let heard = perform(&mut one, step, &mut now, &mut out);
            let like = perform(&mut other, step, &mut later, &mut kept);
            prop_assert_eq!(heard, like);
            prop_assert_eq!(one.view(now), other.view(now));
            one.end_ramp(now);
            other.end_ramp(now);
            prop_assert_eq!(said(&one), said(&other));
        }
    }

    /// Whatever rules are adopted in whatever moment: nothing that was said is taken back, no permit is
    /// lost, and it lets calls through again.
    #[test]
    fn other_rules_take_nothing_back(
        steps in prop::collection::vec((step(), prop::option::of(other_rules())), 1..120),
    ) {
        let mut gate = gate_with(ramped(), Mode::Auto);
        let (mut now, mut out) = (at(0), Vec::new());
        for (step, rules) in steps {
            if let Some((rules, calls_max)) = rules {
                gate.end_ramp(now);
                let (before, view) = (said(&gate), gate.view(now));
                let passing = Passing { calls_max, ..PASSING };
                gate.adopt(rules, passing, view.mode, now);
                prop_assert_eq!(before, said(&gate));
                let share = gate.view(now).ramp_percent;
                prop_assert!(share == view.ramp_percent || gate.rules.ramp.is_zero(), "{:?}", share);
            }
            perform(&mut gate, step, &mut now, &mut out);
            let probes = out.iter().filter(|one| one.probe && one.epoch == gate.epoch).count();
            prop_assert!(probes <= 1, "{probes} probes");
            prop_assert_eq!(gate.under_way, out.len());
        }
        out.drain(..).for_each(|one| gate.finish(one, FAST, now, WHOLE));
        gate.adopt(ramped(), PASSING, Mode::Auto, now);
        now = now + Duration::from_secs(60);
        call(&mut gate, FAST, now);
        call(&mut gate, FAST, now + RAMP);
        prop_assert_eq!(state(&gate), GateState::Closed);
    }
}
