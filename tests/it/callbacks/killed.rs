//! K8: the gateway dies between the record, the callback and what is written down of it.
//!
//! Where the point is a system call, it is struck by `strace`, as in `crash_points`.

use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::gateway::was_killed;

use super::*;

/// SQLite's write-ahead log: every commit is written here, and synced here.
const LOG: Option<&str> = Some("entries.db-wal");

/// Asserts that what was pushed was one event, under one name.
fn is_one(receiver: &Receiver) {
    let names = receiver.book().read;
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_k8_killed_before_a_receiver_that_has_it_answers() {
    let mut scene = Scene::start().await;
    scene.a.behaves(Manner::TakesInSilence);
    let id = scene.registered().await;
    read(&scene.a, 1).await;
    scene.world.kill().await;
    scene.a.behaves(Manner::Takes);
    let before = scene.a.book().read.len();
    scene.restart().await;
    read(&scene.a, before + 1).await;
    told(&scene.a, &id, &["registered"]).await;
    is_one(&scene.a);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_k8_killed_between_the_record_and_the_callback() {
    let mut scene = Scene::start().await;
    scene.a.set_open(false);
    let id = scene.registered().await;
    scene.world.kill().await;
    assert_eq!(scene.a.book().read, [""; 0]);
    scene.a.set_open(true);
    scene.restart().await;
    told(&scene.a, &id, &["registered"]).await;
    scene.world.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_k8_killed_between_the_answer_and_its_record() {
    for point in [
        "pwrite64:signal=SIGKILL:when=1",
        "fsync,fdatasync:signal=SIGKILL:when=1",
    ] {
        let patient = Setup::default().policy("callbacks.request_within", "60s");
        let mut scene = Scene::with(patient).await;
        scene.a.behaves(Manner::TakesLate);
        let id = scene.registered().await;
        read(&scene.a, 1).await;
        scene.world.settled().await;
        // What is written to the log next is that the event was received.
        let Some(_strace) = scene.world.inject(LOG, &[point]).await else {
            return;
        };
        scene.a.behaves(Manner::Takes);
        assert!(was_killed(scene.world.ended().await), "{point}");
        scene.restart().await;
        // The log may have kept what was written and not synced: then it is not pushed again.
        if point.starts_with("pwrite64") {
            read(&scene.a, 2).await;
        }
        told(&scene.a, &id, &["registered"]).await;
        is_one(&scene.a);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_k8_killed_inside_the_transaction_that_settles() {
    for point in [
        "pwrite64:signal=SIGKILL:when=1",
        "pwrite64:signal=SIGKILL:when=3",
        "fsync,fdatasync:signal=SIGKILL:when=1",
    ] {
        let patient = Setup::default()
            .policy("prescriptions.answer_within", "200ms")
            .policy("prescriptions.calls.write_within", "10s")
            .policy("prescriptions.delivery.lease_for", "20s")
            .policy("prescriptions.gate.slow_after", "10s");
        let mut scene = Scene::with(patient).await;
        let slow = Fault::Slow {
            delay: Delay::Fixed { ms: 3_000 },
        };
        scene
            .world
            .faults(vec![Rule::on(Operation::Invio, slow).times(1)]);
        let to = format!("{}/events", scene.a.origin());
        let caller = scene.world.caller("practice-a");
        let reply = caller.prescribe_followed(&key(), &drug(), &to).await;
        let id = reply.expect(202).id();
        // What is written to the log next is the answer, and that it is to be pushed.
        let Some(_strace) = scene.world.inject(LOG, &[point]).await else {
            return;
        };
        assert!(was_killed(scene.world.ended().await), "{point}");
        assert_eq!(
            scene.a.book().read,
            [""; 0],
            "{point}: told before it was written"
        );
        scene.restart().await;
        told(&scene.a, &id, &["registered"]).await;
        is_one(&scene.a);
        scene.world.settled().await;
    }
}
