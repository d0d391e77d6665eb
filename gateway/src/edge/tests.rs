//! The edge as a caller meets it: every way in, and the form of every way out.

mod about;
mod access;
mod audited;
pub(crate) mod kit;
mod metrics;
mod persons;
mod practices;
mod reads;
pub(crate) mod store;
mod wire;

use actix_web::http::Method;
use actix_web::test::TestRequest;

use self::kit::{A, B, Kit};

/// A valid prescription of the doctor who authenticated.
pub(crate) const DRUG: &str = include_str!("tests/drug.json");

fn get(kit: &Kit, uri: &str) -> TestRequest {
    kit.request(Method::GET, uri)
}

#[actix_web::test]
async fn a_good_write_reaches_the_lane() {
    let kit = Kit::new();
    let heard = kit.ask_one(kit.write(DRUG)).await;
    assert_eq!(
        (heard.status.as_u16(), heard.code().as_str()),
        (503, "stopping")
    );
    assert_eq!(heard.header("retry-after"), "5");
}

/// A request, and the status and code it must be refused with.
type Case = (TestRequest, u16, &'static str);

/// Asks all of `cases`: each must be refused as it says, in the form of every refusal.
async fn all_refused(kit: &Kit, cases: Vec<Case>) {
    let (requests, expected): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .map(|(request, status, code)| (request, (status, code)))
        .unzip();
    for (heard, (status, code)) in kit.ask(requests).await.iter().zip(expected) {
        assert_eq!(
            (heard.status.as_u16(), heard.code().as_str()),
            (status, code)
        );
        let text = String::from_utf8_lossy(&heard.bytes);
        assert!(!text.contains("RSSMRA"), "{text}");
        assert_eq!(heard.header("x-ratelimit-limit"), "10000");
        assert_eq!(heard.header("cache-control"), "no-store");
        assert_eq!(heard.json()["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(heard.header("allow").is_empty(), status != 405, "{code}");
        assert_eq!(
            heard.header("www-authenticate").contains(code),
            status == 401,
            "{code}"
        );
    }
}

#[actix_web::test]
async fn a_wrong_body_is_refused_and_reaches_no_lane() {
    let kit = Kit::new();
    let typed = |media: &'static str| {
        let request = kit.request(Method::POST, "/v1/prescriptions");
        let request = request.insert_header(("idempotency-key", "k"));
        let request = request.insert_header(("content-type", media));
        request.set_payload(DRUG)
    };
    let with = |field: &str| DRUG.replacen('{', &format!("{{{field},"), 1);
    let large = format!("{{\"kind\":\"{}\"}}", "x".repeat(300 << 10));
    let cases = vec![
        (kit.write("{"), 400, "json-malformed"),
        (kit.write(""), 400, "json-malformed"),
        (kit.write("[]"), 400, "json-structure"),
        (kit.write(&with("\"kind\":\"drug\"")), 400, "json-structure"),
        (
            kit.write(&with("\"surprise\":\"RSSMRA80A01H501U\"")),
            400,
            "json-structure",
        ),
        (
            kit.write(&with("\"RSSMRA80A01H501U\":1")),
            400,
            "json-structure",
        ),
        (kit.write(&"[".repeat(100_000)), 400, "json-structure"),
        (kit.write(&large), 413, "body-too-large"),
        (typed("text/plain"), 415, "media-type"),
        (typed("application/xml"), 415, "media-type"),
    ];
    all_refused(&kit, cases).await;
}

#[actix_web::test]
async fn a_wrong_head_is_refused_and_reaches_no_lane() {
    let kit = Kit::new();
    let keyed = |key: String| {
        let request = kit.request(Method::POST, "/v1/prescriptions");
        let request = request.insert_header(("content-type", "application/json"));
        request
            .insert_header(("idempotency-key", key))
            .set_payload(DRUG)
    };
    let authorized = |text: &'static str| {
        TestRequest::with_uri("/v1/events").insert_header(("authorization", text))
    };
    let keyless = kit.request(Method::POST, "/v1/prescriptions");
    let keyless = keyless.insert_header(("content-type", "application/json"));
    let cases = vec![
        (keyless.set_payload(DRUG), 400, "idempotency-key-missing"),
        (keyed("a b".to_owned()), 400, "idempotency-key-invalid"),
        (keyed("k".repeat(129)), 400, "idempotency-key-invalid"),
        (
            TestRequest::with_uri("/v1/prescriptions"),
            403,
            "token-missing",
        ),
        (authorized("Basic eA=="), 403, "token-missing"),
        (authorized("Bearer x"), 401, "token-malformed"),
    ];
    all_refused(&kit, cases).await;
}

#[actix_web::test]
async fn a_wrong_address_is_refused() {
    let kit = Kit::new();
    let tax_code = "RSSMRA80A01H501U";
    let cases = vec![
        (
            kit.request(Method::DELETE, "/v1/prescriptions"),
            405,
            "method-not-allowed",
        ),
        (
            kit.request(Method::POST, "/v1/status"),
            405,
            "method-not-allowed",
        ),
        (get(&kit, "/"), 404, "no-such-path"),
        (
            get(&kit, &format!("/v1/persons/{tax_code}")),
            404,
            "no-such-path",
        ),
        (
            get(&kit, &format!("/v1/prescriptions/{tax_code}")),
            404,
            "no-such-prescription",
        ),
        (get(&kit, "/v1/prescriptions?limit=0"), 400, "query-invalid"),
        (
            get(&kit, &format!("/v1/prescriptions?tax_code={tax_code}")),
            400,
            "query-invalid",
        ),
        (get(&kit, "/v1/events?after=-1"), 400, "query-invalid"),
    ];
    all_refused(&kit, cases).await;
}

#[actix_web::test]
async fn a_write_needs_a_practice_and_a_prescriber() {
    let kit = Kit::new();
    let pharmacy = TestRequest::post()
        .uri("/v1/prescriptions")
        .insert_header(("authorization", format!("Bearer {}", kit.token_b)));
    let another_doctor = kit.write(&DRUG.replace("PROVAX00X00X000Y", "PROVAX00X00X000X"));
    let requests = vec![(B, pharmacy), (A, another_doctor)];
    let codes: Vec<_> = kit
        .ask_as(requests)
        .await
        .iter()
        .map(|heard| heard.code())
        .collect();
    assert_eq!(
        codes,
        ["profile-not-allowed", "prescriber-not-authenticated"]
    );
}

/// What is done about a prescription is checked before it reaches the lane, and reaches it then.
#[actix_web::test]
async fn what_is_done_about_a_prescription_reaches_the_lane() {
    let kit = Kit::new();
    let id = uuid::Uuid::from_u128(7);
    let about = |what: &str, body: Option<&str>| {
        let request = kit.request(Method::POST, &format!("/v1/prescriptions/{id}/{what}"));
        let request = request.insert_header(("idempotency-key", "k"));
        match body {
            None => request,
            Some(body) => request
                .insert_header(("content-type", "application/json"))
                .set_payload(body.to_owned()),
        }
    };
    let keyless = kit.request(Method::POST, &format!("/v1/prescriptions/{id}/cancel"));
    let nowhere = kit.request(Method::POST, "/v1/prescriptions/x/cancel");
    let number = r#"{"number":"150220123456789"}"#;
    let cases = vec![
        (about("cancel", None), 503, "stopping"),
        (about("cancel", Some("{}")), 503, "stopping"),
        (about("acknowledge", None), 503, "stopping"),
        (about("paper", Some(number)), 503, "stopping"),
        (keyless, 400, "idempotency-key-missing"),
        (
            nowhere.insert_header(("idempotency-key", "k")),
            404,
            "no-such-prescription",
        ),
        (about("cancel", Some("7")), 400, "json-structure"),
        (about("cancel", None).set_payload("x"), 415, "media-type"),
        (
            about("acknowledge", Some(r#"{"a":1}"#)),
            400,
            "json-structure",
        ),
        (about("paper", None), 415, "media-type"),
        (about("paper", Some("{}")), 400, "json-structure"),
        (
            about("paper", Some(r#"{"number":"15022"}"#)),
            422,
            "content-refused",
        ),
    ];
    all_refused(&kit, cases).await;
}

#[actix_web::test]
async fn every_broken_rule_is_listed_with_its_field() {
    let kit = Kit::new();
    let body = DRUG
        .replace("PNIMRA70A01H501P", "PNIMRA70A01H501X")
        .replace("\"quantity\": 2", "\"quantity\": 10, \"sessions\": 2")
        .replacen('{', "{\"fallback\":\"provisional\",\"nre\":\"1\",", 1);
    let heard = kit.ask_one(kit.write(&body)).await;
    assert_eq!(
        (heard.status.as_u16(), heard.code().as_str()),
        (422, "content-refused")
    );
    let errors = heard.json()["errors"].clone();
    let errors: Vec<_> = errors.as_array().unwrap().iter().collect();
    let seen: Vec<_> = errors
        .iter()
        .map(|error| {
            let text = |field: &str| error[field].as_str().unwrap().to_owned();
            (text("pointer"), text("rule"))
        })
        .collect();
    let expected = [
        ("/patient/code", "tax-code-check-letter"),
        ("/rows/0/quantity", "one-to-nine"),
        ("/rows/0/sessions", "specialist-only"),
        ("/nre", "nre-shape"),
        ("/fallback", "fallback-not-allowed"),
    ];
    let expected = expected.map(|(pointer, rule)| (pointer.to_owned(), rule.to_owned()));
    assert_eq!(seen, expected);
}

#[actix_web::test]
async fn a_panic_is_an_internal_problem_and_the_next_request_is_served() {
    let kit = Kit::new();
    let shelf = std::sync::Arc::clone(&kit.shelf);
    let poisoning = std::thread::spawn(move || {
        let _held = shelf.entries.lock();
        panic!("the shelf falls, on purpose");
    });
    poisoning.join().unwrap_err();
    let requests = vec![get(&kit, "/v1/prescriptions"), get(&kit, "/v1/status")];
    let heard = kit.ask(requests).await;
    assert_eq!(
        (heard[0].status.as_u16(), heard[0].code().as_str()),
        (500, "internal")
    );
    assert_eq!(heard[0].header("x-ratelimit-limit"), "10000");
    assert_eq!(heard[0].json()["outcome"], "unknown");
    assert_eq!(heard[1].status.as_u16(), 200);
}

#[actix_web::test]
async fn an_organisation_over_its_quota_is_told_when_to_come_back() {
    let mut kit = Kit::new();
    kit.requests_max = 2;
    let anothers = TestRequest::with_uri("/v1/status");
    let requests = (0..3).map(|_| (A, TestRequest::with_uri("/v1/status")));
    let heard = kit.ask_as(requests.chain([(B, anothers)]).collect()).await;
    let statuses: Vec<_> = heard.iter().map(|heard| heard.status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 429, 200]);
    assert_eq!(heard[1].header("x-ratelimit-remaining"), "0");
    assert_eq!(heard[2].code(), "rate-limited");
    let retry_after: u64 = heard[2].header("retry-after").parse().unwrap();
    assert_eq!(retry_after, 1, "one comes back each second");
    assert_eq!(heard[2].header("x-ratelimit-reset"), "2", "all of them");
}

#[actix_web::test]
async fn problems_speak_italian_unless_english_is_preferred() {
    let kit = Kit::new();
    let asking = |language: &'static str| {
        TestRequest::with_uri("/v1/events").insert_header(("accept-language", language))
    };
    let requests = vec![asking("fr"), asking("en-GB, it;q=0.5")];
    let heard = kit.ask(requests).await;
    assert_eq!(heard[0].header("content-language"), "it");
    assert_eq!(
        heard[0].json()["title"],
        "La richiesta non contiene il token"
    );
    assert_eq!(heard[1].header("content-language"), "en");
    assert_eq!(heard[1].json()["title"], "The request carries no token");
}
