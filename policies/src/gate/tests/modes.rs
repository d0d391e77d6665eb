//! Cases of the modes that overrule a gate.

use super::*;

#[test]
fn shut_it_lets_nothing_through_and_never_probes() {
    for mode in [Mode::ForcedOpen, Mode::Disabled] {
        for mut gate in [closed(), opened()] {
            gate.set_mode(mode, at(0));
            for second in [0, 10, 10_000] {
                let refused = gate.admit(Turn::Live, at(second));
                assert_eq!(refused, Err(rules().open_for_max), "{mode:?}");
            }
            assert_eq!(gate.view(at(0)).retry_after, Some(rules().open_for_max));
        }
    }
}

#[test]
fn calls_pass_where_the_gate_is_closed_or_overruled_to_be() {
    for (mode, passing) in [
        (Mode::Auto, [true, false]),
        (Mode::ForcedOpen, [false, false]),
        (Mode::ForcedClosed, [true, true]),
        (Mode::Disabled, [false, false]),
    ] {
        for (mut gate, expected) in [closed(), opened()].into_iter().zip(passing) {
            gate.set_mode(mode, at(0));
            assert_eq!(gate.view(at(0)).is_passing(), expected, "{mode:?}");
        }
    }
}

#[test]
fn leave_given_before_it_was_shut_is_void() {
    let mut gate = closed();
    let leave = gate.admit(Turn::Live, at(0)).unwrap();
    gate.set_mode(Mode::ForcedOpen, at(0));
    assert!(gate.confirm(leave, at(0)).is_err());
    gate.set_mode(Mode::ForcedClosed, at(0));
    assert_eq!(gate.confirm(leave, at(0)), Ok(()));
}

#[test]
fn forced_closed_it_never_opens_and_goes_back_with_what_it_has_seen() {
    let mut gate = closed();
    gate.set_mode(Mode::ForcedClosed, at(0));
    for second in 0..100 {
        call(&mut gate, CallOutcome::Failed, at(second));
    }
    assert_eq!(state(&gate), GateState::Open, "the failures were counted");
    assert_eq!(gate.view(at(100)).retry_after, None);
    gate.set_mode(Mode::Auto, at(100));
    let probe = gate.admit(Turn::Live, at(100)).expect("one to see");
    assert!(probe.probe);
    assert!(gate.admit(Turn::Live, at(100)).is_err());
}

#[test]
fn a_call_forced_through_an_open_gate_does_not_close_it() {
    let mut gate = opened();
    gate.set_mode(Mode::ForcedClosed, at(0));
    let forced = gate.admit(Turn::Live, at(1)).unwrap();
    assert!(!forced.probe);
    gate.finish(forced, FAST, at(1), WHOLE);
    assert_eq!(state(&gate), GateState::Open);
    let late = gate.admit(Turn::Live, at(1)).unwrap();
    gate.set_mode(Mode::Auto, at(1));
    assert!(gate.confirm(late, at(1)).is_err(), "it is open again");
}

#[test]
fn what_was_left_alone_on_purpose_comes_back_along_a_ramp() {
    let ramped = GateRules {
        ramp: Duration::from_secs(30),
        ..rules()
    };
    for (from, to, is_ramped) in [
        (Mode::ForcedOpen, Mode::Auto, true),
        (Mode::Disabled, Mode::Auto, true),
        (Mode::ForcedOpen, Mode::Disabled, false),
        (Mode::ForcedClosed, Mode::Auto, false),
        (Mode::Auto, Mode::Auto, false),
    ] {
        let mut gate = gate_with(ramped.clone(), from);
        gate.set_mode(to, at(0));
        let told = gate.view(at(0)).ramp_percent;
        assert_eq!(told.is_some(), is_ramped, "{from:?} to {to:?}");
    }
}

#[test]
fn a_tripped_gate_probes_first_after_every_mode() {
    for mode in Mode::ALL {
        let mut gate = opened();
        gate.set_mode(mode, at(0));
        gate.set_mode(Mode::Auto, at(100));
        assert!(gate.admit(Turn::Live, at(100)).unwrap().probe, "{mode:?}");
        assert!(gate.admit(Turn::Live, at(100)).is_err(), "{mode:?}");
    }
}
