//! Opens what callers encrypted for SanitelCF (sac.md §4.1).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::DecodePrivateKey;

/// RSA-1024, in base64.
const CIPHERTEXT_LEN: usize = 172;

/// The private half of the SanitelCF pair.
pub struct Opener(rsa::RsaPrivateKey);

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(…)")
    }
}

impl Opener {
    /// Reads the PKCS#8 PEM key; none when it is not one.
    pub fn from_pem(pem: &str) -> Option<Opener> {
        rsa::RsaPrivateKey::from_pkcs8_pem(pem).ok().map(Opener)
    }

    /// The plain text; none when it is not exactly one block encrypted for this key.
    pub fn open(&self, text: &str) -> Option<String> {
        if text.len() != CIPHERTEXT_LEN {
            return None;
        }
        let sealed = STANDARD.decode(text).ok()?;
        let plain = self.0.decrypt(rsa::Pkcs1v15Encrypt, &sealed).ok()?;
        String::from_utf8(plain).ok()
    }
}
