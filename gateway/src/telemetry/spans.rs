//! Spans on their way to a collector: whoever ends one never waits for it.
//!
//! A thread of the SDK's own exports what is queued. The ids of a span are ours before any SDK hears of
//! it, because they have been told to callers and are on disk: a span is handed over when it has
//! ended, under the very ids of its `traceparent`.
//!
//! # Invariants
//!
//! 1. Only what is sampled is handed over, and nothing is built for what is not.
//! 2. No attribute holds anything that a caller or an upstream chose.
//!
//! # Limits
//!
//! `signals.spans_max` that wait; beyond it a span is dropped. One export takes at most
//! `signals.export_within`.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use adapters::{ClientError, Collector};
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks,
    SpanProcessor,
};
use prometheus::{IntCounter, IntCounterVec};

use crate::config::Traces;

/// Spans of one export.
const BATCH_MAX: usize = 512;
/// How long a span waits for company.
const BATCH_EVERY: Duration = Duration::from_secs(1);

/// Traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The way to the collector.
    #[error("cannot open the way to the collector")]
    Client(#[source] ClientError),
    /// The exporter.
    #[error("cannot set up the exporter of traces")]
    Exporter(#[source] ExporterBuildError),
}

/// Where ended spans go in.
#[derive(Debug)]
pub(super) struct Spans {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    ended: IntCounter,
}

/// A span that has ended.
pub(super) struct Ended {
    pub(super) context: SpanContext,
    /// The span it is part of, and whether that is a caller's.
    pub(super) parent: Option<(SpanId, bool)>,
    /// What caused it, in a trace of its own.
    pub(super) cause: Option<SpanContext>,
    pub(super) kind: SpanKind,
    pub(super) name: Cow<'static, str>,
    pub(super) took: Duration,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) failed: bool,
}

impl Spans {
    /// Starts exporting; what becomes of spans counts by its result in `counted`.
    pub(super) fn start(traces: &Traces, counted: &IntCounterVec) -> Result<Spans, TracesError> {
        let collector = Collector::open(traces.trust_file.as_deref(), traces.export_within)
            .map_err(TracesError::Client)?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(ToCollector(collector))
            .with_endpoint(&traces.url)
            .with_timeout(traces.export_within)
            .build()
            .map_err(TracesError::Exporter)?;
        let exporter = Counted {
            exporter,
            exported: counted.with_label_values(&["exported"]),
            failed: counted.with_label_values(&["failed"]),
            is_taken: AtomicBool::new(true),
        };
        let batch = BatchConfigBuilder::default()
            .with_max_queue_size(traces.spans_max)
            .with_max_export_batch_size(BATCH_MAX)
            .with_scheduled_delay(BATCH_EVERY)
            .build();
        let mut processor = BatchSpanProcessor::new(exporter, batch);
        let resource = Resource::builder_empty()
            .with_service_name("argine")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        processor.set_resource(&resource);
        Ok(Spans {
            processor,
            scope: InstrumentationScope::builder("argine").build(),
            ended: counted.with_label_values(&["ended"]),
        })
    }

    /// Queues a span, or drops it if too many wait.
    #[expect(
        clippy::disallowed_methods,
        reason = "a collector puts the spans of many machines side by side, by wall time"
    )]
    pub(super) fn end(&self, span: Ended) {
        let end_time = SystemTime::now();
        let (parent_span_id, parent_span_is_remote) =
            span.parent.unwrap_or((SpanId::INVALID, false));
        let mut links = SpanLinks::default();
        links
            .links
            .extend(span.cause.map(|cause| Link::new(cause, Vec::new(), 0)));
        self.ended.inc();
        self.processor.on_end(SpanData {
            span_context: span.context,
            parent_span_id,
            parent_span_is_remote,
            span_kind: span.kind,
            name: span.name,
            start_time: end_time.checked_sub(span.took).unwrap_or(end_time),
            end_time,
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: if span.failed {
                Status::error("")
            } else {
                Status::Unset
            },
            instrumentation_scope: self.scope.clone(),
        });
    }

    /// Exports what waits, and lets go of what is left after `within`.
    pub(super) fn stop(&self, within: Duration) {
        if self.processor.shutdown_with_timeout(within).is_err() {
            tracing::warn!("spans that waited for the collector were dropped");
        }
    }
}

/// The context of a `traceparent` that was checked when it was made.
pub(super) fn context(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    let context = SpanContext::new(trace, span, flags, false, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// The context of a new span: of `trace`, or of a trace of its own. Sampled, for nobody asks who does
/// not mean to export it.
pub(super) fn sampled(trace: Option<TraceId>) -> SpanContext {
    let trace = trace.unwrap_or_else(|| TraceId::from(u128::max(rand::random(), 1)));
    let span = SpanId::from(u64::max(rand::random(), 1));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

/// Counts what becomes of spans, and says when the collector goes away and comes back.
#[derive(Debug)]
struct Counted<E> {
    exporter: E,
    exported: IntCounter,
    failed: IntCounter,
    is_taken: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        let counter = if result.is_ok() {
            &self.exported
        } else {
            &self.failed
        };
        counter.inc_by(spans);
        match (
            self.is_taken.swap(result.is_ok(), Ordering::Relaxed),
            &result,
        ) {
            (true, Err(error)) => {
                tracing::warn!(error = %error, "the collector takes no spans; they are dropped");
            }
            (false, Ok(())) => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The exporter's requests, by our own client.
#[derive(Debug)]
struct ToCollector(Collector);

impl HttpClient for ToCollector {
    /// Blocks: only the exporter's own thread comes here.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let headers = head.headers.iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
            let url = head.uri.to_string();
            let status = self.0.post(&url, headers, body.into())?;
            Ok(Response::builder().status(status).body(Bytes::new())?)
        })
    }
}

/// Whether `text` can be the address of a collector.
pub(crate) fn is_endpoint(text: &str) -> bool {
    Request::post(text).body(()).is_ok_and(|request| {
        request.uri().host().is_some_and(|host| !host.is_empty()) && !text.contains('@')
    })
}

/// For whoever shares them with the layer.
pub(super) type Shared = Arc<Spans>;
