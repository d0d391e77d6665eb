//! Prescriptions: written once, then followed until the SAC has registered or refused them.

pub(crate) mod lookup;
mod reading;
pub(crate) mod reminder;
mod request;
pub(crate) mod resource;
mod write;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use engine::door::Submitted;
use policies::state::State;
use tokio::time::timeout;

use self::request::NewPrescription;
use self::resource::{PrescriptionBody, is_registered, refusals};
use self::write::{Headers, prepare};
use super::notation::location;
use super::respond::{FieldError, Problem, ProblemBody};
use super::trace::Trace;
use super::{Edge, body, codes, json};
use crate::callers::Profile;

/// The resources of prescriptions.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/prescriptions")
                .route(web::post().to(create))
                .route(web::get().to(lookup::list)),
        )
        .service(web::resource("/prescriptions/search").route(web::post().to(lookup::search)))
        .service(web::resource("/prescriptions/{id}").route(web::get().to(lookup::get)))
        .service(
            web::resource("/prescriptions/{id}/reminder").route(web::get().to(reminder::reminder)),
        )
        .service(
            web::resource("/prescriptions/{id}/events")
                .route(web::get().to(super::events::of_prescription)),
        );
}

/// Write a prescription.
///
/// Answers 201 once the SAC has registered it, or 202 when it is on disk and is delivered later. A
/// 202 carries no NRE: until the SAC has issued its code nothing may be printed or handed out.
#[utoipa::path(
    post,
    path = "/prescriptions",
    operation_id = "writePrescription",
    tag = "prescriptions",
    params(
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 128,
            description = "New for each new write, the same for its repetitions. Kept 90 days."),
        ("Prefer" = Option<String>, Header, max_length = 64,
            description = "`wait=N`: answer within N seconds, registered or not."),
    ),
    request_body(content = NewPrescription, content_type = "application/json"),
    responses(
        (status = 201, body = PrescriptionBody, description = "Registered by the SAC."),
        (status = 202, body = PrescriptionBody, description = "On disk, and not registered (yet)."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 409, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "A request with this key is being stored."),
        (status = 408, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body arrived too slowly."),
        (status = 413, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is too large."),
        (status = 415, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is not plain JSON."),
        (status = 422, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Refused by our checks, with every broken rule, or by the SAC."),
    ),
)]
pub(crate) async fn create(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let caller = edge.caller(&request)?;
    if caller.profile != Profile::Practice {
        return Err(Problem::from(&codes::PROFILE_NOT_ALLOWED));
    }
    let authority = caller.authority()?;
    let headers = Headers {
        key: idempotency_key(request.headers())?,
        wait_max: wait_max(request.headers()),
        trace: trace(&request),
    };
    let bytes = body::read(request.headers(), payload, edge.body).await?;
    let new: NewPrescription = json::decode(&bytes)?;
    let checks_off: Vec<&str> = edge.gateway.checks_off.iter().map(String::as_str).collect();
    let now = edge.gateway.clock.now();
    let (write, warnings) = prepare(new, &caller, &authority, headers, now, &checks_off)?;
    let door = &edge.gateway.prescriptions;
    match timeout(edge.answer_within, door.submit(write)).await {
        Ok(Ok(submitted)) => answer(submitted, warnings),
        Ok(Err(refusal)) => Err(Problem {
            retry_after: door.retry_after(refusal),
            ..Problem::from(refusal)
        }),
        Err(_) => Err(Problem::from(&codes::OUTCOME_UNKNOWN)),
    }
}

/// What the caller hears of an entry, the same for a first request and for its repetitions: where
/// it stands now.
fn answer(submitted: Submitted, warnings: Vec<FieldError>) -> Result<HttpResponse, Problem> {
    let entry = submitted.entry;
    let location = location(entry.id);
    if entry.state == State::Rejected {
        return Err(Problem {
            notices: refusals(entry.answer.as_ref()),
            upstream: Some("sac"),
            instance: Some(location),
            ..Problem::from(&codes::UPSTREAM_REJECTED)
        });
    }
    // Cancelled since: it was registered, but a repetition must not be told that it is.
    let is_valid = is_registered(entry.state) && entry.state != State::Cancelled;
    let status = if is_valid {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    };
    let body = PrescriptionBody::of(entry, warnings)?;
    Ok(HttpResponse::build(status)
        .insert_header((header::LOCATION, location))
        .json(body))
}

fn trace(request: &HttpRequest) -> Option<String> {
    let extensions = request.extensions();
    extensions
        .get::<Trace>()
        .map(|trace| trace.parent().to_owned())
}

/// Longest `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 128;

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all("idempotency-key");
    let value = values.next().ok_or(&codes::KEY_MISSING)?;
    let key = value.as_bytes();
    let fits = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if fits && values.next().is_none() => Ok(key.to_owned()),
        _ => Err(Problem::from(&codes::KEY_INVALID)),
    }
}

/// `Prefer: wait=N` (RFC 7240). A preference that cannot be read is none.
fn wait_max(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| {
            let (name, value) = preference.split_once('=')?;
            let is_wait = name.trim().eq_ignore_ascii_case("wait");
            let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
            is_wait.then(|| Duration::from_secs(u64::from(seconds)))
        })
}

#[cfg(test)]
mod tests;
