//! An answer as it lies in its row.
//!
//! # Invariants
//!
//! 1. Everything that decides about an answer is sealed with it, its time included: the columns in
//!    clear are for finding rows, and one that does not agree with what was sealed is damaged.
//! 2. What is in clear on its way is overwritten when it is let go: the body that is read shares the
//!    one buffer in which it was unsealed.
//!
//! # Format
//!
//! `fetched_at (8) ‖ age is a floor (1) ‖ tags (2 + 16 each) ‖ seen by (2 + 24 each) ‖ body`, numbers
//! big-endian, then sealed ([`crate::sealing`]).

use std::sync::Arc;

use engine::lookup;
use engine::ports::{LookupKey, Shelved, Tag};
use policies::failure::Opaque;
use zeroize::Zeroizing;

use super::scale::{Moment, ShelfTime};
use crate::sealing::{Damaged, Place, Purpose, Sealer, Unsealable};

/// An answer, ready to be written.
pub(super) struct Row {
    pub(super) key: LookupKey,
    pub(super) fetched_at: ShelfTime,
    pub(super) sealed: Vec<u8>,
    /// Held until it is written, so that its key is not destroyed before.
    _sealer: Arc<Sealer>,
}

impl Row {
    /// Seals `answer`.
    pub(super) fn seal(
        sealer: Arc<Sealer>,
        moment: &Moment,
        answer: &Shelved,
    ) -> Result<Row, Unsealable> {
        let fetched_at = moment.stamp(answer.fetched_at);
        let relations = 2 * 2 + answer.tags.len() * 16 + answer.seen_by.len() * 24;
        // All of it at once: what outgrows its place leaves a copy there.
        let capacity = 8 + 1 + relations + answer.body.len();
        let mut plain = Zeroizing::new(Vec::with_capacity(capacity));
        plain.extend_from_slice(&fetched_at.0.to_be_bytes());
        plain.push(u8::from(answer.age_is_floor));
        plain.extend_from_slice(&count(answer.tags.len())?);
        for tag in &answer.tags {
            plain.extend_from_slice(&tag.0);
        }
        plain.extend_from_slice(&count(answer.seen_by.len())?);
        for (tag, at) in &answer.seen_by {
            plain.extend_from_slice(&tag.0);
            plain.extend_from_slice(&moment.stamp(*at).0.to_be_bytes());
        }
        plain.extend_from_slice(&answer.body);
        Ok(Row {
            key: answer.key,
            fetched_at,
            sealed: sealer.seal(place(&sealer, answer.key), &plain)?,
            _sealer: sealer,
        })
    }
}

/// Opens what lies under `key`, stamped `fetched_at`.
pub(super) fn open(
    sealer: &Sealer,
    moment: &Moment,
    key: LookupKey,
    fetched_at: i64,
    sealed: &[u8],
) -> Result<Shelved, Damaged> {
    let Opaque(plain) = sealer.unseal(place(sealer, key), sealed)?;
    let plain = lookup::body(plain);
    let mut rest = &plain[..];
    let stamp = ShelfTime(i64::from_be_bytes(take(&mut rest)?));
    if stamp.0 != fetched_at {
        return Err(Damaged);
    }
    let [age_is_floor] = take(&mut rest)?;
    let mut tags = Vec::new();
    for _ in 0..u16::from_be_bytes(take(&mut rest)?) {
        tags.push(Tag(take(&mut rest)?));
    }
    let mut seen_by = Vec::new();
    for _ in 0..u16::from_be_bytes(take(&mut rest)?) {
        let tag = Tag(take(&mut rest)?);
        let at = ShelfTime(i64::from_be_bytes(take(&mut rest)?));
        // What cannot be dated proves no recent look-up.
        seen_by.extend(moment.show(at).map(|at| (tag, at)));
    }
    let shown = moment.show(stamp);
    Ok(Shelved {
        key,
        fetched_at: shown.unwrap_or_default(),
        tags,
        seen_by,
        body: plain.slice_ref(rest),
        age_is_floor: age_is_floor != 0 || shown.is_none() || moment.is_floor(stamp),
    })
}

/// Its row is named by its whole key, so that no row opens under another.
pub(super) fn place(sealer: &Sealer, key: LookupKey) -> Place {
    Place {
        table: "persons",
        row: sealer.digest(Purpose::Answer, &[&key.person, &key.question]),
        column: "sealed",
    }
}

/// More relations than this are none that anybody could check.
fn count(length: usize) -> Result<[u8; 2], Unsealable> {
    u16::try_from(length)
        .map(u16::to_be_bytes)
        .map_err(|_| Unsealable)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (head, tail) = rest.split_first_chunk().ok_or(Damaged)?;
    *rest = tail;
    Ok(*head)
}
