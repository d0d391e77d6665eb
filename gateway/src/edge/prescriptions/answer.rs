//! What the caller of a new prescription hears, the first time and every time it repeats its key:
//! where the entry stands now.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use engine::entry::Entry;
use policies::delivery::Fallback;
use policies::failure::{Code, Fault, Outcome};
use policies::state::State;

use super::resource::{PrescriptionBody, refusals};
use crate::edge::codes::{self, Repeat, Text};
use crate::edge::notation::{X_CORRELATION_ID, location};
use crate::edge::respond::{FieldError, Problem};

pub(super) fn answer(entry: Entry, warnings: Vec<FieldError>) -> Result<HttpResponse, Problem> {
    if let Some(problem) = problem(&entry) {
        let is_ours = problem.fault == Some(Fault::Gateway);
        return Err(Problem {
            is_of_sac: !is_ours,
            instance: Some(entry.id),
            ..problem
        });
    }
    let status = match entry.state {
        State::Registered => StatusCode::CREATED,
        state if is_waiting(state) => StatusCode::ACCEPTED,
        // It was cancelled, withdrawn or written on paper since.
        _ => StatusCode::OK,
    };
    let (location, correlation) = (location(entry.id), entry.id.to_string());
    let body = PrescriptionBody::of(entry, warnings)?;
    Ok(HttpResponse::build(status)
        .insert_header((header::LOCATION, location))
        .insert_header((X_CORRELATION_ID, correlation))
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
    let is_at_the_desk = entry.terms.fallback == Fallback::RedRecipe;
    if is_at_the_desk && entry.state == State::Sending {
        // Its first request is still waiting: whether paper is to be written is not decided.
        return Some(Problem::from(&codes::KEY_IN_FLIGHT));
    }
    if is_at_the_desk && needs_red_form(entry) {
        return Some(red_form(entry));
    }
    (entry.state == State::Conflict).then(|| Problem {
        state: Some(entry.state),
        reason: entry.reason,
        ..Problem::from(&codes::CONFLICT)
    })
}

/// The paper is not written because of the SAC: its prescriber has to authenticate again.
const LOG_IN_AGAIN: Text = Text {
    en: "The SAC does not accept this authentication. Authenticate again (SPID, CIE, CNS) and repeat \
         with a new key; if the patient cannot wait, write a red form and enter its number in this \
         prescription.",
    it: "Il SAC non accetta questo accesso. Rifare l'accesso (SPID, CIE, CNS) e ripetere con una \
         chiave nuova; se il paziente non può aspettare, compilare la ricetta rossa e inserirne il \
         numero in questa ricetta.",
};

fn red_form(entry: &Entry) -> Problem {
    let outcome = outcome(entry);
    let is_not_done = outcome == Outcome::NotDone;
    let is_refused = matches!(
        entry.reason,
        Some(Code::AuthorityRefused | Code::AuthorityExpired)
    );
    Problem {
        reason: entry.reason,
        fault: Some(fault(entry.reason)),
        outcome: Some(outcome),
        // The same key would hear the same for ever.
        repeat: is_not_done.then_some(Repeat::Never),
        detail: (is_not_done && is_refused).then_some(&LOG_IN_AGAIN),
        ..Problem::from(&codes::ISSUE_RED_RECIPE)
    }
}

/// Whose doing it is that a prescription was not registered in time.
fn fault(reason: Option<Code>) -> Fault {
    match reason {
        Some(Code::AuthorityRefused | Code::AuthorityExpired) => Fault::Caller,
        Some(
            Code::LaneBusy
            | Code::ShuttingDown
            | Code::LeaseExpired
            | Code::OwnCertificate
            | Code::SchemaRefused
            | Code::Unreadable,
        ) => Fault::Gateway,
        _ => Fault::Upstream,
    }
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
