//! INTEGRITY_REST_01 and 02 (AgID, ModI security patterns): a request that arrives as it was signed.
//!
//! `Agid-JWT-Signature` is a JWS whose claim `signed_headers` lists header fields with their values,
//! among them `digest`, the SHA-256 of the body (RFC 3230). The two patterns differ only in how the key
//! is found.
//!
//! # Invariants
//!
//! 1. The digest is made of the bytes that arrived, never taken from what the request says.
//! 2. Every header that was signed arrived exactly once and says exactly what was signed.
//! 3. With a body, its digest and its type are among what was signed.
//!
//! # Limits
//!
//! [`HEADERS_MAX`] signed headers, names of [`NAME_BYTES_MAX`].

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use policies::time::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::claims::{Claims, Times};
use super::expected::Expected;
use super::jose::Jws;
use super::refusal::Wrong;

/// The header that carries the token.
pub(crate) const HEADER: &str = "Agid-JWT-Signature";
const DIGEST: &str = "digest";
const TYPE: &str = "content-type";
/// Most headers that a token may sign.
const HEADERS_MAX: usize = 32;
/// Longest name of one.
const NAME_BYTES_MAX: usize = 64;

/// A token whose claims hold, not yet compared with its request.
#[derive(Clone)]
pub(crate) struct Signed {
    headers: Vec<(String, String)>,
    /// Its name and when it holds, where it has a name.
    pub(crate) once: Option<(String, Times)>,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signed(…)")
    }
}

/// Why a request is not the one that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Altered {
    /// The body is not the one of `Digest`, or there is no digest that could be compared.
    Digest,
    /// This header is missing, doubled, or says something else.
    Header(String),
    /// This header must be among those signed.
    Unsigned(&'static str),
}

#[derive(Deserialize)]
struct SignedHeaders {
    signed_headers: Vec<Fields>,
}

/// An object as it stands: a name that is there twice counts twice.
struct Fields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("header names and their values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

impl Signed {
    /// The claims of `token`, whose signature has been checked.
    pub(crate) fn read(
        token: &Jws<'_>,
        expected: Expected<'_>,
        wall: Timestamp,
    ) -> Result<Signed, Wrong> {
        let claims = Claims::of(token)?;
        let is_once = claims.value("jti").is_some();
        let times = expected.check(&claims, is_once, wall)?;
        let once = match is_once {
            true => Some((claims.jti()?.to_owned(), times)),
            false => None,
        };
        let refuse = || Wrong::Claim("signed_headers");
        let signed: SignedHeaders = token.claims().ok_or_else(refuse)?;
        let fields = signed
            .signed_headers
            .into_iter()
            .flat_map(|fields| fields.0);
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in fields {
            let name = name.to_ascii_lowercase();
            let is_double = headers.iter().any(|(known, _)| *known == name);
            if is_double || !is_name(&name) || headers.len() == HEADERS_MAX {
                return Err(refuse());
            }
            headers.push((name, value));
        }
        Ok(Signed { headers, once })
    }

    /// Compares what was signed with what arrived. `only` gives the value of a header that is there once,
    /// by its name in lower case; `body` is empty where there is none.
    pub(crate) fn check<'v>(
        &self,
        only: impl Fn(&str) -> Option<&'v [u8]>,
        body: &[u8],
    ) -> Result<(), Altered> {
        for (name, value) in &self.headers {
            let found = only(name).map(<[u8]>::trim_ascii);
            if found != Some(value.as_bytes()) {
                return Err(Altered::Header(name.clone()));
            }
        }
        let is_signed = |name: &str| self.headers.iter().any(|(known, _)| known == name);
        if !body.is_empty() {
            for name in [DIGEST, TYPE] {
                if !is_signed(name) {
                    return Err(Altered::Unsigned(name));
                }
            }
        }
        if !is_signed(DIGEST) {
            return Ok(());
        }
        let stated = only(DIGEST).and_then(|value| sha256(str::from_utf8(value).ok()?));
        match stated {
            Some(stated) if stated == digest(&SHA256, body).as_ref() => Ok(()),
            _ => Err(Altered::Digest),
        }
    }
}

/// Whether `name` can be that of a header (RFC 9110, section 5.1), and one to be shown.
fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The one SHA-256 of a `Digest` header, which may list digests of other kinds too.
fn sha256(value: &str) -> Option<Vec<u8>> {
    let mut found = value.split(',').filter_map(|instance| {
        let (algorithm, encoded) = instance.trim().split_once('=')?;
        algorithm.eq_ignore_ascii_case("sha-256").then_some(encoded)
    });
    let only = found.next().filter(|_| found.next().is_none())?;
    STANDARD.decode(only).ok()
}

#[cfg(test)]
mod tests;
