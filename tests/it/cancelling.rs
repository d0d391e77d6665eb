//! A prescription taken back: before it was sent, after it was registered, and in every hour in between.

use std::time::Duration;

use serde_json::json;
use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::prescription::{MISSPELT_DOCTOR, by, drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};
use tokio::time::Instant;

/// The SAC is gone, on new connections and on those that are open.
fn gone() -> Vec<Rule> {
    let operations = [Operation::Invio, Operation::Visualizza, Operation::Annulla];
    let cut = operations.map(|operation| Rule::on(operation, Fault::ResetBefore));
    let mut rules = vec![Rule::everywhere(Fault::Refuse)];
    rules.extend(cut);
    rules
}

#[tokio::test]
async fn what_was_never_sent_is_withdrawn_and_never_sent() {
    let shut = Setup::default()
        .policy("prescriptions.gate.failures_in_row", 1)
        .policy("prescriptions.gate.open_for", "1s")
        .policy("prescriptions.gate.open_for_max", "1s");
    let world = World::with(shut).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::everywhere(Fault::Status { status: 503 })]);
    let first = caller.prescribe(&key(), &drug()).await.expect(202);
    let write = key();
    let body = drug();
    let second = caller.prescribe(&write, &body).await.expect(202);
    let withdrawn = caller.about(&second.id(), "cancel", None).await.expect(200);
    assert_eq!(withdrawn.text("/state"), "withdrawn");
    assert_eq!(withdrawn.text("/reason"), "cancel-requested");
    assert_eq!(withdrawn.at("/watched"), false);
    let again = caller.prescribe(&write, &body).await.expect(200);
    assert_eq!(again.text("/state"), "withdrawn");
    caller.reminder(&second.id()).await.expect(409);
    world.recover();
    caller.until(&first.id(), "registered").await;
    let tally = world.settled().await;
    assert_eq!((tally.registered, tally.withdrawn), (1, 1));
    assert_eq!(
        world.book().prescriptions.len(),
        1,
        "what was taken back was sent"
    );
}

#[tokio::test]
async fn what_is_registered_is_cancelled_at_the_sac() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let (write, body) = (key(), drug());
    let registered = caller.prescribe(&write, &body).await.expect(201);
    let id = registered.id();
    let cancel = key();
    let cancelled = caller
        .about_under(&cancel, &id, "cancel", None)
        .await
        .expect(200);
    assert_eq!(cancelled.text("/state"), "cancelled");
    assert_eq!(world.book().prescriptions[0].state, 4);

    // Repetitions hear where it stands; a new one finds nothing to do.
    let empty = json!({});
    caller
        .about_under(&cancel, &id, "cancel", Some(&empty))
        .await
        .expect(200);
    let moot = caller.about(&id, "cancel", None).await.expect(409);
    assert_eq!(
        (moot.code(), moot.text("/state")),
        ("not-cancellable".into(), "cancelled".into())
    );
    let again = caller.prescribe(&write, &body).await.expect(200);
    assert_eq!(again.text("/state"), "cancelled");
    let paper = caller.paper(&id, "130220000000001").await.expect(409);
    assert_eq!(paper.code(), "paper-not-expected");
    assert_eq!(world.book().calls(Operation::Annulla).received, 1);
    assert_eq!(world.settled().await.cancelled, 1);
}

/// A key is of one request: neither another prescription's cancel nor another kind of write.
#[tokio::test]
async fn a_key_is_of_one_request() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let one = caller.prescribe(&key(), &drug()).await.expect(201).id();
    let write = key();
    let two = caller.prescribe(&write, &drug()).await.expect(201).id();
    let cancel = key();
    caller
        .about_under(&cancel, &one, "cancel", None)
        .await
        .expect(200);
    for (key, id, what) in [
        (&cancel, &two, "cancel"),
        (&cancel, &one, "acknowledge"),
        (&write, &two, "cancel"),
    ] {
        let reused = caller.about_under(key, id, what, None).await.expect(422);
        assert_eq!(reused.code(), "key-reused");
    }
    let body = json!({ "reason": "x" });
    caller.about(&two, "cancel", Some(&body)).await.expect(400);
    let tally = world.settled().await;
    assert_eq!((tally.registered, tally.cancelled), (1, 1));
}

/// The answer to the cancel is lost: it is settled by looking, and cancelled once.
#[tokio::test]
async fn a_cancel_whose_answer_is_lost_is_settled_by_looking() {
    for fault in [
        Fault::LostAnswer,
        Fault::ResetBefore,
        Fault::Truncated,
        Fault::Hang,
    ] {
        println!("{fault:?}");
        let world = World::start().await;
        let caller = world.caller("practice-a");
        let id = caller.prescribe(&key(), &drug()).await.expect(201).id();
        world.faults(vec![Rule::on(Operation::Annulla, fault).times(1)]);
        let (cancel, began) = (key(), Instant::now());
        let reply = caller
            .about_under(&cancel, &id, "cancel", None)
            .await
            .expect(202);
        assert!(began.elapsed() < Duration::from_secs(4));
        assert!(matches!(
            reply.text("/state").as_str(),
            "cancelling" | "cancelled"
        ));
        caller.until(&id, "cancelled").await;
        caller
            .about_under(&cancel, &id, "cancel", None)
            .await
            .expect(200);
        assert_eq!(world.book().prescriptions[0].state, 4);
        assert_eq!(world.settled().await.cancelled, 1);
    }
}

/// What is dispensed cannot be cancelled: the doctor hears the SAC's words, and it stays registered.
#[tokio::test]
async fn what_is_dispensed_stays_registered() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let id = caller.prescribe(&key(), &drug()).await.expect(201).id();
    world.faults(vec![
        Rule::on(Operation::Annulla, Fault::DispensedFirst).times(1),
    ]);
    let cancel = key();
    for _ in 0..2 {
        let refused = caller
            .about_under(&cancel, &id, "cancel", None)
            .await
            .expect(422);
        assert_eq!(refused.code(), "cancel-refused");
        assert_eq!(refused.text("/notices/0/code"), "1120");
        assert_eq!(refused.text("/state"), "registered");
        assert_eq!(refused.id(), id);
    }
    let entry = caller.prescription(&id).await;
    assert_eq!(entry.text("/state"), "registered");
    assert_eq!(entry.text("/reason"), "cancel-refused");
    assert!(!entry.text("/codice_autenticazione").is_empty());
    assert_eq!(caller.unacknowledged().await, [id.as_str()]);
    caller.about(&id, "acknowledge", None).await.expect(200);
    assert_eq!(world.book().prescriptions[0].state, 8);
    assert_eq!(world.settled().await.registered, 1);
}

#[tokio::test]
async fn a_cancel_waits_for_the_sac() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let id = caller.prescribe(&key(), &drug()).await.expect(201).id();
    world.faults(gone());
    let cancel = key();
    let waits = caller
        .about_under(&cancel, &id, "cancel", None)
        .await
        .expect(202);
    assert_eq!(waits.text("/state"), "cancelling");
    caller
        .about_under(&cancel, &id, "cancel", None)
        .await
        .expect(202);
    let twice = caller.about(&id, "cancel", None).await.expect(409);
    assert_eq!(twice.text("/state"), "cancelling");
    world.recover();
    caller.until(&id, "cancelled").await;
    caller
        .about_under(&cancel, &id, "cancel", None)
        .await
        .expect(200);
    assert_eq!(world.settled().await.cancelled, 1);
}

/// A cancel that comes while the prescription is on its way takes its turn behind it.
#[tokio::test]
async fn a_cancel_waits_behind_the_send() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let delay = Delay::Fixed { ms: 1_600 };
    world.faults(vec![
        Rule::on(Operation::Invio, Fault::Slow { delay }).times(1),
    ]);
    let sent = caller.prescribe(&key(), &drug()).await.expect(202);
    let waits = caller.about(&sent.id(), "cancel", None).await.expect(202);
    assert_eq!(waits.text("/state"), "sending");
    caller.until(&sent.id(), "cancelled").await;
    assert_eq!(world.book().prescriptions[0].state, 4);
    assert_eq!(world.settled().await.cancelled, 1);
}

/// A prescription shown absent while a cancel waits is not sent again.
#[tokio::test]
async fn what_is_shown_absent_while_a_cancel_waits_is_not_sent_again() {
    let world = World::with(Setup::default().watching()).await;
    let caller = world.caller("practice-a");
    world.faults(vec![
        Rule::on(Operation::Invio, Fault::ResetBefore).times(1),
        Rule::on(Operation::Visualizza, Fault::Status { status: 503 }),
    ]);
    let sent = caller.prescribe(&key(), &drug()).await.expect(202);
    let cancel = caller.about(&sent.id(), "cancel", None).await.expect(202);
    assert!(matches!(
        cancel.text("/state").as_str(),
        "uncertain" | "verifying"
    ));
    world.recover();
    let withdrawn = caller.until(&sent.id(), "withdrawn").await;
    assert_eq!(withdrawn.text("/reason"), "cancel-requested");
    assert_eq!(withdrawn.at("/watched"), true);
    assert_eq!(world.settled().await.withdrawn, 1);
    assert_eq!(world.book().prescriptions, []);
}

#[tokio::test]
async fn only_its_prescriber_cancels_a_prescription() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let id = caller.prescribe(&key(), &drug()).await.expect(201).id();
    world
        .caller("practice-b")
        .about(&id, "cancel", None)
        .await
        .expect(404);
    let another = caller.clone().with_doctor(MISSPELT_DOCTOR);
    another
        .prescribe(&key(), &by(MISSPELT_DOCTOR, drug()))
        .await
        .expect(201);
    let refused = another.about(&id, "cancel", None).await.expect(403);
    assert_eq!(refused.code(), "prescriber-not-authenticated");
    let nobody = caller.clone().without_prescriber();
    nobody.about(&id, "cancel", None).await.expect(403);
    caller.about("no-such-id", "cancel", None).await.expect(404);
    until("it is where it was", Duration::from_secs(5), async || {
        (caller.prescription(&id).await.text("/state") == "registered").then_some(())
    })
    .await;
    assert_eq!(world.book().calls(Operation::Annulla).received, 0);
}
