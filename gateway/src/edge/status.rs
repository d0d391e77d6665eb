//! Whether the gateway serves, and how it stands with each upstream.
//!
//! It serves as long as it can keep a write safe: an upstream that is away makes it *degraded*, not
//! down. Needs a certificate of ours and no token, so that a probe needs no doctor.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use policies::gate::{GateState, Mode};
use serde::Serialize;
use utoipa::ToSchema;

use super::Edge;
use super::respond::{Problem, ProblemBody};

/// The resource of the status.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/status").route(web::get().to(status)));
}

/// How the gateway stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub(crate) struct StatusBody {
    /// In words.
    #[schema(value_type = String, max_length = 64)]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 200, maximum = 200, format = Int32)]
    status: u16,
    /// `serving`, or `degraded` if an upstream is not called at present.
    #[schema(value_type = String, max_length = 16)]
    state: &'static str,
    /// Each group of operations of an upstream.
    #[schema(min_items = 0, max_items = 100)]
    lanes: Vec<LaneBody>,
    /// Prescriptions accepted and not yet sent.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, format = Int64)]
    waiting: u64,
    /// Prescriptions whose outcome is being asked for.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, format = Int64)]
    uncertain: u64,
    /// Numbers in stock, beyond those already handed to a process.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, format = Int64)]
    numbers_left: u64,
}

/// One lane.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lane)]
pub(crate) struct LaneBody {
    /// Its name.
    #[schema(value_type = String, max_length = 64, example = "sac.prescriptions")]
    name: &'static str,
    /// Its gates, one an operation.
    #[schema(min_items = 0, max_items = 100)]
    gates: Vec<GateBody>,
}

/// One gate.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gate)]
pub(crate) struct GateBody {
    /// The operation.
    #[schema(value_type = String, max_length = 64, example = "invio")]
    operation: &'static str,
    /// `closed` (calls pass), `open` (they are not made) or `half-open` (one is tried).
    #[schema(value_type = String, max_length = 16)]
    state: &'static str,
    /// Who decides whether calls pass: `auto` (the gate), or an operator: `forced-open`,
    /// `forced-closed`, `disabled`.
    #[schema(value_type = String, max_length = 16)]
    mode: &'static str,
    /// The share of calls that pass while it comes back to full load.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100, format = Int32, nullable = false)]
    ramp_percent: Option<u8>,
    /// Seconds until a call may pass, where none does now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1_000_000, format = Int64, nullable = false)]
    retry_after_s: Option<u64>,
}

/// Rounded up: whoever waits that long has waited long enough.
fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// Whether the gateway serves.
#[utoipa::path(
    get,
    path = "/status",
    operation_id = "status",
    tag = "service",
    security(("mutual_tls" = [])),
    responses(
        (status = 200, body = StatusBody, content_type = "application/problem+json",
            description = "It serves."),
        (status = 503, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "It cannot keep a write safe."),
    ),
)]
pub(crate) async fn status(edge: Data<Edge>) -> Result<HttpResponse, Problem> {
    let store = &edge.gateway.store;
    let tally = edge.read(store.tally()).await?;
    let numbers_left = edge.read(store.numbers_left()).await?;
    let mut lanes: BTreeMap<&'static str, Vec<GateBody>> = BTreeMap::new();
    let mut is_degraded = false;
    let calls = edge.gateway.calls.iter();
    for gate in calls.flat_map(|calls| calls.view()) {
        let view = gate.view;
        is_degraded |= match view.mode {
            Mode::Auto => view.state != GateState::Closed,
            Mode::ForcedClosed => false,
            Mode::ForcedOpen | Mode::Disabled => true,
        };
        lanes.entry(gate.lane.0).or_default().push(GateBody {
            operation: gate.op.0,
            state: view.state.as_str(),
            mode: view.mode.as_str(),
            ramp_percent: view.ramp_percent,
            retry_after_s: view.retry_after.map(whole_seconds),
        });
    }
    let body = StatusBody {
        title: if is_degraded {
            "Serving, degraded"
        } else {
            "Serving"
        },
        status: 200,
        state: if is_degraded { "degraded" } else { "serving" },
        lanes: lanes
            .into_iter()
            .map(|(name, gates)| LaneBody { name, gates })
            .collect(),
        waiting: tally.waiting,
        uncertain: tally.uncertain,
        numbers_left,
    };
    let bytes = serde_json::to_vec(&body).expect("a status has only strings, numbers and lists");
    Ok(HttpResponse::Ok()
        .content_type("application/problem+json")
        .body(bytes))
}
