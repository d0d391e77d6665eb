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

/// A rule, the field it points at, and what breaks it: values of a good prescription, as JSON.
struct Case(
    &'static str,
    &'static str,
    fn() -> Prescription,
    &'static [(&'static str, &'static str)],
);

const CASES: &[Case] = &[
    Case(
        "patient-code-required",
        "/patient/code",
        drug,
        &[("/patient/code", "null")],
    ),
    Case(
        "patient-code-unexpected",
        "/patient/code",
        drug,
        &[("/recipient", "\"UE\""), ("/foreign_insured", "{}")],
    ),
    Case(
        "stp-eni-recipient",
        "/recipient",
        drug,
        &[("/patient/code", "\"STP1302010000001\"")],
    ),
    Case(
        "stp-eni-recipient",
        "/recipient",
        drug,
        &[("/recipient", "\"ST\"")],
    ),
    Case(
        "foreign-insurance-expected",
        "/foreign_insured",
        drug,
        &[("/patient/code", "null"), ("/recipient", "\"NE\"")],
    ),
    Case("sasn-required", "/sasn", drug, &[("/recipient", "\"NA\"")]),
    Case(
        "sasn-unexpected",
        "/sasn",
        drug,
        &[(
            "/sasn",
            "{\"card_number\":\"1\",\"shipping_company\":\"T\"}",
        )],
    ),
    Case(
        "residence-both-or-neither",
        "/patient/residence/health_unit",
        drug,
        &[("/patient/residence/health_unit", "null")],
    ),
    Case(
        "residence-both-or-neither",
        "/patient/residence/province",
        drug,
        &[("/patient/residence/province", "null")],
    ),
    Case(
        "diagnosis-required",
        "/diagnosis",
        service,
        &[("/diagnosis", "null")],
    ),
    Case(
        "diagnosis-required",
        "/diagnosis",
        service,
        &[("/diagnosis", "{}")],
    ),
    Case(
        "compiled-in-future",
        "/compiled_at",
        drug,
        &[("/compiled_at", "\"2026-12-03T00:05:01Z\"")],
    ),
    Case(
        "services-max",
        "/rows",
        service,
        &[("/rows/0/quantity", "9")],
    ),
    Case(
        "service-code-required",
        "/rows/0/code",
        service,
        &[("/rows/0/code", "null")],
    ),
    Case(
        "description-required",
        "/rows/0/description",
        drug,
        &[("/rows/0/description", "null")],
    ),
    Case(
        "not-substitutable-product",
        "/rows/0/not_substitutable",
        drug,
        &[
            ("/rows/0/not_substitutable", "true"),
            ("/rows/0/not_substitutable_reason", "\"1\""),
        ],
    ),
    Case(
        "not-substitutable-reason",
        "/rows/0/not_substitutable_reason",
        drug,
        &[
            ("/rows/0/not_substitutable", "true"),
            ("/rows/0/code", "\"012345678\""),
        ],
    ),
    Case(
        "drug-only",
        "/rows/0/aifa_note",
        service,
        &[("/rows/0/aifa_note", "\"13\"")],
    ),
    Case(
        "drug-only",
        "/rows/0/drug_note",
        service,
        &[("/rows/0/drug_note", "\"N\"")],
    ),
    Case(
        "drug-only",
        "/rows/0/equivalence_group",
        service,
        &[(
            "/rows/0/equivalence_group",
            "{\"code\":\"G3B\",\"description\":\"G\"}",
        )],
    ),
    Case(
        "drug-only",
        "/rows/0/not_substitutable_reason",
        service,
        &[("/rows/0/not_substitutable_reason", "\"1\"")],
    ),
    Case(
        "drug-only",
        "/therapeutic_plan",
        service,
        &[("/therapeutic_plan", "\"1\"")],
    ),
    Case(
        "specialist-only",
        "/internal",
        drug,
        &[("/internal", "true")],
    ),
    Case(
        "specialist-only",
        "/rows/0/access",
        drug,
        &[("/rows/0/access", "\"first\"")],
    ),
    Case(
        "specialist-only",
        "/rows/0/televisit",
        drug,
        &[("/rows/0/televisit", "true")],
    ),
    Case(
        "specialist-only",
        "/rows/0/service_note",
        drug,
        &[("/rows/0/service_note", "\"N\"")],
    ),
    Case(
        "specialist-only",
        "/rows/0/catalogue_code",
        drug,
        &[("/rows/0/catalogue_code", "\"C\"")],
    ),
    Case(
        "specialist-only",
        "/rows/0/sessions",
        drug,
        &[("/rows/0/sessions", "3"), ("/rows/0/quantity", "1")],
    ),
    Case(
        "sessions-one-cycle",
        "/rows/0/quantity",
        service,
        &[("/rows/0/sessions", "3"), ("/rows/0/quantity", "2")],
    ),
    Case(
        "packs-per-row",
        "/rows/0/quantity",
        drug,
        &[("/rows/0/quantity", "3")],
    ),
];

#[test]
fn each_rule_points_at_the_field_that_breaks_it() {
    for Case(rule, pointer, base, changes) in CASES {
        let changes: Vec<(&str, Value)> = changes
            .iter()
            .map(|(pointer, json)| (*pointer, serde_json::from_str(json).unwrap()))
            .collect();
        let broken = changed(base(), &changes);
        assert_eq!(
            found(&broken),
            [(*rule, (*pointer).to_owned())],
            "{rule} at {pointer}"
        );
        assert!(
            check(&broken, now(), &[rule, "prescriber-code"]).is_empty(),
            "{rule}"
        );
    }
    for rule in RULES.iter().filter(|rule| rule.id != "prescriber-code") {
        assert!(
            CASES.iter().any(|case| case.0 == rule.id),
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
