//! Cases of the gate; the instant is always an argument.

use super::*;

fn rules() -> GateRules {
    GateRules {
        failures_in_row: 5,
        failure_share: 0.5,
        slow_share: 0.8,
        slow_after: Duration::from_secs(6),
        window: Duration::from_secs(10),
        calls_min: 20,
        open_for: Duration::from_secs(2),
        open_for_max: Duration::from_secs(60),
        ramp: Duration::ZERO,
    }
}

fn gate_with(rules: GateRules, mode: Mode) -> Breaker {
    let passing = Passing {
        calls_max: 64,
        call_within: WITHIN,
    };
    Breaker::new(rules, passing, mode)
}

fn closed() -> Breaker {
    gate_with(rules(), Mode::Auto)
}

const FAST: CallOutcome = CallOutcome::Answered(Duration::from_millis(100));
const SLOW: CallOutcome = CallOutcome::Answered(Duration::from_secs(7));
const WHOLE: f64 = 1.0;
/// How long a call may take.
const WITHIN: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Timestamp {
    Timestamp(1_000_000 + seconds * 1_000)
}

fn call(gate: &mut Breaker, outcome: CallOutcome, now: Timestamp) {
    let admission = gate.admit(Turn::Live, now).expect("the gate admits");
    gate.finish(admission, outcome, now, WHOLE);
}

fn state(gate: &Breaker) -> GateState {
    gate.view(at(0)).state
}

fn opened() -> Breaker {
    let mut gate = closed();
    for _ in 0..5 {
        call(&mut gate, CallOutcome::Failed, at(0));
    }
    assert_eq!(state(&gate), GateState::Open);
    gate
}

#[test]
fn opens_after_failures_in_a_row() {
    let mut gate = closed();
    for _ in 0..4 {
        call(&mut gate, CallOutcome::Failed, at(0));
    }
    call(&mut gate, FAST, at(0));
    for _ in 0..4 {
        call(&mut gate, CallOutcome::Failed, at(0));
    }
    assert_eq!(state(&gate), GateState::Closed);
    call(&mut gate, CallOutcome::Failed, at(0));
    assert_eq!(state(&gate), GateState::Open);
}

#[test]
fn opens_by_share_only_with_enough_calls() {
    let mut gate = closed();
    for n in 0..19 {
        call(
            &mut gate,
            if n % 2 == 0 {
                CallOutcome::Failed
            } else {
                FAST
            },
            at(n / 4),
        );
    }
    assert_eq!(
        state(&gate),
        GateState::Closed,
        "nineteen calls give no verdict"
    );
    call(&mut gate, CallOutcome::Failed, at(5));
    assert_eq!(state(&gate), GateState::Open);
}

#[test]
fn calls_in_one_millisecond_all_count() {
    let mut gate = closed();
    for n in 0..100 {
        if gate.admit(Turn::Live, at(0)).is_err() {
            return;
        }
        call(
            &mut gate,
            if n % 4 == 3 {
                FAST
            } else {
                CallOutcome::Failed
            },
            at(0),
        );
    }
    panic!("three failures of four in one millisecond never opened the gate");
}

#[test]
fn what_left_the_window_has_no_vote() {
    let mut gate = closed();
    for n in 0..18 {
        call(
            &mut gate,
            if n % 2 == 0 {
                CallOutcome::Failed
            } else {
                FAST
            },
            at(0),
        );
    }
    for _ in 0..30 {
        call(&mut gate, FAST, at(11));
    }
    for _ in 0..4 {
        call(&mut gate, CallOutcome::Failed, at(11));
    }
    assert_eq!(state(&gate), GateState::Closed);
}

#[test]
fn slow_answers_open_it_by_their_own_share() {
    let mut gate = closed();
    for _ in 0..19 {
        call(&mut gate, SLOW, at(0));
    }
    assert_eq!(state(&gate), GateState::Closed);
    call(&mut gate, SLOW, at(0));
    assert_eq!(state(&gate), GateState::Open);
}

#[test]
fn half_open_admits_one_call() {
    let mut gate = opened();
    assert_eq!(
        gate.admit(Turn::Live, at(1)),
        Err(Duration::from_secs(1)),
        "still open"
    );
    let probe = gate
        .admit(Turn::Live, at(2))
        .expect("the first after the wait");
    assert!(probe.probe);
    let admitted = (0..1000)
        .filter(|_| gate.admit(Turn::Live, at(2)).is_ok())
        .count();
    assert_eq!(admitted, 0);
    gate.finish(probe, FAST, at(2), WHOLE);
    assert_eq!(state(&gate), GateState::Closed);
}

#[test]
fn a_neutral_probe_frees_the_slot_and_decides_nothing() {
    let mut gate = opened();
    let probe = gate.admit(Turn::Live, at(2)).expect("a probe");
    gate.finish(probe, CallOutcome::Neutral, at(2), WHOLE);
    assert_eq!(state(&gate), GateState::HalfOpen);
    assert!(
        gate.admit(Turn::Live, at(2)).is_err(),
        "not at once: nothing was learnt"
    );
    assert!(gate.admit(Turn::Live, at(10)).is_ok());
}

#[test]
fn a_probe_that_was_never_made_costs_no_wait() {
    let mut gate = opened();
    let probe = gate.admit(Turn::Live, at(2)).expect("a probe");
    gate.finish(probe, CallOutcome::Unused, at(2), WHOLE);
    assert!(gate.admit(Turn::Live, at(2)).is_ok());
}

#[test]
fn stragglers_from_before_the_trip_have_no_vote() {
    let mut gate = closed();
    let straggler = gate.admit(Turn::Live, at(0)).expect("closed");
    for _ in 0..5 {
        call(&mut gate, CallOutcome::Failed, at(0));
    }
    let probe = gate.admit(Turn::Live, at(2)).expect("a probe");
    gate.finish(straggler, FAST, at(2), WHOLE);
    assert_eq!(
        state(&gate),
        GateState::HalfOpen,
        "an old success closed the gate"
    );
    gate.finish(probe, CallOutcome::Failed, at(2), WHOLE);
    assert_eq!(state(&gate), GateState::Open);
}

#[test]
fn the_wait_doubles_up_to_its_maximum() {
    let mut gate = opened();
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..7 {
        let wait = gate
            .admit(Turn::Live, now)
            .expect_err("an open gate says how long");
        waits.push(wait.as_secs());
        now = now + wait;
        let probe = gate
            .admit(Turn::Live, now)
            .expect("the wait it gave is the truth");
        gate.finish(probe, CallOutcome::Failed, now, WHOLE);
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn looking_changes_nothing() {
    let gate = opened();
    for _ in 0..10 {
        let view = gate.view(at(100));
        assert_eq!((view.state, view.retry_after), (GateState::Open, None));
    }
}

#[test]
fn a_trip_opens_it_whatever_the_window_says() {
    let mut gate = closed();
    gate.trip(at(0), WHOLE);
    assert_eq!(state(&gate), GateState::Open);
    assert!(gate.admit(Turn::Live, at(0)).is_err());
}

#[test]
fn leave_given_before_the_gate_opened_is_void_until_it_is_closed() {
    let mut gate = closed();
    let early = gate.admit(Turn::Live, at(0)).unwrap();
    assert_eq!(gate.confirm(early, at(0)), Ok(()));
    for _ in 0..5 {
        call(&mut gate, CallOutcome::Failed, at(1));
    }
    assert!(gate.confirm(early, at(2)).is_err(), "the gate is open");
    let probe = gate.admit(Turn::Live, at(60)).unwrap();
    assert!(probe.probe);
    assert_eq!(gate.confirm(probe, at(60)), Ok(()));
    assert!(gate.confirm(early, at(60)).is_err(), "one call at a time");
    gate.finish(probe, FAST, at(61), WHOLE);
    assert_eq!(gate.confirm(early, at(61)), Ok(()), "calls pass again");
}

mod adoption;
mod modes;
mod ramp;
