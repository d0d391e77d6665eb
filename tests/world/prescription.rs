//! Prescriptions as a practice writes them, for the persons of Sogei's public test environment.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// A patient whose code is right in every letter.
pub const PATIENT: &str = "PNIMRA70A01H501P";
/// Another one.
pub const OTHER_PATIENT: &str = "RSSMRA80A01H501U";
/// What the patient is called.
pub const FAMILY_NAME: &str = "PINI";
/// A doctor of the simulator's register whose code is right: a prescription of his has no warning.
pub const DOCTOR: &str = "RSSMRA80A01H501U";
/// Another one, whose check letter is wrong: the SAC takes it and warns with 1024.
pub const MISSPELT_DOCTOR: &str = "RSSMRA80A01H501A";
/// Sogei's own test doctor, whose code no check would let pass.
pub const TEST_DOCTOR: &str = "PROVAX00X00X000Y";

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number that no other call of this process has returned.
pub fn unique() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A fresh `Idempotency-Key`.
pub fn key() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Two packs of an active ingredient, unlike every other prescription of this process.
pub fn drug() -> Value {
    let mut body = head("drug");
    body["exemption"] = json!({ "status": "not-exempt" });
    body["rows"] = json!([{
        "equivalence_group": {
            "code": "G3B",
            "description": "LEVETIRACETAM 500MG 60 UNITA' USO ORALE",
        },
        "description": "LEVETIRACETAM 500MG 60 UNITA' USO ORALE",
        "drug_note": format!("POSOLOGIA {}", unique()),
        "quantity": 2,
    }]);
    body
}

/// Two specialist services, unlike every other prescription of this process.
pub fn specialist() -> Value {
    let mut body = head("specialist");
    body["diagnosis"] = json!({ "code": "401.9", "text": format!("IPERTENSIONE {}", unique()) });
    body["priority"] = json!("D");
    body["rows"] = json!([
        { "code": "89.7A.3", "description": "PRIMA VISITA CARDIOLOGICA", "quantity": 1,
          "access": "first" },
        { "code": "89.52", "description": "ELETTROCARDIOGRAMMA", "quantity": 1,
          "access": "first" },
    ]);
    body
}

/// The same, for a patient who waits at the desk: sent only inside its own request.
#[must_use]
pub fn waiting(mut body: Value) -> Value {
    body["patient_waiting"] = json!(true);
    body
}

/// The same, whose doctor consents to an automatic annul.
#[must_use]
pub fn consenting(mut body: Value) -> Value {
    body["annul_consent"] = json!(true);
    body
}

/// The number of a red form that no other call of this process has returned.
pub fn paper_number() -> String {
    format!("13022{:010}", unique())
}

/// The same, of another doctor.
#[must_use]
pub fn by(doctor: &str, mut body: Value) -> Value {
    body["prescriber"]["code"] = json!(doctor);
    body
}

fn head(kind: &str) -> Value {
    json!({
        "kind": kind,
        "prescriber": {
            "code": DOCTOR,
            "region": "130",
            "health_unit": "201",
            "speciality": "F",
        },
        "patient": {
            "code": PATIENT,
            "family_name": FAMILY_NAME,
            "given_name": "MARIO",
            "address": {
                "street": "VIA ROMA, 1",
                "postal_code": "67100",
                "municipality": "L'AQUILA",
                "province": "AQ",
            },
            "residence": { "province": "AQ", "health_unit": "201" },
        },
        "compiled_at": jiff::Timestamp::now().to_string(),
        "visit": "ambulatory",
    })
}
