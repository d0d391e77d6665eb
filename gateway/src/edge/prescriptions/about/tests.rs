//! What is heard of what was done about a prescription, by where both stand.

use policies::failure::Code as Reason;

use super::cancelled::DISPENSED;
use super::*;
use crate::edge::tests::store::entry;

/// A cancel in `state`, whose prescription is `parent`: the status, and the problem if it is one.
fn heard(state: State, reason: Option<Reason>, parent: State) -> (u16, Option<Problem>) {
    let mut cancel = entry(8, state);
    cancel.reason = reason;
    match cancelled(&cancel, entry(7, parent)) {
        Ok(response) => (response.status().as_u16(), None),
        Err(problem) => {
            assert_eq!(problem.state, Some(parent));
            assert_eq!(problem.instance, Some(entry(7, parent).id));
            (problem.code.status, Some(problem))
        }
    }
}

#[test]
fn only_a_cancel_that_goes_on_by_itself_waits() {
    for state in State::ALL {
        let (status, problem) = heard(state, None, State::Cancelling);
        let expected = match state {
            State::Registered => (200, ""),
            State::Rejected => (422, "cancel-refused"),
            State::Parked | State::Conflict => (409, "cancel-failed"),
            State::NeedsAuthorization => (409, "cancel-needs-authorization"),
            State::Withdrawn => (409, "not-cancellable"),
            _ => (202, ""),
        };
        let code = problem.map_or("", |problem| problem.code.code);
        assert_eq!((status, code), expected, "{state:?}");
    }
}

/// That it was dispensed is said of what was dispensed, and of nothing else.
#[test]
fn a_refused_cancel_says_what_is_known() {
    let detail = |reason| {
        let (_, problem) = heard(State::Rejected, Some(reason), State::Registered);
        problem.unwrap().detail.map(|detail| detail.it)
    };
    assert_eq!(detail(Reason::Dispensed), Some(DISPENSED.it));
    assert_eq!(detail(Reason::UpstreamRejected), None);
    assert!(!codes::CANCEL_REFUSED.detail.it.contains("erogat"));
}

/// Who holds a registered prescription is not sent to paper because its cancel was not stored.
#[test]
fn nobody_is_sent_to_paper_for_what_is_on_disk() {
    let said = |refusal| {
        let problem = as_it_was(Problem::from(refusal));
        problem.detail.unwrap_or(&problem.code.detail).it
    };
    for refusal in [Refusal::Refused, Refusal::Busy, Refusal::Stopping] {
        assert!(!said(refusal).contains("rossa"), "{refusal:?}");
    }
    assert_eq!(said(Refusal::Refused), AS_IT_WAS.it);
}
