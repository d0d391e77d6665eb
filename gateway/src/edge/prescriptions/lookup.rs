//! Finding prescriptions again: one, a list, or by number and person.
//!
//! A search is a `POST`, because a code of a person has no place in a URL.
//!
//! # Invariants
//!
//! 1. A search by number finds only entries that show it: whoever guesses a number must not learn
//!    that an entry holds it before the SAC has issued its code.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path, Payload};
use adapters::model::{Moment, Nre, PatientCode};
use engine::entry::{Filter, Organization, Page};
use policies::access::Action;
use policies::failure::Opaque;
use policies::state::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::resource::{PrescriptionBody, shows_number};
use super::write::person;
use crate::edge::notation::entry_id;
use crate::edge::query::{Parameters, parse_cursor};
use crate::edge::respond::{FieldError, Problem, ProblemBody};
use crate::edge::{Edge, codes, json, noted};

/// Entries of a page, if the caller does not say.
const LIMIT_DEFAULT: usize = 50;
/// Entries of a page at most.
const LIMIT_MAX: usize = 200;

/// One page of prescriptions, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct PrescriptionPage {
    /// The entries.
    #[schema(min_items = 0, max_items = 200)]
    items: Vec<PrescriptionBody>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    next_cursor: Option<String>,
}

impl fmt::Debug for PrescriptionPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrescriptionPage(…)")
    }
}

/// One prescription of the caller's organisation.
///
/// The NRE and the code of authentication are there once the SAC has registered it.
#[utoipa::path(
    get,
    path = "/prescriptions/{id}",
    operation_id = "prescription",
    tag = "prescriptions",
    params(("id" = String, Path, format = "uuid", max_length = 36, description = "Its id.")),
    responses(
        (status = 200, body = PrescriptionBody, description = "The prescription."),
        (status = 404, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "No such prescription of this organisation."),
    ),
)]
pub(crate) async fn get(
    edge: Data<Edge>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<Json<PrescriptionBody>, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::ReadPrescription)?;
    let id = entry_id(&id)?;
    noted::entry(&request, id);
    let entry = edge
        .read(edge.gateway.store.get(caller.organization, id))
        .await?;
    let entry = entry.ok_or(&codes::NO_SUCH_PRESCRIPTION)?;
    noted::entries(&request, [id]);
    PrescriptionBody::of(entry, Vec::new()).map(Json)
}

/// Prescriptions of the caller's organisation, newest first.
#[utoipa::path(
    get,
    path = "/prescriptions",
    operation_id = "prescriptions",
    tag = "prescriptions",
    params(
        ("state" = Option<String>, Query, max_length = 32, description = "Only in this state."),
        ("unacknowledged" = Option<bool>, Query,
            description = "`true`: only those whose prescriber must know how they ended and has not \
                said so: rejections, conflicts, what waits for a person, red forms that are missing."),
        ("cursor" = Option<String>, Query, max_length = 64,
            description = "The next_cursor of the page before."),
        ("limit" = Option<i32>, Query, minimum = 1, maximum = 200,
            description = "Entries of the page; 50 if absent."),
    ),
    responses(
        (status = 200, body = PrescriptionPage, description = "One page."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "A parameter cannot be used."),
    ),
)]
pub(crate) async fn list(
    edge: Data<Edge>,
    request: HttpRequest,
) -> Result<Json<PrescriptionPage>, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::ReadPrescription)?;
    let known = ["state", "unacknowledged", "cursor", "limit"];
    let mut parameters = Parameters::of(&request, &known);
    let filter = Filter {
        state: parameters.state(),
        unacknowledged: parameters.flag("unacknowledged"),
        ..Filter::default()
    };
    let page = Page {
        after: parameters.cursor(),
        entries_max: parameters.limit(LIMIT_DEFAULT, LIMIT_MAX),
    };
    parameters.finish()?;
    one_page(&edge, &request, caller.organization, filter, page).await
}

/// What to search for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    /// Under this number, once registered. This or `tax_code` is required, not both.
    #[schema(max_length = 15)]
    nre: Option<String>,
    /// Of this patient: tax code, temporary code, STP or ENI code.
    #[schema(max_length = 16)]
    tax_code: Option<String>,
    /// Only in this state.
    #[schema(max_length = 32)]
    state: Option<String>,
    /// Only stored at or after this instant.
    #[schema(format = DateTime, max_length = 40)]
    from: Option<String>,
    /// Only stored before this instant.
    #[schema(format = DateTime, max_length = 40)]
    to: Option<String>,
    /// The next_cursor of the page before.
    #[schema(max_length = 64)]
    cursor: Option<String>,
    /// Entries of the page; 50 if absent.
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Search prescriptions of the caller's organisation by number or by patient.
#[utoipa::path(
    post,
    path = "/prescriptions/search",
    operation_id = "searchPrescriptions",
    tag = "prescriptions",
    request_body(content = Search, content_type = "application/json"),
    responses(
        (status = 200, body = PrescriptionPage, description = "One page, newest first."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 408, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body arrived too slowly."),
        (status = 413, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is too large."),
        (status = 415, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The body is not plain JSON."),
        (status = 422, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "A field breaks its rule."),
    ),
)]
pub(crate) async fn search(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<PrescriptionPage>, Problem> {
    let policy = edge.gateway.policy.load();
    let caller = edge.caller_for(&request, &policy.access, Action::ReadPrescription)?;
    let bytes = edge.body(&request, payload).await?;
    let (filter, page, person) = json::decode::<Search>(&bytes)?.check()?;
    if let Some(code) = &person {
        noted::person(&request, code);
    }
    one_page(&edge, &request, caller.organization, filter, page).await
}

impl Search {
    fn check(self) -> Result<(Filter, Page, Option<PatientCode>), Problem> {
        let mut errors = Vec::new();
        if self.nre.is_some() == self.tax_code.is_some() {
            let detail = "nre or tax_code must be present, not both";
            errors.push(FieldError::at("", "one-of", detail));
        }
        let nre = self.nre.as_deref().and_then(|text| {
            note(&mut errors, "/nre", Nre::new(text)).map(|nre| Opaque(nre.as_str().into()))
        });
        let code = self.tax_code.as_deref();
        let code = code.and_then(|text| note(&mut errors, "/tax_code", PatientCode::new(text)));
        let from = self.from.as_deref();
        let from = from.and_then(|text| note(&mut errors, "/from", Moment::new(text)));
        let to = self.to.as_deref();
        let to = to.and_then(|text| note(&mut errors, "/to", Moment::new(text)));
        let state = self.state.as_deref().and_then(State::parse);
        if self.state.is_some() && state.is_none() {
            errors.push(FieldError::at(
                "/state",
                "unknown-value",
                "must be a state of an entry",
            ));
        }
        let after = self.cursor.as_deref().and_then(parse_cursor);
        if self.cursor.is_some() && after.is_none() {
            let detail = "must be the next_cursor of the page before";
            errors.push(FieldError::at("/cursor", "cursor", detail));
        }
        let limit = self.limit.map(usize::try_from);
        let entries_max = match limit {
            None => LIMIT_DEFAULT,
            Some(Ok(limit @ 1..=LIMIT_MAX)) => limit,
            Some(_) => {
                let detail = "must be a whole number from 1 to 200";
                errors.push(FieldError::at("/limit", "limit", detail));
                LIMIT_DEFAULT
            }
        };
        if !errors.is_empty() {
            return Err(Problem::with_errors(&codes::CONTENT_REFUSED, errors));
        }
        let filter = Filter {
            state,
            number: nre,
            person: code.as_ref().map(person),
            unacknowledged: false,
            from: from.map(Moment::as_timestamp),
            to: to.map(Moment::as_timestamp),
        };
        Ok((filter, Page { after, entries_max }, code))
    }
}

fn note<T>(
    errors: &mut Vec<FieldError>,
    pointer: &'static str,
    value: Result<T, adapters::model::Invalid>,
) -> Option<T> {
    value
        .map_err(|invalid| {
            errors.push(FieldError::at(pointer, invalid.rule(), invalid.sentence()));
        })
        .ok()
}

/// Asks for one entry more than the page holds, to know whether there is another page.
async fn one_page(
    edge: &Edge,
    request: &HttpRequest,
    organization: Organization,
    filter: Filter,
    page: Page,
) -> Result<Json<PrescriptionPage>, Problem> {
    let asked = Page {
        entries_max: page.entries_max + 1,
        ..page
    };
    let by_number = filter.number.is_some();
    let listing = edge.gateway.store.list(organization, filter, asked);
    let mut entries = edge.read(listing).await?;
    if by_number {
        // A number is used once, so that no page is cut short by this.
        entries.retain(shows_number);
    }
    let has_next = entries.len() > page.entries_max;
    entries.truncate(page.entries_max);
    noted::entries(request, entries.iter().map(|entry| entry.id));
    let next_cursor = entries
        .last()
        .filter(|_| has_next)
        .map(|entry| entry.id.to_string());
    let items = entries
        .into_iter()
        .map(|entry| PrescriptionBody::of(entry, Vec::new()))
        .collect::<Result<_, _>>()?;
    Ok(Json(PrescriptionPage { items, next_cursor }))
}
