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
use crate::model::{Address, Exemption, Nre, Patient, PrescriberCode, Prescription, Region, Row};

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
    let substitute = prescription.substitute.as_ref().map(PrescriberCode::as_str);
    let plan = prescription.therapeutic_plan.as_ref();
    let plan = plan.map(|number| format!("PT={};", number.as_str()));
    for (name, value) in [
        ("pinCode", sealed.pin_code.as_str()),
        ("cfMedico1", prescriber.code.as_str()),
        ("cfMedico2", substitute.unwrap_or_default()),
        ("codRegione", prescriber.region.as_str()),
        ("codASLAo", prescriber.health_unit.as_str()),
        (
            "codStruttura",
            prescriber
                .facility
                .as_ref()
                .map_or("", |code| code.as_str()),
        ),
        ("codSpecializzazione", prescriber.speciality.as_str()),
        ("testata1", plan.as_deref().unwrap_or_default()),
        (
            "testata2",
            prescription
                .regional_note
                .as_ref()
                .map_or("", |note| note.as_str()),
        ),
        ("nre", nre.as_str()),
        (
            "tipoRic",
            prescription
                .recipient
                .map_or("", |recipient| recipient.wire()),
        ),
    ] {
        xml.field(REQ, name, value);
    }
}

fn patient(xml: &mut Xml, prescription: &Prescription, sealed: &Sealed) {
    let patient = &prescription.patient;
    let sasn = prescription.sasn.as_ref();
    let name = full_name(patient);
    let address = patient.address.as_ref().map(one_line);
    for (name, value) in [
        ("codiceAss", sealed.patient_code.as_str()),
        ("cognNome", name.as_str()),
        ("indirizzo", address.as_deref().unwrap_or_default()),
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
        Some(Exemption::Income(code)) => {
            (code.as_ref().map_or("", |code| code.as_str()), false, true)
        }
    };
    let diagnosis = prescription.diagnosis.as_ref();
    let diagnosis_code = diagnosis.and_then(|diagnosis| diagnosis.code.as_ref());
    let diagnosis_text = diagnosis.and_then(|diagnosis| diagnosis.text.as_ref());
    let residence = prescription.patient.residence.as_ref();
    let province = residence.and_then(|residence| residence.province.as_ref());
    let health_unit = residence.and_then(|residence| residence.health_unit.as_ref());
    let provisions = prescription.regional_provisions.as_ref();
    let compiled_at = prescription.compiled_at.to_wire();
    for (name, value) in [
        ("tipoPrescrizione", prescription.kind.wire()),
        ("ricettaInterna", flag(prescription.internal)),
        ("codEsenzione", exemption_code),
        ("nonEsente", flag(not_exempt)),
        ("reddito", flag(by_income)),
        (
            "codDiagnosi",
            diagnosis_code.map_or("", |code| code.as_str()),
        ),
        (
            "descrizioneDiagnosi",
            diagnosis_text.map_or("", |text| text.as_str()),
        ),
        ("dataCompilazione", compiled_at.as_str()),
        ("tipoVisita", prescription.visit.wire()),
        ("dispReg", provisions.map_or("", |text| text.as_str())),
        ("provAssistito", province.map_or("", |code| code.as_str())),
        ("aslAssistito", health_unit.map_or("", |code| code.as_str())),
        (
            "indicazionePrescr",
            prescription.indication.map_or("", |value| value.wire()),
        ),
        ("altro", if prescription.other { "A" } else { "" }),
        (
            "classePriorita",
            prescription.priority.map_or("", |value| value.wire()),
        ),
    ] {
        xml.field(REQ, name, value);
    }
}

fn foreign(xml: &mut Xml, prescription: &Prescription) {
    let insured = prescription.foreign_insured.clone().unwrap_or_default();
    let birth_date = insured
        .birth_date
        .map(|day| day.to_wire())
        .unwrap_or_default();
    let card_expiry = insured
        .card_expiry
        .map(|day| day.to_wire())
        .unwrap_or_default();
    for (name, value) in [
        (
            "statoEstero",
            insured.state.as_ref().map_or("", |text| text.as_str()),
        ),
        (
            "istituzCompetente",
            insured
                .institution
                .as_ref()
                .map_or("", |text| text.as_str()),
        ),
        (
            "numIdentPers",
            insured
                .personal_number
                .as_ref()
                .map_or("", |text| text.as_str()),
        ),
        (
            "numIdentTess",
            insured
                .card_number
                .as_ref()
                .map_or("", |text| text.as_str()),
        ),
        ("dataNascitaEstero", birth_date.as_str()),
        ("dataScadTessera", card_expiry.as_str()),
    ] {
        xml.field(REQ, name, value);
    }
}

fn row(xml: &mut Xml, row: &Row) {
    let group = row.equivalence_group.as_ref();
    let quantity = row.quantity.get().to_string();
    xml.open(TIP, "DettaglioPrescrizione");
    for (name, value) in [
        (
            "codProdPrest",
            row.code.as_ref().map_or("", |code| code.as_str()),
        ),
        (
            "descrProdPrest",
            row.description.as_ref().map_or("", |text| text.as_str()),
        ),
        (
            "codGruppoEquival",
            group.map_or("", |group| group.code.as_str()),
        ),
        (
            "descrGruppoEquival",
            group.map_or("", |group| group.description.as_str()),
        ),
        ("testoLibero", ""),
        (
            "descrTestoLiberoNote",
            row.service_note.as_ref().map_or("", |text| text.as_str()),
        ),
        ("nonSost", flag(row.not_substitutable)),
        (
            "motivazNote",
            row.drug_note.as_ref().map_or("", |text| text.as_str()),
        ),
        (
            "codMotivazione",
            row.not_substitutable_reason
                .as_ref()
                .map_or("", |code| code.as_str()),
        ),
        (
            "notaProd",
            row.aifa_note.as_ref().map_or("", |code| code.as_str()),
        ),
        ("quantita", quantity.as_str()),
        ("prescrizione1", if row.televisit { "TV;" } else { "" }),
        (
            "prescrizione2",
            row.regional_note.as_ref().map_or("", |text| text.as_str()),
        ),
        (
            "codCatalogoPrescr",
            row.catalogue_code.as_ref().map_or("", |code| code.as_str()),
        ),
        ("tipoAccesso", row.access.map_or("", |access| access.wire())),
        (
            "numeroNota",
            row.note_number.as_ref().map_or("", |code| code.as_str()),
        ),
        (
            "condErogabilita",
            row.dispensing_condition
                .as_ref()
                .map_or("", |code| code.as_str()),
        ),
        (
            "approprPrescrittiva",
            row.appropriateness
                .as_ref()
                .map_or("", |code| code.as_str()),
        ),
        (
            "patologia",
            row.pathology.as_ref().map_or("", |code| code.as_str()),
        ),
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
