//! What leaves as spans: of requests, attempts and calls, and nothing else.

use std::sync::{Arc, Mutex};

use engine::ports::Signals;
use policies::operation::{LaneName, OpName};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use super::super::filter;
use super::super::metrics::Metrics;
use super::super::spans::Answered;
use super::super::watcher::Watcher;
use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
const LANE: LaneName = LaneName("lane");
const OP: OpName = OpName("op");
const PERSON: &str = "RSSMRA80A01H501U";

/// Keeps what is exported.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// Everything that leaves while `doing` goes on, with this share sampled.
fn exported(sample_share: f64, doing: impl FnOnce(&Watcher)) -> Vec<SpanData> {
    let metrics = Arc::new(Metrics::new());
    let kept = Kept::default();
    let outlet = export::Outlet::new(kept.clone(), &metrics.spans);
    let traces = Traces::over(outlet, sample_share, 4096, &metrics.spans);
    let watcher = Watcher::new(metrics, true);
    // What is traced does not depend on what is logged.
    let silent = filter(LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
    let subscriber = Registry::default()
        .with(lines.with_filter(silent))
        .with(traces.layer());
    tracing::subscriber::with_default(subscriber, || doing(&watcher));
    traces.provider.force_flush().unwrap();
    kept.0.lock().unwrap().drain(..).collect()
}

fn caller(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

/// A request of whoever sends `caller`; the `traceparent` that it goes by.
fn request(watcher: &Watcher, caller: Option<&str>, status: u16) -> String {
    let (span, parent) = watcher.asked("GET", caller).expect("requests are traced");
    watcher.answered(&Answered {
        span: &span,
        route: "/v1/status",
        method: "GET",
        status,
        took: Duration::ZERO,
    });
    parent
}

fn attempt(watcher: &Watcher, cause: Option<&str>) {
    watcher.attempt(LANE, OP, cause).in_scope(|| {
        let call = watcher.call(OP);
        call.in_scope(|| {});
        watcher.called(&call, LANE, OP, "timeout", Duration::ZERO);
    });
}

fn says(span: &SpanData) -> Vec<(&str, String)> {
    let attributes = span.attributes.iter();
    attributes
        .map(|said| (said.key.as_str(), said.value.to_string()))
        .collect()
}

#[test]
fn a_request_is_a_span_under_the_traceparent_that_it_goes_by() {
    let mut parent = String::new();
    let spans = exported(0.0, |watcher| {
        parent = request(watcher, Some(&caller("01")), 503);
    });
    let [span] = &spans[..] else {
        panic!("one span: {spans:?}");
    };
    let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
    assert_eq!(parent, format!("00-{trace}-{id}-01"));
    assert_eq!(trace.to_string(), TRACE);
    assert_eq!(span.parent_span_id.to_string(), SPAN);
    assert!(span.parent_span_is_remote);
    assert_eq!(span.span_kind, SpanKind::Server);
    assert_eq!(span.name, "GET /v1/status");
    let said = [
        ("http.request.method", "GET".to_owned()),
        ("http.route", "/v1/status".to_owned()),
        ("http.response.status_code", "503".to_owned()),
    ];
    assert_eq!(says(span), said);
    assert_eq!(span.status, opentelemetry::trace::Status::error(""));
}

#[test]
fn a_caller_decides_and_else_the_share_does() {
    let (mut parent, mut alone) = (String::new(), String::new());
    let spans = exported(1.0, |watcher| {
        parent = request(watcher, Some(&caller("00")), 200);
        alone = request(watcher, None, 200);
    });
    assert!(
        parent.starts_with(&format!("00-{TRACE}-")),
        "the trace goes on: {parent}"
    );
    assert!(
        parent.ends_with("-00") && !parent.contains(SPAN),
        "{parent}"
    );
    assert!(alone.ends_with("-01"), "{alone}");
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_ne!(spans[0].span_context.trace_id().to_string(), TRACE);

    let spans = exported(0.0, |watcher| {
        alone = request(watcher, None, 200);
        request(watcher, Some(&caller("01")), 200);
    });
    assert!(alone.ends_with("-00"), "{alone}");
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!(spans[0].span_context.trace_id().to_string(), TRACE);
}

#[test]
fn an_attempt_links_to_its_request_and_holds_its_calls() {
    // Not a child of a request that happens to be entered where it begins.
    let spans = exported(0.0, |watcher| {
        let (other, _) = watcher.asked("GET", Some(&caller("01"))).unwrap();
        other.in_scope(|| attempt(watcher, Some(&caller("01"))));
    });
    let [call, attempt, _other] = &spans[..] else {
        panic!("a call, its attempt, and a request: {spans:?}");
    };
    assert_eq!(
        (attempt.name.as_ref(), call.name.as_ref()),
        ("attempt", "call")
    );
    let [cause] = &attempt.links.links[..] else {
        panic!("one link: {attempt:?}");
    };
    assert_eq!(cause.span_context.trace_id().to_string(), TRACE);
    assert_eq!(cause.span_context.span_id().to_string(), SPAN);
    assert_ne!(attempt.span_context.trace_id().to_string(), TRACE);
    assert_eq!(
        attempt.parent_span_id,
        opentelemetry::trace::SpanId::INVALID
    );
    assert_eq!(call.parent_span_id, attempt.span_context.span_id());
    assert_eq!(
        call.span_context.trace_id(),
        attempt.span_context.trace_id()
    );
    assert_eq!(call.span_kind, SpanKind::Client);
    assert_eq!(call.status, opentelemetry::trace::Status::error(""));
    let said = [
        ("operation", "op".to_owned()),
        ("outcome", "timeout".to_owned()),
    ];
    assert_eq!(says(call), said);
}

#[test]
fn an_attempt_is_sampled_as_its_request_was() {
    let spans = exported(1.0, |watcher| attempt(watcher, Some(&caller("00"))));
    assert!(spans.is_empty(), "{spans:?}");
    for cause in [None, Some("of another release")] {
        let sampled = exported(1.0, |watcher| attempt(watcher, cause));
        assert_eq!(sampled.len(), 2, "{cause:?}: {sampled:?}");
        let not_sampled = exported(0.0, |watcher| attempt(watcher, cause));
        assert!(not_sampled.is_empty(), "{cause:?}: {not_sampled:?}");
    }
}

/// Whatever somebody puts on a span one day, or logs inside it.
#[test]
fn only_what_is_named_leaves() {
    let spans = exported(1.0, |watcher| {
        let (span, _) = watcher.asked("GET", None).unwrap();
        span.in_scope(|| {
            let careless = tracing::info_span!(target: "span", "call", tax_code = PERSON);
            careless.in_scope(|| tracing::error!(target: "span", error = PERSON, "{PERSON}"));
        });
        tracing::info_span!(target: "gateway::elsewhere", "look-up", tax_code = PERSON)
            .in_scope(|| {});
    });
    assert_eq!(spans.len(), 2, "{spans:?}");
    let told = format!("{spans:?}");
    assert!(!told.contains(PERSON), "{told}");
}
