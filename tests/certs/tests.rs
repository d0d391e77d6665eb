//! What is minted is what the contract between the parts says.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::DecodePrivateKey;

const FILES: [&str; 20] = [
    "callers-ca.pem",
    "callers.toml",
    "callers/practice-a-signing.key",
    "callers/practice-a-signing.pem",
    "callers/practice-a.key",
    "callers/practice-a.pem",
    "gateway-ca.pem",
    "gateway.key",
    "gateway.pem",
    "pin-code",
    "region-signing.key",
    "region-signing.pem",
    "region.key",
    "region.pem",
    "sac-ca.pem",
    "sanitel.key",
    "sanitel.pem",
    "signing-ca.pem",
    "signing-crl.pem",
    "store.key",
];

fn minted() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    mint(directory.path(), &[Caller::practice("practice-a")]).unwrap();
    directory
}

fn der(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap();
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    STANDARD.decode(body).unwrap()
}

#[test]
fn mint_writes_every_file() {
    let directory = minted();
    for file in FILES {
        assert!(directory.path().join(file).is_file(), "{file}");
    }
    let store_key = fs::read_to_string(directory.path().join("store.key")).unwrap();
    assert_eq!(store_key.len(), 64);
}

#[test]
fn the_listed_digest_is_that_of_the_callers_certificate() {
    let directory = minted();
    let listed: toml::Table =
        toml::from_str(&fs::read_to_string(directory.path().join("callers.toml")).unwrap())
            .unwrap();
    let caller = &listed["caller"][0];
    let leaf = der(&directory.path().join("callers/practice-a.pem"));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &leaf);
    assert_eq!(
        caller["certificate_sha256"][0].as_str().unwrap(),
        hex(digest.as_ref())
    );
    assert_eq!(caller["key_id"].as_str().unwrap(), "practice-a-1");
}

#[test]
fn what_is_encrypted_for_sanitel_opens_with_its_key() {
    let directory = minted();
    let certificate = der(&directory.path().join("sanitel.pem"));
    let (_, certificate) = x509_parser::parse_x509_certificate(&certificate).unwrap();
    let public = &certificate.public_key().subject_public_key.data;
    let public = rsa::RsaPublicKey::from_pkcs1_der(public).unwrap();
    let sealed = public
        .encrypt(
            &mut rand_core::OsRng,
            rsa::Pkcs1v15Encrypt,
            PIN_CODE.as_bytes(),
        )
        .unwrap();
    assert_eq!(STANDARD.encode(&sealed).len(), 172);
    let private = fs::read_to_string(directory.path().join("sanitel.key")).unwrap();
    let private = rsa::RsaPrivateKey::from_pkcs8_pem(&private).unwrap();
    assert_eq!(
        private.decrypt(rsa::Pkcs1v15Encrypt, &sealed).unwrap(),
        PIN_CODE.as_bytes()
    );
}

#[test]
fn a_token_verifies_with_the_published_key() {
    let directory = minted();
    let token = Token::of("practice-a", "practice", Some(&Prescriber::test_doctor()));
    let signed = token.sign(directory.path(), "practice-a").unwrap();
    let key = fs::read(directory.path().join("callers/practice-a-signing.pem")).unwrap();
    let key = jsonwebtoken::DecodingKey::from_ec_pem(&key).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&["https://argine.local/v1"]);
    let read = jsonwebtoken::decode::<serde_json::Value>(&signed, &key, &rules).unwrap();
    assert_eq!(read.header.kid.as_deref(), Some("practice-a-1"));
    assert_eq!(read.claims["prescriber_authn"]["locality"], "130201");
}

#[test]
fn bad_client_certificates_are_bad_in_the_way_asked_for() {
    let directory = minted();
    let now = x509_parser::time::ASN1Time::now();
    for (validity, before, after) in [
        (Validity::Current, true, true),
        (Validity::Expired, true, false),
        (Validity::NotYet, false, true),
    ] {
        let identity = client(directory.path(), "odd", Signer::Sac, validity).unwrap();
        let certificate = der(&identity.certificate);
        let (_, certificate) = x509_parser::parse_x509_certificate(&certificate).unwrap();
        assert_eq!(
            certificate.validity().not_before <= now,
            before,
            "{validity:?}"
        );
        assert_eq!(
            certificate.validity().not_after >= now,
            after,
            "{validity:?}"
        );
    }
}
