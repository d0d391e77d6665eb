//! Requests that are none: bodies, headers, addresses and searches that no caller should send.

use reqwest::Method;
use serde_json::json;
use tests::world::World;
use tests::world::caller::{Caller, Reply, answer};
use tests::world::prescription::{DOCTOR, PATIENT, drug, key};

/// A body as it leaves, with a token, a key and a media type unless `bend` takes them away.
async fn post(
    caller: &Caller,
    body: Vec<u8>,
    bend: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> Reply {
    let request = caller.request(Method::POST, "/v1/prescriptions");
    let reply = answer(bend(request).body(body)).await;
    reply.expect("a bad request is answered")
}

fn usual(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request
        .header("Idempotency-Key", key())
        .header("Content-Type", "application/json")
}

/// Bodies that are no JSON, or JSON that two readers could read differently.
#[tokio::test]
async fn a_body_that_is_not_plain_json_is_refused() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let good = drug().to_string();
    let twice = good.replacen('{', "{\"visit\":\"home\",", 1);
    let twice_within = good.replacen("\"region\":", "\"region\":\"120\",\"region\":", 1);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let mut not_utf8 = good.clone().into_bytes();
    let at = good.find("MARIO").expect("the patient has a name");
    not_utf8[at] = 0xff;
    let bodies: Vec<(Vec<u8>, u16, &str)> = vec![
        (twice.into(), 400, "json-structure"),
        (twice_within.into(), 400, "json-structure"),
        (good[..good.len() - 1].into(), 400, "json-malformed"),
        (format!("{good}{good}").into(), 400, "json-malformed"),
        (deep.into(), 400, "json-structure"),
        (not_utf8, 400, "json-malformed"),
        (b"".to_vec(), 400, "json-malformed"),
        (b"null".to_vec(), 400, "json-structure"),
        (b"[]".to_vec(), 400, "json-structure"),
        (b"<xml/>".to_vec(), 400, "json-malformed"),
        (vec![b' '; 10 << 20], 413, "body-too-large"),
    ];
    for (body, status, code) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let reply = post(&caller, body, usual).await;
        assert_eq!(
            (reply.status, reply.text("/code")),
            (status, code.to_owned()),
            "{shown}"
        );
        assert!(reply.blames_the_caller(), "{shown}");
    }
    assert_eq!(world.equation().stored, 0);
}

/// A duplicate key is named by its pointer and its rule.
#[tokio::test]
async fn a_duplicate_key_is_named() {
    let world = World::start().await;
    let good = drug().to_string();
    let body = good.replacen("\"region\":", "\"region\":\"120\",\"region\":", 1);
    let reply = post(&world.caller("practice-a"), body.into(), usual).await;
    assert_eq!(reply.text("/errors/0/pointer"), "/prescriber/region");
    assert_eq!(reply.text("/errors/0/rule"), "duplicate-key");
}

/// Headers that are missing, doubled or of another kind.
#[tokio::test]
async fn headers_that_do_not_fit_are_refused() {
    type Bend = fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder;
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let json = "application/json";
    let table: Vec<(Bend, u16, &str)> = vec![
        (
            |r| r.header("Content-Type", "application/json"),
            400,
            "idempotency-key-missing",
        ),
        (
            |r| usual(r).header("Idempotency-Key", "b"),
            400,
            "idempotency-key-invalid",
        ),
        (
            |r| usual(r.header("Idempotency-Key", "")),
            400,
            "idempotency-key-invalid",
        ),
        (|r| r.header("Idempotency-Key", key()), 415, "media-type"),
        (
            |r| usual(r).header("Content-Encoding", "gzip"),
            415,
            "media-type",
        ),
        (
            |r| usual(r).header("Content-Type", "text/xml"),
            415,
            "media-type",
        ),
    ];
    for (row, (bend, status, code)) in table.into_iter().enumerate() {
        let reply = post(&caller, drug().to_string().into(), bend).await;
        assert_eq!(
            (reply.status, reply.text("/code")),
            (status, code.to_owned()),
            "row {row}"
        );
        assert!(reply.blames_the_caller(), "row {row}");
    }
    for kind in [
        "text/plain",
        "application/xml",
        "application/json; charset=latin1",
        "",
    ] {
        let with = |r: reqwest::RequestBuilder| {
            r.header("Idempotency-Key", key())
                .header("Content-Type", kind)
        };
        let reply = post(&caller, drug().to_string().into(), with).await;
        assert_eq!(
            (reply.status, reply.text("/code")),
            (415, "media-type".into()),
            "{kind}"
        );
    }
    let long = "k".repeat(129);
    for odd in [long.as_str(), "key with blanks", "chiave-è"] {
        let with = |r: reqwest::RequestBuilder| {
            r.header("Idempotency-Key", odd)
                .header("Content-Type", json)
        };
        let reply = post(&caller, drug().to_string().into(), with).await;
        assert_eq!(reply.text("/code"), "idempotency-key-invalid", "{odd}");
    }
    assert_eq!(world.equation().stored, 0);
}

/// Addresses that name nothing; `{id}` stands for an id that nobody has.
const NOWHERE: [(&str, u16, &str); 16] = [
    ("/v1/prescriptions/{id}", 404, "no-such-prescription"),
    ("/v1/prescriptions/{id}/events", 404, "no-such-prescription"),
    (
        "/v1/prescriptions/{id}/reminder",
        404,
        "no-such-prescription",
    ),
    ("/v1/prescriptions/1", 404, "no-such-prescription"),
    ("/v1/prescriptions/%00", 404, "no-such-prescription"),
    ("/v1/prescriptions?cursor=next", 400, "query-invalid"),
    ("/v1/prescriptions?limit=0", 400, "query-invalid"),
    ("/v1/prescriptions?limit=201", 400, "query-invalid"),
    ("/v1/prescriptions?limit=1&limit=2", 400, "query-invalid"),
    ("/v1/prescriptions?state=Registered", 400, "query-invalid"),
    ("/v1/prescriptions?order=asc", 400, "query-invalid"),
    (
        "/v1/prescriptions?tax_code=RSSMRA80A01H501U",
        400,
        "query-invalid",
    ),
    ("/v1/events?after=x", 400, "query-invalid"),
    ("/v1/events?after=-1", 400, "query-invalid"),
    ("/v2/prescriptions", 404, "no-such-path"),
    ("/", 404, "no-such-path"),
];

/// Addresses, ids, cursors and queries that name nothing.
#[tokio::test]
async fn addresses_that_name_nothing_are_refused() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let unknown = uuid::Uuid::now_v7().to_string();
    for (path, status, code) in NOWHERE {
        let path = path.replace("{id}", &unknown);
        let reply = caller.get(&path).await;
        assert_eq!(
            (reply.status, reply.text("/code")),
            (status, code.to_owned()),
            "{path}"
        );
        assert!(!String::from_utf8_lossy(&reply.bytes).contains(DOCTOR));
    }
    let delete = caller.request(Method::DELETE, "/v1/prescriptions");
    let reply = answer(delete).await.unwrap().expect(405);
    assert_eq!(reply.text("/code"), "method-not-allowed");
    assert!(!reply.header("allow").is_empty());
}

/// A search that does not say what it looks for, or says it wrongly.
#[tokio::test]
async fn searches_that_do_not_fit_are_refused() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let table = [
        (json!({}), "", "one-of"),
        (
            json!({ "nre": "1300A4019294833", "tax_code": PATIENT }),
            "",
            "one-of",
        ),
        (json!({ "nre": "13" }), "/nre", "nre-shape"),
        (
            json!({ "tax_code": "PNIMRA70A01H501X" }),
            "/tax_code",
            "tax-code-check-letter",
        ),
        (
            json!({ "tax_code": PATIENT, "state": "x" }),
            "/state",
            "unknown-value",
        ),
        (
            json!({ "tax_code": PATIENT, "from": "x" }),
            "/from",
            "moment-shape",
        ),
        (
            json!({ "tax_code": PATIENT, "limit": 0 }),
            "/limit",
            "limit",
        ),
        (
            json!({ "tax_code": PATIENT, "cursor": "x" }),
            "/cursor",
            "cursor",
        ),
        (
            json!({ "tax_code": PATIENT, "name": "x" }),
            "/name",
            "unknown-field",
        ),
    ];
    for (query, pointer, rule) in table {
        let reply = caller.search(&query).await;
        assert!(matches!(reply.status, 400 | 422), "{query}");
        assert_eq!(reply.text("/errors/0/pointer"), pointer, "{query}");
        assert_eq!(reply.text("/errors/0/rule"), rule, "{query}");
        assert!(!String::from_utf8_lossy(&reply.bytes).contains(PATIENT));
    }
}
