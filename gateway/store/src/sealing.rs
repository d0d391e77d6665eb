//! What personal data looks like on disk: sealed where it must be read back, a keyed digest where
//! it is only looked up.
//!
//! # Invariants
//!
//! 1. A sealed value opens only under its own key, in its own table, row and column: bytes that
//!    were changed, moved or copied elsewhere are damaged, never another value.
//! 2. Digests of one text under two purposes have nothing in common, so that no column tells
//!    anything about another.
//! 3. Keys are wiped from memory when they are dropped, and nothing prints them.
//! 4. What was sealed under any key of the ring opens; sealing is under the one that is active.
//!
//! # Format
//!
//! A sealed value is `version (1) ‖ key id (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, by
//! AES-256-GCM-SIV, which forgives a repeated nonce. A digest is HMAC-SHA256 cut to 16 bytes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use policies::failure::Opaque;

pub use crate::keys::ring::{KEY_ID_LEN, KeyId};
use crate::keys::ring::{KeyState, Ring, Use};
pub use master::{Key, KeyError};
pub(crate) use master::{NAME_LEN, derive};

mod master;

/// 128 bits: a chance collision needs some 2^64 entries.
const DIGEST_LEN: usize = 16;
/// The characters in which the numbers of one block differ.
const NEIGHBOURS_LEN: usize = 3;
const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;
/// How much longer a value is once it is sealed: its header, and the tag of 16 bytes.
pub(crate) const SEALED_EXTRA_LEN: usize = HEADER_LEN + 16;
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
    pub(crate) const ALL: [Purpose; 8] = [
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
    pub(crate) fn label(self) -> &'static [u8] {
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

/// The ciphers of a ring.
struct Opened {
    ciphers: Vec<(KeyId, RandomizedNonceKey)>,
    /// The place of the one that rows are sealed with.
    active: usize,
}

impl Opened {
    fn of(ring: &Ring) -> Opened {
        let mut active = 0;
        let mut ciphers = Vec::with_capacity(ring.keys.len());
        for key in &ring.keys {
            let Some(secret) = &key.secret else { continue };
            if key.usage == Use::Rows && key.state == KeyState::Active {
                active = ciphers.len();
            }
            let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, secret.as_slice())
                .expect("a key of 32 bytes is what AES-256 takes");
            ciphers.push((key.id, cipher));
        }
        Opened { ciphers, active }
    }

    fn cipher(&self, id: &[u8]) -> Option<&RandomizedNonceKey> {
        let mut known = self.ciphers.iter();
        known.find(|(known, _)| known == id).map(|(_, key)| key)
    }
}

/// What makes digests: it stays through every rotation.
struct Lookups {
    check: Digest,
    digests: [hmac::Key; Purpose::ALL.len()],
}

/// Seals, opens and digests under the keys of one ring, whichever it holds at that moment.
#[derive(Clone)]
pub(crate) struct Sealer {
    opened: Arc<ArcSwap<Opened>>,
    lookups: Arc<Lookups>,
}

impl Sealer {
    /// Begins with what `ring` holds.
    pub(crate) fn of(ring: &Ring) -> Sealer {
        let lookups = Lookups {
            check: ring.id,
            digests: Purpose::ALL
                .map(|purpose| hmac::Key::new(hmac::HMAC_SHA256, &*ring.lookup(purpose))),
        };
        Sealer {
            opened: Arc::new(ArcSwap::from_pointee(Opened::of(ring))),
            lookups: Arc::new(lookups),
        }
    }

    /// Goes on, in every copy of this, with what `ring` holds now.
    pub(crate) fn adopt(&self, ring: &Ring) {
        self.opened.store(Arc::new(Opened::of(ring)));
    }

    /// The key that is sealed with.
    pub(crate) fn active(&self) -> KeyId {
        let opened = self.opened.load();
        opened.ciphers[opened.active].0
    }

    /// A value that only this ring gives, to recognise another by.
    pub(crate) fn check(&self) -> Digest {
        self.lookups.check
    }

    /// The digest of `parts` for `purpose`; parts are told apart, not run together.
    pub(crate) fn digest(&self, purpose: Purpose, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.lookups.digests[purpose as usize]);
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
        let opened = self.opened.load();
        let (id, cipher) = &opened.ciphers[opened.active];
        seal(*id, cipher, place, plain)
    }

    /// Seals `plain` for `place` under the key `id`, which is not that of the rows.
    pub(crate) fn seal_under(
        &self,
        id: KeyId,
        place: Place,
        plain: &[u8],
    ) -> Result<Vec<u8>, Unsealable> {
        let opened = self.opened.load();
        let cipher = opened.cipher(&id).ok_or(Unsealable)?;
        seal(id, cipher, place, plain)
    }

    /// Opens what was sealed for `place`.
    pub(crate) fn unseal(&self, place: Place, sealed: &[u8]) -> Result<Opaque, Damaged> {
        let (header, body) = sealed.split_at_checked(HEADER_LEN).ok_or(Damaged)?;
        let (id, nonce) = header[1..].split_first_chunk().ok_or(Damaged)?;
        if header[0] != VERSION {
            return Err(Damaged);
        }
        let opened = self.opened.load();
        let cipher = opened.cipher(id).ok_or(Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Damaged)?;
        let mut plain = body.to_vec();
        let length = cipher
            .open_in_place(nonce, Aad::from(place.aad(*id)), &mut plain)
            .map_err(|_| Damaged)?
            .len();
        plain.truncate(length);
        Ok(Opaque(plain))
    }
}

/// The key that `sealed` names in its header.
pub(crate) fn key_of(sealed: &[u8]) -> Option<KeyId> {
    sealed.get(1..=KEY_ID_LEN)?.try_into().ok()
}

fn seal(
    id: KeyId,
    cipher: &RandomizedNonceKey,
    place: Place,
    plain: &[u8],
) -> Result<Vec<u8>, Unsealable> {
    let mut body = plain.to_vec();
    let nonce = cipher
        .seal_in_place_append_tag(Aad::from(place.aad(id)), &mut body)
        .map_err(|_| Unsealable)?;
    let mut sealed = Vec::with_capacity(HEADER_LEN + body.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&id);
    sealed.extend_from_slice(nonce.as_ref());
    sealed.append(&mut body);
    Ok(sealed)
}

fn cut(tag: &hmac::Tag) -> Digest {
    let mut digest = [0; DIGEST_LEN];
    digest.copy_from_slice(&tag.as_ref()[..DIGEST_LEN]);
    digest
}

#[cfg(test)]
mod tests;
