//! The circuit breaker of one operation: whether it may be called now.

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// One call at a time passes, to see.
    HalfOpen,
}

impl GateState {
    /// The word used on the wire, in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            GateState::Closed => "closed",
            GateState::Open => "open",
            GateState::HalfOpen => "half-open",
        }
    }
}
