//! The policy in force, value by value, and what keeps another out.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use policies::access::{Action, Turned};
use serde::Serialize;
use utoipa::ToSchema;

use crate::edge::Edge;
use crate::edge::notation::instant;
use crate::edge::respond::Problem;
use crate::generations::View;
use crate::rules::{Change, Effective, full, shown, takes_effect};

/// The policy in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policies)]
pub(crate) struct PoliciesBody {
    /// Which generation of it. Grows with every change; begins anew with the process.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, format = Int64)]
    generation: u64,
    /// Since when.
    #[schema(format = DateTime, max_length = 40)]
    since: String,
    /// Every value of it.
    #[schema(min_items = 0, max_items = 1000)]
    values: Vec<ValueBody>,
    /// Verdicts of the access rules that are not those of the compiled-in ones.
    #[schema(min_items = 0, max_items = 1008)]
    access: Vec<VerdictText>,
    /// Values that wait for a restart.
    #[schema(min_items = 0, max_items = 1000)]
    pending: Vec<ChangeBody>,
    /// Whether the files are refused, and the last good ones in force instead.
    is_last_good: bool,
    /// What is wrong with the files.
    #[schema(min_items = 0, max_items = 1000)]
    problems: Vec<ProblemText>,
}

/// One verdict: who may by now do what, being what to it, or may not any more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(
    value_type = String,
    max_length = 128,
    example = "access portal search-person oneself: allowed → denied"
)]
pub(crate) struct VerdictText(String);

/// One broken rule of a policy file: its file, its key and the rule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, max_length = 2048)]
pub(crate) struct ProblemText(String);

/// One value in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyValue)]
struct ValueBody {
    /// Its key.
    #[schema(max_length = 128, example = "sac.prescriptions.mode")]
    key: String,
    /// The value, in TOML.
    #[schema(max_length = 2048, example = "\"auto\"")]
    value: String,
    /// What set it: `compiled-in`, the name of a file, or `toggle`.
    #[schema(value_type = String, max_length = 64)]
    origin: &'static str,
    /// When a change of it takes effect: `live` or `restart`.
    #[schema(value_type = String, max_length = 16)]
    takes_effect: &'static str,
}

impl ValueBody {
    fn of(set: &Effective) -> ValueBody {
        ValueBody {
            key: full(&set.key),
            value: shown(&set.value),
            origin: set.origin.as_str(),
            takes_effect: takes_effect(&set.key),
        }
    }
}

/// One value that differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyChange)]
pub(crate) struct ChangeBody {
    /// Its key.
    #[schema(max_length = 128, example = "sac.prescriptions.mode")]
    key: String,
    /// Its value before, in TOML; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    before: Option<String>,
    /// Its value after.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    after: Option<String>,
    /// When it takes effect: `live` or `restart`.
    #[schema(value_type = String, max_length = 16)]
    takes_effect: &'static str,
}

impl ChangeBody {
    pub(super) fn of(change: Change) -> ChangeBody {
        ChangeBody {
            takes_effect: takes_effect(&change.key),
            key: full(&change.key),
            before: change.before,
            after: change.after,
        }
    }
}

impl VerdictText {
    fn of(turned: &Turned) -> VerdictText {
        VerdictText(turned.to_string())
    }
}

impl PoliciesBody {
    fn of(view: &View) -> PoliciesBody {
        PoliciesBody {
            generation: view.number,
            since: instant(view.since),
            values: view.values.iter().map(ValueBody::of).collect(),
            access: view.access.iter().map(VerdictText::of).collect(),
            pending: view.pending.iter().cloned().map(ChangeBody::of).collect(),
            is_last_good: !view.problems.is_empty(),
            problems: view.problems.iter().cloned().map(ProblemText).collect(),
        }
    }
}

/// The policy in force.
///
/// Every value with what set it; what waits for a restart; and what is wrong with the files, while the
/// last good ones are in force instead.
#[utoipa::path(
    get,
    path = "/policies",
    operation_id = "policies",
    tag = "operations",
    responses((status = 200, body = PoliciesBody, description = "The policy.")),
)]
pub(crate) async fn policies(
    edge: Data<Edge>,
    request: HttpRequest,
) -> Result<Json<PoliciesBody>, Problem> {
    let policy = edge.gateway.policy.load();
    edge.caller_for(&request, &policy.access, Action::ReadPolicies)?;
    Ok(Json(PoliciesBody::of(&edge.gateway.policies.view())))
}
