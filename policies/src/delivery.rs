//! What happens to an entry next, as a pure step.

use crate::time::Timestamp;
use std::time::Duration;

/// How an upstream holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Usable (statoProcesso 3).
    Live,
    /// Cancelled or expired there (4, 10).
    Closed,
    /// Taken in charge or dispensed (5 to 9).
    Taken,
}

/// What the desk does while a write waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// It is queued, and registered later.
    Hold,
}

impl Fallback {
    /// The word used in policy, on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Fallback::Hold => "hold",
        }
    }

    /// The fallback of this word.
    pub fn parse(word: &str) -> Option<Fallback> {
        (word == Fallback::Hold.as_str()).then_some(Fallback::Hold)
    }
}

/// What becomes of a send whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncertain {
    /// It is asked for by its number; absent, the same number is sent again.
    Verify,
}

impl Uncertain {
    /// The word used in policy, on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Uncertain::Verify => "verify",
        }
    }

    /// The rule of this word.
    pub fn parse(word: &str) -> Option<Uncertain> {
        (word == Uncertain::Verify.as_str()).then_some(Uncertain::Verify)
    }
}

/// What the caller was promised, as values: a later change of policy changes none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What the desk does while it waits.
    pub fallback: Fallback,
    /// What becomes of an unknown outcome.
    pub uncertain: Uncertain,
    /// Past this instant it is parked and raised.
    pub deadline: Timestamp,
    /// How long the caller was made to wait for an answer.
    pub answer_within: Duration,
}
