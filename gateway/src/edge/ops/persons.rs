//! Forgetting a person: what operators do when somebody has moved away, has died, or asks for it.

use actix_web::web::{Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use policies::access::Action;
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::edge::persons::request::{all_hold, person};
use crate::edge::respond::{Problem, ProblemBody};
use crate::edge::trace::Trace;
use crate::edge::{Edge, codes, json, noted};
use crate::telemetry::PURGE;

/// Whom to forget.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Purge {
    /// The person: tax code, temporary code, STP or ENI code.
    #[schema(max_length = 16, example = "PNIMRA70A01H501P")]
    tax_code: String,
}

/// Forget a person.
///
/// Every answer about them is forgotten, in memory and on disk. Once this has been answered with 204
/// nothing that was known before is shown any more: whoever looks the person up, the SAC is asked.
#[utoipa::path(
    post,
    path = "/persons/purge",
    operation_id = "purgePerson",
    tag = "operations",
    request_body(content = Purge, content_type = "application/json"),
    responses(
        (status = 204, description = "Nothing is known of the person any more."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 422, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "It names nobody."),
    ),
)]
pub(crate) async fn purge(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::PurgePerson)?;
    let bytes = edge.body(&request, payload).await?;
    let mut errors = Vec::new();
    let code = person(&mut errors, json::decode::<Purge>(&bytes)?.tax_code);
    all_hold(errors)?;
    noted::person(&request, &code);
    noted::before(&edge, &request).await?;
    let person = edge.gateway.relations.person(&code);
    match timeout(edge.answer_within, edge.gateway.persons.purge(person)).await {
        Ok(Ok(_)) => {}
        // Memory forgets first; what is left on disk is forgotten by repeating it.
        Ok(Err(_)) | Err(_) => return Err(Problem::from(&codes::PURGE_UNFINISHED)),
    }
    let extensions = request.extensions();
    tracing::warn!(
        target: PURGE,
        organization = caller.organization.0,
        trace_id = extensions.get::<Trace>().map(Trace::id),
        "everything known of a person was forgotten"
    );
    Ok(HttpResponse::NoContent().finish())
}
