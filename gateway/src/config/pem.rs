//! Certificates, keys and lists of revoked certificates: whether they parse, and belong together.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::files::read_bounded;

/// Largest certificate or key file that is read.
pub(crate) const PEM_BYTES_MAX: u64 = 1 << 20;
/// Largest file of lists of revoked certificates: about 200,000 of them.
pub(crate) const LISTS_BYTES_MAX: u64 = 16 << 20;

/// The certificates of a file, at least one, each of them X.509.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    certificates_in(&read_bounded(path, PEM_BYTES_MAX)?)
}

/// The one private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    private_key_in(&Zeroizing::new(read_bounded(path, PEM_BYTES_MAX)?))
}

/// [`certificates`] of a text.
pub(crate) fn certificates_in(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| "must hold certificates in PEM".to_owned())?;
    if certificates.is_empty() {
        return Err("must hold at least one certificate in PEM".to_owned());
    }
    for certificate in &certificates {
        x509_parser::parse_x509_certificate(certificate)
            .map_err(|_| "must hold X.509 certificates only".to_owned())?;
    }
    Ok(certificates)
}

/// The lists of revoked certificates of a text, at least one.
pub(crate) fn revocation_lists_in(
    pem: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| "must hold lists of revoked certificates in PEM".to_owned())?;
    if lists.is_empty() {
        return Err("must hold at least one list of revoked certificates in PEM".to_owned());
    }
    Ok(lists)
}

/// [`private_key`] of a text.
pub(crate) fn private_key_in(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| "must hold a private key in PEM".to_owned())
}

/// A chain and its key as TLS uses them; refuses a key that is not the leaf's.
pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, String> {
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key)
        .map_err(|_| "must hold a key of a kind in use: RSA from 2048 bits, ECDSA, Ed25519")?;
    let certified = CertifiedKey::new(chain, key);
    certified
        .keys_match()
        .map_err(|_| "must hold the key of the certificate")?;
    Ok(certified)
}
