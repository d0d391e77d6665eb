//! Numbers that were given up: what the SAC does with them late is undone, or a doctor is told.

use std::time::Duration;

use serde_json::json;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::prescription::{consenting, drug, key, paper_number};
use tests::world::wait::until;
use tests::world::{Setup, World};

/// A prescription that is registered and was written on paper, too: the one is annulled.
#[tokio::test]
async fn paper_on_a_registered_prescription_annuls_it_with_consent() {
    let world = World::with(Setup::default().watching()).await;
    let caller = world.caller("practice-a");
    let id = caller
        .prescribe(&key(), &consenting(drug()))
        .await
        .expect(201)
        .id();
    let number = paper_number();
    let paper = caller.paper(&id, &number).await.expect(200);
    assert_eq!(paper.text("/state"), "red-recipe");
    assert_eq!(paper.text("/paper_number"), number);
    assert_eq!(paper.text("/nre"), "");
    caller.until_reason(&id, "annulled").await;
    assert_eq!(world.book().prescriptions[0].state, 4);
    assert_eq!(world.settled().await.red_recipe, 1);
}

/// Without consent it is the doctor's to decide: a cancel is the consent that was missing.
#[tokio::test]
async fn paper_on_a_registered_prescription_is_a_conflict_without_consent() {
    let world = World::with(Setup::default().watching()).await;
    let caller = world.caller("practice-a");
    let registered = caller.prescribe(&key(), &drug()).await.expect(201);
    let id = registered.id();
    let paper = caller.paper(&id, &paper_number()).await.expect(200);
    assert_eq!(
        (paper.text("/state"), paper.text("/reason")),
        ("conflict".into(), "paper-issued".into())
    );
    assert_eq!(paper.text("/nre"), registered.text("/nre"));
    assert_eq!(caller.unacknowledged().await, [id.as_str()]);
    assert!(world.book().prescriptions[0].is_live());
    let noted = caller.about(&id, "acknowledge", None).await.expect(200);
    assert_eq!(noted.text("/state"), "conflict");
    caller.about(&id, "cancel", None).await.expect(200);
    assert_eq!(world.book().prescriptions[0].state, 4);
    assert_eq!(world.settled().await.cancelled, 1);
}

/// What is applied late and dispensed before anyone could undo it is a conflict, consent or not.
#[tokio::test]
async fn a_late_commit_that_was_dispensed_is_a_conflict() {
    let world = World::with(Setup::default().watching()).await;
    let caller = world.caller("practice-a");
    let lost = Fault::LateCommit {
        after_ms: 300,
        hang: false,
    };
    world.faults(vec![
        Rule::on(Operation::Invio, lost).times(1),
        Rule::on(Operation::Annulla, Fault::DispensedFirst),
    ]);
    let mut body = consenting(drug());
    body["fallback"] = json!("red-recipe");
    let id = caller.prescribe(&key(), &body).await.expect(503).id();
    let conflict = caller.until(&id, "conflict").await;
    assert_eq!(conflict.text("/nre"), world.book().prescriptions[0].nre);
    assert_eq!(caller.unacknowledged().await, [id.as_str()]);
    assert_eq!(world.book().prescriptions[0].state, 8);
    assert_eq!(world.settled().await.conflict, 1);
}

/// Umbria's rule: the uncertain number is annulled and the prescription goes on under another. A first
/// request that is applied after that is annulled, too: one of them is live.
#[tokio::test]
async fn a_superseded_number_that_comes_late_is_annulled() {
    let world = World::with(
        Setup::default()
            .watching()
            .policy("prescriptions.uncertain", "annul-and-resend"),
    )
    .await;
    let caller = world.caller("practice-a");
    let lost = Fault::LateCommit {
        after_ms: 500,
        hang: false,
    };
    world.faults(vec![Rule::on(Operation::Invio, lost).times(1)]);
    let reply = caller
        .prescribe(&key(), &consenting(drug()))
        .await
        .expect(202);
    let id = reply.id();
    caller.until(&id, "registered").await;
    until(
        "the late one is annulled",
        Duration::from_secs(10),
        async || {
            let book = world.book();
            let live = book.prescriptions.iter().filter(|p| p.is_live()).count();
            (book.prescriptions.len() == 2 && live == 1).then_some(())
        },
    )
    .await;
    let registered = caller.prescription(&id).await;
    let nre = registered.text("/nre");
    let held = world.book();
    let held = held
        .prescription(&nre)
        .expect("the SAC holds the number it was given");
    assert!(held.is_live());
    assert_eq!(
        held.codice_autenticazione,
        registered.text("/codice_autenticazione")
    );
    assert_eq!(world.settled().await.registered, 1);
}

/// A number that was applied and not answered is annulled before the prescription goes on.
#[tokio::test]
async fn a_superseded_number_that_was_applied_is_annulled_first() {
    let resending = Setup::default()
        .watching()
        .policy("prescriptions.uncertain", "annul-and-resend");
    let world = World::with(resending).await;
    let caller = world.caller("practice-a");
    for fault in [Fault::LostAnswer, Fault::ResetBefore] {
        println!("{fault:?}");
        world.faults(vec![Rule::on(Operation::Invio, fault).times(1)]);
        let reply = caller.prescribe(&key(), &drug()).await.expect(202);
        let registered = caller.until(&reply.id(), "registered").await;
        assert_eq!(registered.text("/codice_autenticazione").len(), 30);
    }
    let states: Vec<u8> = world.book().prescriptions.iter().map(|p| p.state).collect();
    assert_eq!(
        states.iter().filter(|state| **state == 3).count(),
        2,
        "{states:?}"
    );
    assert_eq!(
        states.iter().filter(|state| **state == 4).count(),
        1,
        "{states:?}"
    );
    assert_eq!(world.settled().await.registered, 2);
}

/// A doctor's own number has no successor: it is verified under any rule.
#[tokio::test]
async fn an_own_number_is_never_superseded() {
    let resending = Setup::default().policy("prescriptions.uncertain", "annul-and-resend");
    let world = World::with(resending).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::on(Operation::Invio, Fault::LostAnswer).times(1)]);
    let own = world.own_number();
    let mut body = drug();
    body["nre"] = json!(own);
    let reply = caller.prescribe(&key(), &body).await.expect(202);
    let registered = caller.until(&reply.id(), "registered").await;
    assert_eq!(registered.text("/nre"), own);
    assert_eq!(world.book().calls(Operation::Annulla).received, 0);
    assert_eq!(world.settled().await.registered, 1);
}
