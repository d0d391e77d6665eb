//! What an organisation says of itself beside a voucher.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

/// Without evidence, the signature of the request says who writes; it is admitted once.
#[tokio::test]
async fn a_signature_is_statement_enough() {
    let vouched = Vouched::start(Setup::default()).await;
    let body = drug().to_string();
    let sum = digest(&SHA256, body.as_bytes());
    let sum = format!("SHA-256={}", STANDARD.encode(sum.as_ref()));
    let list = json!([{"digest": sum}, {"content-type": "application/json"}]);
    let sign = |profile: &str| {
        let changes = [
            ("signed_headers", list.clone()),
            ("profile", json!(profile)),
        ];
        vouched.evidence("practice-b", &changes)
    };
    let voucher = vouched.voucher(&json!({}));
    let write = async |signature: &str, body: &str| {
        vouched
            .presented
            .lock()
            .expect("whole")
            .push(signature.to_owned());
        let request = vouched
            .request(Method::POST, "/v1/prescriptions", &voucher, "")
            .header("Idempotency-Key", key())
            .header("Content-Type", "application/json")
            .header("Digest", &sum)
            .header("Agid-JWT-Signature", signature)
            .body(body.to_owned());
        answer(request).await.expect("the gateway answers")
    };
    let good = until("it is signed after the start", SOON, async || {
        let good = sign("practice");
        (write(&good, &body).await.status == 201).then_some(good)
    })
    .await;
    let again = write(&good, &body).await;
    assert_eq!(again.code(), "integrity-signature");
    assert_eq!(again.text("/errors/0/rule"), "replayed");
    let other = drug().to_string();
    assert_eq!(
        write(&sign("practice"), &other).await.code(),
        "integrity-digest"
    );
    assert_eq!(
        write(&sign("operator"), &body).await.code(),
        "voucher-statement"
    );
    assert_eq!(vouched.world.entries().len(), 1);
    vouched.are_nowhere();
}

/// A voucher may say its type in full.
#[tokio::test]
async fn a_voucher_may_name_its_type_in_full() {
    let vouched = Vouched::start(Setup::default()).await;
    let good = vouched.good();
    let of = |voucher: &str| {
        let header = voucher.split('.').next().expect("a header");
        let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
        let header: Value = serde_json::from_slice(&header).expect("JSON");
        header["typ"].clone()
    };
    for typ in ["at+jwt", "application/at+jwt"] {
        let voucher = vouched.pdnd.voucher_of(typ, CLIENT, PURPOSE);
        assert_eq!(of(&voucher), typ);
        assert_eq!(vouched.code(&voucher, &good).await, RECOGNISED, "{typ}");
    }
    vouched.are_nowhere();
}
