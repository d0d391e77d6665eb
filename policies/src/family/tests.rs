//! Every role × every standing of its parent as tables, and what no table may break.

mod followed;
mod promises;
mod turn;

use super::*;

fn parent(state: State, reason: Option<Code>, sends: u32) -> Parent {
    Parent {
        state,
        reason,
        sends,
        fallback: Fallback::Hold,
        annul_consent: false,
    }
}

fn to(state: State, reason: Code) -> Change {
    Change::to(state, Some(reason))
}

/// To `state`, its number watched by the schedule.
fn watched(state: State, reason: Option<Code>) -> Change {
    Change {
        watch: Some(Look::Scheduled),
        ..Change::to(state, reason)
    }
}

#[test]
fn every_role_reads_back_from_its_word() {
    for role in Role::ALL {
        assert_eq!(Role::parse(role.as_str()), Some(role));
    }
    assert_eq!(Role::parse("no-such-role"), None);
}

#[test]
fn only_a_cancel_is_consent() {
    for role in Role::ALL {
        assert_eq!(consents(role), role == Role::Cancel);
    }
}

#[test]
fn what_is_annulled_in_its_writers_name_needs_its_writer() {
    for role in Role::ALL {
        for state in State::ALL {
            let paper_too = (role, state) == (Role::Paper, State::Registered);
            assert_eq!(needs_writer(role, state), role == Role::Cancel || paper_too);
        }
    }
}

#[test]
fn consent_makes_a_watch_look_again_only_for_a_number_that_a_cancel_leaves_there() {
    for reason in [Code::LateCommit, Code::PossibleDouble] {
        assert!(looks_again(Some(reason), false));
        assert!(!looks_again(Some(reason), true));
    }
    for reason in [None, Some(Code::Dispensed), Some(Code::Unreadable)] {
        assert!(!looks_again(reason, false));
    }
}

#[test]
fn a_look_is_overtaken_by_consent_and_by_a_late_answer() {
    let reasons = || Code::ALL.into_iter().map(Some).chain([None]);
    let all = State::ALL.into_iter();
    for (state, reason) in all.flat_map(|state| reasons().map(move |reason| (state, reason))) {
        let is_overtaken =
            |agreed, answered| is_overtaken(state, reason, Meanwhile { agreed, answered });
        let found_live = (state, reason) == (State::Conflict, Some(Code::LateCommit));
        let found_nothing = [State::Uncertain, State::Withdrawn].contains(&state);
        assert!(!is_overtaken(false, false));
        assert_eq!(is_overtaken(true, false), found_live);
        assert_eq!(is_overtaken(false, true), found_nothing);
    }
}

#[test]
fn what_must_have_reached_its_prescriber() {
    let always = [State::Rejected, State::Conflict, State::Parked];
    let reasons = Code::ALL.into_iter().map(Some).chain([None]);
    for reason in reasons {
        for state in State::ALL {
            let expected = always.contains(&state)
                || (state, reason) == (State::Withdrawn, Some(Code::PaperMissing))
                || (state, reason) == (State::Registered, Some(Code::CancelRefused));
            assert_eq!(awaits_acknowledgement(state, reason), expected);
        }
    }
}

#[test]
fn a_paper_form_is_waited_for_until_it_is_missing_or_not_wanted() {
    for state in State::ALL {
        for reason in Code::ALL {
            let waits = state == State::Withdrawn
                && ![Code::CancelRequested, Code::PaperMissing].contains(&reason);
            assert_eq!(
                awaits_paper(state, Some(reason), Fallback::RedRecipe),
                waits
            );
            assert!(!awaits_paper(state, Some(reason), Fallback::Hold));
        }
    }
}

#[test]
fn a_dependent_whose_turn_never_comes_says_why() {
    let reasons = [
        (State::Rejected, Code::DependencyRejected),
        (State::Withdrawn, Code::DependencyWithdrawn),
        (State::RedRecipe, Code::DependencyRedRecipe),
        (State::Cancelling, Code::DependencyCancelled),
        (State::Cancelled, Code::DependencyCancelled),
        (State::Conflict, Code::DependencyConflict),
        (State::Parked, Code::DependencyParked),
    ];
    for (parent, reason) in reasons {
        assert_eq!(moot(Role::Create, parent), (State::Parked, reason));
        assert_eq!(moot(Role::Cancel, parent), (State::Withdrawn, reason));
    }
}
