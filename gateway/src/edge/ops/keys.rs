//! The keys under which everything is stored: how they stand, and their rotation.

use ::policies::access::Action;
use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use serde::Serialize;
use store::keys::{Begun, KeyInfo, Progress, Report, Use};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::edge::notation::instant;
use crate::edge::prescriptions::request::{Nothing, nothing};
use crate::edge::query::Parameters;
use crate::edge::respond::{Problem, ProblemBody};
use crate::edge::{Edge, codes, noted};
use crate::told::chain;

/// The keys of this node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Keys)]
pub(crate) struct KeysBody {
    /// Each of them, in the order they were made.
    #[schema(min_items = 1, max_items = 5000)]
    items: Vec<KeyBody>,
    rotation: RotationBody,
}

/// A data key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
struct KeyBody {
    /// Its name, in the header of every value that it seals.
    #[schema(max_length = 8, example = "6ac46813")]
    id: String,
    /// What it seals: `rows`, or one segment of the `audit`.
    #[schema(value_type = String, max_length = 8)]
    seals: &'static str,
    /// `active`, `old` (it opens only) or `gone` (destroyed).
    #[schema(value_type = String, max_length = 8)]
    state: &'static str,
    /// When it was made.
    #[schema(format = DateTime, max_length = 40)]
    made_at: String,
    /// How many stored values are sealed under it, if that was asked for. Not counted for the audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, format = Int64, nullable = false)]
    values: Option<u64>,
}

/// The rotation that is under way, or was last since the start.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyRotation)]
pub(crate) struct RotationBody {
    is_running: bool,
    /// Whether something is in its way, as a full disk. It is tried again.
    is_stopped: bool,
    /// When it began, or went on after a restart; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, max_length = 40, nullable = false)]
    since: Option<String>,
    /// Values sealed again since then.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, format = Int64)]
    resealed: u64,
    /// Values that do not open. They stay as they are, and so does the key that they name.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, format = Int64)]
    damaged: u64,
}

/// What became of the request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyRotationBegun)]
pub(crate) struct BegunBody {
    /// Whether it began a rotation; false if one was under way.
    began: bool,
    rotation: RotationBody,
}

impl KeyBody {
    fn of(key: &KeyInfo, values: Option<u64>) -> KeyBody {
        KeyBody {
            id: key.id.iter().map(|byte| format!("{byte:02x}")).collect(),
            seals: match key.usage {
                Use::Rows => "rows",
                Use::Audit => "audit",
            },
            state: key.state.as_str(),
            made_at: instant(key.made_at),
            values,
        }
    }
}

impl RotationBody {
    fn of(progress: &Progress) -> RotationBody {
        RotationBody {
            is_running: progress.is_running(),
            is_stopped: progress.is_stopped,
            since: progress.since.map(instant),
            resealed: progress.resealed,
            damaged: progress.damaged,
        }
    }
}

impl KeysBody {
    fn of(report: &Report) -> KeysBody {
        let keys = report.keys.iter();
        KeysBody {
            items: keys
                .map(|key| KeyBody::of(key, report.values_of(key.id)))
                .collect(),
            rotation: RotationBody::of(&report.progress),
        }
    }
}

/// The keys under which this node stores.
///
/// Each with how it stands, and how far a rotation has come: how many values it has sealed again.
#[utoipa::path(
    get,
    path = "/keys",
    operation_id = "keys",
    tag = "operations",
    params(
        ("count" = Option<bool>, Query,
            description = "Whether to count the values under each key; false if absent. Every row is \
                looked at for it: with a million prescriptions it may take longer than an answer may."),
    ),
    responses(
        (status = 200, body = KeysBody, description = "The keys."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "A parameter cannot be used."),
    ),
)]
pub(crate) async fn show(
    edge: Data<Edge>,
    request: HttpRequest,
) -> Result<Json<KeysBody>, Problem> {
    let policy = edge.gateway.policy.load();
    edge.caller_for(&request, &policy.access, Action::ReadKeys)?;
    let mut parameters = Parameters::of(&request, &["count"]);
    let count = parameters.flag("count");
    parameters.finish()?;
    let keys = &edge.gateway.keys;
    let report = match count {
        true => edge.read(keys.counted()).await?,
        false => keys.report(),
    };
    Ok(Json(KeysBody::of(&report)))
}

/// Rotate the keys of what is stored.
///
/// Once this has been answered a new key is on disk and seals what is new. Everything else is sealed
/// again in the background, and the key before is destroyed then. While that goes on, asking again
/// changes nothing.
#[utoipa::path(
    post,
    path = "/keys/rotate",
    operation_id = "rotateKeys",
    tag = "operations",
    request_body(content = Nothing, content_type = "application/json",
        description = "An empty object, or nothing."),
    responses(
        (status = 200, body = BegunBody, description = "It began, or is under way."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
    ),
)]
pub(crate) async fn rotate(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<BegunBody>, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::RotateKeys)?;
    nothing(&edge, &request, payload).await?;
    noted::before(&edge, &request).await?;
    let keys = &edge.gateway.keys;
    let begun = match timeout(edge.answer_within, keys.begin()).await {
        Ok(Ok(begun)) => begun,
        Ok(Err(error)) => {
            tracing::error!(error = chain(&error), "the keys could not be rotated");
            return Err(Problem::from(&codes::STORE_REFUSED));
        }
        Err(_) => return Err(Problem::from(&codes::TOO_SLOW)),
    };
    if begun == Begun::Now {
        let organization = caller.organization.0;
        tracing::warn!(organization, "a rotation of the keys was begun");
    }
    Ok(Json(BegunBody {
        began: begun == Begun::Now,
        rotation: RotationBody::of(&keys.progress()),
    }))
}
