//! The gateway is seen, and nobody waits for whoever looks.

pub(crate) mod collector;
pub(crate) mod page;

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use reqwest::Method;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::registry::population;
use tests::world::caller::{Caller, answer};
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};
use tokio::time::Instant;

use collector::{Collector, Manner};

const SOON: Duration = Duration::from_secs(10);
/// What a request of a test's caller is part of.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
/// The series of requests for the status.
const STATUS_REQUESTS: &str = "argine_http_request_duration_seconds_count\
                               {method=\"GET\",route=\"/v1/status\",status=\"200\"}";

fn seen(collector: &Collector) -> Setup {
    Setup::default()
        .config("signals.otlp_url", collector.url())
        .config("signals.metrics_address", "127.0.0.1:0")
}

/// Prescribes as part of [`TRACE`], which is sampled or not; the id of what was answered so.
async fn prescribe_in_trace(caller: &Caller, flags: &str, status: u16) -> String {
    let request = caller
        .request(Method::POST, "/v1/prescriptions")
        .header("Idempotency-Key", key())
        .header("traceparent", format!("00-{TRACE}-{SPAN}-{flags}"))
        .json(&drug());
    let reply = answer(request).await.expect("the gateway answers");
    reply.expect(status).id()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn says(span: &Span, key: &str, value: &str) -> bool {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    span.attributes.iter().any(|attribute| {
        let said = attribute.value.as_ref().and_then(|said| said.value.clone());
        attribute.key == key && said == Some(Value::StringValue(value.to_owned()))
    })
}

/// What was accepted in an outage is delivered by another process, and the collector can tell which
/// request it came from.
#[tokio::test]
async fn a_delivery_after_an_outage_and_a_restart_links_to_its_request() {
    let collector = Collector::start(Manner::Takes).await;
    let mut world = World::with(seen(&collector)).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    let id = prescribe_in_trace(&caller, "01", 202).await;
    assert_eq!(world.terminate().await.code(), Some(0));
    let request = collector
        .spans()
        .into_iter()
        .find(|span| span.name == "POST /v1/prescriptions" && hex(&span.trace_id) == TRACE);
    let request = request.expect("the last spans are exported before the process ends");
    assert_eq!(hex(&request.parent_span_id), SPAN);

    world.recover();
    world.restart().await.expect("it starts again");
    caller.until(&id, "registered").await;
    let delivered = until("the delivery is exported", SOON, async || {
        collector
            .spans()
            .into_iter()
            .find(|span| span.name == "attempt" && says(span, "state", "registered"))
    })
    .await;
    let [cause] = &delivered.links[..] else {
        panic!("one link: {delivered:?}");
    };
    assert_eq!(hex(&cause.trace_id), TRACE);
    assert_eq!(hex(&cause.span_id), hex(&request.span_id));
    assert_ne!(delivered.trace_id, request.trace_id);
    let settled = world.logged(&[&id, "registered"]).await;
    assert!(settled.contains(TRACE), "{settled}");
    until("the call of the delivery is exported", SOON, async || {
        collector.spans().into_iter().find(|span| {
            span.parent_span_id == delivered.span_id
                && says(span, "operation", "invio")
                && says(span, "outcome", "ok")
        })
    })
    .await;
}

/// A caller who does not want its trace sampled is heeded, at the request and at every attempt.
#[tokio::test]
async fn a_trace_that_its_caller_does_not_sample_is_not_exported() {
    let collector = Collector::start(Manner::Takes).await;
    let all = seen(&collector).config("signals.sample_share", 1);
    let mut world = World::with(all).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    let id = prescribe_in_trace(&caller, "00", 202).await;
    world.recover();
    caller.until(&id, "registered").await;
    assert_eq!(world.terminate().await.code(), Some(0));
    let spans = collector.spans();
    assert!(
        spans.iter().any(|span| span.name == "GET /v1/status"),
        "whoever decides nothing is sampled"
    );
    for span in spans {
        assert_ne!(hex(&span.trace_id), TRACE, "{span:?}");
        assert_ne!(span.name, "attempt", "its request was not sampled");
    }
}

/// Requests are answered as ever, the queue does not grow, and the process ends in time, whatever has
/// become of the collector. An export may take longer than the whole test: waited for even once, it
/// would show.
async fn nobody_waits_for(manner: Manner) {
    const REQUESTS: u32 = 1_500;
    const EXPORT_WITHIN: Duration = Duration::from_secs(40);
    let collector = Collector::start(manner).await;
    let all = seen(&collector)
        .config("signals.sample_share", 1)
        .config("signals.spans_max", 512)
        .config("signals.export_within", "40s");
    let mut world = World::with(all).await;
    let address = page::address(&world).await;
    let caller = world.caller("practice-a");
    let before = page::value(&page::get(address, "/metrics").await, STATUS_REQUESTS);
    let began = Instant::now();
    for _ in 0..REQUESTS {
        caller.get("/v1/status").await.expect(200);
    }
    caller.prescribe(&key(), &drug()).await.expect(201);
    assert!(began.elapsed() < EXPORT_WITHIN, "somebody waited");

    let page = page::get(address, "/metrics").await;
    let counted = page::value(&page, STATUS_REQUESTS).unwrap_or_default();
    assert_eq!(counted - before.unwrap_or_default(), f64::from(REQUESTS));
    let spans = |result: &str| {
        let series = format!("argine_spans_total{{result=\"{result}\"}}");
        page::value(&page, &series).unwrap_or_default()
    };
    assert!(spans("ended") >= f64::from(REQUESTS), "{manner:?}");
    assert!(spans("exported") < 1.0, "{manner:?}");
    let asked = Instant::now();
    assert_eq!(
        world.terminate().await.code(),
        Some(0),
        "{}",
        world.output()
    );
    assert!(asked.elapsed() < SOON, "{manner:?}: it did not end in time");
}

#[tokio::test]
async fn a_collector_that_never_answers_changes_nothing() {
    nobody_waits_for(Manner::Silent).await;
}

#[tokio::test]
async fn a_collector_that_refuses_connections_changes_nothing() {
    nobody_waits_for(Manner::Refuses).await;
}

#[tokio::test]
async fn a_collector_that_fails_changes_nothing() {
    nobody_waits_for(Manner::Fails).await;
}

/// What the SDK and the exporter would take from the environment: elsewhere, otherwise or not at all.
const ENVIRONMENT: [(&str, &str); 14] = [
    ("OTEL_SDK_DISABLED", "true"),
    ("OTEL_SERVICE_NAME", "planted-service"),
    ("OTEL_RESOURCE_ATTRIBUTES", "planted=planted-resource"),
    ("OTEL_TRACES_SAMPLER", "always_off"),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0"),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
    ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "http://127.0.0.1:9/v1/traces",
    ),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=planted-header"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "authorization=planted-header",
    ),
];

/// The configuration of the gateway is one place.
#[tokio::test]
async fn the_environment_configures_nothing() {
    let collector = Collector::start(Manner::Takes).await;
    let setup = seen(&collector).config("signals.sample_share", 1);
    let setup = ENVIRONMENT
        .into_iter()
        .fold(setup, |setup, (name, value)| setup.environment(name, value));
    let world = World::with(setup).await;
    let caller = world.caller("practice-a");
    prescribe_in_trace(&caller, "01", 201).await;
    let attempt = until("the delivery is exported", SOON, async || {
        let mut spans = collector.spans().into_iter();
        spans.find(|span| span.name == "attempt")
    })
    .await;
    assert_eq!(attempt.links.len(), 1, "{attempt:?}");
    assert!(says(&attempt, "operation", "invio"), "{attempt:?}");
    let sent = collector.bytes();
    let sent = String::from_utf8_lossy(&sent);
    assert!(sent.contains("content-type: application/x-protobuf"));
    assert!(!sent.contains("planted"), "the environment was heeded");
}

/// A look-up that the source is asked for links to the request that led it.
#[tokio::test]
async fn a_look_up_links_to_its_request() {
    let collector = Collector::start(Manner::Takes).await;
    let world = World::with(seen(&collector).config("signals.sample_share", 0)).await;
    let caller = world.caller("practice-a");
    let body = serde_json::json!({ "tax_code": population::person(2) });
    let request = caller
        .request(Method::POST, "/v1/assisted-persons/search")
        .header("traceparent", format!("00-{TRACE}-{SPAN}-01"))
        .json(&body);
    let reply = answer(request).await.expect("the gateway answers");
    reply.expect(200);
    let (request, load) = until("request and look-up are exported", SOON, async || {
        let spans = collector.spans();
        let named = |name: &str| spans.iter().find(|span| span.name == name).cloned();
        named("POST /v1/assisted-persons/search").zip(named("attempt"))
    })
    .await;
    assert!(says(&load, "operation", "ricerca"), "{load:?}");
    let [cause] = &load.links[..] else {
        panic!("one link: {load:?}");
    };
    assert_eq!(hex(&cause.trace_id), TRACE);
    assert_eq!(cause.span_id, request.span_id);
    let is_call = |span: &Span| span.name == "call" && span.parent_span_id == load.span_id;
    assert!(collector.spans().iter().any(is_call), "the call is seen");
}

/// Whoever reads the log has stopped reading: the pipe is full, then the queue. Requests go on, what is
/// lost is counted, and the process ends in time.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_nobody() {
    let setup = Setup::default().config("signals.metrics_address", "127.0.0.1:0");
    let mut world = World::prepare(setup);
    world.restart_unread().await;
    let address = page::address(&world).await;
    let caller = world.caller("practice-a");
    // Each is a line; a pipe holds less than a thousand, the queue eight thousand.
    let lost = until("lines are lost", Duration::from_secs(90), async || {
        for _ in 0..500 {
            caller.get("/v1/status").await.expect(200);
        }
        let page = page::get(address, "/metrics").await;
        page::value(&page, "argine_log_lines_dropped_total").filter(|lost| *lost > 100.0)
    })
    .await;
    assert!(lost > 100.0);
    caller.prescribe(&key(), &drug()).await.expect(201);
    let asked = Instant::now();
    assert_eq!(world.terminate().await.code(), Some(0));
    assert!(asked.elapsed() < SOON, "it did not end in time");
}

/// The page counts what happened, and shows how every lane stands.
#[tokio::test]
async fn the_page_shows_an_outage_and_its_end() {
    let shown = Setup::default().config("signals.metrics_address", "127.0.0.1:0");
    let world = World::with(shown).await;
    let address = page::address(&world).await;
    let caller = world.caller("practice-a");
    caller.prescribe(&key(), &drug()).await.expect(201);
    let lane = "lane=\"sac.prescriptions\",operation=\"invio\"";
    let accepted = format!("argine_accepted_total{{{lane}}}");
    let settled = format!("argine_settled_total{{{lane},state=\"registered\"}}");
    let open = format!("argine_gate_state{{{lane},state=\"open\"}}");
    let text = page::get(address, "/metrics").await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    for (series, expected) in [(&accepted, 1.0), (&settled, 1.0), (&open, 0.0)] {
        assert_eq!(
            page::value(&text, series),
            Some(expected),
            "{series}\n{text}"
        );
    }
    let ok = "lane=\"sac.prescriptions\",operation=\"invio\",outcome=\"ok\"";
    let ok = format!("argine_upstream_call_duration_seconds_count{{{ok}}}");
    assert_eq!(page::value(&text, &ok), Some(1.0), "{text}");
    assert_eq!(
        page::value(&text, "argine_entries{state=\"registered\"}"),
        Some(1.0)
    );
    assert_eq!(page::value(&text, "argine_policy_generation"), Some(1.0));

    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    until("the gate is shown open", SOON, async || {
        caller.prescribe(&key(), &drug()).await.expect(202);
        let text = page::get(address, "/metrics").await;
        (page::value(&text, &open) == Some(1.0)).then_some(())
    })
    .await;
    world.recover();
    world.settled().await;
    // A settlement is on disk before it is counted.
    until("all that was accepted is settled", SOON, async || {
        let text = page::get(address, "/metrics").await;
        let (accepted, settled) = (page::value(&text, &accepted), page::value(&text, &settled));
        (accepted == settled && accepted > Some(1.0)).then_some(())
    })
    .await;
    for path in ["/", "/v1/status", "/metrics/x"] {
        let other = page::get(address, path).await;
        assert!(other.starts_with("HTTP/1.1 404"), "{path}: {other}");
    }
}
