//! What a ring holds: the data keys of a store and the root of its digests.
//!
//! # Invariants
//!
//! 1. Exactly one key of the rows is active.
//! 2. A key that is gone has no bytes; every other has.
//! 3. What digests are made of never changes: rotation concerns the data keys alone.
//!
//! # Format
//!
//! `id (16) ‖ root (32) ‖ lookups (1 + 32 each) ‖ keys (2 each: id 4 ‖ use 1 ‖ state 1 ‖ made at 8 ‖
//! bytes 32)`, numbers big-endian. It is on disk only as [`super::file`] seals it.

use aws_lc_rs::rand;
use policies::time::Timestamp;
use zeroize::Zeroizing;

use crate::sealing::{Digest, Key, Purpose, derive};

/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 32;
/// Bytes that name a data key.
pub const KEY_ID_LEN: usize = 4;
/// Bytes that name a ring.
const RING_ID_LEN: usize = 16;
/// Keys that are gone and still told of: years of rotations.
const GONE_MAX: usize = 64;
/// More than the keys of two years of segments.
const KEYS_MAX: usize = 4_096;

/// Names a data key, in the header of every value that is sealed under it.
pub type KeyId = [u8; KEY_ID_LEN];
/// The bytes of a key.
pub(crate) type Secret = Zeroizing<[u8; KEY_LEN]>;

/// What a data key seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Rows of the databases: rotated by sealing them again.
    Rows,
    /// A segment of the audit, which is never written again: it keeps its key until it is deleted.
    Audit,
}

/// How a data key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Seals what is new.
    Active,
    /// Opens what it has sealed.
    Old,
    /// Destroyed.
    Gone,
}

impl KeyState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyState::Active => "active",
            KeyState::Old => "old",
            KeyState::Gone => "gone",
        }
    }
}

/// A data key.
#[derive(Clone)]
pub(crate) struct DataKey {
    pub(crate) id: KeyId,
    pub(crate) usage: Use,
    pub(crate) state: KeyState,
    pub(crate) made_at: Timestamp,
    /// Invariant 2.
    pub(crate) secret: Option<Secret>,
}

/// A ring.
pub(crate) struct Ring {
    pub(crate) id: Digest,
    /// What other keys are derived from.
    pub(crate) root: Secret,
    lookups: Vec<Secret>,
    pub(crate) keys: Vec<DataKey>,
}

/// There is no randomness to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

impl Ring {
    /// The ring of a store that begins.
    pub(crate) fn fresh(now: Timestamp) -> Result<Ring, NoRandomness> {
        let root = random()?;
        let lookups = Purpose::ALL.map(|purpose| derive(&root, purpose.label()));
        let mut ring = Ring {
            id: *random()?,
            root,
            lookups: lookups.into(),
            keys: Vec::new(),
        };
        ring.add(Use::Rows, now)?;
        Ok(ring)
    }

    /// The ring that a store from before there were rings has had all along, under `key`.
    pub(crate) fn of_old(key: &Key, now: Timestamp) -> Ring {
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&key.before_rings(b"id")[..KEY_ID_LEN]);
        let mut check = [0; RING_ID_LEN];
        check.copy_from_slice(&key.before_rings(b"check")[..RING_ID_LEN]);
        let lookups = Purpose::ALL.map(|purpose| key.before_rings(purpose.label()));
        Ring {
            id: check,
            root: key.derived_root(),
            lookups: lookups.into(),
            keys: vec![DataKey {
                id,
                usage: Use::Rows,
                state: KeyState::Active,
                made_at: now,
                secret: Some(key.before_rings(b"seal")),
            }],
        }
    }

    /// What digests for `purpose` are made with.
    pub(crate) fn lookup(&self, purpose: Purpose) -> Secret {
        let known = self.lookups.get(purpose as usize);
        // A ring of an earlier release knows fewer purposes.
        known.map_or_else(|| derive(&self.root, purpose.label()), Secret::clone)
    }

    /// Makes another key active for `usage`; the one before, if there is one, is old.
    pub(crate) fn add(&mut self, usage: Use, now: Timestamp) -> Result<KeyId, NoRandomness> {
        let mut id = *random::<KEY_ID_LEN>()?;
        while self.keys.iter().any(|key| key.id == id) {
            id = *random()?;
        }
        let secret = random()?;
        for key in &mut self.keys {
            if key.usage == usage && key.state == KeyState::Active {
                key.state = KeyState::Old;
            }
        }
        self.keys.push(DataKey {
            id,
            usage,
            state: KeyState::Active,
            made_at: now,
            secret: Some(secret),
        });
        Ok(id)
    }

    /// Destroys the old key `id`; whether there was one.
    pub(crate) fn destroy(&mut self, id: KeyId) -> bool {
        let mut old = self.keys.iter_mut();
        let Some(key) = old.find(|key| key.id == id && key.state == KeyState::Old) else {
            return false;
        };
        key.state = KeyState::Gone;
        key.secret = None;
        let gone = |key: &DataKey| key.state == KeyState::Gone;
        if self.keys.iter().filter(|key| gone(key)).count() > GONE_MAX
            && let Some(first) = self.keys.iter().position(gone)
        {
            self.keys.remove(first);
        }
        true
    }

    /// The keys of `usage` that only open.
    pub(crate) fn old(&self, usage: Use) -> impl Iterator<Item = KeyId> {
        let old = move |key: &&DataKey| key.usage == usage && key.state == KeyState::Old;
        self.keys.iter().filter(old).map(|key| key.id)
    }

    /// Whether no other key fits.
    pub(crate) fn is_full(&self) -> bool {
        self.keys.len() >= KEYS_MAX
    }

    /// Another, to be changed before it takes the place of this one.
    pub(crate) fn copy(&self) -> Ring {
        Ring {
            id: self.id,
            root: self.root.clone(),
            lookups: self.lookups.clone(),
            keys: self.keys.clone(),
        }
    }

    /// Its bytes.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // All of it at once: what outgrows its place leaves a copy there.
        let length =
            RING_ID_LEN + KEY_LEN + 1 + KEY_LEN * self.lookups.len() + 2 + 46 * self.keys.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(self.root.as_slice());
        bytes.push(u8::try_from(self.lookups.len()).expect("there are few purposes"));
        for lookup in &self.lookups {
            bytes.extend_from_slice(lookup.as_slice());
        }
        let count = u16::try_from(self.keys.len()).expect("KEYS_MAX fits");
        bytes.extend_from_slice(&count.to_be_bytes());
        for key in &self.keys {
            bytes.extend_from_slice(&key.id);
            bytes.push(match key.usage {
                Use::Rows => 0,
                Use::Audit => 1,
            });
            bytes.push(match key.state {
                KeyState::Active => 0,
                KeyState::Old => 1,
                KeyState::Gone => 2,
            });
            bytes.extend_from_slice(&key.made_at.0.to_be_bytes());
            let nothing = Secret::default();
            bytes.extend_from_slice(key.secret.as_ref().unwrap_or(&nothing).as_slice());
        }
        bytes
    }

    /// The way back; `None` if they are not the bytes of a ring.
    pub(crate) fn decode(mut rest: &[u8]) -> Option<Ring> {
        let rest = &mut rest;
        let id = take(rest)?;
        let root = Zeroizing::new(take(rest)?);
        let [lookups] = take(rest)?;
        let lookups = (0..lookups)
            .map(|_| take(rest).map(Zeroizing::new))
            .collect::<Option<Vec<_>>>()?;
        let keys = (0..u16::from_be_bytes(take(rest)?))
            .map(|_| DataKey::decode(rest))
            .collect::<Option<Vec<_>>>()?;
        let is_active = |key: &&DataKey| key.usage == Use::Rows && key.state == KeyState::Active;
        let is_whole = rest.is_empty() && keys.iter().filter(is_active).count() == 1;
        is_whole.then_some(Ring {
            id,
            root,
            lookups,
            keys,
        })
    }
}

impl DataKey {
    fn decode(rest: &mut &[u8]) -> Option<DataKey> {
        let id = take(rest)?;
        let usage = match take(rest)? {
            [0] => Use::Rows,
            [1] => Use::Audit,
            _ => return None,
        };
        let state = match take(rest)? {
            [0] => KeyState::Active,
            [1] => KeyState::Old,
            [2] => KeyState::Gone,
            _ => return None,
        };
        let made_at = Timestamp(u64::from_be_bytes(take(rest)?));
        let secret = Zeroizing::new(take(rest)?);
        Some(DataKey {
            id,
            usage,
            state,
            made_at,
            secret: (state != KeyState::Gone).then_some(secret),
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}
