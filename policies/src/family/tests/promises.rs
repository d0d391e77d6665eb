//! What holds of every turn and every step that follows, whatever the parent.

use super::*;

/// Every parent: state × reason × sends × fallback × consent.
fn parents() -> impl Iterator<Item = Parent> {
    let reasons = || Code::ALL.into_iter().map(Some).chain([None]);
    State::ALL.into_iter().flat_map(move |state| {
        reasons().flat_map(move |reason| {
            (0..12).map(move |place| Parent {
                state,
                reason,
                sends: place % 3,
                fallback: Fallback::ALL[usize::from(place % 2 == 0)],
                annul_consent: place >= 6,
            })
        })
    })
}

fn change_of(turn: Turn) -> Option<Change> {
    match turn {
        Turn::Due(change) | Turn::Done(change) => change,
        Turn::Held | Turn::Moot => None,
    }
}

/// Every change that a dependent can bring about, and the parent it is of.
fn changes() -> impl Iterator<Item = (Role, Parent, Change)> {
    let turns = [Role::Create, Role::Cancel, Role::Paper, Role::Acknowledge];
    parents().flat_map(move |parent| {
        let turned = turns
            .into_iter()
            .map(move |role| (role, change_of(turn(role, parent))));
        let followed = [Role::Cancel, Role::Watch]
            .into_iter()
            .flat_map(move |role| {
                State::ALL
                    .into_iter()
                    .map(move |rest| (role, followed(role, rest, Some(Code::LateCommit), parent)))
            });
        turned
            .chain(followed)
            .filter_map(move |(role, change)| change.map(|change| (role, parent, change)))
    })
}

/// Where a number may have been sent and is not watched yet.
fn is_at_large(parent: Parent) -> bool {
    let is_under_way = matches!(
        parent.state,
        State::Accepted
            | State::Sending
            | State::Uncertain
            | State::Verifying
            | State::NeedsAuthorization
    );
    is_under_way && parent.sends > 0
}

#[test]
fn a_number_that_may_have_been_sent_is_watched_once_its_prescription_is_given_up() {
    for (role, parent, change) in changes() {
        let is_given_up = matches!(
            change.state,
            State::Withdrawn | State::RedRecipe | State::Conflict
        );
        if is_at_large(parent) && is_given_up {
            assert!(change.watch.is_some(), "{role:?} on {parent:?}");
        }
        // Nothing that was never sent, and nothing twice.
        if change.watch.is_some() {
            assert!(is_at_large(parent) || parent.state == State::Registered);
        }
    }
}

#[test]
fn what_was_registered_is_cancelled_at_the_upstream_watched_or_raised() {
    for (role, parent, change) in changes() {
        if parent.state != State::Registered && parent.state != State::Cancelling {
            continue;
        }
        let is_accounted_for = match change.state {
            State::Registered | State::Cancelling | State::Conflict => true,
            State::Cancelled => role == Role::Cancel && parent.state == State::Cancelling,
            State::RedRecipe => change.watch == Some(Look::Now) && parent.annul_consent,
            _ => false,
        };
        assert!(is_accounted_for, "{role:?} on {parent:?}: {change:?}");
    }
}

#[test]
fn a_change_never_leases_nor_makes_due() {
    for (role, parent, change) in changes() {
        let rests = !change.state.is_pending() || change.state == State::Cancelling;
        assert!(rests, "{role:?} on {parent:?}: {change:?}");
    }
}

#[test]
fn whatever_is_held_waits_for_a_parent_that_moves() {
    for parent in parents() {
        for role in [Role::Create, Role::Cancel, Role::Paper, Role::Acknowledge] {
            if turn(role, parent) == Turn::Held {
                let moves = parent.state.is_pending() || parent.state == State::NeedsAuthorization;
                assert!(moves, "{role:?} on {parent:?}");
            }
        }
    }
}

#[test]
fn a_conflict_whose_cancel_is_refused_is_one_again() {
    for parent in parents().filter(|parent| parent.state == State::Conflict) {
        let Turn::Due(Some(cancelling)) = turn(Role::Cancel, parent) else {
            continue;
        };
        let during = Parent {
            state: cancelling.state,
            reason: cancelling.reason,
            ..parent
        };
        let change = followed(Role::Cancel, State::Rejected, Some(Code::Dispensed), during);
        // A conflict always has its reason, and never that its prescriber must authenticate: without
        // one, or with that one, it would be taken for a registered one.
        if parent.reason.is_some_and(|reason| !is_of_authority(reason)) {
            assert_eq!(change, Some(Change::to(State::Conflict, parent.reason)));
        }
    }
}

#[test]
fn nothing_takes_back_what_its_prescriber_was_not_told() {
    for (role, parent, change) in changes() {
        let was_raised = awaits_acknowledgement(parent.state, parent.reason);
        let is_silent = !awaits_acknowledgement(change.state, change.reason);
        if was_raised && is_silent {
            assert!(
                matches!(role, Role::Cancel | Role::Paper),
                "only its prescriber's own act: {role:?} on {parent:?}"
            );
        }
    }
}
