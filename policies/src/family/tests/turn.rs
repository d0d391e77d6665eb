//! Where a dependent goes.

use super::*;

fn done(change: Change) -> Turn {
    Turn::Done(Some(change))
}

#[test]
fn a_create_after_another_waits_until_that_is_registered() {
    for state in State::ALL {
        let expected = match state {
            State::Registered => Turn::Due(None),
            State::Accepted
            | State::Sending
            | State::Uncertain
            | State::Verifying
            | State::Cancelling
            | State::NeedsAuthorization => Turn::Held,
            _ => Turn::Moot,
        };
        assert_eq!(turn(Role::Create, parent(state, None, 1)), expected);
    }
}

#[test]
fn a_cancel_by_where_its_prescription_stands() {
    let withdrawn = to(State::Withdrawn, Code::CancelRequested);
    let withdrawn_and_watched = watched(State::Withdrawn, Some(Code::CancelRequested));
    let cancelling = |reason| Turn::Due(Some(Change::to(State::Cancelling, reason)));
    let late = Some(Code::LateCommit);
    let table = [
        (parent(State::Accepted, None, 0), done(withdrawn)),
        (
            parent(State::Accepted, None, 1),
            done(withdrawn_and_watched),
        ),
        (parent(State::Sending, None, 1), Turn::Held),
        (parent(State::Uncertain, None, 1), Turn::Held),
        (parent(State::Verifying, None, 1), Turn::Held),
        (parent(State::NeedsAuthorization, None, 0), done(withdrawn)),
        (parent(State::NeedsAuthorization, None, 1), Turn::Held),
        // What was parked after it may have been sent is watched from then on, and once is enough.
        (parent(State::Parked, None, 0), done(withdrawn)),
        (parent(State::Parked, None, 1), done(withdrawn)),
        (parent(State::Registered, None, 1), cancelling(None)),
        (
            parent(State::Registered, Some(Code::CancelRefused), 1),
            cancelling(None),
        ),
        (parent(State::Conflict, late, 1), cancelling(late)),
        (parent(State::Conflict, late, 0), done(withdrawn)),
        (
            parent(State::Conflict, Some(Code::NumberTaken), 1),
            done(withdrawn),
        ),
        (
            parent(State::Withdrawn, Some(Code::UpstreamTimeout), 1),
            done(withdrawn),
        ),
        (
            parent(State::Withdrawn, Some(Code::CancelRequested), 1),
            Turn::Moot,
        ),
        (parent(State::Rejected, None, 1), Turn::Moot),
        (parent(State::RedRecipe, None, 1), Turn::Moot),
        (parent(State::Cancelling, None, 1), Turn::Moot),
        (parent(State::Cancelled, None, 1), Turn::Moot),
    ];
    for (parent, expected) in table {
        assert_eq!(turn(Role::Cancel, parent), expected, "{parent:?}");
    }
}

#[test]
fn a_paper_form_by_where_its_prescription_stands() {
    let written = done(Change::to(State::RedRecipe, None));
    let written_and_watched = done(watched(State::RedRecipe, None));
    for state in [
        State::Accepted,
        State::Sending,
        State::Uncertain,
        State::Verifying,
        State::NeedsAuthorization,
    ] {
        assert_eq!(turn(Role::Paper, parent(state, None, 0)), written);
        let sent = parent(state, None, 1);
        assert_eq!(turn(Role::Paper, sent), written_and_watched, "{state:?}");
    }
    // Watched already, where it was sent: while the watch is open one is enough.
    for state in [State::Withdrawn, State::Rejected, State::Parked] {
        assert_eq!(turn(Role::Paper, parent(state, None, 1)), written);
    }
    for state in [State::RedRecipe, State::Cancelling, State::Cancelled] {
        assert_eq!(turn(Role::Paper, parent(state, None, 1)), Turn::Moot);
    }
    let conflict = parent(State::Conflict, Some(Code::LateCommit), 1);
    assert_eq!(turn(Role::Paper, conflict), Turn::Done(None));
}

#[test]
fn a_paper_form_beside_a_registered_prescription_is_undone_with_consent_and_raised_without() {
    let registered = parent(State::Registered, None, 1);
    let raised = done(to(State::Conflict, Code::PaperIssued));
    assert_eq!(turn(Role::Paper, registered), raised);
    let agreed = Parent {
        annul_consent: true,
        ..registered
    };
    let undone = done(Change {
        watch: Some(Look::Now),
        ..to(State::RedRecipe, Code::PaperIssued)
    });
    assert_eq!(turn(Role::Paper, agreed), undone);
}

#[test]
fn an_acknowledgement_changes_nothing_else() {
    for state in State::ALL {
        for reason in [None, Some(Code::PaperMissing), Some(Code::CancelRefused)] {
            let expected = if awaits_acknowledgement(state, reason) {
                done(Change {
                    acknowledged: true,
                    ..Change::to(state, reason)
                })
            } else {
                Turn::Moot
            };
            assert_eq!(turn(Role::Acknowledge, parent(state, reason, 1)), expected);
        }
    }
}
