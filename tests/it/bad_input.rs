//! Prescriptions with something wrong in them: each is refused with the field and the rule, and
//! nothing of it is stored.

use serde_json::{Value, json};
use tests::world::World;
use tests::world::prescription::{PATIENT, drug, key, specialist};

/// A field, what is put there, and the rule it breaks there.
type Wrong = (&'static str, Value, &'static str);

/// Sends `base` once for every wrong field, and expects the answer to name that field and its rule.
async fn every_field_is_named(base: fn() -> Value, table: Vec<Wrong>) {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let mut failures = Vec::new();
    for (pointer, value, rule) in table {
        let mut body = base();
        put(&mut body, pointer, value.clone());
        let reply = caller.prescribe(&key(), &body).await;
        let errors = reply.at("/errors");
        let named = errors.as_array().into_iter().flatten();
        let named: Vec<_> = named
            .map(|error| {
                (
                    error["pointer"].as_str().unwrap_or_default(),
                    &error["rule"],
                )
            })
            .collect();
        let right = named
            .iter()
            .any(|(at, broken)| *at == pointer && **broken == rule);
        if !matches!(reply.status, 400 | 422) || !right || !reply.blames_the_caller() {
            failures.push(format!("{pointer} = {value}: {} {named:?}", reply.status));
        }
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert!(!text.contains(PATIENT) && !text.contains("PINI"), "{text}");
    }
    assert!(
        failures.is_empty(),
        "not named as they should be:\n{}",
        failures.join("\n")
    );
    assert_eq!(world.equation().stored, 0);
    assert_eq!(world.book().received.len(), 0);
}

/// Puts `value` at `pointer`; a null takes the field away.
fn put(body: &mut Value, pointer: &str, value: Value) {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer names a field");
    let parent = body.pointer_mut(parent).expect("the field has a parent");
    match parent {
        Value::Array(rows) => rows[field.parse::<usize>().expect("a row has a number")] = value,
        Value::Object(fields) if value.is_null() => drop(fields.remove(field)),
        parent => parent[field] = value,
    }
}

/// The head of a prescription, field by field.
#[tokio::test]
async fn every_wrong_field_of_the_head_is_named() {
    let long = "A".repeat(1_001);
    every_field_is_named(
        drug,
        vec![
            ("/kind", json!("herb"), "unknown-value"),
            ("/kind", Value::Null, "required"),
            ("/kind", json!(3), "type"),
            ("/prescriber", Value::Null, "required"),
            ("/prescriber/code", json!("PROVA"), "prescriber-code-shape"),
            ("/prescriber/region", json!("13"), "code-shape"),
            ("/prescriber/region", json!("13A"), "code-shape"),
            ("/prescriber/health_unit", json!("2011"), "code-shape"),
            ("/prescriber/speciality", json!("FF"), "code-shape"),
            ("/prescriber/facility", json!(""), "code-shape"),
            ("/prescriber/nickname", json!("X"), "unknown-field"),
            ("/substitute", json!("x"), "prescriber-code-shape"),
            ("/recipient", json!("ZZ"), "unknown-value"),
            ("/exemption/status", json!("maybe"), "unknown-value"),
            (
                "/exemption",
                json!({ "status": "not-exempt", "code": "048" }),
                "exemption-code",
            ),
            ("/exemption", json!({ "status": "code" }), "exemption-code"),
            ("/exemption/code", json!("4 8"), "code-shape"),
            ("/compiled_at", json!("2026-10-02 10:15:00"), "moment-shape"),
            (
                "/compiled_at",
                json!("2026-02-30T10:15:00Z"),
                "moment-shape",
            ),
            (
                "/compiled_at",
                json!("2099-01-01T00:00:00Z"),
                "compiled-in-future",
            ),
            ("/compiled_at", Value::Null, "required"),
            ("/visit", json!("phone"), "unknown-value"),
            ("/indication", json!("rumour"), "unknown-value"),
            ("/priority", json!("X"), "unknown-value"),
            ("/priority", json!("u"), "unknown-value"),
            ("/regional_note", json!(long), "too-long"),
            ("/regional_note", json!("A\u{0}B"), "character"),
            ("/regional_provisions", json!(" "), "blank"),
            ("/therapeutic_plan", json!("A;B"), "code-shape"),
            ("/internal", json!("yes"), "type"),
            ("/internal", json!(true), "specialist-only"),
            ("/nre", json!("1300A8019294833"), "nre-shape"),
            ("/nre", json!("1300A4"), "nre-shape"),
            ("/sasn", json!("1234"), "type"),
            ("/color", json!("red"), "unknown-field"),
        ],
    )
    .await;
}

/// The patient, field by field: above all the check letter.
#[tokio::test]
async fn every_wrong_field_of_the_patient_is_named() {
    every_field_is_named(
        drug,
        vec![
            (
                "/patient/code",
                json!("PNIMRA70A01H501X"),
                "tax-code-check-letter",
            ),
            ("/patient/code", json!("PNIMRA70B31H501P"), "tax-code-day"),
            (
                "/patient/code",
                json!("pnimra70a01h501p"),
                "patient-code-shape",
            ),
            (
                "/patient/code",
                json!("PNIMRA70A01H501"),
                "patient-code-shape",
            ),
            (
                "/patient/code",
                json!("12345678901"),
                "temporary-code-check-digit",
            ),
            (
                "/patient/code",
                json!("STP130201000001"),
                "patient-code-shape",
            ),
            (
                "/patient/code",
                json!("ENI13020100000012"),
                "patient-code-shape",
            ),
            ("/patient/code", json!(""), "patient-code-shape"),
            ("/patient/code", Value::Null, "patient-code-required"),
            ("/patient/family_name", json!(""), "blank"),
            ("/patient/family_name", json!("A".repeat(101)), "too-long"),
            ("/patient/given_name", json!("MA\nRIO"), "character"),
            ("/patient/address/street", json!("VIA|ROMA"), "character"),
            (
                "/patient/address/street",
                json!("A".repeat(121)),
                "too-long",
            ),
            ("/patient/address/postal_code", json!("6710"), "code-shape"),
            ("/patient/address/postal_code", Value::Null, "required"),
            ("/patient/address/province", json!("AQU"), "code-shape"),
            ("/patient/residence/province", json!("1"), "code-shape"),
            ("/patient/residence/health_unit", json!("2"), "code-shape"),
            (
                "/patient/residence/health_unit",
                Value::Null,
                "residence-both-or-neither",
            ),
            ("/patient/hide_data", json!("1"), "type"),
            ("/patient/age", json!(50), "unknown-field"),
            ("/patient", json!([]), "type"),
        ],
    )
    .await;
}

/// The rows of drugs, field by field.
#[tokio::test]
async fn every_wrong_field_of_a_drug_is_named() {
    let row = drug()["rows"][0].clone();
    every_field_is_named(
        drug,
        vec![
            ("/rows", json!([]), "row-count"),
            ("/rows", json!(vec![row; 21]), "row-count"),
            ("/rows", Value::Null, "required"),
            ("/rows", json!("two of them"), "type"),
            ("/rows/0/quantity", json!(0), "one-to-nine"),
            ("/rows/0/quantity", json!(10), "one-to-nine"),
            ("/rows/0/quantity", json!(-1), "one-to-nine"),
            ("/rows/0/quantity", json!(1.5), "type"),
            ("/rows/0/quantity", json!("2"), "type"),
            ("/rows/0/quantity", Value::Null, "required"),
            ("/rows/0/description", Value::Null, "description-required"),
            ("/rows/0/description", json!("A".repeat(501)), "too-long"),
            ("/rows/0/equivalence_group/code", json!(""), "code-shape"),
            (
                "/rows/0/equivalence_group/description",
                Value::Null,
                "required",
            ),
            (
                "/rows/0/not_substitutable",
                json!(true),
                "not-substitutable-product",
            ),
            ("/rows/0/access", json!("first"), "specialist-only"),
            ("/rows/0/sessions", json!(2), "specialist-only"),
            ("/rows/0/televisit", json!(true), "specialist-only"),
            ("/rows/0/service_note", json!("NOTE"), "specialist-only"),
            ("/rows/0/catalogue_code", json!("89.01"), "specialist-only"),
            ("/rows/0/dose", json!("1"), "unknown-field"),
        ],
    )
    .await;
}

/// The rows of services, field by field: nine of them are one too many.
#[tokio::test]
async fn every_wrong_field_of_a_service_is_named() {
    let row = specialist()["rows"][0].clone();
    every_field_is_named(
        specialist,
        vec![
            ("/rows", json!(vec![row; 9]), "services-max"),
            ("/rows/0/quantity", json!(0), "one-to-nine"),
            ("/rows/1/code", Value::Null, "service-code-required"),
            ("/rows/1/description", Value::Null, "description-required"),
            ("/rows/0/access", json!("second"), "unknown-value"),
            ("/rows/0/sessions", json!(0), "one-to-nine"),
            ("/rows/0/drug_note", json!("NOTE"), "drug-only"),
            ("/rows/0/aifa_note", json!("1"), "drug-only"),
            ("/rows/0/not_substitutable", json!(true), "drug-only"),
            ("/therapeutic_plan", json!("123"), "drug-only"),
            ("/diagnosis", Value::Null, "diagnosis-required"),
            ("/diagnosis", json!({}), "diagnosis-required"),
            ("/diagnosis/code", json!("a!"), "code-shape"),
            ("/diagnosis/text", json!(""), "blank"),
        ],
    )
    .await;
}

/// Everything that is wrong is said at once.
#[tokio::test]
async fn all_broken_rules_are_listed_in_one_answer() {
    let world = World::start().await;
    let mut body = specialist();
    put(&mut body, "/patient/code", json!("PNIMRA70A01H501X"));
    put(&mut body, "/rows/0/quantity", json!(0));
    put(&mut body, "/diagnosis", Value::Null);
    put(&mut body, "/visit", json!("phone"));
    let reply = world
        .caller("practice-a")
        .prescribe(&key(), &body)
        .await
        .expect(422);
    assert_eq!(reply.text("/code"), "content-refused");
    let errors = reply.at("/errors");
    assert_eq!(errors.as_array().map(Vec::len), Some(4), "{errors}");
    assert_eq!(world.equation().stored, 0);
}
