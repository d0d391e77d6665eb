//! Look-ups as a desk asks for them: who may, and how a wrong question is refused. What is let through
//! ends as `stopping`, because the lane is not running.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::all_refused;
use super::kit::{A, B, Kit, claims};

const SEARCH: &str = "/v1/assisted-persons/search";
const VERIFY: &str = "/v1/health-cards/verify";
const PURGE: &str = "/ops/v1/persons/purge";
const PERSON: &str = "PNIMRA70A01H501P";

fn post(kit: &Kit, uri: &str, body: &Value) -> TestRequest {
    kit.request(Method::POST, uri)
        .insert_header(("content-type", "application/json"))
        .set_payload(body.to_string())
}

fn search() -> Value {
    json!({ "tax_code": PERSON })
}

fn card() -> Value {
    json!({ "tax_code": PERSON, "card_number": "80380000000000000001" })
}

#[actix_web::test]
async fn a_good_question_reaches_the_lane() {
    let kit = Kit::new();
    let glass = json!({ "tax_code": PERSON, "break_glass": { "reason": "emergency" } });
    let cases = vec![
        (post(&kit, SEARCH, &search()), 503, "stopping"),
        (post(&kit, SEARCH, &glass), 503, "stopping"),
        (post(&kit, VERIFY, &card()), 503, "stopping"),
    ];
    all_refused(&kit, cases).await;
}

#[actix_web::test]
async fn a_pharmacy_needs_no_doctor_and_breaks_no_glass() {
    let kit = Kit::new();
    let ask = |uri: &str, body: &Value| {
        let request = post(&kit, uri, body);
        let token = format!("Bearer {}", kit.token_b);
        (B, request.insert_header(("authorization", token)))
    };
    let glass = json!({ "tax_code": PERSON, "break_glass": { "reason": "emergency" } });
    let asked = vec![
        ask(SEARCH, &search()),
        ask(VERIFY, &card()),
        ask(SEARCH, &glass),
    ];
    let heard = kit.ask_as(asked).await;
    let codes: Vec<_> = heard.iter().map(super::kit::Heard::code).collect();
    assert_eq!(codes, ["stopping", "stopping", "profile-not-allowed"]);
    let error = &heard[2].json()["errors"][0];
    assert_eq!(error["parameter"], "profile");
    let detail = "break-glass is allowed to practice, substitute";
    assert_eq!(error["detail"], detail);
}

#[actix_web::test]
async fn whoever_may_not_look_up_is_refused() {
    for (profile, code) in [
        ("portal", "citizen-authn-missing"),
        ("operator", "profile-not-allowed"),
        ("viewer", "profile-not-allowed"),
    ] {
        let kit = Kit::acting(profile);
        let heard = kit.ask_one(post(&kit, SEARCH, &search())).await;
        assert_eq!(
            (heard.status.as_u16(), heard.code()),
            (403, code.to_owned())
        );
        let heard = Kit::acting(profile);
        let heard = heard.ask_one(post(&heard, VERIFY, &card())).await;
        assert_eq!(heard.code(), code);
    }
}

/// A citizen asks about themselves, and hears of nobody else whether they are known.
#[actix_web::test]
async fn a_citizen_looks_up_themselves_alone() {
    let mut claims = claims("a", "portal");
    claims["citizen_authn"] = json!({
        "subject": PERSON, "class_ref": "SpidL2", "instant": jiff::Timestamp::now().to_string(),
    });
    let kit = Kit::claiming(&claims);
    let other = json!({ "tax_code": "RSSMRA80A01H501U" });
    let glass = json!({ "tax_code": PERSON, "break_glass": { "reason": "emergency" } });
    let cases = vec![
        (post(&kit, SEARCH, &search()), 503, "stopping"),
        (post(&kit, VERIFY, &card()), 503, "stopping"),
        (post(&kit, SEARCH, &other), 403, "profile-not-allowed"),
        (post(&kit, SEARCH, &glass), 403, "profile-not-allowed"),
    ];
    all_refused(&kit, cases).await;
}

/// The telephone desk asks who somebody is, and about no card.
#[actix_web::test]
async fn a_call_centre_verifies_no_card() {
    let kit = Kit::acting("call-centre");
    let cases = vec![
        (post(&kit, SEARCH, &search()), 503, "stopping"),
        (post(&kit, VERIFY, &card()), 403, "profile-not-allowed"),
    ];
    all_refused(&kit, cases).await;
}

/// A practice's question goes under its doctor's name, who must have authenticated not too long ago.
#[actix_web::test]
async fn a_practice_asks_in_a_doctors_name() {
    let with = |authn: Value| {
        let mut claims = claims("a", "practice");
        claims["prescriber_authn"] = authn;
        Kit::claiming(&claims)
    };
    let kit = with(Value::Null);
    let heard = kit.ask_one(post(&kit, SEARCH, &search())).await;
    assert_eq!(
        (heard.status.as_u16(), heard.code().as_str()),
        (403, "prescriber-authn-missing")
    );
    let mut authn = claims("a", "practice")["prescriber_authn"].clone();
    let hours_ago =
        |hours| (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours)).to_string();
    authn["instant"] = json!(hours_ago(71));
    let kit = with(authn.clone());
    let heard = kit.ask_one(post(&kit, SEARCH, &search())).await;
    assert_eq!(heard.code(), "stopping");
    authn["instant"] = json!(hours_ago(73));
    let kit = with(authn);
    let heard = kit.ask_one(post(&kit, VERIFY, &card())).await;
    assert_eq!(
        (heard.status.as_u16(), heard.code().as_str()),
        (403, "prescriber-authn-invalid")
    );
    assert_eq!(heard.json()["errors"][0]["rule"], "too-old");
}

#[actix_web::test]
async fn a_wrong_question_is_refused_with_every_rule_it_breaks() {
    let kit = Kit::new();
    let person = |code: &str| json!({ "tax_code": code });
    let glass = |reason: Value| json!({ "tax_code": PERSON, "break_glass": reason });
    let cases = vec![
        (post(&kit, SEARCH, &json!({})), 400, "json-structure"),
        (post(&kit, SEARCH, &json!([PERSON])), 400, "json-structure"),
        (
            post(&kit, SEARCH, &json!({"tax_code": 7})),
            400,
            "json-structure",
        ),
        (
            post(&kit, SEARCH, &json!({"tax_code": PERSON, "name": "ROSSI"})),
            400,
            "json-structure",
        ),
        (
            post(&kit, SEARCH, &glass(json!("emergency"))),
            400,
            "json-structure",
        ),
        (post(&kit, SEARCH, &glass(json!({}))), 400, "json-structure"),
        (
            post(&kit, SEARCH, &glass(json!({"reason": "curiosity"}))),
            422,
            "content-refused",
        ),
        (
            post(&kit, SEARCH, &person("RSSMRA80A01H501X")),
            422,
            "content-refused",
        ),
        (post(&kit, SEARCH, &person("")), 422, "content-refused"),
        (post(&kit, VERIFY, &search()), 400, "json-structure"),
        (kit.request(Method::GET, SEARCH), 405, "method-not-allowed"),
        (kit.request(Method::POST, SEARCH), 415, "media-type"),
    ];
    all_refused(&kit, cases).await;
    let kit = Kit::new();
    let wrong = json!({ "tax_code": "RSSMRA80A01H501X", "card_number": "8038" });
    let heard = kit.ask_one(post(&kit, VERIFY, &wrong)).await;
    let rules = heard.json()["errors"].clone();
    assert_eq!(rules[0]["pointer"], "/tax_code");
    assert_eq!(rules[0]["rule"], "tax-code-check-letter");
    assert_eq!(rules[1]["pointer"], "/card_number");
    assert_eq!(rules[1]["rule"], "code-shape");
}

#[actix_web::test]
async fn only_an_operator_purges() {
    let kit = Kit::new();
    let refused = kit.ask_one(post(&kit, PURGE, &search())).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (403, "profile-not-allowed")
    );
    let kit = Kit::acting("operator");
    let wrong = json!({ "tax_code": "RSSMRA80A01H501X" });
    let asked = [search(), wrong].map(|body| (A, post(&kit, PURGE, &body)));
    let heard = kit.ask_as(asked.into()).await;
    // The lane of a kit is gone: it is said that the shelf may still hold the person.
    assert_eq!(
        (heard[0].status.as_u16(), heard[0].code().as_str()),
        (503, "purge-unfinished")
    );
    assert_eq!(
        (heard[1].status.as_u16(), heard[1].code().as_str()),
        (422, "content-refused")
    );
}
