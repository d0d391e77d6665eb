//! What an operator may say over a gate's head.

use serde::Deserialize;

use super::{GateState, View};

/// Who decides whether the calls of a lane pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The gate, from what it sees.
    #[default]
    Auto,
    /// No call passes, and none probes: writes are stored and wait.
    ForcedOpen,
    /// Every call passes. Deadlines and the limit on calls hold as ever, and outcomes are counted, so
    /// that going back to [`Mode::Auto`] is not blind.
    ForcedClosed,
    /// No call passes, and no new write is stored.
    Disabled,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 4] = [
        Mode::Auto,
        Mode::ForcedOpen,
        Mode::ForcedClosed,
        Mode::Disabled,
    ];

    /// The word used in policy, on the wire and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Auto => "auto",
            Mode::ForcedOpen => "forced-open",
            Mode::ForcedClosed => "forced-closed",
            Mode::Disabled => "disabled",
        }
    }

    /// Whether no call passes, whatever the gate has seen.
    pub fn is_shut(self) -> bool {
        matches!(self, Mode::ForcedOpen | Mode::Disabled)
    }
}

impl View {
    /// Whether every call passes: its upstream is taken to be well, by the gate or by whoever
    /// overrules it.
    pub fn is_passing(&self) -> bool {
        match self.mode {
            Mode::Auto => self.state == GateState::Closed,
            Mode::ForcedClosed => true,
            Mode::ForcedOpen | Mode::Disabled => false,
        }
    }
}
