//! What the caller of a new prescription hears, the first time and every time it repeats its key:
//! where the entry stands now.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use engine::entry::Entry;
use policies::delivery::Fallback;
use policies::failure::{Code, Outcome};
use policies::state::State;

use super::resource::{PrescriptionBody, refusals};
use crate::edge::codes;
use crate::edge::notation::location;
use crate::edge::respond::{FieldError, Problem};

pub(super) fn answer(entry: Entry, warnings: Vec<FieldError>) -> Result<HttpResponse, Problem> {
    if let Some(problem) = problem(&entry) {
        return Err(Problem {
            upstream: Some("sac"),
            instance: Some(entry.id),
            ..problem
        });
    }
    let status = match entry.state {
        State::Registered => StatusCode::CREATED,
        state if is_waiting(state) => StatusCode::ACCEPTED,
        // It was registered, cancelled, withdrawn or written on paper since.
        _ => StatusCode::OK,
    };
    let location = location(entry.id);
    let body = PrescriptionBody::of(entry, warnings)?;
    Ok(HttpResponse::build(status)
        .insert_header((header::LOCATION, location))
        .json(body))
}

fn is_waiting(state: State) -> bool {
    let waits_for_someone = matches!(state, State::NeedsAuthorization | State::Parked);
    waits_for_someone || (state.is_pending() && state != State::Cancelling)
}

fn problem(entry: &Entry) -> Option<Problem> {
    if entry.state == State::Rejected {
        return Some(Problem {
            notices: refusals(entry.answer.as_ref()),
            ..Problem::from(&codes::UPSTREAM_REJECTED)
        });
    }
    if entry.terms.fallback != Fallback::RedRecipe {
        return None;
    }
    if entry.state == State::Sending {
        // Its first request is still waiting: whether paper is to be written is not decided.
        return Some(Problem::from(&codes::KEY_IN_FLIGHT));
    }
    needs_red_form(entry).then(|| Problem {
        outcome: Some(outcome(entry)),
        ..Problem::from(&codes::ISSUE_RED_RECIPE)
    })
}

/// Whether the desk is to write `entry` on a red form: its patient waits, and it is not registered.
fn needs_red_form(entry: &Entry) -> bool {
    match entry.state {
        State::Withdrawn => entry.reason != Some(Code::CancelRequested),
        // What is there is another prescription.
        State::Conflict => entry.reason == Some(Code::NumberTaken),
        state => is_waiting(state),
    }
}

/// What may have become of it at the SAC.
fn outcome(entry: &Entry) -> Outcome {
    if entry.state == State::Withdrawn && !entry.watched {
        Outcome::NotDone
    } else {
        Outcome::Unknown
    }
}

#[cfg(test)]
mod tests;
