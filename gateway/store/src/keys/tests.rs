//! The ring and its file, byte by byte.

use std::fs;
use std::path::Path;

use policies::time::Timestamp;

use super::*;
use crate::sealing::{Place, Purpose};

const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn place() -> Place {
    Place {
        table: "entries",
        row: [7; 16],
        column: "payload",
    }
}

fn key(seed: u8) -> Key {
    Key::of_seed(seed)
}

fn made(directory: &Path) -> Keys {
    Keys::open_or_create(directory, &key(1), NOW).unwrap()
}

fn again(directory: &Path, seed: u8) -> Result<Keys, RingError> {
    let keys = Keys::open(directory, &key(seed))?.expect("there is a ring");
    keys.settle(&key(seed))?;
    Ok(keys)
}

/// What a release without rings derived, and its values: both stay as they were.
#[test]
fn a_store_from_before_rings_goes_on_with_its_keys() {
    let directory = tempfile::tempdir().unwrap();
    let old = Sealer::of(&Ring::of_old(&key(1), NOW));
    let sealed = old.seal(place(), b"a prescription").unwrap();
    let recorded = old.check();
    let open = |seed| Keys::of_database(directory.path(), &key(seed), Some(&recorded), NOW);
    assert!(matches!(open(2), Err(RingError::WrongKey)));
    assert!(!directory.path().join(file::FILE).exists());
    for _ in 0..2 {
        let keys = open(1).unwrap();
        let sealer = keys.sealer();
        assert_eq!(
            sealer.unseal(place(), &sealed).unwrap().0,
            b"a prescription"
        );
        for purpose in Purpose::ALL {
            let text: &[&[u8]] = &[b"text"];
            assert_eq!(sealer.digest(purpose, text), old.digest(purpose, text));
        }
        assert_eq!(*keys.derive("relations"), DERIVED);
        assert_eq!(keys.record(), [b"ring".as_slice(), &recorded].concat());
    }
    // A database that has recorded its ring does not go on without.
    let recorded = open(1).unwrap().record();
    fs::remove_file(directory.path().join(file::FILE)).unwrap();
    let open = |seed| Keys::of_database(directory.path(), &key(seed), Some(&recorded), NOW);
    for seed in [1, 2] {
        assert!(matches!(open(seed), Err(RingError::Gone { .. })));
    }
}

/// HKDF-SHA256 of the key 0101… with salt "argine derived" and info "relations", computed apart from
/// this code.
const DERIVED: [u8; 32] = [
    0x96, 0xfc, 0x94, 0xc5, 0xa1, 0x8f, 0x86, 0xd9, 0xa1, 0x4f, 0xc3, 0x1c, 0xdc, 0xcf, 0xae, 0x67,
    0xd6, 0x83, 0x0f, 0x19, 0x38, 0xda, 0xae, 0x93, 0xe2, 0xab, 0xf4, 0xe9, 0x89, 0xf2, 0xcd, 0x4e,
];

#[test]
fn a_fresh_ring_owes_nothing_to_its_master_key() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (keys, others) = (made(one.path()), made(other.path()));
    assert_ne!(keys.list()[0].id, others.list()[0].id);
    assert_ne!(keys.record(), others.record());
    assert_ne!(*keys.derive("relations"), *others.derive("relations"));
    let sealed = keys.sealer().seal(place(), b"text").unwrap();
    assert!(others.sealer().unseal(place(), &sealed).is_err());
    let recorded = others.record();
    let foreign = Keys::of_database(one.path(), &key(1), Some(&recorded), NOW);
    assert!(matches!(foreign, Err(RingError::Foreign { .. })));
    let reopened = again(one.path(), 1).unwrap();
    assert_eq!(
        reopened.sealer().unseal(place(), &sealed).unwrap().0,
        b"text"
    );
    assert_eq!(*reopened.derive("relations"), *keys.derive("relations"));
}

#[test]
fn a_ring_cut_or_changed_anywhere_is_one_clear_error_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(made(directory.path()));
    let path = directory.path().join(file::FILE);
    let whole = fs::read(&path).unwrap();
    let refused = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        let error = again(directory.path(), 1).err();
        assert!(
            matches!(error, Some(RingError::Damaged { .. })),
            "{} bytes: {error:?}",
            content.len()
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    };
    for length in 0..whole.len() {
        refused(&whole[..length]);
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        refused(&changed);
    }
    refused(&[whole.as_slice(), &[0]].concat());
    fs::write(&path, &whole).unwrap();
    assert!(matches!(
        again(directory.path(), 2),
        Err(RingError::WrongKey)
    ));
    assert_eq!(fs::read(&path).unwrap(), whole);
    again(directory.path(), 1).unwrap();
}

/// The seals prove what the checksum cannot: a file whose sum was made to fit.
#[test]
fn a_ring_that_was_forged_does_not_open() {
    use aws_lc_rs::digest::{SHA256, digest};
    let directory = tempfile::tempdir().unwrap();
    drop(made(directory.path()));
    let path = directory.path().join(file::FILE);
    let whole = fs::read(&path).unwrap();
    let content = whole.len() - 32;
    for at in 14..content {
        let mut forged = whole[..content].to_vec();
        forged[at] ^= 1;
        let sum = digest(&SHA256, &forged);
        forged.extend_from_slice(sum.as_ref());
        fs::write(&path, &forged).unwrap();
        let error = again(directory.path(), 1).err();
        assert!(
            matches!(error, Some(RingError::Damaged { .. })),
            "{at}: {error:?}"
        );
    }
}

#[test]
fn a_new_key_seals_and_every_other_opens_until_it_is_destroyed() {
    let directory = tempfile::tempdir().unwrap();
    let keys = made(directory.path());
    let sealer = keys.sealer();
    let first = keys.list()[0].id;
    let before = sealer.seal(place(), b"before").unwrap();
    let digest = sealer.digest(Purpose::Person, &[b"text"]);
    let second = keys.renew(NOW).unwrap();
    let after = sealer.seal(place(), b"after").unwrap();
    assert_eq!((&before[1..5], &after[1..5]), (&first[..], &second[..]));
    assert_eq!(sealer.unseal(place(), &before).unwrap().0, b"before");
    assert!(!keys.destroy(second).unwrap(), "the active key stays");
    assert!(keys.destroy(first).unwrap());
    assert!(!keys.destroy(first).unwrap());
    let reopened = again(directory.path(), 1).unwrap();
    for keys in [&keys, &reopened] {
        let sealer = keys.sealer();
        assert!(sealer.unseal(place(), &before).is_err());
        assert_eq!(sealer.unseal(place(), &after).unwrap().0, b"after");
        assert_eq!(sealer.digest(Purpose::Person, &[b"text"]), digest);
        let states: Vec<_> = keys.list().iter().map(|key| key.state).collect();
        assert_eq!(states, [KeyState::Gone, KeyState::Active]);
    }
}

#[test]
fn a_rotation_of_rows_leaves_the_keys_of_the_audit_alone() {
    let directory = tempfile::tempdir().unwrap();
    let keys = made(directory.path());
    let first = keys.add_audit_key(NOW).unwrap();
    let sealed = keys.seal_audit(first, [1; 16], b"a record").unwrap();
    let rows = keys.list()[0].id;
    keys.renew(NOW).unwrap();
    assert_eq!(keys.old(), [rows]);
    keys.destroy(rows).unwrap();
    let second = keys.add_audit_key(NOW).unwrap();
    assert_eq!(keys.open_audit([1; 16], &sealed).unwrap().0, b"a record");
    assert!(keys.open_audit([2; 16], &sealed).is_err());
    assert!(!keys.destroy_audit_key(second).unwrap(), "it is in use");
    assert!(!keys.destroy_audit_key(rows).unwrap(), "it is none");
    assert!(keys.destroy_audit_key(first).unwrap());
    assert!(keys.open_audit([1; 16], &sealed).is_err());
}

/// Interrupted anywhere, the old master key opens the ring, or both do, or the new one.
#[test]
fn both_master_keys_open_until_the_new_one_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let keys = made(directory.path());
    let sealed = keys.sealer().seal(place(), b"text").unwrap();
    drop(keys);
    let same = rewrap(directory.path(), &key(1), &key(1));
    assert!(matches!(same, Err(RingError::SameKey)), "{same:?}");
    rewrap(directory.path(), &key(1), &key(2)).unwrap();
    // Looked at, but not gone on with: nothing is decided.
    drop(Keys::open(directory.path(), &key(2)).unwrap());
    // Again, to another: what was not used yet is forgotten.
    rewrap(directory.path(), &key(1), &key(3)).unwrap();
    assert!(matches!(
        again(directory.path(), 2),
        Err(RingError::WrongKey)
    ));
    again(directory.path(), 1).unwrap().renew(NOW).unwrap();
    let old_file = fs::read(directory.path().join(file::FILE)).unwrap();
    let keys = again(directory.path(), 3).unwrap();
    assert_eq!(keys.sealer().unseal(place(), &sealed).unwrap().0, b"text");
    assert!(matches!(
        again(directory.path(), 1),
        Err(RingError::WrongKey)
    ));
    again(directory.path(), 3).unwrap();
    let new_file = fs::read(directory.path().join(file::FILE)).unwrap();
    assert_ne!(old_file, new_file);
    assert!(matches!(
        rewrap(directory.path(), &key(1), &key(4)),
        Err(RingError::WrongKey)
    ));
    assert_eq!(
        fs::read(directory.path().join(file::FILE)).unwrap(),
        new_file
    );
}

#[test]
fn nothing_prints_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let keys = made(directory.path());
    assert_eq!(format!("{keys:?}"), "Keys { .. }");
    assert_eq!(format!("{:?}", key(1)), "Key(…)");
}
