//! What is done about a prescription that is on disk: it is cancelled, its red form is confirmed, or
//! its prescriber takes note of how it ended.
//!
//! Each is a write of its own with its own key; its caller hears where the prescription stands now.
//!
//! # Invariants
//!
//! 1. Only the prescriber who wrote it cancels it. That a red form was written may be said by any
//!    prescriber of the practice, of what is registered only by the one who wrote it, in whose name it
//!    may be annulled for that. Any prescriber of the practice may take note.
//! 2. What was done is on disk: if the prescription cannot be read then, nobody hears that nothing was
//!    done.

mod cancelled;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use adapters::model::{Authority, Nre, PaperNumber};
use aws_lc_rs::digest::{Context, SHA256};
use engine::door::{Matter, Refusal, Write};
use engine::entry::{Entry, EntryId};
use policies::access::Action;
use policies::failure::{Opaque, Outcome};
use policies::family::Role;
use policies::rules::WriteBehindRules;
use policies::state::State;
use tokio::time::timeout;

use self::cancelled::cancelled;
use super::headers::Headers;
use super::reply_to::followed;
use super::request::{NewPaper, Nothing, nothing};
use super::resource::{Paper, PrescriptionBody, paper_number};
use super::write::{check_locality, encode, identity};
use super::{refused, stored_before, too_old};
use crate::edge::caller::Caller;
use crate::edge::codes::{self, Code, Text};
use crate::edge::notation::{X_CORRELATION_ID, entry_id, location};
use crate::edge::respond::{FieldError, Problem, ProblemBody};
use crate::edge::{Edge, json, noted};

/// Cancel a prescription.
///
/// Answers 200 once it is cancelled at the SAC, or withdrawn before it was sent; 202 while the cancel
/// waits for the SAC or for the prescription's own answer. Follow its state. While the cancel waits for
/// its prescriber the answer is 409 `cancel-needs-authorization`, and once it has come to nothing 409
/// `cancel-failed`.
#[utoipa::path(
    post,
    path = "/prescriptions/{id}/cancel",
    operation_id = "cancelPrescription",
    tag = "prescriptions",
    params(
        ("id" = String, Path, format = "uuid", max_length = 36, description = "Its id."),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 128,
            description = "New for each new write, the same for its repetitions. Kept 90 days."),
        ("Prefer" = Option<String>, Header, max_length = 64,
            description = "`wait=N`: answer within N seconds, cancelled or not."),
        ("X-ReplyTo" = Option<String>, Header, max_length = 512,
            description = "Where its events are pushed to from now on, as for a new one."),
    ),
    request_body(content = Nothing, content_type = "application/json",
        description = "May be left out."),
    responses(
        (status = 200, body = PrescriptionBody, description = "Cancelled, or withdrawn."),
        (status = 202, body = PrescriptionBody, description = "The cancel is on disk, and waits."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 404, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "No such prescription of this organisation."),
        (status = 408, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body arrived too slowly."),
        (status = 409, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not cancellable, the cancel came to nothing, or it waits for its \
                prescriber: the state is in the body. Or a request with this key is under way."),
        (status = 413, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is too large."),
        (status = 415, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is not plain JSON."),
        (status = 422, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The SAC refused to cancel it, with its notices: its state is in the body. \
                Or the key was used for another request."),
    ),
)]
pub(crate) async fn cancel(
    edge: Data<Edge>,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::CancelPrescription)?;
    let authority = caller.authority()?;
    let headers = Headers::of(&request)?;
    nothing(&edge, &request, payload).await?;
    let about = About {
        parent: named(&request, &id)?,
        role: Role::Cancel,
        payload: Opaque::default(),
        prescriber: &authority,
        rules: Arc::clone(&policy.prescriptions),
    };
    let (age, age_max) = (caller.authn_age(&authority), about.rules.authn_age_max);
    let at_home = about.check_locality(&edge, &caller).await;
    let write = Write {
        resumes: age <= age_max.send && matches!(at_home, Some(Ok(()))),
        ..about.write(&caller, headers)
    };
    let write = followed(&edge, &caller, &request, write).await?;
    if age > age_max.annul {
        stored_before(&edge, &write, too_old()).await?;
    }
    if let Some(Err(elsewhere)) = at_home {
        stored_before(&edge, &write, elsewhere).await?;
    }
    let done = submit(&edge, &request, about.parent, write).await;
    let cancel = done.map_err(|refusal| about.refused(&edge, refusal, &codes::NOT_CANCELLABLE))?;
    cancelled(&cancel, about.done(&edge, &caller).await?)
}

/// Confirm the number of the red form that a prescription was written on.
///
/// Nothing more is sent of it. If the SAC has registered it nevertheless, that is annulled where its
/// prescriber consented, or else becomes a conflict. Any prescriber of the practice may confirm it; of
/// a registered prescription only the one who wrote it.
#[utoipa::path(
    post,
    path = "/prescriptions/{id}/paper",
    operation_id = "confirmPaper",
    tag = "prescriptions",
    params(
        ("id" = String, Path, format = "uuid", max_length = 36, description = "Its id."),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 128,
            description = "New for each new write, the same for its repetitions. Kept 90 days."),
    ),
    request_body(content = NewPaper, content_type = "application/json"),
    responses(
        (status = 200, body = PrescriptionBody, description = "Noted: where it stands now."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 404, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "No such prescription of this organisation."),
        (status = 408, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body arrived too slowly."),
        (status = 409, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "No red form is expected: its state is in the body. Or a request with this \
                key is under way."),
        (status = 413, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is too large."),
        (status = 415, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is not plain JSON."),
        (status = 422, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The number is not that of a red form. Or the key was used for another \
                request."),
    ),
)]
pub(crate) async fn paper(
    edge: Data<Edge>,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::ConfirmPaper)?;
    let authority = caller.authority()?;
    let headers = Headers::of(&request)?;
    let bytes = edge.body(&request, payload).await?;
    let new: NewPaper = json::decode(&bytes)?;
    let number = PaperNumber::new(new.number).map_err(|invalid| {
        let error = FieldError::at("/number", invalid.rule(), invalid.sentence());
        Problem::with_errors(&codes::CONTENT_REFUSED, vec![error])
    })?;
    let about = About {
        parent: named(&request, &id)?,
        role: Role::Paper,
        payload: encode(&Paper {
            paper_number: number.clone(),
        }),
        prescriber: &authority,
        rules: Arc::clone(&policy.prescriptions),
    };
    let write = about.write(&caller, headers);
    match submit(&edge, &request, about.parent, write).await {
        Ok(_) => shown(StatusCode::OK, about.done(&edge, &caller).await?),
        Err(refusal @ Refusal::Moot(State::RedRecipe)) => {
            // Said again under another key.
            let parent = about.parent(&edge, &caller).await?;
            if paper_number(&parent).as_deref() == Some(number.as_str()) {
                noted::stored_before(&request, parent.id);
                return shown(StatusCode::OK, parent);
            }
            Err(about.refused(&edge, refusal, &codes::PAPER_NOT_EXPECTED))
        }
        Err(refusal) => Err(about.refused(&edge, refusal, &codes::PAPER_NOT_EXPECTED)),
    }
}

/// Take note of how a prescription ended.
///
/// It leaves the list of what is unacknowledged. What comes to another bad end later is listed again.
/// Any prescriber of the practice may do it, not only the one who wrote it.
#[utoipa::path(
    post,
    path = "/prescriptions/{id}/acknowledge",
    operation_id = "acknowledge",
    tag = "prescriptions",
    params(
        ("id" = String, Path, format = "uuid", max_length = 36, description = "Its id."),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 128,
            description = "New for each new write, the same for its repetitions. Kept 90 days."),
    ),
    request_body(content = Nothing, content_type = "application/json",
        description = "May be left out."),
    responses(
        (status = 200, body = PrescriptionBody, description = "Noted."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 404, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "No such prescription of this organisation."),
        (status = 408, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body arrived too slowly."),
        (status = 409, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Nothing to take note of: its state is in the body. Or a request with this \
                key is under way."),
        (status = 413, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is too large."),
        (status = 415, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is not plain JSON."),
        (status = 422, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The key was used for another request."),
    ),
)]
pub(crate) async fn acknowledge(
    edge: Data<Edge>,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::AcknowledgePrescription)?;
    let authority = caller.authority()?;
    let headers = Headers::of(&request)?;
    nothing(&edge, &request, payload).await?;
    let about = About {
        parent: named(&request, &id)?,
        role: Role::Acknowledge,
        payload: Opaque::default(),
        prescriber: &authority,
        rules: Arc::clone(&policy.prescriptions),
    };
    let write = about.write(&caller, headers);
    let done = submit(&edge, &request, about.parent, write).await;
    done.map_err(|refusal| about.refused(&edge, refusal, &codes::NOTHING_TO_ACKNOWLEDGE))?;
    shown(StatusCode::OK, about.done(&edge, &caller).await?)
}

/// The prescription that a request names, whosever it is.
fn named(request: &HttpRequest, id: &str) -> Result<EntryId, Problem> {
    let id = entry_id(id)?;
    noted::entry(request, id);
    Ok(id)
}

/// What is done about which prescription.
struct About<'a> {
    parent: EntryId,
    role: Role,
    payload: Opaque,
    /// Who does it. Only a cancel is sent under their authority.
    prescriber: &'a Authority,
    rules: Arc<WriteBehindRules>,
}

impl About<'_> {
    /// The write that it is.
    fn write(&self, caller: &Caller, headers: Headers) -> Write {
        let (about, trace) = (Some((self.role, self.parent)), headers.trace.as_deref());
        let audit = noted::of_write(caller, self.prescriber, about, None, trace);
        let authority = Some(self.prescriber).filter(|_| self.role == Role::Cancel);
        Write {
            organization: caller.organization.clone(),
            key: headers.key,
            fingerprint: self.fingerprint(),
            identity: identity(caller, self.prescriber),
            authority: authority.map(encode).unwrap_or_default(),
            resumes: false,
            matter: Matter::About {
                parent: self.parent,
                role: self.role,
                payload: self.payload.clone(),
            },
            wait_max: headers.wait_max,
            trace: headers.trace,
            audit,
            reply_to: None,
            rules: Arc::clone(&self.rules),
        }
    }

    /// The digest of the request: what is done, about which prescription, and what is kept with it.
    fn fingerprint(&self) -> Opaque {
        let mut context = Context::new(&SHA256);
        context.update(self.role.as_str().as_bytes());
        context.update(&[0]);
        context.update(self.parent.0.as_bytes());
        context.update(&self.payload.0);
        Opaque(context.finish().as_ref().to_vec())
    }

    /// The prescription as it stands now.
    async fn parent(&self, edge: &Edge, caller: &Caller) -> Result<Entry, Problem> {
        let store = &edge.gateway.store;
        let parent = store.get(caller.organization.clone(), self.parent);
        let parent = edge.read(parent).await?;
        parent.ok_or_else(|| Problem::from(&codes::NO_SUCH_PRESCRIPTION))
    }

    /// The prescription as it stands now that something was done about it.
    async fn done(&self, edge: &Edge, caller: &Caller) -> Result<Entry, Problem> {
        let parent = self.parent(edge, caller).await;
        parent.map_err(|problem| match problem.code.outcome {
            Outcome::NotDone => Problem::from(&codes::OUTCOME_UNKNOWN),
            Outcome::Unknown | Outcome::Rejected => problem,
        })
    }

    /// Whether the prescriber authenticated in the region of the prescription, as far as its number
    /// tells it.
    async fn check_locality(&self, edge: &Edge, caller: &Caller) -> Option<Result<(), Problem>> {
        let parent = self.parent(edge, caller).await.ok()?;
        let nre = Nre::new(String::from_utf8(parent.number.0).ok()?).ok()?;
        Some(check_locality(self.prescriber, nre.region()))
    }

    /// `refusal` as a problem; where the prescription stands so that there is nothing to do, `moot`.
    fn refused(&self, edge: &Edge, refusal: Refusal, moot: &'static Code) -> Problem {
        match refusal {
            Refusal::Moot(state) => Problem {
                state: Some(state),
                instance: Some(self.parent),
                ..Problem::from(moot)
            },
            refusal => as_it_was(refused(edge, refusal)),
        }
    }
}

/// The prescription itself is safe, and its caller may hold it in print: paper would be a second one.
const AS_IT_WAS: Text = Text {
    en: "The prescription stands as it did. Try again after Retry-After.",
    it: "La ricetta resta com'era. Riprovare dopo Retry-After.",
};

/// `problem`, said of a prescription that is on disk whatever became of this.
fn as_it_was(problem: Problem) -> Problem {
    let is_refused = *problem.code == codes::STORE_REFUSED;
    Problem {
        detail: is_refused.then_some(&AS_IT_WAS).or(problem.detail),
        ..problem
    }
}

/// Stores `write` and waits for its outcome; hands over its own entry.
async fn submit(
    edge: &Edge,
    request: &HttpRequest,
    about: EntryId,
    write: Write,
) -> Result<Entry, Refusal> {
    match timeout(edge.answer_within, edge.gateway.prescriptions.submit(write)).await {
        Ok(submitted) => {
            let submitted = submitted?;
            noted::submitted(request, &submitted, about);
            Ok(submitted.entry)
        }
        Err(_) => Err(Refusal::Unknown),
    }
}

fn shown(status: StatusCode, parent: Entry) -> Result<HttpResponse, Problem> {
    let (location, correlation) = (location(parent.id), parent.id.to_string());
    let body = PrescriptionBody::of(parent, Vec::new())?;
    Ok(HttpResponse::build(status)
        .insert_header((header::LOCATION, location))
        .insert_header((X_CORRELATION_ID, correlation))
        .json(body))
}

#[cfg(test)]
mod tests;
