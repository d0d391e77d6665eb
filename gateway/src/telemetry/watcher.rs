//! Who watches edge and engine: turns what they say into metrics and spans, and never waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::Signals;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, SpanKind};
use policies::operation::{LaneName, OpName};
use policies::state::State;
use tracing::Span;

use super::attempts;
use super::metrics::Metrics;
use super::spans::{self, Ended, Shared};

/// A request that was answered.
pub(crate) struct Answered<'a> {
    /// The template of its route.
    pub(crate) route: &'a str,
    /// Its method, where it is one of those we serve.
    pub(crate) method: &'static str,
    pub(crate) status: u16,
    /// Our own `traceparent`.
    pub(crate) traceparent: &'a str,
    /// The caller's span, if it named one.
    pub(crate) caller_span: Option<&'a str>,
    pub(crate) took: Duration,
}

/// Metrics always, spans where there is a collector.
pub struct Watcher {
    pub(super) metrics: Arc<Metrics>,
    traces: Option<Sampled>,
}

/// Spans, and the share of new traces that are.
struct Sampled {
    spans: Shared,
    share: f64,
}

impl Watcher {
    /// Counts, and exports nothing.
    pub fn counting() -> Watcher {
        Watcher::new(Arc::new(Metrics::new()), None)
    }

    pub(super) fn new(metrics: Arc<Metrics>, spans: Option<(Shared, f64)>) -> Watcher {
        Watcher {
            metrics,
            traces: spans.map(|(spans, share)| Sampled { spans, share }),
        }
    }

    /// Decides about a trace whose caller has not.
    pub(crate) fn samples(&self) -> bool {
        let traces = self.traces.as_ref();
        traces.is_some_and(|traces| rand::random::<f64>() < traces.share)
    }

    /// A request was answered.
    pub(crate) fn answered(&self, request: &Answered<'_>) {
        let mut digits = [0; 3];
        let status = three_digits(request.status, &mut digits);
        self.metrics
            .request(request.route, request.method, status, request.took);
        let Some(traces) = &self.traces else { return };
        let Some(context) = spans::context(request.traceparent) else {
            return;
        };
        if !context.is_sampled() {
            return;
        }
        let caller = request.caller_span.and_then(|id| SpanId::from_hex(id).ok());
        traces.spans.end(Ended {
            context,
            parent: caller.map(|span| (span, true)),
            cause: None,
            kind: SpanKind::Server,
            name: format!("{} {}", request.method, request.route).into(),
            took: request.took,
            attributes: vec![
                KeyValue::new("http.request.method", request.method),
                KeyValue::new("http.route", request.route.to_owned()),
                KeyValue::new("http.response.status_code", i64::from(request.status)),
            ],
            failed: request.status >= 500,
        });
    }

    /// Whether the attempt that `trace` caused is exported: as its request was, where there is one.
    fn samples_attempt(&self, trace: Option<&str>) -> bool {
        match trace.and_then(spans::context) {
            Some(cause) => self.traces.is_some() && cause.is_sampled(),
            None => self.samples(),
        }
    }
}

/// A status as a label, without a text of its own for each request.
fn three_digits(status: u16, digits: &mut [u8; 3]) -> &str {
    for (digit, weight) in digits.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + u8::try_from(status / weight % 10).expect("below ten");
    }
    std::str::from_utf8(digits).expect("digits are text")
}

impl Signals for Watcher {
    fn called(&self, lane: LaneName, op: OpName, outcome: &'static str, took: Duration) {
        self.metrics.call(lane.0, op.0, outcome, took);
        if self.traces.is_some() {
            attempts::call(op.0, outcome, took);
        }
    }

    fn looked_up(&self, lane: LaneName, op: OpName, result: &'static str) {
        let labels = [lane.0, op.0, result];
        self.metrics.lookups.with_label_values(&labels).inc();
    }

    fn accepted(&self, lane: LaneName, op: OpName) {
        let labels = [lane.0, op.0];
        self.metrics.accepted.with_label_values(&labels).inc();
    }

    fn settled(&self, lane: LaneName, op: OpName, state: State) {
        let labels = [lane.0, op.0, state.as_str()];
        self.metrics.settled.with_label_values(&labels).inc();
    }

    fn attempt(&self, lane: LaneName, op: OpName, trace: Option<&str>) -> Span {
        attempts::span(lane.0, op.0, trace, self.samples_attempt(trace))
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}
