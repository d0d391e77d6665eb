//! Being told to stop: what is open is settled or handed back, and nothing new begins.

use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::load::Load;
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};

use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// Under load, with attempts in flight: an orderly end, and after the next start nothing was lost
/// or happened twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_nothing_and_doubles_nothing() {
    let mut world = World::start().await;
    let slow = Fault::Slow {
        delay: Delay::Fixed { ms: 200 },
    };
    world.faults(vec![Rule::on(Operation::Invio, slow)]);
    let load = Load::start(vec![world.caller("practice-a"); 6]);
    until("the desks are at work", SOON, async || {
        (load.answered() >= 12).then_some(())
    })
    .await;
    let status = world.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", world.output());
    load.stop().await;
    let before = world.equation();
    assert_eq!(
        before.uncertain, 0,
        "a call that could end was cut short: {before:?}"
    );
    let held = world
        .entries()
        .into_values()
        .filter(|state| state.is_leased())
        .count();
    assert_eq!(held, 0, "entries were neither settled nor handed back");

    world.restart().await.expect("it starts again");
    let tally = world.settled().await;
    assert_eq!(tally.registered, tally.stored);
}

/// A call that outlasts the drain is cut short and written down as what it is: uncertain. The
/// next start settles it.
#[tokio::test]
async fn a_call_that_outlasts_the_drain_is_settled_after_the_next_start() {
    let impatient = Setup::default()
        .config("shutdown.drain", "2s")
        .config("listen.body_within", "1s")
        .config("listen.answer_within", "2s")
        .policy("prescriptions.answer_within", "300ms")
        .policy("prescriptions.calls.write_within", "20s")
        .policy("prescriptions.delivery.lease_for", "40s");
    let mut world = World::with(impatient).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::on(Operation::Invio, Fault::HangHalfway)]);
    let reply = caller.prescribe(&key(), &drug()).await.expect(202);
    let status = world.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", world.output());
    assert_eq!(world.equation().uncertain, 1);
    assert_eq!(
        world.book().prescriptions.len(),
        1,
        "it was applied, unanswered"
    );

    world.recover();
    world.restart().await.expect("it starts again");
    caller.until(&reply.text("/id"), "registered").await;
    assert_eq!(world.settled().await.registered, 1);
    assert_eq!(
        world.book().calls(Operation::Invio).received,
        1,
        "it was sent again blindly"
    );
}

/// A caller who waits when the stop comes hears what became of its prescription; one who comes
/// later is refused, or not let in at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_answered_and_who_comes_later_is_refused() {
    let mut world = World::start().await;
    let slow = Fault::Slow {
        delay: Delay::Fixed { ms: 700 },
    };
    world.faults(vec![Rule::on(Operation::Invio, slow)]);
    let caller = world.caller("practice-a");
    let waiting = tokio::spawn({
        let caller = caller.clone();
        async move { caller.prescribe(&key(), &drug()).await }
    });
    until("the call is under way", SOON, async || {
        (world.book().calls(Operation::Invio).received == 1).then_some(())
    })
    .await;
    world.ask_to_stop();
    until("new requests are refused", SOON, async || {
        match caller.try_prescribe(&key(), &drug()).await {
            Err(_) => Some(()),
            Ok(reply) => (reply.text("/code") == "stopping").then_some(()),
        }
    })
    .await;
    let reply = waiting.await.expect("who waits is answered");
    assert_eq!(reply.status, 201, "{}", reply.text("/code"));
    assert_eq!(world.ended().await.code(), Some(0), "{}", world.output());
    world.restart().await.expect("it starts again");
    let tally = world.settled().await;
    assert_eq!(tally.registered, tally.stored);
}

/// A second start after an orderly end has nothing to find out.
#[tokio::test]
async fn an_orderly_end_leaves_a_store_that_opens_at_once() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    let reply = caller.prescribe(&key(), &drug()).await.expect(201);
    assert_eq!(world.terminate().await.code(), Some(0));
    world.restart().await.expect("it starts again");
    let again = caller.prescription(&reply.text("/id")).await.expect(200);
    assert_eq!(again.text("/nre"), reply.text("/nre"));
    assert_eq!(world.settled().await.stored, 1);
}
