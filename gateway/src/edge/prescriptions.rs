//! Prescriptions: written once, then followed until the SAC has registered or refused them.

pub(crate) mod about;
mod answer;
pub(in crate::edge) mod headers;
pub(crate) mod lookup;
mod reading;
pub(crate) mod reminder;
mod reply_to;
pub(crate) mod request;
pub(crate) mod resource;
mod write;

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use engine::door::{Refusal, Write};
use tokio::time::timeout;

use self::answer::answer;
use self::headers::Headers;
use self::reply_to::followed;
use self::request::NewPrescription;
use self::resource::PrescriptionBody;
use self::write::prepare;
use super::codes::Text;
use super::respond::{FieldError, Problem, ProblemBody};
use super::{Edge, codes, json, noted};
use policies::access::Action;

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
        .service(web::resource("/prescriptions/{id}/cancel").route(web::post().to(about::cancel)))
        .service(web::resource("/prescriptions/{id}/paper").route(web::post().to(about::paper)))
        .service(
            web::resource("/prescriptions/{id}/acknowledge")
                .route(web::post().to(about::acknowledge)),
        )
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
///
/// With the fallback `red-recipe` it is never delivered later: if it is not registered in time the
/// answer is 503 `issue-red-recipe`. The desk writes a red form and confirms its number at `Location`
/// with `/paper`. A repetition of the key hears where the prescription stands now. Who heard no answer
/// repeats the key before writing paper.
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
        ("X-ReplyTo" = Option<String>, Header, max_length = 512,
            description = "`https://host[:port]/path`: where its events are pushed to. The host must be \
                registered for the organisation; the path names no person and no recipe."),
    ),
    request_body(content = NewPrescription, content_type = "application/json"),
    responses(
        (status = 200, body = PrescriptionBody, description = "To a repetition: it was cancelled, \
            withdrawn or written on a red form since."),
        (status = 201, body = PrescriptionBody, description = "Registered by the SAC."),
        (status = 202, body = PrescriptionBody, description = "On disk, and not registered (yet)."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 409, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "A request with this key is being stored, or sent. Or what the SAC holds is \
                not what was sent: its prescriber must decide."),
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
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::WritePrescription)?;
    let authority = caller.authority()?;
    let headers = Headers::of(&request)?;
    let bytes = edge.body(&request, payload).await?;
    let new: NewPrescription = json::decode(&bytes)?;
    let now = edge.gateway.clock.now();
    let (write, warnings) = prepare(
        new,
        &caller,
        &authority,
        headers,
        now,
        &policy.prescriptions,
    )?;
    let write = followed(&edge, &caller, &request, write).await?;
    if !write.resumes {
        stored_before(&edge, &write, too_old()).await?;
    }
    match timeout(edge.answer_within, edge.gateway.prescriptions.submit(write)).await {
        Ok(Ok(submitted)) => {
            noted::submitted(&request, &submitted, submitted.entry.id);
            answer(submitted.entry, warnings)
        }
        Ok(Err(refusal)) => Err(refused(&edge, refusal)),
        Err(_) => Err(Problem::from(&codes::OUTCOME_UNKNOWN)),
    }
}

/// Why the lane took nothing, and when it may.
fn refused(edge: &Edge, refusal: Refusal) -> Problem {
    let problem = Problem::from(refusal);
    let after = edge.gateway.prescriptions.retry_after(refusal);
    Problem {
        repeat: after.map(|after| problem.code.repeat.past(after)),
        ..problem
    }
}

/// The prescriber authenticated too long ago for anything to be sent under it.
pub(in crate::edge) fn too_old() -> Problem {
    const LOG_IN_AGAIN: Text = Text {
        en: "The prescriber's authentication is too old: authenticate again (SPID, CIE, CNS) and \
             repeat.",
        it: "L'accesso del medico è troppo vecchio: rifare l'accesso (SPID, CIE, CNS) e ripetere.",
    };
    let detail = "is of too long ago: the prescriber must authenticate again";
    let error = FieldError::of_parameter("prescriber_authn", "too-old", detail);
    Problem {
        detail: Some(&LOG_IN_AGAIN),
        ..Problem::with_errors(&codes::PRESCRIBER_AUTHN_INVALID, vec![error])
    }
}

/// Refuses `write` with `refusal`, because nothing may be sent under its authority, unless it is the
/// repetition of one that is on disk.
async fn stored_before(edge: &Edge, write: &Write, refusal: Problem) -> Result<(), Problem> {
    let recall = edge.gateway.prescriptions.recall(write);
    match timeout(edge.answer_within, recall).await {
        Ok(Ok(Some(_)) | Err(Refusal::KeyReused)) => Ok(()),
        Ok(Ok(None)) => Err(refusal),
        Ok(Err(Refusal::InFlight)) => Err(refused(edge, Refusal::InFlight)),
        // Whether it was stored before, nobody can tell.
        Ok(Err(_)) | Err(_) => Err(Problem::from(&codes::OUTCOME_UNKNOWN)),
    }
}

#[cfg(test)]
mod tests;
