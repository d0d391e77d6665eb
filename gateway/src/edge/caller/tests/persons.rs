//! Which persons a token speaks of: who sits at the desk, which citizen asks, whom a substitute replaces.

use serde_json::{Value, json};

use super::{now, verify};
use crate::edge::caller::{Caller, wall};
use crate::edge::respond::Problem;
use crate::edge::tests::kit::{A, acting, claims, sign};

const CITIZEN: &str = "PNIMRA70A01H501P";

/// A substitute of practice a, for `doctor`.
pub(crate) fn substitute_for(doctor: &str) -> Caller {
    caller("substitute", "substitutes_for", &json!(doctor)).unwrap()
}

/// Practice a as this profile, saying this too.
fn caller(profile: &str, claim: &str, value: &Value) -> Result<Caller, Problem> {
    let practices = acting(profile);
    let mut claims = claims("a", profile);
    claims[claim] = value.clone();
    let token = sign(&practices.key_a, "practice-a-1", &claims);
    verify(&practices.callers, &token, Some(A), wall())
}

fn authn(seconds_ago: i64) -> Value {
    let instant = jiff::Timestamp::from_second(now() - seconds_ago).unwrap();
    json!({ "subject": CITIZEN, "class_ref": "CIEL2", "instant": instant.to_string() })
}

#[test]
fn a_portal_vouches_for_a_citizen_who_authenticated_not_long_ago() {
    let code = |profile, claim: &Value| {
        let caller = caller(profile, "citizen_authn", claim).unwrap();
        caller
            .citizen()
            .map_or_else(|problem| problem.code.code, |_| "")
    };
    let with = |field: &str, value: Value| {
        let mut claim = authn(60);
        claim[field] = value;
        claim
    };
    let cases = [
        ("portal", authn(60), ""),
        ("portal", authn(1_790), ""),
        ("portal", authn(1_802), "citizen-authn-invalid"),
        ("portal", authn(-20), ""),
        ("portal", authn(-60), "citizen-authn-invalid"),
        ("portal", Value::Null, "citizen-authn-missing"),
        ("portal", json!(CITIZEN), "citizen-authn-invalid"),
        (
            "portal",
            with("subject", json!("PNIMRA")),
            "citizen-authn-invalid",
        ),
        (
            "portal",
            with("class_ref", json!("SpidL1")),
            "citizen-authn-invalid",
        ),
        (
            "portal",
            with("locality", json!("130201")),
            "citizen-authn-invalid",
        ),
        ("practice", authn(60), "citizen-authn-missing"),
    ];
    for (profile, claim, expected) in cases {
        assert_eq!(code(profile, &claim), expected, "{profile} {claim}");
    }
    let caller = caller("portal", "citizen_authn", &authn(60)).unwrap();
    assert_eq!(caller.citizen().unwrap().as_str(), CITIZEN);
    assert!(!format!("{caller:?}").contains("PNIMRA"));
}

#[test]
fn a_substitute_says_for_whom() {
    let named = |profile, value: Value| caller(profile, "substitutes_for", &value);
    let doctor = json!("PROVAX00X00X000Y");
    let substitute = named("substitute", doctor.clone()).unwrap();
    let replaced = substitute.substitutes_for().unwrap();
    assert_eq!(replaced.as_str(), "PROVAX00X00X000Y");
    for wrong in [Value::Null, json!(""), json!("PROVA")] {
        let refused = named("substitute", wrong).unwrap_err();
        assert_eq!(refused.code.code, "token-claims");
        assert_eq!(refused.errors[0].parameter, Some("substitutes_for"));
    }
    let forged = named("substitute", json!(CITIZEN)).unwrap_err();
    assert_eq!(forged.code.code, "substitution-not-registered");
    assert_eq!(forged.errors[0].parameter, Some("substitutes_for"));
    assert!(!format!("{forged:?}").contains("PNIMRA"));
    let practice = named("practice", doctor).unwrap();
    assert!(
        practice.substitutes_for().is_none(),
        "nobody else stands in"
    );
}

#[test]
fn the_person_at_the_desk_is_whom_sub_names() {
    let named = caller("pharmacy", "sub", &json!("u-4711")).unwrap();
    assert_eq!(named.user().unwrap(), "u-4711");
    let nobody = caller("pharmacy", "more", &json!(1)).unwrap();
    assert!(nobody.user().is_none());
    let long = "x".repeat(257);
    let refused = caller("pharmacy", "sub", &json!(long)).unwrap_err();
    assert_eq!(refused.code.code, "token-claims");
}
