//! Two practices that are registered, and tokens in their names.

use std::path::Path;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::callers::files::Marking;
use crate::callers::{Callers, TokenRules};
use crate::tls::CertificateDigest;

pub(crate) const AUDIENCE: &str = "https://argine.local/v1";
pub(crate) const DOCTOR: &str = "PROVAX00X00X000Y";
/// Another, for whom somebody of its practice may stand in.
pub(crate) const LISTED_DOCTOR: &str = "RSSMRA80A01H501U";
/// The certificates of the two practices.
pub(crate) const A: CertificateDigest = CertificateDigest([0xa; 32]);
pub(crate) const B: CertificateDigest = CertificateDigest([0xb; 32]);

/// Registered practices, and the keys to sign in their names.
pub(crate) struct Practices {
    pub(crate) callers: Callers,
    pub(crate) key_a: EncodingKey,
    pub(crate) key_b: EncodingKey,
}

pub(crate) fn practices() -> Practices {
    practices_at(A, "practice")
}

/// The practices, the first of which is none: it acts as this profile.
pub(crate) fn acting(profile: &str) -> Practices {
    practices_at(A, profile)
}

/// The practices, the first of them behind `certificate` and with this profile.
pub(super) fn practices_at(certificate: CertificateDigest, profile: &str) -> Practices {
    let directory = tempfile::tempdir().unwrap();
    let key_a = mint(directory.path(), "a");
    let key_b = mint(directory.path(), "b");
    let a = entry("a", profile, certificate);
    let text = a + &entry("b", "pharmacy", B);
    let rules = TokenRules {
        audience: AUDIENCE.to_owned(),
        clock_skew: Duration::from_secs(30),
        lifetime_max: Duration::from_secs(3600),
        one_time_lifetime_max: Duration::from_secs(300),
        citizen_authn_age_max: Duration::from_secs(1800),
    };
    let path = directory.path().join("callers.toml");
    let callers = Callers::parse(&path, &text, rules, None, &mut Marking::default()).unwrap();
    Practices {
        callers,
        key_a,
        key_b,
    }
}

fn mint(directory: &Path, name: &str) -> EncodingKey {
    let pair = rcgen::KeyPair::generate().unwrap();
    std::fs::write(directory.join(format!("{name}.pem")), pair.public_key_pem()).unwrap();
    EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap()
}

fn entry(name: &str, profile: &str, certificate: CertificateDigest) -> String {
    let digits = certificate.0.iter().map(|byte| format!("{byte:02x}"));
    let certificate: String = digits.collect();
    format!(
        "[[caller]]\norganization = \"practice-{name}\"\nprofiles = [\"{profile}\"]\n\
         certificate_sha256 = [\"{certificate}\"]\nkey_id = \"practice-{name}-1\"\n\
         algorithm = \"ES256\"\nkey_file = \"{name}.pem\"\nstands_in_for_sha256 = [{}]\n",
        [DOCTOR, LISTED_DOCTOR].map(sha256).join(", ")
    )
}

/// Good claims of practice `name`, whose doctor authenticated a minute ago.
pub(crate) fn claims(name: &str, profile: &str) -> Value {
    let now = jiff::Timestamp::now();
    let instant = now - jiff::SignedDuration::from_secs(60);
    json!({
        "iss": format!("practice-{name}"), "organization": format!("practice-{name}"),
        "aud": AUDIENCE, "profile": profile, "jti": "1",
        "iat": now.as_second(), "nbf": now.as_second(), "exp": now.as_second() + 300,
        "prescriber_authn": {
            "subject": DOCTOR, "class_ref": "SpidL2", "instant": instant.to_string(),
            "locality": "130201",
        },
    })
}

pub(crate) fn sign(key: &EncodingKey, key_id: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key_id.to_owned());
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

/// How a doctor is registered for whom a practice stands in.
fn sha256(doctor: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, doctor.as_bytes());
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", digits.collect::<String>())
}
