//! What is shown of an entry, and what is not.

use policies::delivery::Uncertain;
use policies::failure::{Code, Opaque};
use policies::state::State;

use super::resource::{refusals, shows_number};
use super::*;
use crate::edge::tests::store::{NRE, entry};

#[test]
fn a_registered_entry_without_its_receipt_is_not_shown_as_if_it_had_one() {
    let mut damaged = entry(7, State::Registered);
    damaged.answer = Some(Opaque(b"{".to_vec()));
    let problem = PrescriptionBody::of(damaged, Vec::new()).unwrap_err();
    assert_eq!(problem.code.code, "unreadable");
}

#[test]
fn nothing_of_a_prescription_is_in_the_output_of_debug() {
    let body = PrescriptionBody::of(entry(7, State::Registered), Vec::new()).unwrap();
    let problem = Problem {
        notices: refusals(entry(7, State::Rejected).answer.as_ref()),
        ..Problem::from(&codes::UPSTREAM_REJECTED)
    };
    let printed = format!("{body:?} {:?} {problem:?}", problem.notices);
    for secret in [NRE, "010203", "1036", "CODICE"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("registered") && printed.contains("upstream-rejected"));
}

/// The number is shown of what the SAC has registered, and of nothing else: of a conflict only where
/// the SAC was found to hold it under that very number.
#[test]
fn a_number_is_shown_only_of_what_the_sac_has_registered() {
    let without_receipt = |state, reason| {
        let mut entry = entry(7, state);
        entry.answer = None;
        entry.reason = reason;
        entry
    };
    for state in State::ALL {
        let registered = matches!(
            state,
            State::Registered | State::Cancelling | State::Cancelled | State::Conflict
        );
        assert_eq!(shows_number(&entry(7, state)), registered, "{state:?}");
    }
    let reasons = [
        (Code::LateCommit, true),
        (Code::Dispensed, true),
        (Code::PaperIssued, true),
        (Code::PossibleDouble, false),
        (Code::NumberTaken, false),
    ];
    for (reason, shown) in reasons {
        let mut conflict = without_receipt(State::Conflict, Some(reason));
        assert_eq!(shows_number(&conflict), shown, "{reason:?}");
        let body = PrescriptionBody::of(conflict.clone(), Vec::new()).unwrap();
        assert_eq!(body.nre.is_some(), shown);
        // The number that was found may be one that was replaced.
        conflict.terms.uncertain = Uncertain::AnnulAndResend;
        assert!(!shows_number(&conflict), "{reason:?}");
    }
    let cancelling = without_receipt(State::Cancelling, Some(Code::PossibleDouble));
    assert!(!shows_number(&cancelling));
}

#[test]
fn the_number_of_a_red_form_is_shown_beside_the_one_of_the_sac() {
    let mut paper = entry(7, State::RedRecipe);
    paper.paper = Some(Opaque(br#"{"paper_number":"150220123456789"}"#.to_vec()));
    let body = PrescriptionBody::of(paper.clone(), Vec::new()).unwrap();
    assert_eq!(body.paper_number.as_deref(), Some("150220123456789"));
    assert_eq!(body.nre, None);
    // It is registered, too: whoever must act on that sees both.
    paper.state = State::Conflict;
    paper.reason = Some(Code::PossibleDouble);
    let body = PrescriptionBody::of(paper, Vec::new()).unwrap();
    assert_eq!(body.paper_number.as_deref(), Some("150220123456789"));
    assert_eq!(body.nre.as_deref(), Some(NRE));
    assert_eq!(body.codice_autenticazione.as_deref(), Some("010203"));
}

#[test]
fn an_acknowledgement_is_spoken_of_where_one_is_asked_for() {
    for state in State::ALL {
        let body = PrescriptionBody::of(entry(7, state), Vec::new()).unwrap();
        let asked = matches!(state, State::Rejected | State::Conflict | State::Parked);
        assert_eq!(body.acknowledged, asked.then_some(false), "{state:?}");
    }
}
