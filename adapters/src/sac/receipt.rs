//! What the SAC answered, as the edge reads it back and the caller may see it.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// Its text. May name a person.
    pub text: String,
    /// The row it is about, counted from one as sent; 0 for the whole recipe.
    pub row: u32,
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({}, …)", self.code)
    }
}
