//! Mutual TLS at the edge: nobody connects without a certificate that one of our authorities issued.
//!
//! TLS 1.2 with forward-secret AEAD suites, and TLS 1.3; HTTP/1.1 only. Which organisation a
//! certificate belongs to is decided per request, by `edge::caller`.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

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

/// Accepts certificates issued under `authorities`, and no connection without one.
pub(crate) fn callers_verifier(
    authorities: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ClientCertVerifier>, AuthoritiesError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(AuthoritiesError::Authority)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(AuthoritiesError::Verifier)?;
    Ok(verifier)
}

/// The authorities of callers cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthoritiesError {
    /// One of them is not a certificate of an authority.
    #[error("not an authority: {0}")]
    Authority(rustls::Error),
    /// All of them together make no verifier.
    #[error("no verifier: {0}")]
    Verifier(VerifierBuilderError),
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
