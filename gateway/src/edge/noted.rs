//! What the audit is told of each request: its kind by its route, its caller once known, and what a handler
//! adds.
//!
//! # Invariants
//!
//! 1. What is shown of a person or a prescription is recorded before the answer leaves; where it cannot be,
//!    the answer is 503 `audit-unavailable` instead.
//! 2. An operator's change is recorded on disk before it is made, and again before it is answered.
//! 3. A route that nobody has given a kind to fails a test.
//!
//! # Not here
//!
//! The record of a write goes with it into the store ([`of_write`]): it is on disk with it or not at all.

use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use adapters::model::{Authority, PatientCode, PrescriberCode};
use engine::entry::EntryId;
use policies::access::{Action, Relation};
use policies::failure::Opaque;
use policies::family::Role;
use store::audit::Unavailable;
use tokio::time::timeout;

use super::caller::Caller;
use super::persons::Reason;
use super::respond::Problem;
use super::trace::Trace;
use super::{Edge, codes};
use crate::audit::{Deed, Draft, Outcome};

/// How a route is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It shows persons or prescriptions: only what is recorded is shown.
    Shows(Action),
    /// It shows how the gateway stands: recorded if that is possible.
    Looks(Action),
    /// It changes how the gateway works, or what it knows: recorded before and after.
    Changes(Action),
    /// Its record goes with it into the store.
    Writes,
    /// It tells everybody the same.
    Public,
}

/// How the route of this method and template is recorded.
fn kind(method: &str, route: &str) -> Option<Kind> {
    use Action::{
        ChangeToggles, PurgePerson, ReadEvents, ReadKeys, ReadPolicies, ReadPrescription,
        ReadReminder, ReadToggles, RotateKeys, SearchPerson, VerifyCard,
    };
    Some(match (method, route) {
        ("POST", "/v1/assisted-persons/search") => Kind::Shows(SearchPerson),
        ("POST", "/v1/health-cards/verify") => Kind::Shows(VerifyCard),
        ("GET", "/v1/prescriptions" | "/v1/prescriptions/{id}")
        | ("POST", "/v1/prescriptions/search") => Kind::Shows(ReadPrescription),
        ("GET", "/v1/prescriptions/{id}/reminder") => Kind::Shows(ReadReminder),
        ("GET", "/v1/prescriptions/{id}/events" | "/v1/events") => Kind::Shows(ReadEvents),
        (
            "POST",
            "/v1/prescriptions"
            | "/v1/prescriptions/{id}/cancel"
            | "/v1/prescriptions/{id}/paper"
            | "/v1/prescriptions/{id}/acknowledge",
        ) => Kind::Writes,
        ("GET", "/ops/v1/policies") => Kind::Looks(ReadPolicies),
        ("GET", "/ops/v1/toggles") => Kind::Looks(ReadToggles),
        ("POST", "/ops/v1/toggles" | "/ops/v1/toggles/withdraw") => Kind::Changes(ChangeToggles),
        ("POST", "/ops/v1/persons/purge") => Kind::Changes(PurgePerson),
        ("GET", "/ops/v1/keys") => Kind::Looks(ReadKeys),
        ("POST", "/ops/v1/keys/rotate") => Kind::Changes(RotateKeys),
        ("GET", "/v1/status" | "/v1/openapi.json") => Kind::Public,
        _ => return None,
    })
}

/// What is known of a request so far, kept with it.
struct Noted {
    draft: Draft,
    /// Where it is not what the route says.
    deed: Option<Deed>,
    outcome: Option<Outcome>,
}

/// Begins the record of `request`: `caller` makes it.
pub(super) fn caller(request: &HttpRequest, caller: &Caller) {
    let mut draft = Draft::of(&caller.organization.0, caller.profile, caller.user());
    draft.stands_in_for(caller.substitutes_for().map(PrescriberCode::as_str));
    let noted = Noted {
        draft,
        deed: None,
        outcome: None,
    };
    request.extensions_mut().insert(noted);
}

fn add(request: &HttpRequest, what: impl FnOnce(&mut Noted)) {
    if let Some(noted) = request.extensions_mut().get_mut::<Noted>() {
        what(noted);
    }
}

/// It is about this person.
pub(super) fn person(request: &HttpRequest, code: &PatientCode) {
    add(request, |noted| {
        noted.draft.person(code.as_str());
    });
}

/// It is about these entries of the caller's organisation.
pub(super) fn entries(request: &HttpRequest, entries: impl IntoIterator<Item = EntryId>) {
    add(request, |noted| {
        let relation = Relation::SameOrganization;
        noted.draft.entries(entries).relation(relation);
    });
}

/// It is made without a relation, for this reason.
pub(super) fn breaks_glass(request: &HttpRequest, reason: Reason) {
    add(request, |noted| {
        noted.deed = Some(Deed::Of(Action::BreakGlass));
        let relation = Relation::BrokenGlass;
        noted.draft.reason(reason.as_str()).relation(relation);
    });
}

/// It is about this part of the gateway, for this reason.
pub(super) fn change(request: &HttpRequest, target: &str, reason: &str) {
    add(request, |noted| {
        noted.draft.target(target).reason(reason);
    });
}

/// What is shown is as fresh as it should be, or not.
pub(super) fn shown(request: &HttpRequest, is_stale: bool) {
    let outcome = match is_stale {
        true => Outcome::ShownStale,
        false => Outcome::ShownFresh,
    };
    add(request, |noted| noted.outcome = Some(outcome));
}

/// Puts it on disk that the change of `request` is asked for. Only then it may be made.
///
/// # Errors
///
/// When that is not possible.
pub(super) async fn before(edge: &Edge, request: &HttpRequest) -> Result<(), Problem> {
    let draft = {
        let extensions = request.extensions();
        extensions.get::<Noted>().map(|noted| noted.draft.clone())
    };
    let mut draft = draft.ok_or(&codes::AUDIT_UNAVAILABLE)?;
    if let Some(Kind::Changes(action)) = kind_of(request) {
        draft.deed(Deed::Of(action));
    }
    trace(request, &mut draft);
    draft.outcome(Outcome::Asked);
    synced(edge, draft)
        .await
        .map_err(|Unavailable| Problem::from(&codes::AUDIT_UNAVAILABLE))
}

/// The answer to `request`, once it is recorded; or the refusal to give it.
pub(super) async fn answered(
    edge: &Edge,
    request: &HttpRequest,
    response: HttpResponse,
) -> HttpResponse {
    let Some(kind) = kind_of(request) else {
        return response;
    };
    let Some(noted) = request.extensions_mut().remove::<Noted>() else {
        return response;
    };
    let (Kind::Shows(action) | Kind::Looks(action) | Kind::Changes(action)) = kind else {
        return response;
    };
    let refusal = response
        .error()
        .and_then(|error| error.as_error::<Problem>());
    let refusal = refusal.map(|problem| problem.code.code);
    let outcome = match response.status().as_u16() {
        404 => Outcome::Absent,
        400.. => Outcome::Refused,
        _ if matches!(kind, Kind::Changes(_)) => Outcome::Done,
        _ => noted.outcome.unwrap_or(Outcome::Shown),
    };
    let mut draft = noted.draft;
    draft.deed(noted.deed.unwrap_or(Deed::Of(action)));
    if let Some(code) = refusal {
        draft.code(code);
    }
    draft.outcome(outcome);
    trace(request, &mut draft);
    let now = edge.gateway.clock.now();
    match kind {
        Kind::Changes(_) => {
            if synced(edge, draft).await.is_err() {
                tracing::error!("what came of an operator's change is not in the audit");
            }
            response
        }
        Kind::Shows(_) => match edge.gateway.audit.note(now, draft.into_record()) {
            Ok(()) => response,
            Err(Unavailable) => HttpResponse::from_error(Problem::from(&codes::AUDIT_UNAVAILABLE)),
        },
        Kind::Looks(_) | Kind::Writes | Kind::Public => {
            // Who runs the gateway must see how it stands, above all then.
            let _noted = edge.gateway.audit.note(now, draft.into_record());
            response
        }
    }
}

/// The record of a write, or of what is done about one: it goes with it into the store.
pub(super) fn of_write(
    caller: &Caller,
    prescriber: &Authority,
    about: Option<(Role, EntryId)>,
    person: Option<&PatientCode>,
    traceparent: Option<&str>,
) -> Opaque {
    let action = match about {
        None | Some((Role::Create | Role::Watch, _)) => Action::WritePrescription,
        Some((Role::Cancel, _)) => Action::CancelPrescription,
        Some((Role::Paper, _)) => Action::ConfirmPaper,
        Some((Role::Acknowledge, _)) => Action::AcknowledgePrescription,
    };
    let user = Some(prescriber.subject.as_str());
    let mut draft = Draft::of(&caller.organization.0, caller.profile, user);
    draft.stands_in_for(caller.substitutes_for().map(PrescriberCode::as_str));
    draft.deed(Deed::Of(action)).outcome(Outcome::Done);
    if let Some(code) = person {
        draft.person(code.as_str());
    }
    if let Some((_, entry)) = about {
        draft.entries([entry]);
    }
    if let Some(id) = traceparent.and_then(|parent| parent.split('-').nth(1)) {
        draft.trace(id);
    }
    draft.into_record().into_opaque()
}

fn kind_of(request: &HttpRequest) -> Option<Kind> {
    let route = request.match_pattern()?;
    kind(request.method().as_str(), &route)
}

fn trace(request: &HttpRequest, draft: &mut Draft) {
    if let Some(trace) = request.extensions().get::<Trace>() {
        draft.trace(trace.id());
    }
}

/// Waits until `draft` is on disk, but not for ever.
async fn synced(edge: &Edge, draft: Draft) -> Result<(), Unavailable> {
    let now = edge.gateway.clock.now();
    let noted = edge.gateway.audit.note_synced(now, draft.into_record());
    timeout(edge.answer_within, noted)
        .await
        .unwrap_or(Err(Unavailable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_a_kind() {
        let description: serde_json::Value =
            serde_json::from_str(&crate::edge::openapi::text()).unwrap();
        let paths = description["paths"].as_object().unwrap();
        let mut seen = 0;
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().unwrap() {
                if ["get", "post", "put", "delete"].contains(&method.as_str()) {
                    let method = method.to_uppercase();
                    let servers = [&methods["servers"], &operation["servers"]];
                    let is_ops = servers.iter().any(|servers| servers.is_array());
                    let path = format!("{}{path}", if is_ops { "/ops/v1" } else { "/v1" });
                    let kind = kind(&method, &path);
                    assert!(kind.is_some(), "how is {method} {path} recorded?");
                    seen += 1;
                }
            }
        }
        assert!(seen >= 16, "{seen}");
    }
}
