//! The adapter as the engine sees it: from a stored request over real TLS to a fact or a failure.

mod lookups;

use std::path::Path;

use engine::ports::Fact;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use super::*;
use crate::client::tests::{Parties, Plays, http, serve};
use crate::model::tests::{DRUG, full};
use lookups::look_up;

const NRE: &str = "1300A4019294901";

/// A self-signed RSA certificate and its key in two files.
fn rsa_pair(folder: &Path, name: &str) {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
}

fn settings(parties: &Parties, port: u16) -> Settings {
    let folder = parties.file("");
    rsa_pair(&folder, "signing");
    // Of another size than the ministry's, which cannot sign a certificate here: see `sanitel`.
    rsa_pair(&folder, "sanitel");
    std::fs::write(folder.join("pin-code"), "1234567890\n").unwrap();
    Settings {
        prescriptions_url: format!("https://127.0.0.1:{port}/"),
        lots_url: format!("https://127.0.0.1:{port}"),
        registry_url: String::new(),
        trust_file: folder.join("trust.pem"),
        certificate_file: folder.join("ours.pem"),
        key_file: folder.join("ours.key"),
        signing_certificate_file: folder.join("signing.pem"),
        signing_key_file: folder.join("signing.key"),
        sanitel_certificate_file: folder.join("sanitel.pem"),
        pin_code_file: folder.join("pin-code"),
        region: "130".to_owned(),
        lot_kind: 3,
        authn_age_max: AuthnAgeMax {
            send: DAY,
            annul: 2 * DAY,
            read: 3 * DAY,
            registry: 4 * DAY,
        },
        relations: Relations::new(&[7; 32]),
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// The authority of a doctor who has just authenticated.
fn authority(subject: &str) -> Opaque {
    aged(subject, Duration::ZERO)
}

/// The authority of a doctor who authenticated this long ago.
fn aged(subject: &str, age: Duration) -> Opaque {
    let claims = serde_json::json!({
        "subject": subject, "class_ref": "SpidL2",
        "instant": (Timestamp::now() - age).to_string(), "locality": "130201",
    });
    Opaque(claims.to_string().into_bytes())
}

fn request() -> Request {
    Request {
        payload: Opaque(DRUG.as_bytes().to_vec()),
        number: Opaque(NRE.as_bytes().to_vec()),
        authority: authority("PROVAX00X00X000Y"),
        trace: None,
    }
}

fn empty() -> Request {
    Request {
        payload: Opaque::default(),
        number: Opaque::default(),
        authority: Opaque::default(),
        trace: None,
    }
}

fn xml(body: &str) -> Plays {
    let envelope = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{body}</s:Body>\
         </s:Envelope>"
    );
    Plays::Answers(http(
        "200 OK",
        "content-type: text/xml; charset=utf-8\r\n",
        &envelope,
    ))
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_stored_prescription_becomes_a_registration() {
    let parties = Parties::trusting();
    let receipt = format!(
        "<InvioPrescrittoRicevuta xmlns=\"http://invioprescrittoricevuta.xsd.dem.sanita.finanze.it\">\
         <nre>{NRE}</nre><codAutenticazione>021020261015012040000000012345</codAutenticazione>\
         <codEsitoInserimento>0000</codEsitoInserimento></InvioPrescrittoRicevuta>"
    );
    let (address, mut received, _tasks) = serve(&parties, xml(&receipt)).await;
    let sac = Sac::open(&settings(&parties, address.port())).unwrap();
    let answer = sac.call(INVIO, &request(), LONG).await.unwrap();
    assert_eq!(answer.fact, Fact::Done);
    let sent = received.recv().await.unwrap();
    assert!(sent.starts_with("POST /DemRicettaPrescrittoServicesWeb/services/demInvioPrescritto "));
    assert!(sent.contains("<saml2:NameID>PROVAX00X00X000Y</saml2:NameID>"));
    assert!(sent.contains(&format!("<req:nre>{NRE}</req:nre>")));
    assert!(
        !sent.contains("PNIMRA70A01H501P"),
        "the patient's code leaves encrypted"
    );
    assert!(!sent.contains("1234567890"), "so does the PIN");
    let keys: Vec<&str> = sac.expiries().iter().map(|expiry| expiry.key).collect();
    assert_eq!(
        keys,
        [
            "certificate_file",
            "signing_certificate_file",
            "sanitel_certificate_file"
        ]
    );
}

#[tokio::test]
async fn each_operation_reaches_its_own_service() {
    let parties = Parties::trusting();
    let (address, mut received, _tasks) = serve(&parties, xml("<r xmlns=\"urn:r\"/>")).await;
    let sac = Sac::open(&settings(&parties, address.port())).unwrap();
    for operation in OPERATIONS {
        let request = match operation.op {
            LOTTO => empty(),
            RICERCA | TESSERA => look_up(operation.op, "practice"),
            _ => request(),
        };
        let failure = sac.call(operation.op, &request, LONG).await.unwrap_err();
        assert_eq!(failure.code, Code::UpstreamGarbage);
        let sent = received.recv().await.unwrap();
        let service = Service::of(operation.op).unwrap();
        assert!(
            sent.starts_with(&format!("POST {} ", service.path)),
            "{sent}"
        );
        assert!(
            sent.contains(&format!("\"{}\"", service.soap_action)),
            "{sent}"
        );
        assert_eq!(sent.contains("saml2:Assertion"), operation.op != LOTTO);
    }
}

#[tokio::test]
async fn a_lot_becomes_a_range() {
    let parties = Parties::trusting();
    let receipt = "<LottoRicevutaNRE xmlns=\"http://lottoricevuta.xsd.nre.mirsac.sanita.finanze.it\">\
        <CodRegione>130</CodRegione><CodRagLotto>0A</CodRagLotto>\
        <IdentificativoLotto>3</IdentificativoLotto><CodLotto>0042</CodLotto>\
        <CodEsito>00</CodEsito></LottoRicevutaNRE>";
    let (address, _received, _tasks) = serve(&parties, xml(receipt)).await;
    let sac = Sac::open(&settings(&parties, address.port())).unwrap();
    let Fact::Range(range) = sac.call(LOTTO, &empty(), LONG).await.unwrap().fact else {
        panic!("a lot is a range");
    };
    assert_eq!((range.prefix.as_str(), range.digits), ("1300A30042", 5));
}

#[tokio::test]
async fn the_time_that_was_given_is_kept_and_leaves_the_outcome_unknown() {
    let parties = Parties::trusting();
    let (address, mut received, _tasks) = serve(&parties, Plays::Hangs).await;
    let sac = Sac::open(&settings(&parties, address.port())).unwrap();
    let request = request();
    let call = sac.call(INVIO, &request, Duration::from_secs(2));
    let failure = call.await.unwrap_err();
    assert_eq!(
        (failure.code, failure.outcome),
        (Code::UpstreamTimeout, Outcome::Unknown)
    );
    assert!(received.recv().await.is_some());
}

#[tokio::test]
async fn time_that_runs_out_before_the_request_began_is_not_done() {
    let parties = Parties::trusting();
    let (address, _received, _tasks) = serve(&parties, Plays::NeverShakesHands).await;
    let sac = Sac::open(&settings(&parties, address.port())).unwrap();
    let within = Duration::from_millis(50);
    let failure = sac.call(INVIO, &request(), within).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.outcome),
        (Code::UpstreamUnreachable, Outcome::NotDone)
    );
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let parties = Parties::trusting();
    let (address, mut received, _tasks) = serve(&parties, Plays::Hangs).await;
    let sac = Sac::open(&settings(&parties, address.port())).unwrap();
    let broken = [
        Request {
            payload: Opaque(b"{}".to_vec()),
            ..request()
        },
        Request {
            number: Opaque(b"1300A8019294901".to_vec()),
            ..request()
        },
        Request {
            number: Opaque(vec![0xff; 15]),
            ..request()
        },
        Request {
            authority: Opaque(b"{}".to_vec()),
            ..request()
        },
    ];
    for request in broken {
        let failure = sac.call(INVIO, &request, LONG).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.outcome),
            (Code::Unreadable, Outcome::NotDone)
        );
    }
    let unknown = sac
        .call(OpName("delete"), &request(), LONG)
        .await
        .unwrap_err();
    assert_eq!(unknown.code, Code::Unreadable);
    assert!(received.try_recv().is_err(), "nothing left");
}

#[tokio::test]
async fn no_doctor_writes_under_anothers_authentication() {
    let parties = Parties::trusting();
    let (address, mut received, _tasks) = serve(&parties, Plays::Hangs).await;
    let sac = Sac::open(&settings(&parties, address.port())).unwrap();
    let substituted = Opaque(serde_json::to_vec(&full()).unwrap());
    let titular = Request {
        payload: substituted.clone(),
        ..request()
    };
    let stranger = Request {
        authority: authority("RSSMRA80A01H501U"),
        ..request()
    };
    for request in [titular, stranger] {
        let failure = sac.call(INVIO, &request, LONG).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.outcome),
            (Code::AuthorityRefused, Outcome::NotDone)
        );
        assert_eq!(failure.stops, Stops::Nothing);
    }
    assert!(received.try_recv().is_err(), "nothing left");
    let substitute = authority("PROVAX00X00X000Z");
    let theirs = Request {
        payload: substituted,
        authority: substitute,
        ..request()
    };
    let failure = sac
        .call(INVIO, &theirs, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(failure.code, Code::UpstreamTimeout);
}

#[test]
fn every_problem_with_the_settings_is_listed() {
    let parties = Parties::trusting();
    let good = settings(&parties, 1);
    rsa_pair(&parties.file(""), "other");
    let bad = Settings {
        prescriptions_url: "http://sac.example".to_owned(),
        lots_url: "https://sac.example/path".to_owned(),
        registry_url: "https://".to_owned(),
        trust_file: parties.file("absent"),
        signing_key_file: parties.file("other.key"),
        sanitel_certificate_file: parties.file("ours.pem"),
        pin_code_file: parties.file("trust.pem"),
        region: "13".to_owned(),
        lot_kind: 0,
        ..good.clone()
    };
    let error = Sac::open(&bad).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot read a trusted certificate from"),
        "{error}"
    );
    assert!(
        error.to_string().contains("; region code-shape: "),
        "{error}"
    );
    let problems = error.0;
    assert_eq!(problems.len(), 9, "{problems:?}");
    for listed in [
        matches!(
            problems[0],
            Problem::Url {
                key: "prescriptions_url"
            }
        ),
        matches!(problems[1], Problem::Url { key: "lots_url" }),
        matches!(
            problems[2],
            Problem::Url {
                key: "registry_url"
            }
        ),
        matches!(problems[3], Problem::Region(_)),
        matches!(problems[4], Problem::LotKind),
        matches!(problems[5], Problem::Client(_)),
        matches!(problems[6], Problem::SigningPair),
        matches!(problems[7], Problem::Sanitel(SanitelError::NotRsa(_))),
        matches!(problems[8], Problem::Pin),
    ] {
        assert!(listed, "{problems:?}");
    }
    assert!(Sac::open(&good).is_ok());
}

/// An authentication that is too old for one operation still serves those that may use an older one:
/// what can no longer be sent can be looked for and annulled.
#[tokio::test]
async fn an_authentication_serves_each_operation_until_its_own_age() {
    let parties = Parties::trusting();
    let (address, mut received, _tasks) = serve(&parties, xml("<r xmlns=\"urn:r\"/>")).await;
    let sac = Sac::open(&settings(&parties, address.port())).unwrap();
    let allowed_at = [
        (INVIO, [true, false, false, false, false]),
        (ANNULLA, [true, true, false, false, false]),
        (VISUALIZZA, [true, true, true, false, false]),
        (INTERROGA, [true, true, true, false, false]),
        (RICERCA, [true, true, true, true, false]),
        (TESSERA, [true, true, true, true, false]),
    ];
    for (op, allowed) in allowed_at {
        for (days, allowed) in (0..).zip(allowed) {
            let age = DAY * days + Duration::from_secs(60);
            let request = match op {
                RICERCA | TESSERA => look_up(op, "practice"),
                _ => request(),
            };
            let request = Request {
                authority: aged("PROVAX00X00X000Y", age),
                ..request
            };
            let failure = sac.call(op, &request, LONG).await.unwrap_err();
            if allowed {
                assert_eq!(failure.code, Code::UpstreamGarbage, "{op:?} after {days} d");
                assert!(received.recv().await.is_some());
                continue;
            }
            assert_eq!(
                (failure.code, failure.outcome, failure.retry, failure.stops),
                (
                    Code::AuthorityExpired,
                    Outcome::NotDone,
                    Retry::No,
                    Stops::Identity
                ),
                "{op:?} after {days} d"
            );
            assert!(received.try_recv().is_err(), "nothing is sent");
        }
    }
}
