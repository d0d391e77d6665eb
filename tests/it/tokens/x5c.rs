//! Certificates that come along with the signature of a request.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;
use tests::certs::SigningCertificate;
use tests::world::prescription::{drug, key};
use tests::world::{Setup, World};

use super::{Presented, refused, signable};

const PRACTICE: &str = "practice-fse";

/// The signature of a body is worth what the certificate in its `x5c` is, whatever that of the token is.
#[tokio::test]
async fn a_body_is_signed_under_a_certificate_that_holds() {
    let mut world = World::prepare(Setup::default());
    world.rewrite(PRACTICE, |entry| {
        let entry = entry.replace("pattern = \"FSE\"", "pattern = \"ID_AUTH_REST_01\"");
        format!("{}\nintegrity = \"required\"\n\n", entry.trim_end())
    });
    world.restart().await.expect("the gateway starts");
    signable(&world.caller("practice-once")).await;
    let caller = world.caller(PRACTICE);
    let body = drug().to_string();
    let sum = digest(&SHA256, body.as_bytes());
    let sum = format!("SHA-256={}", STANDARD.encode(sum.as_ref()));
    let signed = |token: tests::certs::Token, certificate| {
        let token = token.sign_under(world.certs_dir(), PRACTICE, certificate);
        token.expect("a minted key signs")
    };
    let mut presented = Presented::default();
    let headers = json!([{"digest": sum}, {"content-type": "application/json"}]);
    for (certificate, is_good) in [
        (SigningCertificate::Revoked, false),
        (SigningCertificate::Expired, false),
        (SigningCertificate::Alone, false),
        (SigningCertificate::Good, true),
    ] {
        let token = signed(caller.token(), SigningCertificate::Good);
        let statement = caller.token().with("signed_headers", headers.clone());
        let signature = signed(statement, certificate);
        presented.0.push(signature.clone());
        let request = caller
            .bare(Method::POST, "/v1/prescriptions")
            .header("Idempotency-Key", key())
            .header("Content-Type", "application/json")
            .header("Digest", &sum)
            .header("Agid-JWT-Signature", signature)
            .body(body.clone());
        let reply = presented.send(request, &token).await;
        if is_good {
            reply.expect(201);
        } else {
            refused(&reply, 401, "integrity-signature");
        }
    }
    assert_eq!(world.entries().len(), 1);
    presented.are_nowhere(&world);
}
