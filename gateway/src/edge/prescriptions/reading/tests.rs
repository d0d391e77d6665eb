//! Every field wrong in turn, and all of them at once.

use serde_json::{Value, json};

use super::*;
use crate::edge::json::decode;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// A prescription with every field filled.
const FULL: &str = include_str!("full.json");

fn full() -> Value {
    serde_json::from_str(FULL).unwrap()
}

/// What is wrong with `body`: the code of a structural problem, or pointers and rules.
fn wrong(body: &Value) -> Vec<(String, &'static str)> {
    let errors = match decode::<NewPrescription>(body.to_string().as_bytes()) {
        Ok(new) => Reading::of(new, NOW, &[]).1.errors,
        Err(problem) => problem.errors,
    };
    errors
        .into_iter()
        .map(|error| (error.pointer.unwrap(), error.rule))
        .collect()
}

fn set(body: &mut Value, pointer: &str, value: Value) {
    *body
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("{pointer} is in no fixture")) = value;
}

/// A wrong value for every field of the full prescription, and the rule it breaks.
fn wrong_values() -> Vec<Wrong> {
    [wrong_whole(), wrong_rows()].concat()
}

/// Where, what, and the rule it breaks.
type Wrong = (&'static str, Value, &'static str);

fn wrong_rows() -> Vec<Wrong> {
    let code = "code-shape";
    vec![
        ("/rows/0/code", json!("99 97"), code),
        ("/rows/0/description", json!(""), "blank"),
        ("/rows/0/equivalence_group/code", json!(""), code),
        ("/rows/0/equivalence_group/description", json!(""), "blank"),
        ("/rows/0/service_note", json!(""), "blank"),
        ("/rows/0/not_substitutable_reason", json!("12345"), code),
        ("/rows/0/drug_note", json!(""), "blank"),
        ("/rows/0/aifa_note", json!(""), code),
        ("/rows/0/quantity", json!(0), "one-to-nine"),
        ("/rows/0/regional_note", json!(""), "blank"),
        ("/rows/0/catalogue_code", json!(""), code),
        ("/rows/0/access", json!("1"), "unknown-value"),
        ("/rows/0/note_number", json!(""), code),
        ("/rows/0/dispensing_condition", json!(""), code),
        ("/rows/0/appropriateness", json!(""), code),
        ("/rows/0/pathology", json!(""), code),
        ("/rows/0/sessions", json!(10), "one-to-nine"),
    ]
}

fn wrong_whole() -> Vec<Wrong> {
    let long = |count: usize| Value::String("A".repeat(count));
    let code = "code-shape";
    vec![
        ("/kind", json!("f"), "unknown-value"),
        ("/prescriber/code", json!("PROVA"), "prescriber-code-shape"),
        ("/prescriber/region", json!("13"), code),
        ("/prescriber/health_unit", json!("2O1"), code),
        ("/prescriber/facility", json!("a b"), code),
        ("/prescriber/speciality", json!("FF"), code),
        (
            "/substitute",
            json!("rssmra80a01h501u"),
            "prescriber-code-shape",
        ),
        (
            "/patient/code",
            json!("PNIMRA70A01H501X"),
            "tax-code-check-letter",
        ),
        ("/patient/family_name", json!(" "), "blank"),
        ("/patient/given_name", json!("MA\u{0}RIO"), "character"),
        ("/patient/address/street", json!("VIA|ROMA"), "character"),
        ("/patient/address/postal_code", json!("6710"), code),
        ("/patient/address/municipality", long(121), "too-long"),
        ("/patient/address/province", json!("aq"), code),
        ("/patient/residence/province", json!("A"), code),
        ("/patient/residence/health_unit", json!("1"), code),
        ("/recipient", json!("XX"), "unknown-value"),
        ("/sasn/card_number", json!(""), "blank"),
        ("/sasn/shipping_company", long(101), "too-long"),
        ("/foreign_insured/state", json!("\n"), "blank"),
        ("/foreign_insured/institution", long(501), "too-long"),
        ("/foreign_insured/personal_number", json!(""), "blank"),
        ("/foreign_insured/card_number", json!(""), "blank"),
        (
            "/foreign_insured/birth_date",
            json!("1980-02-30"),
            "day-shape",
        ),
        (
            "/foreign_insured/card_expiry",
            json!("30/12/2027"),
            "day-shape",
        ),
        ("/exemption/status", json!("rich"), "unknown-value"),
        ("/exemption/code", json!("?"), code),
        ("/diagnosis/code", json!("12345678901"), code),
        ("/diagnosis/text", long(1_001), "too-long"),
        ("/compiled_at", json!("2026-10-02 10:15:00"), "moment-shape"),
        ("/visit", json!("A"), "unknown-value"),
        ("/indication", json!("S"), "unknown-value"),
        ("/priority", json!("X"), "unknown-value"),
        ("/therapeutic_plan", json!("1;2"), code),
        ("/regional_note", json!("\u{7f}x"), "character"),
        ("/regional_provisions", json!(""), "blank"),
    ]
}

#[test]
fn every_field_wrong_in_turn_is_named_with_its_rule() {
    let baseline = wrong(&full());
    for (pointer, value, rule) in wrong_values() {
        let mut body = full();
        set(&mut body, pointer, value);
        let found = wrong(&body);
        assert!(
            found.contains(&(pointer.to_owned(), rule)),
            "{pointer}: {found:?}"
        );
        for other in found.iter().filter(|(at, _)| at != pointer) {
            assert!(baseline.contains(other), "{pointer} also brings {other:?}");
        }
    }
}

#[test]
fn all_fields_wrong_are_all_named_at_once() {
    let mut body = full();
    for (pointer, value, _) in wrong_values() {
        set(&mut body, pointer, value);
    }
    let found = wrong(&body);
    for (pointer, _, rule) in wrong_values() {
        assert!(
            found.contains(&(pointer.to_owned(), rule)),
            "{pointer}: {found:?}"
        );
    }
}

#[test]
fn the_table_above_misses_no_field() {
    let flags = |pointer: &str| {
        [
            "internal",
            "other",
            "hide_data",
            "not_substitutable",
            "televisit",
        ]
        .iter()
        .any(|flag| pointer.ends_with(flag))
    };
    let known: Vec<_> = wrong_values().iter().map(|(at, _, _)| *at).collect();
    let mut leaves = Vec::new();
    collect(&full(), String::new(), &mut leaves);
    for leaf in leaves.iter().filter(|leaf| !flags(leaf)) {
        assert!(known.contains(&leaf.as_str()), "{leaf} is never tried");
    }
}

fn collect(value: &Value, at: String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(field, format!("{at}/{name}"), leaves);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{at}/{index}"), leaves);
            }
        }
        _ => leaves.push(at),
    }
}

#[test]
fn another_type_in_any_place_is_refused_there() {
    let mut leaves = Vec::new();
    collect(&full(), String::new(), &mut leaves);
    leaves.extend(["/patient", "/rows", "/rows/0", "/exemption"].map(str::to_owned));
    for leaf in leaves {
        let mut body = full();
        set(&mut body, &leaf, json!(1.5));
        assert_eq!(wrong(&body), [(leaf.clone(), "type")]);
    }
}

#[test]
fn an_unknown_field_in_any_object_is_refused_there() {
    let objects = [
        "",
        "/prescriber",
        "/patient",
        "/patient/address",
        "/patient/residence",
        "/sasn",
        "/foreign_insured",
        "/exemption",
        "/diagnosis",
        "/rows/0",
        "/rows/0/equivalence_group",
    ];
    for object in objects {
        let mut body = full();
        let place = body.pointer_mut(object).unwrap();
        place["surprise"] = json!(1);
        assert_eq!(
            wrong(&body),
            [(format!("{object}/surprise"), "unknown-field")]
        );
    }
}

#[test]
fn a_required_field_that_is_missing_is_named() {
    for pointer in [
        "/kind",
        "/prescriber",
        "/prescriber/code",
        "/prescriber/region",
        "/prescriber/health_unit",
        "/prescriber/speciality",
        "/patient",
        "/compiled_at",
        "/visit",
        "/rows",
        "/rows/0/quantity",
        "/patient/address/street",
        "/sasn/card_number",
        "/exemption/status",
        "/rows/0/equivalence_group/code",
    ] {
        let mut body = full();
        let (object, field) = pointer.rsplit_once('/').unwrap();
        let fields = body.pointer_mut(object).unwrap().as_object_mut().unwrap();
        fields.remove(field);
        assert_eq!(wrong(&body), [(pointer.to_owned(), "required")]);
    }
}

#[test]
fn rules_that_join_fields_are_tried_beside_wrong_values() {
    let nine: Vec<Value> = (0..9)
        .map(|_| json!({"code": "89.7", "description": "VISITA", "quantity": 1}))
        .collect();
    let mut body: Value = serde_json::from_str(crate::edge::tests::DRUG).unwrap();
    body["kind"] = json!("specialist");
    body["patient"]["code"] = json!("PNIMRA70A01H501X");
    body["rows"] = nine.into();
    let found = wrong(&body);
    assert!(
        found.contains(&("/patient/code".to_owned(), "tax-code-check-letter")),
        "{found:?}"
    );
    assert!(
        found.iter().any(|(_, rule)| *rule == "services-max"),
        "{found:?}"
    );
    assert!(
        found.iter().any(|(_, rule)| *rule == "diagnosis-required"),
        "{found:?}"
    );
}

#[test]
fn rows_are_counted_and_codes_that_stand_in_for_a_tax_code_are_taken() {
    let mut body: Value = serde_json::from_str(crate::edge::tests::DRUG).unwrap();
    let row = body["rows"][0].clone();
    body["rows"] = vec![row; 21].into();
    assert_eq!(wrong(&body), [("/rows".to_owned(), "row-count")]);
    body["rows"] = json!([]);
    assert_eq!(wrong(&body), [("/rows".to_owned(), "row-count")]);

    let mut body: Value = serde_json::from_str(crate::edge::tests::DRUG).unwrap();
    body["recipient"] = json!("ST");
    for code in ["STP1234567890123", "ENI1234567890123"] {
        body["patient"]["code"] = json!(code);
        assert_eq!(wrong(&body), []);
    }
    for code in [
        "STP123",
        "ENI12345678901234",
        "pnimra70a01h501p",
        "12345678901",
    ] {
        body["patient"]["code"] = json!(code);
        assert_eq!(wrong(&body)[0].0, "/patient/code", "{code}");
    }
}

#[test]
fn a_stand_in_breaks_no_rule_by_itself() {
    let drug: Value = serde_json::from_str(crate::edge::tests::DRUG).unwrap();
    for (pointer, value, rule) in wrong_values() {
        let mut body = drug.clone();
        if body.pointer(pointer).is_some() {
            set(&mut body, pointer, value);
            assert_eq!(wrong(&body), [(pointer.to_owned(), rule)]);
        }
    }
}

#[test]
fn rules_wait_for_the_kind_and_the_recipient() {
    let mut body: Value = serde_json::from_str(crate::edge::tests::DRUG).unwrap();
    body["rows"][0]["sessions"] = json!(1);
    body["rows"][0]["quantity"] = json!(1);
    assert_eq!(
        wrong(&body),
        [("/rows/0/sessions".to_owned(), "specialist-only")]
    );
    body["kind"] = json!("?");
    assert_eq!(wrong(&body), [("/kind".to_owned(), "unknown-value")]);
}

#[test]
fn an_exemption_has_the_code_that_its_status_asks_for() {
    let mut body: Value = serde_json::from_str(crate::edge::tests::DRUG).unwrap();
    let wrong_code = [("/exemption".to_owned(), "exemption-code")];
    body["exemption"] = json!({"status": "not-exempt", "code": "048"});
    assert_eq!(wrong(&body), wrong_code);
    body["exemption"] = json!({"status": "code"});
    assert_eq!(wrong(&body), wrong_code);
    for right in [
        json!({"status": "income"}),
        json!({"status": "code", "code": "048"}),
    ] {
        body["exemption"] = right;
        assert_eq!(wrong(&body), []);
    }
}

#[test]
fn a_check_that_is_switched_off_is_silent() {
    let mut body: Value = serde_json::from_str(crate::edge::tests::DRUG).unwrap();
    body["compiled_at"] = json!("2099-01-01T00:00:00Z");
    assert_eq!(
        wrong(&body),
        [("/compiled_at".to_owned(), "compiled-in-future")]
    );
    let new = decode(body.to_string().as_bytes()).unwrap();
    let (_, reading) = Reading::of(new, NOW, &["compiled-in-future"]);
    assert!(reading.errors.is_empty());
}
