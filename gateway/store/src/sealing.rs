//! What personal data looks like on disk: sealed where it must be read back, a keyed digest where
//! it is only looked up.
//!
//! # Invariants
//!
//! 1. A sealed value opens only under its own key, in its own table, row and column: bytes that
//!    were changed, moved or copied elsewhere are damaged, never another value.
//! 2. Digests of one text under two purposes have nothing in common, so that no column tells
//!    anything about another.
//! 3. The key of the file is wiped from memory when it is dropped.
//!
//! # Format
//!
//! A sealed value is `version (1) ‖ key id (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, by
//! AES-256-GCM-SIV, which forgives a repeated nonce. A digest is HMAC-SHA256 cut to 16 bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use policies::failure::Opaque;
use zeroize::Zeroizing;

const KEY_LEN: usize = 32;
const KEY_ID_LEN: usize = 4;
/// 128 bits: a chance collision needs some 2^64 entries.
const DIGEST_LEN: usize = 16;
/// The characters in which the numbers of one block differ.
const NEIGHBOURS_LEN: usize = 3;
const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;
/// How much longer a value is once it is sealed: its header, and the tag of 16 bytes.
pub(crate) const SEALED_EXTRA_LEN: usize = HEADER_LEN + 16;
/// Separates our derived keys from those another program might derive from the same file.
const SALT: &[u8] = b"argine store";
/// Separates what others derive ([`Key::derive`]) from what the store does.
const DERIVED_SALT: &[u8] = b"argine derived";

/// The key of a store, as its file holds it.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_LEN]>);

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

    /// A key for another purpose than the store's own, which tells nothing about this one and stays
    /// the same as long as it does.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_LEN]> {
        let root = Salt::new(HKDF_SHA256, DERIVED_SALT).extract(self.0.as_slice());
        subkey(&root, purpose.as_bytes())
    }

    fn from_hex(text: &[u8]) -> Option<Key> {
        if text.len() != 2 * KEY_LEN {
            return None;
        }
        let mut key = Zeroizing::new([0; KEY_LEN]);
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

/// What a digest is looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An idempotency key within its organisation.
    Key,
    /// What a caller sent.
    Fingerprint,
    /// A number.
    Number,
    /// A person.
    Person,
    /// An authority, as a name.
    Identity,
    /// An answer about a person.
    Answer,
    /// The name of what an operator set.
    Operator,
    /// The person whom a record of the audit is about.
    Audit,
}

impl Purpose {
    const ALL: [Purpose; 8] = [
        Purpose::Key,
        Purpose::Fingerprint,
        Purpose::Number,
        Purpose::Person,
        Purpose::Identity,
        Purpose::Answer,
        Purpose::Operator,
        Purpose::Audit,
    ];

    /// The label its subkey is derived under. Changing one makes every stored digest unfindable.
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::Key => b"digest:key",
            Purpose::Fingerprint => b"digest:fingerprint",
            Purpose::Number => b"digest:number",
            Purpose::Person => b"digest:person",
            Purpose::Identity => b"digest:identity",
            Purpose::Answer => b"digest:answer",
            Purpose::Operator => b"digest:operator",
            Purpose::Audit => b"digest:audit",
        }
    }
}

/// A keyed digest.
pub(crate) type Digest = [u8; DIGEST_LEN];

/// Where a sealed value lives; it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The table.
    pub(crate) table: &'static str,
    /// The name of the row.
    pub(crate) row: [u8; 16],
    /// The column.
    pub(crate) column: &'static str,
}

impl Place {
    /// Unambiguous: table and column names hold no zero byte, row and key id have fixed lengths.
    fn aad(&self, key_id: [u8; KEY_ID_LEN]) -> Vec<u8> {
        let mut aad = Vec::with_capacity(64);
        aad.extend_from_slice(self.table.as_bytes());
        aad.push(0);
        aad.extend_from_slice(&self.row);
        aad.extend_from_slice(self.column.as_bytes());
        aad.push(0);
        aad.extend_from_slice(&key_id);
        aad
    }
}

/// A sealed value that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

/// A value that cannot be sealed: longer than the cipher takes, or no randomness to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsealable;

/// Seals and digests under one key.
pub(crate) struct Sealer {
    id: [u8; KEY_ID_LEN],
    check: Digest,
    cipher: RandomizedNonceKey,
    digests: [hmac::Key; Purpose::ALL.len()],
}

impl Sealer {
    /// Derives what is needed from `key`.
    pub(crate) fn new(key: &Key) -> Sealer {
        let root = Salt::new(HKDF_SHA256, SALT).extract(key.0.as_slice());
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, subkey(&root, b"seal").as_slice())
            .expect("a key of 32 bytes is what AES-256 takes");
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&subkey(&root, b"id")[..KEY_ID_LEN]);
        let mut check = [0; DIGEST_LEN];
        check.copy_from_slice(&subkey(&root, b"check")[..DIGEST_LEN]);
        Sealer {
            id,
            check,
            cipher,
            digests: Purpose::ALL.map(|purpose| {
                hmac::Key::new(hmac::HMAC_SHA256, subkey(&root, purpose.label()).as_slice())
            }),
        }
    }

    /// A value that only this key gives, to recognise a wrong key by.
    pub(crate) fn check(&self) -> Digest {
        self.check
    }

    /// The digest of `parts` for `purpose`; parts are told apart, not run together.
    pub(crate) fn digest(&self, purpose: Purpose, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.digests[purpose as usize]);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        cut(&context.sign())
    }

    /// The digest of a number, for [`Purpose::Number`]: its first half is that of all the numbers
    /// that differ in the last three characters only, a block of ours.
    ///
    /// So the numbers of a block stand side by side in an index, and appending them does not touch
    /// a page at random for each. All it tells is that two numbers are close, as is their order.
    pub(crate) fn number_digest(&self, number: &[u8]) -> Digest {
        let head = &number[..number.len().saturating_sub(NEIGHBOURS_LEN)];
        let neighbours = self.digest(Purpose::Number, &[head]);
        let mut digest = self.digest(Purpose::Number, &[head, number]);
        digest[..DIGEST_LEN / 2].copy_from_slice(&neighbours[..DIGEST_LEN / 2]);
        digest
    }

    /// Seals `plain` for `place`.
    pub(crate) fn seal(&self, place: Place, plain: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let mut body = plain.to_vec();
        let nonce = self
            .cipher
            .seal_in_place_append_tag(Aad::from(place.aad(self.id)), &mut body)
            .map_err(|_| Unsealable)?;
        let mut sealed = Vec::with_capacity(HEADER_LEN + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.id);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what was sealed for `place`.
    pub(crate) fn unseal(&self, place: Place, sealed: &[u8]) -> Result<Opaque, Damaged> {
        let (header, body) = sealed.split_at_checked(HEADER_LEN).ok_or(Damaged)?;
        if header[0] != VERSION || header[1..=KEY_ID_LEN] != self.id {
            return Err(Damaged);
        }
        let nonce =
            Nonce::try_assume_unique_for_key(&header[1 + KEY_ID_LEN..]).map_err(|_| Damaged)?;
        let mut plain = body.to_vec();
        let length = self
            .cipher
            .open_in_place(nonce, Aad::from(place.aad(self.id)), &mut plain)
            .map_err(|_| Damaged)?
            .len();
        plain.truncate(length);
        Ok(Opaque(plain))
    }
}

fn cut(tag: &hmac::Tag) -> Digest {
    let mut digest = [0; DIGEST_LEN];
    digest.copy_from_slice(&tag.as_ref()[..DIGEST_LEN]);
    digest
}

/// How many bytes a derived key has.
struct SubkeyLen;

impl KeyType for SubkeyLen {
    fn len(&self) -> usize {
        KEY_LEN
    }
}

fn subkey(root: &Prk, label: &[u8]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    root.expand(&[label], SubkeyLen)
        .and_then(|derived| derived.fill(bytes.as_mut_slice()))
        .expect("HKDF-SHA256 gives up to 8160 bytes");
    bytes
}

#[cfg(test)]
mod tests;
