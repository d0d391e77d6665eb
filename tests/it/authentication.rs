//! How long a prescriber's authentication lasts: what is too old to be sent can still be looked after,
//! and what cannot even be looked after is told to a person.

use serde_json::json;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::caller::Caller;
use tests::world::prescription::{DOCTOR, drug, key, waiting};
use tests::world::{Setup, World};

/// The same caller, whose doctor authenticated so many minutes ago.
fn minutes_ago(caller: &Caller, minutes: i64) -> Caller {
    let instant = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
    caller.clone().authenticated_at(&instant.to_string())
}

/// An authentication that is too old is refused before anything is stored, and a repetition is not.
#[tokio::test]
async fn what_could_not_be_sent_is_not_stored() {
    let short = Setup::default()
        .watching()
        .policy("prescriptions.authn_age_max.send", "30m")
        .policy("prescriptions.authn_age_max.annul", "45m");
    let world = World::with(short).await;
    let caller = world.caller("practice-a");
    let (write, body) = (key(), waiting(drug()));
    let refused = minutes_ago(&caller, 40)
        .prescribe(&write, &body)
        .await
        .expect(403);
    assert_eq!(refused.code(), "prescriber-authn-invalid");
    assert_eq!(refused.text("/errors/0/rule"), "too-old");
    assert_eq!(refused.text("/outcome"), "not-done");
    assert_eq!(world.equation().stored, 0);

    let id = caller.prescribe(&write, &body).await.expect(201).id();
    minutes_ago(&caller, 40)
        .prescribe(&write, &body)
        .await
        .expect(201);
    minutes_ago(&caller, 50)
        .about(&id, "cancel", None)
        .await
        .expect(403);
    minutes_ago(&caller, 40)
        .about(&id, "cancel", None)
        .await
        .expect(200);
    assert_eq!(world.settled().await.cancelled, 1);
}

/// An authentication that grows too old while its prescription waits is not used: the practice
/// authenticates again.
#[tokio::test]
async fn what_grew_too_old_waits_for_the_practice() {
    let world =
        World::with(Setup::default().policy("prescriptions.authn_age_max.send", "3s")).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::on(Operation::Invio, Fault::ResetBefore)]);
    let id = caller.prescribe(&key(), &drug()).await.expect(202).id();
    let waits = caller.until(&id, "needs-authorization").await;
    assert_eq!(waits.text("/reason"), "authority-expired");
    let sent = world.book().calls(Operation::Invio).received;
    world.recover();
    let anew = caller.clone().with_doctor(DOCTOR);
    let another = anew.prescribe(&key(), &drug()).await.id();
    for id in [&id, &another] {
        caller.until(id, "registered").await;
    }
    assert!(world.book().calls(Operation::Invio).received > sent);
    assert_eq!(world.settled().await.registered, 2);
}

/// What can no longer be sent for want of a young authentication can still be read and annulled.
#[tokio::test]
async fn what_is_too_old_to_send_is_still_looked_after() {
    let short = Setup::default()
        .watching()
        .policy("prescriptions.authn_age_max.send", "2s");
    let world = World::with(short).await;
    let caller = world.caller("practice-a");
    let late = Fault::LateCommit {
        after_ms: 1_900,
        hang: false,
    };
    world.faults(vec![Rule::on(Operation::Invio, late).times(1)]);
    let mut body = waiting(drug());
    body["annul_consent"] = json!(true);
    let anew = caller.clone().with_doctor(DOCTOR);
    let reply = anew.prescribe(&key(), &body).await;
    assert_eq!(reply.code(), "issue-red-recipe");
    caller.until_reason(&reply.id(), "annulled").await;
    assert_eq!(world.book().prescriptions[0].state, 4);
}

/// One that is too old to send was never presented: under it what was sent before is looked after.
#[tokio::test]
async fn one_that_is_too_old_to_send_is_not_a_refused_one() {
    let short = Setup::default()
        .watching()
        .policy("prescriptions.watch.look_after", json!(["5s"]))
        .policy("prescriptions.watch.horizon", "8s")
        .policy("prescriptions.authn_age_max.send", "3s");
    let world = World::with(short).await;
    let caller = world.caller("practice-a");
    let late = Fault::LateCommit {
        after_ms: 300,
        hang: false,
    };
    world.faults(vec![
        Rule::on(Operation::Invio, late).times(1),
        Rule::on(Operation::Invio, Fault::ResetBefore),
    ]);
    let mut body = waiting(drug());
    body["annul_consent"] = json!(true);
    let given_up = caller.prescribe(&key(), &body).await.expect(503).id();
    let queued = caller.prescribe(&key(), &drug()).await.expect(202).id();
    caller.until(&queued, "needs-authorization").await;
    caller.until_reason(&given_up, "annulled").await;
    assert_eq!(world.book().prescriptions[0].state, 4);
}

/// A number that may not be looked up any more is raised as what it may be: a double.
#[tokio::test]
async fn a_watch_without_authority_is_raised() {
    let short = Setup::default()
        .watching()
        .policy("prescriptions.authn_age_max.read", "3s")
        .policy("prescriptions.authn_age_max.annul", "3s");
    let world = World::with(short).await;
    let caller = world.caller("practice-a");
    world.faults(vec![
        Rule::on(Operation::Invio, Fault::ResetBefore),
        Rule::on(Operation::Visualizza, Fault::Status { status: 503 }),
    ]);
    let id = caller
        .prescribe(&key(), &waiting(drug()))
        .await
        .expect(503)
        .id();
    let conflict = caller.until(&id, "conflict").await;
    assert_eq!(conflict.text("/reason"), "possible-double");
    assert_eq!(conflict.text("/nre"), "", "the SAC is not known to hold it");
    assert_eq!(caller.unacknowledged().await, [id.as_str()]);
}
