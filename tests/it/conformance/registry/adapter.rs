//! Our adapter's look-ups against the registry: what each answer and each fault becomes.

use std::time::Duration;

use adapters::model::{PrescriberCode, Relations};
use adapters::sac::{self, AuthnAgeMax, RICERCA, TESSERA};
use engine::ports::{Answer, Fact, Request, Upstream};
use policies::failure::{Code, Failure, Opaque, Stops};
use policies::operation::OpName;
use serde_json::{Value, json};
use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::settings::Prefixes;

use super::{DOCTOR, OTHER_DOCTOR, PATIENT, PHARMACY, Sac, card_of, region};

const LONG: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(86_400);

fn relations() -> Relations {
    Relations::new(&[7; 32])
}

/// Our adapter, its registry being this simulator's.
fn adapter(simulated: &Sac) -> sac::Sac {
    let file = |name: &str| region().join(name);
    let settings = sac::Settings {
        prescriptions_url: "https://127.0.0.1:1".to_owned(),
        lots_url: "https://127.0.0.1:1".to_owned(),
        registry_url: format!("https://{}", simulated.simulator.registry_address()),
        trust_file: file("sac-ca.pem"),
        certificate_file: file("region.pem"),
        key_file: file("region.key"),
        signing_certificate_file: file("region-signing.pem"),
        signing_key_file: file("region-signing.key"),
        sanitel_certificate_file: file("sanitel.pem"),
        pin_code_file: file("pin-code"),
        region: "130".to_owned(),
        lot_kind: 3,
        authn_age_max: AuthnAgeMax {
            send: DAY,
            annul: DAY,
            read: DAY,
            registry: DAY,
        },
        relations: relations(),
    };
    sac::Sac::open(&settings).unwrap()
}

/// A look-up of `PATIENT` by a doctor, or by an organisation where there is none.
fn request(doctor: &str, view: &str, card: Option<&str>) -> Request {
    let organization = if doctor.is_empty() {
        PHARMACY
    } else {
        "practice-a"
    };
    let mut query = json!({ "tax_code": PATIENT, "view": view, "organization": organization });
    if let Some(card) = card {
        query["card_number"] = card.into();
    }
    let authority = json!({
        "subject": doctor, "class_ref": "SpidL2",
        "instant": jiff::Timestamp::now().to_string(), "locality": "130201",
    });
    let authority = match doctor {
        "" => Opaque::default(),
        _ => Opaque(authority.to_string().into_bytes()),
    };
    Request {
        payload: Opaque(query.to_string().into_bytes()),
        number: Opaque::default(),
        authority,
        trace: None,
    }
}

async fn look_up(sac: &sac::Sac, op: OpName, request: &Request) -> Result<Answer, Failure> {
    sac.call(op, request, LONG).await
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body.0).unwrap()
}

#[tokio::test]
async fn a_doctors_look_up_finds_their_person_and_the_relation() {
    let simulated = Sac::start();
    let sac = adapter(&simulated);
    for prefixes in [Prefixes::AsReal, Prefixes::Swapped, Prefixes::Everywhere] {
        simulated
            .simulator
            .configure(|live| live.prefixes = prefixes);
        let asked = request(DOCTOR, "practice", None);
        let answer = look_up(&sac, RICERCA, &asked).await.unwrap();
        assert_eq!(answer.fact, Fact::Done);
        let doctor = PrescriberCode::new(DOCTOR).unwrap();
        assert_eq!(answer.tags, [relations().doctor(&doctor)]);
        let person = json_of(&answer);
        assert_eq!(person["tax_code"], PATIENT);
        assert_eq!(person["residence"]["municipality"], "L'AQUILA");
        assert_eq!(person["doctor"]["tax_code"], DOCTOR);
        assert_eq!(person["exemptions"].as_array().unwrap().len(), 2);
        assert_eq!(
            person["health_card"]["number"],
            card_of(&simulated, PATIENT)
        );
    }
}

#[tokio::test]
async fn an_organisations_look_up_finds_less() {
    let simulated = Sac::start();
    let sac = adapter(&simulated);
    let asked = request("", "pharmacy", None);
    let answer = look_up(&sac, RICERCA, &asked).await.unwrap();
    assert!(answer.tags.is_empty());
    let person = json_of(&answer);
    assert_eq!(person["tax_code"], PATIENT);
    assert!(person.get("doctor").is_none() && person.get("residence").is_none());
    let card = card_of(&simulated, PATIENT);
    let asked = request("", "pharmacy", Some(&card));
    let answer = look_up(&sac, TESSERA, &asked).await.unwrap();
    assert_eq!(json_of(&answer)["is_valid"], true);
    let asked = request("", "pharmacy", Some("80380001309999999999"));
    let answer = look_up(&sac, TESSERA, &asked).await.unwrap();
    let expected = json!({ "is_valid": false, "reason": "not-this-person" });
    assert_eq!(json_of(&answer), expected);
}

#[tokio::test]
async fn a_refusal_and_an_absence_are_told_apart() {
    let simulated = Sac::start();
    let sac = adapter(&simulated);
    let others = request(OTHER_DOCTOR, "practice", None);
    let failure = look_up(&sac, RICERCA, &others).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.stops),
        (Code::UpstreamRejected, Stops::Nothing)
    );
    let notices: Vec<sac::Notice> = serde_json::from_slice(&failure.detail.0).unwrap();
    assert_eq!(notices[0].code, "6002");
    simulated
        .simulator
        .change_registry(|registry| registry.remove(PATIENT));
    for (op, card) in [(RICERCA, None), (TESSERA, Some("80380001300000000000"))] {
        for (doctor, view) in [(DOCTOR, "practice"), ("", "booking")] {
            let answer = look_up(&sac, op, &request(doctor, view, card)).await;
            assert_eq!(answer.unwrap().fact, Fact::Absent);
        }
    }
    simulated
        .simulator
        .configure(|live| live.accredited.clear());
    let asked = request("", "booking", None);
    let failure = look_up(&sac, RICERCA, &asked).await.unwrap_err();
    assert_eq!(failure.code, Code::UpstreamRejected);
}

#[tokio::test]
async fn every_fault_of_the_registry_has_its_code() {
    let simulated = Sac::start();
    let sac = adapter(&simulated);
    let card = card_of(&simulated, PATIENT);
    let slow = Fault::Slow {
        delay: Delay::Fixed { ms: 1 },
    };
    let cases = [
        (
            Fault::Status { status: 503 },
            Some(Code::UpstreamUnavailable),
        ),
        (Fault::LostAnswer, Some(Code::UpstreamReset)),
        (Fault::ResetBefore, Some(Code::UpstreamReset)),
        (Fault::Truncated, Some(Code::UpstreamGarbage)),
        (Fault::Garbage, Some(Code::UpstreamGarbage)),
        (Fault::Empty, Some(Code::UpstreamGarbage)),
        (Fault::MaintenancePage, Some(Code::UpstreamGarbage)),
        (Fault::WrongNamespace, Some(Code::UpstreamGarbage)),
        (Fault::TrailingDocument, Some(Code::UpstreamGarbage)),
        (
            Fault::Oversized { bytes: 5 << 20 },
            Some(Code::UpstreamGarbage),
        ),
        (Fault::OtherNumber, Some(Code::UpstreamMismatch)),
        (Fault::AuthenticationFault, Some(Code::AuthorityRefused)),
        (Fault::PolicyFault, Some(Code::AuthorityRefused)),
        (Fault::SchemaFault, Some(Code::SchemaRefused)),
        // The faults before these have closed the connection, so that they meet a new one.
        (Fault::CertificateRefused, Some(Code::OwnCertificate)),
        (Fault::Refuse, Some(Code::UpstreamUnreachable)),
        (slow, None),
    ];
    for (operation, op, card) in [
        (Operation::Ricerca, RICERCA, None),
        (Operation::Tessera, TESSERA, Some(card.as_str())),
    ] {
        for (fault, code) in &cases {
            let rule = Rule::on(operation, fault.clone());
            simulated.simulator.set_faults(vec![rule]);
            let answer = look_up(&sac, op, &request(DOCTOR, "practice", card)).await;
            assert_eq!(answer.err().map(|failure| failure.code), *code, "{fault:?}");
        }
        simulated.simulator.clear_faults();
        let answer = look_up(&sac, op, &request(DOCTOR, "practice", card)).await;
        assert_eq!(answer.unwrap().fact, Fact::Done);
    }
    let hang = Rule::on(Operation::Ricerca, Fault::Hang);
    simulated.simulator.set_faults(vec![hang]);
    let asked = request(DOCTOR, "practice", None);
    let hung = sac.call(RICERCA, &asked, Duration::from_secs(1)).await;
    assert_eq!(hung.unwrap_err().code, Code::UpstreamTimeout);
}

/// Nobody's assertion was refused: it is the region that was not let in.
#[tokio::test]
async fn a_fault_in_an_organisations_own_name_is_about_our_certificate() {
    let simulated = Sac::start();
    let sac = adapter(&simulated);
    let rule = Rule::on(Operation::Ricerca, Fault::PolicyFault);
    simulated.simulator.set_faults(vec![rule]);
    let asked = request("", "pharmacy", None);
    let failure = look_up(&sac, RICERCA, &asked).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.stops),
        (Code::OwnCertificate, Stops::Lane)
    );
}
