//! Spans of `tracing` become spans of traces: which of them, and which of those are sampled.
//!
//! # Invariants
//!
//! 1. Whether a trace is sampled is decided once: by its caller, by what caused it, or by chance.
//! 2. Our configuration is all that decides: every setting that the SDK would take from the environment
//!    (`OTEL_*`) is given to it.
//!
//! # Limits
//!
//! `signals.spans_max` that wait; beyond it a span is dropped. One export takes at most
//! `signals.export_within`.

use std::time::Duration;

use opentelemetry::trace::{Link, SpanKind, TraceId, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingResult, SdkTracerProvider,
    ShouldSample, Span, SpanData, SpanExporter, SpanLimits, SpanProcessor,
};
use prometheus::{IntCounter, IntCounterVec};
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::export::{self, TracesError};
use super::spans;
use crate::config;

/// Spans of one export.
const BATCH_MAX: usize = 512;
/// How long a span waits for company.
const BATCH_EVERY: Duration = Duration::from_secs(1);

/// Traces on their way out.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts exporting; what becomes of spans counts by its result in `counted`.
    pub(super) fn start(
        traces: &config::Traces,
        counted: &IntCounterVec,
    ) -> Result<Traces, TracesError> {
        let exporter = export::to_collector(traces, counted)?;
        let (share, spans_max) = (traces.sample_share, traces.spans_max);
        Ok(Traces::over(exporter, share, spans_max, counted))
    }

    fn over(
        exporter: impl SpanExporter + 'static,
        sample_share: f64,
        spans_max: usize,
        counted: &IntCounterVec,
    ) -> Traces {
        let batch = BatchConfigBuilder::default()
            .with_max_queue_size(spans_max)
            .with_max_export_batch_size(BATCH_MAX)
            .with_scheduled_delay(BATCH_EVERY)
            .build();
        let processor = Counted {
            processor: BatchSpanProcessor::new(exporter, batch),
            ended: counted.with_label_values(&["ended"]),
        };
        let caused = AsCaused(Sampler::TraceIdRatioBased(sample_share));
        let resource = Resource::builder_empty()
            .with_service_name("argine")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(caused)))
            .with_span_limits(SpanLimits::default())
            .with_resource(resource)
            .build();
        Traces { provider }
    }

    /// Turns our spans into those of traces. It tells nothing that was not said: neither where in the
    /// code nor on which thread.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = filter_fn(spans::is_traced).with_max_level_hint(LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("argine"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // A parent is the span that is entered, and nobody asks the SDK which.
            .with_context_activation(false)
            .with_filter(ours)
    }

    /// Exports what waits, and lets go of what is left after `within`.
    pub(super) fn stop(&self, within: Duration) {
        if self.provider.shutdown_with_timeout(within).is_err() {
            tracing::warn!("spans that waited for the collector were dropped");
        }
    }
}

/// Samples a trace that has no parent as what caused it was; others by chance.
#[derive(Debug, Clone)]
struct AsCaused(Sampler);

impl ShouldSample for AsCaused {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = match links.first() {
            Some(cause) if cause.span_context.is_sampled() => &Sampler::AlwaysOn,
            Some(_) => &Sampler::AlwaysOff,
            None => &self.0,
        };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

/// Counts the spans that end, of which some find the queue full.
#[derive(Debug)]
struct Counted {
    processor: BatchSpanProcessor,
    ended: IntCounter,
}

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.processor.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.ended.inc();
        self.processor.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}

#[cfg(test)]
mod tests;
