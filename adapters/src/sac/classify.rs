//! What went wrong and what it means: the one place where the SAC's protocol becomes a [`Failure`].
//!
//! # Invariants
//!
//! 1. A failure says *not done* only where the request cannot have been applied: it never began to
//!    leave, or the front end refused it for a reason that comes before any processing.
//! 2. A code of the SAC that is not documented is judged by its weight, never by its number.
//!
//! The table is in this crate's README; the tests go through it row by row.

use std::time::Duration;

use policies::failure::{Code, Failure, Fault, Opaque, Outcome, Retry, Stops};

use super::receipt::{NOTICES_MAX, Notice};
use super::receipts::{Problem, Verdict, Weight};
use super::soap::read::{self, Body, Element, Garbage};
use crate::client::{Broken, Cause, Reply};

/// The longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The number is not on the SAC.
pub(super) const NOT_PRESENT: &str = "5005";
/// The doctor is not the one the number belongs to.
pub(super) const OTHER_DOCTOR: &str = "1125";

/// A call that brought no whole answer.
pub(super) fn broken(broken: Broken) -> Failure {
    let outcome = if broken.reached {
        Outcome::Unknown
    } else {
        Outcome::NotDone
    };
    match (broken.cause, broken.reached) {
        (Cause::OwnCertificate, _) => own_certificate(outcome),
        (Cause::PeerCertificate, _) => Failure::upstream(Code::PeerCertificate, outcome),
        (Cause::Connection | Cause::Timeout, false) => {
            Failure::upstream(Code::UpstreamUnreachable, outcome)
        }
        (Cause::Timeout, true) => Failure::upstream(Code::UpstreamTimeout, outcome),
        (Cause::Connection, true) => Failure::upstream(Code::UpstreamReset, outcome),
        (Cause::TooLarge, _) => garbage(Garbage::TooLarge),
    }
}

fn own_certificate(outcome: Outcome) -> Failure {
    Failure {
        fault: Fault::Gateway,
        outcome,
        retry: Retry::After(Duration::ZERO),
        stops: Stops::Lane,
        code: Code::OwnCertificate,
        detail: Opaque::default(),
    }
}

/// Who is refused when a call is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InNameOf {
    /// The doctor whose assertion goes with it.
    Doctor,
    /// The region: no assertion goes with it.
    Region,
}

/// What HTTP 401 and 403 without a SOAP fault say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// That who asks is refused: presented again, a prescriber's user may be revoked.
    Refusal,
    /// Nothing about who asks: a page of something in front of the source, which is away behind it. For
    /// reads, whose desks are shown what is known while it is.
    Outage,
}

/// The message in the body of `reply`, or what the reply is instead.
///
/// 503 counts as unknown like 502 and 504: it may come from a balancer whose backend went on, and we
/// only see it once the request was written.
pub(super) fn message(name: InNameOf, bare: Bare, reply: &Reply) -> Result<Element, Failure> {
    match reply.status {
        429 => return Err(unavailable(Outcome::NotDone, reply.retry_after)),
        502..=504 => return Err(unavailable(Outcome::Unknown, reply.retry_after)),
        _ => {}
    }
    let body = match is_charset_utf8(reply.content_type.as_deref()) {
        true => read::envelope(&reply.body),
        false => Err(Garbage::Charset),
    };
    match body {
        Ok(Body::Fault(fault)) => Err(soap_fault(name, reply.status, &fault)),
        _ if matches!(reply.status, 401 | 403) => Err(match bare {
            Bare::Refusal => refused_authority(name),
            Bare::Outage => unavailable(Outcome::NotDone, reply.retry_after),
        }),
        Ok(Body::Message(message)) if reply.status == 200 => Ok(message),
        _ if reply.status >= 500 => Err(unavailable(Outcome::Unknown, reply.retry_after)),
        Ok(Body::Message(_)) => Err(garbage(Garbage::Envelope)),
        Err(why) => Err(garbage(why)),
    }
}

/// Whether a content type names no charset, or UTF-8.
fn is_charset_utf8(content_type: Option<&str>) -> bool {
    let parameters = content_type.unwrap_or_default().split(';').skip(1);
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| {
            charset
                .trim()
                .trim_matches('"')
                .eq_ignore_ascii_case("utf-8")
        })
}

/// Only a fault that is documented to come before any processing says that nothing was done. Its
/// words are compared whole: "codice autenticazione" is what the SAC makes *while* it registers, and
/// a front end names schema rules also for an answer that it finds wrong.
fn soap_fault(name: InNameOf, status: u16, fault: &read::Fault) -> Failure {
    let said = fault.string.trim();
    let is_ours = matches!(fault.code.as_str(), "Client" | "Sender");
    // The schema validator of the front end names its rules "cvc-…".
    let is_schema = said.contains("cvc-") && !said.contains(RECEIPT_NAMESPACES);
    if AUTHORITY_FAULTS.contains(&said) || SECURITY_FAULTS.contains(&fault.code.as_str()) {
        refused_authority(name)
    } else if is_ours && is_schema {
        refused_schema()
    } else if is_ours && matches!(status, 401 | 403) {
        refused_authority(name)
    } else {
        unavailable(Outcome::Unknown, None)
    }
}

/// What the front end says of who asks, to the letter.
const AUTHORITY_FAULTS: [&str; 3] = [
    "Credenziali invalide",
    "Errore generico di autenticazione",
    "Rejected by policy. (from client)",
];

/// Part of the namespace of every receipt, and of no request.
const RECEIPT_NAMESPACES: &str = "ricevuta.xsd";

/// The fault codes of WS-Security 1.1 §12.
const SECURITY_FAULTS: [&str; 7] = [
    "FailedAuthentication",
    "FailedCheck",
    "InvalidSecurity",
    "InvalidSecurityToken",
    "SecurityTokenUnavailable",
    "UnsupportedAlgorithm",
    "UnsupportedSecurityToken",
];

/// A request that breaks the schema is a defect of ours, and was refused before it was looked at.
fn refused_schema() -> Failure {
    Failure::gateway(Code::SchemaRefused, Outcome::NotDone, Retry::No)
}

/// Repeating it may revoke the user, so that nothing of this identity goes on. Where the region asks
/// in its own name, it is our certificate that was refused.
fn refused_authority(name: InNameOf) -> Failure {
    if name == InNameOf::Region {
        return own_certificate(Outcome::NotDone);
    }
    Failure {
        fault: Fault::Caller,
        outcome: Outcome::NotDone,
        retry: Retry::No,
        stops: Stops::Identity,
        code: Code::AuthorityRefused,
        detail: Opaque::default(),
    }
}

fn unavailable(outcome: Outcome, retry_after: Option<Duration>) -> Failure {
    let wait = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    Failure {
        retry: Retry::After(wait),
        ..Failure::upstream(Code::UpstreamUnavailable, outcome)
    }
}

/// Bytes that are no answer: what became of the request, nobody knows.
pub(super) fn garbage(why: Garbage) -> Failure {
    tracing::debug!(%why, "the answer of the SAC is not one");
    Failure::upstream(Code::UpstreamGarbage, Outcome::Unknown)
}

/// An answer about another number.
pub(super) fn mismatch() -> Failure {
    Failure::upstream(Code::UpstreamMismatch, Outcome::Unknown)
}

/// The number holds something that is not ours.
pub(super) fn number_taken() -> Failure {
    Failure {
        fault: Fault::Upstream,
        outcome: Outcome::Rejected,
        retry: Retry::No,
        stops: Stops::Nothing,
        code: Code::NumberTaken,
        detail: Opaque::default(),
    }
}

/// The SAC looked at the request and said no. What forbids it comes first, and at most
/// [`NOTICES_MAX`] notices are kept.
pub(super) fn rejected(problems: &[Problem]) -> Failure {
    let (forbids, remarks): (Vec<_>, Vec<_>) = problems
        .iter()
        .partition(|problem| problem.weight == Weight::Blocking);
    let ordered = forbids.into_iter().chain(remarks);
    let notices: Vec<&Notice> = ordered
        .map(|problem| &problem.notice)
        .take(NOTICES_MAX)
        .collect();
    let detail = serde_json::to_vec(&notices).expect("notices are plain data");
    Failure {
        fault: Fault::Caller,
        outcome: Outcome::Rejected,
        retry: Retry::No,
        stops: Stops::Nothing,
        code: Code::UpstreamRejected,
        detail: Opaque(detail),
    }
}

/// A lot that was refused: nothing is wrong with any prescription, and it may be given later.
pub(super) fn rejected_lot(notice: Notice) -> Failure {
    let problem = Problem {
        weight: Weight::Blocking,
        notice,
    };
    Failure {
        fault: Fault::Gateway,
        retry: Retry::After(Duration::ZERO),
        stops: Stops::Gate,
        ..rejected(&[problem])
    }
}

/// How a verdict reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The operation was carried out.
    Done,
    /// It was refused for its content.
    Rejected,
    /// The outcome code and the problems do not fit together.
    Contradiction,
}

/// Reads the outcome code, and where that is not a documented one, the weight of the problems.
pub(super) fn reading(verdict: &Verdict) -> Reading {
    let weighs = |weight| {
        verdict
            .problems
            .iter()
            .any(|problem| problem.weight == weight)
    };
    match verdict.code.as_str() {
        "0000" | "0001" if weighs(Weight::Blocking) => Reading::Contradiction,
        "0000" | "0001" => Reading::Done,
        // Not inserted: a problem that does not say how it weighs is why.
        _ if weighs(Weight::Blocking) => Reading::Rejected,
        "9999" if weighs(Weight::Unsaid) => Reading::Rejected,
        _ => Reading::Contradiction,
    }
}

/// Whether the operation was refused because of `code`. A verdict that names the code and does not
/// refuse, or refuses for both of [`NOT_PRESENT`] and [`OTHER_DOCTOR`], contradicts itself.
pub(super) fn is_refused_for(verdict: &Verdict, code: &str) -> Result<bool, Garbage> {
    if !says(verdict, code) {
        return Ok(false);
    }
    let is_refused = verdict.code == code || reading(verdict) == Reading::Rejected;
    let is_warning = verdict
        .problems
        .iter()
        .any(|problem| problem.notice.code == code && problem.weight == Weight::Warning);
    let is_both = says(verdict, NOT_PRESENT) && says(verdict, OTHER_DOCTOR);
    if is_refused && !is_warning && !is_both {
        Ok(true)
    } else {
        Err(Garbage::Field)
    }
}

/// Whether `code` is the outcome, or one of the problems.
fn says(verdict: &Verdict, code: &str) -> bool {
    verdict.code == code
        || verdict
            .problems
            .iter()
            .any(|problem| problem.notice.code == code)
}

#[cfg(test)]
mod tests;
