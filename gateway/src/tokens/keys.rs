//! Signing certificates: the chain that a token carries in `x5c`, and whether it holds at this moment.
//!
//! # Invariants
//!
//! 1. A certificate is worth nothing because it is in a token: its leaf must be registered, by digest,
//!    and lead to an authority that was configured.
//! 2. Nothing is fetched, neither certificates (`x5u`) nor lists of revoked ones.
//! 3. Where there is a list of revoked certificates, every authority of a chain must have one in it.
//!
//! # Limits
//!
//! [`CHAIN_MAX`] certificates of [`CERTIFICATE_BYTES_MAX`] bytes each.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey};
use policies::time::Timestamp;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter,
    OwnedCertRevocationList, RevocationOptionsBuilder, anchor_from_trusted_cert,
};
use x509_parser::certificate::X509Certificate;

use crate::tls::CertificateDigest;

/// Most certificates in an `x5c`: the leaf, two authorities between, and the root that some send along.
pub(crate) const CHAIN_MAX: usize = 4;
/// Largest certificate; one with a 4096-bit key and many extensions stays below.
pub(crate) const CERTIFICATE_BYTES_MAX: usize = 4 << 10;

/// The certificates of a token, leaf first. Not to be believed before [`Authorities::check`] says so.
pub(crate) struct Chain {
    certificates: Vec<CertificateDer<'static>>,
}

/// Why a chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainFault {
    /// One of its certificates is over.
    Expired,
    /// One of its certificates has not begun.
    NotYetValid,
    /// One of its certificates was revoked.
    Revoked,
    /// Nobody says whether one of its certificates was revoked.
    RevocationUnknown,
    /// It does not lead to an authority of ours.
    Untrusted,
}

impl ChainFault {
    /// The stable word of this fault.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            ChainFault::Expired => "certificate-expired",
            ChainFault::NotYetValid => "certificate-not-yet-valid",
            ChainFault::Revoked => "certificate-revoked",
            ChainFault::RevocationUnknown => "revocation-unknown",
            ChainFault::Untrusted => "certificate-untrusted",
        }
    }
}

impl Chain {
    /// Reads an `x5c`; `None` if it is empty, too long, too large or not of X.509.
    pub(crate) fn parse(x5c: &[String]) -> Option<Chain> {
        if x5c.is_empty() || x5c.len() > CHAIN_MAX {
            return None;
        }
        let mut certificates = Vec::with_capacity(x5c.len());
        for text in x5c {
            let der = STANDARD.decode(text).ok()?;
            if der.len() > CERTIFICATE_BYTES_MAX || parse(&der).is_none() {
                return None;
            }
            certificates.push(CertificateDer::from(der));
        }
        Some(Chain { certificates })
    }

    /// What its leaf is registered by.
    pub(crate) fn leaf(&self) -> CertificateDigest {
        CertificateDigest::of(&self.certificates[0])
    }

    /// The key of its leaf, if that is one of `algorithm`.
    pub(crate) fn key(&self, algorithm: Algorithm) -> Option<DecodingKey> {
        let leaf = parse(&self.certificates[0])?;
        let info = leaf.public_key();
        let bits = &info.subject_public_key.data;
        let of_points = |length| (bits.len() == length).then(|| DecodingKey::from_ec_der(bits));
        match (info.parsed().ok()?, point_bytes(algorithm)) {
            (x509_parser::public_key::PublicKey::EC(_), Some(length)) => of_points(length),
            (x509_parser::public_key::PublicKey::RSA(_), None) => {
                Some(DecodingKey::from_rsa_der(bits))
            }
            _ => None,
        }
    }

    /// The common name of its leaf.
    pub(crate) fn common_name(&self) -> Option<String> {
        let leaf = parse(&self.certificates[0])?;
        let name = leaf.subject().iter_common_name().next()?;
        name.as_str().ok().map(str::to_owned)
    }

    /// When the first of its certificates ends.
    fn until(&self) -> Timestamp {
        let ends = self.certificates.iter().map(|der| {
            let end = parse(der).map_or(0, |it| it.validity().not_after.timestamp());
            Timestamp(u64::try_from(end).unwrap_or(0).saturating_mul(1_000))
        });
        ends.min().unwrap_or(Timestamp(0))
    }
}

/// The length of an uncompressed point, one byte of form and two coordinates, where a key is one.
pub(crate) fn point_bytes(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::ES256 => Some(65),
        Algorithm::ES384 => Some(97),
        _ => None,
    }
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    rest.is_empty().then_some(certificate)
}

/// Who may vouch for signing certificates, and which of these they have revoked.
pub(crate) struct Authorities {
    roots: Vec<TrustAnchor<'static>>,
    revoked: Vec<CertRevocationList<'static>>,
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities")
            .field("roots", &self.roots.len())
            .field("lists", &self.revoked.len())
            .finish()
    }
}

impl Authorities {
    /// These authorities; the error is a rule.
    pub(crate) fn of(certificates: &[CertificateDer<'_>]) -> Result<Authorities, &'static str> {
        let roots = certificates.iter().map(anchor_from_trusted_cert);
        let roots = roots.map(|root| root.map(|root| root.to_owned()));
        Ok(Authorities {
            roots: roots
                .collect::<Result<_, _>>()
                .map_err(|_| "must hold certificates of authorities")?,
            revoked: Vec::new(),
        })
    }

    /// The same with what they have revoked; the error is a rule.
    pub(crate) fn revoking(
        mut self,
        lists: &[CertificateRevocationListDer<'_>],
    ) -> Result<Authorities, &'static str> {
        let lists = lists
            .iter()
            .map(|list| OwnedCertRevocationList::from_der(list).map(CertRevocationList::Owned));
        self.revoked = lists
            .collect::<Result<_, _>>()
            .map_err(|_| "must hold lists of revoked certificates (X.509 CRL, version 2)")?;
        Ok(self)
    }

    /// Whether `chain` holds at `wall`, and until when it may be remembered that it does.
    ///
    /// A list of revoked certificates that should have been renewed by now is still believed: a late
    /// renewal must not close a region.
    pub(crate) fn check(&self, chain: &Chain, wall: Timestamp) -> Result<Timestamp, ChainFault> {
        let leaf =
            EndEntityCert::try_from(&chain.certificates[0]).map_err(|error| fault(&error))?;
        let lists: Vec<&CertRevocationList<'_>> = self.revoked.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok();
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &self.roots,
            &chain.certificates[1..],
            UnixTime::since_unix_epoch(Duration::from_millis(wall.0)),
            AnyUsage,
            revocation.map(RevocationOptionsBuilder::build),
            None,
        )
        .map_err(|error| fault(&error))?;
        Ok(chain.until())
    }
}

/// What a certificate may be used for is said by its registration.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

fn fault(error: &webpki::Error) -> ChainFault {
    match error {
        webpki::Error::CertExpired { .. } => ChainFault::Expired,
        webpki::Error::CertNotValidYet { .. } => ChainFault::NotYetValid,
        webpki::Error::CertRevoked => ChainFault::Revoked,
        webpki::Error::UnknownRevocationStatus => ChainFault::RevocationUnknown,
        _ => ChainFault::Untrusted,
    }
}

#[cfg(test)]
mod tests;
