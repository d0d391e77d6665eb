//! Who is let in: mutual TLS, the signed assertion (SF §4), the PIN (§4.2.1, pinCode).

use std::io;

use jiff::SignedDuration;
use tests::certs::{self, Signer, Validity};
use tests::upstreams::sac::Simulator;
use tests::upstreams::sac::settings::Settings;

use super::assertion::Assertion;
use super::client::{Call, DOCTOR, OTHER_DOCTOR, Sac, encrypted, region};
use super::messages::{cancel, drug, lot, used, view};

const POLICY: (u16, &str) = (401, "Rejected by policy. (from client)");
const IDENTITY: (u16, &str) = (500, "Errore generico di autenticazione");

/// Sends a prescription under this assertion, which must not be enough.
async fn turned_away(assertion: &str, answer: (u16, &str)) {
    let sac = Sac::start();
    let reply = Call::new(&drug(&sac.number()), assertion)
        .send(&sac)
        .await
        .unwrap();
    reply.assert_fault(answer.0, answer.1);
    let book = sac.simulator.book();
    assert!(book.prescriptions.is_empty() && book.received.is_empty());
    assert_eq!(book.refusals.len(), 1);
}

/// An assertion spoilt before it is signed.
async fn turned_away_with(spoil: impl FnOnce(&mut Assertion), answer: (u16, &str)) {
    let mut assertion = Assertion::of(DOCTOR, region());
    spoil(&mut assertion);
    turned_away(&assertion.signed(), answer).await;
}

/// SF §4: the region's client certificate, and nothing without one.
#[tokio::test]
async fn a_caller_without_certificate_gets_no_connection() {
    let sac = Sac::start();
    let assertion = Assertion::of(DOCTOR, region()).signed();
    let call = Call {
        identity: None,
        ..Call::new(&drug(&sac.number()), &assertion)
    };
    call.send(&sac).await.unwrap_err();
    assert_eq!(sac.simulator.book().calls.len(), 0);
}

/// SF §4: nor with one that has expired, does not hold yet, or is of another authority.
#[tokio::test]
async fn a_caller_with_a_bad_certificate_gets_no_connection() {
    let sac = Sac::start();
    let assertion = Assertion::of(DOCTOR, region()).signed();
    let cases = [
        ("expired", Signer::Sac, Validity::Expired),
        ("not-yet", Signer::Sac, Validity::NotYet),
        ("callers", Signer::Callers, Validity::Current),
        ("strange", Signer::Stranger, Validity::Current),
    ];
    for (name, signer, validity) in cases {
        certs::client(region(), name, signer, validity).unwrap();
        let good = Call::new(&drug(&sac.number()), &assertion);
        let call = Call {
            identity: Some(region().join(name)),
            ..good
        };
        let error = call.send(&sac).await.unwrap_err();
        assert_ne!(
            error.kind(),
            io::ErrorKind::UnexpectedEof,
            "{name}: an alert is owed"
        );
    }
    // The pair that signs assertions is not one to connect with.
    let call = Call::new(&drug(&sac.number()), &assertion);
    let call = Call {
        identity: Some(region().join("region-signing")),
        ..call
    };
    call.send(&sac).await.unwrap_err();
    assert_eq!(sac.simulator.book().calls.len(), 0);
}

/// SF §4: a certificate of the right authority that is not the region's.
#[tokio::test]
async fn an_unregistered_certificate_is_turned_away() {
    let sac = Sac::start();
    certs::client(region(), "unknown", Signer::Sac, Validity::Current).unwrap();
    let assertion = Assertion::of(DOCTOR, region()).signed();
    for body in [drug(&sac.number()), lot("3", None)] {
        let call = Call::new(&body, &assertion);
        let call = Call {
            identity: Some(region().join("unknown")),
            ..call
        };
        call.send(&sac)
            .await
            .unwrap()
            .assert_fault(POLICY.0, POLICY.1);
    }
}

/// SF §4: on every call of the prescription services.
#[tokio::test]
async fn a_call_without_assertion_is_turned_away() {
    let sac = Sac::start();
    let number = sac.number();
    let bodies = [
        drug(&number),
        view(&number, DOCTOR),
        cancel(&number, DOCTOR),
        used(&number, DOCTOR),
    ];
    for body in bodies {
        let call = Call {
            header: String::new(),
            ..Call::new(&body, "")
        };
        call.send(&sac)
            .await
            .unwrap()
            .assert_fault(POLICY.0, POLICY.1);
        Call::new(&body, "")
            .send(&sac)
            .await
            .unwrap()
            .assert_fault(POLICY.0, POLICY.1);
    }
}

/// SF §4.2: signed.
#[tokio::test]
async fn an_unsigned_assertion_is_turned_away() {
    turned_away(&Assertion::of(DOCTOR, region()).unsigned(), POLICY).await;
}

/// SF §4.2: over all that it says.
#[tokio::test]
async fn an_assertion_changed_after_it_was_signed_is_turned_away() {
    let signed = Assertion::of(OTHER_DOCTOR, region()).signed();
    let changes = [
        (OTHER_DOCTOR, DOCTOR),
        ("SpidL2", "SpidL3"),
        ("130201", "130202"),
        ("Version=\"2.0\"", "Version=\"2.0\" Consent=\"x\""),
        ("<saml2:Subject>", "<saml2:Subject> "),
    ];
    for (from, to) in changes {
        let changed = signed.replace(from, to);
        assert_ne!(changed, signed);
        turned_away(&changed, POLICY).await;
    }
}

/// SF §4.2: and what it covers is what is read.
#[tokio::test]
async fn a_signature_over_something_else_is_turned_away() {
    let good = Assertion::of(DOCTOR, region()).signed();
    let forged = Assertion::of(DOCTOR, region()).unsigned();
    let forged = forged.replace("ID=\"_a1\"", "ID=\"_a2\"");
    // The signed one rides along, inside and beside the one that would be read.
    turned_away(&format!("{forged}{good}"), POLICY).await;
    let hidden = format!("<saml2:Advice>{good}</saml2:Advice></saml2:Assertion>");
    turned_away(&forged.replace("</saml2:Assertion>", &hidden), POLICY).await;
    // A stranger beside it, or anything that answers to its name, makes it ambiguous.
    for stray in [forged.as_str(), "<x Id=\"_a1\"></x>"] {
        let sac = Sac::start();
        let mut call = Call::new(&drug(&sac.number()), &good);
        call.header
            .push_str(&format!("<x:x xmlns:x=\"u:x\">{stray}</x:x>"));
        call.send(&sac)
            .await
            .unwrap()
            .assert_fault(POLICY.0, POLICY.1);
    }
}

/// SF §4.2: the algorithms, the transforms and the reference of the example, rightly signed or not.
#[tokio::test]
async fn another_way_of_signing_is_turned_away() {
    let rewordings = [
        ("URI=\"#_a1\"", "URI=\"\""),
        ("#enveloped-signature", "#enveloped"),
        ("#rsa-sha256", "#rsa-sha1"),
        ("xmlenc#sha256", "xmlenc#sha512"),
        (
            "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"",
            "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"",
        ),
    ];
    for rewording in rewordings {
        turned_away_with(|a| a.rewording = Some(rewording), POLICY).await;
    }
}

/// SF §4: with the key that Sistema TS gave the region.
#[tokio::test]
async fn an_assertion_signed_with_another_key_is_turned_away() {
    certs::signing(region(), "other-signing").unwrap();
    let other = region().join("other-signing");
    turned_away_with(|a| a.signing.clone_from(&other), POLICY).await;
    // Showing the registered certificate does not help.
    let shown = Some(region().join("region-signing.pem"));
    turned_away_with(|a| (a.signing, a.shown) = (other.clone(), shown), POLICY).await;
    // Nor does the right key under another certificate.
    turned_away_with(|a| a.shown = Some(other.with_extension("pem")), POLICY).await;
}

/// SF §4.2: between its two instants.
#[tokio::test]
async fn an_assertion_outside_its_conditions_is_turned_away() {
    let minute = SignedDuration::from_mins(1);
    turned_away_with(|a| a.not_on_or_after = a.not_before, POLICY).await;
    turned_away_with(|a| a.not_on_or_after -= minute * 11, POLICY).await;
    turned_away_with(|a| a.not_before += minute, POLICY).await;
    turned_away_with(|a| a.issued += minute, POLICY).await;
}

/// SF §4.1, Issuer: the region's code.
#[tokio::test]
async fn an_assertion_of_another_issuer_is_turned_away() {
    turned_away_with(|a| "120".clone_into(&mut a.issuer), POLICY).await;
}

/// SF §4.1: the subject is in two places, and it is the same.
#[tokio::test]
async fn two_subjects_are_turned_away() {
    turned_away_with(|a| OTHER_DOCTOR.clone_into(&mut a.subject_id), IDENTITY).await;
    turned_away_with(|a| a.subject_id.clear(), IDENTITY).await;
    turned_away_with(|a| a.subject.clear(), IDENTITY).await;
}

/// SF §4.1: the doctor of the assertion is the doctor of the message.
#[tokio::test]
async fn a_message_in_another_doctors_name_is_turned_away() {
    let sac = Sac::start();
    let number = sac.number();
    for body in [
        drug(&number),
        view(&number, DOCTOR),
        cancel(&number, DOCTOR),
    ] {
        sac.call_as(OTHER_DOCTOR, &body)
            .await
            .assert_fault(IDENTITY.0, IDENTITY.1);
    }
}

/// SF §4.1, AuthnContextClassRef: at least AAL2, by its list.
#[tokio::test]
async fn a_class_below_aal2_is_turned_away() {
    for class in [
        "SpidL1",
        "Password",
        "unspecified",
        "FirmaQualificataL3",
        "",
    ] {
        turned_away_with(|a| class.clone_into(&mut a.class), IDENTITY).await;
    }
    let sac = Sac::start();
    for class in [
        "SpidL3",
        "Smartcard",
        "CNS",
        "CIEL2",
        "CIEL3",
        "genericL2",
        "genericL3",
    ] {
        let mut assertion = Assertion::of(DOCTOR, region());
        class.clone_into(&mut assertion.class);
        let call = Call::new(&drug(&sac.number()), &assertion.signed());
        call.send(&sac).await.unwrap().assert_done();
    }
}

/// SF §4.1: organisation, level, login time and locality are mandatory and the region's.
#[tokio::test]
async fn an_attribute_that_is_missing_or_wrong_is_turned_away() {
    turned_away_with(|a| "120".clone_into(&mut a.organization), IDENTITY).await;
    turned_away_with(|a| a.organization.clear(), IDENTITY).await;
    turned_away_with(|a| "AAL1".clone_into(&mut a.level), IDENTITY).await;
    turned_away_with(|a| a.level.clear(), IDENTITY).await;
    turned_away_with(|a| "10:00".clone_into(&mut a.login), IDENTITY).await;
    turned_away_with(|a| a.login.clear(), IDENTITY).await;
    turned_away_with(|a| "120201".clone_into(&mut a.locality), IDENTITY).await;
    turned_away_with(|a| a.locality.clear(), IDENTITY).await;
}

/// SF §4.1, AuthnInstant: nobody has authenticated tomorrow.
#[tokio::test]
async fn an_authentication_in_the_future_is_turned_away() {
    turned_away_with(
        |a| a.authenticated += SignedDuration::from_hours(24),
        IDENTITY,
    )
    .await;
}

/// §4.2.1, pinCode: the region's own, encrypted for SanitelCF.
#[tokio::test]
async fn another_pin_is_turned_away() {
    let sac = Sac::start();
    let number = sac.number();
    for pin in [
        encrypted("0987654321"),
        certs::PIN_CODE.to_owned(),
        String::new(),
    ] {
        for body in [drug(&number), view(&number, DOCTOR), used(&number, DOCTOR)] {
            let reply = sac.call(&body.with("pinCode", &pin)).await;
            reply.assert_fault(500, "Credenziali invalide");
        }
    }
}

/// The simulator refuses to stand on half a directory.
#[test]
fn a_simulator_needs_its_certificates() {
    let empty = tempfile::tempdir().unwrap();
    assert!(Simulator::start(Settings::new(empty.path())).is_err());
}
