//! What prescriptions and assisted persons are made of: values that cannot be constructed wrong.
//!
//! # Invariants
//!
//! 1. A value of these types passed its rule when it was made, also when it was read back from JSON.
//! 2. `Debug` prints `…` for everything that belongs to a person; no error repeats what it refuses.
//! 3. JSON names are those of the REST body, so that a path into one is a path into the other.
//!
//! # Not here
//!
//! Rules that join several fields, and that an operator may switch off: `sac::checks`.

#[macro_use]
mod word;

mod authority;
mod code;
mod invalid;
mod moment;
mod nre;
mod patient;
mod person;
mod prescription;
mod query;
mod relations;
mod row;
mod tax_code;
mod text;

pub use authority::{Authority, ClassRef, Locality};
pub use code::{
    CatalogueCode, DiagnosisCode, Digits, EquivalenceCode, ExemptionCode, Facility, HealthUnit,
    NoteCode, PlanNumber, PostalCode, ProductCode, Province, ReasonCode, Region, Speciality,
};
pub use invalid::Invalid;
pub(crate) use moment::in_rome;
pub use moment::{Day, Moment};
pub use nre::{NRE_LENGTH, Nre, PaperNumber};
pub use patient::{Address, Exemption, ForeignInsured, Patient, Recipient, Residence, Sasn};
pub use person::{
    Assistance, Birth, Card, CardFault, CardKind, EXEMPTIONS_MAX, Exemptions, GrantedExemption,
    HealthCard, ListedDoctor, Period, Person, PlaceOfResidence, Sex,
};
pub use prescription::{
    Diagnosis, Indication, Kind, Prescriber, Prescription, Priority, ROWS_MAX, Rows, Visit,
};
pub use query::{CardNumber, CardQuery, PersonQuery};
pub use relations::{Relations, View};
pub use row::{Access, EquivalenceGroup, Quantity, Row, Sessions};
pub use tax_code::{PatientCode, PrescriberCode, TaxCode};
pub use text::{
    ADDRESS_MAX, AddressPart, DESCRIPTION_MAX, Description, NAME_MAX, NOTE_MAX, Name, Note, Text,
};

#[cfg(test)]
pub(crate) use person::tests::person as person_for_tests;
#[cfg(test)]
pub(crate) use prescription::tests;
