//! Rules about the recipe as a whole: where each one is broken, as JSON pointers.

use super::{CLOCK_SKEW_MAX, Subject};
use crate::model::{Kind, PatientCode, Recipient};

/// `pointer` where `broken`, else nothing.
fn at(broken: bool, pointer: &str) -> Vec<String> {
    if broken {
        vec![pointer.to_owned()]
    } else {
        Vec::new()
    }
}

fn is_insured_abroad(subject: &Subject<'_>) -> bool {
    subject
        .prescription
        .recipient
        .is_some_and(Recipient::is_insured_abroad)
}

fn is_sasn(subject: &Subject<'_>) -> bool {
    subject
        .prescription
        .recipient
        .is_some_and(Recipient::is_sasn)
}

pub(super) fn malformed_prescribers(subject: &Subject<'_>) -> Vec<String> {
    let prescription = subject.prescription;
    let titular = at(
        !prescription.prescriber.code.is_well_formed(),
        "/prescriber/code",
    );
    let substitute = prescription.substitute.as_ref();
    let substitute = at(
        substitute.is_some_and(|code| !code.is_well_formed()),
        "/substitute",
    );
    [titular, substitute].concat()
}

pub(super) fn patient_code_missing(subject: &Subject<'_>) -> Vec<String> {
    let missing = subject.prescription.patient.code.is_none();
    at(missing && !is_insured_abroad(subject), "/patient/code")
}

pub(super) fn patient_code_unexpected(subject: &Subject<'_>) -> Vec<String> {
    let given = subject.prescription.patient.code.is_some();
    at(given && is_insured_abroad(subject), "/patient/code")
}

pub(super) fn stp_without_recipient(subject: &Subject<'_>) -> Vec<String> {
    let code = subject.prescription.patient.code.as_ref();
    let Some(code) = code else { return Vec::new() };
    let has_stp = matches!(code, PatientCode::Stp(_) | PatientCode::Eni(_));
    let is_present = subject.prescription.recipient == Some(Recipient::TemporarilyPresent);
    at(has_stp != is_present, "/recipient")
}

pub(super) fn foreign_insurance_missing(subject: &Subject<'_>) -> Vec<String> {
    let missing = subject.prescription.foreign_insured.is_none();
    at(missing && is_insured_abroad(subject), "/foreign_insured")
}

pub(super) fn sasn_missing(subject: &Subject<'_>) -> Vec<String> {
    at(
        is_sasn(subject) && subject.prescription.sasn.is_none(),
        "/sasn",
    )
}

pub(super) fn sasn_unexpected(subject: &Subject<'_>) -> Vec<String> {
    at(
        !is_sasn(subject) && subject.prescription.sasn.is_some(),
        "/sasn",
    )
}

pub(super) fn residence_half(subject: &Subject<'_>) -> Vec<String> {
    let Some(residence) = &subject.prescription.patient.residence else {
        return Vec::new();
    };
    match (&residence.province, &residence.health_unit) {
        (Some(_), None) => at(true, "/patient/residence/health_unit"),
        (None, Some(_)) => at(true, "/patient/residence/province"),
        (Some(_), Some(_)) | (None, None) => Vec::new(),
    }
}

pub(super) fn diagnosis_missing(subject: &Subject<'_>) -> Vec<String> {
    let diagnosis = subject.prescription.diagnosis.as_ref();
    let given = diagnosis.is_some_and(|given| given.code.is_some() || given.text.is_some());
    at(
        subject.prescription.kind == Kind::Specialist && !given,
        "/diagnosis",
    )
}

pub(super) fn compiled_in_future(subject: &Subject<'_>) -> Vec<String> {
    let compiled_at = subject.prescription.compiled_at.as_timestamp();
    at(compiled_at > subject.now + CLOCK_SKEW_MAX, "/compiled_at")
}
