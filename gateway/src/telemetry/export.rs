//! Spans on their way to a collector: whoever ends one never waits for it.
//!
//! A thread of the SDK's own exports what is queued, by our own client.
//!
//! # Invariants
//!
//! 1. Of a span leaves what [`spans::KEYS`] names, and no event: whatever else was put on one.
//! 2. Nothing of the environment (`OTEL_*`) gets to the collector: every setting that the exporter would
//!    take from there is given to it, and of its headers only the type of the body is sent.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::{ClientError, Collector};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter};
use prometheus::{IntCounter, IntCounterVec};

use super::spans;
use crate::config::Traces;

/// The one header that the exporter has a say in.
const CONTENT_TYPE: &str = "content-type";

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

/// The way to the collector; what becomes of spans counts by its result in `counted`.
pub(super) fn to_collector(
    traces: &Traces,
    counted: &IntCounterVec,
) -> Result<impl SpanExporter + use<>, TracesError> {
    let collector = Collector::open(traces.trust_file.as_deref(), traces.export_within)
        .map_err(TracesError::Client)?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(ToCollector(collector))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&traces.url)
        .with_timeout(traces.export_within)
        .build()
        .map_err(TracesError::Exporter)?;
    Ok(Outlet::new(exporter, counted))
}

/// Lets out what may leave, counts what becomes of it, and says when the collector goes away and comes
/// back.
#[derive(Debug)]
pub(super) struct Outlet<E> {
    exporter: E,
    exported: IntCounter,
    failed: IntCounter,
    is_taken: AtomicBool,
}

impl<E> Outlet<E> {
    pub(super) fn new(exporter: E, counted: &IntCounterVec) -> Outlet<E> {
        Outlet {
            exporter,
            exported: counted.with_label_values(&["exported"]),
            failed: counted.with_label_values(&["failed"]),
            is_taken: AtomicBool::new(true),
        }
    }
}

impl<E: SpanExporter> SpanExporter for Outlet<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            span.attributes
                .retain(|attribute| spans::KEYS.contains(&attribute.key.as_str()));
            span.events = SpanEvents::default();
        }
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
            // The exporter adds what OTEL_EXPORTER_OTLP_HEADERS says, and cannot be told not to.
            let headers = headers.filter(|(name, _)| *name == CONTENT_TYPE);
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
