//! The requests, field by field in the order of their schemas.
//!
//! # Invariants
//!
//! 1. Every element of a schema is sent, empty where there is nothing to say (S1 §3.4), except those
//!    whose type has no empty value: `numsedute`, and the search criteria of `interroga` beside the
//!    number.
//! 2. No value reaches the document unescaped.

use super::operations::{
    ANNULLA_SERVICE, INTERROGA_SERVICE, INVIO_SERVICE, LOTTO_SERVICE, TYPES, VISUALIZZA_SERVICE,
};
use super::soap::write::{Xml, envelope};
use crate::model::{
    Access, Address, Day, Exemption, Indication, Nre, Patient, PrescriberCode, Prescription,
    Priority, Recipient, Region, Row,
};

/// The prefix of a request's own namespace, and of the common types.
const REQ: &str = "req";
const TIP: &str = "tip";

/// What is encrypted anew for each call.
pub(super) struct Sealed {
    /// The region's PIN.
    pub(super) pin_code: String,
    /// The patient's code; empty for those insured abroad.
    pub(super) patient_code: String,
}

/// InvioPrescrittoRichiesta.
pub(super) fn invio(
    prescription: &Prescription,
    nre: &Nre,
    sealed: &Sealed,
    security: &str,
) -> Vec<u8> {
    let declared = [(REQ, INVIO_SERVICE.request), (TIP, TYPES)];
    envelope(&declared, Some(security), |xml| {
        xml.open(REQ, "InvioPrescrittoRichiesta");
        head(xml, prescription, nre, sealed);
        patient(xml, prescription, sealed);
        clinical(xml, prescription);
        foreign(xml, prescription);
        xml.open(REQ, "ElencoDettagliPrescrizioni");
        for each in prescription.rows.as_slice() {
            row(xml, each);
        }
        xml.close(REQ, "ElencoDettagliPrescrizioni");
        xml.close(REQ, "InvioPrescrittoRichiesta");
    })
}

fn head(xml: &mut Xml, prescription: &Prescription, nre: &Nre, sealed: &Sealed) {
    let prescriber = &prescription.prescriber;
    let plan = prescription.therapeutic_plan.as_ref();
    let plan = plan.map(|number| format!("PT={};", number.as_str()));
    for (name, value) in [
        ("pinCode", sealed.pin_code.as_str()),
        ("cfMedico1", prescriber.code.as_str()),
        ("cfMedico2", or_empty(&prescription.substitute)),
        ("codRegione", prescriber.region.as_str()),
        ("codASLAo", prescriber.health_unit.as_str()),
        ("codStruttura", or_empty(&prescriber.facility)),
        ("codSpecializzazione", prescriber.speciality.as_str()),
        ("testata1", or_empty(&plan)),
        ("testata2", or_empty(&prescription.regional_note)),
        ("nre", nre.as_str()),
        (
            "tipoRic",
            prescription.recipient.map_or("", Recipient::wire),
        ),
    ] {
        xml.field(REQ, name, value);
    }
}

fn patient(xml: &mut Xml, prescription: &Prescription, sealed: &Sealed) {
    let patient = &prescription.patient;
    let sasn = prescription.sasn.as_ref();
    for (name, value) in [
        ("codiceAss", sealed.patient_code.as_str()),
        ("cognNome", &full_name(patient)),
        (
            "indirizzo",
            or_empty(&patient.address.as_ref().map(one_line)),
        ),
        ("oscuramDati", flag(patient.hide_data)),
        (
            "numTessSasn",
            sasn.map_or("", |sasn| sasn.card_number.as_str()),
        ),
        (
            "socNavigaz",
            sasn.map_or("", |sasn| sasn.shipping_company.as_str()),
        ),
    ] {
        xml.field(REQ, name, value);
    }
}

fn clinical(xml: &mut Xml, prescription: &Prescription) {
    let (exemption_code, not_exempt, by_income) = match &prescription.exemption {
        None => ("", false, false),
        Some(Exemption::NotExempt) => ("", true, false),
        Some(Exemption::Code(code)) => (code.as_str(), false, false),
        Some(Exemption::Income(code)) => (or_empty(code), false, true),
    };
    let diagnosis = prescription.diagnosis.clone().unwrap_or_default();
    let residence = prescription.patient.residence.clone().unwrap_or_default();
    for (name, value) in [
        ("tipoPrescrizione", prescription.kind.wire()),
        ("ricettaInterna", flag(prescription.internal)),
        ("codEsenzione", exemption_code),
        ("nonEsente", flag(not_exempt)),
        ("reddito", flag(by_income)),
        ("codDiagnosi", or_empty(&diagnosis.code)),
        ("descrizioneDiagnosi", or_empty(&diagnosis.text)),
        ("dataCompilazione", &prescription.compiled_at.to_wire()),
        ("tipoVisita", prescription.visit.wire()),
        ("dispReg", or_empty(&prescription.regional_provisions)),
        ("provAssistito", or_empty(&residence.province)),
        ("aslAssistito", or_empty(&residence.health_unit)),
        (
            "indicazionePrescr",
            prescription.indication.map_or("", Indication::wire),
        ),
        ("altro", if prescription.other { "A" } else { "" }),
        (
            "classePriorita",
            prescription.priority.map_or("", Priority::wire),
        ),
    ] {
        xml.field(REQ, name, value);
    }
}

fn foreign(xml: &mut Xml, prescription: &Prescription) {
    let insured = prescription.foreign_insured.clone().unwrap_or_default();
    for (name, value) in [
        ("statoEstero", or_empty(&insured.state)),
        ("istituzCompetente", or_empty(&insured.institution)),
        ("numIdentPers", or_empty(&insured.personal_number)),
        ("numIdentTess", or_empty(&insured.card_number)),
        (
            "dataNascitaEstero",
            or_empty(&insured.birth_date.map(Day::to_wire)),
        ),
        (
            "dataScadTessera",
            or_empty(&insured.card_expiry.map(Day::to_wire)),
        ),
    ] {
        xml.field(REQ, name, value);
    }
}

fn row(xml: &mut Xml, row: &Row) {
    let group = row.equivalence_group.as_ref();
    xml.open(TIP, "DettaglioPrescrizione");
    for (name, value) in [
        ("codProdPrest", or_empty(&row.code)),
        ("descrProdPrest", or_empty(&row.description)),
        (
            "codGruppoEquival",
            group.map_or("", |group| group.code.as_str()),
        ),
        (
            "descrGruppoEquival",
            group.map_or("", |group| group.description.as_str()),
        ),
        // Nothing else is accepted any more.
        ("testoLibero", ""),
        ("descrTestoLiberoNote", or_empty(&row.service_note)),
        ("nonSost", flag(row.not_substitutable)),
        ("motivazNote", or_empty(&row.drug_note)),
        ("codMotivazione", or_empty(&row.not_substitutable_reason)),
        ("notaProd", or_empty(&row.aifa_note)),
        ("quantita", &row.quantity.get().to_string()),
        ("prescrizione1", if row.televisit { "TV;" } else { "" }),
        ("prescrizione2", or_empty(&row.regional_note)),
        ("codCatalogoPrescr", or_empty(&row.catalogue_code)),
        ("tipoAccesso", row.access.map_or("", Access::wire)),
        ("numeroNota", or_empty(&row.note_number)),
        ("condErogabilita", or_empty(&row.dispensing_condition)),
        ("approprPrescrittiva", or_empty(&row.appropriateness)),
        ("patologia", or_empty(&row.pathology)),
    ] {
        xml.field(TIP, name, value);
    }
    if let Some(sessions) = row.sessions {
        xml.field(TIP, "numsedute", &sessions.get().to_string());
    }
    xml.close(TIP, "DettaglioPrescrizione");
}

/// VisualizzaPrescrittoRichiesta. Titular and substitute may both ask; `prescriber` is the one whose
/// authentication goes with it.
pub(super) fn visualizza(
    nre: &Nre,
    prescriber: &PrescriberCode,
    sealed: &Sealed,
    security: &str,
) -> Vec<u8> {
    let declared = [(REQ, VISUALIZZA_SERVICE.request)];
    envelope(&declared, Some(security), |xml| {
        by_number(
            xml,
            "VisualizzaPrescrittoRichiesta",
            nre,
            prescriber,
            sealed,
        );
    })
}

/// AnnullaPrescrittoRichiesta. Only the doctor who wrote it may cancel.
pub(super) fn annulla(
    nre: &Nre,
    prescriber: &PrescriberCode,
    sealed: &Sealed,
    security: &str,
) -> Vec<u8> {
    let declared = [(REQ, ANNULLA_SERVICE.request)];
    envelope(&declared, Some(security), |xml| {
        by_number(xml, "AnnullaPrescrittoRichiesta", nre, prescriber, sealed);
    })
}

fn by_number(xml: &mut Xml, name: &str, nre: &Nre, prescriber: &PrescriberCode, sealed: &Sealed) {
    xml.open(REQ, name);
    xml.field(REQ, "pinCode", &sealed.pin_code);
    xml.field(REQ, "nre", nre.as_str());
    xml.field(REQ, "cfMedico", prescriber.as_str());
    xml.close(REQ, name);
}

/// InterrogaNreUtilRichiesta, by number alone. The doctor is the titular one (S1 §4.2.4).
pub(super) fn interroga(
    nre: &Nre,
    prescription: &Prescription,
    sealed: &Sealed,
    security: &str,
) -> Vec<u8> {
    let declared = [(REQ, INTERROGA_SERVICE.request)];
    envelope(&declared, Some(security), |xml| {
        xml.open(REQ, "InterrogaNreUtilRichiesta");
        xml.field(REQ, "pinCode", &sealed.pin_code);
        xml.field(REQ, "codRegione", prescription.prescriber.region.as_str());
        xml.field(REQ, "nre", nre.as_str());
        xml.field(REQ, "cfMedico", prescription.prescriber.code.as_str());
        xml.field(REQ, "cfAssistito", "");
        xml.close(REQ, "InterrogaNreUtilRichiesta");
    })
}

/// LottoRichiestaNRE, for the region itself: the doctor's code must not be set (S1 §4.1).
pub(super) fn lotto(region: &Region, kind: u8) -> Vec<u8> {
    envelope(&[(REQ, LOTTO_SERVICE.request)], None, |xml| {
        xml.open(REQ, "LottoRichiestaNRE");
        xml.field(REQ, "CodRegione", region.as_str());
        xml.field(REQ, "IdentificativoLotto", &kind.to_string());
        xml.field(REQ, "CFMedico", "");
        xml.close(REQ, "LottoRichiestaNRE");
    })
}

fn or_empty(value: &Option<impl AsRef<str>>) -> &str {
    value.as_ref().map_or("", AsRef::as_ref)
}

fn flag(set: bool) -> &'static str {
    if set { "1" } else { "" }
}

/// Family name first, as the recipe has it.
fn full_name(patient: &Patient) -> String {
    let parts = [&patient.family_name, &patient.given_name];
    let parts: Vec<&str> = parts
        .into_iter()
        .flatten()
        .map(|name| name.as_str())
        .collect();
    parts.join(" ")
}

/// `VIA X, 99|00143|ROMA|RM`.
fn one_line(address: &Address) -> String {
    let parts = [
        address.street.as_str(),
        address.postal_code.as_str(),
        address.municipality.as_str(),
        address.province.as_str(),
    ];
    parts.join("|")
}

#[cfg(test)]
mod tests;
