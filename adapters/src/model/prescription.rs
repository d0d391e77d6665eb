//! A prescription as a doctor means it, in the fields of InvioPrescrittoRichiesta (S1 §4.2.1).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    DiagnosisCode, Exemption, Facility, ForeignInsured, HealthUnit, Invalid, Moment, Note, Patient,
    PlanNumber, PrescriberCode, Recipient, Region, Row, Sasn, Speciality,
};

/// More rows than any recipe has: eight services, or two or three drugs.
pub const ROWS_MAX: usize = 20;

/// A prescription, without its number: that is the gateway's or the caller's to give.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prescription {
    /// Drugs or services.
    pub kind: Kind,
    /// The doctor whose patient it is (titolare).
    pub prescriber: Prescriber,
    /// The doctor who writes in their place, if another does (cfMedico2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub substitute: Option<PrescriberCode>,
    /// The patient.
    pub patient: Patient,
    /// At whose charge it is, where not ordinary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Recipient>,
    /// The seafarers' card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasn: Option<Sasn>,
    /// Who insures a patient from abroad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign_insured: Option<ForeignInsured>,
    /// To be dispensed in the public facility where it was written (ricettaInterna).
    #[serde(default)]
    pub internal: bool,
    /// Whether the patient pays a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemption: Option<Exemption>,
    /// Why it is prescribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
    /// When the doctor wrote it (dataCompilazione). Never rewritten, however late it is sent.
    pub compiled_at: Moment,
    /// Where the patient was seen.
    pub visit: Visit,
    /// Suggested by a specialist, or by a hospital.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indication: Option<Indication>,
    /// The box "altro", kept for future use.
    #[serde(default)]
    pub other: bool,
    /// How soon; holds for all rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// The AIFA therapeutic plan it follows (testata1 `PT=…;`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub therapeutic_plan: Option<PlanNumber>,
    /// The region's own, unchecked by the SAC (testata2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regional_note: Option<Note>,
    /// What the region provides for (dispReg).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regional_provisions: Option<Note>,
    /// What is prescribed.
    pub rows: Rows,
}

impl Prescription {
    /// The doctor who writes it, authenticates for it, and alone may cancel it.
    pub fn acting_prescriber(&self) -> &PrescriberCode {
        self.substitute.as_ref().unwrap_or(&self.prescriber.code)
    }
}

impl fmt::Debug for Prescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prescription(…)")
    }
}

/// The doctor whose patient it is. Region, unit, facility and speciality are theirs also when a
/// substitute writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prescriber {
    /// Their tax code (cfMedico1).
    pub code: PrescriberCode,
    /// Their region.
    pub region: Region,
    /// Their health unit or trust (codASLAo).
    pub health_unit: HealthUnit,
    /// Their facility: present if, and only if, their region registered one (codStruttura).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<Facility>,
    /// The speciality they act in.
    pub speciality: Speciality,
}

words! {
    /// What a recipe is of: the SAC keeps the two apart (tipoPrescrizione).
    Kind {
        /// Drugs.
        Drug = "drug" / "F",
        /// Specialist services.
        Specialist = "specialist" / "P",
    }
}

words! {
    /// Where the patient was seen (tipoVisita).
    Visit {
        /// In the surgery.
        Ambulatory = "ambulatory" / "A",
        /// At home.
        Home = "home" / "D",
    }
}

words! {
    /// Who had the idea (indicazionePrescr).
    Indication {
        /// A specialist suggested it.
        Suggested = "suggested" / "S",
        /// It follows a stay in hospital.
        Hospital = "hospital" / "H",
    }
}

words! {
    /// Within which time (classePriorita).
    Priority {
        /// Within 72 hours.
        Urgent = "U" / "U",
        /// Within 10 days (breve).
        Brief = "B" / "B",
        /// Within 30 days (visits) or 60 (instrumental) (differibile).
        Deferrable = "D" / "D",
        /// No priority (programmata).
        Planned = "P" / "P",
    }
}

/// Why it is prescribed: a code, words, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// In ICD-9-CM (codDiagnosi).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<DiagnosisCode>,
    /// In words (descrizioneDiagnosi).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Note>,
}

/// One to [`ROWS_MAX`] rows, in the doctor's order: the SAC refers to them by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Row>", into = "Vec<Row>")]
pub struct Rows(Vec<Row>);

impl Rows {
    /// Checks that there is at least one, and no more than a recipe could hold.
    pub fn new(rows: Vec<Row>) -> Result<Self, Invalid> {
        (1..=ROWS_MAX)
            .contains(&rows.len())
            .then_some(Rows(rows))
            .ok_or(Invalid::RowCount)
    }

    /// The rows.
    pub fn as_slice(&self) -> &[Row] {
        &self.0
    }
}

impl TryFrom<Vec<Row>> for Rows {
    type Error = Invalid;
    fn try_from(rows: Vec<Row>) -> Result<Self, Invalid> {
        Rows::new(rows)
    }
}

impl From<Rows> for Vec<Row> {
    fn from(rows: Rows) -> Vec<Row> {
        rows.0
    }
}

#[cfg(test)]
pub(crate) mod tests;
