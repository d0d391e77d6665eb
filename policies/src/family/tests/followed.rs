//! What a dependent that came to rest does to its parent.

use super::*;

#[test]
fn a_cancel_ends_with_its_prescription() {
    let late = Some(Code::LateCommit);
    let mismatch = Some(Code::UpstreamMismatch);
    let table = [
        (
            State::Registered,
            None,
            None,
            Change::to(State::Cancelled, None),
        ),
        (
            State::Registered,
            None,
            late,
            Change::to(State::Cancelled, None),
        ),
        (
            State::Rejected,
            Some(Code::Dispensed),
            None,
            to(State::Registered, Code::CancelRefused),
        ),
        (
            State::Rejected,
            Some(Code::Dispensed),
            late,
            to(State::Conflict, Code::LateCommit),
        ),
        // Still registered, and no longer on its way: a person must know.
        (
            State::Parked,
            mismatch,
            None,
            to(State::Conflict, Code::UpstreamMismatch),
        ),
        (
            State::Parked,
            mismatch,
            late,
            to(State::Conflict, Code::UpstreamMismatch),
        ),
    ];
    for (state, reason, before, expected) in table {
        let cancelling = parent(State::Cancelling, before, 1);
        let change = followed(Role::Cancel, state, reason, cancelling);
        assert_eq!(change, Some(expected), "{state:?} after {before:?}");
    }
}

#[test]
fn a_cancel_on_its_way_or_too_late_leaves_its_prescription() {
    let cancelling = parent(State::Cancelling, None, 1);
    for state in [
        State::Accepted,
        State::Sending,
        State::Uncertain,
        State::Verifying,
        State::Withdrawn,
    ] {
        assert_eq!(followed(Role::Cancel, state, None, cancelling), None);
    }
    let elsewhere = State::ALL
        .into_iter()
        .filter(|state| *state != State::Cancelling);
    for state in elsewhere {
        for rest in [State::Registered, State::Rejected, State::Parked] {
            let parent = parent(state, None, 1);
            assert_eq!(
                followed(Role::Cancel, rest, None, parent),
                None,
                "{state:?}"
            );
        }
    }
}

#[test]
fn a_cancel_that_waits_for_its_prescriber_shows_in_its_prescription() {
    let late = Some(Code::LateCommit);
    for word in [Code::AuthorityRefused, Code::AuthorityExpired] {
        let next = |state, reason, before| {
            let cancelling = parent(State::Cancelling, before, 1);
            followed(Role::Cancel, state, reason, cancelling)
        };
        let waits = Some(word);
        let shown = Some(to(State::Cancelling, word));
        assert_eq!(next(State::NeedsAuthorization, waits, None), shown);
        // A conflict stays the one it was.
        assert_eq!(next(State::NeedsAuthorization, waits, late), None);
        for resumed in [State::Accepted, State::Uncertain] {
            let goes_on = Some(Change::to(State::Cancelling, None));
            assert_eq!(next(resumed, None, waits), goes_on);
            assert_eq!(next(resumed, None, late), None);
        }
        let refused = Some(to(State::Registered, Code::CancelRefused));
        assert_eq!(next(State::Rejected, Some(Code::Dispensed), waits), refused);
        let parked = Some(to(State::Conflict, Code::DeadlinePassed));
        assert_eq!(
            next(State::Parked, Some(Code::DeadlinePassed), waits),
            parked
        );
    }
}

#[test]
fn a_double_is_raised_wherever_its_prescription_stands() {
    let late = Some(Code::LateCommit);
    for state in State::ALL {
        let under_way = matches!(
            state,
            State::Accepted
                | State::Sending
                | State::Uncertain
                | State::Verifying
                | State::NeedsAuthorization
        );
        let raised = |sends| {
            followed(
                Role::Watch,
                State::Conflict,
                late,
                parent(state, None, sends),
            )
        };
        let expected = if under_way {
            // The number it goes under now is given up with it.
            watched(State::Conflict, late)
        } else {
            Change::to(State::Conflict, late)
        };
        assert_eq!(raised(1), Some(expected), "{state:?}");
        assert_eq!(raised(0), Some(Change::to(State::Conflict, late)));
    }
}

#[test]
fn what_was_undone_is_news_to_whoever_gave_it_up() {
    let undone = |state, reason| {
        followed(
            Role::Watch,
            State::Cancelled,
            None,
            parent(state, reason, 1),
        )
    };
    for state in [
        State::Withdrawn,
        State::RedRecipe,
        State::Rejected,
        State::Parked,
    ] {
        let lost = Some(Code::UpstreamTimeout);
        assert_eq!(undone(state, lost), Some(to(state, Code::Annulled)));
    }
    // Neither does a cancelled one wait for a paper form again, nor is a missing one found.
    for reason in [Code::CancelRequested, Code::PaperMissing] {
        assert_eq!(undone(State::Withdrawn, Some(reason)), None);
    }
    // These go on under another number, or ended under it.
    for state in [
        State::Accepted,
        State::Sending,
        State::Uncertain,
        State::Verifying,
        State::Registered,
        State::NeedsAuthorization,
        State::Cancelling,
        State::Cancelled,
        State::Conflict,
    ] {
        assert_eq!(undone(state, None), None, "{state:?}");
    }
}

#[test]
fn a_watch_that_found_nothing_says_nothing_unless_it_was_known_to_be_there() {
    let silent = |state, reason| {
        followed(
            Role::Watch,
            State::Withdrawn,
            None,
            parent(state, reason, 1),
        )
    };
    for state in State::ALL {
        assert_eq!(silent(state, None), None);
    }
    assert_eq!(
        silent(State::RedRecipe, Some(Code::PaperIssued)),
        Some(to(State::Conflict, Code::PossibleDouble)),
        "it was registered, and never seen to be annulled"
    );
    for state in State::ALL {
        let next = followed(Role::Watch, State::Uncertain, None, parent(state, None, 1));
        assert_eq!(next, None, "a watch between two looks");
    }
}

#[test]
fn what_nothing_is_sent_for_does_nothing_more() {
    for role in [Role::Create, Role::Paper, Role::Acknowledge] {
        for state in State::ALL {
            for rest in State::ALL {
                assert_eq!(followed(role, rest, None, parent(state, None, 1)), None);
            }
        }
    }
}
