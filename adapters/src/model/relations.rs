//! Keyed digests of persons and of who may see them: what the engine compares in place of names.
//!
//! # Invariants
//!
//! 1. Nobody without the key can find a person by a digest, not even by trying every tax code.
//! 2. Digests of different things never meet: each kind has a label of its own, and its parts are
//!    told apart by their lengths.

use std::fmt;

use aws_lc_rs::hmac;
use engine::lookup::{Digest, LookupKey, Tag};
use policies::operation::OpName;
use serde::{Deserialize, Serialize};

use super::{PatientCode, PrescriberCode};

/// Which of a person's data a caller is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// A doctor's: all of it.
    Practice,
    /// A pharmacy's.
    Pharmacy,
    /// A booking centre's, and the telephone desk's.
    Booking,
    /// The person's own, at the citizens' portal.
    Portal,
}

impl View {
    /// The word used on the wire and in payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            View::Practice => "practice",
            View::Pharmacy => "pharmacy",
            View::Booking => "booking",
            View::Portal => "portal",
        }
    }
}

/// Makes digests under one key, which stays the same through restarts.
#[derive(Clone)]
pub struct Relations(hmac::Key);

impl Relations {
    /// Digests under `key`.
    pub fn new(key: &[u8; 32]) -> Relations {
        Relations(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A person.
    pub fn person(&self, code: &PatientCode) -> Digest {
        self.digest(&["person", code.as_str()])
    }

    /// Under what the answer to `op` about a person is kept, for one view; `about` tells apart what
    /// else was asked (a card's number).
    pub fn lookup(&self, code: &PatientCode, op: OpName, view: View, about: &str) -> LookupKey {
        LookupKey {
            person: self.person(code),
            question: self.digest(&["question", code.as_str(), op.0, view.as_str(), about]),
        }
    }

    /// The listed doctor: the answer has it from its source, the caller from their authentication.
    pub fn doctor(&self, code: &PrescriberCode) -> Tag {
        Tag(self.digest(&["doctor", code.as_str()]))
    }

    /// The person themselves: the answer has it where it was asked for them, the caller from their
    /// authentication.
    pub fn oneself(&self, code: &str) -> Tag {
        Tag(self.digest(&["oneself", code]))
    }

    /// Who asks: an organisation, and `who` is at its desk: the person who has authenticated, or what
    /// the desk acts as, which is nobody's tax code.
    pub fn caller(&self, organization: &str, who: &str) -> Tag {
        Tag(self.digest(&["caller", organization, who]))
    }

    fn digest(&self, parts: &[&str]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = Digest::default();
        let length = digest.len();
        digest.copy_from_slice(&context.sign().as_ref()[..length]);
        digest
    }
}

impl fmt::Debug for Relations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relations(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_differ_by_key_by_kind_and_by_where_parts_end() {
        let (one, other) = (Relations::new(&[1; 32]), Relations::new(&[2; 32]));
        let person = PatientCode::new("RSSMRA80A01H501U").unwrap();
        assert_eq!(one.person(&person), one.clone().person(&person));
        assert_ne!(one.person(&person), other.person(&person));
        assert_ne!(one.digest(&["ab", "c"]), one.digest(&["a", "bc"]));
        let (op, card) = (OpName("lookup"), "80380000000000000001");
        let key = |view, about| one.lookup(&person, op, view, about);
        assert_ne!(key(View::Practice, ""), key(View::Pharmacy, ""));
        assert_ne!(key(View::Practice, ""), key(View::Practice, card));
        assert_eq!(
            key(View::Practice, "").person,
            key(View::Booking, card).person
        );
        let doctor = PrescriberCode::new("PROVAX00X00X000Y").unwrap();
        assert_ne!(one.caller("a", doctor.as_str()), one.caller("a", "booking"));
    }
}
