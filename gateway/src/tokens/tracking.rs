//! AUDIT_REST_01 (AgID, ModI security patterns): who asked, on the other side.
//!
//! `Agid-JWT-TrackingEvidence` is a JWS of the calling organisation. It names the person at its desk in
//! the organisation's own words; we keep them for the audit record and for nothing else.
//!
//! # Invariants
//!
//! 1. What it says of a person is never logged, and never printed.
//!
//! # Limits
//!
//! [`CLAIM_BYTES_MAX`] of each claim.

use std::fmt;

use policies::time::Timestamp;
use serde::Deserialize;

use super::jose::Jws;
use super::registered::{Bad, Expected, Registered};

/// The header that carries the token.
pub(crate) const HEADER: &str = "Agid-JWT-TrackingEvidence";
/// Longest of the claims that are kept.
const CLAIM_BYTES_MAX: usize = 256;

/// Who asked, as the calling organisation vouches for it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The person, in the organisation's own words (`userID`).
    pub(crate) user: String,
    /// Their workplace (`userLocation`).
    pub(crate) location: String,
    /// How surely they were recognised (`LoA`).
    pub(crate) assurance: String,
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evidence(…)")
    }
}

#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "userID")]
    user: String,
    #[serde(rename = "userLocation")]
    location: String,
    #[serde(rename = "LoA")]
    assurance: String,
    #[serde(flatten)]
    registered: Registered,
}

impl Evidence {
    /// The claims of `token`, whose signature has been checked.
    pub(crate) fn read(
        token: &Jws<'_>,
        expected: Expected<'_>,
        wall: Timestamp,
    ) -> Result<Evidence, Bad> {
        let claims: Claims = token.claims().ok_or(Bad::Claims)?;
        let texts = [&claims.user, &claims.location, &claims.assurance];
        let is_text = |text: &String| (1..=CLAIM_BYTES_MAX).contains(&text.len());
        if !claims.registered.is_named() || !texts.into_iter().all(is_text) {
            return Err(Bad::Claims);
        }
        claims.registered.check(expected, wall)?;
        Ok(Evidence {
            user: claims.user,
            location: claims.location,
            assurance: claims.assurance,
        })
    }
}
