//! The description of the API (OpenAPI 3.1), made from the handlers.
//!
//! # Invariants
//!
//! 1. It is the document in `openapi.json`, which a test compares byte by byte: nobody changes the
//!    API without seeing it.
//! 2. It breaks no rule of severity *error* of the national checker.

mod callbacks;

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use adapters::model::{
    Access, CardFault, CardKind, Indication, Kind, Priority, Recipient, Sex, Visit,
};
use policies::delivery::Fallback;
use policies::failure::Code;
use policies::state::State;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::persons::{self, Reason};
use super::prescriptions::{self, about, lookup, reminder};
use super::respond::ProblemBody;
use super::{Edge, events, ops, status};
use crate::generations::kept::End;

/// The resource of the description. It is public to whoever may connect.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/openapi.json").route(web::get().to(openapi)));
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Argine",
        version = "1.0.0",
        description = "Regional gateway to the national electronic prescription system (SAC). A \
            prescription is accepted while the SAC is away, kept safe, and registered when it is \
            back. An assisted \
            person who is known is shown meanwhile, with the age of what is known.",
        terms_of_service = "https://argine.local/terms",
        contact(name = "Argine", url = "https://argine.local/contact"),
        license(name = "EUPL-1.2", identifier = "EUPL-1.2"),
    ),
    servers((url = "https://argine.local/v1", description = "The region's gateway.")),
    paths(
        prescriptions::create,
        about::cancel,
        about::paper,
        about::acknowledge,
        lookup::get,
        lookup::list,
        lookup::search,
        reminder::reminder,
        persons::search,
        persons::verify,
        events::of_prescription,
        events::after,
        status::status,
        ops::policies::policies,
        ops::toggles::list,
        ops::toggles::set,
        ops::toggles::withdraw,
        ops::persons::purge,
        ops::keys::show,
        ops::keys::rotate,
        openapi,
    ),
    tags(
        (name = "prescriptions", description = "Electronic prescriptions."),
        (name = "assisted-persons", description = "Who is assisted, and by which card."),
        (name = "events", description = "What happened to them."),
        (name = "operations", description = "What operators see and set."),
        (name = "service", description = "The gateway itself."),
    ),
    security(("mutual_tls" = [], "token" = [])),
    components(schemas(ProblemBody<'static>, callbacks::PushedEvent)),
)]
struct Description;

/// The description of the API.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "service",
    security(("mutual_tls" = [])),
    responses((status = 200, body = Object, content_type = "application/json",
        description = "This document.")),
)]
pub(crate) async fn openapi(edge: Data<Edge>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(Bytes::clone(&edge.openapi))
}

/// The document as it is served and frozen.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&sorted(document()))
        .expect("a JSON value has only keys that are strings");
    text.push('\n');
    text
}

/// `value` with the members of every object in the order of their names: in which order they come
/// otherwise is for whatever library in the tree to choose.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> = members.into_iter().collect();
            let members = members.into_iter();
            Value::Object(members.map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

fn document() -> Value {
    let mut document =
        serde_json::to_value(Description::openapi()).expect("a description is plain JSON");
    document["info"]["x-summary"] =
        json!("Electronic prescriptions that survive the SAC's absence");
    let components = &mut document["components"];
    components["securitySchemes"] = json!({
        "mutual_tls": {
            "type": "mutualTLS",
            "description": "A client certificate issued by the region's authority for callers.",
        },
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A JWS signed by the organisation: alg ES256, ES384, PS256 or RS256; \
                kid; claims iss, aud, iat, exp, jti, organization, profile and, for writes and \
                look-ups of a practice, prescriber_authn {subject, class_ref, instant, locality}.",
        },
    });
    components["headers"] = HEADERS
        .iter()
        .map(|(name, description, schema)| {
            let header = json!({"description": description, "schema": schema()});
            ((*name).to_owned(), header)
        })
        .collect::<Map<_, _>>()
        .into();
    for (schema, field, words) in words() {
        restrict(
            &mut components["schemas"][schema]["properties"][field],
            words,
        );
    }
    let reminder = &mut document["paths"]["/prescriptions/{id}/reminder"]["get"];
    reminder["responses"]["200"]["content"]["application/pdf"]["schema"] =
        json!({"type": "string", "format": "binary"});
    for operation in operations(&mut document) {
        complete(operation);
        if takes(operation, "X-ReplyTo") {
            operation.insert("callbacks".to_owned(), callbacks::declared());
        }
        if operation["tags"] == json!(["operations"]) {
            operation.insert(
                "servers".to_owned(),
                json!([{"url": OPERATIONS.0, "description": OPERATIONS.1}]),
            );
        }
        if let Some(body) = operation.get_mut("requestBody")
            && body["content"]["application/json"]["schema"]["$ref"] == NOTHING
        {
            body["required"] = json!(false);
        }
    }
    document
}

/// Where operators are served.
const OPERATIONS: (&str, &str) = (
    "https://argine.local/ops/v1",
    "The region's gateway, for its operators.",
);

/// The schema of a body that may be left out.
const NOTHING: &str = "#/components/schemas/Nothing";

/// A header of our answers: its name, what it says, and its schema.
type Header = (&'static str, &'static str, fn() -> Value);

const HEADERS: &[Header] = &[
    ("X-RateLimit-Limit", "Requests per window.", whole_number),
    (
        "X-RateLimit-Remaining",
        "Requests left in this window.",
        whole_number,
    ),
    (
        "X-RateLimit-Reset",
        "Seconds until the next window.",
        whole_number,
    ),
    (
        "Retry-After",
        "Seconds to wait before trying again.",
        whole_number,
    ),
    (
        "WWW-Authenticate",
        "`Bearer` and the code of the problem.",
        short_text,
    ),
    ("Location", "Where the prescription is found.", short_text),
    (
        "X-Correlation-ID",
        "The prescription's id, which whatever is pushed about it carries.",
        short_text,
    ),
    (
        "Age",
        "Seconds since the SAC gave the answer.",
        whole_number,
    ),
    (
        "Cache-Status",
        "How the answer was come by (RFC 9211): `hit`, or `fwd` and why.",
        short_text,
    ),
];

fn whole_number() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX})
}

fn short_text() -> Value {
    json!({"type": "string", "maxLength": 256})
}

/// The words of a type that owns them.
macro_rules! words_of {
    ($kind:ty) => {
        <$kind>::ALL.iter().map(|word| word.as_str()).collect()
    };
}

/// Fields that hold one of a few words, from the types that own the words.
fn words() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let (new, entry) = ("NewPrescription", "PrescriptionEntry");
    let effects = vec!["live", "restart"];
    vec![
        (new, "kind", words_of!(Kind)),
        (new, "recipient", words_of!(Recipient)),
        (new, "visit", words_of!(Visit)),
        (new, "indication", words_of!(Indication)),
        (new, "priority", words_of!(Priority)),
        (new, "fallback", words_of!(Fallback)),
        ("Row", "access", words_of!(Access)),
        ("Exemption", "status", vec!["not-exempt", "code", "income"]),
        (entry, "fallback", words_of!(Fallback)),
        (entry, "state", words_of!(State)),
        (entry, "reason", words_of!(Code)),
        ("Event", "reason", words_of!(Code)),
        ("Problem", "reason", words_of!(Code)),
        ("Problem", "state", words_of!(State)),
        ("Problem", "next_step", vec!["issue-red-recipe"]),
        ("Event", "state", words_of!(State)),
        ("PushedEvent", "state", words_of!(State)),
        ("PushedEvent", "reason", words_of!(Code)),
        ("Notice", "kind", vec!["error", "warning", "communication"]),
        ("Status", "state", vec!["serving", "degraded"]),
        ("Gate", "state", vec!["closed", "open", "half-open"]),
        ("PolicyValue", "takes_effect", effects.clone()),
        ("PolicyChange", "takes_effect", effects),
        ("EndedToggle", "end", End::WORDS.to_vec()),
        ("Key", "seals", vec!["rows", "audit"]),
        ("Key", "state", vec!["active", "old", "gone"]),
        ("BreakGlass", "reason", words_of!(Reason)),
        ("AssistedPerson", "sex", words_of!(Sex)),
        ("HealthCard", "kind", words_of!(CardKind)),
        ("Freshness", "source", vec!["sac"]),
        ("HealthCard", "reason", words_of!(CardFault)),
        ("Problem", "fault", vec!["caller", "upstream", "gateway"]),
        (
            "Problem",
            "outcome",
            vec!["not-done", "unknown", "rejected"],
        ),
        ("Problem", "retry", vec!["no", "later", "same-key"]),
    ]
}

fn restrict(field: &mut Value, words: Vec<&'static str>) {
    let is_nullable = field["type"].is_array();
    let words = words.into_iter().map(Value::from);
    field["enum"] = words.chain(is_nullable.then_some(Value::Null)).collect();
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let paths = document["paths"].as_object_mut();
    paths
        .into_iter()
        .flat_map(|paths| paths.values_mut())
        .filter_map(Value::as_object_mut)
        .flat_map(|methods| methods.values_mut())
        .filter_map(Value::as_object_mut)
}

/// Whether a parameter of `operation` has this name.
fn takes(operation: &Map<String, Value>, name: &str) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let mut parameters = parameters.into_iter().flatten();
    parameters.any(|parameter| parameter["name"] == name)
}

/// What every operation may answer besides its own, and the headers of all answers.
fn complete(operation: &mut Map<String, Value>) {
    let is_write = takes(operation, "Idempotency-Key");
    let is_lookup = operation["tags"][0] == "assisted-persons";
    let needs_token = !operation.contains_key("security");
    let Some(responses) = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    let for_all = [
        ("429", "The organisation has made too many requests."),
        ("500", "The gateway failed."),
        (
            "503",
            "Not now: the code says what may have happened, and whether to repeat it.",
        ),
    ];
    let for_callers = [
        ("401", "The token is not accepted: the code says why."),
        ("403", "No token, or not one that allows this."),
    ];
    let for_callers = for_callers.iter().filter(|_| needs_token);
    for (status, description) in for_all.iter().chain(for_callers) {
        responses
            .entry(*status)
            .or_insert_with(|| problem(description));
    }
    for (status, response) in responses {
        let more: &[&str] = match status.as_str() {
            "200" if is_lookup => &["Age", "Cache-Status"],
            "404" if is_lookup => &["Age"],
            "200" if is_write => &["Location", "X-Correlation-ID"],
            "201" | "202" => &["Location", "X-Correlation-ID"],
            "401" => &["WWW-Authenticate"],
            // Of a problem with an entry, where that is found.
            "409" | "503" if is_write => &["Location", "Retry-After"],
            "422" if is_write => &["Location"],
            "408" | "429" | "500" | "503" => &["Retry-After"],
            _ => &[],
        };
        let quota = HEADERS.iter().map(|(name, _, _)| *name);
        let quota = quota.filter(|name| name.starts_with("X-RateLimit-"));
        for name in quota.chain(more.iter().copied()) {
            let reference = format!("#/components/headers/{name}");
            response["headers"][name] = json!({"$ref": reference});
        }
    }
}

fn problem(description: &str) -> Value {
    json!({
        "description": description,
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
        },
    })
}

#[cfg(test)]
mod tests;
