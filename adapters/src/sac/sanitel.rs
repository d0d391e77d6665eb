//! Encryption of PIN and patient code for the ministry (S1 §3.5): RSA, PKCS#1 v1.5, base64.
//!
//! # Invariants
//!
//! 1. A ciphertext is made for one call and kept nowhere: padding is random, so that two of the same
//!    code differ, and the ministry changes its key every three years.
//!
//! The key has 1024 bits, which the gateway's other cryptography refuses to touch; hence the `rsa`
//! crate, for public-key encryption only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Encrypt, RsaPublicKey};
use x509_parser::certificate::X509Certificate;

/// The smallest key that is accepted.
const KEY_BITS_MIN: usize = 1024;

/// The public key of the certificate SanitelCF.
pub(super) struct Sanitel(RsaPublicKey);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SanitelError {
    /// Its key is not an RSA key.
    #[error("the key of the certificate is not an RSA key")]
    NotRsa(#[source] rsa::pkcs8::spki::Error),
    /// Its key is too small.
    #[error("the key of the certificate has {bits} bits, and less than {KEY_BITS_MIN} is refused")]
    TooSmall {
        /// How many it has.
        bits: usize,
    },
    /// A value is longer than its key can encrypt: a few more than a hundred bytes.
    #[error("a value is too long to be encrypted with this key")]
    Encrypt(#[source] rsa::Error),
}

impl Sanitel {
    /// Takes the key from its certificate.
    pub(super) fn new(certificate: &X509Certificate<'_>) -> Result<Sanitel, SanitelError> {
        let key = RsaPublicKey::from_public_key_der(certificate.public_key().raw)
            .map_err(SanitelError::NotRsa)?;
        let bits = key.n().bits();
        if bits < KEY_BITS_MIN {
            return Err(SanitelError::TooSmall { bits });
        }
        Ok(Sanitel(key))
    }

    /// `value` as it goes on the wire: 172 characters under a key of 1024 bits.
    pub(super) fn encrypt(&self, value: &str) -> Result<String, SanitelError> {
        let encrypted = self
            .0
            .encrypt(&mut rand_core::OsRng, Pkcs1v15Encrypt, value.as_bytes())
            .map_err(SanitelError::Encrypt)?;
        Ok(STANDARD.encode(encrypted))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, PublicKeyData, SignatureAlgorithm};
    use rsa::RsaPrivateKey;
    use rsa::pkcs1::EncodeRsaPublicKey;
    use x509_parser::prelude::FromDer;

    use super::*;

    /// A public key for a certificate: PKCS#1 DER.
    struct PublicKey(Vec<u8>);

    impl PublicKeyData for PublicKey {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }

        fn algorithm(&self) -> &'static SignatureAlgorithm {
            &rcgen::PKCS_RSA_SHA256
        }
    }

    /// What a certificate over `key` makes of it, issued as the ministry's is by another key.
    fn certified(key: &RsaPublicKey) -> Result<Sanitel, SanitelError> {
        let issuer_key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["issuer".to_owned()]).unwrap();
        let issuer = CertifiedIssuer::self_signed(params, issuer_key).unwrap();
        let key = PublicKey(key.to_pkcs1_der().unwrap().into_vec());
        let params = CertificateParams::new(vec!["SanitelCF".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let (_, certificate) = X509Certificate::from_der(certificate.der()).unwrap();
        Sanitel::new(&certificate)
    }

    #[test]
    fn a_ciphertext_is_random_and_opens_with_the_private_key() {
        let private = RsaPrivateKey::new(&mut rand_core::OsRng, KEY_BITS_MIN).unwrap();
        let sanitel = certified(&private.to_public_key()).unwrap();
        let first = sanitel.encrypt("PNIMRA70A01H501P").unwrap();
        let second = sanitel.encrypt("PNIMRA70A01H501P").unwrap();
        assert_eq!(first.len(), 172);
        assert_ne!(first, second);
        for text in [first, second] {
            let opened = private.decrypt(Pkcs1v15Encrypt, &STANDARD.decode(text).unwrap());
            assert_eq!(opened.unwrap(), b"PNIMRA70A01H501P");
        }
        assert!(sanitel.encrypt(&"1".repeat(117)).is_ok());
        assert!(matches!(
            sanitel.encrypt(&"1".repeat(118)),
            Err(SanitelError::Encrypt(_))
        ));
    }

    #[test]
    fn a_smaller_key_is_refused() {
        let private = RsaPrivateKey::new(&mut rand_core::OsRng, 768).unwrap();
        let refused = certified(&private.to_public_key()).err();
        assert!(matches!(
            refused,
            Some(SanitelError::TooSmall { bits: 768 })
        ));
    }
}
