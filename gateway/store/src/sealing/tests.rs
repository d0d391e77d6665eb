//! Sealing, tried value by value.

use std::io::Write;
use std::path::Path;

use policies::time::Timestamp;

use super::*;

/// Computed apart from this code, from the description of the format.
const GOLDEN_ID: [u8; 4] = [0x6a, 0xc4, 0x68, 0x13];
const GOLDEN_NUMBER: Digest = [
    0x97, 0xda, 0x26, 0xd6, 0x33, 0x45, 0xc6, 0x38, 0xba, 0xc3, 0x0a, 0x91, 0x5d, 0x10, 0xd1, 0xf0,
];
const GOLDEN_SEALED: &[u8] = &[
    0x01, 0x6a, 0xc4, 0x68, 0x13, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
    0x0b, 0xaa, 0x63, 0xfb, 0x61, 0x89, 0x84, 0x97, 0x72, 0x3e, 0xc1, 0xc2, 0x91, 0x08, 0xbd, 0x36,
    0x66, 0x59, 0x78, 0x41, 0xa8, 0x3c, 0x30, 0xf5, 0xfc, 0x9c, 0x27, 0xce, 0x21, 0x01, 0xe7,
];

fn sealer_of(seed: u8) -> Sealer {
    Sealer::of(&Ring::of_old(&Key::of_seed(seed), Timestamp(0)))
}

fn place() -> Place {
    Place {
        table: "entries",
        row: [7; 16],
        column: "payload",
    }
}

#[test]
fn a_sealed_value_opens_in_its_own_place_only() {
    let sealer = sealer_of(1);
    let sealed = sealer.seal(place(), b"a prescription").unwrap();
    assert_eq!(
        sealer.unseal(place(), &sealed),
        Ok(Opaque(b"a prescription".to_vec()))
    );

    let elsewhere = [
        Place {
            table: "documents",
            ..place()
        },
        Place {
            row: [8; 16],
            ..place()
        },
        Place {
            column: "authority",
            ..place()
        },
    ];
    for other in elsewhere {
        assert_eq!(sealer.unseal(other, &sealed), Err(Damaged), "{other:?}");
    }
    assert_eq!(sealer_of(2).unseal(place(), &sealed), Err(Damaged));
}

#[test]
fn every_flipped_bit_and_every_cut_is_damage() {
    let sealer = sealer_of(1);
    let sealed = sealer.seal(place(), b"a prescription").unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(sealer.unseal(place(), &flipped), Err(Damaged), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert_eq!(sealer.unseal(place(), &sealed[..length]), Err(Damaged));
    }
}

#[test]
fn sealing_twice_gives_two_texts_and_neither_shows_the_value() {
    let sealer = sealer_of(1);
    let value = b"RSSMRA80A01H501U";
    let first = sealer.seal(place(), value).unwrap();
    let second = sealer.seal(place(), value).unwrap();
    assert_ne!(first, second);
    assert!(!first.windows(4).any(|part| part == &value[..4]));
}

#[test]
fn digests_differ_by_purpose_key_and_division() {
    let sealer = sealer_of(1);
    let mut seen = std::collections::BTreeSet::new();
    for purpose in Purpose::ALL {
        assert!(
            seen.insert(sealer.digest(purpose, &[b"text"])),
            "{purpose:?}"
        );
        assert_eq!(
            sealer.digest(purpose, &[b"text"]),
            sealer.digest(purpose, &[b"text"])
        );
    }
    assert!(seen.insert(sealer_of(2).digest(Purpose::Key, &[b"text"])));
    assert!(seen.insert(sealer.digest(Purpose::Key, &[b"te", b"xt"])));
    assert!(seen.insert(sealer.digest(Purpose::Key, &[b"tex", b"t"])));
    assert_ne!(sealer.check(), sealer_of(2).check());
}

#[test]
fn numbers_of_one_block_are_neighbours_and_no_two_are_one() {
    let sealer = sealer_of(1);
    let digest = |number: &str| sealer.number_digest(number.as_bytes());
    let block: Vec<_> = (0..1_000)
        .map(|position| digest(&format!("1300A4000007{position:03}")))
        .collect();
    let half = |digest: &Digest| digest[..DIGEST_LEN / 2].to_vec();
    assert!(block.iter().all(|digest| half(digest) == half(&block[0])));
    let distinct: std::collections::BTreeSet<_> = block.iter().collect();
    assert_eq!(distinct.len(), 1_000);
    assert_ne!(half(&digest("1300A4000008000")), half(&block[0]));
    assert_ne!(digest(""), digest("1"));
}

/// The bytes of the format: a store written by an earlier release must stay readable.
#[test]
fn the_derivation_is_frozen() {
    let sealer = sealer_of(1);
    assert_eq!(sealer.active(), GOLDEN_ID);
    assert_eq!(sealer.number_digest(b"1300A4000000001"), GOLDEN_NUMBER);
    assert_eq!(
        sealer.unseal(place(), GOLDEN_SEALED),
        Ok(Opaque(b"a prescription".to_vec()))
    );
}

#[test]
fn a_key_file_holds_64_hexadecimal_characters_or_is_refused() {
    let cases: [(&[u8], bool); 7] = [
        (&[b'a'; 64], true),
        (
            b"00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\n",
            true,
        ),
        (&[b'a'; 63], false),
        (&[b'a'; 65], false),
        (&[b'g'; 64], false),
        (b"", false),
        (&[0xff; 64], false),
    ];
    for (content, good) in cases {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let key = Key::from_file(file.path());
        assert_eq!(key.is_ok(), good, "{content:?}");
        if let Err(error) = key {
            assert!(error.to_string().contains("64 hexadecimal characters"));
        }
    }
    let missing = Key::from_file(Path::new("/nonexistent/store.key"));
    assert!(matches!(missing, Err(KeyError::Unreadable { .. })));
}
