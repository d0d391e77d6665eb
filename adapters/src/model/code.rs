//! Short codes: each a type of its own, because all of them are strings and few are alike.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// Exactly `COUNT` decimal digits.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digits<const COUNT: usize>(String);

impl<const COUNT: usize> Digits<COUNT> {
    /// Checks `text`.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if text.len() != COUNT || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Invalid::CodeShape);
        }
        Ok(Digits(text))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const COUNT: usize> TryFrom<String> for Digits<COUNT> {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Digits::new(text)
    }
}

impl<const COUNT: usize> From<Digits<COUNT>> for String {
    fn from(digits: Digits<COUNT>) -> String {
        digits.0
    }
}

impl<const COUNT: usize> AsRef<str> for Digits<COUNT> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const COUNT: usize> fmt::Debug for Digits<COUNT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A region or autonomous province, as the SAC numbers them (`130` Abruzzo).
pub type Region = Digits<3>;
/// A health unit (ASL) or hospital trust within its region.
pub type HealthUnit = Digits<3>;
/// A postal code (CAP).
pub type PostalCode = Digits<5>;

/// Declares a code: its name, its longest form, and which characters it may consist of.
macro_rules! code {
    ($(#[$doc:meta])* $name:ident, $min:literal..=$max:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text`.
            pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = text.into();
                let fits: fn(&u8) -> bool = $fits;
                if !($min..=$max).contains(&text.len()) || !text.as_bytes().iter().all(fits) {
                    return Err(Invalid::CodeShape);
                }
                Ok($name(text))
            }

            /// The code itself.
            pub fn as_str(&self) -> &str {
                &self.0
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
                code.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("…")
            }
        }
    };
}

/// Capital letters, digits and the marks that registers use inside their codes.
fn is_register_character(b: &u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'/' | b'_')
}

code! {
    /// The speciality a prescriber acts in: one character (`F` general practice).
    Speciality, 1..=1, |b| b.is_ascii_uppercase() || b.is_ascii_digit()
}
code! {
    /// A province of Italy, two letters; `EE` abroad.
    Province, 2..=2, u8::is_ascii_uppercase
}
code! {
    /// The facility that a region has registered for a prescriber (codStruttura).
    Facility, 1..=16, is_register_character
}
code! {
    /// An exemption code (`048`, `E01`, `C03`).
    ExemptionCode, 1..=10, is_register_character
}
code! {
    /// A diagnosis in ICD-9-CM.
    DiagnosisCode, 1..=10, is_register_character
}
code! {
    /// What is prescribed: the AIC of a product, or the code of a service in the nomenclature.
    ProductCode, 1..=16, is_register_character
}
code! {
    /// An equivalence group of AIFA.
    EquivalenceCode, 1..=10, is_register_character
}
code! {
    /// Why a product may not be substituted (codMotivazione; the list is not public).
    ReasonCode, 1..=4, is_register_character
}
code! {
    /// A code of the regional catalogue.
    CatalogueCode, 1..=32, is_register_character
}
code! {
    /// A note number, condition, appropriateness or pathology of DPCM 12/1/2017, or an AIFA note.
    NoteCode, 1..=10, is_register_character
}
code! {
    /// The protocol number of an AIFA therapeutic plan.
    PlanNumber, 1..=32, |b| b.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_characters_and_its_length() {
        assert!(Region::new("130").is_ok());
        assert!(ProductCode::new("99.97.2").is_ok());
        assert!(ExemptionCode::new("E01").is_ok());
        for wrong in ["13", "1300", "13A", "１３０", ""] {
            assert_eq!(
                Region::new(wrong).err(),
                Some(Invalid::CodeShape),
                "{wrong}"
            );
        }
        for wrong in ["", "g3b", "G3 B", "G3B;", "ABCDEFGHIJK"] {
            assert_eq!(
                EquivalenceCode::new(wrong).err(),
                Some(Invalid::CodeShape),
                "{wrong}"
            );
        }
        assert!(Speciality::new("F").is_ok() && Speciality::new("FF").is_err());
        assert!(
            PlanNumber::new("1234;").is_err(),
            "the wire ends it with a semicolon"
        );
    }

    #[test]
    fn codes_never_print() {
        assert_eq!(format!("{:?}", DiagnosisCode::new("250.0").unwrap()), "…");
        assert_eq!(format!("{:?}", PostalCode::new("67100").unwrap()), "…");
    }
}
