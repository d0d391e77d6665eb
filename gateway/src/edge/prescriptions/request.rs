//! The body of a new prescription, as strangers send it: the fields of `adapters::model`, unchecked.
//!
//! Names and nesting are the model's, so that a pointer into one is a pointer into the other. The
//! limits stated here are for the description of the API; the model enforces its own.

use actix_web::HttpRequest;
use actix_web::web::Payload;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::edge::respond::Problem;
use crate::edge::{Edge, json};

/// A new prescription.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPrescription)]
pub(crate) struct NewPrescription {
    /// `drug` or `specialist` (tipoPrescrizione).
    #[schema(max_length = 16, example = "drug")]
    pub(crate) kind: String,
    /// The doctor whose patient it is (titolare).
    pub(crate) prescriber: NewPrescriber,
    /// Tax code of the doctor who writes in their place, if another does (cfMedico2).
    #[schema(max_length = 16)]
    pub(crate) substitute: Option<String>,
    /// The patient.
    pub(crate) patient: NewPatient,
    /// At whose charge it is, where not ordinary: `EE`, `UE`, `NA`, `ND`, `NE`, `NX`, `ST` (tipoRic).
    #[schema(max_length = 2)]
    pub(crate) recipient: Option<String>,
    /// The seafarers' card.
    pub(crate) sasn: Option<NewSasn>,
    /// Who insures a patient from abroad.
    pub(crate) foreign_insured: Option<NewForeignInsured>,
    /// To be dispensed in the public facility where it was written (ricettaInterna).
    #[serde(default)]
    pub(crate) internal: bool,
    /// Whether the patient pays a share.
    pub(crate) exemption: Option<NewExemption>,
    /// Why it is prescribed; a specialist prescription needs it.
    pub(crate) diagnosis: Option<NewDiagnosis>,
    /// When the doctor wrote it, RFC 3339 with any offset (dataCompilazione).
    #[schema(format = DateTime, max_length = 40, example = "2026-10-02T10:15:00+02:00")]
    pub(crate) compiled_at: String,
    /// Where the patient was seen: `ambulatory` or `home` (tipoVisita).
    #[schema(max_length = 16, example = "ambulatory")]
    pub(crate) visit: String,
    /// `suggested` by a specialist, or `hospital` (indicazionePrescr).
    #[schema(max_length = 16)]
    pub(crate) indication: Option<String>,
    /// The box "altro", kept for future use.
    #[serde(default)]
    pub(crate) other: bool,
    /// Within which time, for all rows: `U`, `B`, `D` or `P` (classePriorita).
    #[schema(max_length = 1)]
    pub(crate) priority: Option<String>,
    /// Protocol number of the AIFA therapeutic plan it follows.
    #[schema(max_length = 32)]
    pub(crate) therapeutic_plan: Option<String>,
    /// The region's own, unchecked by the SAC (testata2).
    #[schema(max_length = 1000)]
    pub(crate) regional_note: Option<String>,
    /// What the region provides for (dispReg).
    #[schema(max_length = 1000)]
    pub(crate) regional_provisions: Option<String>,
    /// What is prescribed, in the doctor's order.
    #[schema(min_items = 1, max_items = 20)]
    pub(crate) rows: Vec<NewRow>,
    /// A number of the prescriber's own lot, of their region. Left out, the gateway gives one of its own.
    #[schema(max_length = 15)]
    pub(crate) nre: Option<String>,
    /// What the desk does if the SAC does not answer in time, among what the region's policy allows:
    /// `hold` keeps it and registers it later; `red-recipe` withdraws it, and a red form is written.
    /// Left out, the policy chooses by `patient_waiting`.
    #[schema(max_length = 16, example = "hold")]
    pub(crate) fallback: Option<String>,
    /// Whether the patient is at the desk.
    #[serde(default)]
    pub(crate) patient_waiting: bool,
    /// The prescriber agrees that what the SAC registers after it was given up is annulled in their
    /// name. Without that it is a conflict, and theirs to settle.
    #[serde(default)]
    pub(crate) annul_consent: bool,
}

/// The red form that was written instead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPaper)]
pub(crate) struct NewPaper {
    /// The number under its bar codes, fifteen characters.
    #[schema(min_length = 15, max_length = 15, example = "150220123456789")]
    pub(crate) number: String,
}

/// A body that says nothing: it may be left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Nothing)]
pub(crate) struct Nothing {}

/// A body that may be left out, and says nothing.
pub(crate) async fn nothing(
    edge: &Edge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<(), Problem> {
    match edge.body_if_any(request, payload).await? {
        Some(bytes) => json::decode::<Nothing>(&bytes).map(drop),
        None => Ok(()),
    }
}

/// The doctor whose patient it is; region, unit and speciality are theirs also when a substitute
/// writes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Prescriber)]
pub(crate) struct NewPrescriber {
    /// Tax code (cfMedico1).
    #[schema(max_length = 16)]
    pub(crate) code: String,
    /// Region, three digits.
    #[schema(max_length = 3, example = "130")]
    pub(crate) region: String,
    /// Health unit or trust, three digits (codASLAo).
    #[schema(max_length = 3, example = "201")]
    pub(crate) health_unit: String,
    /// Facility: present if, and only if, the region registered one (codStruttura).
    #[schema(max_length = 16)]
    pub(crate) facility: Option<String>,
    /// Speciality, one character (`F` general practice).
    #[schema(max_length = 1, example = "F")]
    pub(crate) speciality: String,
}

/// The patient, as far as the recipe names them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Patient)]
pub(crate) struct NewPatient {
    /// Tax code, temporary code, STP or ENI code. Absent for those insured abroad.
    #[schema(max_length = 16)]
    pub(crate) code: Option<String>,
    /// Family name, or its initial where the law wants that.
    #[schema(max_length = 100)]
    pub(crate) family_name: Option<String>,
    /// Given name, or its initial.
    #[schema(max_length = 100)]
    pub(crate) given_name: Option<String>,
    /// Where they live, where the law wants it on the recipe.
    pub(crate) address: Option<NewAddress>,
    /// Their province and health unit, both or neither.
    pub(crate) residence: Option<NewResidence>,
    /// The patient wants name and address hidden from the dispenser (oscuramDati).
    #[serde(default)]
    pub(crate) hide_data: bool,
}

/// A postal address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Address)]
pub(crate) struct NewAddress {
    /// Street and number.
    #[schema(max_length = 120)]
    pub(crate) street: String,
    /// Postal code (CAP).
    #[schema(max_length = 5)]
    pub(crate) postal_code: String,
    /// Municipality.
    #[schema(max_length = 120)]
    pub(crate) municipality: String,
    /// Province, two letters.
    #[schema(max_length = 2)]
    pub(crate) province: String,
}

/// Where the patient is registered with the health service.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Residence)]
pub(crate) struct NewResidence {
    /// Province (provAssistito).
    #[schema(max_length = 2)]
    pub(crate) province: Option<String>,
    /// Health unit (aslAssistito).
    #[schema(max_length = 3)]
    pub(crate) health_unit: Option<String>,
}

/// The seafarers' card.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Sasn)]
pub(crate) struct NewSasn {
    /// Number of the card (numTessSasn).
    #[schema(max_length = 100)]
    pub(crate) card_number: String,
    /// Shipping company (socNavigaz).
    #[schema(max_length = 100)]
    pub(crate) shipping_company: String,
}

/// Who insures a patient from abroad.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ForeignInsured)]
pub(crate) struct NewForeignInsured {
    /// State (statoEstero).
    #[schema(max_length = 100)]
    pub(crate) state: Option<String>,
    /// Competent institution (istituzCompetente).
    #[schema(max_length = 500)]
    pub(crate) institution: Option<String>,
    /// Personal identification number (numIdentPers).
    #[schema(max_length = 100)]
    pub(crate) personal_number: Option<String>,
    /// Number of the card (numIdentTess).
    #[schema(max_length = 100)]
    pub(crate) card_number: Option<String>,
    /// Date of birth (dataNascitaEstero).
    #[schema(format = Date, max_length = 10)]
    pub(crate) birth_date: Option<String>,
    /// When the card expires (dataScadTessera).
    #[schema(format = Date, max_length = 10)]
    pub(crate) card_expiry: Option<String>,
}

/// Whether the patient pays a share.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Exemption)]
pub(crate) struct NewExemption {
    /// `not-exempt`, `code` or `income`.
    #[schema(max_length = 16, example = "code")]
    pub(crate) status: String,
    /// Exemption code (codEsenzione): required with `code`, allowed with `income`.
    #[schema(max_length = 10, example = "048")]
    pub(crate) code: Option<String>,
}

/// Why it is prescribed: a code, words, or both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Diagnosis)]
pub(crate) struct NewDiagnosis {
    /// ICD-9-CM (codDiagnosi).
    #[schema(max_length = 10)]
    pub(crate) code: Option<String>,
    /// In words (descrizioneDiagnosi).
    #[schema(max_length = 1000)]
    pub(crate) text: Option<String>,
}

/// One line: a product, an active ingredient or a service.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Row)]
pub(crate) struct NewRow {
    /// AIC of a product, or nomenclature code of a service (codProdPrest).
    #[schema(max_length = 16)]
    pub(crate) code: Option<String>,
    /// What the dispenser reads (descrProdPrest).
    #[schema(max_length = 500)]
    pub(crate) description: Option<String>,
    /// Equivalence group, for a prescription by active ingredient.
    pub(crate) equivalence_group: Option<NewEquivalenceGroup>,
    /// Note on a service (descrTestoLiberoNote).
    #[schema(max_length = 1000)]
    pub(crate) service_note: Option<String>,
    /// The product may not be replaced by an equivalent one (nonSost).
    #[serde(default)]
    pub(crate) not_substitutable: bool,
    /// Why not (codMotivazione).
    #[schema(max_length = 4)]
    pub(crate) not_substitutable_reason: Option<String>,
    /// Note on a drug (motivazNote).
    #[schema(max_length = 1000)]
    pub(crate) drug_note: Option<String>,
    /// AIFA note (notaProd).
    #[schema(max_length = 10)]
    pub(crate) aifa_note: Option<String>,
    /// Packs, or services.
    #[schema(minimum = 1, maximum = 9)]
    pub(crate) quantity: i64,
    /// The service may be given as a televisit.
    #[serde(default)]
    pub(crate) televisit: bool,
    /// The region's own, unchecked by the SAC (prescrizione2).
    #[schema(max_length = 1000)]
    pub(crate) regional_note: Option<String>,
    /// Code of the service in the regional catalogue (codCatalogoPrescr).
    #[schema(max_length = 32)]
    pub(crate) catalogue_code: Option<String>,
    /// `first` or `other` access (tipoAccesso).
    #[schema(max_length = 8)]
    pub(crate) access: Option<String>,
    /// Note of DPCM 12/1/2017 (numeroNota).
    #[schema(max_length = 10)]
    pub(crate) note_number: Option<String>,
    /// Condition of dispensability of that decree (condErogabilita).
    #[schema(max_length = 10)]
    pub(crate) dispensing_condition: Option<String>,
    /// Prescriptive appropriateness of that decree (approprPrescrittiva).
    #[schema(max_length = 10)]
    pub(crate) appropriateness: Option<String>,
    /// Pathology of that decree (patologia).
    #[schema(max_length = 10)]
    pub(crate) pathology: Option<String>,
    /// Sessions of one cycle, for cyclic services (numsedute).
    #[schema(minimum = 1, maximum = 9)]
    pub(crate) sessions: Option<i64>,
}

/// An equivalence group of AIFA.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EquivalenceGroup)]
pub(crate) struct NewEquivalenceGroup {
    /// Its code (codGruppoEquival).
    #[schema(max_length = 10)]
    pub(crate) code: String,
    /// Its description in AIFA's words (descrGruppoEquival).
    #[schema(max_length = 500)]
    pub(crate) description: String,
}
