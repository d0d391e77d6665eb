//! The only place where a failure becomes a status code and a body (RFC 9457).
//!
//! Every answer that is not a success leaves as `application/problem+json` with a code of
//! [`codes`](super::codes). Title and detail are in the language of `Accept-Language`: Italian
//! unless English is preferred. Nothing of a patient, a token or an upstream's body gets in, except
//! the notices that the SAC meant for the prescriber.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use engine::door::Refusal;
use engine::entry::{EntryId, ReadError};
use policies::failure::{Code as Reason, Fault, Outcome};
use policies::state::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::codes::{self, Code, Repeat, Text};
use super::notation::location;
use super::notice::NoticeBody;

/// Most broken rules listed in one answer.
pub(crate) const ERRORS_MAX: usize = 100;
const MEDIA_TYPE: &str = "application/problem+json";

/// A request that was not served, and why.
#[derive(Clone)]
pub(crate) struct Problem {
    pub(crate) code: &'static Code,
    pub(crate) errors: Vec<FieldError>,
    pub(crate) notices: Vec<NoticeBody>,
    /// Whether it is of the SAC's doing, or about what the SAC did.
    pub(crate) is_of_sac: bool,
    /// The entry concerned.
    pub(crate) instance: Option<EntryId>,
    /// Where the prescription stands, where that is the reason.
    pub(crate) state: Option<State>,
    /// Why it stands there, or why the SAC gave no answer.
    pub(crate) reason: Option<Reason>,
    /// Whose doing it is, where the code leaves more than one possible.
    pub(crate) fault: Option<Fault>,
    /// What may have happened, where the code leaves more than one possible.
    pub(crate) outcome: Option<Outcome>,
    /// What repeating it would do, where that is not what the code says.
    pub(crate) repeat: Option<Repeat>,
    /// What to do about it, where it can be said better than by the code alone.
    pub(crate) detail: Option<&'static Text>,
    /// How many seconds ago the upstream said so, where it was not asked again.
    pub(crate) age_s: Option<u32>,
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("code", &self.code.code)
            .field("errors", &"…")
            .finish_non_exhaustive()
    }
}

/// One broken rule and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON Pointer to the field of the body. Absent where `parameter` is present.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256, nullable = false, example = "/patient/code")]
    pub(crate) pointer: Option<String>,
    /// Name of the header, the query parameter or the claim of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub(crate) parameter: Option<&'static str>,
    /// The stable name of the rule.
    #[schema(value_type = String, max_length = 64, example = "tax-code-check-letter")]
    pub(crate) rule: &'static str,
    /// The rule as a sentence. Never repeats the value.
    #[schema(value_type = String, max_length = 512)]
    pub(crate) detail: Cow<'static, str>,
}

impl FieldError {
    /// A rule broken by a field of the body.
    pub(crate) fn at(
        pointer: impl Into<String>,
        rule: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> FieldError {
        FieldError {
            pointer: Some(pointer.into()),
            parameter: None,
            rule,
            detail: detail.into(),
        }
    }

    /// A rule broken by a header or a query parameter.
    pub(crate) fn of_parameter(
        parameter: &'static str,
        rule: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> FieldError {
        FieldError {
            pointer: None,
            parameter: Some(parameter),
            rule,
            detail: detail.into(),
        }
    }
}

impl Problem {
    /// A problem that `errors` say more about.
    pub(crate) fn with_errors(code: &'static Code, mut errors: Vec<FieldError>) -> Problem {
        errors.truncate(ERRORS_MAX);
        Problem {
            errors,
            ..Problem::from(code)
        }
    }
}

impl From<&'static Code> for Problem {
    fn from(code: &'static Code) -> Problem {
        Problem {
            code,
            errors: Vec::new(),
            notices: Vec::new(),
            is_of_sac: false,
            instance: None,
            state: None,
            reason: None,
            fault: None,
            outcome: None,
            repeat: None,
            detail: None,
            age_s: None,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let on_number = |code: &'static Code, rule| {
            Problem::with_errors(code, vec![FieldError::at("/nre", rule, code.title.en)])
        };
        match refusal {
            Refusal::InFlight => Problem::from(&codes::KEY_IN_FLIGHT),
            Refusal::KeyReused => Problem::from(&codes::KEY_REUSED),
            Refusal::NumberOurs => on_number(&codes::NUMBER_OURS, "number-ours"),
            Refusal::NumberUsed => on_number(&codes::NUMBER_USED, "number-used"),
            Refusal::NoParent => Problem::from(&codes::NO_SUCH_PRESCRIPTION),
            Refusal::OtherIdentity => Problem::from(&codes::PRESCRIBER_NOT_AUTHENTICATED),
            // Of a cancel; what else can be moot is refused under a code of its own.
            Refusal::Moot(state) => Problem {
                state: Some(state),
                ..Problem::from(&codes::NOT_CANCELLABLE)
            },
            Refusal::NumbersExhausted => Problem {
                is_of_sac: true,
                ..Problem::from(&codes::NUMBERS_EXHAUSTED)
            },
            Refusal::Busy => Problem::from(&codes::BUSY),
            Refusal::Full => Problem::from(&codes::STORE_FULL),
            Refusal::Refused => Problem::from(&codes::STORE_REFUSED),
            Refusal::Unknown => Problem::from(&codes::OUTCOME_UNKNOWN),
            Refusal::Disabled => Problem::from(&codes::LANE_DISABLED),
            Refusal::Stopping => Problem::from(&codes::STOPPING),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        match error {
            ReadError::Unavailable => Problem::from(&codes::STORE_UNREADABLE),
            ReadError::Damaged => Problem::from(&codes::UNREADABLE),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.code)
    }
}

/// What `frame` renders once it knows the request's language and trace; on its own only a status.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status).expect("the table holds valid statuses")
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::new(self.status_code())
    }
}

/// The body of every answer that is not a success.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// A name for the kind of problem: `urn:argine:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(
        format = "uri",
        max_length = 128,
        example = "urn:argine:problem:content-refused"
    )]
    kind: String,
    /// What happened, for people.
    #[schema(max_length = 256)]
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, format = Int32)]
    status: u16,
    /// What to do about it, for people.
    #[schema(max_length = 512)]
    detail: &'a str,
    /// The stable word that software branches on.
    #[schema(max_length = 64)]
    code: &'a str,
    /// Whose doing it is: `caller`, `upstream` or `gateway`.
    #[schema(max_length = 16)]
    fault: &'a str,
    /// What may have happened: `not-done`, `unknown` or `rejected`.
    #[schema(max_length = 16)]
    outcome: &'a str,
    /// What repeating it would do: `no`, `later` or `same-key`.
    #[schema(max_length = 16)]
    retry: &'a str,
    /// The upstream system concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    upstream: Option<&'a str>,
    /// The entry concerned, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128, nullable = false)]
    instance: Option<&'a str>,
    /// Where the prescription stands, where that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    state: Option<&'a str>,
    /// Why the prescription stands there, or the upstream gave no answer, where there is a reason to
    /// give.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    reason: Option<&'a str>,
    /// What the desk does now: `issue-red-recipe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    next_step: Option<&'a str>,
    /// Names this request in our logs.
    #[schema(max_length = 32)]
    trace_id: &'a str,
    /// Every broken rule and where.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(min_items = 0, max_items = 100)]
    errors: &'a [FieldError],
    /// What the SAC said to the prescriber.
    #[serde(skip_serializing_if = "<[NoticeBody]>::is_empty")]
    #[schema(min_items = 0, max_items = 200)]
    notices: &'a [NoticeBody],
}

/// The language of titles and details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Italian,
    English,
}

impl Language {
    /// Italian, unless `Accept-Language` prefers English.
    pub(crate) fn of(headers: &HeaderMap) -> Language {
        let accepted = headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let weight = |wanted: &str| {
            accepted
                .split(',')
                .filter_map(|range| {
                    let mut parts = range.split(';');
                    let tag = parts.next()?.trim();
                    let primary = tag.split('-').next()?;
                    if !primary.eq_ignore_ascii_case(wanted) {
                        return None;
                    }
                    let weight = parts.find_map(|part| part.trim().strip_prefix("q="));
                    Some(weight.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0)))
                })
                .fold(0.0, f32::max)
        };
        if weight("en") > weight("it") {
            Language::English
        } else {
            Language::Italian
        }
    }

    fn pick(self, text: Text) -> &'static str {
        match self {
            Language::Italian => text.it,
            Language::English => text.en,
        }
    }

    fn tag(self) -> &'static str {
        match self {
            Language::Italian => "it",
            Language::English => "en",
        }
    }
}

/// The answer that `problem` becomes.
pub(crate) fn render(problem: &Problem, trace_id: &str, language: Language) -> HttpResponse {
    let code = problem.code;
    let instance = problem.instance.map(location);
    // What software does next and what people read of it have one name.
    let next_step = Some(code.code).filter(|_| *code == codes::ISSUE_RED_RECIPE);
    let repeat = problem.repeat.unwrap_or(code.repeat);
    let body = ProblemBody {
        kind: format!("urn:argine:problem:{}", code.code),
        title: language.pick(code.title),
        status: code.status,
        detail: language.pick(*problem.detail.unwrap_or(&code.detail)),
        code: code.code,
        fault: problem.fault.unwrap_or(code.fault).as_str(),
        outcome: problem.outcome.unwrap_or(code.outcome).as_str(),
        retry: repeat.as_str(),
        upstream: problem.is_of_sac.then_some("sac"),
        instance: instance.as_deref(),
        state: problem.state.map(State::as_str),
        reason: problem.reason.map(Reason::as_str),
        next_step,
        trace_id,
        errors: &problem.errors,
        notices: &problem.notices,
    };
    let bytes = serde_json::to_vec(&body).expect("a problem has only strings, numbers and lists");
    let mut response = HttpResponse::build(problem.status_code());
    response
        .content_type(MEDIA_TYPE)
        .insert_header((header::CONTENT_LANGUAGE, language.tag()))
        .insert_header((header::VARY, "Accept-Language"));
    if let Some(after) = repeat.after() {
        let seconds = after.as_millis().div_ceil(1_000).max(1);
        response.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    if let Some(age_s) = problem.age_s {
        response.insert_header((header::AGE, age_s));
    }
    if let Some(instance) = &instance {
        response.insert_header((header::LOCATION, instance.as_str()));
    }
    if problem.status_code() == StatusCode::UNAUTHORIZED {
        let challenge = format!(
            "Bearer error=\"invalid_token\", error_description=\"{}\"",
            code.code
        );
        let challenge = HeaderValue::from_str(&challenge).expect("codes are plain ASCII words");
        response.insert_header((header::WWW_AUTHENTICATE, challenge));
    }
    response.body(bytes)
}

#[cfg(test)]
mod tests;
