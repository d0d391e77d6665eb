//! Tokens that no registered key has signed, or that are not for here and now.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tests::certs::SigningCertificate;
use tests::world::World;

use super::{Presented, refused};

/// Who does not hold the key hears one code and nothing else: no claim, no key, no clock.
#[tokio::test]
async fn a_token_that_no_registered_key_signed_says_nothing_about_why() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let certs = world.certs_dir();
    let late = caller.token().with("exp", json!(2));
    let good = caller.signed();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (_, claims) = signed.split_once('.').unwrap();
    let head = |header: Value| URL_SAFE_NO_PAD.encode(header.to_string());
    let none = head(json!({ "alg": "none", "typ": "JWT", "kid": "practice-a-1" }));
    let other = head(json!({ "alg": "ES384", "typ": "JWT", "kid": "practice-a-1" }));
    let public = fs::read(certs.join("callers/practice-a-signing.pem")).unwrap();
    let mut hs256 = Header::new(Algorithm::HS256);
    hs256.kid = Some("practice-a-1".to_owned());
    let secret = EncodingKey::from_secret(&public);
    let swapped = jsonwebtoken::encode(&hs256, &caller.token().claims, &secret).unwrap();
    let unregistered = tests::certs::signing(certs, "nobody-signing").unwrap();
    let unregistered = fs::read_to_string(unregistered.certificate).unwrap();
    let unregistered: String = unregistered
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let by_stranger = caller
        .token()
        .sign_with_x5c(certs, "practice-fse", vec![unregistered]);
    let mut presented = Presented::default();
    for token in [
        caller.token().sign(certs, "practice-b").unwrap(),
        late.sign(certs, "practice-b").unwrap(),
        format!("{none}.{claims}."),
        format!("{other}.{claims}.{signature}"),
        swapped,
        by_stranger.unwrap(),
    ] {
        let reply = presented.read(&caller, &token).await;
        refused(&reply, 401, "token-signature");
        assert_eq!(reply.at("/errors"), Value::Null);
    }
    presented.read(&caller, &good).await.expect(200);
    presented.are_nowhere(&world);
}

/// What is too long to be a token is not read.
#[tokio::test]
async fn an_oversized_token_or_chain_is_refused() {
    let world = World::start().await;
    let caller = world.caller("practice-fse");
    let certs = world.certs_dir();
    let stuffing: String = (0..400).map(|number| format!("{number:042x}")).collect();
    let huge = caller.token().with("sub", json!(stuffing));
    let good = SigningCertificate::Good;
    let one = huge.sign_under(certs, "practice-fse", good).unwrap();
    let token = caller.token();
    let header = token.sign_under(certs, "practice-fse", good).unwrap();
    let header = URL_SAFE_NO_PAD
        .decode(header.split('.').next().unwrap())
        .unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let leaf = header["x5c"][0].as_str().unwrap().to_owned();
    let between = header["x5c"][1].as_str().unwrap().to_owned();
    let long = [vec![leaf], vec![between; 4]].concat();
    let long = token.sign_with_x5c(certs, "practice-fse", long).unwrap();
    let mut presented = Presented::default();
    for token in [one, long] {
        let reply = presented.read(&caller, &token).await;
        refused(&reply, 401, "token-malformed");
        assert_eq!(reply.at("/errors"), Value::Null);
    }
    presented.are_nowhere(&world);
}

/// Who holds the key hears which claim, which key, and by how much whose clock is off.
#[tokio::test]
async fn a_refusal_names_claim_key_and_clock_to_who_holds_the_key() {
    let world = World::start().await;
    let (caller, thief) = (world.caller("practice-a"), world.caller("practice-b"));
    let now = jiff::Timestamp::now().as_second();
    let token = || caller.token();
    let old = token()
        .with("iat", json!(now - 600))
        .with("nbf", Value::Null)
        .with("exp", json!(now - 100));
    let cases = [
        (old, "token-expired", "exp", "s by our clock"),
        (
            token().with("nbf", json!(now + 200)),
            "token-not-yet-valid",
            "nbf",
            "your clock is ",
        ),
        (
            token().with("iat", json!(now + 200)),
            "token-not-yet-valid",
            "iat",
            "s ahead of ours",
        ),
        (
            token().with("aud", json!("https://elsewhere.example")),
            "token-audience",
            "aud",
            "does not name this gateway",
        ),
        (
            token().with("jti", json!(7)),
            "token-claims",
            "jti",
            "absent",
        ),
        (
            token().with("exp", json!(now + 86_400)),
            "token-lifetime",
            "exp",
            "3600 s",
        ),
    ];
    let mut presented = Presented::default();
    for (token, code, claim, words) in cases {
        let token = token.sign(world.certs_dir(), "practice-a").unwrap();
        let reply = presented.read(&caller, &token).await;
        refused(&reply, 401, code);
        assert_eq!(reply.text("/errors/0/parameter"), claim);
        let detail = reply.text("/errors/0/detail");
        assert!(detail.contains(words), "{detail}");
        assert!(detail.ends_with("(key practice-a-1)"), "{detail}");
    }
    let stolen = caller.signed();
    presented.read(&caller, &stolen).await.expect(200);
    refused(
        &presented.read(&thief, &stolen).await,
        401,
        "token-certificate",
    );
    presented.are_nowhere(&world);
}
