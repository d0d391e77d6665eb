//! What is asked of the registry of assisted persons: the payloads of its look-ups.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Digits, PatientCode, View};

/// The number of a health card (TEAM): ten digits of who issued it, ten of its own.
pub type CardNumber = Digits<20>;

/// Asks who a person is, as `view` may see them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonQuery {
    /// The person.
    pub tax_code: PatientCode,
    /// For whose eyes.
    pub view: View,
    /// The organisation that asks.
    pub organization: String,
}

/// Asks whether a health card is this person's, and holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardQuery {
    /// The person.
    pub tax_code: PatientCode,
    /// The card.
    pub card_number: CardNumber,
    /// For whose eyes.
    pub view: View,
    /// The organisation that asks.
    pub organization: String,
}

impl fmt::Debug for PersonQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonQuery(…)")
    }
}

impl fmt::Debug for CardQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardQuery(…)")
    }
}
