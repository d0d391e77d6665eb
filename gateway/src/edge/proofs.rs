//! What a request proves beside who makes it: that it arrived as it was signed, and who asked for it.
//!
//! # Invariants
//!
//! 1. A body is handed out only after what was signed of it held: [`super::body`] asks the [`Proof`] that
//!    recognising the caller has left with the request, and without one hands out nothing.
//! 2. What is there is checked, whether or not the caller must bring it.

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderValue};
use policies::time::Timestamp;

use super::codes::{self, Code};
use super::respond::{FieldError, Problem};
use crate::callers::Duties;
use crate::tokens::integrity::{self, Altered, Signed};
use crate::tokens::jose::Jws;
use crate::tokens::registered::{Bad, Expected};
use crate::tokens::tracking::{self, Evidence};

/// Who calls, as far as further tokens are checked against it.
pub(crate) struct Known<'a> {
    /// Whether a token is signed by who calls.
    pub(crate) has_signed: &'a dyn Fn(&Jws<'_>) -> bool,
    /// What its claims must be.
    pub(crate) expected: Expected<'a>,
    /// What it must bring.
    pub(crate) duties: Duties,
    /// The wall clock.
    pub(crate) wall: Timestamp,
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
                let token = opened(text, integrity::HEADER, code, known)?;
                let signed = Signed::read(&token, known.expected, known.wall)
                    .map_err(|bad| claims(integrity::HEADER, code, bad))?;
                Some(signed)
            }
        };
        Ok(Proof {
            signed,
            is_required: known.duties.integrity,
        })
    }

    /// Whether a request that cannot have a body arrived as it was signed, if it was. None must be.
    pub(crate) fn check_bodiless(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let signed = self.signed.as_ref();
        signed.map_or(Ok(()), |signed| signed.check(headers, &[]).map_err(altered))
    }

    /// Whether `body`, empty where there is none, arrived under `headers` as it was signed.
    pub(crate) fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
        match &self.signed {
            Some(signed) => signed.check(headers, body).map_err(altered),
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
        return if known.duties.tracking {
            Err(Problem::from(&codes::TRACKING_MISSING))
        } else {
            Ok(None)
        };
    };
    let token = opened(text, tracking::HEADER, code, known)?;
    Evidence::read(&token, known.expected, known.wall)
        .map(Some)
        .map_err(|bad| claims(tracking::HEADER, code, bad))
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

fn opened<'a>(
    text: &'a str,
    name: &'static str,
    code: &'static Code,
    known: &Known<'_>,
) -> Result<Jws<'a>, Problem> {
    Jws::parse(text)
        .filter(|token| (known.has_signed)(token))
        .ok_or_else(|| {
            let sentence = "must be a token signed by the organisation that calls";
            wrong(name, code, "signature", sentence)
        })
}

fn claims(name: &'static str, code: &'static Code, bad: Bad) -> Problem {
    wrong(name, code, bad.rule(), bad.sentence())
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
