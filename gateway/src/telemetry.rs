//! One JSON object a line on standard output.
//!
//! # Invariants
//!
//! 1. No line carries a body, a token, a certificate, a query string or a path that a caller chose:
//!    requests are named by the template of their route.
//! 2. A panic is logged by its place; its message may hold anything and is not.
//! 3. Libraries stay at `warn`: below that some print what they carry.

use std::panic;

use tracing::error;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, fmt};

/// The crates whose level is configured.
const OURS: [&str; 6] = [
    "argine", "gateway", "engine", "store", "adapters", "policies",
];

/// Starts logging for the whole process.
///
/// # Errors
///
/// Fails if logging was already started.
pub fn start(level: LevelFilter) -> Result<(), StartError> {
    fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter(level))
        .try_init()
        .map_err(StartError)?;
    panic::set_hook(Box::new(|panicked| {
        let place = panicked.location().map(ToString::to_string);
        error!(panic.location = place, "panicked: a defect of ours");
    }));
    Ok(())
}

/// Logging was already started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start logging")]
pub struct StartError(#[source] Box<dyn std::error::Error + Send + Sync>);

fn filter(level: LevelFilter) -> EnvFilter {
    let ours = OURS.map(|name| format!("{name}={level}"));
    EnvFilter::new(format!("warn,{}", ours.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stay_at_warn_whatever_our_own_level_is() {
        let text = filter(LevelFilter::TRACE).to_string();
        assert!(text.split(',').any(|part| part == "warn"), "{text}");
        assert!(text.contains("gateway=trace"), "{text}");
    }
}
