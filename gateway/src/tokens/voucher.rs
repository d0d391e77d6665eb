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
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::Algorithm;
use policies::time::Timestamp;
use serde::Deserialize;

use super::claims::{Claims, Subject, Token};
use super::expected::Expected;
use super::jose::Jws;
use super::refusal::Wrong;
use super::rest::profile;
use crate::callers::{SigningKey, TokenRules};

/// What the header of a voucher says it is, short and whole (RFC 9068, section 2.1).
pub(crate) const TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];
/// What PDND signs with.
pub(crate) const ALGORITHM: Algorithm = Algorithm::RS256;

/// What vouchers must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VoucherRules {
    /// PDND, as it calls itself.
    pub(crate) issuer: String,
    /// What a voucher must look like; how long it lives is for PDND to say.
    pub(crate) vouchers: TokenRules,
    /// What the tokens that come with it must look like.
    pub(crate) beside: TokenRules,
}

impl VoucherRules {
    /// Those of an e-service that PDND, as `issuer`, calls `audience`; otherwise as `rules` have it.
    pub(crate) fn new(issuer: String, audience: String, rules: &TokenRules) -> VoucherRules {
        let beside = TokenRules {
            audience,
            ..rules.clone()
        };
        VoucherRules {
            issuer,
            vouchers: TokenRules {
                lifetime_max: Duration::MAX,
                ..beside.clone()
            },
            beside,
        }
    }
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
    ) -> Result<Voucher, Wrong> {
        let claims = Claims::of(token)?;
        let expected = Expected {
            issuer: &rules.issuer,
            rules: &rules.vouchers,
        };
        claims.text("iss")?;
        claims.jti()?;
        expected.check(&claims, false, wall)?;
        let client = claims.text("client_id")?;
        if claims.text("sub")? != client {
            return Err(Wrong::Claim("sub"));
        }
        let evidence = claims.value("digest").map(EvidenceDigest::deserialize);
        Ok(Voucher {
            client: client.to_owned(),
            purpose: claims.text("purposeId")?.to_owned(),
            evidence: evidence.transpose().map_err(|_| Wrong::Claim("digest"))?,
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

/// What an organisation says of its request in a `token` that it has signed itself, where the voucher of
/// PDND names neither profile nor person.
pub(crate) fn statement(
    token: &Jws<'_>,
    key: &Arc<SigningKey>,
    rules: &VoucherRules,
) -> Result<Token, Wrong> {
    let claims = Claims::of(token)?;
    let profile = profile(&claims, key)?;
    Ok(Token {
        times: claims.times(rules.beside.lifetime_max)?,
        jti: claims.text_if_any("jti")?.unwrap_or_default().to_owned(),
        profile,
        subject: claims.text_if_any("sub")?.map(Subject::new),
        prescriber: claims.prescriber(),
        citizen: claims.citizen(),
        substitutes_for: claims.substitutes_for(profile, key)?,
        key_until: None,
        key: Arc::clone(key),
    })
}
