//! The chain: what binds each record to everything before it, and how both lie in a segment.
//!
//! # Format
//!
//! A segment is a header and records, and zeros up to its end. All numbers are big-endian.
//!
//! - Header: `"ARGNAUD1" ‖ broken (1) ‖ node's length (1) ‖ node (64) ‖ first sequence (8) ‖ instant (8) ‖
//!   previous head (32) ‖ mac (32)`. The previous head is that of the segment before, also when that one
//!   was removed because its time was over.
//! - Record: `length (4) ‖ sequence (8) ‖ instant (8) ‖ entry's place (8) ‖ entry (16) ‖ has a person (1) ‖
//!   person's digest (16) ‖ sealed ‖ mac (32)`. The length is that of all between it and the mac.
//!
//! A mac is HMAC-SHA256 under a key of its own: over `0 ‖ header`, and over `1 ‖ previous mac ‖ record`. Who
//! does not hold the key can neither change a record, nor take one away, nor put one in.

use aws_lc_rs::hmac;
use policies::time::Timestamp;

use crate::keys::Keys;
use crate::sealing::Digest;

/// What the key of the chain is derived for. Changing it makes every chain there is look forged.
const PURPOSE: &str = "audit chain";
const MAGIC: &[u8; 8] = b"ARGNAUD1";
const MAC_LEN: usize = 32;
/// Bytes that say how long a record is.
pub(super) const LENGTH_LEN: usize = 4;
/// Longest name of a node.
pub(super) const NODE_BYTES_MAX: usize = 64;
/// Bytes of a header without its mac.
const HEADER_BODY_LEN: usize = 8 + 1 + 1 + NODE_BYTES_MAX + 8 + 8 + MAC_LEN;
/// Bytes of a header.
pub(super) const HEADER_LEN: usize = HEADER_BODY_LEN + MAC_LEN;
/// Bytes of a record between its length and what is sealed.
const FIXED_LEN: usize = 8 + 8 + 8 + 16 + 1 + 16;
/// Bytes of a record beside what is sealed.
pub(super) const FRAME_LEN: usize = LENGTH_LEN + FIXED_LEN + MAC_LEN;
/// Longest record as it lies in a segment: more than any that is taken.
const CONTENT_LEN_MAX: usize = 128 * 1024;

/// What a record or a header is known by to the next one.
pub(super) type Mac = [u8; MAC_LEN];

/// Before the first record of a store.
pub(super) const NOTHING: Mac = [0; MAC_LEN];

/// How far a chain goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The last record; 0 before the first.
    pub(super) sequence: u64,
    /// Its mac, or that of the header it would follow.
    pub(super) mac: Mac,
}

/// The key of the chain.
pub(super) struct Chain(hmac::Key);

impl Chain {
    /// The chain of the store that has these keys. It stays the same through every rotation of theirs.
    pub(super) fn new(keys: &Keys) -> Chain {
        let derived = keys.derive(PURPOSE);
        Chain(hmac::Key::new(hmac::HMAC_SHA256, derived.as_slice()))
    }

    fn header(&self, body: &[u8]) -> Mac {
        self.mac(&[&[0], body])
    }

    fn record(&self, previous: &Mac, record: &[u8]) -> Mac {
        self.mac(&[&[1], previous, record])
    }

    fn mac(&self, parts: &[&[u8]]) -> Mac {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        let mut mac = NOTHING;
        mac.copy_from_slice(&context.sign().as_ref()[..MAC_LEN]);
        mac
    }
}

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Whose chain it is.
    pub(super) node: String,
    /// Its first record.
    pub(super) first: u64,
    /// When it was begun.
    pub(super) at: Timestamp,
    /// The head of the segment before.
    pub(super) previous: Mac,
    /// Whether it was begun because the chain before it is damaged.
    pub(super) broken: bool,
}

impl Header {
    /// It as bytes, and the mac that its first record follows.
    pub(super) fn encode(&self, chain: &Chain) -> (Vec<u8>, Mac) {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.push(u8::from(self.broken));
        let mut node = [0; NODE_BYTES_MAX];
        let length = self.node.len().min(NODE_BYTES_MAX);
        node[..length].copy_from_slice(&self.node.as_bytes()[..length]);
        bytes.push(u8::try_from(length).expect("a name has at most 64 bytes"));
        bytes.extend_from_slice(&node);
        bytes.extend_from_slice(&self.first.to_be_bytes());
        bytes.extend_from_slice(&self.at.0.to_be_bytes());
        bytes.extend_from_slice(&self.previous);
        let mac = chain.header(&bytes);
        bytes.extend_from_slice(&mac);
        (bytes, mac)
    }

    /// The header that `bytes` begin with and its mac, if it is one of ours and unchanged.
    pub(super) fn decode(chain: &Chain, bytes: &[u8]) -> Option<(Header, Mac)> {
        let (body, mac) = bytes.get(..HEADER_LEN)?.split_at(HEADER_BODY_LEN);
        let expected = chain.header(body);
        if mac != expected {
            return None;
        }
        let rest = body.strip_prefix(MAGIC)?;
        let (broken, length) = (rest[0] == 1, usize::from(rest[1]));
        let node = rest.get(2..2 + NODE_BYTES_MAX)?.get(..length)?;
        let numbers = &rest[2 + NODE_BYTES_MAX..];
        let header = Header {
            node: String::from_utf8(node.to_vec()).ok()?,
            first: number(numbers, 0),
            at: Timestamp(number(numbers, 8)),
            previous: numbers[16..].try_into().ok()?,
            broken,
        };
        Some((header, expected))
    }
}

/// One record, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed<B> {
    pub(super) sequence: u64,
    pub(super) at: Timestamp,
    /// The place in the order of events of the write that it is of; 0: it is of none.
    pub(super) place: u64,
    /// The write that it is of; zeros: it is of none.
    pub(super) entry: [u8; 16],
    pub(super) person: Option<Digest>,
    pub(super) sealed: B,
}

impl<B: AsRef<[u8]>> Sealed<B> {
    /// Appends it to `bytes` as what follows `previous`; its mac.
    pub(super) fn encode(&self, chain: &Chain, previous: &Mac, bytes: &mut Vec<u8>) -> Mac {
        let sealed = self.sealed.as_ref();
        let begin = bytes.len();
        let length = u32::try_from(FIXED_LEN + sealed.len()).expect("a record is short");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.at.0.to_be_bytes());
        bytes.extend_from_slice(&self.place.to_be_bytes());
        bytes.extend_from_slice(&self.entry);
        bytes.push(u8::from(self.person.is_some()));
        bytes.extend_from_slice(&self.person.unwrap_or_default());
        bytes.extend_from_slice(sealed);
        let mac = chain.record(previous, &bytes[begin..]);
        bytes.extend_from_slice(&mac);
        mac
    }
}

/// How many bytes a record takes whose first bytes are `length`, if a record can be so long.
pub(super) fn record_len(length: [u8; LENGTH_LEN]) -> Option<usize> {
    let length = u32::from_be_bytes(length) as usize;
    let fits = (FIXED_LEN..=CONTENT_LEN_MAX).contains(&length);
    fits.then_some(LENGTH_LEN + length + MAC_LEN)
}

/// The record that `bytes` are, whoever wrote it, and its mac. They are as long as [`record_len`] says.
pub(super) fn read(bytes: &[u8]) -> (Sealed<&[u8]>, Mac) {
    let (content, mac) = bytes[LENGTH_LEN..].split_at(bytes.len() - LENGTH_LEN - MAC_LEN);
    let (fixed, sealed) = content.split_at(FIXED_LEN);
    let record = Sealed {
        sequence: number(fixed, 0),
        at: Timestamp(number(fixed, 8)),
        place: number(fixed, 16),
        entry: fixed[24..40].try_into().expect("it is cut to 16 bytes"),
        person: (fixed[40] == 1).then(|| fixed[41..57].try_into().expect("it is cut to 16 bytes")),
        sealed,
    };
    let mac = mac.try_into().expect("it is cut to the length of a mac");
    (record, mac)
}

/// The mac that the record in `bytes` must have behind `previous`.
pub(super) fn expected(chain: &Chain, previous: &Mac, record: &[u8]) -> Mac {
    chain.record(previous, &record[..record.len() - MAC_LEN])
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..at + 8].try_into().expect("it is cut to 8 bytes");
    u64::from_be_bytes(bytes)
}
