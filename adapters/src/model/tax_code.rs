//! Codes of persons: the tax code, what stands in for it, and a prescriber's own.
//!
//! # Limits
//!
//! The year in a tax code has two digits, so 29 February is taken as a day that exists.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Invalid;

const LENGTH: usize = 16;
const TEMPORARY_LENGTH: usize = 11;
/// The places that hold digits, or the letters that stand for them among namesakes (omocodia).
const NUMERIC_PLACES: [usize; 7] = [6, 7, 9, 10, 12, 13, 14];
const MONTH_PLACE: usize = 8;
const MONTHS: &[u8; 12] = b"ABCDEHLMPRST";
const DAYS_MAX: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/// Added to the day of birth in a woman's code.
const WOMAN: u8 = 40;
/// The letters that replace 0 to 9 where two persons would have one code.
const OMOCODIA: &[u8; 10] = b"LMNPQRSTUV";
/// What a character counts at an odd place (counted from one); 0 to 9 count as A to J.
const ODD: [u32; 26] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

/// The tax code (codice fiscale) of a natural person, its check letter right.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaxCode(String);

impl TaxCode {
    /// Checks form, month, day and check letter. Small letters are refused, not changed.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        check_form(text.as_bytes())?;
        check_day(text.as_bytes())?;
        if check_letter(text.as_bytes()) != text.as_bytes()[LENGTH - 1] {
            return Err(Invalid::TaxCodeCheckLetter);
        }
        Ok(TaxCode(text))
    }

    /// The sixteen characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_form(code: &[u8]) -> Result<(), Invalid> {
    let fits = code.len() == LENGTH
        && code.iter().enumerate().all(|(place, b)| {
            if NUMERIC_PLACES.contains(&place) {
                digit(*b).is_some()
            } else if place == MONTH_PLACE {
                MONTHS.contains(b)
            } else {
                b.is_ascii_uppercase()
            }
        });
    fits.then_some(()).ok_or(Invalid::TaxCodeShape)
}

fn check_day(code: &[u8]) -> Result<(), Invalid> {
    let number = |place: usize| digit(code[place]).ok_or(Invalid::TaxCodeShape);
    let day = number(9)? * 10 + number(10)?;
    let day = if day > WOMAN { day - WOMAN } else { day };
    let month = MONTHS
        .iter()
        .position(|month| *month == code[MONTH_PLACE])
        .ok_or(Invalid::TaxCodeShape)?;
    if (1..=DAYS_MAX[month]).contains(&day) {
        Ok(())
    } else {
        Err(Invalid::TaxCodeDay)
    }
}

/// The digit that `b` is, or stands for.
fn digit(b: u8) -> Option<u8> {
    if b.is_ascii_digit() {
        return Some(b - b'0');
    }
    let place = OMOCODIA.iter().position(|letter| *letter == b)?;
    u8::try_from(place).ok()
}

/// The check letter over the first fifteen of these capital letters and digits.
fn check_letter(code: &[u8]) -> u8 {
    let sum: u32 = code[..LENGTH - 1]
        .iter()
        .enumerate()
        .map(|(place, b)| {
            let value = match b {
                b'0'..=b'9' => b - b'0',
                _ => b - b'A',
            };
            // Places are counted from one: index 0 is odd.
            if place % 2 == 0 {
                ODD[usize::from(value)]
            } else {
                u32::from(value)
            }
        })
        .sum();
    u8::try_from(sum % 26).map_or(b'A', |letter| b'A' + letter)
}

/// The code under which a patient is known.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PatientCode {
    /// A tax code.
    TaxCode(TaxCode),
    /// A temporary tax code of eleven digits.
    Temporary(String),
    /// A temporarily present foreigner (straniero temporaneamente presente).
    Stp(String),
    /// A citizen of the Union without cover (europeo non iscritto).
    Eni(String),
}

impl PatientCode {
    /// Reads `text`. A tax code is tried first: a genuine one may begin with the letters STP or ENI.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        let digits_after = |prefix: &str| {
            text.strip_prefix(prefix).is_some_and(|rest| {
                rest.len() == LENGTH - prefix.len() && rest.bytes().all(|b| b.is_ascii_digit())
            })
        };
        if check_form(text.as_bytes()).is_ok() {
            return TaxCode::new(text).map(PatientCode::TaxCode);
        }
        if digits_after("STP") {
            return Ok(PatientCode::Stp(text));
        }
        if digits_after("ENI") {
            return Ok(PatientCode::Eni(text));
        }
        if text.len() == TEMPORARY_LENGTH && text.bytes().all(|b| b.is_ascii_digit()) {
            if !passes_luhn(text.as_bytes()) {
                return Err(Invalid::TemporaryCodeCheckDigit);
            }
            return Ok(PatientCode::Temporary(text));
        }
        Err(Invalid::PatientCodeShape)
    }

    /// The code itself.
    pub fn as_str(&self) -> &str {
        match self {
            PatientCode::TaxCode(code) => code.as_str(),
            PatientCode::Temporary(code) | PatientCode::Stp(code) | PatientCode::Eni(code) => code,
        }
    }
}

/// The check of a VAT number, which temporary codes share.
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, b)| {
            let value = u32::from(b - b'0');
            match (place % 2, value * 2) {
                (0, _) => value,
                (_, doubled) if doubled > 9 => doubled - 9,
                (_, doubled) => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The code of a prescriber: sixteen capital letters and digits.
///
/// Not a [`TaxCode`], because the SAC registers a prescription with a malformed one and only warns
/// (1024), and because the doctor of its own test environment has one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrescriberCode(String);

impl PrescriberCode {
    /// Checks length and characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        let fits = text.len() == LENGTH
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        fits.then_some(PrescriberCode(text))
            .ok_or(Invalid::PrescriberCodeShape)
    }

    /// Whether the last character is the check letter of the others.
    pub fn is_check_letter_right(&self) -> bool {
        check_letter(self.0.as_bytes()) == self.0.as_bytes()[LENGTH - 1]
    }

    /// Whether it is a tax code that could have been issued.
    pub fn is_well_formed(&self) -> bool {
        TaxCode::new(self.0.clone()).is_ok()
    }

    /// The sixteen characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `Debug`, `AsRef<str>`, `TryFrom<String>` and `Into<String>` of a code that belongs to a person.
macro_rules! personal {
    ($($name:ident => $into:expr),+ $(,)?) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("…")
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                $name::new(text)
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> String {
                let into: fn($name) -> String = $into;
                into(code)
            }
        }
    )+};
}

personal! {
    TaxCode => |code| code.0,
    PatientCode => |code| code.as_str().to_owned(),
    PrescriberCode => |code| code.0,
}

#[cfg(test)]
mod tests;
