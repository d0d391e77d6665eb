//! What the SAC is known to check, checked before anything is stored, so that rejections are rare.
//!
//! # Invariants
//!
//! 1. Each rule is data: an operator can read it, and switch it off by its `id`.
//! 2. What the specification says the SAC refuses blocks; what only practice suggests warns.
//! 3. A finding points into the REST body and repeats nothing of it.
//!
//! # Not here
//!
//! Rules about one value alone are part of its type: see `model::Invalid`. Whether a service is in
//! the national waiting-list plan, in a regional catalogue or cyclic needs registers that are not
//! public, and is left to the SAC.

use std::time::Duration;

use policies::time::Timestamp;

use crate::model::Prescription;

mod rows;
mod whole;

/// Most services on one recipe, repetitions counted (S1 §4.2.1, note N.SEDUTE).
pub const SERVICES_MAX: u32 = 8;
/// Packs of one drug that need no special reason. Three for the chronically ill and six of some
/// injectables are lawful too, so that more than this only warns.
pub const PACKS_PER_ROW: u8 = 2;
/// How far a doctor's clock may be ahead of ours.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5 * 60);

/// Whether a finding stops the prescription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It is refused.
    Blocks,
    /// It goes on, and the caller is told.
    Warns,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its stable name.
    pub id: &'static str,
    /// Where it is written, or why it is believed.
    pub section: &'static str,
    /// Whether it stops the prescription.
    pub severity: Severity,
    /// The code the SAC would have answered with, where it is public.
    pub sac_code: Option<&'static str>,
    /// The rule as a sentence for the caller.
    pub sentence: &'static str,
    find: fn(&Subject<'_>) -> Vec<String>,
}

/// A rule that a prescription breaks.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which one.
    pub rule: &'static Rule,
    /// Where: a JSON pointer (RFC 6901) into the REST body.
    pub pointer: String,
    /// What is wrong, for the caller.
    pub detail: &'static str,
}

/// What the rules look at.
struct Subject<'a> {
    prescription: &'a Prescription,
    now: Timestamp,
}

/// Every rule, in the order of the specification.
pub const RULES: &[Rule] = &[
    Rule {
        id: "prescriber-code",
        section: "observed in the SAC's test environment",
        severity: Severity::Warns,
        sac_code: Some("1024"),
        sentence: "the prescriber's code is not a well-formed tax code",
        find: whole::malformed_prescribers,
    },
    Rule {
        id: "patient-code-required",
        section: "S1 §4.2.1 codiceAss, tipoRic",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "a patient who is not insured abroad has a code",
        find: whole::patient_code_missing,
    },
    Rule {
        id: "patient-code-unexpected",
        section: "S1 §4.2.1 codiceAss, tipoRic",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "a patient insured abroad has no code; the foreign insurance says who they are",
        find: whole::patient_code_unexpected,
    },
    Rule {
        id: "stp-eni-recipient",
        section: "practice of Friuli Venezia Giulia",
        severity: Severity::Warns,
        sac_code: None,
        sentence: "an STP or ENI code and the recipient ST go together",
        find: whole::stp_without_recipient,
    },
    Rule {
        id: "foreign-insurance-expected",
        section: "S1 §4.2.1 statoEstero",
        severity: Severity::Warns,
        sac_code: None,
        sentence: "a patient insured abroad is known by their foreign insurance",
        find: whole::foreign_insurance_missing,
    },
    Rule {
        id: "sasn-required",
        section: "S1 §4.2.1 numTessSasn, socNavigaz",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "the seafarers' service wants card number and shipping company",
        find: whole::sasn_missing,
    },
    Rule {
        id: "sasn-unexpected",
        section: "S1 §4.2.1 numTessSasn, socNavigaz",
        severity: Severity::Warns,
        sac_code: None,
        sentence: "a seafarers' card belongs to recipients of their service only",
        find: whole::sasn_unexpected,
    },
    Rule {
        id: "residence-both-or-neither",
        section: "S1 §4.2.1 provAssistito, aslAssistito",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "province and health unit of the patient are given both or neither",
        find: whole::residence_half,
    },
    Rule {
        id: "diagnosis-required",
        section: "S1 §4.2.1 codDiagnosi, descrizioneDiagnosi",
        severity: Severity::Blocks,
        sac_code: Some("1233"),
        sentence: "a specialist prescription has a diagnosis, as a code or in words",
        find: whole::diagnosis_missing,
    },
    Rule {
        id: "compiled-in-future",
        section: "S1 §4.2.1 dataCompilazione",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "a prescription is not written in the future",
        find: whole::compiled_in_future,
    },
    Rule {
        id: "services-max",
        section: "S1 §4.2.1 note N.SEDUTE",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "a recipe holds eight services at most, repetitions counted",
        find: rows::too_many_services,
    },
    Rule {
        id: "service-code-required",
        section: "S1 §4.2.1 codProdPrest",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "a service has a code of the nomenclature",
        find: rows::service_code_missing,
    },
    Rule {
        id: "description-required",
        section: "S1 §4.2.1 descrProdPrest",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "a row has a description: it is what the dispenser reads",
        find: rows::description_missing,
    },
    Rule {
        id: "not-substitutable-product",
        section: "S1 §4.2.1 nonSost",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "only a product named by its AIC can be not substitutable",
        find: rows::not_substitutable_without_code,
    },
    Rule {
        id: "not-substitutable-reason",
        section: "S1 §4.2.1 codMotivazione",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "a product that may not be substituted has a reason for it",
        find: rows::reason_missing,
    },
    Rule {
        id: "drug-only",
        section: "S1 §4.2.1 nonSost, motivazNote, notaProd, codGruppoEquival; page 45",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "this field belongs to drugs",
        find: rows::drug_fields_on_services,
    },
    Rule {
        id: "specialist-only",
        section: "S1 §4.2.1 ricettaInterna, descrTestoLiberoNote, codCatalogoPrescr, tipoAccesso, numsedute; page 45",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "this field belongs to specialist services",
        find: rows::service_fields_on_drugs,
    },
    Rule {
        id: "sessions-one-cycle",
        section: "S1 §4.2.1 note N.SEDUTE",
        severity: Severity::Blocks,
        sac_code: None,
        sentence: "a row with sessions is one cycle; more cycles are more rows",
        find: rows::sessions_repeated,
    },
    Rule {
        id: "packs-per-row",
        section: "unconfirmed",
        severity: Severity::Warns,
        sac_code: None,
        sentence: "more than two packs of a drug need a reason that the SAC may check",
        find: rows::many_packs,
    },
];

/// What `prescription` breaks of the rules that are not in `disabled`, in the order of [`RULES`].
///
/// Nothing of it may be stored while a finding blocks.
pub fn check(prescription: &Prescription, now: Timestamp, disabled: &[&str]) -> Vec<Finding> {
    let subject = Subject { prescription, now };
    RULES
        .iter()
        .filter(|rule| !disabled.contains(&rule.id))
        .flat_map(|rule| {
            (rule.find)(&subject).into_iter().map(|pointer| Finding {
                rule,
                pointer,
                detail: rule.sentence,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
