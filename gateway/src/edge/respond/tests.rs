//! What each failure becomes on the wire.

use std::time::Duration;

use actix_web::body::to_bytes;
use serde_json::Value;

use super::*;

async fn rendered(problem: &Problem) -> (HttpResponse, Value) {
    let bytes = to_bytes(render(problem, "0af7", Language::English).into_body());
    let body = serde_json::from_slice(&bytes.await.unwrap()).unwrap();
    (render(problem, "0af7", Language::English), body)
}

#[actix_web::test]
async fn every_refusal_of_a_lane_says_whose_fault_what_happened_and_whether_to_repeat() {
    let cases = [
        (Refusal::InFlight, 409, "caller", "unknown", "same-key"),
        (Refusal::KeyReused, 422, "caller", "not-done", "no"),
        (Refusal::NumberOurs, 422, "caller", "not-done", "no"),
        (Refusal::NumberUsed, 422, "caller", "not-done", "no"),
        (
            Refusal::NumbersExhausted,
            503,
            "upstream",
            "not-done",
            "later",
        ),
        (Refusal::Busy, 503, "gateway", "not-done", "later"),
        (Refusal::Full, 503, "gateway", "not-done", "later"),
        (Refusal::Refused, 503, "gateway", "not-done", "later"),
        (Refusal::Unknown, 503, "gateway", "unknown", "same-key"),
        (Refusal::Disabled, 503, "gateway", "not-done", "later"),
        (Refusal::Stopping, 503, "gateway", "not-done", "later"),
    ];
    for (refusal, status, fault, outcome, retry) in cases {
        let (response, body) = rendered(&Problem::from(refusal)).await;
        assert_eq!(response.status().as_u16(), status, "{refusal:?}");
        assert_eq!(body["status"], status, "{refusal:?}");
        let said = [&body["fault"], &body["outcome"], &body["retry"]];
        assert_eq!(said, [fault, outcome, retry], "{refusal:?}");
        let waits = response.headers().contains_key(header::RETRY_AFTER);
        assert_eq!(waits, retry != "no", "{refusal:?}");
        if matches!(refusal, Refusal::NumberOurs | Refusal::NumberUsed) {
            assert_eq!(body["errors"][0]["pointer"], "/nre", "{refusal:?}");
        }
    }
}

#[actix_web::test]
async fn a_problem_has_all_its_members_and_no_empty_list() {
    let (response, body) = rendered(&Problem::from(&codes::TOKEN_EXPIRED)).await;
    let mut members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    members.sort();
    let expected = [
        "code", "detail", "fault", "outcome", "retry", "status", "title", "trace_id", "type",
    ];
    assert_eq!(members, expected);
    assert_eq!(body["type"], "urn:argine:problem:token-expired");
    let headers = response.headers();
    let challenge = headers
        .get(header::WWW_AUTHENTICATE)
        .unwrap()
        .to_str()
        .unwrap();
    assert_eq!(
        challenge,
        "Bearer error=\"invalid_token\", error_description=\"token-expired\""
    );
}

#[test]
fn retry_after_is_whole_seconds_and_never_zero() {
    for (after, seconds) in [(1, "1"), (999, "1"), (1_001, "2"), (60_000, "60")] {
        let problem = Problem {
            repeat: Some(Repeat::Later(Duration::from_millis(after))),
            ..Problem::from(&codes::RATE_LIMITED)
        };
        let response = render(&problem, "0af7", Language::Italian);
        assert_eq!(
            response.headers().get(header::RETRY_AFTER).unwrap(),
            seconds
        );
    }
}

#[test]
fn the_language_is_italian_unless_english_weighs_more() {
    let cases = [
        ("", Language::Italian),
        ("*", Language::Italian),
        ("de", Language::Italian),
        ("it-IT, en;q=0.9", Language::Italian),
        ("en", Language::English),
        ("EN-us;q=0.8, it;q=0.7", Language::English),
        ("en;q=0.5, it;q=0.5", Language::Italian),
        ("en;q=0", Language::Italian),
        ("en;q=x", Language::Italian),
    ];
    for (text, language) in cases {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(text));
        assert_eq!(Language::of(&headers), language, "{text}");
    }
}

#[test]
fn a_long_list_of_errors_is_cut() {
    let errors = vec![FieldError::at("/a", "rule", "detail"); ERRORS_MAX + 1];
    let problem = Problem::with_errors(&codes::CONTENT_REFUSED, errors);
    assert_eq!(problem.errors.len(), ERRORS_MAX);
}
