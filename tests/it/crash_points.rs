//! The process dies at one precise point of the write path (faults K1 to K9).
//!
//! The points are system calls, struck by `strace`; where it may not trace, a test prints that it
//! was skipped. A kill strikes as the call is entered: what it would have done is not done.

use std::time::Duration;

use serde_json::Value;
use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::caller::Caller;
use tests::world::gateway::was_killed;
use tests::world::load::Load;
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};

/// SQLite's write-ahead log: every commit is written here, and synced here.
const LOG: Option<&str> = Some("entries.db-wal");
/// The database itself: in this mode only a checkpoint writes to it.
const DATABASE: Option<&str> = Some("entries.db");
const SOON: Duration = Duration::from_secs(15);

/// Sends one prescription to a gateway that dies at `fault`; whether it could be attacked at all.
/// The connection is open before, so that the handshake is not what is struck.
async fn struck(
    world: &mut World,
    file: Option<&str>,
    fault: &str,
    (caller, key, body): (&Caller, &str, &Value),
) -> bool {
    caller.get("/v1/prescriptions").await.expect(200);
    let Some(_strace) = world.inject(file, &[fault]).await else {
        return false;
    };
    if let Ok(reply) = caller.try_prescribe(key, body).await {
        panic!("{fault}: an answer came: {}", reply.status);
    }
    assert!(
        was_killed(world.ended().await),
        "{fault}: it ended otherwise: {}",
        world.output()
    );
    true
}

/// The same key again, after the restart: one entry, one number, one effect.
async fn repeated(world: &mut World, (caller, key, body): (&Caller, &str, &Value)) -> String {
    world
        .restart()
        .await
        .expect("a killed gateway starts again");
    let reply = caller.prescribe(key, body).await;
    assert!(matches!(reply.status, 201 | 202), "{}", reply.text("/code"));
    let id = reply.text("/id");
    caller.until(&id, "registered").await;
    id
}

/// K1: killed when the request has come and before anything is written: nothing is stored, and the
/// same key is accepted once.
#[tokio::test]
async fn fault_k1_killed_before_the_transaction() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    let points = [
        (None, "recvfrom,read,readv:signal=SIGKILL:when=1"),
        (LOG, "pwrite64:signal=SIGKILL:when=1"),
    ];
    for (stored, (file, fault)) in points.into_iter().enumerate() {
        let (key, body) = (key(), drug());
        if !struck(&mut world, file, fault, (&caller, &key, &body)).await {
            return;
        }
        assert_eq!(
            world.entries().len(),
            stored,
            "{fault}: something was stored"
        );
        repeated(&mut world, (&caller, &key, &body)).await;
        world.settled().await;
    }
}

/// K2: killed inside the transaction, before its fsync: no half row, and the same key is accepted
/// once.
#[tokio::test]
async fn fault_k2_killed_inside_the_transaction() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    let points = [
        "pwrite64:signal=SIGKILL:when=2",
        "pwrite64:signal=SIGKILL:when=3",
        "fsync,fdatasync:signal=SIGKILL:when=1",
    ];
    for fault in points {
        let (key, body) = (key(), drug());
        if !struck(&mut world, LOG, fault, (&caller, &key, &body)).await {
            return;
        }
        world.equation();
        repeated(&mut world, (&caller, &key, &body)).await;
        world.settled().await;
    }
    assert_eq!(world.settled().await.registered, points.len() as u64);
}

/// K3: killed after the fsync, as the answer leaves: the row is there, and the same key is told of
/// that very entry.
#[tokio::test]
async fn fault_k3_killed_as_the_answer_leaves() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    shut_the_gate(&world, &caller).await;
    let before = world.entries().len();
    let (key, body) = (key(), drug());
    caller.get("/v1/prescriptions").await.expect(200);
    // With its gate open nothing is sent to the SAC: what leaves on a socket is the answer.
    let fault = "sendto,writev,sendmsg:signal=SIGKILL:when=1";
    let Some(_strace) = world.inject(None, &[fault]).await else {
        return;
    };
    let reply = caller.try_prescribe(&key, &body).await;
    assert!(reply.is_err(), "an answer came");
    assert!(was_killed(world.ended().await));
    let entries = world.entries();
    assert_eq!(entries.len(), before + 1, "the entry is not on disk");
    world.recover();
    let id = repeated(&mut world, (&caller, &key, &body)).await;
    assert!(
        entries.contains_key(&id),
        "the same key was told of another entry"
    );
    world.settled().await;
}

/// Lets so many calls fail that the gate of the SAC opens: nothing is sent any more.
async fn shut_the_gate(world: &World, caller: &Caller) {
    world.faults(vec![
        Rule::everywhere(Fault::Refuse),
        Rule::everywhere(Fault::ResetBefore),
    ]);
    until("the gate is open", SOON, async || {
        caller.prescribe(&key(), &drug()).await.expect(202);
        let status = caller.get("/v1/status").await.expect(200);
        (status.text("/state") == "degraded").then_some(())
    })
    .await;
}

/// K4: killed right after the answer, before any delivery: delivered after the restart.
#[tokio::test]
async fn fault_k4_killed_before_delivery() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    shut_the_gate(&world, &caller).await;
    let reply = caller.prescribe(&key(), &drug()).await.expect(202);
    world.kill().await;
    world.recover();
    world
        .restart()
        .await
        .expect("a killed gateway starts again");
    caller.until(&reply.text("/id"), "registered").await;
    let tally = world.settled().await;
    assert_eq!(tally.registered, tally.stored);
}

/// K5: killed when the lease is on disk and before a byte has left: asked for first, then sent
/// once.
#[tokio::test]
async fn fault_k5_killed_before_a_byte_has_left() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    let (key, body) = (key(), drug());
    // Nothing has been sent on this lane yet, so that its first call begins with a connection.
    let fault = "connect:signal=SIGKILL:when=1";
    if !struck(&mut world, None, fault, (&caller, &key, &body)).await {
        return;
    }
    assert_eq!(world.equation().waiting, 1, "it is leased on disk");
    assert_eq!(world.book().calls(Operation::Invio).received, 0);
    repeated(&mut world, (&caller, &key, &body)).await;
    assert_eq!(world.settled().await.registered, 1);
    let book = world.book();
    assert!(
        book.calls(Operation::Visualizza).received > 0,
        "it was sent without asking"
    );
    assert_eq!(book.calls(Operation::Invio).received, 1);
}

/// K6: killed when the request has left and before its answer: whether or not the SAC applied it,
/// it holds it once.
#[tokio::test]
async fn fault_k6_killed_before_the_answer_came() {
    for (fault, sends) in [(Fault::HangHalfway, 1), (Fault::Hang, 2)] {
        println!("{fault:?}");
        let mut world = World::start().await;
        let caller = world.caller("practice-a");
        world.faults(vec![Rule::on(Operation::Invio, fault)]);
        let (key, body) = (key(), drug());
        let waiting = tokio::spawn({
            let (caller, key, body) = (caller.clone(), key.clone(), body.clone());
            async move { caller.try_prescribe(&key, &body).await }
        });
        until("the SAC has the request", SOON, async || {
            (world.book().calls(Operation::Invio).received == 1).then_some(())
        })
        .await;
        world.kill().await;
        assert!(
            waiting.await.expect("the caller goes on").is_err(),
            "an answer came"
        );
        world.recover();
        repeated(&mut world, (&caller, &key, &body)).await;
        assert_eq!(world.settled().await.registered, 1);
        assert_eq!(world.book().calls(Operation::Invio).received, sends);
    }
}

/// K7: killed when the answer has come and before it is recorded: settled by reading, not sent
/// again.
#[tokio::test]
async fn fault_k7_killed_before_the_answer_was_recorded() {
    let patient = Setup::default()
        .policy("prescriptions.answer_within", "200ms")
        .policy("prescriptions.calls.write_within", "10s")
        .policy("prescriptions.delivery.lease_for", "20s")
        .policy("prescriptions.gate.slow_after", "10s");
    let mut world = World::with(patient).await;
    let caller = world.caller("practice-a");
    let slow = Fault::Slow {
        delay: Delay::Fixed { ms: 3_000 },
    };
    world.faults(vec![Rule::on(Operation::Invio, slow).times(1)]);
    let (key, body) = (key(), drug());
    let reply = caller.prescribe(&key, &body).await.expect(202);
    // What is written to the log next is the answer.
    let Some(_strace) = world.inject(LOG, &["pwrite64:signal=SIGKILL:when=1"]).await else {
        return;
    };
    assert!(was_killed(world.ended().await));
    assert_eq!(
        world.book().prescriptions.len(),
        1,
        "the SAC has applied it"
    );
    assert_eq!(
        world.equation().waiting,
        1,
        "the answer was recorded before the kill"
    );
    let id = repeated(&mut world, (&caller, &key, &body)).await;
    assert_eq!(id, reply.text("/id"));
    assert_eq!(world.settled().await.registered, 1);
    assert_eq!(
        world.book().calls(Operation::Invio).received,
        1,
        "it was sent again"
    );
}

/// K9: killed in the middle of a checkpoint, page by page: the database is whole, and nothing that
/// was acknowledged is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_k9_killed_during_a_checkpoint() {
    let points = [
        "pwrite64:signal=SIGKILL:when=1",
        "pwrite64:signal=SIGKILL:when=7",
        "fsync,fdatasync:signal=SIGKILL:when=1",
    ];
    let mut world = World::start().await;
    for fault in points {
        let Some(strace) = world.inject(DATABASE, &[fault]).await else {
            return;
        };
        let load = Load::start(vec![world.caller("practice-a"); 4]);
        // An orderly end checkpoints, if the load has not brought one about before.
        until("something was written", SOON, async || {
            (load.answered() >= 40).then_some(())
        })
        .await;
        world.ask_to_stop();
        let status = world.ended().await;
        assert!(
            was_killed(status),
            "{fault}: no checkpoint was struck: {status:?}"
        );
        drop(strace);
        load.stop().await;
        world.equation();
        world
            .restart()
            .await
            .expect("a killed gateway starts again");
        world.settled().await;
    }
}
