//! Each rule broken once, alone, and kept once.

use serde_json::{Value, json};

use super::*;
use crate::model::Moment;
use crate::model::tests::{drug, service, with};

/// An hour after the drug was prescribed, months before the service was.
fn now() -> Timestamp {
    Moment::new("2026-12-03T00:00:00Z").unwrap().as_timestamp()
}

fn found(prescription: &Prescription) -> Vec<(&'static str, String)> {
    let findings = check(prescription, now(), &["prescriber-code"]);
    findings
        .into_iter()
        .map(|finding| (finding.rule.id, finding.pointer))
        .collect()
}

/// `base` with the values at these pointers.
fn changed(base: Prescription, changes: &[(&str, Value)]) -> Prescription {
    changes.iter().fold(base, |prescription, (pointer, value)| {
        with(&prescription, pointer, value.clone()).unwrap()
    })
}

#[test]
fn good_prescriptions_break_no_rule() {
    assert_eq!(found(&drug()), []);
    assert_eq!(found(&service()), []);
}

#[test]
fn each_rule_points_at_the_field_that_breaks_it() {
    let stp = || json!("STP1302010000001");
    let sasn = || json!({ "card_number": "1", "shipping_company": "T" });
    let cases: Vec<(&str, &str, Prescription)> = vec![
        (
            "patient-code-required",
            "/patient/code",
            changed(drug(), &[("/patient/code", Value::Null)]),
        ),
        (
            "patient-code-unexpected",
            "/patient/code",
            changed(
                drug(),
                &[("/recipient", json!("UE")), ("/foreign_insured", json!({}))],
            ),
        ),
        (
            "stp-eni-recipient",
            "/recipient",
            changed(drug(), &[("/patient/code", stp())]),
        ),
        (
            "stp-eni-recipient",
            "/recipient",
            changed(drug(), &[("/recipient", json!("ST"))]),
        ),
        (
            "foreign-insurance-expected",
            "/foreign_insured",
            changed(
                drug(),
                &[("/patient/code", Value::Null), ("/recipient", json!("NE"))],
            ),
        ),
        (
            "sasn-required",
            "/sasn",
            changed(drug(), &[("/recipient", json!("NA"))]),
        ),
        (
            "sasn-unexpected",
            "/sasn",
            changed(drug(), &[("/sasn", sasn())]),
        ),
        (
            "residence-both-or-neither",
            "/patient/residence/health_unit",
            changed(drug(), &[("/patient/residence/health_unit", Value::Null)]),
        ),
        (
            "residence-both-or-neither",
            "/patient/residence/province",
            changed(drug(), &[("/patient/residence/province", Value::Null)]),
        ),
        (
            "diagnosis-required",
            "/diagnosis",
            changed(service(), &[("/diagnosis", Value::Null)]),
        ),
        (
            "diagnosis-required",
            "/diagnosis",
            changed(service(), &[("/diagnosis", json!({}))]),
        ),
        (
            "compiled-in-future",
            "/compiled_at",
            changed(drug(), &[("/compiled_at", json!("2026-12-03T00:05:01Z"))]),
        ),
        (
            "services-max",
            "/rows",
            changed(service(), &[("/rows/0/quantity", json!(9))]),
        ),
        (
            "service-code-required",
            "/rows/0/code",
            changed(service(), &[("/rows/0/code", Value::Null)]),
        ),
        (
            "description-required",
            "/rows/0/description",
            changed(drug(), &[("/rows/0/description", Value::Null)]),
        ),
        (
            "not-substitutable-product",
            "/rows/0/not_substitutable",
            changed(
                drug(),
                &[
                    ("/rows/0/not_substitutable", json!(true)),
                    ("/rows/0/not_substitutable_reason", json!("1")),
                ],
            ),
        ),
        (
            "not-substitutable-reason",
            "/rows/0/not_substitutable_reason",
            changed(
                drug(),
                &[
                    ("/rows/0/not_substitutable", json!(true)),
                    ("/rows/0/code", json!("012345678")),
                ],
            ),
        ),
        (
            "drug-only",
            "/rows/0/aifa_note",
            changed(service(), &[("/rows/0/aifa_note", json!("13"))]),
        ),
        (
            "drug-only",
            "/rows/0/drug_note",
            changed(service(), &[("/rows/0/drug_note", json!("N"))]),
        ),
        (
            "drug-only",
            "/therapeutic_plan",
            changed(service(), &[("/therapeutic_plan", json!("1"))]),
        ),
        (
            "specialist-only",
            "/internal",
            changed(drug(), &[("/internal", json!(true))]),
        ),
        (
            "specialist-only",
            "/rows/0/access",
            changed(drug(), &[("/rows/0/access", json!("first"))]),
        ),
        (
            "specialist-only",
            "/rows/0/sessions",
            changed(
                drug(),
                &[
                    ("/rows/0/sessions", json!(3)),
                    ("/rows/0/quantity", json!(1)),
                ],
            ),
        ),
        (
            "sessions-one-cycle",
            "/rows/0/quantity",
            changed(
                service(),
                &[
                    ("/rows/0/sessions", json!(3)),
                    ("/rows/0/quantity", json!(2)),
                ],
            ),
        ),
        (
            "packs-per-row",
            "/rows/0/quantity",
            changed(drug(), &[("/rows/0/quantity", json!(3))]),
        ),
    ];
    for (rule, pointer, prescription) in &cases {
        assert_eq!(
            found(prescription),
            [(*rule, (*pointer).to_owned())],
            "{rule} at {pointer}"
        );
        assert!(
            check(prescription, now(), &[rule, "prescriber-code"]).is_empty(),
            "{rule}"
        );
    }
    for rule in RULES.iter().filter(|rule| rule.id != "prescriber-code") {
        assert!(
            cases.iter().any(|(id, ..)| *id == rule.id),
            "{} is never broken",
            rule.id
        );
    }
}

#[test]
fn limits_are_kept_at_their_edge() {
    assert_eq!(
        found(&changed(service(), &[("/rows/0/quantity", json!(8))])),
        []
    );
    assert_eq!(
        found(&changed(
            drug(),
            &[("/compiled_at", json!("2026-12-03T00:05:00Z"))]
        )),
        []
    );
    let row = serde_json::to_value(&service().rows).unwrap()[0].clone();
    let nine = changed(service(), &[("/rows", vec![row; 9].into())]);
    assert_eq!(found(&nine), [("services-max", "/rows".to_owned())]);
}

#[test]
fn lawful_exceptions_break_no_rule() {
    let stp = [
        ("/patient/code", json!("STP1302010000001")),
        ("/recipient", json!("ST")),
    ];
    assert_eq!(found(&changed(drug(), &stp)), []);
    let abroad = [
        ("/patient/code", Value::Null),
        ("/recipient", json!("EE")),
        ("/foreign_insured", json!({ "state": "CH" })),
    ];
    assert_eq!(found(&changed(drug(), &abroad)), []);
    let product = [
        ("/rows/0/code", json!("012345678")),
        ("/rows/0/equivalence_group", Value::Null),
        ("/rows/0/not_substitutable", json!(true)),
        ("/rows/0/not_substitutable_reason", json!("1")),
        ("/therapeutic_plan", json!("1234")),
    ];
    assert_eq!(found(&changed(drug(), &product)), []);
    let cycle = [("/rows/0/sessions", json!(9))];
    assert_eq!(found(&changed(service(), &cycle)), []);
}

#[test]
fn a_prescribers_malformed_code_only_warns() {
    let substituted = changed(drug(), &[("/substitute", json!("PROVAX00X00X000Z"))]);
    let findings = check(&substituted, now(), &[]);
    let pointers: Vec<_> = findings
        .iter()
        .map(|finding| finding.pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/prescriber/code", "/substitute"]);
    for finding in findings {
        assert_eq!(finding.rule.severity, Severity::Warns);
        assert_eq!(finding.rule.sac_code, Some("1024"));
    }
    let well_formed = changed(drug(), &[("/prescriber/code", json!("RSSMRA80A01H501U"))]);
    assert!(check(&well_formed, now(), &[]).is_empty());
}

#[test]
fn rules_have_names_of_their_own() {
    for (index, rule) in RULES.iter().enumerate() {
        assert!(
            RULES[..index].iter().all(|other| other.id != rule.id),
            "{}",
            rule.id
        );
        assert!(!rule.section.is_empty() && !rule.sentence.is_empty());
    }
}
