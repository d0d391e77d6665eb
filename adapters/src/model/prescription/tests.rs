//! Prescriptions as JSON, and the two that other tests begin from.

use super::*;

/// A drug for the test patient of the SAC, by its test doctor.
pub(crate) const DRUG: &str = r#"{
  "kind": "drug",
  "prescriber": {
    "code": "PROVAX00X00X000Y", "region": "130", "health_unit": "201", "speciality": "F"
  },
  "patient": {
    "code": "PNIMRA70A01H501P",
    "family_name": "PINI", "given_name": "MARIO",
    "address": {
      "street": "VIA ROMA, 1", "postal_code": "67100", "municipality": "L'AQUILA", "province": "AQ"
    },
    "residence": { "province": "AQ", "health_unit": "201" }
  },
  "exemption": { "status": "not-exempt" },
  "compiled_at": "2026-10-02T10:15:00+02:00",
  "visit": "ambulatory",
  "rows": [{
    "description": "LEVETIRACETAM 500MG 60 UNITA' USO ORALE",
    "equivalence_group": {
      "code": "G3B", "description": "LEVETIRACETAM 500MG 60 UNITA' USO ORALE"
    },
    "quantity": 2
  }]
}"#;

/// A service for the same patient.
pub(crate) const SERVICE: &str = r#"{
  "kind": "specialist",
  "prescriber": {
    "code": "PROVAX00X00X000Y", "region": "130", "health_unit": "201", "speciality": "F"
  },
  "patient": { "code": "PNIMRA70A01H501P", "family_name": "PINI", "given_name": "MARIO" },
  "exemption": { "status": "code", "code": "048" },
  "diagnosis": { "text": "CONTROLLO" },
  "compiled_at": "2026-12-02T10:15:00+01:00",
  "visit": "home",
  "priority": "B",
  "rows": [{
    "code": "99.97.2", "description": "PRESTAZIONE DI PROVA", "catalogue_code": "A099972",
    "access": "first", "quantity": 1
  }]
}"#;

pub(crate) fn drug() -> Prescription {
    serde_json::from_str(DRUG).expect("a valid prescription")
}

pub(crate) fn service() -> Prescription {
    serde_json::from_str(SERVICE).expect("a valid prescription")
}

/// `prescription` with the value at `pointer` replaced, or removed by `null`.
pub(crate) fn with(
    prescription: &Prescription,
    pointer: &str,
    value: serde_json::Value,
) -> Result<Prescription, serde_json::Error> {
    let mut json = serde_json::to_value(prescription).expect("a prescription serializes");
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let parent = json.pointer_mut(parent).expect("the parent is there");
    match parent.as_array_mut() {
        Some(list) => list[field.parse::<usize>().expect("an index")] = value,
        None => parent[field] = value,
    }
    serde_json::from_value(json)
}

#[test]
fn every_field_reads_back_from_json() {
    let full = full();
    let json = serde_json::to_string(&full).unwrap();
    assert_eq!(serde_json::from_str::<Prescription>(&json).unwrap(), full);
    for short in [drug(), service()] {
        let json = serde_json::to_vec(&short).unwrap();
        assert_eq!(
            serde_json::from_slice::<Prescription>(&json).unwrap(),
            short
        );
    }
}

/// A prescription with every field set, however unlikely together.
pub(crate) fn full() -> Prescription {
    let mut full = service();
    let parts = serde_json::json!({
        "substitute": "PROVAX00X00X000Z",
        "recipient": "NX",
        "sasn": { "card_number": "123", "shipping_company": "TIRRENIA & \"FIGLI\" <SPA>" },
        "foreign_insured": {
            "state": "CH", "institution": "KVG", "personal_number": "756", "card_number": "807",
            "birth_date": "1970-01-31", "card_expiry": "2027-12-31"
        },
        "internal": true,
        "exemption": { "status": "income", "code": "E02" },
        "diagnosis": { "code": "250.0", "text": "DIABETE" },
        "indication": "hospital",
        "other": true,
        "therapeutic_plan": "1234",
        "regional_note": "EROGDPC",
        "regional_provisions": "DISPOSIZIONE",
        "rows": [{
            "code": "012345678", "description": "FARMACO",
            "equivalence_group": { "code": "G3B", "description": "GRUPPO" },
            "service_note": "NOTA", "not_substitutable": true, "not_substitutable_reason": "1",
            "drug_note": "1 AL GIORNO", "aifa_note": "13", "quantity": 1, "televisit": true,
            "regional_note": "R", "catalogue_code": "C1", "access": "other", "note_number": "11",
            "dispensing_condition": "22", "appropriateness": "33", "pathology": "44", "sessions": 9
        }]
    });
    for (field, value) in parts.as_object().expect("an object") {
        full = with_raw(full, field, value.clone());
    }
    full.patient = drug().patient;
    full.patient.hide_data = true;
    full.prescriber.facility = Some(Facility::new("130201").expect("a facility"));
    full
}

fn with_raw(prescription: Prescription, field: &str, value: serde_json::Value) -> Prescription {
    with(&prescription, &format!("/{field}"), value).expect("a valid field")
}

#[test]
fn a_wrong_value_names_its_rule_and_never_itself() {
    let cases = [
        (
            "/patient/code",
            "RSSMRA80A01H501X",
            Invalid::TaxCodeCheckLetter,
        ),
        ("/prescriber/code", "PROVA", Invalid::PrescriberCodeShape),
        ("/prescriber/region", "13", Invalid::CodeShape),
        ("/compiled_at", "02/10/2026 SECRET", Invalid::MomentShape),
        ("/kind", "SECRET", Invalid::UnknownValue),
        ("/visit", "SECRET", Invalid::UnknownValue),
        ("/priority", "X", Invalid::UnknownValue),
        ("/patient/family_name", "  ", Invalid::Blank),
        ("/rows/0/description", "SECRET\u{7}", Invalid::Character),
    ];
    for (pointer, value, rule) in cases {
        let error = with(&drug(), pointer, value.into())
            .unwrap_err()
            .to_string();
        assert_eq!(
            Invalid::in_message(&error),
            Some(rule),
            "{pointer}: {error}"
        );
        assert!(
            !error.contains("SECRET") && !error.contains("RSS"),
            "{error}"
        );
    }
    let numbers = [
        ("/rows/0/quantity", 0),
        ("/rows/0/quantity", 10),
        ("/rows/0/sessions", 300),
    ];
    for (pointer, value) in numbers {
        let error = with(&drug(), pointer, value.into())
            .unwrap_err()
            .to_string();
        assert_eq!(
            Invalid::in_message(&error),
            Some(Invalid::OneToNine),
            "{pointer}: {error}"
        );
    }
}

#[test]
fn rows_and_exemptions_are_whole() {
    let row = serde_json::to_value(&drug().rows).unwrap()[0].clone();
    for rows in [vec![], vec![row; ROWS_MAX + 1]] {
        let error = with(&drug(), "/rows", rows.into()).unwrap_err().to_string();
        assert_eq!(
            Invalid::in_message(&error),
            Some(Invalid::RowCount),
            "{error}"
        );
    }
    for exemption in [
        serde_json::json!({ "status": "code" }),
        serde_json::json!({ "status": "not-exempt", "code": "048" }),
    ] {
        let error = with(&drug(), "/exemption", exemption)
            .unwrap_err()
            .to_string();
        assert_eq!(
            Invalid::in_message(&error),
            Some(Invalid::ExemptionCode),
            "{error}"
        );
    }
}

#[test]
fn unknown_fields_are_refused_at_every_depth() {
    for parent in [
        "",
        "/prescriber",
        "/patient",
        "/patient/address",
        "/exemption",
        "/rows/0",
    ] {
        assert!(
            with(&drug(), &format!("{parent}/surprise"), 1.into()).is_err(),
            "{parent}"
        );
    }
}

#[test]
fn nothing_personal_prints() {
    let full = full();
    let printed = format!(
        "{full:?} {:?} {:?} {:?}",
        full.patient, full.rows, full.foreign_insured
    );
    for secret in [
        "PNIMRA", "PINI", "PROVAX", "FARMACO", "250", "1970", "ROMA", "756", "123",
    ] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
