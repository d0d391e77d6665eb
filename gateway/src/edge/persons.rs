//! Assisted persons and their health cards: looked up at the SAC, or shown as they are known.
//!
//! What is fresh in memory is answered by the worker itself; everything else is handed to the lane of
//! look-ups. The search is a `POST`, because a code of a person has no place in a URL.
//!
//! # Invariants
//!
//! 1. A profile is shown its own view: a pharmacy's question has another key than a practice's, so
//!    that neither can be answered with what is known to the other.
//! 2. Every answer says how old it is, in the body (`freshness`) and in its head (`Age`,
//!    `Cache-Status`).
//! 3. Who breaks the glass leaves a line in the log, with a reason and without the person, and a record in
//!    the audit, with both.

mod answer;
mod asking;
pub(in crate::edge) mod request;
pub(crate) mod resource;

use std::sync::Arc;

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use adapters::model::{CardQuery, PersonQuery};
use adapters::sac::{RICERCA, TESSERA};
use engine::lookup::{Known, Looked, Lookup, LookupKey, Way};
use policies::access::Action;
use policies::failure::Opaque;
use policies::gate::Mode;
use policies::operation::OpName;
use policies::rules::RegistryRules;
use tokio::time::timeout;

use self::answer::{Asked, Subject, found, not_found, refused};
use self::asking::Desk;
pub(crate) use self::request::Reason;
use self::request::{CardToVerify, PersonSearch};
use self::resource::{AssistedPerson, HealthCard};
use super::prescriptions::headers::{trace, wait_max};
use super::respond::{Problem, ProblemBody};
use super::{Edge, codes, json, noted};

/// The resources of look-ups.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/assisted-persons/search").route(web::post().to(search)))
        .service(web::resource("/health-cards/verify").route(web::post().to(verify)));
}

/// Look an assisted person up.
///
/// Answers with what the SAC says of the person, or with what it said before, and says how old that is.
/// While the SAC does not answer, who has looked the person up before, and the doctor on whose list the
/// person is, are shown what is known, with `freshness.stale`. A doctor may see what others know with
/// `break_glass` and its reason, which is written down. A citizen at the portal looks up themselves.
#[utoipa::path(
    post,
    path = "/assisted-persons/search",
    operation_id = "searchAssistedPerson",
    tag = "assisted-persons",
    params(("Prefer" = Option<String>, Header, max_length = 64,
        description = "`wait=N`: answer within N seconds, with what is known if the SAC takes longer.")),
    request_body(content = PersonSearch, content_type = "application/json"),
    responses(
        (status = 200, body = AssistedPerson, description = "The person, as this profile may see \
            them: residence and doctor are for doctors."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 404, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The SAC knows no such person."),
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
) -> Result<HttpResponse, Problem> {
    let policy = edge.gateway.policy.load();
    let desk = Desk::of(&edge, &request, &policy, Action::SearchPerson)?;
    let bytes = edge.body(&request, payload).await?;
    let (tax_code, break_glass) = json::decode::<PersonSearch>(&bytes)?.check()?;
    noted::person(&request, &tax_code);
    desk.may_ask_about(&tax_code)?;
    if let Some(reason) = break_glass {
        desk.break_glass(reason, &request)?;
    }
    let key = edge
        .gateway
        .relations
        .lookup(&tax_code, RICERCA, desk.view, "");
    let question = Question {
        subject: Subject::Person,
        op: RICERCA,
        key,
        breaks_glass: break_glass.is_some(),
        may_break_glass: break_glass.is_none() && desk.may_break_glass(),
        rules: &policy.registry,
    };
    let query = || PersonQuery {
        tax_code,
        view: desk.view,
        organization: desk.organization.0.clone(),
    };
    question
        .answer(&edge, &request, &desk, || encode(&query()))
        .await
}

/// Verify a health card.
///
/// Says whether the card is this person's and holds, and how old that knowledge is.
#[utoipa::path(
    post,
    path = "/health-cards/verify",
    operation_id = "verifyHealthCard",
    tag = "assisted-persons",
    params(("Prefer" = Option<String>, Header, max_length = 64,
        description = "`wait=N`: answer within N seconds, with what is known if the SAC takes longer.")),
    request_body(content = CardToVerify, content_type = "application/json"),
    responses(
        (status = 200, body = HealthCard, description = "Whether it holds, and if not, why not."),
        (status = 400, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "Not in the form of this request."),
        (status = 404, body = ProblemBody<'static>, content_type = "application/problem+json",
            description = "The SAC knows no such person or card."),
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
pub(crate) async fn verify(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let policy = edge.gateway.policy.load();
    let desk = Desk::of(&edge, &request, &policy, Action::VerifyCard)?;
    let bytes = edge.body(&request, payload).await?;
    let (tax_code, card_number) = json::decode::<CardToVerify>(&bytes)?.check()?;
    noted::person(&request, &tax_code);
    desk.may_ask_about(&tax_code)?;
    let relations = &edge.gateway.relations;
    let key = relations.lookup(&tax_code, TESSERA, desk.view, card_number.as_str());
    let question = Question {
        subject: Subject::Card,
        op: TESSERA,
        key,
        breaks_glass: false,
        may_break_glass: false,
        rules: &policy.registry,
    };
    let query = || CardQuery {
        tax_code,
        card_number,
        view: desk.view,
        organization: desk.organization.0.clone(),
    };
    question
        .answer(&edge, &request, &desk, || encode(&query()))
        .await
}

/// What is asked, of whichever kind.
struct Question<'a> {
    subject: Subject,
    op: OpName,
    key: LookupKey,
    breaks_glass: bool,
    /// Whether this caller may, and has not.
    may_break_glass: bool,
    /// The rules that this request goes by.
    rules: &'a Arc<RegistryRules>,
}

impl Question<'_> {
    /// Answers from memory, or else asks the lane; `payload` is made only for that.
    async fn answer(
        self,
        edge: &Edge,
        request: &HttpRequest,
        desk: &Desk,
        payload: impl FnOnce() -> Opaque,
    ) -> Result<HttpResponse, Problem> {
        let asker = desk.asker(&edge.gateway.relations, self.breaks_glass);
        let (reader, now) = (&edge.gateway.persons, || edge.gateway.clock.now());
        let fresh_for = self.rules.freshness.fresh_for;
        let found = |known: Known| {
            noted::shown(request, matches!(known.way, Way::Stale(_)));
            found(known, now(), fresh_for)
        };
        let suspicion = &edge.gateway.suspicion;
        if let Some(known) = reader.hit(self.op, self.key, &asker, self.rules) {
            suspicion.shown(&desk.organization, self.key);
            return Ok(found(known));
        }
        suspicion.admit(&desk.organization)?;
        let lookup = Lookup {
            op: self.op,
            key: self.key,
            asker,
            rules: Arc::clone(self.rules),
            payload: payload(),
            authority: desk.authority.as_ref().map(encode).unwrap_or_default(),
            wait_max: wait_max(request.headers()),
            trace: trace(request),
        };
        let looked = timeout(edge.answer_within, reader.lookup(lookup)).await;
        match looked {
            Ok(Ok(Looked::Known(known))) => {
                suspicion.shown(&desk.organization, self.key);
                Ok(found(known))
            }
            Ok(Ok(Looked::Absent(age))) => Err(not_found(self.subject, age)),
            Ok(Err(refusal)) => {
                let asked = Asked {
                    has_authority: desk.authority.is_some(),
                    is_closed: self.rules.mode == Mode::ForcedOpen,
                    may_break_glass: self.may_break_glass,
                };
                Err(refused(refusal, asked))
            }
            Err(_) => Err(Problem::from(&codes::TOO_SLOW)),
        }
    }
}

fn encode<T: serde::Serialize>(value: &T) -> Opaque {
    Opaque(serde_json::to_vec(value).expect("the model has only strings, numbers and lists"))
}
