//! Tokens in our own name: who pushes (`ID_AUTH_REST_02`) and what (`INTEGRITY_REST_01`).
//!
//! # Invariants
//!
//! 1. A token is for one receiver and one push: `aud`, `jti`, and a life of [`LIFE`].
//! 2. The key is that of the certificate in the token (`x5c`).

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Settings;
use crate::client::{ClientError, certificates, private_key};

/// How long a token is good for: a push is tried at once or signed anew.
const LIFE: Duration = Duration::from_secs(60);
/// Below this an RSA key is not one to sign with.
const RSA_BYTES_MIN: usize = 256;

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A file.
    #[error("the certificate or the key cannot be read")]
    File(#[source] ClientError),
    /// The certificate.
    #[error("the certificate to sign under is not X.509")]
    Certificate,
    /// The key.
    #[error("the key to sign with must be P-256, or RSA of 2048 bits at least")]
    Key,
    /// Both.
    #[error("the key to sign with is not that of the certificate")]
    Pair,
}

/// Signs in our name.
pub(super) struct Signer {
    key: Key,
    /// The chain, leaf first, DER in base64.
    x5c: Vec<String>,
    issuer: String,
    random: SystemRandom,
}

enum Key {
    Es256(Box<EcdsaKeyPair>),
    Rs256(Box<RsaKeyPair>),
}

/// What goes with a body.
pub(super) struct Signed {
    /// The header `Digest`.
    pub(super) digest: String,
    /// The token of its integrity.
    pub(super) integrity: String,
    /// The token of who pushes.
    pub(super) identity: String,
}

/// Nothing could be signed: the machine has no randomness to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotSigned;

impl Signer {
    pub(super) fn open(settings: &Settings) -> Result<Signer, SigningError> {
        let chain = certificates(
            "our signing certificate",
            &settings.signing_certificate_file,
        )
        .map_err(SigningError::File)?;
        let key = private_key("our signing key", &settings.signing_key_file)
            .map_err(SigningError::File)?;
        let key = Key::of(&key)?;
        if public_key(&chain[0])? != key.public() {
            return Err(SigningError::Pair);
        }
        Ok(Signer {
            key,
            x5c: chain.iter().map(|one| STANDARD.encode(one)).collect(),
            issuer: settings.issuer.clone(),
            random: SystemRandom::new(),
        })
    }

    /// Signs `body` for the receiver at `audience`.
    pub(super) fn sign(
        &self,
        body: &[u8],
        media_type: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Signed, NotSigned> {
        let digest = format!("SHA-256={}", STANDARD.encode(digest(&SHA256, body)));
        let mut claims = json!({
            "iss": self.issuer,
            "aud": audience,
            "iat": now.as_second(),
            "exp": now.as_second() + LIFE.as_secs().cast_signed(),
            "jti": Uuid::now_v7().to_string(),
        });
        let identity = self.token(&claims)?;
        claims["jti"] = json!(Uuid::now_v7().to_string());
        claims["signed_headers"] = json!([{"digest": digest}, {"content-type": media_type}]);
        Ok(Signed {
            integrity: self.token(&claims)?,
            identity,
            digest,
        })
    }

    fn token(&self, claims: &Value) -> Result<String, NotSigned> {
        let header = json!({"alg": self.key.algorithm(), "typ": "JWT", "x5c": self.x5c});
        let [header, claims] =
            [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(&self.random, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Key {
    fn of(der: &PrivateKeyDer<'_>) -> Result<Key, SigningError> {
        let bytes = der.secret_der();
        let es256 = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes);
        if let Ok(key) = es256 {
            return Ok(Key::Es256(Box::new(key)));
        }
        let rs256 = RsaKeyPair::from_pkcs8(bytes).or_else(|_| RsaKeyPair::from_der(bytes));
        let rs256 = rs256.map_err(|_| SigningError::Key)?;
        if rs256.public_modulus_len() < RSA_BYTES_MIN {
            return Err(SigningError::Key);
        }
        Ok(Key::Rs256(Box::new(rs256)))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Key::Es256(_) => "ES256",
            Key::Rs256(_) => "RS256",
        }
    }

    fn public(&self) -> &[u8] {
        match self {
            Key::Es256(key) => key.public_key().as_ref(),
            Key::Rs256(key) => key.public_key().as_ref(),
        }
    }

    fn sign(&self, random: &SystemRandom, message: &[u8]) -> Result<Vec<u8>, NotSigned> {
        match self {
            Key::Es256(key) => {
                let signature = key.sign(random, message).map_err(|_| NotSigned)?;
                Ok(signature.as_ref().to_vec())
            }
            Key::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, random, message, &mut signature)
                    .map_err(|_| NotSigned)?;
                Ok(signature)
            }
        }
    }
}

/// The public key of a certificate, as its pair gives it: a point, or PKCS#1.
pub(super) fn public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, SigningError> {
    let (_, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|_| SigningError::Certificate)?;
    Ok(parsed.public_key().subject_public_key.data.to_vec())
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}
