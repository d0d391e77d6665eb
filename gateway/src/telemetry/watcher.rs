//! Who watches edge and engine: turns what they say into metrics and spans, and never waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::Signals;
use policies::operation::{LaneName, OpName};
use policies::state::State;
use tracing::Span;

use super::metrics::Metrics;
use super::spans::{self, Answered};

/// Metrics always, spans where there is a collector.
pub struct Watcher {
    pub(super) metrics: Arc<Metrics>,
    is_tracing: bool,
}

impl Watcher {
    /// Counts, and traces nothing.
    pub fn counting() -> Watcher {
        Watcher::new(Arc::new(Metrics::new()), false)
    }

    pub(super) fn new(metrics: Arc<Metrics>, is_tracing: bool) -> Watcher {
        Watcher {
            metrics,
            is_tracing,
        }
    }

    /// A request begins: its span, and the `traceparent` that names it; none, if nothing is traced.
    /// `caller` is the `traceparent` of whoever asks.
    pub(crate) fn asked(
        &self,
        method: &'static str,
        caller: Option<&str>,
    ) -> Option<(Span, String)> {
        self.is_tracing
            .then(|| spans::request(method, caller))
            .flatten()
    }

    /// A request was answered.
    pub(crate) fn answered(&self, request: &Answered<'_>) {
        let mut digits = [0; 3];
        let status = three_digits(request.status, &mut digits);
        self.metrics
            .request(request.route, request.method, status, request.took);
        if self.is_tracing {
            spans::answered(request);
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
    fn attempt(&self, lane: LaneName, op: OpName, trace: Option<&str>) -> Span {
        let span = spans::attempt(lane.0, op.0, trace);
        if let Some(cause) = trace.filter(|_| self.is_tracing) {
            spans::link(&span, cause);
        }
        span
    }

    fn call(&self, op: OpName) -> Span {
        if self.is_tracing {
            spans::call(op.0)
        } else {
            Span::none()
        }
    }

    fn called(
        &self,
        call: &Span,
        lane: LaneName,
        op: OpName,
        outcome: &'static str,
        took: Duration,
    ) {
        self.metrics.call(lane.0, op.0, outcome, took);
        spans::called(call, outcome);
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

    fn pushed(&self, result: &'static str) {
        self.metrics.callbacks.with_label_values(&[result]).inc();
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}
