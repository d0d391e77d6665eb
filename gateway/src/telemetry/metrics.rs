//! What is counted, under which name, and by which labels.
//!
//! # Invariants
//!
//! 1. A label takes its values from a closed set: lanes, operations, outcomes, states, templates of
//!    routes. Nothing that a caller or an upstream chose is one.
//! 2. [`ALL`] is every metric there is, and what is documented.

use std::fmt::Write;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Upper bounds of every histogram, in seconds: from a memory hit to the longest request.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// One metric.
#[derive(Debug)]
pub struct Row {
    /// Its name, with its unit.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What it is told apart by.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

const fn row(
    name: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Row {
    Row {
        name,
        kind,
        labels,
        help,
    }
}

const REQUESTS: Row = row(
    "argine_http_request_duration_seconds",
    "histogram",
    &["route", "method", "status"],
    "Requests of callers, from head to answer; route is a template, - where none fits.",
);
const CALLS: Row = row(
    "argine_upstream_call_duration_seconds",
    "histogram",
    &["lane", "operation", "outcome"],
    "Calls to an upstream; outcome is ok or the code of the failure.",
);
const LOOKUPS: Row = row(
    "argine_lookups_total",
    "counter",
    &["lane", "operation", "result"],
    "Look-ups, by the way they were answered or why they were refused.",
);
const ACCEPTED: Row = row(
    "argine_accepted_total",
    "counter",
    &["lane", "operation"],
    "Writes put on disk.",
);
const SETTLED: Row = row(
    "argine_settled_total",
    "counter",
    &["lane", "operation", "state"],
    "Writes that came to rest.",
);
const CALLBACKS: Row = row(
    "argine_callbacks_total",
    "counter",
    &["result"],
    "Pushes of events: delivered, failed (and pushed again), given-up.",
);
const CALLBACKS_WAITING: Row = row(
    "argine_callbacks_waiting",
    "gauge",
    &[],
    "Events that wait to be pushed. Absent while the store does not answer.",
);
const GATE_STATE: Row = row(
    "argine_gate_state",
    "gauge",
    &["lane", "operation", "state"],
    "1 for the state the gate is in: closed, half-open or open.",
);
const GATE_MODE: Row = row(
    "argine_gate_mode",
    "gauge",
    &["lane", "operation", "mode"],
    "1 for the mode the gate is in: auto, forced-open, forced-closed or disabled.",
);
const CALLS_MAX: Row = row(
    "argine_calls_max",
    "gauge",
    &["lane"],
    "Calls that may be under way at present.",
);
const CALLS_UNDER_WAY: Row = row(
    "argine_calls_under_way",
    "gauge",
    &["lane"],
    "Calls that are under way.",
);
const ENTRIES: Row = row(
    "argine_entries",
    "gauge",
    &["state"],
    "Prescriptions by where they stand. Absent while the store does not answer.",
);
const NUMBERS_LEFT: Row = row(
    "argine_numbers_left",
    "gauge",
    &[],
    "Numbers in stock that no process holds. Absent while the store does not answer.",
);
const POLICY: Row = row(
    "argine_policy_generation",
    "gauge",
    &[],
    "Number of the policy in force.",
);
const STARTED: Row = row(
    "argine_start_time_seconds",
    "gauge",
    &[],
    "When the process began to serve, in Unix time.",
);
const LINES_DROPPED: Row = row(
    "argine_log_lines_dropped_total",
    "counter",
    &[],
    "Log lines lost because nobody read them fast enough.",
);
const SPANS: Row = row(
    "argine_spans_total",
    "counter",
    &["result"],
    "Spans: ended, of these exported, of these failed; the rest waits or was dropped.",
);
const CONNECTIONS: Row = row(
    "argine_connections",
    "gauge",
    &[],
    "Connections of callers.",
);
const CONNECTIONS_ENDED: Row = row(
    "argine_connections_ended_total",
    "counter",
    &["reason"],
    "Connections we ended: network-full, handshake-failed, handshake-slow or reader-slow.",
);
const LIMITER_FAILURES: Row = row(
    "argine_limiter_failures_total",
    "counter",
    &[],
    "Requests admitted because the limiter failed.",
);
const PROBING: Row = row(
    "argine_probing_total",
    "counter",
    &["result"],
    "Organisations suspected of trying tax codes out, and look-ups of theirs that were slowed.",
);
const CERTIFICATE_DAYS: Row = row(
    "argine_certificate_days",
    "gauge",
    &["file"],
    "Days until the first certificate or list of a file ends; file is the key that names it.",
);

const AUDIT_RECORDS: Row = row(
    "argine_audit_records_total",
    "counter",
    &["result"],
    "Records of who saw what: written or refused. What is refused is neither shown nor done.",
);
const AUDIT_WAITING: Row = row(
    "argine_audit_records_waiting",
    "gauge",
    &[],
    "Records that wait to be written.",
);

/// Every metric.
pub const ALL: [&Row; 24] = [
    &REQUESTS,
    &CALLS,
    &LOOKUPS,
    &ACCEPTED,
    &SETTLED,
    &CALLBACKS,
    &CALLBACKS_WAITING,
    &GATE_STATE,
    &GATE_MODE,
    &CALLS_MAX,
    &CALLS_UNDER_WAY,
    &ENTRIES,
    &NUMBERS_LEFT,
    &POLICY,
    &STARTED,
    &LINES_DROPPED,
    &SPANS,
    &CONNECTIONS,
    &CONNECTIONS_ENDED,
    &LIMITER_FAILURES,
    &PROBING,
    &CERTIFICATE_DAYS,
    &AUDIT_RECORDS,
    &AUDIT_WAITING,
];

/// The table of all metrics, as it is documented.
pub fn markdown() -> String {
    let mut table = "| metric | kind | labels | what it says |\n|---|---|---|---|\n".to_owned();
    for row in ALL {
        let labels = row.labels.join(", ");
        writeln!(
            table,
            "| `{}` | {} | {labels} | {} |",
            row.name, row.kind, row.help
        )
        .expect("a String takes everything");
    }
    table
}

/// The instruments, each an atomic or a few.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    requests: HistogramVec,
    calls: HistogramVec,
    pub(super) lookups: IntCounterVec,
    pub(super) accepted: IntCounterVec,
    pub(super) settled: IntCounterVec,
    pub(super) callbacks: IntCounterVec,
    pub(super) callbacks_waiting: IntGaugeVec,
    pub(super) gate_state: IntGaugeVec,
    pub(super) gate_mode: IntGaugeVec,
    pub(super) calls_max: IntGaugeVec,
    pub(super) calls_under_way: IntGaugeVec,
    pub(super) entries: IntGaugeVec,
    pub(super) numbers_left: IntGaugeVec,
    pub(super) policy: IntGauge,
    pub(super) started: IntGauge,
    pub(super) lines_dropped: IntCounter,
    pub(super) spans: IntCounterVec,
    pub(super) connections: IntGauge,
    pub(super) connections_ended: IntCounterVec,
    pub(super) limiter_failures: IntCounter,
    pub(super) probing: IntCounterVec,
    pub(super) certificate_days: IntGaugeVec,
    pub(super) audit_records: IntCounterVec,
    pub(super) audit_waiting: IntGauge,
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        let registry = Registry::new();
        let (histograms, counters, gauges) = (
            |row| kept(&registry, histograms(row)),
            |row| kept(&registry, counters(row)),
            |row| kept(&registry, gauges(row)),
        );
        Metrics {
            requests: histograms(&REQUESTS),
            calls: histograms(&CALLS),
            lookups: counters(&LOOKUPS),
            accepted: counters(&ACCEPTED),
            settled: counters(&SETTLED),
            callbacks: counters(&CALLBACKS),
            callbacks_waiting: gauges(&CALLBACKS_WAITING),
            gate_state: gauges(&GATE_STATE),
            gate_mode: gauges(&GATE_MODE),
            calls_max: gauges(&CALLS_MAX),
            calls_under_way: gauges(&CALLS_UNDER_WAY),
            entries: gauges(&ENTRIES),
            numbers_left: gauges(&NUMBERS_LEFT),
            policy: gauges(&POLICY).with_label_values(NONE),
            started: gauges(&STARTED).with_label_values(NONE),
            lines_dropped: counters(&LINES_DROPPED).with_label_values(NONE),
            spans: counters(&SPANS),
            connections: gauges(&CONNECTIONS).with_label_values(NONE),
            connections_ended: counters(&CONNECTIONS_ENDED),
            limiter_failures: counters(&LIMITER_FAILURES).with_label_values(NONE),
            probing: counters(&PROBING),
            certificate_days: gauges(&CERTIFICATE_DAYS),
            audit_records: counters(&AUDIT_RECORDS),
            audit_waiting: gauges(&AUDIT_WAITING).with_label_values(NONE),
            registry,
        }
    }

    /// A request was answered.
    pub(super) fn request(&self, route: &str, method: &str, status: &str, took: Duration) {
        observe(
            &self.requests.with_label_values(&[route, method, status]),
            took,
        );
    }

    /// A call has ended.
    pub(super) fn call(&self, lane: &str, operation: &str, outcome: &str, took: Duration) {
        observe(
            &self.calls.with_label_values(&[lane, operation, outcome]),
            took,
        );
    }

    /// Everything, in the text format of Prometheus.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        TextEncoder::new()
            .encode_utf8(&self.registry.gather(), &mut text)
            .expect("families with names and help are text");
        text
    }
}

/// The labels of what has none.
pub(super) const NONE: &[&str; 0] = &[];

fn observe(histogram: &Histogram, took: Duration) {
    histogram.observe(took.as_secs_f64());
}

fn histograms(row: &Row) -> HistogramVec {
    let options = HistogramOpts::new(row.name, row.help).buckets(SECONDS.to_vec());
    HistogramVec::new(options, row.labels).expect("names, labels and bounds of ours are good")
}

fn counters(row: &Row) -> IntCounterVec {
    IntCounterVec::new(Opts::new(row.name, row.help), row.labels)
        .expect("names and labels of ours are good")
}

fn gauges(row: &Row) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(row.name, row.help), row.labels)
        .expect("names and labels of ours are good")
}

fn kept<C: Collector + Clone + 'static>(registry: &Registry, instrument: C) -> C {
    registry
        .register(Box::new(instrument.clone()))
        .expect("every name is registered once");
    instrument
}

#[cfg(test)]
mod tests;
