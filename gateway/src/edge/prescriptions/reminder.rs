//! The promemoria: the sheet that the patient takes away, as the SAC printed it.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use engine::entry::Document;
use policies::access::Action;
use policies::state::State;

use crate::edge::codes::Text;
use crate::edge::notation::entry_id;
use crate::edge::respond::{Problem, ProblemBody};
use crate::edge::{Edge, codes, noted};

/// The reminder of a registered prescription (PDF).
#[utoipa::path(
    get,
    path = "/prescriptions/{id}/reminder",
    operation_id = "reminder",
    tag = "prescriptions",
    params(("id" = String, Path, format = "uuid", max_length = 36, description = "Its id.")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/pdf",
            description = "The SAC's own reminder."),
        (status = 404, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "No such prescription, or the SAC sent no reminder for it."),
        (status = 409, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not registered: nothing may be printed."),
    ),
)]
pub(crate) async fn reminder(
    edge: Data<Edge>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::ReadReminder)?;
    let id = entry_id(&id)?;
    noted::entry(&request, id);
    let document = edge.gateway.store.document(caller.organization, id);
    let document = edge.read(document).await?;
    if document != Document::NoEntry {
        noted::entries(&request, [id]);
    }
    match document {
        Document::NoEntry => Err(Problem::from(&codes::NO_SUCH_PRESCRIPTION)),
        Document::NotRegistered(state) => Err(Problem {
            state: Some(state),
            detail: not_printed(state),
            ..Problem::from(&codes::NOT_REGISTERED)
        }),
        Document::None => Err(Problem::from(&codes::REMINDER_NOT_AVAILABLE)),
        Document::Found(pdf) => Ok(HttpResponse::Ok()
            .content_type("application/pdf")
            .insert_header((
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"promemoria-{id}.pdf\""),
            ))
            .body(pdf.0)),
    }
}

/// Why nothing is printed of a prescription in `state` that was given up, or is about to be.
fn not_printed(state: State) -> Option<&'static Text> {
    match state {
        State::RedRecipe => Some(&Text {
            en: "It was written on a red form, which is valid in its place.",
            it: "È stata scritta su ricetta rossa, che vale al suo posto.",
        }),
        State::Withdrawn | State::Rejected | State::Cancelled => Some(&Text {
            en: "It is not valid, and will not be registered any more.",
            it: "Non è valida e non sarà più registrata.",
        }),
        State::Cancelling => Some(&Text {
            en: "It is being cancelled. Follow its state.",
            it: "È in annullamento. Seguirne lo stato.",
        }),
        State::Conflict => Some(&Text {
            en: "Its prescriber must first decide which prescription is to stand.",
            it: "Il medico deve prima decidere quale ricetta è valida.",
        }),
        _ => None,
    }
}
