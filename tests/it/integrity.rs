//! INTEGRITY_REST_01 and AUDIT_REST_01 against the running gateway: what was changed on its way is not
//! acted on, and who asked is said where it must be.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tests::certs::Token;
use tests::world::caller::{Caller, Reply, answer};
use tests::world::prescription::{drug, key};
use tests::world::{Setup, World};

const SIGNATURE: &str = "Agid-JWT-Signature";
const EVIDENCE: &str = "Agid-JWT-TrackingEvidence";
const JSON: &str = "application/json";
const NO_ENTRY: &str = "/v1/prescriptions/01890000-0000-7000-8000-000000000000";

/// A world in which what is registered of practice a ends with `lines`.
async fn world(lines: &str) -> World {
    let mut world = World::prepare(Setup::default());
    world.register("practice-a", lines);
    world.restart().await.expect("the gateway starts");
    world
}

fn digest_of(body: &str) -> String {
    format!(
        "SHA-256={}",
        STANDARD.encode(digest(&SHA256, body.as_bytes()))
    )
}

fn list(body: &str) -> Value {
    json!([{"digest": digest_of(body)}, {"content-type": JSON}])
}

/// A token of an organisation that signs these headers.
fn signing(organization: &str, list: Value) -> Token {
    Token::of(organization, "practice", None).with("signed_headers", list)
}

fn signed(world: &World, token: &Token, by: &str) -> String {
    token
        .sign(world.certs_dir(), by)
        .expect("a minted key signs")
}

/// Writes `body` with these headers.
async fn write(caller: &Caller, body: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = caller
        .request(Method::POST, "/v1/prescriptions")
        .header("Idempotency-Key", key())
        .body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await.expect("the gateway answers")
}

/// Every way of changing what was signed is refused under its own code, and nothing is stored.
#[tokio::test]
async fn what_was_changed_on_its_way_is_not_acted_on() {
    let world = world("integrity = \"required\"").await;
    let caller = world.caller("practice-a");
    let (body, other) = (drug().to_string(), drug().to_string());
    let (sum, other_sum) = (digest_of(&body), digest_of(&other));
    let fresh = |list: Value| signed(&world, &signing("practice-a", list), "practice-a");
    let good = || fresh(list(&body));
    let mut replying = list(&body);
    replying
        .as_array_mut()
        .unwrap()
        .push(json!({"x-replyto": "https://a.example"}));
    let as_signed = |signature: &str, sum: &str| {
        vec![
            (SIGNATURE, signature.to_owned()),
            ("Digest", sum.to_owned()),
            ("Content-Type", JSON.to_owned()),
        ]
    };
    let more = |mut headers: Vec<(&'static str, String)>, name, value: &str| {
        headers.push((name, value.to_owned()));
        headers
    };
    let of_type = |signature: String, kind: &str| {
        vec![
            (SIGNATURE, signature),
            ("Digest", sum.clone()),
            ("Content-Type", kind.to_owned()),
        ]
    };
    let cases = [
        (
            "the body",
            &other,
            as_signed(&good(), &sum),
            "integrity-digest",
        ),
        (
            "body and digest",
            &other,
            as_signed(&good(), &other_sum),
            "integrity-header",
        ),
        (
            "the digest",
            &body,
            as_signed(&good(), &other_sum),
            "integrity-header",
        ),
        (
            "the type",
            &body,
            of_type(good(), "application/json; charset=utf-8"),
            "integrity-header",
        ),
        (
            "a header left out",
            &body,
            as_signed(&fresh(replying.clone()), &sum),
            "integrity-header",
        ),
        (
            "a header changed",
            &body,
            more(
                as_signed(&fresh(replying.clone()), &sum),
                "X-ReplyTo",
                "https://b.example",
            ),
            "integrity-header",
        ),
        (
            "a header doubled",
            &body,
            more(as_signed(&good(), &sum), "Digest", &sum),
            "integrity-header",
        ),
        (
            "two signatures",
            &body,
            more(as_signed(&good(), &sum), SIGNATURE, &good()),
            "integrity-signature",
        ),
        (
            "no digest signed",
            &body,
            as_signed(&fresh(json!([{"content-type": JSON}])), &sum),
            "integrity-header",
        ),
        (
            "no signature",
            &body,
            as_signed("", &sum).split_off(1),
            "integrity-missing",
        ),
    ];
    for (what, body, headers, code) in cases {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let reply = write(&caller, body, &headers).await;
        assert_eq!(reply.code(), code, "{what}");
        assert!(reply.blames_the_caller(), "{what}");
    }
    assert_eq!(world.equation().stored, 0);
    let signature = good();
    let headers = [
        (SIGNATURE, &*signature),
        ("Digest", &sum),
        ("Content-Type", JSON),
    ];
    write(&caller, &body, &headers).await.expect(201);
    let again = write(&caller, &body, &headers).await.expect(401);
    assert_eq!(again.code(), "integrity-signature");
    assert_eq!(again.text("/errors/0/rule"), "replayed");
    assert!(!world.output().contains(&signature));
}

/// Whoever signs must be who calls, now, for this gateway; and what need not be signed is checked if it is.
#[tokio::test]
async fn a_signature_is_worth_what_its_key_and_its_claims_are() {
    let world = world("integrity = \"required\"").await;
    let caller = world.caller("practice-a");
    let body = drug().to_string();
    let sum = digest_of(&body);
    let now = jiff::Timestamp::now().as_second();
    let token = || signing("practice-a", list(&body));
    let by_a = |token: Token| signed(&world, &token, "practice-a");
    let of_b = signing("practice-b", list(&body));
    let none = format!(
        "eyJhbGciOiJub25lIn0.{}.",
        by_a(token()).split('.').nth(1).unwrap()
    );
    let cases = [
        (
            "of another caller",
            signed(&world, &of_b, "practice-b"),
            "signature",
        ),
        (
            "by another key",
            signed(&world, &token(), "practice-b"),
            "signature",
        ),
        ("by none", none, "signature"),
        ("no token", "a.b".to_owned(), "signature"),
        (
            "expired",
            by_a(
                token()
                    .with("iat", json!(now - 400))
                    .with("exp", json!(now - 100)),
            ),
            "expired",
        ),
        (
            "ahead",
            by_a(token().with("iat", json!(now + 100))),
            "ahead",
        ),
        (
            "of another audience",
            by_a(token().with("aud", json!("https://b.example"))),
            "audience",
        ),
        (
            "of another issuer",
            by_a(token().with("iss", json!("practice-b"))),
            "issuer",
        ),
        (
            "without a list",
            by_a(token().with("signed_headers", json!(null))),
            "claim",
        ),
    ];
    for (what, signature, rule) in cases {
        let headers = [
            (SIGNATURE, &*signature),
            ("Digest", &sum),
            ("Content-Type", JSON),
        ];
        let reply = write(&caller, &body, &headers).await.expect(401);
        assert_eq!(reply.code(), "integrity-signature", "{what}");
        assert_eq!(reply.text("/errors/0/rule"), rule, "{what}");
        assert!(!world.output().contains(&signature), "{what}");
    }
    let free = world.caller("practice-b");
    write(&free, &body, &[("Content-Type", JSON)])
        .await
        .expect(201);
    let own = signed(&world, &of_b, "practice-b");
    let other = drug().to_string();
    let headers = [(SIGNATURE, &*own), ("Digest", &sum), ("Content-Type", JSON)];
    let refused = write(&free, &other, &headers).await.expect(400);
    assert_eq!(refused.code(), "integrity-digest");
    assert_eq!(world.equation().stored, 1);
}

/// Where evidence of who asked is required, nothing is shown without it; elsewhere it is checked.
#[tokio::test]
async fn who_asked_is_said_where_it_must_be() {
    let world = world("tracking = \"required\"").await;
    let caller = world.caller("practice-a");
    let evidence = || {
        Token::of("practice-a", "practice", None)
            .with("userID", json!("dott.rossi@practice-a"))
            .with("userLocation", json!("desk 1"))
            .with("LoA", json!("3"))
    };
    let ask = async |caller: &Caller, evidence: Option<&str>| {
        let mut request = caller.request(Method::GET, NO_ENTRY);
        if let Some(evidence) = evidence {
            request = request.header(EVIDENCE, evidence);
        }
        answer(request).await.expect("the gateway answers")
    };
    let missing = ask(&caller, None).await.expect(403);
    assert_eq!(missing.code(), "tracking-missing");
    let good = signed(&world, &evidence(), "practice-a");
    ask(&caller, Some(&good)).await.expect(404);
    let now = jiff::Timestamp::now().as_second();
    let over = evidence()
        .with("iat", json!(now - 400))
        .with("exp", json!(now - 100));
    let cases = [
        (signed(&world, &evidence(), "practice-b"), "signature"),
        (signed(&world, &over, "practice-a"), "expired"),
        (
            signed(
                &world,
                &evidence().with("userID", json!(null)),
                "practice-a",
            ),
            "claim",
        ),
        (
            signed(&world, &evidence().with("jti", json!(null)), "practice-a"),
            "claim",
        ),
    ];
    for (bad, rule) in &cases {
        let refused = ask(&caller, Some(bad)).await.expect(401);
        assert_eq!(refused.code(), "tracking-invalid", "{rule}");
        assert_eq!(refused.text("/errors/0/rule"), *rule);
    }
    let free = world.caller("practice-b");
    ask(&free, None).await.expect(404);
    let foreign = ask(&free, Some(&good)).await.expect(401);
    assert_eq!(foreign.code(), "tracking-invalid");
    let output = world.output();
    assert!(!output.contains("dott.rossi") && !output.contains(&good));
}
