//! A JWS in compact form (RFC 7515, section 7.1): taken apart, and believed only once its signature
//! has been checked.
//!
//! # Invariants
//!
//! 1. The algorithm is the one registered with the key. What the header proposes is compared, never
//!    followed; only asymmetric ones are known, so that `none` and a secret made of a public key are
//!    no words here.
//! 2. Neither token nor claims are printed.
//!
//! # Limits
//!
//! [`TOKEN_BYTES_MAX`].

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::verify;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Longest token. An `x5c` of three certificates takes about 6 KiB.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 << 10;

/// The protected header.
#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    /// The certificate of the key and those above it, leaf first (RFC 7515, section 4.1.6). There is no
    /// `x5u` here: nothing is fetched from an address that a caller chooses.
    pub(crate) x5c: Option<Vec<String>>,
    typ: Option<String>,
    /// Extensions a reader must understand; we understand none.
    crit: Option<serde_json::Value>,
}

/// A token that was taken apart. Nothing in it is to be believed before [`Jws::is_signed`] says so.
pub(crate) struct Jws<'a> {
    pub(crate) header: Header,
    text: &'a str,
    payload: &'a str,
}

impl<'a> Jws<'a> {
    /// Takes `text` apart; `None` if it is no JWS in compact form, too long, or asks for extensions.
    pub(crate) fn parse(text: &'a str) -> Option<Jws<'a>> {
        let jws = Jws::parse_any(text)?;
        let is_jwt = |typ: &str| typ.eq_ignore_ascii_case("jwt");
        jws.header.typ.as_deref().is_none_or(is_jwt).then_some(jws)
    }

    /// The same of a token that says that it is of one of these `types`.
    pub(crate) fn parse_typed(text: &'a str, types: &[&str]) -> Option<Jws<'a>> {
        let jws = Jws::parse_any(text)?;
        let is_so = |found: &str| types.iter().any(|typ| found.eq_ignore_ascii_case(typ));
        jws.header.typ.as_deref().is_some_and(is_so).then_some(jws)
    }

    fn parse_any(text: &'a str) -> Option<Jws<'a>> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let mut parts = text.split('.');
        let (Some(head), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let header: Header = decode(head)?;
        if header.crit.is_some() {
            return None;
        }
        Some(Jws {
            header,
            text,
            payload,
        })
    }

    /// Whether `key` signed it by `algorithm`, and its header says the same of the algorithm.
    pub(crate) fn is_signed(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        if parse_algorithm(&self.header.alg) != Some(algorithm) {
            return false;
        }
        let Some((message, signature)) = self.text.rsplit_once('.') else {
            return false;
        };
        matches!(
            verify(signature, message.as_bytes(), key, algorithm),
            Ok(true)
        )
    }

    /// What it claims; `None` if that is not of this form.
    pub(crate) fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        decode(self.payload)
    }
}

impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jws(…)")
    }
}

/// Asymmetric algorithms only: who can check a token must not be able to make one.
pub(crate) fn parse_algorithm(word: &str) -> Option<Algorithm> {
    match word {
        "ES256" => Some(Algorithm::ES256),
        "ES384" => Some(Algorithm::ES384),
        "PS256" => Some(Algorithm::PS256),
        "RS256" => Some(Algorithm::RS256),
        "RS384" => Some(Algorithm::RS384),
        "RS512" => Some(Algorithm::RS512),
        _ => None,
    }
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}
