//! What a request proves beside who makes it: that it arrived as it was signed, and who asked for it.
//!
//! # Invariants
//!
//! 1. A body is handed out only after what was signed of it held: who hands it out asks the [`Proof`] that
//!    recognising the caller has left with the request, and without one hands out nothing.
//! 2. What is there is checked, whether or not the caller must bring it.

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderValue};
use policies::time::Timestamp;

use super::codes::{self, Code};
use super::respond::{FieldError, Problem};
use crate::callers::SigningKey;
use crate::tokens::claims::Times;
use crate::tokens::expected::Expected;
use crate::tokens::integrity::{self, Altered, Signed};
use crate::tokens::jose::Jws;
use crate::tokens::refusal::Wrong;
use crate::tokens::tracking::{self, Evidence};

/// Who calls, as far as further tokens are checked against it.
pub(crate) struct Known<'a> {
    /// What it is called before whoever holds its key, and what it must bring.
    pub(crate) key: &'a SigningKey,
    /// Whether a token is signed by who calls.
    pub(crate) has_signed: &'a dyn Fn(&Jws<'_>) -> bool,
    /// What its claims must be.
    pub(crate) expected: Expected<'a>,
    /// Admits a token of the kind that a header carries once: its name, and when it holds.
    pub(crate) admit: &'a dyn Fn(&'static str, &str, Times) -> Result<(), Wrong>,
    /// Whether evidence may come once only. One that a voucher speaks of comes as often as the voucher.
    pub(crate) is_evidence_once: bool,
    /// The wall clock.
    pub(crate) wall: Timestamp,
}

impl Known<'_> {
    /// A problem of `code` with the claims of a token that it has signed.
    fn refuse(&self, code: &'static Code, wrong: Wrong) -> Problem {
        Problem {
            code,
            ..Problem::from(self.key.refusal(wrong))
        }
    }

    fn opened<'t>(
        &self,
        text: &'t str,
        name: &'static str,
        code: &'static Code,
    ) -> Result<Jws<'t>, Problem> {
        let token = Jws::parse(text).filter(|token| (self.has_signed)(token));
        let sentence = "must be a token signed by the organisation that calls";
        token.ok_or_else(|| wrong(name, code, "signature", sentence))
    }
}

/// How a request arrived.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    signed: Option<Signed>,
    is_required: bool,
}

impl Proof {
    /// Reads the signature among `headers`. What arrived is compared with it once the body is there.
    pub(crate) fn read(headers: &HeaderMap, known: &Known<'_>) -> Result<Proof, Problem> {
        let code = &codes::INTEGRITY_SIGNATURE;
        let signed = match token(headers, integrity::HEADER, code)? {
            None => None,
            Some(text) => {
                let token = known.opened(text, integrity::HEADER, code)?;
                let refuse = |wrong| known.refuse(code, wrong);
                let signed = Signed::read(&token, known.expected, known.wall).map_err(refuse)?;
                if let Some((jti, times)) = &signed.once {
                    (known.admit)(integrity::HEADER, jti, *times).map_err(refuse)?;
                }
                Some(signed)
            }
        };
        Ok(Proof {
            signed,
            is_required: known.key.duties.integrity,
        })
    }

    /// Whether a request that cannot have a body arrived as it was signed, if it was. None must be.
    pub(crate) fn check_bodiless(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let signed = self.signed.as_ref();
        signed.map_or(Ok(()), |signed| {
            signed.check(only(headers), &[]).map_err(altered)
        })
    }

    /// Whether `body`, empty where there is none, arrived under `headers` as it was signed.
    pub(crate) fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
        match &self.signed {
            Some(signed) => signed.check(only(headers), body).map_err(altered),
            None if self.is_required => Err(Problem::from(&codes::INTEGRITY_MISSING)),
            None => Ok(()),
        }
    }
}

/// The evidence of who asked; none if it is neither there nor required.
pub(crate) fn evidence(
    headers: &HeaderMap,
    known: &Known<'_>,
) -> Result<Option<Evidence>, Problem> {
    let code = &codes::TRACKING_INVALID;
    let Some(text) = token(headers, tracking::HEADER, code)? else {
        return if known.key.duties.tracking {
            Err(Problem::from(&codes::TRACKING_MISSING))
        } else {
            Ok(None)
        };
    };
    let token = known.opened(text, tracking::HEADER, code)?;
    let refuse = |wrong| known.refuse(code, wrong);
    let read = Evidence::read(&token, known.expected, known.is_evidence_once, known.wall);
    let (evidence, (jti, times)) = read.map_err(refuse)?;
    if known.is_evidence_once {
        (known.admit)(tracking::HEADER, &jti, times).map_err(refuse)?;
    }
    Ok(Some(evidence))
}

/// The value of a header that is there once, by its name.
fn only<'a>(headers: &'a HeaderMap) -> impl Fn(&str) -> Option<&'a [u8]> {
    |name| {
        let mut values = headers.get_all(name).map(HeaderValue::as_bytes);
        values.next().filter(|_| values.next().is_none())
    }
}

/// The text of a token in `name`; none if there is none, and an error of `code` if there are several.
pub(crate) fn token<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    code: &'static Code,
) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).map(HeaderValue::to_str);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text.trim())),
        _ => Err(wrong(
            name,
            code,
            "once",
            "must be there once, as a signed token",
        )),
    }
}

/// A problem with what `name` carries.
pub(crate) fn wrong(
    name: &'static str,
    code: &'static Code,
    rule: &'static str,
    sentence: impl Into<Cow<'static, str>>,
) -> Problem {
    Problem::with_errors(code, vec![FieldError::of_parameter(name, rule, sentence)])
}

fn altered(altered: Altered) -> Problem {
    let name = integrity::HEADER;
    match altered {
        Altered::Digest => Problem::from(&codes::INTEGRITY_DIGEST),
        Altered::Header(header) => wrong(
            name,
            &codes::INTEGRITY_HEADER,
            "differs",
            format!("{header} must be there once, and say what was signed"),
        ),
        Altered::Unsigned(header) => wrong(
            name,
            &codes::INTEGRITY_HEADER,
            "unsigned",
            format!("{header} must be among signed_headers"),
        ),
    }
}
