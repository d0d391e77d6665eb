//! What the process says, and how it stops.

use std::time::Duration;

use tracing_subscriber::filter::LevelFilter;

use super::section::Section;

/// What is logged.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// Least severe level of our own lines.
    pub level: LevelFilter,
}

impl Log {
    pub(super) fn read(section: &mut Section<'_>) -> Log {
        let level = match section.text("level").as_str() {
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => {
                section.refuse("level", "must be error, warn, info, debug or trace");
                LevelFilter::INFO
            }
        };
        Log { level }
    }
}

/// How the process stops.
#[derive(Debug, Clone, Copy)]
pub struct Shutdown {
    /// How long open requests are waited for.
    pub drain: Duration,
}

impl Shutdown {
    pub(super) fn read(section: &mut Section<'_>) -> Shutdown {
        Shutdown {
            drain: section.duration("drain", Duration::from_secs(600)),
        }
    }

    /// An open request must be able to end before the wait for it does.
    pub(super) fn check_against(self, answer_within: Duration, section: &mut Section<'_>) {
        if self.drain < answer_within && !section.has_problems() {
            section.refuse("drain", "must be at least listen.answer_within");
        }
    }
}
