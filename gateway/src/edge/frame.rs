//! What surrounds every request: its trace, its quota, its one log line, and the form of its answer.
//!
//! # Invariants
//!
//! 1. Every answer carries the quota of whoever asked, and no answer may be cached unless it says so.
//! 2. Every answer of 400 or above has a problem as its body, whoever made it.
//! 3. Every answer keeps the body of its request until it is sent.
//! 4. Every request leaves one log line, which names the template of its route and never its path,
//!    its query or its body.
//!
//! # Not here
//!
//! What is not HTTP, a head that is too long, and one that does not arrive in time, are answered by the
//! server itself before there is a request: with a bare 400, 431 or 408, without quota or problem. It
//! offers no way to dress these, and nobody has asked for anything yet.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use engine::entry::Organization;
use futures_util::FutureExt;
use policies::time::Timestamp;
use tracing::{Instrument, Span, info, info_span};

use super::Edge;
use super::codes::{self, Code};
use super::limiter::{Quota, Subject};
use super::noted;
use super::respond::{Language, Problem, render};
use super::slices::sliced;
use super::trace::{self, Trace};
use super::unread::Unread;
use super::vouching::vouch;
use crate::telemetry::{Answered, Stopwatch};
use crate::tls::{CertificateDigest, Presented};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The certificate of the connection that carries `request`.
pub(crate) fn peer(request: &HttpRequest) -> Option<CertificateDigest> {
    request
        .conn_data::<CertificateDigest>()
        .copied()
        .or_else(|| request.extensions().get::<CertificateDigest>().copied())
}

/// The middleware around all routes.
pub(crate) async fn frame(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let frame = Frame::open(&mut request);
    request.extensions_mut().insert(frame.trace.clone());
    if let Some(problem) = frame.turned_away(request.request()) {
        let response = frame.refuse(&problem);
        frame.log(
            Some(request.request()),
            response.status(),
            Some(problem.code),
        );
        return Ok(request.into_response(response));
    }
    let logged = info_span!("request", trace_id = frame.trace.id());
    let gateway = &frame.edge.gateway;
    let handled = async {
        if asks_who_calls(request.request()) {
            vouch(gateway, request.request()).await;
        }
        next.call(request).await
    };
    let handled = handled.instrument(logged);
    let handled = AssertUnwindSafe(handled.instrument(frame.span.clone())).catch_unwind();
    match handled.await {
        Ok(Ok(answered)) => {
            let (request, response) = answered.into_parts();
            let response = response.map_into_boxed_body();
            let response = noted::answered(&frame.edge, &request, response).await;
            let (response, code) = frame.close(response);
            frame.log(Some(&request), response.status(), code);
            Ok(ServiceResponse::new(request, response))
        }
        Ok(Err(error)) => Err(frame.fail(code_of(error.as_response_error().status_code()))),
        // The panic hook has said where; what the request did is unknown.
        Err(_panic) => Err(frame.fail(&codes::INTERNAL)),
    }
}

/// Everything known about a request before it is handled.
struct Frame {
    edge: web::Data<Edge>,
    began: Timestamp,
    stopwatch: Stopwatch,
    method: &'static str,
    trace: Trace,
    /// What is traced of it; ends with the frame.
    span: Span,
    language: Language,
    quota: Quota,
    unread: Option<Unread>,
}

impl Frame {
    fn open(request: &mut ServiceRequest) -> Frame {
        let unread = Unread::of(request);
        let edge = request
            .app_data::<web::Data<Edge>>()
            .expect("the application is built with its data");
        let began = edge.gateway.clock.now();
        let method = name_of(request.method());
        let caller = trace::caller(request.headers());
        let (span, trace) = match edge.gateway.watcher.asked(method, caller) {
            Some((span, parent)) => (span, Trace::traced(parent)),
            None => (Span::none(), Trace::untraced(caller)),
        };
        Frame {
            edge: web::Data::clone(edge),
            began,
            stopwatch: Stopwatch::start(),
            method,
            trace,
            span,
            language: Language::of(request.headers()),
            quota: quota(edge, request.request()),
            unread,
        }
    }

    /// Why a request is not looked at: its connection is worth nothing any more, or there were too many.
    fn turned_away(&self, request: &HttpRequest) -> Option<Problem> {
        let presented = request.conn_data::<Presented>();
        if let (Some(presented), Some(credentials)) = (presented, &self.edge.credentials)
            && !presented.holds(&credentials.load(), self.began)
        {
            return Some(Problem::from(&codes::CERTIFICATE_REFUSED));
        }
        let wait = self.quota.wait?;
        Some(Problem {
            repeat: Some(codes::RATE_LIMITED.repeat.past(wait)),
            ..Problem::from(&codes::RATE_LIMITED)
        })
    }

    /// Gives an answer its headers and, where it is none of ours yet, its form.
    fn close(&self, response: HttpResponse) -> (HttpResponse, Option<&'static Code>) {
        if response.status().as_u16() < 400 {
            return (self.dress(response), None);
        }
        let problem = response
            .error()
            .and_then(|error| error.as_error::<Problem>())
            .cloned()
            .unwrap_or_else(|| Problem::from(code_of(response.status())));
        let mut refused = self.refuse(&problem);
        if let Some(allow) = response.headers().get(header::ALLOW) {
            refused.headers_mut().insert(header::ALLOW, allow.clone());
        }
        (refused, Some(problem.code))
    }

    fn refuse(&self, problem: &Problem) -> HttpResponse {
        let mut response = render(problem, self.trace.id(), self.language);
        // What is left of the body was not read, so that nothing after it can be.
        let is_over = problem.code == &codes::CERTIFICATE_REFUSED;
        if is_over || matches!(problem.code.status, 408 | 413 | 415) {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        self.dress(response)
    }

    fn fail(&self, code: &'static Code) -> Error {
        let response = self.refuse(&Problem::from(code));
        self.log(None, response.status(), Some(code));
        InternalError::from_response(code.code, response).into()
    }

    fn dress(&self, mut response: HttpResponse) -> HttpResponse {
        let headers = response.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(self.quota.limit));
        headers.insert(REMAINING, HeaderValue::from(self.quota.remaining));
        headers.insert(RESET, HeaderValue::from(whole_seconds(self.quota.reset)));
        default(headers, header::CACHE_CONTROL, "no-store");
        default(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        let response = sliced(response);
        match &self.unread {
            Some(unread) => unread.kept_by(response),
            None => response,
        }
    }

    fn log(&self, request: Option<&HttpRequest>, status: StatusCode, code: Option<&'static Code>) {
        let route = request
            .and_then(HttpRequest::match_pattern)
            .unwrap_or_else(|| "-".to_owned());
        let method = self.method;
        let organization = request.and_then(|request| {
            let extensions = request.extensions();
            extensions.get::<Organization>().map(|name| name.0.clone())
        });
        self.edge.gateway.watcher.answered(&Answered {
            span: &self.span,
            route: &route,
            method,
            status: status.as_u16(),
            took: self.stopwatch.elapsed(),
        });
        let spent = self.edge.gateway.clock.now().since(self.began);
        info!(
            http.method = method,
            http.route = route,
            http.status = status.as_u16(),
            code = code.map(|code| code.code),
            organization,
            trace_id = self.trace.id(),
            duration_ms = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX),
            "{method} {route} {}",
            status.as_u16()
        );
    }
}

/// Counts a request against the quota of whose certificate it comes under, before any token is read.
fn quota(edge: &Edge, request: &HttpRequest) -> Quota {
    let callers = edge.gateway.callers.load();
    let subject = match peer(request) {
        None => Subject::Rest,
        Some(certificate) => match callers.organization(certificate) {
            Some(organization) => Subject::Organization(&organization.0),
            None => Subject::Certificate(certificate.0),
        },
    };
    edge.limiter.count(subject)
}

/// What is shown to whoever holds a certificate.
const OPEN_ROUTES: [&str; 2] = ["/v1/status", "/v1/openapi.json"];

/// Whether the path of `request` is one whose handler asks who calls: nothing is spent on others.
fn asks_who_calls(request: &HttpRequest) -> bool {
    let route = request.match_pattern();
    route.is_some_and(|route| !OPEN_ROUTES.contains(&route.as_str()))
}

/// The name of a method, where it is one of those we serve.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}

/// The code of an answer that the framework made.
fn code_of(status: StatusCode) -> &'static Code {
    match status.as_u16() {
        404 => &codes::NO_SUCH_PATH,
        405 => &codes::METHOD_NOT_ALLOWED,
        408 => &codes::BODY_TOO_SLOW,
        413 => &codes::BODY_TOO_LARGE,
        415 => &codes::MEDIA_TYPE,
        400..=499 => &codes::BAD_REQUEST,
        _ => &codes::INTERNAL,
    }
}

fn whole_seconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)
}

fn default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
