//! What can be seen of the gateway: log lines, metrics, traces. None of them slows a request.
//!
//! Log lines are JSON objects on standard output, one a line. Metrics are a page for Prometheus, spans
//! go to a collector (OTLP), where either is configured.
//!
//! # Invariants
//!
//! 1. No line carries a body, a token, a certificate, a query string or a path that a caller chose:
//!    requests are named by the template of their route.
//! 2. A panic is logged by its place; its message may hold anything and is not.
//! 3. Libraries stay at `warn`: below that some print what they carry.
//! 4. Whoever reads lines, spans or metrics may be slow, stop or be gone: what waits for them is
//!    bounded, and what does not fit is dropped and counted.

mod export;
mod lines;
pub mod metrics;
pub(crate) mod page;
mod spans;
mod stopwatch;
mod traces;
mod watcher;

use std::io;
use std::panic;
use std::sync::Arc;
use std::time::Duration;

use tracing::error;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{Log, Signals};
use lines::Lines;
use metrics::Metrics;
use traces::Traces;

pub use export::TracesError;
pub(crate) use export::is_endpoint;
pub(crate) use spans::Answered;
pub(crate) use stopwatch::Stopwatch;
pub use watcher::Watcher;

/// How long the last spans may take to reach the collector when the process ends.
const LAST_SPANS: Duration = Duration::from_secs(1);
/// How long the last lines may take to be read.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The crates whose level is configured.
const OURS: [&str; 6] = [
    "argine", "gateway", "engine", "store", "adapters", "policies",
];

/// Everything that tells of the process, until it is dropped: then it tells the last, and ends.
#[derive(Debug)]
pub struct Telemetry {
    watcher: Arc<Watcher>,
    traces: Option<Traces>,
    lines: Lines,
}

impl Telemetry {
    /// Who watches edge and engine.
    pub fn watcher(&self) -> Arc<Watcher> {
        Arc::clone(&self.watcher)
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces {
            traces.stop(LAST_SPANS);
        }
        self.lines.flush(LAST_LINES);
    }
}

/// Targets of acts that are written down whatever is logged besides: who looked without a relation, who
/// had a person forgotten.
pub(crate) const BREAK_GLASS: &str = "argine::break_glass";
/// The lines that say who seems to try tax codes out.
pub(crate) const ENUMERATION: &str = "argine::enumeration";
pub(crate) const PURGE: &str = "argine::purge";
/// How far the audit goes, as `store::audit` says it: what is kept of it elsewhere shows what was cut off.
const AUDIT_ANCHOR: &str = "argine::audit_anchor";
const WRITTEN_DOWN: [&str; 4] = [BREAK_GLASS, ENUMERATION, PURGE, AUDIT_ANCHOR];

/// Starts log lines, metrics and spans for the whole process.
///
/// # Errors
///
/// Fails if it was already started, or the exporter of spans cannot be.
///
/// # Panics
///
/// Inside an asynchronous runtime, which the exporter would block.
pub fn start(log: Log, signals: &Signals) -> Result<Telemetry, StartError> {
    let metrics = Arc::new(Metrics::new());
    let lines = Lines::start(io::stdout(), metrics.lines_dropped.clone())?;
    let traces = match &signals.traces {
        Some(traces) => Some(Traces::start(traces, &metrics.spans)?),
        None => None,
    };
    let printed = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(lines.clone());
    match &traces {
        // A filter of its own for each: what is traced does not depend on what is logged.
        Some(traces) => Registry::default()
            .with(printed.with_filter(filter(log.level)))
            .with(traces.layer())
            .try_init()?,
        None => Registry::default()
            .with(printed)
            .with(filter(log.level))
            .try_init()?,
    }
    let last_lines = lines.clone();
    panic::set_hook(Box::new(move |panicked| {
        let place = panicked.location().map(ToString::to_string);
        error!(panic.location = place, "panicked: a defect of ours");
        // It may be the last thing that this process says.
        last_lines.flush(LAST_LINES);
    }));
    Ok(Telemetry {
        watcher: Arc::new(Watcher::new(metrics, traces.is_some())),
        traces,
        lines,
    })
}

/// Telemetry cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It was already.
    #[error("cannot start logging")]
    Logging(#[from] TryInitError),
    /// No thread to write lines.
    #[error("cannot start the thread that writes the log")]
    Thread(#[from] io::Error),
    /// The exporter of spans.
    #[error(transparent)]
    Traces(#[from] TracesError),
}

fn filter(level: LevelFilter) -> EnvFilter {
    let ours = OURS.map(|name| format!("{name}={level}"));
    let written_down = WRITTEN_DOWN.map(|target| format!("{target}=info"));
    let all = [ours.as_slice(), written_down.as_slice()].concat();
    EnvFilter::new(format!("warn,{}", all.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stay_at_warn_whatever_our_own_level_is() {
        let silent = filter(LevelFilter::ERROR).to_string();
        assert!(silent.contains("argine::purge=info"), "{silent}");
        assert!(silent.contains("argine::break_glass=info"), "{silent}");
        assert!(silent.contains("argine::audit_anchor=info"), "{silent}");
        let text = filter(LevelFilter::TRACE).to_string();
        assert!(text.split(',').any(|part| part == "warn"), "{text}");
        assert!(text.contains("gateway=trace"), "{text}");
    }
}
