//! Who calls: a certificate of the connection and a signed token that belong together.
//!
//! # Invariants
//!
//! 1. Nothing a token says is believed before its signature has been checked, with the key and the
//!    algorithm that were registered, never with what its own header proposes.
//! 2. A token is worth nothing on a connection of another caller's certificate.
//! 3. Before the signature is checked, all failures look alike; only a caller who holds the key
//!    learns which claim was wrong.
//! 4. A token is never logged, and never printed.
//!
//! # Limits
//!
//! Those of [`crate::tokens::jose`]; its times may be off by the configured skew, its life is bounded.

use std::fmt;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpMessage, HttpRequest};
use adapters::model::{Authority, Invalid};
use engine::entry::Organization;
use policies::access::Profile;
use policies::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::codes::{self, Code};
use super::frame::peer;
use super::respond::{FieldError, Problem};
use crate::callers::{Callers, SigningKey};
use crate::tls::CertificateDigest;
use crate::tokens::jose::Jws;

/// Longest `jti`.
const JTI_BYTES_MAX: usize = 128;

/// Who calls, once both proofs hold.
pub(crate) struct Caller {
    pub(crate) organization: Organization,
    pub(crate) profile: Profile,
    prescriber_authn: Option<serde_json::Value>,
    checked_at: Timestamp,
    skew: Duration,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("organization", &self.organization)
            .field("profile", &self.profile)
            .field("prescriber_authn", &"…")
            .finish_non_exhaustive()
    }
}

impl Caller {
    /// Who has authenticated at the caller's, as far as the token says.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.prescriber_authn.as_ref()?.get("subject")?.as_str()
    }

    /// How long ago the prescriber authenticated; zero if their clock is ahead of ours.
    pub(crate) fn authn_age(&self, authority: &Authority) -> Duration {
        self.checked_at.since(authority.instant.as_timestamp())
    }

    /// The prescriber who authenticated, which every write needs.
    pub(crate) fn authority(&self) -> Result<Authority, Problem> {
        let Some(claim) = &self.prescriber_authn else {
            return Err(Problem::from(&codes::PRESCRIBER_AUTHN_MISSING));
        };
        let refuse = |rule, sentence: &'static str| {
            let error = FieldError::of_parameter("prescriber_authn", rule, sentence);
            Problem::with_errors(&codes::PRESCRIBER_AUTHN_INVALID, vec![error])
        };
        let authority =
            Authority::deserialize(claim).map_err(|error| {
                match Invalid::in_message(&error.to_string()) {
                    Some(invalid) => refuse(invalid.rule(), invalid.sentence()),
                    None => refuse(
                        "claims",
                        "must have subject, class_ref, instant, locality only",
                    ),
                }
            })?;
        if authority.instant.as_timestamp() > self.checked_at + self.skew {
            return Err(refuse(
                "future",
                "must not be an authentication in the future",
            ));
        }
        Ok(authority)
    }
}

/// Checks both proofs of `request`, and leaves the organisation's name for the log.
pub(crate) fn authenticate(
    callers: &Callers,
    request: &HttpRequest,
    wall: Timestamp,
) -> Result<Caller, Problem> {
    let token = bearer(request)?;
    let caller = verify(callers, token, peer(request), wall)?;
    request.extensions_mut().insert(caller.organization.clone());
    Ok(caller)
}

/// The wall clock: the times in a token are not ours.
pub(crate) fn wall() -> Timestamp {
    Timestamp(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0))
}

fn bearer(request: &HttpRequest) -> Result<&str, &'static Code> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(&codes::TOKEN_MISSING);
    };
    let text = value.to_str().map_err(|_| &codes::TOKEN_MALFORMED)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(&codes::TOKEN_MISSING),
    }
}

/// `aud` may be one name or several.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    iat: u64,
    nbf: Option<u64>,
    exp: u64,
    jti: String,
    organization: String,
    profile: String,
    prescriber_authn: Option<serde_json::Value>,
}

/// Checks `token` as presented on a connection of `peer` at `wall`.
fn verify(
    callers: &Callers,
    token: &str,
    peer: Option<CertificateDigest>,
    wall: Timestamp,
) -> Result<Caller, &'static Code> {
    let (key, claims) = open(callers, token)?;
    if !peer.is_some_and(|peer| key.certificates.contains(&peer)) {
        return Err(&codes::TOKEN_CERTIFICATE);
    }
    if claims.iss != key.organization.0 || claims.organization != key.organization.0 {
        return Err(&codes::TOKEN_ISSUER);
    }
    let audience = &callers.rules.audience;
    let is_meant_for_us = match &claims.aud {
        Audience::One(name) => name == audience,
        Audience::Many(names) => names.contains(audience),
    };
    if !is_meant_for_us {
        return Err(&codes::TOKEN_AUDIENCE);
    }
    check_times(callers, &claims, wall)?;
    let profile = Profile::parse(&claims.profile)
        .filter(|profile| key.profiles.contains(profile))
        .ok_or(&codes::TOKEN_PROFILE)?;
    Ok(Caller {
        organization: key.organization.clone(),
        profile,
        prescriber_authn: claims.prescriber_authn,
        checked_at: wall,
        skew: callers.rules.clock_skew,
    })
}

/// Checks the signature, and only then reads the claims.
fn open<'a>(callers: &'a Callers, token: &str) -> Result<(&'a SigningKey, Claims), &'static Code> {
    let token = Jws::parse(token).ok_or(&codes::TOKEN_MALFORMED)?;
    let kid = token.header.kid.as_deref();
    let kid = kid.ok_or(&codes::TOKEN_MALFORMED)?;
    let key = callers.key(kid).ok_or(&codes::TOKEN_SIGNATURE)?;
    if !callers.is_signed(&token, key) {
        return Err(&codes::TOKEN_SIGNATURE);
    }
    let claims: Claims = token.claims().ok_or(&codes::TOKEN_CLAIMS)?;
    if !(1..=JTI_BYTES_MAX).contains(&claims.jti.len()) {
        return Err(&codes::TOKEN_CLAIMS);
    }
    Ok((key, claims))
}

fn check_times(callers: &Callers, claims: &Claims, wall: Timestamp) -> Result<(), &'static Code> {
    let skew = callers.rules.clock_skew;
    let at = |seconds: u64| Timestamp(seconds.saturating_mul(1_000));
    let (issued, expires) = (at(claims.iat), at(claims.exp));
    if expires <= issued {
        return Err(&codes::TOKEN_CLAIMS);
    }
    if issued > wall + skew || claims.nbf.is_some_and(|nbf| at(nbf) > wall + skew) {
        return Err(&codes::TOKEN_NOT_YET_VALID);
    }
    if expires + skew <= wall {
        return Err(&codes::TOKEN_EXPIRED);
    }
    if expires.since(issued) > callers.rules.lifetime_max {
        return Err(&codes::TOKEN_LIFETIME);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
