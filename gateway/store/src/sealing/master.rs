//! The master key: it is read from a file, wraps the ring of data keys, and seals nothing else.
//!
//! # Invariants
//!
//! 1. It is wiped from memory when it is dropped, and nothing prints it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::keys::ring::{KEY_LEN, Secret};

/// Separates our derived keys from those another program might derive from the same file.
const SALT: &[u8] = b"argine store";
/// Separates what others derived from the key, before there was a ring.
const DERIVED_SALT: &[u8] = b"argine derived";
/// Separates what wraps rings.
const RING_SALT: &[u8] = b"argine ring";
/// How many bytes tell masters apart.
pub(crate) const NAME_LEN: usize = 8;

/// The key of a store, as its file holds it.
#[derive(Clone)]
pub struct Key(Secret);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Why a key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read.
    #[error("the key file {path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the key file {path} must hold exactly 64 hexadecimal characters (32 random bytes)")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl Key {
    /// Reads a key from `path`: 64 hexadecimal characters, white space around them forgiven.
    ///
    /// # Errors
    ///
    /// There is no such file, or it holds something else.
    pub fn from_file(path: &Path) -> Result<Key, KeyError> {
        let text = fs::read(path)
            .map(Zeroizing::new)
            .map_err(|source| KeyError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
        Key::from_hex(text.trim_ascii()).ok_or_else(|| KeyError::Malformed {
            path: path.to_owned(),
        })
    }

    /// A key made of one byte.
    #[cfg(test)]
    pub(crate) fn of_seed(seed: u8) -> Key {
        Key(Zeroizing::new([seed; KEY_LEN]))
    }

    /// What a store was sealed under before it had a ring, by its label.
    pub(crate) fn before_rings(&self, label: &[u8]) -> Secret {
        expand(
            &Salt::new(HKDF_SHA256, SALT).extract(self.0.as_slice()),
            label,
        )
    }

    /// What others derived from the key before there was a ring: the root of [`derive`].
    pub(crate) fn derived_root(&self) -> Secret {
        // HKDF-Extract, RFC 5869 §2.2, whose result is kept.
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, DERIVED_SALT),
            self.0.as_slice(),
        );
        let mut root = Secret::default();
        root.copy_from_slice(tag.as_ref());
        root
    }

    /// What wraps rings under this key.
    pub(crate) fn wrap(&self) -> Secret {
        expand(&self.ring_root(), b"wrap")
    }

    /// What the manifest of a backup is authenticated with: a restore has no ring before it believes it.
    pub(crate) fn manifest(&self) -> Secret {
        expand(&self.ring_root(), b"backup manifest")
    }

    /// Tells this key from another; says nothing about it.
    pub(crate) fn name(&self) -> [u8; NAME_LEN] {
        let mut name = [0; NAME_LEN];
        name.copy_from_slice(&expand(&self.ring_root(), b"name")[..NAME_LEN]);
        name
    }

    fn ring_root(&self) -> Prk {
        Salt::new(HKDF_SHA256, RING_SALT).extract(self.0.as_slice())
    }

    fn from_hex(text: &[u8]) -> Option<Key> {
        if text.len() != 2 * KEY_LEN {
            return None;
        }
        let mut key = Secret::default();
        for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Key(key))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// The key that `root` gives for `label`.
pub(crate) fn derive(root: &Secret, label: &[u8]) -> Secret {
    expand(&Prk::new_less_safe(HKDF_SHA256, root.as_slice()), label)
}

/// How many bytes a derived key has.
struct SubkeyLen;

impl KeyType for SubkeyLen {
    fn len(&self) -> usize {
        KEY_LEN
    }
}

fn expand(root: &Prk, label: &[u8]) -> Secret {
    let mut bytes = Secret::default();
    root.expand(&[label], SubkeyLen)
        .and_then(|derived| derived.fill(bytes.as_mut_slice()))
        .expect("HKDF-SHA256 gives up to 8160 bytes");
    bytes
}
