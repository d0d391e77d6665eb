//! What is handed over, and what makes two requests the same.

use std::time::Duration;

use super::*;
use crate::edge::caller::tests::persons::substitute_for;
use crate::edge::caller::tests::test_caller;
use crate::edge::json::decode;
use crate::edge::tests::DRUG;
use crate::edge::tests::kit::LISTED_DOCTOR;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn prepared(body: &str) -> Result<(Write, Vec<FieldError>), Problem> {
    prepared_under(body, |_| {})
}

/// As a practice that sends nothing under an authentication older than `authn_age_max`.
fn prepared_within(body: &str, authn_age_max: Duration) -> Write {
    let within = |rules: &mut WriteBehindRules| rules.authn_age_max.send = authn_age_max;
    prepared_under(body, within).unwrap().0
}

/// Under rules that `edit` has changed.
fn prepared_under(
    body: &str,
    edit: impl FnOnce(&mut WriteBehindRules),
) -> Result<(Write, Vec<FieldError>), Problem> {
    prepared_by(&test_caller(), body, edit)
}

fn prepared_by(
    caller: &Caller,
    body: &str,
    edit: impl FnOnce(&mut WriteBehindRules),
) -> Result<(Write, Vec<FieldError>), Problem> {
    let mut rules = crate::rules::compiled_in().prescriptions;
    rules.authn_age_max.send = Duration::from_secs(u64::from(u32::MAX));
    edit(&mut rules);
    let headers = Headers {
        key: "k1".to_owned(),
        wait_max: Some(Duration::from_secs(5)),
        trace: Some("00-trace".to_owned()),
    };
    let new = decode(body.as_bytes()).unwrap();
    let authority = caller.authority().unwrap();
    prepare(new, caller, &authority, headers, NOW, &Arc::new(rules))
}

fn with(field: &str) -> String {
    DRUG.replacen('{', &format!("{{{field},"), 1)
}

#[test]
fn a_write_carries_what_lane_and_adapter_need() {
    let (write, warnings) = prepared(&with(r#""nre":"1300A4000000017""#)).unwrap();
    assert_eq!(write.organization.0, "practice-a");
    assert_eq!(
        (write.key.as_str(), write.wait_max),
        ("k1", Some(Duration::from_secs(5)))
    );
    let Matter::New {
        payload,
        person: patient,
        own_number,
        fallback,
        annul_consent,
    } = write.matter
    else {
        panic!("a prescription is new");
    };
    assert_eq!(patient, Some(Opaque(b"PNIMRA70A01H501P".to_vec())));
    assert_eq!(own_number, Some(Opaque(b"1300A4000000017".to_vec())));
    assert_eq!((fallback, annul_consent), (Fallback::Hold, false));
    assert_eq!(write.identity.0, b"practice-a\0PROVAX00X00X000Y");
    assert_eq!(write.trace.as_deref(), Some("00-trace"));
    let payload: adapters::model::Prescription = serde_json::from_slice(&payload.0).unwrap();
    assert_eq!(payload.patient.code.as_ref().map(person), patient);
    let authority: Authority = serde_json::from_slice(&write.authority.0).unwrap();
    assert_eq!(authority.subject.as_str(), "PROVAX00X00X000Y");
    let rules: Vec<_> = warnings.iter().map(|warning| warning.rule).collect();
    assert_eq!(
        rules,
        ["prescriber-code"],
        "the test doctor's code is malformed, and only warns"
    );
}

#[test]
fn equal_requests_have_equal_fingerprints_however_they_are_written() {
    let fingerprint = |body: &str| prepared(body).unwrap().0.fingerprint;
    let original = fingerprint(DRUG);
    let compact: serde_json::Value = serde_json::from_str(DRUG).unwrap();
    let same = [
        compact.to_string(),
        DRUG.replace("10:15:00+02:00", "08:15:00Z"),
        with(r#""annul_consent":false"#),
        with(r#""internal":false"#),
        with(r#""patient_waiting":false"#),
    ];
    for body in same {
        assert_eq!(fingerprint(&body), original, "{body}");
    }
    let other = [
        DRUG.replace("10:15:00", "10:15:01"),
        DRUG.replace("\"quantity\": 2", "\"quantity\": 1"),
        DRUG.replace("MARIO", "MARIA"),
        with(r#""nre":"1300A4000000017""#),
        with(r#""patient_waiting":true"#),
        with(r#""annul_consent":true"#),
        with(r#""fallback":"hold""#),
        with(r#""fallback":"red-recipe""#),
    ];
    for body in other {
        assert_ne!(fingerprint(&body), original, "{body}");
    }
}

/// What waits for its prescriber must not go on under an authentication too old to be sent.
#[test]
fn only_a_fresh_authentication_takes_along_what_waited_for_it() {
    assert!(prepared(DRUG).unwrap().0.resumes);
    assert!(!prepared_within(DRUG, Duration::ZERO).resumes);
}

#[test]
fn the_acting_prescriber_must_be_the_one_who_authenticated() {
    let refused = |body: String| match prepared(&body) {
        Ok(_) => "",
        Err(problem) => problem.code.code,
    };
    let code = "prescriber-not-authenticated";
    let another = DRUG.replace("PROVAX00X00X000Y", "RSSMRA80A01H501U");
    assert_eq!(refused(another.clone()), code);
    let with_substitute =
        |body: &str, who: &str| body.replacen('{', &format!("{{\"substitute\":\"{who}\","), 1);
    assert_eq!(refused(with_substitute(&another, "PROVAX00X00X000Y")), "");
    assert_eq!(
        refused(with_substitute(DRUG, "RSSMRA80A01H501U")),
        code,
        "the titular doctor did not write it"
    );
}

#[test]
fn who_writes_in_anothers_name_stands_in_for_that_one() {
    let refused = |caller: &Caller, doctor: &str, substitute: Option<&str>| {
        let mut body = DRUG.replace(
            "\"code\": \"PROVAX00X00X000Y\"",
            &format!("\"code\": \"{doctor}\""),
        );
        if let Some(substitute) = substitute {
            body = body.replacen('{', &format!("{{\"substitute\":\"{substitute}\","), 1);
        }
        match prepared_by(caller, &body, |_| {}) {
            Ok(_) => "",
            Err(problem) => problem.code.code,
        }
    };
    let (practice, own) = (test_caller(), Some("PROVAX00X00X000Y"));
    let (listed, elsewhere) = (LISTED_DOCTOR, "PNIMRA70A01H501P");
    let code = "substitution-not-registered";
    assert_eq!(refused(&practice, listed, own), "", "of its group");
    assert_eq!(refused(&practice, elsewhere, own), code);
    let substitute = substitute_for(listed);
    assert_eq!(refused(&substitute, listed, own), "");
    assert_eq!(refused(&substitute, elsewhere, own), code);
    let of_another = substitute_for("PROVAX00X00X000Y");
    assert_eq!(
        refused(&of_another, listed, own),
        code,
        "not of whom it names"
    );
    assert_eq!(
        refused(&substitute, "PROVAX00X00X000Y", None),
        "",
        "in their own name"
    );
}

fn fallback_of(write: Write) -> Fallback {
    match write.matter {
        Matter::New { fallback, .. } => fallback,
        Matter::About { .. } => panic!("a prescription is new"),
    }
}

#[test]
fn the_fallback_is_the_one_asked_for_or_the_one_of_the_policy() {
    let chosen = |body: &str| prepared(body).map(|(write, _)| fallback_of(write));
    let (hold, red) = (Fallback::Hold, Fallback::RedRecipe);
    let cases = [
        (DRUG.to_owned(), hold),
        (with(r#""patient_waiting":true"#), red),
        (with(r#""patient_waiting":true,"fallback":"hold""#), hold),
        (with(r#""fallback":"red-recipe""#), red),
    ];
    for (body, expected) in cases {
        assert_eq!(chosen(&body).unwrap(), expected, "{body}");
    }
}

#[test]
fn only_fallbacks_of_the_policy_are_taken() {
    let hold_alone =
        |rules: &mut WriteBehindRules| rules.fallback.allowed = vec!["hold".to_owned()];
    let rule = |word: &str| {
        let body = with(&format!("\"fallback\":\"{word}\""));
        match prepared_under(&body, hold_alone) {
            Ok(_) => "",
            Err(problem) => problem.errors[0].rule,
        }
    };
    assert_eq!(rule("hold"), "");
    assert_eq!(rule("red-recipe"), "fallback-not-allowed");
    assert_eq!(rule("provisional"), "fallback-not-allowed");
    assert_eq!(rule("Hold"), "unknown-value");
}

#[test]
fn an_own_number_is_of_the_prescribers_region() {
    let rule = |nre: &str| match prepared(&with(&format!("\"nre\":\"{nre}\""))) {
        Ok(_) => ("", None),
        Err(problem) => {
            assert_eq!(problem.code.code, "content-refused");
            assert_eq!(problem.errors.len(), 1);
            (problem.errors[0].rule, problem.errors[0].pointer.clone())
        }
    };
    let at = Some("/nre".to_owned());
    assert_eq!(rule("1300A4000000017"), ("", None));
    assert_eq!(rule("0100A4000000017"), ("nre-region", at.clone()));
    assert_eq!(rule("0100A4"), ("nre-shape", at));
}

#[test]
fn the_prescriber_authenticated_in_their_region() {
    let elsewhere = DRUG.replace("\"region\": \"130\"", "\"region\": \"010\"");
    assert_ne!(elsewhere, DRUG);
    let problem = prepared(&elsewhere).unwrap_err();
    assert_eq!(problem.code.code, "prescriber-authn-invalid");
    assert_eq!(problem.code.status, 403);
    assert_eq!(problem.errors[0].rule, "locality-region");
}
