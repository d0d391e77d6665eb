//! The SanitelCF pair: RSA of 1024 bits, as the real one is (sac.md §4.1).
//!
//! No other library of the project makes or takes a key that short, which is why this one alone
//! comes from the `rsa` crate and its certificate is signed over the bare public key.

use std::fs;
use std::io;
use std::path::Path;

use rcgen::{PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};

use super::authority::Authority;
use super::failed;

const KEY_BITS: usize = 1024;

struct PublicKey(Vec<u8>);

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        // Any RSA one would do: only its key identifier (rsaEncryption) is written here.
        &PKCS_RSA_SHA256
    }
}

/// Writes `sanitel.pem` (certificate) and `sanitel.key` (PKCS#8).
pub(super) fn issue(authority: &Authority, directory: &Path) -> io::Result<()> {
    let key = rsa::RsaPrivateKey::new(&mut rand_core::OsRng, KEY_BITS).map_err(failed)?;
    let public = key.to_public_key().to_pkcs1_der().map_err(failed)?;
    let certificate = authority.certify("SanitelCF", &PublicKey(public.as_bytes().to_vec()))?;
    fs::write(directory.join("sanitel.pem"), certificate)?;
    let private = key.to_pkcs8_pem(LineEnding::LF).map_err(failed)?;
    fs::write(directory.join("sanitel.key"), private.as_bytes())
}
