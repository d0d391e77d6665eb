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
