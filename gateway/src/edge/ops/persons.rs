//! Forgetting a person: what operators do when somebody has moved away, has died, or asks for it.

use actix_web::web::{Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use serde::Deserialize;
use tokio::time::timeout;

use super::operator;
use crate::edge::persons::request::{all_hold, person};
use crate::edge::respond::Problem;
use crate::edge::trace::Trace;
use crate::edge::{Edge, body, codes, json};

/// Where purges are found in the log.
const PURGE: &str = "argine::purge";

/// Whom to forget.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    tax_code: String,
}

/// Forgets every answer about a person, in memory and on disk. Once this has been answered with 204
/// nothing that was known before is shown any more: whoever looks the person up, the SAC is asked.
pub(crate) async fn purge(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let caller = operator(&edge, &request)?;
    let bytes = body::read(request.headers(), payload, edge.body).await?;
    let mut errors = Vec::new();
    let code = person(&mut errors, json::decode::<Purge>(&bytes)?.tax_code);
    all_hold(errors)?;
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
