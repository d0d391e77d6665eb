//! AUDIT_REST_01 (AgID, ModI security patterns): who asked, on the other side.
//!
//! `Agid-JWT-TrackingEvidence` is a JWS of the calling organisation. It names the person at its desk in
//! the organisation's own words; we keep them for the audit record and for nothing else.
//!
//! # Invariants
//!
//! 1. What it says of a person is never logged, and never printed.
use std::fmt;

use policies::time::Timestamp;

use super::claims::{Claims, Times};
use super::expected::Expected;
use super::jose::Jws;
use super::refusal::Wrong;

/// The header that carries the token.
pub(crate) const HEADER: &str = "Agid-JWT-TrackingEvidence";

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

impl Evidence {
    /// The claims of `token`, whose signature has been checked and which is admitted once if it is
    /// `is_once`, with its name and when it holds.
    pub(crate) fn read(
        token: &Jws<'_>,
        expected: Expected<'_>,
        is_once: bool,
        wall: Timestamp,
    ) -> Result<(Evidence, (String, Times)), Wrong> {
        let claims = Claims::of(token)?;
        claims.text("iss")?;
        let times = expected.check(&claims, is_once, wall)?;
        let evidence = Evidence {
            user: claims.text("userID")?.to_owned(),
            location: claims.text("userLocation")?.to_owned(),
            assurance: claims.text("LoA")?.to_owned(),
        };
        Ok((evidence, (claims.jti()?.to_owned(), times)))
    }
}
