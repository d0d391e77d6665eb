//! What the SAC answered, as the edge reads it back and the caller may see it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most notices that one answer is taken to give.
pub(super) const NOTICES_MAX: usize = 200;
/// Longest text of a notice, in characters.
const TEXT_MAX: usize = 2_000;

/// The answer to a write that was applied, or to a read that found it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Makes the prescription valid; thirty digits. Empty where the operation returns none.
    pub codice_autenticazione: String,
    /// When the SAC registered it, RFC 3339 in Italian time. Empty where it did not say.
    pub registered_at: String,
    /// What the SAC did not like and took nevertheless.
    pub warnings: Vec<Notice>,
    /// What it has to say besides: the doctor's name (0199, 0198), a regional sentence (0197).
    pub communications: Vec<Notice>,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt(…)")
    }
}

/// One thing that the SAC said, in its own words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its code (`1233`).
    pub code: String,
    /// Its text, at most 2000 characters. May name a person.
    pub text: String,
    /// The row it is about, counted from one as sent; 0 for the whole recipe.
    pub row: u32,
}

impl Notice {
    /// A notice whose text is cut to 2000 characters, the last of them `…`.
    pub(super) fn cut(code: String, mut text: String, row: u32) -> Notice {
        if text.chars().nth(TEXT_MAX).is_some() {
            text = text.chars().take(TEXT_MAX - 1).chain(['…']).collect();
        }
        Notice { code, text, row }
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({}, …)", self.code)
    }
}
