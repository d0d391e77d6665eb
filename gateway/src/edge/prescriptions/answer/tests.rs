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
                let has_notices = problem.notices.iter().any(|notice| notice.code == "1036");
                assert_eq!(has_notices, state == State::Rejected);
                (problem.code.status, format!("{problem:?}"))
            }
        };
        let expected = match state {
            State::Registered => 201,
            State::Rejected => 422,
            State::Withdrawn | State::RedRecipe | State::Cancelling | State::Cancelled => 200,
            State::Conflict => 409,
            _ => 202,
        };
        assert_eq!(status, expected, "{state:?}");
        let may_show = shows_number(&entry(7, state)) && status < 400;
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
            State::RedRecipe | State::Cancelling | State::Cancelled => (200, ""),
            State::Conflict => (409, "conflict"),
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

/// An entry withdrawn for `reason`, as its desk hears of it.
fn red_form_for(reason: Code, watched: bool) -> Problem {
    let mut entry = entry(7, State::Withdrawn);
    entry.terms.fallback = Fallback::RedRecipe;
    entry.reason = Some(reason);
    entry.watched = watched;
    answer(entry, Vec::new()).unwrap_err()
}

#[test]
fn paper_is_not_blamed_on_the_sac_where_another_must_act() {
    let cases = [
        (Code::GateOpen, Fault::Upstream, true),
        (Code::UpstreamTimeout, Fault::Upstream, true),
        (Code::AuthorityRefused, Fault::Caller, true),
        (Code::AuthorityExpired, Fault::Caller, true),
        (Code::LaneBusy, Fault::Gateway, false),
        (Code::ShuttingDown, Fault::Gateway, false),
        (Code::OwnCertificate, Fault::Gateway, false),
    ];
    for (reason, fault, is_of_sac) in cases {
        let problem = red_form_for(reason, false);
        assert_eq!(problem.fault, Some(fault), "{reason:?}");
        assert_eq!(problem.reason, Some(reason));
        assert_eq!(problem.is_of_sac, is_of_sac, "{reason:?}");
        let logs_in = problem.detail.is_some_and(|text| text.it.contains("SPID"));
        assert_eq!(logs_in, fault == Fault::Caller, "{reason:?}");
    }
    // What may be there is not sent again under another key, whoever logs in.
    let may_be_there = red_form_for(Code::AuthorityRefused, true);
    assert_eq!(may_be_there.detail, None);
}

#[test]
fn a_key_is_repeated_only_where_that_may_change_the_answer() {
    let not_done = red_form_for(Code::GateOpen, false);
    assert_eq!(not_done.repeat, Some(Repeat::Never));
    assert_eq!(red_form_for(Code::UpstreamTimeout, true).repeat, None);
}

#[test]
fn a_conflict_is_never_a_success() {
    for fallback in Fallback::ALL {
        let mut entry = entry(7, State::Conflict);
        entry.terms.fallback = fallback;
        entry.reason = Some(Code::PossibleDouble);
        let problem = answer(entry.clone(), Vec::new()).unwrap_err();
        assert_eq!((problem.code.status, problem.code.code), (409, "conflict"));
        assert_eq!(problem.instance, Some(entry.id));
        let why = (problem.state, problem.reason);
        assert_eq!(why, (Some(State::Conflict), entry.reason));
    }
}
