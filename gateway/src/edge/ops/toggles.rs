//! Toggles: values that operators put in force for a while, over what the files say.
//!
//! # Invariants
//!
//! 1. A success means: on disk, and in force.
//! 2. A reason is shown to operators and never logged.

use std::fmt;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use policies::access::Action;
use policies::duration;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::policies::ChangeBody;
use crate::edge::codes::{self, Text};
use crate::edge::notation::instant;
use crate::edge::noted::Change;
use crate::edge::respond::{FieldError, Problem, ProblemBody};
use crate::edge::{Edge, json, noted};
use crate::generations::desk::{Done, Refusal, Wish, Withdrawal};
use crate::generations::kept::{By, Ended, Held};
use engine::ports::WriteError;

/// A toggle to be set. One that is set already for the same target is replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToggle {
    /// The value of the policy, with its upstream before it.
    #[schema(max_length = 128, example = "sac.prescriptions.mode")]
    target: String,
    /// What it is to be, in TOML; the quotes of a word or a duration may be left out.
    #[schema(max_length = 1000, example = "forced-open")]
    value: String,
    /// Why. Read by whoever has the next shift.
    #[schema(max_length = 500)]
    reason: String,
    /// Who.
    #[schema(max_length = 64)]
    author: String,
    /// For how long: 24 h at most for a mode, seven days for anything else.
    #[schema(max_length = 16, example = "2h")]
    expires_in: String,
    /// Change nothing, and say what would.
    #[serde(default)]
    dry_run: bool,
}

/// A toggle to be taken back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToggleWithdrawal {
    /// The value of the policy that it is set for.
    #[schema(max_length = 128, example = "sac.prescriptions.mode")]
    target: String,
    /// Why.
    #[schema(max_length = 500)]
    reason: String,
    /// Who.
    #[schema(max_length = 64)]
    author: String,
    /// Change nothing, and say what would.
    #[serde(default)]
    dry_run: bool,
}

/// What was changed, or would be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToggleDone)]
pub(crate) struct DoneBody {
    /// The generation of the policy that is in force.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, format = Int64)]
    generation: u64,
    /// Whether nothing was changed, because only that was asked for.
    dry_run: bool,
    /// What differs from before.
    #[schema(min_items = 0, max_items = 1000)]
    changes: Vec<ChangeBody>,
    /// When the toggle ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, max_length = 40, nullable = false)]
    expires_at: Option<String>,
}

impl DoneBody {
    fn of(done: Done, dry_run: bool) -> Json<DoneBody> {
        Json(DoneBody {
            generation: done.number,
            dry_run,
            changes: done.changes.into_iter().map(ChangeBody::of).collect(),
            expires_at: done.expires_at.map(instant),
        })
    }
}

/// A toggle.
#[derive(Serialize, ToSchema)]
#[schema(as = Toggle)]
struct ToggleBody {
    /// The value of the policy that it is set for.
    #[schema(max_length = 128)]
    target: String,
    /// What it is, in TOML.
    #[schema(max_length = 1000)]
    value: String,
    /// Why.
    #[schema(max_length = 500)]
    reason: String,
    /// Who set it.
    #[schema(max_length = 64)]
    author: String,
    /// Of which organisation.
    #[schema(max_length = 128)]
    organization: String,
    /// Since when.
    #[schema(format = DateTime, max_length = 40)]
    set_at: String,
    /// Until when.
    #[schema(format = DateTime, max_length = 40)]
    expires_at: String,
    /// Its end has passed; it is kept while its lane does not reach the upstream, or the policy breaks
    /// rules without it.
    is_overdue: bool,
}

impl ToggleBody {
    fn of(held: &Held) -> ToggleBody {
        let toggle = held.toggle.clone();
        ToggleBody {
            target: toggle.target,
            value: toggle.value,
            reason: toggle.reason,
            author: toggle.author,
            organization: held.organization.clone(),
            set_at: instant(toggle.set_at),
            expires_at: instant(toggle.expires_at),
            is_overdue: held.is_overdue,
        }
    }
}

/// A toggle that is over.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedToggle)]
struct EndedBody {
    /// What it was.
    #[serde(flatten)]
    toggle: ToggleBody,
    /// When it ended.
    #[schema(format = DateTime, max_length = 40)]
    ended_at: String,
    /// Why: `expired`, `withdrawn`, `replaced` by another, or `unfit` for the files at a start.
    #[schema(max_length = 16)]
    end: &'static str,
    /// Who withdrew or replaced it; absent if it ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    ended_by: Option<String>,
    /// Of which organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128, nullable = false)]
    ended_by_organization: Option<String>,
    /// Why they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500, nullable = false)]
    ended_because: Option<String>,
}

impl EndedBody {
    fn of(ended: &Ended) -> EndedBody {
        let by = ended.end.by();
        EndedBody {
            toggle: ToggleBody::of(&ended.held),
            ended_at: instant(ended.at),
            end: ended.end.as_str(),
            ended_by: by.map(|by| by.author.clone()),
            ended_by_organization: by.map(|by| by.organization.clone()),
            ended_because: by.map(|by| by.reason.clone()),
        }
    }
}

/// Every toggle.
#[derive(Serialize, ToSchema)]
pub(crate) struct Toggles {
    /// Those in force.
    #[schema(min_items = 0, max_items = 1000)]
    items: Vec<ToggleBody>,
    /// The last ones that ended, the latest first.
    #[schema(min_items = 0, max_items = 100)]
    ended: Vec<EndedBody>,
}

impl fmt::Debug for Toggles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Toggles(…)")
    }
}

/// Every toggle in force, and the last ones that ended.
#[utoipa::path(
    get,
    path = "/toggles",
    operation_id = "toggles",
    tag = "operations",
    responses((status = 200, body = Toggles, description = "The toggles.")),
)]
pub(crate) async fn list(edge: Data<Edge>, request: HttpRequest) -> Result<Json<Toggles>, Problem> {
    let policy = edge.gateway.policy.load();
    edge.caller_for(&request, &policy.access, Action::ReadToggles)?;
    let view = edge.gateway.policies.view();
    Ok(Json(Toggles {
        items: view.toggles.iter().map(ToggleBody::of).collect(),
        ended: view.ended.iter().map(EndedBody::of).collect(),
    }))
}

/// Set a toggle.
///
/// It is on disk and in force before the answer leaves. With `dry_run` nothing is changed, and the
/// answer says what would be.
#[utoipa::path(
    post,
    path = "/toggles",
    operation_id = "setToggle",
    tag = "operations",
    request_body(content = NewToggle, content_type = "application/json"),
    responses(
        (status = 200, body = DoneBody, description = "In force, or only looked at."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 422, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "It breaks rules: each is named with its field."),
    ),
)]
pub(crate) async fn set(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<DoneBody>, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::ChangeToggles)?;
    let bytes = edge.body(&request, payload).await?;
    let new: NewToggle = json::decode(&bytes)?;
    let lasts = lasts(&new.expires_in)?;
    let dry_run = new.dry_run;
    noted::change(
        &request,
        &Change {
            target: &new.target,
            value: Some(&new.value),
            reason: &new.reason,
            author: &new.author,
            lasts: Some(&new.expires_in),
            is_dry_run: dry_run,
        },
    );
    if !dry_run {
        noted::before(&edge, &request).await?;
    }
    let wish = Wish {
        organization: caller.organization.0,
        target: new.target,
        value: new.value,
        reason: new.reason,
        author: new.author,
        lasts,
        dry_run,
    };
    let done = decided(&edge, edge.gateway.policies.set(wish)).await?;
    Ok(DoneBody::of(done, dry_run))
}

/// Take a toggle back.
///
/// The value is that of the files again before the answer leaves. With `dry_run` nothing is changed,
/// and the answer says what would be.
#[utoipa::path(
    post,
    path = "/toggles/withdraw",
    operation_id = "withdrawToggle",
    tag = "operations",
    request_body(content = ToggleWithdrawal, content_type = "application/json"),
    responses(
        (status = 200, body = DoneBody, description = "It is over, or only looked at."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 404, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "There is no toggle for this target."),
        (status = 422, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "What would be left breaks rules."),
    ),
)]
pub(crate) async fn withdraw(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<DoneBody>, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::ChangeToggles)?;
    let bytes = edge.body(&request, payload).await?;
    let withdrawal: ToggleWithdrawal = json::decode(&bytes)?;
    let dry_run = withdrawal.dry_run;
    noted::change(
        &request,
        &Change {
            target: &withdrawal.target,
            value: None,
            reason: &withdrawal.reason,
            author: &withdrawal.author,
            lasts: None,
            is_dry_run: dry_run,
        },
    );
    if !dry_run {
        noted::before(&edge, &request).await?;
    }
    let withdrawal = Withdrawal {
        dry_run,
        target: withdrawal.target,
        by: By {
            organization: caller.organization.0,
            author: withdrawal.author,
            reason: withdrawal.reason,
        },
    };
    let done = decided(&edge, edge.gateway.policies.withdraw(withdrawal)).await?;
    Ok(DoneBody::of(done, dry_run))
}

fn lasts(text: &str) -> Result<Duration, Problem> {
    duration::parse(text).map_err(|error| {
        let error = FieldError::at("/expires_in", "duration", error.to_string());
        Problem::with_errors(&codes::CONTENT_REFUSED, vec![error])
    })
}

/// Waits for the decision, but not for ever: one that takes longer is made all the same.
async fn decided(
    edge: &Edge,
    deciding: impl Future<Output = Result<Done, Refusal>>,
) -> Result<Done, Problem> {
    match timeout(edge.answer_within, deciding).await {
        Ok(decided) => decided.map_err(refused),
        Err(_) => Err(Problem::from(&codes::TOGGLE_UNCERTAIN)),
    }
}

/// The most of a rule that is told, short of the 512 characters of a problem's detail.
const RULE_CHARS_MAX: usize = 500;

const NOT_ON_DISK: Text = Text {
    en: "Nothing was changed. Try again after Retry-After.",
    it: "Nulla è cambiato. Riprovare dopo Retry-After.",
};

/// A rule within what a problem may say of it: it may quote a value, and of a long one the end is left
/// out.
fn shortened(mut rule: String) -> String {
    if let Some((at, _)) = rule.char_indices().nth(RULE_CHARS_MAX) {
        rule.truncate(at);
        rule.push('…');
    }
    rule
}

fn refused(refusal: Refusal) -> Problem {
    let nothing = |code| Problem {
        detail: Some(&NOT_ON_DISK),
        ..Problem::from(code)
    };
    match refusal {
        Refusal::Unsound(unsound) => {
            let errors = unsound.into_iter().map(|(field, rule)| {
                FieldError::at(format!("/{field}"), "policy", shortened(rule))
            });
            Problem::with_errors(&codes::CONTENT_REFUSED, errors.collect())
        }
        Refusal::NoSuchToggle => Problem::from(&codes::NO_SUCH_TOGGLE),
        Refusal::Store(WriteError::Refused) => nothing(&codes::STORE_REFUSED),
        Refusal::Store(WriteError::Unknown) => Problem::from(&codes::TOGGLE_UNCERTAIN),
        Refusal::Busy => nothing(&codes::BUSY),
        Refusal::Stopping => nothing(&codes::STOPPING),
    }
}
