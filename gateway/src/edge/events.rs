//! What happened to prescriptions, step by step: of one, or of all an organisation wrote.

use std::collections::BTreeSet;
use std::fmt;

use actix_web::HttpRequest;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use engine::entry::{EntryId, Event};
use policies::access::Action;
use policies::failure::Code;
use serde::Serialize;
use utoipa::ToSchema;

use super::notation::{entry_id, instant};
use super::query::Parameters;
use super::respond::{Problem, ProblemBody};
use super::{Edge, codes, noted};

/// Events of a page, if the caller does not say.
const LIMIT_DEFAULT: usize = 100;
/// Events of a page at most.
const LIMIT_MAX: usize = 1_000;

/// The resource of all events. Those of one prescription are among its own resources.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/events").route(web::get().to(after)));
}

/// One step of a prescription's life.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventBody {
    /// Its place in the order of events. Numbers grow; they have gaps.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, format = Int64)]
    seq: u64,
    /// When.
    #[schema(format = DateTime, max_length = 40)]
    at: String,
    /// Whose.
    #[schema(format = "uuid", max_length = 36)]
    prescription_id: String,
    /// The state it reached.
    #[schema(value_type = String, max_length = 32)]
    state: &'static str,
    /// Why, where there is a reason to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 32, nullable = false)]
    reason: Option<&'static str>,
}

impl EventBody {
    fn of(event: Event) -> EventBody {
        EventBody {
            seq: event.seq,
            at: instant(event.at),
            prescription_id: event.entry.to_string(),
            state: event.state.as_str(),
            reason: event.reason.map(Code::as_str),
        }
    }
}

/// Events, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventPage {
    /// The events.
    #[schema(min_items = 0, max_items = 1000)]
    items: Vec<EventBody>,
    /// What to send as `after` to hear what came later. Always there, so that it can be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20, nullable = false)]
    next_cursor: Option<String>,
}

impl fmt::Debug for EventPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventPage(…)")
    }
}

/// The events of one prescription, oldest first.
#[utoipa::path(
    get,
    path = "/prescriptions/{id}/events",
    operation_id = "prescriptionEvents",
    tag = "events",
    params(("id" = String, Path, format = "uuid", max_length = 36, description = "Its id.")),
    responses(
        (status = 200, body = EventPage, description = "All of them, without next_cursor."),
        (status = 404, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "No such prescription of this organisation."),
    ),
)]
pub(crate) async fn of_prescription(
    edge: Data<Edge>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<Json<EventPage>, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::ReadEvents)?;
    let id = entry_id(&id)?;
    noted::entry(&request, id);
    let events = edge.gateway.store.events(caller.organization, id);
    let events = edge.read(events).await?;
    let events = events.ok_or(&codes::NO_SUCH_PRESCRIPTION)?;
    noted::entries(&request, [id]);
    Ok(Json(EventPage {
        items: events.into_iter().map(EventBody::of).collect(),
        next_cursor: None,
    }))
}

/// The events of everything the caller's organisation wrote, oldest first.
///
/// Keep `next_cursor` and send it as `after`: nothing is missed and nothing comes twice.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "events",
    tag = "events",
    params(
        ("after" = Option<i64>, Query, minimum = 0, maximum = 9_007_199_254_740_991_i64,
            description = "Only events with a greater number; from the first if absent."),
        ("limit" = Option<i32>, Query, minimum = 1, maximum = 1000,
            description = "Events of the page; 100 if absent."),
    ),
    responses(
        (status = 200, body = EventPage, description = "One page."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "A parameter cannot be used."),
    ),
)]
pub(crate) async fn after(
    edge: Data<Edge>,
    request: HttpRequest,
) -> Result<Json<EventPage>, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::ReadEvents)?;
    let mut parameters = Parameters::of(&request, &["after", "limit"]);
    let after: Option<u64> = parameters.take(
        "after",
        "after",
        "must be the next_cursor of the page before",
        |text| text.parse().ok(),
    );
    let limit = parameters.limit(LIMIT_DEFAULT, LIMIT_MAX);
    parameters.finish()?;
    let after = after.unwrap_or(0);
    let events = edge
        .gateway
        .store
        .events_after(caller.organization, after, limit);
    let events = edge.read(events).await?;
    let shown: BTreeSet<EntryId> = events.iter().map(|event| event.entry).collect();
    match shown.is_empty() {
        // Whoever waits for events asks often.
        true => noted::nobody(&request),
        false => noted::entries(&request, shown),
    }
    let last = events.last().map_or(after, |event| event.seq);
    Ok(Json(EventPage {
        items: events.into_iter().map(EventBody::of).collect(),
        next_cursor: Some(last.to_string()),
    }))
}
