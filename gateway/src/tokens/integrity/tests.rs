//! What was signed, beside what arrived: each way in which they differ.

use std::time::Duration;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::callers::TokenRules;

const BODY: &[u8] = b"{\"a\":1}";

fn digest_of(body: &[u8]) -> String {
    format!("SHA-256={}", STANDARD.encode(digest(&SHA256, body)))
}

fn signed(signed_headers: &str) -> Result<Signed, Wrong> {
    let header = URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\"}");
    let claims =
        format!("{{\"aud\":\"us\",\"iat\":1000,\"exp\":1100,\"signed_headers\":{signed_headers}}}");
    let token = format!("{header}.{}.sig", URL_SAFE_NO_PAD.encode(claims));
    let rules = TokenRules {
        audience: "us".to_owned(),
        clock_skew: Duration::from_secs(30),
        lifetime_max: Duration::from_secs(3_600),
        one_time_lifetime_max: Duration::from_secs(300),
        citizen_authn_age_max: Duration::from_secs(60),
    };
    let expected = Expected {
        issuer: "a",
        rules: &rules,
    };
    let token = Jws::parse(&token).unwrap();
    Signed::read(&token, expected, Timestamp(1_050_000))
}

/// What arrived, as who compares asks for it.
struct Arrived(Vec<(&'static str, String)>);

impl Arrived {
    fn only(&self, name: &str) -> Option<&[u8]> {
        let mut found = self.0.iter().filter(|(known, _)| *known == name);
        let only = found.next().filter(|_| found.next().is_none())?;
        Some(only.1.as_bytes())
    }

    fn and(mut self, name: &'static str, value: &str) -> Arrived {
        self.0.push((name, value.to_owned()));
        self
    }
}

fn checked(signed: &Signed, arrived: &Arrived, body: &[u8]) -> Result<(), Altered> {
    signed.check(|name| arrived.only(name), body)
}

fn received(fields: &[(&'static str, &str)]) -> Arrived {
    let fields = fields.iter();
    Arrived(
        fields
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
    )
}

fn good() -> Value {
    json!([{"digest": digest_of(BODY)}, {"content-type": "application/json"}])
}

fn usual() -> Arrived {
    received(&[
        ("digest", &digest_of(BODY)),
        ("content-type", "application/json"),
    ])
}

fn of(name: &'static str) -> Altered {
    Altered::Header(name.to_owned())
}

#[test]
fn what_arrives_as_it_was_signed_is_believed_in_every_form_of_the_list() {
    let digest = digest_of(BODY);
    let forms = [
        good(),
        json!([{"digest": digest, "content-type": "application/json"}]),
        json!([{"Digest": digest}, {"Content-Type": "application/json"}]),
        json!([{"content-type": "application/json"}, {}, {"digest": digest}]),
    ];
    for form in forms {
        let signed = signed(&form.to_string()).unwrap();
        assert_eq!(checked(&signed, &usual(), BODY), Ok(()), "{form}");
    }
}

#[test]
fn a_list_that_is_none_or_names_a_header_twice_is_no_claim() {
    let twice = "[{\"digest\":\"a\",\"digest\":\"b\"}]";
    let spread = "[{\"digest\":\"a\"},{\"Digest\":\"a\"}]";
    let many: Vec<Value> = (0..=HEADERS_MAX)
        .map(|n| json!({ format!("x-{n}"): "" }))
        .collect();
    let many = Value::from(many).to_string();
    for bad in [
        twice,
        spread,
        "{}",
        "[1]",
        "[{\"a\":1}]",
        "[{\"a b\":\"\"}]",
        "null",
        &many,
    ] {
        assert!(
            matches!(signed(bad), Err(Wrong::Claim("signed_headers"))),
            "{bad}"
        );
    }
}

#[test]
fn every_signed_header_arrived_once_and_as_it_was_signed() {
    let mut list = good();
    list.as_array_mut()
        .unwrap()
        .push(json!({"x-replyto": "https://a"}));
    let signed = signed(&list.to_string()).unwrap();
    let reply = |value: &str| usual().and("x-replyto", value);
    assert_eq!(checked(&signed, &reply("https://a"), BODY), Ok(()));
    assert_eq!(
        checked(&signed, &usual(), BODY),
        Err(of("x-replyto")),
        "missing"
    );
    assert_eq!(
        checked(&signed, &reply("https://A"), BODY),
        Err(of("x-replyto")),
        "changed"
    );
    let doubled = reply("https://a").and("x-replyto", "https://a");
    assert_eq!(
        checked(&signed, &doubled, BODY),
        Err(of("x-replyto")),
        "doubled"
    );
}

#[test]
fn the_digest_is_that_of_the_bytes_that_arrived() {
    let signed = signed(&good().to_string()).unwrap();
    assert_eq!(
        checked(&signed, &usual(), b"{\"a\":2}"),
        Err(Altered::Digest)
    );
    assert_eq!(checked(&signed, &usual(), b""), Err(Altered::Digest));
    // Header and body were changed together: what was signed says otherwise.
    let other = received(&[
        ("digest", &digest_of(b"{}")),
        ("content-type", "application/json"),
    ]);
    assert_eq!(checked(&signed, &other, b"{}"), Err(of("digest")));
}

#[test]
fn a_digest_that_cannot_be_compared_proves_nothing() {
    let plain = digest_of(BODY);
    for (stated, is_good) in [
        (plain.replace("SHA-256", "sha-256"), true),
        (format!("unixsum=30637, {plain}"), true),
        (format!("{plain},{plain}"), false),
        (plain.replace("SHA-256", "SHA-512"), false),
        ("SHA-256=".to_owned(), false),
        (String::new(), false),
    ] {
        let list = json!([{"digest": stated}, {"content-type": "application/json"}]);
        let signed = signed(&list.to_string()).unwrap();
        let headers = received(&[("digest", &stated), ("content-type", "application/json")]);
        let expected = if is_good {
            Ok(())
        } else {
            Err(Altered::Digest)
        };
        assert_eq!(checked(&signed, &headers, BODY), expected, "{stated}");
    }
}

#[test]
fn with_a_body_its_digest_and_its_type_were_signed() {
    let unsigned = |name| Err(Altered::Unsigned(name));
    let of_type = signed("[{\"content-type\":\"application/json\"}]").unwrap();
    assert_eq!(checked(&of_type, &usual(), BODY), unsigned(DIGEST));
    assert_eq!(checked(&of_type, &usual(), b""), Ok(()));
    let of_digest = signed(&json!([{"digest": digest_of(BODY)}]).to_string()).unwrap();
    assert_eq!(checked(&of_digest, &usual(), BODY), unsigned(TYPE));
    let nothing = signed("[]").unwrap();
    assert_eq!(checked(&nothing, &usual(), BODY), unsigned(DIGEST));
}
