//! The registry of assisted persons keeps to the contract of `adapters/README.md`: who may know what
//! about whom. Then our adapter's own messages, against it.

mod adapter;

use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::registry::population::{self, Population};

use super::assertion::{Assertion, security};
use super::client::{Call, DOCTOR, OTHER_DOCTOR, PATIENT, Reply, Sac, region};
use super::messages::{Body, card, person};

const PHARMACY: &str = "pharmacy-a";
const POLICY: &str = "Rejected by policy. (from client)";
const IDENTITY: &str = "Errore generico di autenticazione";

/// Calls without an assertion, as an organisation does in its own name.
async fn call_in_own_name(sac: &Sac, body: &Body) -> Reply {
    let call = Call {
        header: String::new(),
        ..Call::new(body, "")
    };
    call.send(sac).await.unwrap()
}

fn card_of(sac: &Sac, tax_code: &str) -> String {
    sac.simulator.assisted(tax_code).unwrap().card
}

#[tokio::test]
async fn a_doctor_is_told_all_of_those_on_their_list() {
    let sac = Sac::start();
    let reply = sac.call(&person(PATIENT, DOCTOR, "practice-a")).await;
    reply.assert_done();
    assert_eq!(reply.texts("codiceFiscale"), [PATIENT, DOCTOR]);
    assert_eq!(reply.text("comuneResidenza"), "L'AQUILA");
    assert_eq!(reply.text("numero"), card_of(&sac, PATIENT));
    assert_eq!(reply.texts("codEsenzione"), ["E01", "E02"]);
}

#[tokio::test]
async fn a_doctor_is_not_told_of_others() {
    let sac = Sac::start();
    let body = person(PATIENT, OTHER_DOCTOR, "practice-a");
    sac.call_as(OTHER_DOCTOR, &body)
        .await
        .assert_refused(&["6002"]);
    sac.simulator
        .change_registry(|registry| assert!(registry.move_to_doctor(PATIENT, OTHER_DOCTOR)));
    sac.call_as(OTHER_DOCTOR, &body).await.assert_done();
    sac.call(&person(PATIENT, DOCTOR, "practice-a"))
        .await
        .assert_refused(&["6002"]);
}

#[tokio::test]
async fn an_organisation_is_told_less_if_it_is_accredited() {
    let sac = Sac::start();
    let reply = call_in_own_name(&sac, &person(PATIENT, "", PHARMACY)).await;
    reply.assert_done();
    assert_eq!(reply.texts("codiceFiscale"), [PATIENT]);
    for untold in ["medico", "comuneResidenza", "aslResidenza"] {
        assert!(reply.texts(untold).is_empty(), "{}", reply.body);
    }
    let card = card(PATIENT, &card_of(&sac, PATIENT), "", PHARMACY);
    call_in_own_name(&sac, &card).await.assert_done();
    sac.simulator.configure(|live| live.accredited.clear());
    for body in [person(PATIENT, "", PHARMACY), card] {
        let reply = call_in_own_name(&sac, &body).await;
        reply.assert_refused(&["6003"]);
    }
}

#[tokio::test]
async fn who_is_not_registered_is_not_found() {
    let sac = Sac::start();
    let stranger = population::person(Population::default().persons);
    for body in [
        person(&stranger, DOCTOR, "practice-a"),
        card(&stranger, "80380001300000000001", DOCTOR, "practice-a"),
    ] {
        sac.call(&body).await.assert_refused(&["6001"]);
    }
    sac.simulator
        .change_registry(|registry| assert!(registry.remove(PATIENT)));
    let body = person(PATIENT, "", PHARMACY);
    call_in_own_name(&sac, &body)
        .await
        .assert_refused(&["6001"]);
}

#[tokio::test]
async fn a_card_holds_until_it_expires_or_is_replaced() {
    let sac = Sac::start();
    let first = card_of(&sac, PATIENT);
    let standing = async |number: &str| {
        let reply = sac.call(&card(PATIENT, number, DOCTOR, "practice-a")).await;
        reply.assert_done();
        (reply.text("tesseraValida"), reply.text("motivo"))
    };
    let said = |valid: &str, motive: &str| (valid.to_owned(), motive.to_owned());
    assert_eq!(standing(&first).await, said("SI", ""));
    let others = card_of(&sac, OTHER_DOCTOR);
    assert_eq!(standing(&others).await, said("NO", "A"));
    let replace = |registry: &mut tests::upstreams::sac::Registry| registry.replace_card(PATIENT);
    let second = sac.simulator.change_registry(replace).unwrap();
    assert_eq!(standing(&first).await, said("NO", "D"));
    assert_eq!(standing(&second).await, said("SI", ""));
    sac.simulator.change_registry(|registry| {
        let person = registry.find_mut(PATIENT).unwrap();
        "2020-01-01".clone_into(&mut person.card_expires_on);
    });
    assert_eq!(standing(&second).await, said("NO", "S"));
}

/// Each part of a message that is wrong is refused, as on every other service.
#[tokio::test]
async fn wrong_messages_are_refused() {
    let sac = Sac::start();
    let good = || person(PATIENT, DOCTOR, "practice-a");
    let reduced = || person(PATIENT, "", PHARMACY);
    for (body, text) in [
        (good().without("pinCode"), "cvc-particle"),
        (good().without("strutturaRichiedente"), "cvc-particle"),
        (good().with("strutturaRichiedente", ""), "cvc-simple-type"),
        (good().with("codiceFiscale", ""), "cvc-simple-type"),
        (
            card(PATIENT, "8038", DOCTOR, "practice-a"),
            "cvc-simple-type",
        ),
        (good().with("pinCode", "1234567890"), "Credenziali invalide"),
        (good().with("cfMedico", OTHER_DOCTOR), IDENTITY),
        (good().with("cfMedico", ""), IDENTITY),
    ] {
        sac.call(&body).await.assert_fault(500, text);
    }
    for (body, code) in [
        (good().with("codRegione", "120"), "6006"),
        (good().with("codiceFiscale", PATIENT), "6005"),
        (good().with("tipoRicerca", "R"), "6007"),
        (good().with("tipoRicerca", "X"), "6007"),
    ] {
        sac.call(&body).await.assert_refused(&[code]);
    }
    let whole = reduced().with("tipoRicerca", "C");
    call_in_own_name(&sac, &whole)
        .await
        .assert_fault(500, IDENTITY);
    let claims = reduced().with("cfMedico", DOCTOR);
    call_in_own_name(&sac, &claims)
        .await
        .assert_fault(500, IDENTITY);
    let stranger = card(
        PATIENT,
        &card_of(&sac, PATIENT),
        "BBTMRZ54L19H501T",
        "practice-a",
    );
    let reply = sac.call_as("BBTMRZ54L19H501T", &stranger).await;
    reply.assert_refused(&["6004"]);
}

/// The assertion is judged as everywhere; a header that holds none is not the same as no header.
#[tokio::test]
async fn an_assertion_that_is_there_must_be_good() {
    let sac = Sac::start();
    let body = person(PATIENT, DOCTOR, "practice-a");
    let mut unsigned = Call::new(&body, "");
    unsigned.header = security(&Assertion::of(DOCTOR, region()).unsigned());
    let mut empty = Call::new(&person(PATIENT, "", PHARMACY), "");
    empty.header = security("");
    for call in [unsigned, empty] {
        call.send(&sac).await.unwrap().assert_fault(401, POLICY);
    }
    let mut elsewhere = Assertion::of(DOCTOR, region());
    "120201".clone_into(&mut elsewhere.locality);
    let call = Call::new(&body, &elsewhere.signed());
    call.send(&sac).await.unwrap().assert_fault(500, IDENTITY);
    assert!(sac.simulator.look_ups().is_empty());
}

/// The book is what a test compares with what callers were shown.
#[tokio::test]
async fn every_look_up_is_written_down_with_its_answer() {
    let sac = Sac::start();
    let before = jiff::Timestamp::now().as_millisecond();
    sac.call(&person(PATIENT, DOCTOR, "practice-a")).await;
    sac.call_as(OTHER_DOCTOR, &person(PATIENT, OTHER_DOCTOR, "practice-b"))
        .await;
    call_in_own_name(&sac, &person(PATIENT, "", PHARMACY)).await;
    let lost = Rule::on(Operation::Ricerca, Fault::LostAnswer).times(1);
    sac.simulator.set_faults(vec![lost]);
    let body = person(PATIENT, DOCTOR, "practice-a");
    let call = Call::new(&body, &Assertion::of(DOCTOR, region()).signed());
    call.send(&sac).await.unwrap_err();
    let look_ups = sac.simulator.look_ups();
    assert!(look_ups.iter().all(|look_up| look_up.at_ms >= before));
    assert!(look_ups.iter().all(|look_up| look_up.tax_code == PATIENT));
    let told: Vec<_> = look_ups
        .iter()
        .map(|l| (&*l.doctor, &*l.organization, &*l.answered, l.is_harmed))
        .collect();
    assert_eq!(
        told,
        [
            (DOCTOR, "practice-a", "found", false),
            (OTHER_DOCTOR, "practice-b", "6002", false),
            ("", PHARMACY, "found", false),
            (DOCTOR, "practice-a", "found", true),
        ]
    );
}

/// It may go down alone, as the host that it is.
#[tokio::test]
async fn the_registry_can_be_refused_alone() {
    let sac = Sac::with(|settings| settings.registry_listen = Some("127.0.0.1:0".parse().unwrap()));
    let down = vec![Rule::on(Operation::Ricerca, Fault::Refuse)];
    sac.simulator.set_faults(down);
    let address = sac.simulator.registry_address();
    let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    sac.call(&super::messages::drug(&sac.number()))
        .await
        .assert_done();
    sac.simulator.clear_faults();
    tokio::net::TcpStream::connect(address).await.unwrap();
}
