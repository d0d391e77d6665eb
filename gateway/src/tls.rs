//! Mutual TLS at the edge: nobody connects without a certificate that one of our authorities issued.
//!
//! TLS 1.2 with forward-secret AEAD suites, and TLS 1.3; HTTP/1.1 only. Which organisation a
//! certificate belongs to is decided per request, by `edge::caller`. What we show and whom we trust
//! ([`credentials`]) follows its files while the gateway runs (`rotation`).
//!
//! # Invariants
//!
//! 1. A session is resumed only under the credentials it began under: those that replace them
//!    remember none.
//! 2. A connection is worth nothing once its certificate would be refused (`Presented::holds`).

pub mod credentials;
pub(crate) mod expiry;
pub(crate) mod rotation;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use adapters::model::Moment;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use policies::time::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};

use credentials::Credentials;

/// The certificate at the other end of a connection, by the SHA-256 of its DER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateDigest(pub [u8; SHA256_OUTPUT_LEN]);

impl CertificateDigest {
    /// The digest of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> CertificateDigest {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        CertificateDigest(bytes)
    }

    /// Reads 64 hexadecimal characters.
    pub fn parse(text: &str) -> Option<CertificateDigest> {
        if text.len() != 2 * SHA256_OUTPUT_LEN || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(CertificateDigest(bytes))
    }
}

impl fmt::Debug for CertificateDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The algorithms of every TLS connection we accept.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::aws_lc_rs::default_provider())
}

/// The certificate that the other end of a connection has shown, and what was found of it.
pub(crate) struct Presented {
    chain: Vec<CertificateDer<'static>>,
    until: Timestamp,
    /// The generation of credentials under which it was verified last.
    verified_under: Cell<u64>,
}

impl Presented {
    /// `chain`, as verified in a handshake under the credentials of this generation; none without a
    /// certificate.
    pub(crate) fn new(chain: &[CertificateDer<'_>], generation: u64) -> Option<Presented> {
        let until = valid_until(chain.first()?)?;
        Some(Presented {
            chain: chain.iter().map(|one| one.clone().into_owned()).collect(),
            until,
            verified_under: Cell::new(generation),
        })
    }

    /// The digest of the certificate itself.
    pub(crate) fn digest(&self) -> CertificateDigest {
        CertificateDigest::of(&self.chain[0])
    }

    /// Whether it would still be accepted at `now`; it is verified once under each generation.
    pub(crate) fn holds(&self, credentials: &Credentials, now: Timestamp) -> bool {
        if now >= self.until {
            return false;
        }
        if self.verified_under.get() == credentials.number {
            return true;
        }
        let at = UnixTime::since_unix_epoch(Duration::from_millis(now.0));
        let verifier = &credentials.verifier;
        let verified = verifier.verify_client_cert(&self.chain[0], &self.chain[1..], at);
        if verified.is_ok() {
            self.verified_under.set(credentials.number);
        }
        verified.is_ok()
    }
}

/// The end of a certificate's validity; none if it is not X.509.
pub(crate) fn valid_until(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(at(parsed.validity().not_after))
}

/// An instant of X.509, with everything before 1970 as 1970.
fn at(time: x509_parser::time::ASN1Time) -> Timestamp {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    Timestamp(seconds.saturating_mul(1_000))
}

/// An instant as operators read it.
fn date(at: Timestamp) -> String {
    Moment::from_timestamp(at).map_or_else(|| "long from now".to_owned(), Moment::to_rfc3339)
}

/// The server side of mutual TLS with `certified` as our own certificate.
pub(crate) fn server_config(
    verifier: Arc<dyn ClientCertVerifier>,
    certified: CertifiedKey,
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the provider has suites for both versions")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_forward_secret_and_authenticated() {
        for suite in provider().cipher_suites.iter() {
            let name = format!("{:?}", suite.suite());
            let forward_secret = name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_");
            let authenticated = name.contains("GCM") || name.contains("POLY1305");
            assert!(forward_secret && authenticated, "{name}");
        }
    }

    #[test]
    fn a_digest_reads_back_from_its_hexadecimal_form() {
        let text = "00ff".repeat(16);
        assert!(CertificateDigest::parse(&text).is_some());
        assert_eq!(CertificateDigest::parse(&text[1..]), None);
        assert_eq!(CertificateDigest::parse(&text.replace("ff", "g0")), None);
        assert_eq!(CertificateDigest::parse(&"è".repeat(32)), None);
    }
}
