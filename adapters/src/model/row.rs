//! One line of a recipe: a product, an active ingredient or a service.

use serde::{Deserialize, Serialize};

use super::{
    CatalogueCode, Description, EquivalenceCode, Invalid, Note, NoteCode, ProductCode, ReasonCode,
};

/// One line of a recipe (DettaglioPrescrizione).
///
/// Which fields belong to drugs and which to services is a matter of `sac::checks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The AIC of a branded product, or the code of a service (codProdPrest).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ProductCode>,
    /// What the dispenser reads (descrProdPrest).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The equivalence group, for a prescription by active ingredient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equivalence_group: Option<EquivalenceGroup>,
    /// A note on a service (descrTestoLiberoNote).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_note: Option<Note>,
    /// The product may not be replaced by an equivalent one (nonSost).
    #[serde(default)]
    pub not_substitutable: bool,
    /// Why not (codMotivazione).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_substitutable_reason: Option<ReasonCode>,
    /// A note on a drug; for narcotics it holds posology and the doctor's address (motivazNote).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drug_note: Option<Note>,
    /// The AIFA note a drug is prescribed under (notaProd).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aifa_note: Option<NoteCode>,
    /// Packs, or services.
    pub quantity: Quantity,
    /// The service may be given as a televisit (prescrizione1 `TV;`).
    #[serde(default)]
    pub televisit: bool,
    /// The region's own, unchecked by the SAC (prescrizione2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regional_note: Option<Note>,
    /// The code of the service in the regional catalogue (codCatalogoPrescr).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalogue_code: Option<CatalogueCode>,
    /// First or later access, for services of the national waiting-list plan (tipoAccesso).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// The note of DPCM 12/1/2017 (numeroNota).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note_number: Option<NoteCode>,
    /// The condition of dispensability of that decree (condErogabilita).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispensing_condition: Option<NoteCode>,
    /// The prescriptive appropriateness of that decree (approprPrescrittiva).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appropriateness: Option<NoteCode>,
    /// The pathology of that decree (patologia).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pathology: Option<NoteCode>,
    /// Sessions of one cycle, for cyclic services (numsedute).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
}

/// An equivalence group of AIFA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EquivalenceGroup {
    /// Its code (codGruppoEquival).
    pub code: EquivalenceCode,
    /// Its description in AIFA's words, which the dispenser reads (descrGruppoEquival).
    pub description: Description,
}

words! {
    /// Whether it is the first time the patient comes with this problem.
    Access {
        /// First access.
        First = "first" / "1",
        /// Any other.
        Other = "other" / "0",
    }
}

/// Declares a count that the SAC's schema gives one digit.
macro_rules! one_to_nine {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(u8);

        impl $name {
            /// Checks that `count` is 1 to 9.
            pub fn new(count: i64) -> Result<Self, Invalid> {
                match u8::try_from(count) {
                    Ok(count @ 1..=9) => Ok($name(count)),
                    _ => Err(Invalid::OneToNine),
                }
            }

            /// The count.
            pub fn get(self) -> u8 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = Invalid;
            fn try_from(count: i64) -> Result<Self, Invalid> {
                $name::new(count)
            }
        }

        impl From<$name> for i64 {
            fn from(count: $name) -> i64 {
                i64::from(count.0)
            }
        }
    };
}

one_to_nine! {
    /// How many packs or services.
    Quantity
}
one_to_nine! {
    /// How many sessions a cycle has.
    Sessions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_one_digit_and_not_zero() {
        for count in 1..=9 {
            assert_eq!(i64::from(Quantity::new(count).unwrap().get()), count);
        }
        for wrong in [0, 10, -1, 256, i64::MAX] {
            assert_eq!(Sessions::new(wrong).err(), Some(Invalid::OneToNine));
        }
    }
}
