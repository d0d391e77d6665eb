//! The pair of tokens of the Fascicolo: who signed, for whom, and over which body.

use reqwest::Method;
use serde_json::{Value, json};
use tests::certs::{Pair, Prescriber, SigningCertificate};
use tests::world::World;
use tests::world::caller::Caller;
use tests::world::prescription::{DOCTOR, drug};

use super::{Presented, refused, signable_pair};

const PRACTICE: &str = "practice-fse";

fn doctor() -> Prescriber {
    Prescriber {
        subject: DOCTOR.to_owned(),
        ..Prescriber::test_doctor()
    }
}

fn pair(body: &str) -> Pair {
    Pair::of(PRACTICE, "APR", &doctor(), Some(body.as_bytes()))
}

fn signed(world: &World, pair: &Pair) -> [String; 2] {
    let good = SigningCertificate::Good;
    let signed = pair.sign_under(world.certs_dir(), PRACTICE, good);
    signed.expect("a minted key signs")
}

/// A world whose practice signs pairs, and may.
async fn world() -> (World, Caller, Presented) {
    let world = World::start().await;
    let caller = world.caller(PRACTICE);
    let mut presented = Presented::default();
    signable_pair(&mut presented, &caller, || {
        signed(&world, &Pair::of(PRACTICE, "APR", &doctor(), None))
    })
    .await;
    (world, caller, presented)
}

/// A pair writes a prescription, once, in the name of the doctor of both its tokens.
#[tokio::test]
async fn a_pair_is_admitted_once_and_over_its_own_body() {
    let (world, caller, mut presented) = world().await;
    let body = drug().to_string();
    let good = signed(&world, &pair(&body));
    let reply = presented.write_with(&caller, &good, &body).await;
    reply.expect(201);
    let again = presented.write_with(&caller, &good, &body).await;
    refused(&again, 401, "token-replayed");
    let fresh = signed(&world, &pair(&body));
    let mixed = [fresh[0].clone(), good[1].clone()];
    let reply = presented.write_with(&caller, &mixed, &body).await;
    refused(&reply, 401, "token-replayed");

    let mut altered = drug();
    altered["rows"][0]["quantity"] = json!(9);
    let altered = altered.to_string();
    let unsigned = Pair::of(PRACTICE, "APR", &doctor(), None);
    for (pair, sent) in [(pair(&body), altered.as_str()), (unsigned, &body)] {
        let reply = presented
            .write_with(&caller, &signed(&world, &pair), sent)
            .await;
        refused(&reply, 401, "body-altered");
    }
    assert_eq!(world.entries().len(), 1);
    presented.are_nowhere(&world);
}

/// Two tokens that do not belong together are nobody's.
#[tokio::test]
async fn a_pair_is_of_one_certificate_and_one_person() {
    let (world, caller, mut presented) = world().await;
    let body = drug().to_string();
    let certs = world.certs_dir();
    let alone = signed(&world, &pair(&body));
    let reply = presented
        .send(caller.bare(Method::GET, "/v1/prescriptions"), &alone[0])
        .await;
    refused(&reply, 403, "fse-signature-missing");

    let hospital = Pair::of("hospital-fse", "APR", &doctor(), Some(body.as_bytes()));
    let hospital = hospital.sign_under(certs, "hospital-fse", SigningCertificate::Good);
    let hospital = hospital.unwrap();
    let reply = presented.write_with(&caller, &hospital, &body).await;
    refused(&reply, 401, "token-certificate");
    let mixed = [alone[0].clone(), hospital[1].clone()];
    let reply = presented.write_with(&caller, &mixed, &body).await;
    refused(&reply, 401, "token-pair");

    let mut other = pair(&body);
    other.auth = other.auth.with(
        "sub",
        json!("PROVAX00X00X000Y^^^&2.16.840.1.113883.2.9.4.3.2&ISO"),
    );
    let mut reversed = pair(&body);
    std::mem::swap(&mut reversed.auth, &mut reversed.signature);
    let with = |claim, value| {
        let mut pair = pair(&body);
        pair.signature = pair.signature.with(claim, value);
        pair
    };
    let stranger = Prescriber::test_doctor();
    let cases = [
        (other, 401, "token-pair"),
        (reversed, 401, "token-issuer"),
        (with("subject_role", json!("INF")), 403, "token-role"),
        (with("subject_role", json!("FAR")), 401, "token-profile"),
        (with("action_id", Value::Null), 401, "token-claims"),
        (with("attachment_hash", json!("ab")), 401, "token-claims"),
        (
            with("prescriber_authn", Value::Null),
            403,
            "prescriber-authn-missing",
        ),
        (
            with(
                "prescriber_authn",
                json!({ "subject": stranger.subject, "class_ref": stranger.class_ref,
                        "instant": stranger.instant, "locality": stranger.locality }),
            ),
            403,
            "prescriber-authn-invalid",
        ),
    ];
    for (pair, status, code) in cases {
        let reply = presented
            .write_with(&caller, &signed(&world, &pair), &body)
            .await;
        refused(&reply, status, code);
    }
    assert_eq!(world.entries().len(), 0);
    presented.are_nowhere(&world);
}

/// A certificate is worth something as long as its authority stands by it.
#[tokio::test]
async fn a_signing_certificate_must_hold_at_this_moment() {
    let (world, caller, mut presented) = world().await;
    let body = drug().to_string();
    let cases = [
        (SigningCertificate::Revoked, "certificate-revoked"),
        (SigningCertificate::Expired, "certificate-expired"),
        (SigningCertificate::Alone, "certificate-untrusted"),
    ];
    for (certificate, rule) in cases {
        let signed = pair(&body).sign_under(world.certs_dir(), PRACTICE, certificate);
        let reply = presented.write_with(&caller, &signed.unwrap(), &body).await;
        refused(&reply, 401, "token-signing-certificate");
        assert_eq!(reply.text("/errors/0/rule"), rule);
        assert_eq!(reply.text("/errors/0/parameter"), "x5c");
    }
    let reply = presented
        .write_with(&caller, &signed(&world, &pair(&body)), &body)
        .await;
    reply.expect(201);
    assert_eq!(world.entries().len(), 1);
    presented.are_nowhere(&world);
}
