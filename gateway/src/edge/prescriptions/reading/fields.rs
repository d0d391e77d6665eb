//! The fields of a prescription, one function an object.

use adapters::model::{
    Address, Diagnosis, EquivalenceGroup, Exemption, ExemptionCode, ForeignInsured, Invalid,
    Patient, Prescriber, Prescription, ROWS_MAX, Residence, Row, Rows, Sasn,
};

use super::super::request::{
    NewAddress, NewDiagnosis, NewEquivalenceGroup, NewExemption, NewForeignInsured, NewPatient,
    NewPrescriber, NewPrescription, NewResidence, NewRow, NewSasn,
};
use super::{Place, Reading};

// Stand-ins: each keeps the rule of its type, and breaks no rule that looks at other fields.
const PATIENT: &str = "00000000000";
const PRESCRIBER: &str = "AAAAAAAAAAAAAAAA";
const MARK: &str = "0";
const PROVINCE: &str = "EE";
const THREE_DIGITS: &str = "000";
const INSTANT: &str = "1970-01-01T00:00:00Z";
const DAY: &str = "1970-01-01";
const ROW: &str = r#"{"code":"0","description":"0","quantity":1}"#;

impl Reading {
    pub(super) fn prescription(&mut self, at: Place<'_>, new: NewPrescription) -> Prescription {
        Prescription {
            kind: self.value(at.field("kind"), new.kind, "drug"),
            prescriber: self.prescriber(at.field("prescriber"), new.prescriber),
            substitute: self.maybe(at.field("substitute"), new.substitute, PRESCRIBER),
            patient: self.patient(at.field("patient"), new.patient),
            recipient: self.maybe(at.field("recipient"), new.recipient, "ST"),
            sasn: new.sasn.map(|new| self.sasn(at.field("sasn"), new)),
            foreign_insured: new
                .foreign_insured
                .map(|new| self.foreign_insured(at.field("foreign_insured"), new)),
            internal: new.internal,
            exemption: new
                .exemption
                .and_then(|new| self.exemption(at.field("exemption"), new)),
            diagnosis: new
                .diagnosis
                .map(|new| self.diagnosis(at.field("diagnosis"), new)),
            compiled_at: self.value(at.field("compiled_at"), new.compiled_at, INSTANT),
            visit: self.value(at.field("visit"), new.visit, "home"),
            indication: self.maybe(at.field("indication"), new.indication, "hospital"),
            other: new.other,
            priority: self.maybe(at.field("priority"), new.priority, "P"),
            therapeutic_plan: self.maybe(at.field("therapeutic_plan"), new.therapeutic_plan, MARK),
            regional_note: self.maybe(at.field("regional_note"), new.regional_note, MARK),
            regional_provisions: self.maybe(
                at.field("regional_provisions"),
                new.regional_provisions,
                MARK,
            ),
            rows: self.rows(at.field("rows"), new.rows),
        }
    }

    fn prescriber(&mut self, at: Place<'_>, new: NewPrescriber) -> Prescriber {
        Prescriber {
            code: self.value(at.field("code"), new.code, PRESCRIBER),
            region: self.value(at.field("region"), new.region, THREE_DIGITS),
            health_unit: self.value(at.field("health_unit"), new.health_unit, THREE_DIGITS),
            facility: self.maybe(at.field("facility"), new.facility, MARK),
            speciality: self.value(at.field("speciality"), new.speciality, MARK),
        }
    }

    fn patient(&mut self, at: Place<'_>, new: NewPatient) -> Patient {
        Patient {
            code: self.maybe(at.field("code"), new.code, PATIENT),
            family_name: self.maybe(at.field("family_name"), new.family_name, MARK),
            given_name: self.maybe(at.field("given_name"), new.given_name, MARK),
            address: new
                .address
                .map(|new| self.address(at.field("address"), new)),
            residence: new
                .residence
                .map(|new| self.residence(at.field("residence"), new)),
            hide_data: new.hide_data,
        }
    }

    fn address(&mut self, at: Place<'_>, new: NewAddress) -> Address {
        Address {
            street: self.value(at.field("street"), new.street, MARK),
            postal_code: self.value(at.field("postal_code"), new.postal_code, "00000"),
            municipality: self.value(at.field("municipality"), new.municipality, MARK),
            province: self.value(at.field("province"), new.province, PROVINCE),
        }
    }

    fn residence(&mut self, at: Place<'_>, new: NewResidence) -> Residence {
        Residence {
            province: self.maybe(at.field("province"), new.province, PROVINCE),
            health_unit: self.maybe(at.field("health_unit"), new.health_unit, THREE_DIGITS),
        }
    }

    fn sasn(&mut self, at: Place<'_>, new: NewSasn) -> Sasn {
        Sasn {
            card_number: self.value(at.field("card_number"), new.card_number, MARK),
            shipping_company: self.value(at.field("shipping_company"), new.shipping_company, MARK),
        }
    }

    fn foreign_insured(&mut self, at: Place<'_>, new: NewForeignInsured) -> ForeignInsured {
        ForeignInsured {
            state: self.maybe(at.field("state"), new.state, MARK),
            institution: self.maybe(at.field("institution"), new.institution, MARK),
            personal_number: self.maybe(at.field("personal_number"), new.personal_number, MARK),
            card_number: self.maybe(at.field("card_number"), new.card_number, MARK),
            birth_date: self.maybe(at.field("birth_date"), new.birth_date, DAY),
            card_expiry: self.maybe(at.field("card_expiry"), new.card_expiry, DAY),
        }
    }

    /// No rule of ours asks whether a prescription has one: `None` stands in.
    fn exemption(&mut self, at: Place<'_>, new: NewExemption) -> Option<Exemption> {
        let code: Option<ExemptionCode> = self.maybe(at.field("code"), new.code, MARK);
        match (new.status.as_str(), code) {
            ("not-exempt", None) => Some(Exemption::NotExempt),
            ("code", Some(code)) => Some(Exemption::Code(code)),
            ("income", code) => Some(Exemption::Income(code)),
            ("not-exempt", Some(_)) | ("code", None) => {
                self.refuse(at, Invalid::ExemptionCode);
                None
            }
            _ => {
                self.refuse(at.field("status"), Invalid::UnknownValue);
                None
            }
        }
    }

    fn diagnosis(&mut self, at: Place<'_>, new: NewDiagnosis) -> Diagnosis {
        Diagnosis {
            code: self.maybe(at.field("code"), new.code, MARK),
            text: self.maybe(at.field("text"), new.text, MARK),
        }
    }

    fn rows(&mut self, at: Place<'_>, new: Vec<NewRow>) -> Rows {
        let count = new.len();
        let mut rows: Vec<Row> = new
            .into_iter()
            .enumerate()
            .map(|(index, new)| self.row(at.item(index), new))
            .collect();
        if !(1..=ROWS_MAX).contains(&count) {
            self.refuse(at, Invalid::RowCount);
            rows.truncate(ROWS_MAX);
            if rows.is_empty() {
                rows.push(serde_json::from_str(ROW).expect("the stand-in is a row"));
            }
        }
        Rows::new(rows).expect("the rows were counted")
    }

    fn row(&mut self, at: Place<'_>, new: NewRow) -> Row {
        Row {
            code: self.maybe(at.field("code"), new.code, MARK),
            description: self.maybe(at.field("description"), new.description, MARK),
            equivalence_group: new
                .equivalence_group
                .map(|new| self.equivalence_group(at.field("equivalence_group"), new)),
            service_note: self.maybe(at.field("service_note"), new.service_note, MARK),
            not_substitutable: new.not_substitutable,
            not_substitutable_reason: self.maybe(
                at.field("not_substitutable_reason"),
                new.not_substitutable_reason,
                MARK,
            ),
            drug_note: self.maybe(at.field("drug_note"), new.drug_note, MARK),
            aifa_note: self.maybe(at.field("aifa_note"), new.aifa_note, MARK),
            quantity: self.value(at.field("quantity"), new.quantity, 1),
            televisit: new.televisit,
            regional_note: self.maybe(at.field("regional_note"), new.regional_note, MARK),
            catalogue_code: self.maybe(at.field("catalogue_code"), new.catalogue_code, MARK),
            access: self.maybe(at.field("access"), new.access, "other"),
            note_number: self.maybe(at.field("note_number"), new.note_number, MARK),
            dispensing_condition: self.maybe(
                at.field("dispensing_condition"),
                new.dispensing_condition,
                MARK,
            ),
            appropriateness: self.maybe(at.field("appropriateness"), new.appropriateness, MARK),
            pathology: self.maybe(at.field("pathology"), new.pathology, MARK),
            sessions: self.maybe(at.field("sessions"), new.sessions, 1),
        }
    }

    fn equivalence_group(&mut self, at: Place<'_>, new: NewEquivalenceGroup) -> EquivalenceGroup {
        EquivalenceGroup {
            code: self.value(at.field("code"), new.code, MARK),
            description: self.value(at.field("description"), new.description, MARK),
        }
    }
}
