//! The keys of a store: a ring of data keys on disk, wrapped under the master key.
//!
//! # Invariants
//!
//! 1. A data key is on disk before anything is sealed under it, and is destroyed only once nothing in
//!    the databases names it and nobody holds anything that does.
//! 2. A ring that is damaged, of another store, or under another master key is refused, and nothing is
//!    changed; nor is it before its database has been accepted, but for one that begins.
//! 3. Digests stay as they are through every rotation.
//! 4. The master key is not kept in memory once the ring is open.
//!
//! # Failure
//!
//! After a failed write the ring goes on as it was: on disk it is as before or as it was to be, and a
//! key more in it does no harm.
//!
//! # Not here
//!
//! Sealing everything again is `rotation`. An audit segment is never sealed again: it has a key of its
//! own (`audit`), destroyed with it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;
use policies::time::Timestamp;
use zeroize::Zeroizing;

use crate::sealing::{Digest, Key, Sealer, derive};
pub use audit::Unsealed;
use file::{Opener, Wraps};
use ring::{KEY_LEN, Ring};
pub use ring::{KeyId, KeyState, NoRandomness, Use};
pub use rotation::{Begun, Progress, Report, Rotation};

mod audit;
pub(crate) mod file;
pub(crate) mod ring;
mod rotation;
#[cfg(test)]
mod tests;

/// Before the digest of a ring where a database records which ring it belongs to.
const RECORDED: &[u8; 4] = b"ring";

/// Why a ring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// Another master key wraps it.
    #[error("the key file is not the one this store was sealed with")]
    WrongKey,
    /// The master key that is to take over is the one in force.
    #[error("the new key file holds the key that is in force already")]
    SameKey,
    /// It was cut or changed.
    #[error("{path} is damaged: restore it (see the store's README, \"When it refuses\")")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The database was sealed with a ring, and there is none.
    #[error("{path} is gone: restore it (see the store's README, \"When it refuses\")")]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// The database was sealed with another ring.
    #[error("{path} is the ring of another store: bring back the one of this store")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("{path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no randomness to be had.
    #[error("the system gives no random bytes")]
    Randomness,
    /// As many keys as it holds.
    #[error("the ring holds as many keys as it can: shorten how long the audit is kept")]
    Full,
}

impl From<NoRandomness> for RingError {
    fn from(_: NoRandomness) -> RingError {
        RingError::Randomness
    }
}

/// A data key, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name.
    pub id: KeyId,
    /// What it seals.
    pub usage: Use,
    /// How it stands.
    pub state: KeyState,
    /// When it was made; of a store from before there were rings, when its ring was.
    pub made_at: Timestamp,
}

/// What is on disk.
struct OnDisk {
    ring: Ring,
    wraps: Wraps,
}

/// The ring of a store that is open.
pub struct Keys {
    directory: PathBuf,
    disk: Mutex<OnDisk>,
    /// What everyone seals and opens with. Whoever holds one may have sealed values that are not on
    /// disk yet, or hold sealed values that are not there any more; see [`Keys::turn`].
    era: ArcSwap<Sealer>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// Opens the ring in `directory`, which this process has to itself; `None` if there is none. Writes
    /// nothing.
    pub(crate) fn open(directory: &Path, key: &Key) -> Result<Option<Keys>, RingError> {
        let found = file::read(directory, key)?;
        Ok(found.map(|(wraps, ring)| Keys::of(directory, wraps, ring)))
    }

    /// Ends a change of the master key, once the store is open under `key`: where that is the one that
    /// takes over, the one before is not accepted any more.
    pub(crate) fn settle(&self, key: &Key) -> Result<(), RingError> {
        let mut disk = self.disk();
        match disk.wraps.opener(key) {
            Opener::Only => {}
            Opener::Leaving => tracing::warn!("another master key is accepted beside this one"),
            Opener::Coming => {
                // Whoever has the old master key and an old ring learns nothing of the new one.
                let wraps = Wraps::fresh(key)?;
                file::write(&self.directory, &wraps, &disk.ring)?;
                disk.wraps = wraps;
                tracing::warn!(
                    "the master key has changed: the one before is not accepted any more"
                );
            }
        }
        Ok(())
    }

    /// Opens the ring in `directory`, or makes one where there is none: of a store that begins.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub fn open_or_create(directory: &Path, key: &Key, now: Timestamp) -> Result<Keys, RingError> {
        match Keys::open(directory, key)? {
            Some(keys) => Ok(keys),
            None => Keys::create(directory, key, Ring::fresh(now)?),
        }
    }

    fn create(directory: &Path, key: &Key, ring: Ring) -> Result<Keys, RingError> {
        let wraps = Wraps::fresh(key)?;
        file::write(directory, &wraps, &ring)?;
        Ok(Keys::of(directory, wraps, ring))
    }

    fn of(directory: &Path, wraps: Wraps, ring: Ring) -> Keys {
        Keys {
            directory: directory.to_owned(),
            era: ArcSwap::from_pointee(Sealer::of(&ring)),
            disk: Mutex::new(OnDisk { ring, wraps }),
        }
    }

    /// The ring in `directory` of a database that records `recorded`, made if need be: one that records
    /// nothing begins, and one that records what a release without rings did goes on with its keys.
    pub(crate) fn of_database(
        directory: &Path,
        key: &Key,
        recorded: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Keys, RingError> {
        let path = || directory.join(file::FILE);
        let Some(keys) = Keys::open(directory, key)? else {
            return match recorded {
                None => Keys::create(directory, key, Ring::fresh(now)?),
                Some(recorded) if recorded.starts_with(RECORDED) && recorded.len() == 20 => {
                    Err(RingError::Gone { path: path() })
                }
                Some(recorded) => {
                    let ring = Ring::of_old(key, now);
                    if recorded == ring.id {
                        return Keys::create(directory, key, ring);
                    }
                    Err(RingError::WrongKey)
                }
            };
        };
        let check = keys.sealer().check();
        match recorded {
            // The second was there when its ring was made, and no more came of it.
            Some(known) if known != record(check) && known != check => {
                Err(RingError::Foreign { path: path() })
            }
            _ => Ok(keys),
        }
    }

    /// Whether `key` opens the ring in `directory`, and it is that of a database that records
    /// `recorded`. Changes nothing, and needs nothing to itself.
    pub(crate) fn check(
        directory: &Path,
        key: &Key,
        recorded: Option<&[u8]>,
    ) -> Result<(), RingError> {
        let path = directory.join(file::FILE);
        let (Some((_, ring)), Some(recorded)) = (file::read(directory, key)?, recorded) else {
            return match recorded {
                // A database that no process with rings has opened yet.
                Some(old) if old == Ring::of_old(key, Timestamp::default()).id => Ok(()),
                Some(ours) if ours.starts_with(RECORDED) => Err(RingError::Gone { path }),
                Some(_) => Err(RingError::WrongKey),
                None => Ok(()),
            };
        };
        let check = Sealer::of(&ring).check();
        if recorded == record(check) || recorded == check {
            Ok(())
        } else {
            Err(RingError::Foreign { path })
        }
    }

    /// The ring in `directory`, beside whoever has it open.
    pub(crate) fn look(directory: &Path, key: &Key) -> Result<Keys, RingError> {
        Keys::open(directory, key)?.ok_or_else(|| RingError::Gone {
            path: directory.join(file::FILE),
        })
    }

    /// What a database records of this ring.
    pub(crate) fn record(&self) -> Vec<u8> {
        record(self.sealer().check())
    }

    /// Seals and opens. Hold it from before anything is sealed until it is on disk, and from before
    /// anything is read until it is open: no key that concerns it is destroyed meanwhile.
    pub(crate) fn sealer(&self) -> Arc<Sealer> {
        self.era.load_full()
    }

    /// From here on everyone is given another sealer: once nobody holds the one that is returned, all
    /// that began before is over.
    pub(crate) fn turn(&self) -> Weak<Sealer> {
        let next = Sealer::clone(&self.era.load());
        Arc::downgrade(&self.era.swap(Arc::new(next)))
    }

    /// A key for another purpose than the store's own, which stays the same as long as the store does.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_LEN]> {
        derive(&self.disk().ring.root, purpose.as_bytes())
    }

    /// The keys, in the order they were made.
    pub fn list(&self) -> Vec<KeyInfo> {
        let disk = self.disk();
        let shown = disk.ring.keys.iter().map(|key| KeyInfo {
            id: key.id,
            usage: key.usage,
            state: key.state,
            made_at: key.made_at,
        });
        shown.collect()
    }

    /// Keys of rows that are not sealed with any more.
    pub(crate) fn old(&self) -> Vec<KeyId> {
        self.disk().ring.old(Use::Rows).collect()
    }

    /// Makes another key of the rows, on disk first, and seals with it from here on.
    pub(crate) fn renew(&self, now: Timestamp) -> Result<KeyId, RingError> {
        self.add(Use::Rows, now)
    }

    /// Destroys the old key `id`, on disk first; whether it was there.
    pub(crate) fn destroy(&self, id: KeyId) -> Result<bool, RingError> {
        let mut disk = self.disk();
        let mut next = disk.ring.copy();
        if !next.destroy(id) {
            return Ok(false);
        }
        self.put(&mut disk, next)?;
        Ok(true)
    }

    fn add(&self, usage: Use, now: Timestamp) -> Result<KeyId, RingError> {
        let mut disk = self.disk();
        if disk.ring.is_full() {
            return Err(RingError::Full);
        }
        let mut next = disk.ring.copy();
        let id = next.add(usage, now)?;
        self.put(&mut disk, next)?;
        Ok(id)
    }

    /// On disk first.
    fn put(&self, disk: &mut OnDisk, next: Ring) -> Result<(), RingError> {
        file::write(&self.directory, &disk.wraps, &next)?;
        self.era.load().adopt(&next);
        disk.ring = next;
        Ok(())
    }

    fn disk(&self) -> MutexGuard<'_, OnDisk> {
        // It is replaced whole, so whoever panicked left it whole.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record(check: Digest) -> Vec<u8> {
    [RECORDED.as_slice(), &check].concat()
}

/// Makes `new` a master key of the ring in `directory`, which no other process may have open. `current`
/// goes on opening it until the store is first opened under `new`.
///
/// # Errors
///
/// Why the ring cannot be used; it is as it was, or accepts both.
pub(crate) fn rewrap(directory: &Path, current: &Key, new: &Key) -> Result<(), RingError> {
    let path = directory.join(file::FILE);
    if current.name() == new.name() {
        return Err(RingError::SameKey);
    }
    let (mut wraps, ring) = file::read(directory, current)?.ok_or(RingError::Gone { path })?;
    wraps.accept(current, new)?;
    file::write(directory, &wraps, &ring)
}
