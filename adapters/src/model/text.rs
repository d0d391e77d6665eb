//! Free text with a limit, fit for an XML 1.0 document.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// Longest name. The SAC's schema has no limit of its own; a line of the promemoria ends before it.
pub const NAME_MAX: usize = 100;
/// Longest part of an address.
pub const ADDRESS_MAX: usize = 120;
/// Longest description of a product, a service or a group.
pub const DESCRIPTION_MAX: usize = 500;
/// Longest note or diagnosis in words.
pub const NOTE_MAX: usize = 1_000;

/// A given name, a family name, the name of an institution.
pub type Name = Text<NAME_MAX>;
/// What a product, a service or an equivalence group is called.
pub type Description = Text<DESCRIPTION_MAX>;
/// A note or a diagnosis in words.
pub type Note = Text<NOTE_MAX>;

/// Text of 1 to `CHARS_MAX` characters, not blank, without control characters.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const CHARS_MAX: usize>(String);

impl<const CHARS_MAX: usize> Text<CHARS_MAX> {
    /// Checks `text`.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(Invalid::Blank);
        }
        if text.chars().any(is_unfit) {
            return Err(Invalid::Character);
        }
        if text.chars().count() > CHARS_MAX {
            return Err(Invalid::TooLong);
        }
        Ok(Text(text))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters print nothing and some of them cannot be written in XML 1.0 at all, nor can
/// the last two code points of the basic plane.
fn is_unfit(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

impl<const CHARS_MAX: usize> TryFrom<String> for Text<CHARS_MAX> {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Text::new(text)
    }
}

impl<const CHARS_MAX: usize> From<Text<CHARS_MAX>> for String {
    fn from(text: Text<CHARS_MAX>) -> String {
        text.0
    }
}

impl<const CHARS_MAX: usize> AsRef<str> for Text<CHARS_MAX> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const CHARS_MAX: usize> fmt::Debug for Text<CHARS_MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A part of an address. The SAC joins the parts with `|`, so that none may contain one.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressPart(Text<ADDRESS_MAX>);

impl AddressPart {
    /// Checks `text`.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = Text::new(text)?;
        if text.as_str().contains('|') {
            return Err(Invalid::Character);
        }
        Ok(AddressPart(text))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for AddressPart {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        AddressPart::new(text)
    }
}

impl From<AddressPart> for String {
    fn from(part: AddressPart) -> String {
        part.0.into()
    }
}

impl fmt::Debug for AddressPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_neither_blank_nor_too_long_nor_beyond_xml() {
        let cases = [
            ("DIABETE", None),
            ("È UN'ALTRA <COSA> & \"BASTA\"", None),
            ("", Some(Invalid::Blank)),
            (" \t ", Some(Invalid::Blank)),
            ("A\u{0}B", Some(Invalid::Character)),
            ("A\nB", Some(Invalid::Character)),
            ("A\u{85}B", Some(Invalid::Character)),
            ("A\u{ffff}B", Some(Invalid::Character)),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDE", Some(Invalid::TooLong)),
        ];
        for (text, invalid) in cases {
            assert_eq!(Text::<30>::new(text).err(), invalid, "{text:?}");
        }
        assert!(Text::<3>::new("èèè").is_ok(), "the limit counts characters");
        assert_eq!(AddressPart::new("A|B").err(), Some(Invalid::Character));
    }

    #[test]
    fn text_never_prints() {
        assert_eq!(format!("{:?}", Name::new("MARIO").unwrap()), "…");
        assert_eq!(format!("{:?}", AddressPart::new("VIA ROMA").unwrap()), "…");
    }
}
