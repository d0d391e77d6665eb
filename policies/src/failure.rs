//! The one vocabulary in which every part says what went wrong.
//!
//! An adapter, which knows the protocol of its system, reduces whatever happened to a [`Failure`];
//! from there on gate, delivery and edge decide by these fields alone and never by a protocol code.

use std::fmt;
use std::time::Duration;

/// Whose doing it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request itself cannot succeed.
    Caller,
    /// The upstream failed or was not reached.
    Upstream,
    /// The gateway failed: its configuration, its certificate, its own limits.
    Gateway,
}

impl Fault {
    /// The word used on the wire and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Caller => "caller",
            Fault::Upstream => "upstream",
            Fault::Gateway => "gateway",
        }
    }
}

/// What may have happened at the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Surely nothing: the request did not leave, or was refused before it was looked at.
    NotDone,
    /// Nobody knows: the request may have been applied, or may still be.
    Unknown,
    /// The upstream looked at it and said no.
    Rejected,
}

impl Outcome {
    /// The word used on the wire and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::NotDone => "not-done",
            Outcome::Unknown => "unknown",
            Outcome::Rejected => "rejected",
        }
    }
}

/// Whether the same request may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    No,
    /// Not before this long from now; zero leaves the pace to the schedule.
    After(Duration),
}

/// What must stop because of this failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stops {
    /// Nothing: the upstream is well and has answered.
    Nothing,
    /// It counts against the gate of the operation.
    Gate,
    /// The prescriber's authority was refused: repeating it may revoke the user (sac.md §1.8).
    Identity,
    /// Our own certificate or signature was refused: no call of this lane can succeed.
    Lane,
}

/// What happened, as a stable word for callers, logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The connection could not be made: refused, no route, no such name.
    UpstreamUnreachable,
    /// No whole answer within the deadline.
    UpstreamTimeout,
    /// The connection died after the request had been written.
    UpstreamReset,
    /// The upstream answered 502, 503 or 504, or another 5xx without a known meaning.
    UpstreamUnavailable,
    /// The answer is not one: truncated, oversized, HTML, another namespace, trailing content.
    UpstreamGarbage,
    /// The answer speaks of another number.
    UpstreamMismatch,
    /// The upstream refused the request for its content.
    UpstreamRejected,
    /// The upstream holds other content under this number.
    NumberTaken,
    /// The upstream found the request against its schema: a defect of ours.
    SchemaRefused,
    /// The prescriber's authentication was refused.
    AuthorityRefused,
    /// The prescriber's authentication is older than the policy lets us use.
    AuthorityExpired,
    /// Our client certificate was refused.
    OwnCertificate,
    /// The upstream's certificate is not one we trust: nothing was sent.
    PeerCertificate,
    /// The gate of the operation is open.
    GateOpen,
    /// No call of the lane was free.
    LaneBusy,
    /// The attempt was cut short by a shutdown.
    ShuttingDown,
    /// The process that held the lease is gone.
    LeaseExpired,
    /// The entry's deadline has passed.
    DeadlinePassed,
    /// The upstream says the number was cancelled or has expired there.
    ClosedUpstream,
    /// What was stored cannot be turned into a request any more.
    Unreadable,
    /// The upstream applied it after we had given it up.
    LateCommit,
    /// It was dispensed before it could be annulled.
    Dispensed,
    /// A paper form was written although it is registered.
    PaperIssued,
    /// No paper form was confirmed in time.
    PaperMissing,
    /// What was applied after we had given it up is annulled.
    Annulled,
    /// A number that was given up cannot be looked up any more.
    PossibleDouble,
    /// Its prescriber took it back.
    CancelRequested,
    /// The upstream refused to cancel it.
    CancelRefused,
    /// It goes on under another number.
    Superseded,
    /// What it depends on was rejected.
    DependencyRejected,
    /// What it depends on was withdrawn.
    DependencyWithdrawn,
    /// What it depends on was written on paper.
    DependencyRedRecipe,
    /// What it depends on was cancelled.
    DependencyCancelled,
    /// What it depends on waits for a person.
    DependencyParked,
    /// What it depends on is in conflict.
    DependencyConflict,
}

impl Code {
    /// Every code, for tables and documentation.
    pub const ALL: [Code; 35] = [
        Code::UpstreamUnreachable,
        Code::UpstreamTimeout,
        Code::UpstreamReset,
        Code::UpstreamUnavailable,
        Code::UpstreamGarbage,
        Code::UpstreamMismatch,
        Code::UpstreamRejected,
        Code::NumberTaken,
        Code::SchemaRefused,
        Code::AuthorityRefused,
        Code::AuthorityExpired,
        Code::OwnCertificate,
        Code::PeerCertificate,
        Code::GateOpen,
        Code::LaneBusy,
        Code::ShuttingDown,
        Code::LeaseExpired,
        Code::DeadlinePassed,
        Code::ClosedUpstream,
        Code::Unreadable,
        Code::LateCommit,
        Code::Dispensed,
        Code::PaperIssued,
        Code::PaperMissing,
        Code::Annulled,
        Code::PossibleDouble,
        Code::CancelRequested,
        Code::CancelRefused,
        Code::Superseded,
        Code::DependencyRejected,
        Code::DependencyWithdrawn,
        Code::DependencyRedRecipe,
        Code::DependencyCancelled,
        Code::DependencyParked,
        Code::DependencyConflict,
    ];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::UpstreamUnreachable => "upstream-unreachable",
            Code::UpstreamTimeout => "upstream-timeout",
            Code::UpstreamReset => "upstream-reset",
            Code::UpstreamUnavailable => "upstream-unavailable",
            Code::UpstreamGarbage => "upstream-garbage",
            Code::UpstreamMismatch => "upstream-mismatch",
            Code::UpstreamRejected => "upstream-rejected",
            Code::NumberTaken => "number-taken",
            Code::SchemaRefused => "schema-refused",
            Code::AuthorityRefused => "authority-refused",
            Code::AuthorityExpired => "authority-expired",
            Code::OwnCertificate => "own-certificate",
            Code::PeerCertificate => "peer-certificate",
            Code::GateOpen => "gate-open",
            Code::LaneBusy => "lane-busy",
            Code::ShuttingDown => "shutting-down",
            Code::LeaseExpired => "lease-expired",
            Code::DeadlinePassed => "deadline-passed",
            Code::ClosedUpstream => "closed-upstream",
            Code::Unreadable => "unreadable",
            Code::LateCommit => "late-commit",
            Code::Dispensed => "dispensed",
            Code::PaperIssued => "paper-issued",
            Code::PaperMissing => "paper-missing",
            Code::Annulled => "annulled",
            Code::PossibleDouble => "possible-double",
            Code::CancelRequested => "cancel-requested",
            Code::CancelRefused => "cancel-refused",
            Code::Superseded => "superseded",
            Code::DependencyRejected => "dependency-rejected",
            Code::DependencyWithdrawn => "dependency-withdrawn",
            Code::DependencyRedRecipe => "dependency-red-recipe",
            Code::DependencyCancelled => "dependency-cancelled",
            Code::DependencyParked => "dependency-parked",
            Code::DependencyConflict => "dependency-conflict",
        }
    }

    /// The code of this word, as read back from the store.
    pub fn parse(word: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.as_str() == word)
    }
}

/// Bytes that may hold a patient's data: they pass through, and never into a log.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Opaque(pub Vec<u8>);

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl From<Vec<u8>> for Opaque {
    fn from(bytes: Vec<u8>) -> Self {
        Opaque(bytes)
    }
}

/// Everything a lane can return besides an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", code.as_str())]
pub struct Failure {
    /// Whose doing it was.
    pub fault: Fault,
    /// What may have happened at the upstream.
    pub outcome: Outcome,
    /// Whether the same request may be tried again.
    pub retry: Retry,
    /// What must stop because of it.
    pub stops: Stops,
    /// What happened.
    pub code: Code,
    /// The adapter's own words for the caller's 422; never logged.
    pub detail: Opaque,
}

impl Failure {
    /// An upstream failure that counts against the gate and may be tried again.
    pub fn upstream(code: Code, outcome: Outcome) -> Failure {
        Failure {
            fault: Fault::Upstream,
            outcome,
            retry: Retry::After(Duration::ZERO),
            stops: Stops::Gate,
            code,
            detail: Opaque::default(),
        }
    }

    /// A failure of our own that says nothing about the upstream.
    pub fn gateway(code: Code, outcome: Outcome, retry: Retry) -> Failure {
        Failure {
            fault: Fault::Gateway,
            outcome,
            retry,
            stops: Stops::Nothing,
            code,
            detail: Opaque::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_word() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(code));
        }
        assert_eq!(Code::parse("no-such-code"), None);
    }

    #[test]
    fn opaque_bytes_never_print() {
        assert_eq!(format!("{:?}", Opaque(b"RSSMRA80A01H501U".to_vec())), "…");
    }
}
