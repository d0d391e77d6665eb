//! Substitutes, §4.2.1 (**): the titular's position, the substitute's authority.

use super::client::{DOCTOR, OTHER_DOCTOR, SUBSTITUTE, Sac};
use super::messages::{Body, cancel, drug, used, view};

/// A prescription of the substitute in the titular's name.
fn substituted(number: &str) -> Body {
    drug(number).with("cfMedico2", SUBSTITUTE)
}

async fn registered(sac: &Sac) -> String {
    let number = sac.number();
    sac.call_as(SUBSTITUTE, &substituted(&number))
        .await
        .assert_done();
    number
}

/// Case 2: cfMedico2 is who sends.
#[tokio::test]
async fn a_substitute_who_is_not_the_sender_is_refused() {
    let sac = Sac::start();
    for sender in [DOCTOR, OTHER_DOCTOR] {
        let reply = sac.call_as(sender, &substituted(&sac.number())).await;
        reply.assert_refused(&["1212"]);
    }
    assert_eq!(sac.simulator.book().prescriptions, []);
}

/// Case 2: region, health unit, structure and speciality are always the titular's.
#[tokio::test]
async fn a_substitute_has_no_position_of_his_own() {
    let sac = Sac::start();
    let body = drug(&sac.number()).with("cfMedico1", SUBSTITUTE);
    let reply = sac.call_as(SUBSTITUTE, &body).await;
    assert_eq!(reply.outcome(), "9999");
    assert_eq!(reply.texts("codEsito"), ["1020", "1024"]);
    assert_eq!(reply.texts("tipoErrore"), ["Bloccante", "Avviso"]);
}

/// "L'annullamento … può essere effettuato unicamente dal sostituto".
#[tokio::test]
async fn only_the_substitute_cancels_what_he_prescribed() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    sac.call(&cancel(&number, DOCTOR))
        .await
        .assert_refused(&["1125"]);
    assert_eq!(sac.simulator.book().prescriptions[0].state, 3);
    let reply = sac.call_as(SUBSTITUTE, &cancel(&number, SUBSTITUTE)).await;
    assert_eq!(reply.outcome(), "0001");
    assert_eq!(reply.texts("codEsito"), ["1024", "0000"]);
    assert_eq!(sac.simulator.book().prescriptions[0].state, 4);
}

/// "La visualizzazione … sia dal sostituto che dal titolare", and by nobody else.
#[tokio::test]
async fn both_may_view_and_nobody_else() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    sac.call(&view(&number, DOCTOR)).await.assert_done();
    let reply = sac.call_as(SUBSTITUTE, &view(&number, SUBSTITUTE)).await;
    assert_eq!(
        (reply.outcome(), reply.text("cfMedico2")),
        ("0001".into(), SUBSTITUTE.into())
    );
    let reply = sac
        .call_as(OTHER_DOCTOR, &view(&number, OTHER_DOCTOR))
        .await;
    reply.assert_refused(&["1125"]);
}

/// Seen in the test environment: the list goes by the titular, for the substitute it is empty.
#[tokio::test]
async fn the_list_of_numbers_goes_by_the_titular() {
    let sac = Sac::start();
    let number = registered(&sac).await;
    let of = async |sender, doctor| {
        let reply = sac.call_as(sender, &used(&number, doctor)).await;
        reply.assert_done();
        reply.texts("nre")
    };
    assert_eq!(of(DOCTOR, DOCTOR).await, [number.as_str()]);
    assert_eq!(of(SUBSTITUTE, DOCTOR).await, [number.as_str()]);
    assert!(of(SUBSTITUTE, SUBSTITUTE).await.is_empty());
    assert!(of(OTHER_DOCTOR, DOCTOR).await.is_empty());
}
