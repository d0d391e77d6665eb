//! Where an entry stands, as it is told to who wrote it.

use actix_web::body::to_bytes;

use super::*;
use crate::edge::prescriptions::resource::shows_number;
use crate::edge::tests::store::{NRE, entry};

/// The status, and the code of the problem if it is one.
fn heard(entry: Entry) -> (u16, &'static str) {
    match answer(entry, Vec::new()) {
        Ok(response) => (response.status().as_u16(), ""),
        Err(problem) => (problem.code.status, problem.code.code),
    }
}

#[actix_web::test]
async fn an_answer_says_where_the_entry_stands_now() {
    for state in State::ALL {
        let (status, text) = match answer(entry(7, state), Vec::new()) {
            Ok(response) => {
                let at = response.headers().get(header::LOCATION).unwrap();
                assert_eq!(at.to_str().unwrap(), location(entry(7, state).id));
                let status = response.status().as_u16();
                let bytes = to_bytes(response.into_body()).await.unwrap();
                (status, String::from_utf8(bytes.to_vec()).unwrap())
            }
            Err(problem) => {
                assert_eq!(problem.instance, Some(entry(7, state).id));
                assert_eq!(problem.notices[0].code, "1036");
                (problem.code.status, format!("{problem:?}"))
            }
        };
        let expected = match state {
            State::Registered => 201,
            State::Rejected => 422,
            State::Withdrawn
            | State::RedRecipe
            | State::Cancelling
            | State::Cancelled
            | State::Conflict => 200,
            _ => 202,
        };
        assert_eq!(status, expected, "{state:?}");
        let may_show = shows_number(&entry(7, state));
        assert_eq!(text.contains(NRE), may_show, "{state:?}");
        assert_eq!(text.contains("010203"), may_show, "{state:?}");
    }
}

/// Of what is sent only inside its own request, anything that is not registered is written on paper,
/// unless it was taken back, and nothing is told before that is decided.
#[test]
fn a_desk_that_may_not_wait_hears_that_a_red_form_is_to_be_written() {
    for state in State::ALL {
        let mut entry = entry(7, state);
        entry.terms.fallback = Fallback::RedRecipe;
        let expected = match state {
            State::Registered => (201, ""),
            State::Rejected => (422, "upstream-rejected"),
            State::Sending => (409, "key-in-flight"),
            State::RedRecipe | State::Cancelling | State::Cancelled | State::Conflict => (200, ""),
            _ => (503, "issue-red-recipe"),
        };
        assert_eq!(heard(entry), expected, "{state:?}");
    }
    let mut taken_back = entry(7, State::Withdrawn);
    taken_back.terms.fallback = Fallback::RedRecipe;
    taken_back.reason = Some(Code::CancelRequested);
    assert_eq!(heard(taken_back.clone()), (200, ""));
    taken_back.reason = Some(Code::PaperMissing);
    assert_eq!(heard(taken_back.clone()), (503, "issue-red-recipe"));
    taken_back.state = State::Conflict;
    taken_back.reason = Some(Code::NumberTaken);
    assert_eq!(heard(taken_back), (503, "issue-red-recipe"));
}

#[test]
fn what_was_never_sent_is_surely_not_done() {
    let told = |watched| {
        let mut entry = entry(7, State::Withdrawn);
        entry.terms.fallback = Fallback::RedRecipe;
        entry.watched = watched;
        let problem = answer(entry, Vec::new()).unwrap_err();
        problem.outcome
    };
    assert_eq!(told(false), Some(Outcome::NotDone));
    assert_eq!(told(true), Some(Outcome::Unknown));
}
