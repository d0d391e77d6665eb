//! INTEGRITY_REST_01 and AUDIT_REST_01 against the running gateway: what was changed on its way is not
//! acted on, and who asked is said where it must be.

use std::ops::Deref;
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tests::certs::Token;
use tests::world::caller::{Caller, Reply, answer};
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};

const SIGNATURE: &str = "Agid-JWT-Signature";
const EVIDENCE: &str = "Agid-JWT-TrackingEvidence";
const SOON: Duration = Duration::from_secs(10);
const JSON: &str = "application/json";
const NO_ENTRY: &str = "/v1/prescriptions/01890000-0000-7000-8000-000000000000";

/// A world in which what is registered of practice a ends with `lines`.
async fn world(lines: &str) -> Ground {
    let mut world = World::prepare(Setup::default());
    world.register("practice-a", lines);
    world.restart().await.expect("the gateway starts");
    // What is signed in the second in which the gateway began may have been signed before it.
    let second = || jiff::Timestamp::now().as_second();
    let began = second();
    until("the next second", SOON, async || {
        (second() > began).then_some(())
    })
    .await;
    Ground {
        world,
        signed: Mutex::default(),
    }
}

/// A world, and every token that was signed beside the usual ones.
struct Ground {
    world: World,
    signed: Mutex<Vec<String>>,
}

impl Ground {
    fn are_nowhere(&self) {
        self.world
            .holds_nowhere(&self.signed.lock().expect("whole"));
    }
}

impl Deref for Ground {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
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

fn signed(world: &Ground, token: &Token, by: &str) -> String {
    let signed = token.sign(world.certs_dir(), by);
    let signed = signed.expect("a minted key signs");
    world.signed.lock().expect("whole").push(signed.clone());
    signed
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

/// The headers of a request that is signed so.
fn headers(signature: &str, sum: &str, kind: &str) -> Vec<(&'static str, String)> {
    vec![
        (SIGNATURE, signature.to_owned()),
        ("Digest", sum.to_owned()),
        ("Content-Type", kind.to_owned()),
    ]
}

/// What was done to a request, its body, its headers, and what is said about it.
type Case<'a> = (
    &'static str,
    &'a str,
    Vec<(&'static str, String)>,
    &'static str,
);

/// Refuses each for its reason, and stores nothing.
async fn all_refused(world: &Ground, cases: Vec<Case<'_>>) {
    let caller = world.caller("practice-a");
    for (what, body, headers, code) in cases {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let reply = write(&caller, body, &headers.collect::<Vec<_>>()).await;
        assert_eq!(reply.code(), code, "{what}");
        assert!(reply.blames_the_caller(), "{what}");
    }
    assert_eq!(world.equation().stored, 0);
    world.are_nowhere();
}

/// A body that is not the one that was signed is not acted on, whatever was changed along with it.
#[tokio::test]
async fn a_body_that_was_changed_is_not_acted_on() {
    let world = world("integrity = \"required\"").await;
    let (body, other) = (drug().to_string(), drug().to_string());
    let (sum, other_sum) = (digest_of(&body), digest_of(&other));
    let fresh = |list: Value| signed(&world, &signing("practice-a", list), "practice-a");
    let good = || fresh(list(&body));
    let untyped = || fresh(json!([{"content-type": JSON}]));
    let mut unsigned = headers("", &sum, JSON);
    unsigned.remove(0);
    let cases = vec![
        (
            "body",
            other.as_str(),
            headers(&good(), &sum, JSON),
            "integrity-digest",
        ),
        (
            "body, digest",
            &other,
            headers(&good(), &other_sum, JSON),
            "integrity-header",
        ),
        (
            "digest",
            &body,
            headers(&good(), &other_sum, JSON),
            "integrity-header",
        ),
        (
            "not signed",
            &body,
            headers(&untyped(), &sum, JSON),
            "integrity-header",
        ),
        ("no signature", &body, unsigned, "integrity-missing"),
    ];
    all_refused(&world, cases).await;
}

/// A header that was signed arrives once and unchanged, or the request is not acted on.
#[tokio::test]
async fn a_header_that_was_changed_is_not_acted_on() {
    let world = world("integrity = \"required\"").await;
    let body = drug().to_string();
    let sum = digest_of(&body);
    let mut replying = list(&body);
    let more = json!({"x-replyto": "https://a.example"});
    replying.as_array_mut().expect("a list").push(more);
    let fresh = |list: Value| signed(&world, &signing("practice-a", list), "practice-a");
    let usual = |list: Value| headers(&fresh(list), &sum, JSON);
    let mut changed = usual(replying.clone());
    changed.push(("X-ReplyTo", "https://b.example".to_owned()));
    let mut doubled = usual(list(&body));
    doubled.push(("Digest", sum.clone()));
    let mut twice = usual(list(&body));
    twice.push((SIGNATURE, fresh(list(&body))));
    let other_type = headers(&fresh(list(&body)), &sum, "application/json; charset=utf-8");
    let cases = vec![
        ("the type", body.as_str(), other_type, "integrity-header"),
        ("left out", &body, usual(replying), "integrity-header"),
        ("changed", &body, changed, "integrity-header"),
        ("doubled", &body, doubled, "integrity-header"),
        ("two signatures", &body, twice, "integrity-signature"),
    ];
    all_refused(&world, cases).await;
}

/// What is signed is acted on once, and its token is written nowhere.
#[tokio::test]
async fn a_signature_is_admitted_once() {
    let world = world("integrity = \"required\"").await;
    let caller = world.caller("practice-a");
    let body = drug().to_string();
    let signature = signed(&world, &signing("practice-a", list(&body)), "practice-a");
    let sum = digest_of(&body);
    let headers = [
        (SIGNATURE, &*signature),
        ("Digest", &sum),
        ("Content-Type", JSON),
    ];
    write(&caller, &body, &headers).await.expect(201);
    let again = write(&caller, &body, &headers).await.expect(401);
    assert_eq!(again.code(), "integrity-signature");
    assert_eq!(again.text("/errors/0/rule"), "replayed");
    world.are_nowhere();
}

/// Whoever signs must be who calls, now, and for this gateway.
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
    }
    world.are_nowhere();
}

/// Who need not sign is served without, and refused with a signature of something else.
#[tokio::test]
async fn what_need_not_be_signed_is_checked_if_it_is() {
    let world = world("").await;
    let body = drug().to_string();
    let sum = digest_of(&body);
    let of_b = signing("practice-b", list(&body));
    let free = world.caller("practice-b");
    write(&free, &body, &[("Content-Type", JSON)])
        .await
        .expect(201);
    let own = signed(&world, &of_b, "practice-b");
    let other = drug().to_string();
    let headers = [(SIGNATURE, &*own), ("Digest", &sum), ("Content-Type", JSON)];
    let refused = write(&free, &other, &headers).await.expect(400);
    assert_eq!(refused.code(), "integrity-digest");
    assert_eq!(world.entries().len(), 1);
    world.are_nowhere();
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
    assert!(!output.contains("dott.rossi"));
    world.are_nowhere();
}
