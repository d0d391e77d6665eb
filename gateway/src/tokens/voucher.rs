//! Vouchers of PDND: the national platform says which organisation calls, and for what purpose (PDND,
//! operating manual, *Checks on a Bearer voucher by a producer*).
//!
//! A voucher is an access token (RFC 9068) that many requests carry until it expires. It names neither
//! profile nor prescriber: those come from a token that the organisation signs itself.
//!
//! # Invariants
//!
//! 1. Vouchers are signed by RS256, whatever their header says.
//! 2. Where a voucher carries a digest (AUDIT_REST_02), the evidence that comes with it is the very one
//!    that PDND was shown.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::Algorithm;
use policies::time::Timestamp;
use serde::Deserialize;

use super::jose::Jws;
use super::registered::{Bad, Expected, Registered};

/// What the header of a voucher says it is.
pub(crate) const TYPE: &str = "at+jwt";
/// What PDND signs with.
pub(crate) const ALGORITHM: Algorithm = Algorithm::RS256;

/// What vouchers must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VoucherRules {
    /// PDND, as it calls itself.
    pub(crate) issuer: String,
    /// What our e-service is called there.
    pub(crate) audience: String,
    /// How far its clock may be from ours.
    pub(crate) clock_skew: Duration,
}

/// Whom PDND vouches for.
pub(crate) struct Voucher {
    /// The software of a calling organisation.
    pub(crate) client: String,
    /// What it calls for.
    pub(crate) purpose: String,
    evidence: Option<EvidenceDigest>,
}

impl fmt::Debug for Voucher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Voucher(…)")
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    client_id: String,
    sub: String,
    #[serde(rename = "purposeId")]
    purpose: String,
    digest: Option<EvidenceDigest>,
    #[serde(flatten)]
    registered: Registered,
}

#[derive(Deserialize)]
struct EvidenceDigest {
    alg: String,
    value: String,
}

impl Voucher {
    /// The claims of `token`, whose signature has been checked.
    pub(crate) fn read(
        token: &Jws<'_>,
        rules: &VoucherRules,
        wall: Timestamp,
    ) -> Result<Voucher, Bad> {
        let claims: Claims = token.claims().ok_or(Bad::Claims)?;
        let expected = Expected {
            issuer: &rules.issuer,
            audience: &rules.audience,
            clock_skew: rules.clock_skew,
            // PDND gives each e-service the life that its provider asked for.
            lifetime_max: None,
        };
        claims.registered.check(expected, wall)?;
        if claims.iss != rules.issuer {
            return Err(Bad::Issuer);
        }
        if claims.sub != claims.client_id || !claims.registered.is_named() {
            return Err(Bad::Claims);
        }
        Ok(Voucher {
            client: claims.client_id,
            purpose: claims.purpose,
            evidence: claims.digest,
        })
    }

    /// Whether PDND was shown an evidence when it issued this.
    pub(crate) fn names_evidence(&self) -> bool {
        self.evidence.is_some()
    }

    /// Whether `evidence`, a token as it was presented, is the one that PDND was shown; true where it
    /// was shown none.
    pub(crate) fn agrees_with(&self, evidence: &str) -> bool {
        let Some(shown) = &self.evidence else {
            return true;
        };
        let is_sha256 = ["SHA256", "SHA-256"]
            .iter()
            .any(|name| shown.alg.eq_ignore_ascii_case(name));
        let found = digest(&SHA256, evidence.as_bytes());
        let found: String = found.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        is_sha256 && shown.value.eq_ignore_ascii_case(&found)
    }
}
