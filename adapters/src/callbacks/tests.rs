//! Pushes to a small server over real TLS.

use std::net::SocketAddr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use engine::ports::{EntryId, Organization, ReadError};
use policies::failure::Opaque;
use policies::state::State;
use serde_json::Value;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;
use crate::client::tests::{Parties, Plays, http, serve};

const WITHIN: Duration = Duration::from_secs(5);

fn pusher(parties: &Parties, allowed: &[&str]) -> Pusher {
    let allowed = allowed.iter().map(|text| Network::parse(text).unwrap());
    let settings = Settings {
        trust_file: parties.file("trust.pem"),
        certificate_file: parties.file("ours.pem"),
        key_file: parties.file("ours.key"),
        signing_certificate_file: parties.file("ours.pem"),
        signing_key_file: parties.file("ours.key"),
        issuer: "https://argine.local/v1".to_owned(),
        networks_allowed: Networks::new(allowed.collect()),
    };
    Pusher::open(&settings).unwrap()
}

fn to(url: &str) -> Callback {
    Callback {
        seq: 7,
        id: Uuid::from_u128(42),
        entry: EntryId(Uuid::from_u128(43)),
        organization: Organization("practice-a".to_owned()),
        state: State::Parked,
        reason: Some(Code::DeadlinePassed),
        at: policies::time::Timestamp(1_790_000_000_123),
        tries: 0,
        host: Address::parse(url)
            .map_or_else(|_| String::new(), |address| address.host().to_owned()),
        url: Ok(Opaque(url.as_bytes().to_vec())),
    }
}

fn on(address: SocketAddr) -> String {
    format!("https://{address}/events")
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
    found.next().map_or("", |(_, value)| value)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Asserts that `token` is signed by the key of the certificate in it.
fn verify(token: &str, algorithm: &'static dyn VerificationAlgorithm) {
    let leaf = part(token, 0)["x5c"][0].as_str().unwrap().to_owned();
    let key = signing::public_key(&STANDARD.decode(leaf).unwrap().into()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(algorithm, key)
        .verify(signed.as_bytes(), &signature)
        .unwrap();
}

#[tokio::test]
async fn a_push_says_what_happened_and_is_signed_for_its_receiver() {
    let parties = Parties::trusting();
    let ack = http("200 OK", "", r#"{"result":"ACK"}"#);
    let (address, mut received, _tasks) = serve(&parties, Plays::Answers(ack)).await;
    let pusher = pusher(&parties, &["127.0.0.0/8"]);
    let pushed = pusher.push(&to(&on(address)), WITHIN).await;
    assert_eq!((pushed.said, pushed.status), (Said::Received, 200));
    let request = received.recv().await.unwrap();
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let said: Value = serde_json::from_str(body).unwrap();
    let expected = serde_json::json!({
        "id": Uuid::from_u128(42).to_string(),
        "seq": 7,
        "at": "2026-09-21T14:13:20.123Z",
        "prescription_id": Uuid::from_u128(43).to_string(),
        "state": "parked",
        "reason": "deadline-passed",
    });
    assert_eq!(said, expected);
    assert_eq!(header(&request, "idempotency-key"), said["id"]);
    assert_eq!(
        header(&request, "x-correlation-id"),
        said["prescription_id"]
    );
    let hashed = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes());
    let digest = format!("SHA-256={}", STANDARD.encode(hashed));
    assert_eq!(header(&request, "digest"), digest);
    let identity = header(&request, "authorization").strip_prefix("Bearer ");
    let (identity, integrity) = (identity.unwrap(), header(&request, "agid-jwt-signature"));
    for token in [identity, integrity] {
        verify(token, &ECDSA_P256_SHA256_FIXED);
        let claims = part(token, 1);
        assert_eq!(claims["aud"], format!("https://{address}"));
        assert_eq!(claims["iss"], "https://argine.local/v1");
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(life, 60);
    }
    let headers = &part(integrity, 1)["signed_headers"];
    assert_eq!(headers[0]["digest"], digest);
    assert_eq!(headers[1]["content-type"], header(&request, "content-type"));
    assert_ne!(part(identity, 1)["jti"], part(integrity, 1)["jti"]);
}

#[test]
fn an_rsa_key_signs_too_and_another_ones_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, key: &rcgen::KeyPair| {
        let params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        let certificate = params.self_signed(key).unwrap();
        let (pem, text) = (certificate.pem(), key.serialize_pem());
        std::fs::write(folder.path().join(format!("{name}.pem")), pem).unwrap();
        std::fs::write(folder.path().join(format!("{name}.key")), text).unwrap();
    };
    let bits = rcgen::RsaKeySize::_2048;
    let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, bits).unwrap();
    write("rsa", &rsa);
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    write("p384", &p384);
    let open = |certificate: &str, key: &str| {
        let file = |name: &str| folder.path().join(name);
        Signer::open(&Settings {
            trust_file: PathBuf::new(),
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            signing_certificate_file: file(certificate),
            signing_key_file: file(key),
            issuer: "us".to_owned(),
            networks_allowed: Networks::default(),
        })
    };
    let now = Timestamp::UNIX_EPOCH;
    let signer = open("rsa.pem", "rsa.key").unwrap();
    let signed = signer.sign(b"{}", MEDIA_TYPE, "https://software.example", now);
    let signed = signed.ok().unwrap();
    assert_eq!(part(&signed.integrity, 0)["alg"], "RS256");
    verify(&signed.integrity, &RSA_PKCS1_2048_8192_SHA256);
    let refused = open("p384.pem", "rsa.key").err();
    assert!(matches!(refused, Some(SigningError::Pair)), "{refused:?}");
    let refused = open("p384.pem", "p384.key").err();
    assert!(matches!(refused, Some(SigningError::Key)), "{refused:?}");
}

#[tokio::test]
async fn an_address_that_may_not_be_called_is_not_connected_to() {
    let parties = Parties::trusting();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let strict = pusher(&parties, &["10.0.0.0/8"]);
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}/events");
        let said = strict.try_push(&to(&url), WITHIN).await;
        assert_eq!(said, Err(Died::There("address-not-allowed")), "{host}");
    }
    let connected = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(connected.is_err(), "nobody has connected");
    let open = pusher(&parties, &["127.0.0.0/8"]);
    let url = format!("https://localhost:{port}/events");
    let callback = to(&url);
    tokio::select! {
        connected = listener.accept() => assert!(connected.is_ok()),
        said = open.push(&callback, WITHIN) => panic!("{said:?}"),
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let parties = Parties::trusting();
    let (elsewhere, mut strays, _there) =
        serve(&parties, Plays::Answers(http("200 OK", "", ""))).await;
    let location = format!("location: https://{elsewhere}/\r\n");
    let moved = Plays::Answers(http("307 Temporary Redirect", &location, ""));
    let (address, mut received, _tasks) = serve(&parties, moved).await;
    let pusher = pusher(&parties, &["127.0.0.0/8"]);
    let pushed = pusher.push(&to(&on(address)), WITHIN).await;
    assert_eq!((pushed.said, pushed.status), (Said::Refused, 307));
    assert!(received.recv().await.is_some());
    assert!(strays.try_recv().is_err());
}

#[tokio::test]
async fn what_hangs_ends_in_time_and_what_cannot_be_read_is_not_pushed() {
    let parties = Parties::trusting();
    let (address, _received, _tasks) = serve(&parties, Plays::Hangs).await;
    let pusher = pusher(&parties, &["127.0.0.0/8"]);
    let within = Duration::from_millis(200);
    let said = pusher.try_push(&to(&on(address)), within).await;
    assert_eq!(said, Err(Died::There("timeout")));
    let damaged = Callback {
        url: Err(ReadError::Damaged),
        ..to("")
    };
    let elsewhere = Callback {
        host: "software.example:443".to_owned(),
        ..to(&on(address))
    };
    for (callback, cause) in [
        (damaged, "address-unreadable"),
        (
            to("https://software.example/events?to=me"),
            "address-refused",
        ),
        (elsewhere, "address-refused"),
    ] {
        let pushed = pusher.push(&callback, WITHIN).await;
        assert_eq!((pushed.said, pushed.cause), (Said::Unsent, cause));
    }
}

#[tokio::test]
async fn a_body_without_end_holds_nobody_up() {
    let parties = Parties::trusting();
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_vec();
    let (address, _received, _tasks) = serve(&parties, Plays::Begins(begun)).await;
    let pusher = pusher(&parties, &["127.0.0.0/8"]);
    let callback = to(&on(address));
    let pushed = pusher.push(&callback, 10 * WITHIN);
    let pushed = tokio::time::timeout(WITHIN, pushed).await;
    assert_eq!(pushed.unwrap().said, Said::Received);
}

#[test]
fn only_what_concerns_the_host_lets_it_rest() {
    for (status, expected) in [
        (200, Said::Received),
        (202, Said::Received),
        (204, Said::Received),
        (301, Said::Refused),
        (308, Said::Refused),
        (400, Said::Refused),
        (404, Said::Refused),
        (408, Said::Failed),
        (429, Said::Failed),
        (500, Said::Failed),
        (503, Said::Failed),
    ] {
        assert_eq!(said(status), expected, "{status}");
    }
}
