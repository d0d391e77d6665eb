//! Who may call: every proof that is missing, forged, borrowed or stale is refused, and refused
//! before anything is stored.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tests::certs::{self, Identity, Signer, Validity};
use tests::world::World;
use tests::world::caller::{Caller, Reply, answer};
use tests::world::prescription::{DOCTOR, TEST_DOCTOR, by, drug, key};

/// Sends a good prescription of `caller` with this token.
async fn write(caller: &Caller, token: &str) -> Reply {
    let request = caller
        .bare(Method::POST, "/v1/prescriptions")
        .bearer_auth(token)
        .header("Idempotency-Key", key())
        .header("Content-Type", "application/json")
        .body(drug().to_string());
    answer(request)
        .await
        .expect("a known certificate hears an answer")
}

fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, reply.text("/code")),
        (status, code.to_owned())
    );
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(
        (reply.text("/fault"), reply.text("/outcome")),
        pair("caller", "not-done")
    );
}

fn pair(fault: &str, outcome: &str) -> (String, String) {
    (fault.to_owned(), outcome.to_owned())
}

/// A token with any claim bent is refused, and says which.
#[tokio::test]
async fn a_bent_token_is_refused() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let now = jiff::Timestamp::now().as_second();
    let bent: [(&str, Value, &str); 13] = [
        ("exp", json!(now - 120), "token-claims"),
        ("nbf", json!(now + 120), "token-not-yet-valid"),
        ("iat", json!(now + 120), "token-not-yet-valid"),
        ("exp", json!(now + 86_400), "token-lifetime"),
        (
            "aud",
            json!("https://elsewhere.example/v1"),
            "token-audience",
        ),
        ("iss", json!("practice-b"), "token-issuer"),
        ("organization", json!("practice-b"), "token-issuer"),
        ("profile", json!("pharmacy"), "token-profile"),
        ("profile", json!("king"), "token-profile"),
        ("jti", Value::Null, "token-claims"),
        ("jti", json!(""), "token-claims"),
        ("exp", Value::Null, "token-claims"),
        ("aud", Value::Null, "token-claims"),
    ];
    for (claim, value, code) in bent {
        let token = caller.token().with(claim, value.clone());
        let token = token.sign(world.certs_dir(), "practice-a").unwrap();
        let reply = write(&caller, &token).await;
        println!("{claim} = {value}");
        refused(&reply, 401, code);
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
    }
    let old = caller
        .token()
        .with("iat", json!(now - 600))
        .with("nbf", json!(now - 600));
    let old = old
        .with("exp", json!(now - 300))
        .sign(world.certs_dir(), "practice-a")
        .unwrap();
    refused(&write(&caller, &old).await, 401, "token-expired");
    assert_eq!(world.settled().await.stored, 0);
}

/// A signature that is missing, borrowed, broken or of no algorithm proves nothing.
#[tokio::test]
async fn a_forged_signature_is_refused() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let good = caller.signed();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let others_key = caller
        .token()
        .sign(world.certs_dir(), "practice-b")
        .unwrap();
    let none = header(r#"{"alg":"none","kid":"practice-a-1","typ":"JWT"}"#);
    let hmac = header(r#"{"alg":"HS256","kid":"practice-a-1","typ":"JWT"}"#);
    let nobody = header(r#"{"alg":"ES256","kid":"nobody-1","typ":"JWT"}"#);
    let mut flipped = claims.to_owned();
    flipped.replace_range(20..21, if &claims[20..21] == "A" { "B" } else { "A" });
    let forged = [
        (others_key, "token-signature"),
        (format!("{none}.{claims}."), "token-signature"),
        (format!("{none}.{claims}.{signature}"), "token-signature"),
        (format!("{hmac}.{claims}.{signature}"), "token-signature"),
        (format!("{nobody}.{claims}.{signature}"), "token-signature"),
        (format!("{head}.{flipped}.{signature}"), "token-signature"),
        (format!("{head}.{claims}."), "token-signature"),
        (format!("{head}.{claims}"), "token-malformed"),
        ("not a token".to_owned(), "token-malformed"),
        ("A".repeat(9_000), "token-malformed"),
    ];
    for (token, code) in forged {
        refused(&write(&caller, &token).await, 401, code);
    }
    let bare = caller.bare(Method::GET, "/v1/prescriptions");
    refused(&answer(bare).await.unwrap(), 403, "token-missing");
    caller.prescribe(&key(), &drug()).await.expect(201);
    assert_eq!(world.equation().stored, 1);
}

/// A token is worth nothing on the connection of another practice.
#[tokio::test]
async fn a_stolen_token_is_refused_on_another_connection() {
    let world = World::start().await;
    let (victim, thief) = (world.caller("practice-a"), world.caller("practice-b"));
    let reply = write(&thief, &victim.signed()).await;
    refused(&reply, 401, "token-certificate");
    let read = thief
        .bare(Method::GET, "/v1/prescriptions")
        .bearer_auth(victim.signed());
    refused(&answer(read).await.unwrap(), 401, "token-certificate");
    assert_eq!(world.equation().stored, 0);
}

/// Without a certificate of the right authority there is no connection at all; with one that is
/// registered for nobody there is no answer but a refusal.
#[tokio::test]
async fn a_connection_needs_a_certificate_of_ours() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let made = |name: &str, signer, validity| -> Identity {
        let name = format!("{name}-{}", key());
        certs::client(world.certs_dir(), &name, signer, validity).expect("a certificate is minted")
    };
    let strangers = [
        None,
        Some(made("stranger", Signer::Stranger, Validity::Current)),
        Some(made("region", Signer::Sac, Validity::Current)),
        Some(made("expired", Signer::Callers, Validity::Expired)),
        Some(made("not-yet", Signer::Callers, Validity::NotYet)),
    ];
    for identity in strangers {
        let stranger = caller.clone().presenting(identity.as_ref());
        for path in ["/v1/status", "/v1/prescriptions", "/v1/openapi.json"] {
            let reply = stranger.try_get(path).await;
            assert!(reply.is_err(), "{identity:?} was answered");
        }
    }
    let unregistered = made("unregistered", Signer::Callers, Validity::Current);
    let unregistered = caller.clone().presenting(Some(&unregistered));
    refused(
        &write(&unregistered, &caller.signed()).await,
        401,
        "token-certificate",
    );
    assert_eq!(world.equation().stored, 0);
}

/// Nobody prescribes without a doctor who authenticated, and no doctor for another.
#[tokio::test]
async fn a_write_needs_the_authentication_of_its_prescriber() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let nobody = caller.clone().without_prescriber();
    let reply = nobody.prescribe(&key(), &drug()).await;
    refused(&reply, 403, "prescriber-authn-missing");
    let reply = caller.prescribe(&key(), &by(TEST_DOCTOR, drug())).await;
    refused(&reply, 403, "prescriber-not-authenticated");
    let tomorrow = "2099-01-01T00:00:00Z";
    let claims = [
        json!({ "subject": DOCTOR, "class_ref": "SpidL1", "instant": "2026-01-01T00:00:00Z",
                "locality": "130201" }),
        json!({ "subject": DOCTOR, "class_ref": "SpidL2", "instant": tomorrow,
                "locality": "130201" }),
        json!({ "subject": DOCTOR, "class_ref": "SpidL2", "instant": "yesterday",
                "locality": "130201" }),
        json!({ "subject": DOCTOR, "class_ref": "SpidL2", "instant": "2026-01-01T00:00:00Z" }),
        json!("PROVAX00X00X000Y"),
    ];
    for claim in claims {
        let token = caller.token().with("prescriber_authn", claim);
        let token = token.sign(world.certs_dir(), "practice-a").unwrap();
        refused(
            &write(&caller, &token).await,
            403,
            "prescriber-authn-invalid",
        );
    }
    let mut pharmacy = world.caller("pharmacy-a");
    pharmacy.profile = "pharmacy".to_owned();
    let reply = pharmacy.prescribe(&key(), &drug()).await;
    refused(&reply, 403, "profile-not-allowed");
    assert_eq!(world.equation().stored, 0);
}

/// A read needs no doctor: the practice's own software follows what it wrote.
#[tokio::test]
async fn a_read_needs_no_prescriber() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let reply = caller.prescribe(&key(), &drug()).await.expect(201);
    let nobody = caller.clone().without_prescriber();
    nobody.prescription(&reply.text("/id")).await.expect(200);
}
