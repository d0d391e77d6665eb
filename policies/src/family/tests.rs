//! Every role × every standing of its parent as a table.

use super::*;

fn parent(state: State, sends: u32) -> Parent {
    Parent {
        state,
        reason: None,
        sends,
        fallback: Fallback::Hold,
        annul_consent: false,
    }
}

#[test]
fn every_role_reads_back_from_its_word() {
    for role in Role::ALL {
        assert_eq!(Role::parse(role.as_str()), Some(role));
    }
}

#[test]
fn what_was_never_sent_is_withdrawn_and_not_watched() {
    let withdrawn = Change::to(State::Withdrawn, Some(Code::CancelRequested));
    let turn = turn(Role::Cancel, parent(State::Accepted, 0));
    assert_eq!(turn, Turn::Done(Some(withdrawn)));
}

/// Its old number turned out to be a double while its new one was on its way: that may be there too.
#[test]
fn a_double_gives_up_and_watches_a_number_that_is_on_its_way() {
    let conflict = |state, sends| {
        let reason = Some(Code::LateCommit);
        followed(Role::Watch, State::Conflict, reason, parent(state, sends))
    };
    for state in State::ALL {
        let on_its_way = matches!(
            state,
            State::Accepted
                | State::Sending
                | State::Uncertain
                | State::Verifying
                | State::NeedsAuthorization
        );
        let change = conflict(state, 1).expect("a double is always news");
        assert_eq!(change.state, State::Conflict, "{state:?}");
        let watch = on_its_way.then_some(Look::Scheduled);
        assert_eq!(change.watch, watch, "{state:?}");
        assert_eq!(conflict(state, 0).unwrap().watch, None, "{state:?}");
    }
}
