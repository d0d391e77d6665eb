//! Keys of audit segments: a segment is never written again, so it keeps its key until it is deleted.
//!
//! # Invariants
//!
//! 1. A rotation of the keys of the rows leaves them alone.
//! 2. A sealed record opens in its own segment only.

use std::time::Duration;

use policies::failure::Opaque;
use policies::time::Timestamp;

use super::{KeyId, KeyInfo, KeyState, Keys, RingError, Use};
use crate::sealing::Place;

/// A record could not be sealed, or does not open: its key is not there, or it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of the audit cannot be sealed or opened")]
pub struct Unsealed;

impl Keys {
    /// Makes a key for a new segment of the audit; that of the segment before opens only.
    ///
    /// # Errors
    ///
    /// It is not on disk, or nobody knows: no key is lost, and none was changed.
    pub fn add_audit_key(&self, now: Timestamp) -> Result<KeyId, RingError> {
        self.add(Use::Audit, now)
    }

    /// Whether there was ever an audit: the ring says so also where everything else was taken away.
    pub(crate) fn has_audit(&self) -> bool {
        self.list().iter().any(|key| key.usage == Use::Audit)
    }

    /// The key that records are sealed under, if there is one.
    pub(crate) fn audit_key(&self) -> Option<KeyId> {
        let keys = self.list();
        let mut of_audit = keys.iter().rev().filter(|key| key.usage == Use::Audit);
        of_audit
            .find(|key| key.state == KeyState::Active)
            .map(|key| key.id)
    }

    /// Makes another key for the segments from now on, if the one in use is `age_max` old.
    ///
    /// # Errors
    ///
    /// As [`Keys::add_audit_key`].
    pub(crate) fn renew_audit_key(
        &self,
        now: Timestamp,
        age_max: Duration,
    ) -> Result<Option<KeyId>, RingError> {
        let keys = self.list();
        let made = keys
            .iter()
            .rfind(|key| key.usage == Use::Audit)
            .map(|key| key.made_at);
        if made.is_some_and(|made| now.since(made) < age_max) {
            return Ok(None);
        }
        self.add_audit_key(now).map(Some)
    }

    /// Destroys every key under which nothing is sealed that was begun at `began` or later. One that was made
    /// under a wrong clock stays.
    ///
    /// # Errors
    ///
    /// Some may be on disk still.
    pub(crate) fn destroy_audit_keys_before(&self, began: Timestamp) -> Result<(), RingError> {
        let keys = self.list();
        let of_audit: Vec<&KeyInfo> = keys.iter().filter(|key| key.usage == Use::Audit).collect();
        for pair in of_audit.windows(2) {
            let is_ordered = pair[0].made_at <= pair[1].made_at;
            if is_ordered && pair[1].made_at <= began && pair[0].state == KeyState::Old {
                self.destroy_audit_key(pair[0].id)?;
            }
        }
        Ok(())
    }

    /// Destroys the key of a segment that was deleted; whether it was there, and is not that of the
    /// last segment.
    ///
    /// # Errors
    ///
    /// It may be on disk still.
    pub fn destroy_audit_key(&self, id: KeyId) -> Result<bool, RingError> {
        let is_audit = |key: &KeyInfo| key.id == id && key.usage == Use::Audit;
        Ok(self.list().iter().any(is_audit) && self.destroy(id)?)
    }

    /// Seals a record of `segment` under the key `id`.
    ///
    /// # Errors
    ///
    /// There is no such key, or no randomness.
    pub fn seal_audit(
        &self,
        id: KeyId,
        segment: [u8; 16],
        record: &[u8],
    ) -> Result<Vec<u8>, Unsealed> {
        let sealed = self.sealer().seal_under(id, place(segment), record);
        sealed.map_err(|_| Unsealed)
    }

    /// Opens a sealed record of `segment`; the key is named in it.
    ///
    /// # Errors
    ///
    /// It was changed, is of another segment, or its key is destroyed.
    pub fn open_audit(&self, segment: [u8; 16], sealed: &[u8]) -> Result<Opaque, Unsealed> {
        let opened = self.sealer().unseal(place(segment), sealed);
        opened.map_err(|_| Unsealed)
    }
}

fn place(segment: [u8; 16]) -> Place {
    Place {
        table: "audit",
        row: segment,
        column: "record",
    }
}
