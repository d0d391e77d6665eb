//! Forgetting a person: what operators do when somebody has moved away, has died, or asks for it.

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use serde::Deserialize;

use super::request::{all_hold, person};
use crate::callers::Profile;
use crate::edge::codes::{self, Text};
use crate::edge::respond::Problem;
use crate::edge::trace::Trace;
use crate::edge::{Edge, body, json};

/// Where purges are found in the log.
const PURGE: &str = "argine::purge";

const WHO_PURGES: Text = Text {
    en: "This is done with the profile operator.",
    it: "Questa operazione si esegue con il profilo operator.",
};

/// The resource of purges.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/persons/purge").route(web::post().to(purge)));
}

/// Whom to forget.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    tax_code: String,
}

/// Forgets every answer about a person, in memory and on disk. Once this has been answered nothing
/// that was known before is shown any more, whoever is asked for it is asked anew.
async fn purge(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let caller = edge.caller(&request)?;
    if caller.profile != Profile::Operator {
        return Err(Problem {
            detail: Some(&WHO_PURGES),
            ..Problem::from(&codes::PROFILE_NOT_ALLOWED)
        });
    }
    let bytes = body::read(request.headers(), payload, edge.body).await?;
    let mut errors = Vec::new();
    let code = person(&mut errors, json::decode::<Purge>(&bytes)?.tax_code);
    all_hold(errors)?;
    let purging = edge
        .gateway
        .persons
        .purge(edge.gateway.relations.person(&code));
    match tokio::time::timeout(edge.answer_within, purging).await {
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
