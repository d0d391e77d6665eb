//! Attempts and their calls as spans of a trace, made of the `tracing` spans that the engine enters.
//!
//! An attempt is a trace of its own that links to the request it delivers, which may have ended days
//! before. Each call that it makes is a child.

use std::fmt::Debug;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanKind};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Span, Subscriber, info_span};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::spans::{self, Ended, Shared};
use super::stopwatch::Stopwatch;

/// The target of attempts: one of ours, so that their lines are logged inside it.
const ATTEMPT: &str = "gateway::attempt";
/// The target of calls, which are no log lines.
const CALL: &str = "span::call";

/// What the layer listens to.
pub(super) fn targets() -> Targets {
    Targets::new()
        .with_target(ATTEMPT, LevelFilter::INFO)
        .with_target(CALL, LevelFilter::INFO)
}

/// The span of an attempt, part of the log lines inside it; exported if `sampled`.
pub(super) fn span(lane: &str, op: &str, cause: Option<&str>, sampled: bool) -> Span {
    let mut parts = cause.into_iter().flat_map(|cause| cause.split('-').skip(1));
    let (trace_id, request_span_id) = (parts.next(), parts.next());
    info_span!(
        target: ATTEMPT,
        "attempt",
        lane,
        operation = op,
        trace_id,
        request_span_id,
        sampled,
        state = tracing::field::Empty,
    )
}

/// A call has ended; inside an attempt that is exported it is part of it.
pub(super) fn call(op: &str, outcome: &str, took: Duration) {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(target: CALL, operation = op, outcome, took_us);
}

/// Hands attempts over when they end.
pub(super) struct Attempts(pub(super) Shared);

/// An attempt under way.
struct Open {
    context: SpanContext,
    cause: Option<SpanContext>,
    began: Stopwatch,
    attributes: Vec<KeyValue>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Attempts {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut said = Said::default();
        attributes.record(&mut said);
        if !said.sampled {
            return;
        }
        let open = Open {
            context: spans::sampled(None),
            cause: said.cause(),
            began: Stopwatch::start(),
            attributes: said.attributes,
        };
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(open);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            let mut said = Said::default();
            values.record(&mut said);
            open.attributes.append(&mut said.attributes);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event) else {
            return;
        };
        let parent = match span.extensions().get::<Open>() {
            Some(open) => open.context.clone(),
            None => return,
        };
        let mut said = Said::default();
        event.record(&mut said);
        self.0.end(Ended {
            context: spans::sampled(Some(parent.trace_id())),
            parent: Some((parent.span_id(), false)),
            cause: None,
            kind: SpanKind::Client,
            name: "call".into(),
            took: said.took,
            failed: said.failed,
            attributes: said.attributes,
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id);
        if let Some(open) = span.and_then(|span| span.extensions_mut().remove::<Open>()) {
            self.0.end(Ended {
                context: open.context,
                parent: None,
                cause: open.cause,
                kind: SpanKind::Internal,
                name: "attempt".into(),
                took: open.began.elapsed(),
                attributes: open.attributes,
                failed: false,
            });
        }
    }
}

/// What the fields of a span or an event say.
#[derive(Default)]
struct Said {
    sampled: bool,
    failed: bool,
    trace_id: String,
    request_span_id: String,
    took: Duration,
    attributes: Vec<KeyValue>,
}

impl Said {
    fn cause(&self) -> Option<SpanContext> {
        spans::context(&format!("00-{}-{}-01", self.trace_id, self.request_span_id))
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "trace_id" => value.clone_into(&mut self.trace_id),
            "request_span_id" => value.clone_into(&mut self.request_span_id),
            name @ ("lane" | "operation" | "state" | "outcome") => {
                self.failed |= name == "outcome" && value != "ok";
                self.attributes.push(KeyValue::new(name, value.to_owned()));
            }
            _ => {}
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "sampled" {
            self.sampled = value;
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "took_us" {
            self.took = Duration::from_micros(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
