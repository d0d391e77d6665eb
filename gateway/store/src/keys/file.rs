//! The ring on disk: one small file, replaced whole.
//!
//! # Invariants
//!
//! 1. Whatever stops a write, the file holds the ring from before or the one after.
//! 2. A file that was cut or changed is damaged, never another ring; one under another master key is
//!    told from that.
//! 3. While two master keys are accepted, either opens all of it.
//!
//! # Format
//!
//! `"ARGK" ‖ version (1) ‖ slots (1) ‖ slot (68 each) ‖ nonce (12) ‖ sealed ring ‖ tag (16) ‖ SHA-256 of
//! all before it (32)`. A slot is `name of a master key (8) ‖ nonce (12) ‖ sealed key of the ring (32) ‖
//! tag (16)`. Both are sealed by AES-256-GCM-SIV. The SHA-256 tells damage from a wrong master key, and
//! is no proof of anything else: that the seals are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use zeroize::Zeroizing;

use super::RingError;
use super::ring::{DataKey, KEY_LEN, KeyId, Ring, Secret, Use, random};
use crate::sealing::{Key, NAME_LEN};

/// The file, in the directory of the store.
pub(crate) const FILE: &str = "keys";
/// What is written before it takes the place of [`FILE`].
const NEXT: &str = "keys.next";
const MAGIC: &[u8; 4] = b"ARGK";
const VERSION: u8 = 1;
const TAG_LEN: usize = 16;
const SLOT_LEN: usize = NAME_LEN + NONCE_LEN + KEY_LEN + TAG_LEN;
/// The master key in use, and the one that takes over.
const SLOTS_MAX: usize = 2;
/// More than a ring with as many keys as fit.
const BYTES_MAX: u64 = 1 << 20;
/// What a sealed ring is told from a sealed key of one by.
const RING: &[u8] = b"ring";

/// Who can open the file: the key it is sealed under, itself sealed under each master key.
pub(super) struct Wraps {
    key: Secret,
    slots: Vec<[u8; SLOT_LEN]>,
}

/// Which of the accepted master keys opened a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opener {
    /// The only one.
    Only,
    /// One that another is about to follow.
    Leaving,
    /// The one that follows.
    Coming,
}

impl Wraps {
    /// Another key of a ring, for `master` alone.
    pub(super) fn fresh(master: &Key) -> Result<Wraps, RingError> {
        let key = random()?;
        let slots = vec![slot(master, &key)?];
        Ok(Wraps { key, slots })
    }

    /// Which of those accepted `master` is, which has opened the file.
    pub(super) fn opener(&self, master: &Key) -> Opener {
        match self.slots.as_slice() {
            [_] => Opener::Only,
            [first, ..] if first.starts_with(&master.name()) => Opener::Leaving,
            _ => Opener::Coming,
        }
    }

    /// Accepts `master` beside the one that `current` names, and nobody else.
    pub(super) fn accept(&mut self, current: &Key, master: &Key) -> Result<(), RingError> {
        self.slots.retain(|slot| slot.starts_with(&current.name()));
        self.slots.push(slot(master, &self.key)?);
        Ok(())
    }
}

fn slot(master: &Key, key: &Secret) -> Result<[u8; SLOT_LEN], RingError> {
    let name = master.name();
    let mut slot = [0; SLOT_LEN];
    slot[..NAME_LEN].copy_from_slice(&name);
    slot[NAME_LEN..].copy_from_slice(&seal(&master.wrap(), &name, key.as_slice())?);
    Ok(slot)
}

fn cipher(key: &Secret) -> RandomizedNonceKey {
    RandomizedNonceKey::new(&AES_256_GCM_SIV, key.as_slice())
        .expect("a key of 32 bytes is what AES-256 takes")
}

fn seal(key: &Secret, about: &[u8], plain: &[u8]) -> Result<Vec<u8>, RingError> {
    // What outgrows its place leaves a copy there: there is room for the tag.
    let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + TAG_LEN));
    body.extend_from_slice(plain);
    let nonce = cipher(key)
        .seal_in_place_append_tag(Aad::from(about), &mut *body)
        .map_err(|_| RingError::Randomness)?;
    Ok([nonce.as_ref().as_slice(), body.as_slice()].concat())
}

fn unseal(key: &Secret, about: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut plain = Zeroizing::new(body.to_vec());
    let length = cipher(key)
        .open_in_place(nonce, Aad::from(about), &mut plain)
        .ok()?
        .len();
    plain.truncate(length);
    Some(plain)
}

/// Reads the ring in `directory`; `None` if there is none.
pub(super) fn read(directory: &Path, master: &Key) -> Result<Option<(Wraps, Ring)>, RingError> {
    let path = directory.join(FILE);
    let mut bytes = Vec::new();
    let opened = File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RingError::File { path, source }),
        Ok(_) => {}
    }
    decode(path, &bytes, master).map(Some)
}

/// The ring in the `bytes` of the file at `path`.
fn decode(path: PathBuf, bytes: &[u8], master: &Key) -> Result<(Wraps, Ring), RingError> {
    let Some((slots, body)) = parse(bytes) else {
        return Err(RingError::Damaged { path });
    };
    let name = master.name();
    let Some(at) = slots.iter().position(|slot| slot.starts_with(&name)) else {
        return Err(RingError::WrongKey);
    };
    let open = || {
        let key = unseal(&master.wrap(), &name, &slots[at][NAME_LEN..])?;
        let key = Zeroizing::new(<[u8; KEY_LEN]>::try_from(key.as_slice()).ok()?);
        let ring = Ring::decode(&unseal(&key, RING, body)?)?;
        Some((Wraps { key, slots }, ring))
    };
    open().ok_or(RingError::Damaged { path })
}

/// The keys of the rows that the `bytes` of the file at `path` hold, those that are gone left out.
pub(crate) fn keys_of_rows(
    path: &Path,
    bytes: &[u8],
    master: &Key,
) -> Result<Vec<KeyId>, RingError> {
    let (_, ring) = decode(path.to_owned(), bytes, master)?;
    let is_kept = |key: &&DataKey| key.usage == Use::Rows && key.secret.is_some();
    Ok(ring.keys.iter().filter(is_kept).map(|key| key.id).collect())
}

/// The slots and the sealed ring of a file that is whole.
fn parse(bytes: &[u8]) -> Option<(Vec<[u8; SLOT_LEN]>, &[u8])> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(SHA256_OUTPUT_LEN)?)?;
    let rest = content.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
    let (&count, rest) = rest.split_first()?;
    let (slots, body) = rest.split_at_checked(usize::from(count) * SLOT_LEN)?;
    let (slots, _) = slots.as_chunks();
    let is_whole = digest(&SHA256, content).as_ref() == sum;
    (is_whole && (1..=SLOTS_MAX).contains(&slots.len())).then(|| (slots.to_vec(), body))
}

/// Puts `ring` in the place of the one in `directory`.
pub(super) fn write(directory: &Path, wraps: &Wraps, ring: &Ring) -> Result<(), RingError> {
    let mut bytes = [MAGIC.as_slice(), &[VERSION]].concat();
    bytes.push(u8::try_from(wraps.slots.len()).expect("there are two at most"));
    bytes.extend_from_slice(wraps.slots.as_flattened());
    bytes.extend_from_slice(&seal(&wraps.key, RING, &ring.encode())?);
    let sum = digest(&SHA256, &bytes);
    bytes.extend_from_slice(sum.as_ref());
    let next = directory.join(NEXT);
    replace(directory, &next, &bytes).map_err(|source| RingError::File { path: next, source })
}

/// Invariant 1.
fn replace(directory: &Path, next: &PathBuf, bytes: &[u8]) -> io::Result<()> {
    // What a process left behind that was killed here.
    match fs::remove_file(next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(next, directory.join(FILE))?;
    File::open(directory)?.sync_all()
}
