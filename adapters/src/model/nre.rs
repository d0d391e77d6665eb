//! The number of an electronic recipe (Numero di Ricetta Elettronica).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// How long every NRE is.
pub const NRE_LENGTH: usize = 15;
const REGION_LENGTH: usize = 3;
const GROUP_LENGTH: usize = 2;
/// Region, group and kind of the lot.
const HEAD_LENGTH: usize = REGION_LENGTH + GROUP_LENGTH + 1;
/// Digits of the progressive number within a lot, by kind of lot (S1 §5.1).
const DIGITS_BY_KIND: [usize; 8] = [2, 3, 4, 5, 9, 6, 7, 8];

/// An NRE: region, group, kind of lot, lot, progressive number. It has no check digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nre(String);

impl Nre {
    /// Checks `text` against `[0-9]{3}[0-9A-Z]{2}[0-7][0-9]{9}`.
    ///
    /// The specification names the group "0A to Z9"; both orders of letter and digit are in use.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        let fits = text.len() == NRE_LENGTH
            && text.bytes().enumerate().all(|(place, b)| match place {
                3 | 4 => b.is_ascii_digit() || b.is_ascii_uppercase(),
                5 => matches!(b, b'0'..=b'7'),
                _ => b.is_ascii_digit(),
            });
        fits.then_some(Nre(text)).ok_or(Invalid::NreShape)
    }

    /// All fifteen characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region that asked for the lot.
    pub fn region(&self) -> &str {
        &self.0[..REGION_LENGTH]
    }

    /// The group of the lot (codice raggruppamento).
    pub fn group(&self) -> &str {
        &self.0[REGION_LENGTH..HEAD_LENGTH - 1]
    }

    /// The kind of the lot, 0 to 7: how many numbers it holds.
    pub fn lot_kind(&self) -> u8 {
        self.0.as_bytes()[HEAD_LENGTH - 1] - b'0'
    }

    /// Everything before the progressive number: what the specification calls the code of the lot.
    pub fn lot(&self) -> &str {
        &self.0[..NRE_LENGTH - self.digits()]
    }

    /// The progressive number within the lot.
    pub fn progressive(&self) -> &str {
        &self.0[NRE_LENGTH - self.digits()..]
    }

    fn digits(&self) -> usize {
        DIGITS_BY_KIND[usize::from(self.lot_kind())]
    }

    /// How many digits the progressive number has in a lot of `kind`; `None` beyond 7.
    pub fn progressive_digits(kind: u8) -> Option<usize> {
        DIGITS_BY_KIND.get(usize::from(kind)).copied()
    }
}

impl fmt::Debug for Nre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl TryFrom<String> for Nre {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Nre::new(text)
    }
}

impl From<Nre> for String {
    fn from(nre: Nre) -> String {
        nre.0
    }
}

/// The number of a paper form (ricetta rossa), as it stands under its bar codes: five and ten
/// characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PaperNumber(String);

impl PaperNumber {
    /// Checks `text` against `[0-9]{3}[0-9A-Z]{2}[0-9]{10}`.
    ///
    /// Pads have digits only; forms that are printed under a number of a lot have its letters, too.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        let fits = text.len() == NRE_LENGTH
            && text.bytes().enumerate().all(|(place, b)| match place {
                3 | 4 => b.is_ascii_digit() || b.is_ascii_uppercase(),
                _ => b.is_ascii_digit(),
            });
        fits.then_some(PaperNumber(text))
            .ok_or(Invalid::PaperNumberShape)
    }

    /// All fifteen characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PaperNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl TryFrom<String> for PaperNumber {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        PaperNumber::new(text)
    }
}

impl From<PaperNumber> for String {
    fn from(number: PaperNumber) -> String {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_nre_has_its_form_and_its_parts() {
        let cases = [
            ("1300A4019294833", "1300A4", "019294833"),
            ("010A24380836154", "010A24", "380836154"),
            ("1300A3004200017", "1300A30042", "00017"),
            ("123A00456789012", "123A004567890", "12"),
            ("123A01456789123", "123A01456789", "123"),
        ];
        for (text, lot, progressive) in cases {
            let nre = Nre::new(text).unwrap();
            assert_eq!((nre.lot(), nre.progressive()), (lot, progressive));
            assert_eq!(nre.region(), &text[..3]);
            assert_eq!(nre.group(), &text[3..5]);
            assert_eq!(nre.lot_kind().to_string(), text[5..6]);
            assert_eq!(format!("{nre:?}"), "…");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for wrong in [
            "",
            "1300A401929483",
            "1300A40192948333",
            "13A0A4019294833",
            "1300a4019294833",
            "1300A8019294833",
            "1300A4O19294833",
            "1300A401929483è",
        ] {
            assert_eq!(Nre::new(wrong).err(), Some(Invalid::NreShape), "{wrong}");
        }
    }

    #[test]
    fn a_paper_number_is_five_and_ten_characters() {
        for right in ["150220123456789", "1300A9019294833", "130A00000000001"] {
            assert_eq!(PaperNumber::new(right).unwrap().as_str(), right);
        }
        for wrong in [
            "",
            "15022012345678",
            "1502201234567890",
            "A50220123456789",
            "15022012345678A",
            "1502a0123456789",
            "15022 123456789",
            "15022012345678è",
        ] {
            let refused = PaperNumber::new(wrong).err();
            assert_eq!(refused, Some(Invalid::PaperNumberShape), "{wrong}");
        }
        let number = PaperNumber::new("150220123456789").unwrap();
        assert_eq!(format!("{number:?}"), "…");
    }
}
