//! What a token is worth: forged, borrowed, stale, or meant for somebody else.

pub(crate) mod persons;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::clock::AnchoredClock;
use engine::ports::Clock;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::edge::tests::kit::{A, B, Practices, claims, practices, sign};

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Believes `token` as the only one, on a connection of `peer`.
fn verify(
    callers: &Callers,
    token: &str,
    peer: Option<CertificateDigest>,
    wall: Timestamp,
) -> Result<Caller, Problem> {
    let presented = Presented {
        bearer: token,
        signature: None,
        peer,
    };
    let clock: Arc<dyn Clock> = Arc::new(AnchoredClock::start());
    let recognising = Recognising {
        callers,
        replay: &Replay::since(clock),
        wall,
    };
    let (caller, _) = recognising.recognise(&presented)?;
    Ok(caller)
}

fn verdict(practices: &Practices, token: &str, peer: Option<CertificateDigest>) -> &'static str {
    match verify(&practices.callers, token, peer, wall()) {
        Ok(_) => "",
        Err(problem) => problem.code.code,
    }
}

/// A token of practice a with some claims replaced; null takes one away.
fn bent(practices: &Practices, changes: Value) -> String {
    let mut claims = claims("a", "practice");
    for (claim, value) in changes.as_object().unwrap() {
        claims[claim] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(claim);
        }
    }
    sign(&practices.key_a, "practice-a-1", &claims)
}

#[test]
fn a_good_token_on_its_own_connection_is_believed() {
    let practices = practices();
    let token = bent(&practices, json!({}));
    let caller = verify(&practices.callers, &token, Some(A), wall()).unwrap();
    assert_eq!(caller.organization.0, "practice-a");
    assert_eq!(caller.profile, Profile::Practice);
    assert_eq!(
        caller.authority().unwrap().subject.as_str(),
        "PROVAX00X00X000Y"
    );
    assert!(
        !format!("{caller:?}").contains("PROVAX"),
        "a prescriber never prints"
    );
    let several = json!({"aud": ["https://other.example", "https://argine.local/v1"]});
    assert_eq!(verdict(&practices, &bent(&practices, several), Some(A)), "");
}

#[test]
fn every_bent_claim_is_refused_by_its_own_code() {
    let practices = practices();
    let (past, future) = (now() - 600, now() + 600);
    let cases = [
        (
            json!({"iat": past, "nbf": past, "exp": now() - 31}),
            "token-expired",
        ),
        (json!({"iat": past, "nbf": past, "exp": now() - 20}), ""),
        (
            json!({"nbf": future, "exp": future + 60}),
            "token-not-yet-valid",
        ),
        (
            json!({"iat": future, "exp": future + 60}),
            "token-not-yet-valid",
        ),
        (json!({"nbf": now() + 20, "iat": now() + 20}), ""),
        (json!({"exp": now() + 3_660}), "token-lifetime"),
        (json!({"iat": now(), "exp": now()}), "token-claims"),
        (json!({"exp": u64::MAX}), "token-lifetime"),
        (json!({"aud": "https://other.example"}), "token-audience"),
        (json!({"aud": []}), "token-audience"),
        (json!({"iss": "practice-b"}), "token-issuer"),
        (json!({"organization": "practice-b"}), "token-issuer"),
        (
            json!({"iss": "practice-b", "organization": "practice-b"}),
            "token-issuer",
        ),
        (json!({"profile": "pharmacy"}), "token-profile"),
        (json!({"profile": "emperor"}), "token-profile"),
        (json!({"jti": ""}), "token-claims"),
        (json!({"exp": "tomorrow"}), "token-claims"),
        (json!({"iss": null}), "token-claims"),
        (json!({"aud": null}), "token-claims"),
        (json!({"iat": null}), "token-claims"),
        (json!({"exp": null}), "token-claims"),
        (json!({"jti": null}), "token-claims"),
        (json!({"organization": null}), "token-claims"),
        (json!({"profile": null}), "token-claims"),
        (json!({"nbf": null}), ""),
    ];
    for (changes, code) in cases {
        let token = bent(&practices, changes.clone());
        assert_eq!(verdict(&practices, &token, Some(A)), code, "{changes}");
    }
}

#[test]
fn a_token_is_worth_nothing_on_another_callers_connection() {
    let practices = practices();
    let token = bent(&practices, json!({}));
    assert_eq!(verdict(&practices, &token, Some(B)), "token-certificate");
    assert_eq!(verdict(&practices, &token, None), "token-certificate");
}

fn raw(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[test]
fn forged_tokens_all_look_alike() {
    let practices = practices();
    let claims = claims("a", "practice");
    let good = sign(&practices.key_a, "practice-a-1", &claims);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let other_payload = URL_SAFE_NO_PAD.encode(crate::edge::tests::kit::AUDIENCE);
    let header = |alg: &str| json!({"alg": alg, "typ": "JWT", "kid": "practice-a-1"});
    let mut hs256 = Header::new(Algorithm::HS256);
    hs256.kid = Some("practice-a-1".to_owned());
    let public_key_as_secret = EncodingKey::from_secret(b"the public key, which everybody knows");
    // Signed by the right key over a header that names another algorithm.
    let renamed = |alg: &str| {
        let unsigned = raw(&header(alg), &claims, "");
        let message = unsigned.trim_end_matches('.');
        let key = &practices.key_a;
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::ES256);
        format!("{message}.{}", signature.unwrap())
    };
    assert_eq!(verdict(&practices, &renamed("ES256"), Some(A)), "");
    let forged = [
        renamed("none"),
        renamed("ES384"),
        renamed("es256"),
        sign(&practices.key_b, "practice-a-1", &claims),
        sign(&practices.key_a, "practice-c-1", &claims),
        format!("{head}.{other_payload}.{signature}"),
        format!("{message}."),
        raw(&header("none"), &claims, ""),
        raw(&header("None"), &claims, signature),
        raw(&header("ES384"), &claims, signature),
        raw(&header("RS256"), &claims, signature),
        jsonwebtoken::encode(&hs256, &claims, &public_key_as_secret).unwrap(),
    ];
    for token in forged {
        assert_eq!(
            verdict(&practices, &token, Some(A)),
            "token-signature",
            "{token}"
        );
    }
    let with_crit = json!({"alg": "ES256", "kid": "practice-a-1", "crit": ["exp"]});
    let malformed = [
        String::new(),
        "x".to_owned(),
        "x.y".to_owned(),
        "x.y.z".to_owned(),
        format!("{good}.more"),
        "a".repeat(crate::tokens::jose::TOKEN_BYTES_MAX + 1),
        raw(&with_crit, &claims, signature),
        raw(&json!({"alg": "ES256"}), &claims, signature),
    ];
    for token in malformed {
        assert_eq!(
            verdict(&practices, &token, Some(A)),
            "token-malformed",
            "{token}"
        );
    }
}

#[test]
fn a_write_needs_an_authentication_that_the_sac_accepts() {
    let practices = practices();
    let authn = |field: &str, value: Value| {
        let mut claim = claims("a", "practice")["prescriber_authn"].clone();
        claim[field] = value;
        json!({"prescriber_authn": claim})
    };
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let cases = [
        (json!({}), ""),
        (
            json!({"prescriber_authn": null}),
            "prescriber-authn-missing",
        ),
        (json!({"prescriber_authn": {}}), "prescriber-authn-invalid"),
        (
            json!({"prescriber_authn": "PROVAX00X00X000Y"}),
            "prescriber-authn-invalid",
        ),
        (authn("subject", json!("PROVA")), "prescriber-authn-invalid"),
        (
            authn("class_ref", json!("SpidL1")),
            "prescriber-authn-invalid",
        ),
        (authn("locality", json!("1")), "prescriber-authn-invalid"),
        (
            authn("instant", json!("yesterday")),
            "prescriber-authn-invalid",
        ),
        (
            authn("instant", json!(tomorrow.to_string())),
            "prescriber-authn-invalid",
        ),
        (authn("more", json!(1)), "prescriber-authn-invalid"),
    ];
    for (changes, code) in cases {
        let token = bent(&practices, changes.clone());
        let caller = verify(&practices.callers, &token, Some(A), wall()).unwrap();
        let seen = caller
            .authority()
            .map_or_else(|problem| problem.code.code, |_| "");
        assert_eq!(seen, code, "{changes}");
    }
}

/// A caller of practice a, for tests of what callers do.
pub(crate) fn test_caller() -> Caller {
    let practices = practices();
    let token = bent(&practices, json!({}));
    verify(&practices.callers, &token, Some(A), wall()).unwrap()
}

#[test]
fn a_token_that_was_good_is_worth_nothing_elsewhere_later_or_signed_anew() {
    let practices = practices();
    let token = bent(&practices, json!({}));
    assert_eq!(verdict(&practices, &token, Some(A)), "");
    assert_eq!(verdict(&practices, &token, Some(A)), "");
    assert_eq!(verdict(&practices, &token, Some(B)), "token-certificate");
    let later = wall() + std::time::Duration::from_secs(86_400);
    let expired = verify(&practices.callers, &token, Some(A), later);
    assert_eq!(
        expired.err().map(|problem| problem.code.code),
        Some("token-expired")
    );
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode([7; 64]));
    assert_eq!(verdict(&practices, &forged, Some(A)), "token-signature");
    let other = bent(&practices, json!({ "jti": "another" }));
    let (_, signature) = other.rsplit_once('.').unwrap();
    let swapped = format!("{message}.{signature}");
    assert_eq!(verdict(&practices, &swapped, Some(A)), "token-signature");
}
