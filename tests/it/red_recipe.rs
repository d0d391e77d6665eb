//! A patient at the desk: registered in time, or a red form, and never both unnoticed.

use std::time::Duration;

use serde_json::json;
use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::caller::{Caller, Reply};
use tests::world::prescription::{consenting, drug, key, paper_number, waiting};
use tests::world::wait::until;
use tests::world::{Setup, World};
use tokio::time::Instant;

/// Between what a caller waits for (1 s) and what a call may take (2 s).
const LATE_MS: u64 = 1_400;

fn late() -> Vec<Rule> {
    let delay = Delay::Fixed { ms: LATE_MS };
    vec![Rule::on(Operation::Invio, Fault::Slow { delay }).times(1)]
}

/// The answer that tells a desk to write paper, with its place and everything a desk needs.
fn assert_red_form(reply: &Reply, outcome: &str) -> String {
    assert_eq!(
        (reply.status, reply.code()),
        (503, "issue-red-recipe".to_owned())
    );
    assert_eq!(reply.text("/next_step"), "issue-red-recipe");
    assert_eq!(reply.text("/fault"), "upstream");
    assert_eq!(reply.text("/outcome"), outcome);
    assert!(!reply.text("/reason").is_empty());
    // What surely was not done never will be: the same key hears the same for ever.
    let may_change = outcome == "unknown";
    let retry = if may_change { "same-key" } else { "no" };
    assert_eq!(reply.text("/retry"), retry);
    assert_eq!(!reply.header("retry-after").is_empty(), may_change);
    assert_eq!(
        reply.header("location"),
        format!("/v1/prescriptions/{}", reply.id())
    );
    assert!(reply.text("/detail").contains("ricetta rossa"));
    reply.id()
}

/// Operators were told, by the entry and the reason alone.
async fn assert_alarm(world: &World, id: &str, reason: &str) {
    world.logged(&["ERROR", id, reason]).await;
}

/// The reasons of a prescription's events, in order.
async fn reasons(caller: &Caller, id: &str) -> Vec<String> {
    let events = caller.events(id).await;
    let reason = |event: &serde_json::Value| event["reason"].as_str().map(str::to_owned);
    events.iter().filter_map(reason).collect()
}

#[tokio::test]
async fn a_patient_at_the_desk_leaves_with_a_registered_prescription() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let reply = caller.prescribe(&key(), &waiting(drug())).await.expect(201);
    assert_eq!(reply.text("/fallback"), "red-recipe");
    caller.reminder(&reply.id()).await.expect(200);
    let paper = caller.paper(&reply.id(), "1").await.expect(422);
    assert_eq!(paper.text("/errors/0/rule"), "paper-number-shape");
    assert_eq!(world.settled().await.registered, 1);
}

/// An answer that comes after the desk was told to write paper: what the SAC has registered is annulled
/// where the doctor consented.
#[tokio::test]
async fn a_late_answer_is_annulled_with_consent() {
    let world = World::with(Setup::default().watching()).await;
    let caller = world.caller("practice-a");
    world.faults(late());
    let key = key();
    let body = consenting(waiting(drug()));
    let began = Instant::now();
    let reply = caller.prescribe(&key, &body).await;
    assert!(
        began.elapsed() < Duration::from_millis(LATE_MS),
        "too late for a desk"
    );
    let id = assert_red_form(&reply, "unknown");
    let ended = caller.until_reason(&id, "annulled").await;
    assert_eq!(ended.text("/state"), "withdrawn");
    assert_eq!(ended.text("/nre"), "");
    assert_eq!(world.book().prescriptions[0].state, 4);
    assert_red_form(&caller.prescribe(&key, &body).await, "not-done");
    assert_eq!(world.settled().await.withdrawn, 1);
}

/// The same without consent is told to the doctor, with the number to act on.
#[tokio::test]
async fn a_late_answer_without_consent_is_a_conflict() {
    let world = World::with(Setup::default().watching()).await;
    let caller = world.caller("practice-a");
    world.faults(late());
    let reply = caller.prescribe(&key(), &waiting(drug())).await;
    let id = assert_red_form(&reply, "unknown");
    let conflict = caller.until(&id, "conflict").await;
    assert_eq!(conflict.text("/reason"), "late-commit");
    assert_eq!(conflict.at("/acknowledged"), false);
    assert_eq!(conflict.text("/nre"), world.book().prescriptions[0].nre);
    assert_eq!(
        reasons(&caller, &id).await.last().expect("it has a reason"),
        "late-commit"
    );
    assert_eq!(caller.unacknowledged().await, [id.as_str()]);
    assert_alarm(&world, &id, "late-commit").await;

    // The doctor has it cancelled.
    caller.about(&id, "cancel", None).await.expect(200);
    caller.until(&id, "cancelled").await;
    assert_eq!(caller.unacknowledged().await, Vec::<String>::new());
    assert_eq!(world.settled().await.cancelled, 1);
}

/// Nobody answers, and the SAC applies it when the desk has long written paper.
#[tokio::test]
async fn a_late_commit_is_found_by_looking() {
    let world = World::with(Setup::default().watching()).await;
    let caller = world.caller("practice-a");
    let lost = Fault::LateCommit {
        after_ms: 600,
        hang: false,
    };
    world.faults(vec![Rule::on(Operation::Invio, lost).times(1)]);
    let reply = caller.prescribe(&key(), &consenting(waiting(drug()))).await;
    let id = assert_red_form(&reply, "unknown");
    let paper = caller.paper(&id, &paper_number()).await.expect(200);
    assert_eq!(paper.text("/state"), "red-recipe");
    assert_eq!(paper.at("/watched"), true);
    caller.until_reason(&id, "annulled").await;
    assert_eq!(world.book().prescriptions[0].state, 4);
    let ended = caller.prescription(&id).await;
    assert_eq!(ended.text("/state"), "red-recipe");
    assert_eq!(world.settled().await.red_recipe, 1);
}

/// A number for which nothing ever comes is let go of past the horizon, and not before.
#[tokio::test]
async fn a_number_for_which_nothing_comes_is_let_go_of() {
    // Far enough apart that a slow machine passes over none.
    let looks = json!(["600ms", "1200ms", "1800ms"]);
    let patient = Setup::default()
        .watching()
        .policy("prescriptions.watch.look_after", looks)
        .policy("prescriptions.watch.horizon", "3s");
    let world = World::with(patient).await;
    let caller = world.caller("practice-a");
    world.faults(vec![
        Rule::on(Operation::Invio, Fault::ResetBefore).times(1),
    ]);
    let began = Instant::now();
    let reply = caller.prescribe(&key(), &waiting(drug())).await;
    let id = assert_red_form(&reply, "unknown");
    caller
        .until_so(&id, "is not watched", |reply| reply.at("/watched") == false)
        .await;
    assert!(
        began.elapsed() >= Duration::from_secs(3),
        "let go of before the horizon"
    );
    assert!(world.book().calls(Operation::Visualizza).received >= 4);
    assert_eq!(world.settled().await.withdrawn, 1);
}

/// While the gate is open nothing is sent, nothing is watched and the desk hears so at once.
#[tokio::test]
async fn an_open_gate_sends_a_desk_to_paper_at_once() {
    let closed_for_long = Setup::default()
        .policy("prescriptions.gate.open_for", "10m")
        .policy("prescriptions.gate.open_for_max", "10m")
        .policy("prescriptions.gate.failures_in_row", 1);
    let world = World::with(closed_for_long).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::everywhere(Fault::Status { status: 503 })]);
    caller.prescribe(&key(), &drug()).await.expect(202);
    let sent = world.book().calls(Operation::Invio).received;

    let began = Instant::now();
    let reply = caller.prescribe(&key(), &waiting(drug())).await;
    assert!(began.elapsed() < Duration::from_millis(800), "not at once");
    let id = assert_red_form(&reply, "not-done");
    let entry = caller.prescription(&id).await;
    assert_eq!(
        (entry.text("/state"), entry.text("/reason")),
        ("withdrawn".into(), "gate-open".into())
    );
    assert_eq!(entry.at("/watched"), false);
    assert_eq!(world.book().calls(Operation::Invio).received, sent);
    assert_eq!(world.book().prescriptions, []);
    assert_eq!(world.equation().withdrawn, 1);
}

/// The number of the red form is confirmed once, by a prescriber of the practice, and by nobody else.
#[tokio::test]
async fn a_red_form_is_confirmed_once() {
    let world = World::with(Setup::default().watching()).await;
    let caller = world.caller("practice-a");
    world.faults(vec![
        Rule::everywhere(Fault::Refuse),
        Rule::on(Operation::Invio, Fault::ResetBefore),
    ]);
    let (write, confirm) = (key(), key());
    let body = waiting(drug());
    let id = caller.prescribe(&write, &body).await.id();
    let number = paper_number();
    let paper = json!({ "number": number });
    world
        .caller("practice-b")
        .paper(&id, &number)
        .await
        .expect(404);
    let mut pharmacy = world.caller("pharmacy-a");
    pharmacy.profile = "pharmacy".to_owned();
    pharmacy.paper(&id, &number).await.expect(403);

    let nobody = caller.clone().without_prescriber();
    let refused = nobody.paper(&id, &number).await.expect(403);
    assert_eq!(refused.code(), "prescriber-authn-missing");
    let desk = caller.clone();
    let confirmed = desk
        .about_under(&confirm, &id, "paper", Some(&paper))
        .await
        .expect(200);
    assert_eq!(confirmed.text("/state"), "red-recipe");
    assert_eq!(confirmed.text("/paper_number"), number);
    assert_eq!(confirmed.at("/paper_due"), serde_json::Value::Null);
    desk.about_under(&confirm, &id, "paper", Some(&paper))
        .await
        .expect(200);
    desk.paper(&id, &number).await.expect(200);
    let other = desk.paper(&id, &paper_number()).await.expect(409);
    assert_eq!(
        (other.code(), other.text("/state")),
        ("paper-not-expected".into(), "red-recipe".into())
    );
    let other = json!({ "number": paper_number() });
    let reused = desk
        .about_under(&confirm, &id, "paper", Some(&other))
        .await
        .expect(422);
    assert_eq!(reused.code(), "key-reused");
    let again = caller.prescribe(&write, &body).await.expect(200);
    assert_eq!(again.text("/state"), "red-recipe");
    let reminder = caller.reminder(&id).await.expect(409);
    assert!(reminder.text("/detail").contains("ricetta rossa"));
    assert_eq!(world.equation().red_recipe, 1);
}

/// A red form of which nobody gives the number is raised, until someone takes note or confirms it.
#[tokio::test]
async fn a_missing_red_form_is_raised() {
    let soon = Setup::default().policy("prescriptions.fallback.paper_within", "300ms");
    let world = World::with(soon).await;
    let caller = world.caller("practice-a");
    world.faults(vec![
        Rule::everywhere(Fault::Refuse),
        Rule::on(Operation::Invio, Fault::ResetBefore),
    ]);
    let id = caller.prescribe(&key(), &waiting(drug())).await.id();
    assert!(caller.prescription(&id).await.at("/paper_due").is_string());
    let nothing = caller.about(&id, "acknowledge", None).await.expect(409);
    assert_eq!(nothing.code(), "nothing-to-acknowledge");

    let missing = caller.until_reason(&id, "paper-missing").await;
    assert_eq!(missing.at("/acknowledged"), false);
    assert_eq!(caller.unacknowledged().await, [id.as_str()]);
    assert_alarm(&world, &id, "paper-missing").await;
    let nobody = caller.clone().without_prescriber();
    nobody.about(&id, "acknowledge", None).await.expect(403);
    let noted = caller.about(&id, "acknowledge", None).await.expect(200);
    assert_eq!(noted.at("/acknowledged"), true);
    assert_eq!(caller.unacknowledged().await, Vec::<String>::new());
    let paper = caller.paper(&id, &paper_number()).await.expect(200);
    assert_eq!(paper.text("/state"), "red-recipe");
}

/// `Prefer: wait=N` caps the wait at a second less, whatever the desk does then.
#[tokio::test]
async fn a_caller_names_its_own_wait() {
    let patient = Setup::default()
        .policy("prescriptions.answer_within", "8s")
        .policy("prescriptions.calls.write_within", "9s")
        .policy("prescriptions.delivery.lease_for", "20s");
    let world = World::with(patient).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::on(Operation::Invio, Fault::Hang).times(2)]);
    for (body, status) in [(drug(), 202), (waiting(drug()), 503)] {
        let began = Instant::now();
        let request = caller
            .request(reqwest::Method::POST, "/v1/prescriptions")
            .header("Idempotency-Key", key())
            .header("Prefer", "wait=2")
            .header("Content-Type", "application/json")
            .body(body.to_string());
        let reply = tests::world::caller::answer(request).await;
        let reply = reply.expect("the gateway answers").expect(status);
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{status}: the caller has gone"
        );
        assert!(
            began.elapsed() >= Duration::from_secs(1),
            "{status}: given up early"
        );
        if status == 503 {
            assert_red_form(&reply, "unknown");
        }
    }
}

/// A repetition that comes while the first request is being sent waits for its decision.
#[tokio::test]
async fn a_key_that_is_being_sent_is_in_flight() {
    let world = World::with(Setup::default().watching()).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::on(Operation::Invio, Fault::Hang).times(1)]);
    let (key, body) = (key(), waiting(drug()));
    let first = caller.prescribe(&key, &body);
    let second = async {
        until("it is on its way", Duration::from_secs(5), async || {
            (world.book().calls(Operation::Invio).received == 1).then_some(())
        })
        .await;
        caller.prescribe(&key, &body).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_red_form(&first, "unknown");
    assert_eq!(
        (second.status, second.code()),
        (409, "key-in-flight".to_owned())
    );
    assert!(!second.header("retry-after").is_empty());
}

/// The gateway dies while the desk waits: after the restart nothing is sent again, what was sent is
/// looked after, and the same key tells the desk to write paper.
#[tokio::test]
async fn a_desk_whose_gateway_died_is_told_by_its_key() {
    let unhurried = Setup::default()
        .watching()
        .policy("prescriptions.answer_within", "8s")
        .policy("prescriptions.calls.write_within", "9s")
        .policy("prescriptions.delivery.lease_for", "20s");
    let mut world = World::with(unhurried).await;
    let caller = world.caller("practice-a");
    world.faults(vec![
        Rule::on(Operation::Invio, Fault::Hang)
            .times(1)
            .applied(true),
    ]);
    let (key, body) = (key(), consenting(waiting(drug())));
    let desk = tokio::spawn({
        let (caller, key, body) = (caller.clone(), key.clone(), body.clone());
        async move { caller.try_prescribe(&key, &body).await.is_err() }
    });
    until(
        "the SAC has applied it",
        Duration::from_secs(5),
        async || (!world.book().prescriptions.is_empty()).then_some(()),
    )
    .await;
    world.kill().await;
    assert!(desk.await.expect("the desk waits"), "the desk was answered");
    world.recover();
    world.restart().await.expect("the gateway starts");
    let reply = caller.prescribe(&key, &body).await;
    assert_eq!(reply.code(), "issue-red-recipe");
    let id = reply.id();
    caller.until_reason(&id, "annulled").await;
    assert_eq!(world.book().received.len(), 1, "it was sent again");
    assert_eq!(world.settled().await.withdrawn, 1);
}
