//! The spans there are: a request, an attempt to deliver or to look up, a call to an upstream.
//!
//! A request belongs to the trace that its caller named, or to a new one. An attempt is a trace of its own
//! that links to the request it is made for, which may have ended days before. A call is a child of the
//! attempt that makes it; a call for nobody's sake, as for numbers, is a trace of its own.
//!
//! # Invariants
//!
//! 1. Names and attributes come from closed sets: nothing that a caller or an upstream chose is one.

use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Status, TraceContextExt, TraceFlags};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Metadata, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

const METHOD: &str = "http.request.method";
const ROUTE: &str = "http.route";
const STATUS: &str = "http.response.status_code";

/// The attributes that leave the process.
pub(super) const KEYS: [&str; 7] = [
    METHOD,
    ROUTE,
    STATUS,
    "lane",
    "operation",
    "outcome",
    "state",
];

/// The target of attempts: one of ours, so that their lines are logged inside it.
const ATTEMPT: &str = "gateway::attempt";
/// The target of spans that are no part of log lines.
const TRACED: &str = "span";

/// A request that was answered.
pub(crate) struct Answered<'a> {
    /// Its span.
    pub(crate) span: &'a Span,
    /// The template of its route.
    pub(crate) route: &'a str,
    /// Its method, where it is one of those we serve.
    pub(crate) method: &'static str,
    pub(crate) status: u16,
    pub(crate) took: Duration,
}

/// Whether this is a span of ours that traces are made of.
pub(super) fn is_traced(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && matches!(metadata.target(), ATTEMPT | TRACED)
}

/// The span of a request and the `traceparent` that names it, in the trace of `caller` (a `traceparent`)
/// if there is one; none, if nothing is traced.
pub(super) fn request(method: &'static str, caller: Option<&str>) -> Option<(Span, String)> {
    let span = info_span!(
        target: TRACED,
        parent: None,
        "request",
        otel.kind = "server",
        http.request.method = method,
    );
    if let Some(caller) = caller {
        span.set_parent(remote(caller)).ok()?;
    }
    let ours = span.context().span().span_context().clone();
    let flags = ours.trace_flags() & TraceFlags::SAMPLED;
    let (trace_id, span_id) = (ours.trace_id(), ours.span_id());
    // Nothing traces any more once the exporter was stopped.
    ours.is_valid()
        .then(|| (span, format!("00-{trace_id}-{span_id}-{flags:02x}")))
}

/// Tells the span of a request how it was answered.
pub(super) fn answered(request: &Answered<'_>) {
    let context = request.span.context();
    let span = context.span();
    if !span.is_recording() {
        return;
    }
    span.update_name(format!("{} {}", request.method, request.route));
    span.set_attribute(KeyValue::new(ROUTE, request.route.to_owned()));
    span.set_attribute(KeyValue::new(STATUS, i64::from(request.status)));
    if request.status >= 500 {
        span.set_status(Status::error(""));
    }
}

/// The span of an attempt, part of the log lines inside it; `cause` is the `traceparent` of the request it
/// is made for.
pub(super) fn attempt(lane: &'static str, op: &'static str, cause: Option<&str>) -> Span {
    let mut parts = cause.into_iter().flat_map(|cause| cause.split('-').skip(1));
    let (trace_id, request_span_id) = (parts.next(), parts.next());
    info_span!(
        target: ATTEMPT,
        parent: None,
        "attempt",
        lane,
        operation = op,
        trace_id,
        request_span_id,
        state = Empty,
    )
}

/// Links `span` to the request that `cause` names.
pub(super) fn link(span: &Span, cause: &str) {
    span.add_link(remote(cause).span().span_context().clone());
}

/// The span of a call, part of the attempt that is entered.
pub(super) fn call(op: &'static str) -> Span {
    info_span!(
        target: TRACED,
        "call",
        otel.kind = "client",
        otel.status_code = Empty,
        operation = op,
        outcome = Empty,
    )
}

/// Tells the span of a call how it ended.
pub(super) fn called(call: &Span, outcome: &'static str) {
    call.record("outcome", outcome);
    if outcome != "ok" {
        call.record("otel.status_code", "error");
    }
}

/// The context of a `traceparent`; an empty one, if it is none.
fn remote(traceparent: &str) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Header(traceparent))
}

/// A `traceparent`, as a propagator reads it.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
