//! `AnnullaPrescritto` §4.2.2, `VisualizzaPrescritto` §4.2.3, `InterrogaNreUtilizzati` §4.2.4,
//! and the states of §7.

use tests::upstreams::sac::book::Moved;
use tests::upstreams::sac::operation::{DEM_TYPES, Operation};
use tests::upstreams::sac::rules::unpublished;
use tests::upstreams::sac::settings::{Duplicate, Prefixes};

use super::client::{DOCTOR, OTHER_DOCTOR, Reply, Sac};
use super::messages::{Body, cancel, drug, service, used, used_within, view};

async fn registered(sac: &Sac) -> String {
    let number = sac.number();
    sac.call(&drug(&number)).await.assert_done();
    number
}

/// §4.2.3: in any state.
#[tokio::test]
async fn a_prescription_is_shown_in_every_state() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    for state in [3, 5, 6, 7, 8, 9] {
        if state != 3 {
            sac.simulator.move_to(&number, state).unwrap();
        }
        let reply = sac.call(&view(&number, DOCTOR)).await;
        reply.assert_done();
        assert_eq!(
            (reply.text("statoProcesso"), reply.text("nre")),
            (state.to_string(), number.clone())
        );
    }
}

/// Seen in the test environment: what is there, what is empty, what is left out.
#[tokio::test]
async fn a_view_has_the_habits_of_the_real_one() {
    let sac = Sac::start();
    let number = sac.number();
    sac.call(&drug(&number).with("indirizzo", "").with("cognNome", ""))
        .await
        .assert_done();
    let reply = sac.call(&view(&number, DOCTOR)).await;
    assert_eq!(reply.texts("codiceAss"), [""]);
    assert_eq!(reply.text("testata1"), "COGNOME_MEDICO=PRO;NOME_MEDICO=VA");
    assert_eq!(reply.text("indirizzo"), "|||");
    assert_eq!(reply.text("numsedute"), "0");
    assert_eq!(reply.texts("tipoErrore"), [""]);
    assert_eq!(reply.texts("codice"), ["0200"]);
    assert!(reply.texts("cfMedico2").is_empty() && reply.texts("cognNome").is_empty());
}

/// §4.2.3: a number that is not there.
#[tokio::test]
async fn an_unknown_number_is_not_shown() {
    let sac = Sac::start();
    for number in [sac.number(), String::new()] {
        let reply = sac.call(&view(&number, DOCTOR)).await;
        reply.assert_refused(&["5005"]);
        assert_eq!(reply.text("nre"), number);
    }
}

/// §4.2.3: "dallo stesso medico che aveva inserito la ricetta".
#[tokio::test]
async fn another_doctor_is_shown_nothing() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    let reply = sac
        .call_as(OTHER_DOCTOR, &view(&number, OTHER_DOCTOR))
        .await;
    reply.assert_refused(&["1125"]);
    assert!(reply.texts("statoProcesso").is_empty());
}

/// §4.2.2: a number that is not there.
#[tokio::test]
async fn an_unknown_number_is_not_cancelled() {
    let sac = Sac::start();
    sac.call(&cancel(&sac.number(), DOCTOR))
        .await
        .assert_refused(&["5005"]);
}

/// §4.2.2: "dallo stesso medico che aveva inserito la ricetta".
#[tokio::test]
async fn another_doctor_cancels_nothing() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    sac.call_as(OTHER_DOCTOR, &cancel(&number, OTHER_DOCTOR))
        .await
        .assert_refused(&["1125"]);
    assert_eq!(sac.simulator.book().prescriptions[0].state, 3);
}

/// §4.2.2: only while it is still to be dispensed.
#[tokio::test]
async fn only_state_3_is_cancelled() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    for state in [5, 6, 7, 8, 9] {
        sac.simulator.move_to(&number, state).unwrap();
        sac.call(&cancel(&number, DOCTOR))
            .await
            .assert_refused(&["1120"]);
    }
    sac.simulator.move_to(&number, 3).unwrap();
    sac.call(&cancel(&number, DOCTOR)).await.assert_done();
    sac.call(&cancel(&number, DOCTOR))
        .await
        .assert_refused(&["1120"]);
}

/// §4.2.2: the number of a cancelled prescription can never be used again, whatever the answer to one
/// that stands.
#[tokio::test]
async fn a_cancelled_number_never_comes_back() {
    let sac = Sac::start();
    let number = sac.number();
    sac.call(&drug(&number)).await.assert_done();
    sac.call(&cancel(&number, DOCTOR)).await.assert_done();
    for answer in [Duplicate::default(), Duplicate::AsNew] {
        sac.simulator.configure(|live| live.duplicate = answer);
        sac.call(&drug(&number)).await.assert_refused(&["1900"]);
    }
    assert_eq!(sac.simulator.book().prescriptions[0].state, 4);
}

/// §7: the transitions, and no others.
#[tokio::test]
async fn a_state_moves_only_along_its_transitions() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    for to in [1, 2, 3, 6, 7, 8, 9, 11] {
        let refused = Err(Moved::Refused { from: 3, to });
        assert_eq!(sac.simulator.move_to(&number, to), refused);
    }
    sac.simulator.move_to(&number, 10).unwrap();
    assert!(sac.simulator.move_to(&number, 3).is_err());
    assert_eq!(
        sac.simulator.move_to("1300A3004299999", 5),
        Err(Moved::Unknown)
    );
}

/// §7, 6 and 7: for drugs alone.
#[tokio::test]
async fn a_service_is_neither_suspended_nor_dispensed_by_the_row() {
    let sac = Sac::start();
    let number = sac.number();
    sac.call(&service(&number)).await.assert_done();
    sac.simulator.move_to(&number, 5).unwrap();
    for to in [6, 7] {
        assert_eq!(
            sac.simulator.move_to(&number, to),
            Err(Moved::Refused { from: 5, to })
        );
    }
}

/// §4.2.4, by number: one element, cancelled or not; none for a number that is not there.
#[tokio::test]
async fn a_number_is_listed_whether_or_not_it_was_cancelled() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    for _ in 0..2 {
        let reply = sac.call(&used(&number, DOCTOR)).await;
        reply.assert_done();
        assert_eq!(reply.texts("nre"), [number.as_str()]);
        assert_eq!(reply.text("codAutenticazione").len(), 30);
        assert_eq!(reply.texts("cfAssistito"), [""]);
        sac.call(&cancel(&number, DOCTOR)).await;
    }
    let reply = sac.call(&used(&sac.number(), DOCTOR)).await;
    reply.assert_done();
    assert!(reply.texts("NreUtilRecord").is_empty());
}

/// §4.2.4: "devono essere inseriti obbligatoriamente un intervallo di date".
#[tokio::test]
async fn a_list_needs_a_number_or_a_period() {
    let sac = Sac::start();
    let reply = sac.call(&used("", DOCTOR)).await;
    reply.assert_refused(&[unpublished::PERIOD.code]);
}

/// Seen in the test environment: the kind, which §4.2.4 calls optional, is mandatory.
#[tokio::test]
async fn a_period_needs_a_kind() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    let (from, until) = ("2000-01-01 00:00:00", "2999-12-31 23:59:59");
    sac.call(&used_within(from, until, None))
        .await
        .assert_refused(&["1153"]);
    let listed = async |kind| {
        let reply = sac.call(&used_within(from, until, Some(kind))).await;
        reply.assert_done();
        reply.texts("nre")
    };
    assert_eq!(listed("F").await, [number]);
    assert!(listed("P").await.is_empty());
}

/// sac.md §1.4: one operation has the common types as its default namespace, all others the
/// receipt; the habit can be turned round.
#[tokio::test]
async fn answers_have_either_habit_of_namespaces() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    let calls: [Body; 3] = [
        view(&number, DOCTOR),
        used(&number, DOCTOR),
        cancel(&number, OTHER_DOCTOR),
    ];
    for prefixes in [Prefixes::AsReal, Prefixes::Swapped, Prefixes::Everywhere] {
        sac.simulator.configure(|live| live.prefixes = prefixes);
        for call in &calls {
            let sender = if call.operation == Operation::Annulla {
                OTHER_DOCTOR
            } else {
                DOCTOR
            };
            let reply = sac.call_as(sender, call).await;
            let default =
                (prefixes == Prefixes::AsReal) == (call.operation == Operation::Visualizza);
            let types = format!(" xmlns=\"{DEM_TYPES}\"");
            let by_default = default && prefixes != Prefixes::Everywhere;
            assert_eq!(reply.body.contains(&types), by_default, "{}", reply.body);
            assert_namespaces(&reply, call.operation);
        }
    }
}

/// Whatever the prefixes, the receipt is in its namespace and notices are in the types'.
fn assert_namespaces(reply: &Reply, operation: Operation) {
    let document = roxmltree::Document::parse(&reply.body).unwrap();
    let has = |namespace: &str, name: &str| {
        document
            .descendants()
            .any(|node| node.has_tag_name((namespace, name)))
    };
    assert!(has(operation.receipt_namespace(), operation.receipt_name()));
    assert!(has(operation.receipt_namespace(), "ElencoErroriRicette"));
    assert!(has(operation.types_namespace(), "ErroreRicetta"));
    assert!(has(operation.types_namespace(), "codEsito"));
}
