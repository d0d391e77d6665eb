//! What the caller of a cancel hears.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use engine::entry::Entry;
use policies::failure::Code as Reason;
use policies::state::State;

use super::shown;
use crate::edge::codes::{self, Text};
use crate::edge::prescriptions::resource::refusals;
use crate::edge::respond::Problem;

/// Of what was dispensed there is nothing to be seen any more but that.
pub(super) const DISPENSED: Text = Text {
    en: "The prescription stands: it was dispensed or is being dispensed. The notices say more.",
    it: "La ricetta resta valida: è erogata o in erogazione. I messaggi dicono di più.",
};

/// What the caller of a cancel hears, by where that and its prescription stand now.
pub(super) fn cancelled(cancel: &Entry, parent: Entry) -> Result<HttpResponse, Problem> {
    let problem = |code| Problem {
        state: Some(parent.state),
        reason: parent.reason,
        instance: Some(parent.id),
        ..Problem::from(code)
    };
    let of_the_sac = |code| Problem {
        is_of_sac: true,
        ..problem(code)
    };
    match cancel.state {
        State::Registered => shown(StatusCode::OK, parent),
        State::Rejected => Err(Problem {
            notices: refusals(cancel.answer.as_ref()),
            detail: (cancel.reason == Some(Reason::Dispensed)).then_some(&DISPENSED),
            ..of_the_sac(&codes::CANCEL_REFUSED)
        }),
        State::Parked | State::Conflict => Err(of_the_sac(&codes::CANCEL_FAILED)),
        State::NeedsAuthorization => Err(of_the_sac(&codes::CANCEL_NEEDS_AUTHORIZATION)),
        // It had waited for its turn, which will never come.
        State::Withdrawn => Err(problem(&codes::NOT_CANCELLABLE)),
        _ => shown(StatusCode::ACCEPTED, parent),
    }
}
