//! What a desk hears of a look-up: the answer with its age, or why there is none.
//!
//! # Invariants
//!
//! 1. What the source answered is passed on byte for byte, with `freshness` in front: nothing reads it
//!    here.
//! 2. `as_of` is told on the wall clock and reckoned back from the age, which is counted on the
//!    gateway's own: a wall clock that jumped shifts `as_of`, and never the age.
//! 3. An age that is only a floor (`Known::age_is_floor`) is never told as the age: `as_of` is then
//!    followed by `"or_earlier":true`, and `Age` is the least it can be.
//! 4. `Cache-Status` says `hit` only where the request did not go forward, and `fwd` only where it did
//!    (RFC 9211): `fwd=stale` where something known had to be asked for again, with `stored` if it was
//!    answered.

use std::io::Write;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName};
use engine::lookup::{Known, LookupRefusal, Way};
use policies::failure::{Code as Reason, Failure, Fault};
use policies::time::Timestamp;

use crate::edge::caller::wall;
use crate::edge::codes::{self, Code, Text};
use crate::edge::prescriptions::resource::refusals;
use crate::edge::respond::{FieldError, Problem};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// What is put in front of the answer's own members takes no more than this.
const FRESHNESS_BYTES_MAX: usize = 128;

/// What was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A person.
    Person,
    /// A card of a person.
    Card,
}

/// The answer to a look-up, with its age at `now`, where answers are fresh for so long. On its way from the
/// lane it has grown older.
pub(super) fn found(mut known: Known, now: Timestamp, fresh_for: Duration) -> HttpResponse {
    known.age = now.since(known.fetched_at);
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::AGE, known.age.as_secs()))
        .insert_header((CACHE_STATUS, cache_status(&known, fresh_for)))
        .body(body(&known, wall()))
}

/// `{"freshness":{…},` and then what the source answered, without its opening brace.
fn body(known: &Known, wall: Timestamp) -> Vec<u8> {
    let as_of = i64::try_from((wall - known.age).0 / 1_000).unwrap_or(i64::MAX);
    let as_of = jiff::Timestamp::from_second(as_of).unwrap_or(jiff::Timestamp::MAX);
    let or_earlier = if known.age_is_floor {
        r#","or_earlier":true"#
    } else {
        ""
    };
    let is_stale = matches!(known.way, Way::Stale(_));
    let mut bytes = Vec::with_capacity(FRESHNESS_BYTES_MAX + known.body.len());
    write!(
        bytes,
        r#"{{"freshness":{{"source":"sac","as_of":"{as_of}"{or_earlier},"stale":{is_stale}}},"#
    )
    .expect("writing to a Vec cannot fail");
    bytes.extend_from_slice(known.body.get(1..).unwrap_or_default());
    bytes
}

/// How the answer was come by (RFC 9211).
fn cache_status(known: &Known, fresh_for: Duration) -> String {
    match known.way {
        Way::Hit => {
            let left = known.fresh_for.unwrap_or_default().as_secs();
            format!("argine; hit; ttl={left}")
        }
        Way::Loaded => "argine; fwd=miss; stored".to_owned(),
        Way::Renewed => "argine; fwd=stale; stored".to_owned(),
        Way::Collapsed => "argine; fwd=miss; collapsed".to_owned(),
        Way::Stale(reason) => {
            let way = if went_forward(reason) {
                "fwd=stale"
            } else {
                "hit"
            };
            // Rounded up: what is stale has none left.
            let over = known.age.saturating_sub(fresh_for);
            let over = over.as_secs() + u64::from(over.subsec_nanos() > 0);
            let sign = if over > 0 { "-" } else { "" };
            let detail = reason.as_str();
            format!("argine; {way}; ttl={sign}{over}; detail={detail}")
        }
    }
}

/// Whether a call that failed for `reason` was on its way at all.
fn went_forward(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::GateOpen
            | Reason::LaneBusy
            | Reason::UpstreamUnreachable
            | Reason::PeerCertificate
            | Reason::AuthorityExpired
            | Reason::ShuttingDown
            | Reason::Unreadable
    )
}

/// The source knows nothing of it, as it said this long ago.
pub(super) fn not_found(subject: Subject, age: Duration) -> Problem {
    let code = match subject {
        Subject::Person => &codes::PERSON_NOT_FOUND,
        Subject::Card => &codes::CARD_NOT_FOUND,
    };
    Problem {
        is_of_sac: true,
        // What was said within the last second is told as said now.
        age_s: u32::try_from(age.as_secs()).ok().filter(|age| *age > 0),
        ..Problem::from(code)
    }
}

/// How a look-up was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// With a doctor's authentication.
    pub(super) has_authority: bool,
    /// While an operator held the lane shut, so that the source was not asked.
    pub(super) is_closed: bool,
    /// Of a caller who may see more by breaking the glass, and has not.
    pub(super) may_break_glass: bool,
}

/// Why the lane gave no answer.
pub(super) fn refused(refusal: LookupRefusal, way: Asked) -> Problem {
    const NOTHING_CHANGED: Text = Text {
        en: "Nothing was changed. Try again after Retry-After.",
        it: "Nulla è cambiato. Riprovare dopo Retry-After.",
    };
    const BREAK_THE_GLASS: Text = Text {
        en: "Try again after Retry-After. In an emergency repeat it with break_glass.",
        it: "Riprovare dopo Retry-After. In emergenza ripetere con break_glass.",
    };
    let past = |code: &'static Code, after: Duration| Problem {
        repeat: Some(code.repeat.past(after)),
        ..Problem::from(code)
    };
    match refusal {
        LookupRefusal::Denied(failure) => denied(&failure, way.has_authority),
        LookupRefusal::Failed(Reason::GateOpen, after) if way.is_closed => Problem {
            detail: way.may_break_glass.then_some(&BREAK_THE_GLASS),
            ..past(&codes::LOOKUP_CLOSED, after)
        },
        LookupRefusal::Failed(reason, after) => Problem {
            is_of_sac: true,
            detail: way.may_break_glass.then_some(&BREAK_THE_GLASS),
            reason: Some(reason),
            fault: Some(fault(reason)),
            ..past(&codes::LOOKUP_UNAVAILABLE, after)
        },
        LookupRefusal::Limited(after) => past(&codes::LOOKUP_LIMITED, after),
        LookupRefusal::Busy(after) => Problem {
            detail: Some(&NOTHING_CHANGED),
            ..past(&codes::BUSY, after)
        },
        LookupRefusal::Disabled => Problem::from(&codes::LOOKUP_DISABLED),
        LookupRefusal::Stopping => Problem {
            detail: Some(&NOTHING_CHANGED),
            ..Problem::from(&codes::STOPPING)
        },
    }
}

/// The source said no to this caller: to its doctor's authentication, or to what it asked for.
fn denied(failure: &Failure, has_authority: bool) -> Problem {
    const LOG_IN_AGAIN: Text = Text {
        en: "The SAC does not accept this authentication: authenticate again (SPID, CIE, CNS) and \
             repeat.",
        it: "Il SAC non accetta questo accesso: rifare l'accesso (SPID, CIE, CNS) e ripetere.",
    };
    let of_authority = matches!(
        failure.code,
        Reason::AuthorityRefused | Reason::AuthorityExpired
    );
    if of_authority && has_authority {
        let detail = "is not accepted by the SAC: the prescriber must authenticate again";
        let error = FieldError::of_parameter("prescriber_authn", "refused", detail);
        return Problem {
            is_of_sac: true,
            reason: Some(failure.code),
            detail: Some(&LOG_IN_AGAIN),
            ..Problem::with_errors(&codes::PRESCRIBER_AUTHN_INVALID, vec![error])
        };
    }
    Problem {
        is_of_sac: true,
        notices: refusals(Some(&failure.detail)),
        ..Problem::from(&codes::LOOKUP_DENIED)
    }
}

/// Whose doing it is that the source gave no answer.
fn fault(reason: Reason) -> Fault {
    match reason {
        Reason::LaneBusy
        | Reason::ShuttingDown
        | Reason::OwnCertificate
        | Reason::SchemaRefused
        | Reason::Unreadable => Fault::Gateway,
        _ => Fault::Upstream,
    }
}

#[cfg(test)]
mod tests;
