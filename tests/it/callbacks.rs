//! Events are pushed to who asked for them: at least once, in order, signed, and to nobody else.

mod killed;

use std::time::Duration;

use serde_json::{Value, json};
use tests::upstreams::callbacks::{Manner, Receiver};
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};

/// How long a push may take to arrive, its receiver being well.
const PUSHED_WITHIN: Duration = Duration::from_secs(20);
const LOOPBACK: &[&str] = &["127.0.0.0/8"];

/// Two practices, each with a host of its own.
struct Scene {
    world: World,
    a: Receiver,
    b: Receiver,
}

impl Scene {
    async fn start() -> Scene {
        Scene::with(Setup::default()).await
    }

    async fn with(setup: Setup) -> Scene {
        let mut receivers = Vec::new();
        let world = World::pushing(setup, LOOPBACK, |world| {
            let hosts = ["practice-a", "practice-b"].map(|practice| {
                let receiver = Receiver::start(world.certs_dir()).expect("a receiver starts");
                let origin = receiver.origin();
                receivers.push(receiver);
                (practice, origin)
            });
            hosts.to_vec()
        });
        let world = world.await;
        let [a, b] = receivers.try_into().ok().expect("two were started");
        Scene { world, a, b }
    }

    /// Has a prescription of practice-a registered whose events go to its host; its id.
    async fn registered(&self) -> String {
        let to = format!("{}/argine/events", self.a.origin());
        let caller = self.world.caller("practice-a");
        let reply = caller.prescribe_followed(&key(), &drug(), &to).await;
        let reply = reply.expect(201);
        assert_eq!(reply.header("x-correlation-id"), reply.id());
        reply.id()
    }

    async fn restart(&mut self) {
        let restarted = self.world.restart().await;
        restarted.expect("a killed gateway starts again");
    }

    async fn cancel(&self, id: &str) {
        let caller = self.world.caller("practice-a");
        caller.about(id, "cancel", None).await.expect(200);
    }
}

/// Waits until `receiver` was told these states of a prescription, and asserts that all was in order.
async fn told(receiver: &Receiver, id: &str, states: &[&str]) {
    until(
        &format!("{id}: {states:?} are pushed"),
        PUSHED_WITHIN,
        async || (receiver.book().states_of(id) == states).then_some(()),
    )
    .await;
    assert_eq!(receiver.book().wrong, [""; 0]);
}

async fn read(receiver: &Receiver, pushes: usize) {
    until(
        &format!("{pushes} pushes are read"),
        PUSHED_WITHIN,
        async || (receiver.book().read.len() >= pushes).then_some(()),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_pushed_in_order_and_signed() {
    let scene = Scene::start().await;
    let id = scene.registered().await;
    scene.cancel(&id).await;
    told(&scene.a, &id, &["registered", "cancelled"]).await;
    let book = scene.a.book();
    assert_eq!(book.read.len(), 2, "each was pushed once");
    let text = json!(book.taken).to_string();
    let entry = scene.world.caller("practice-a").prescription(&id).await;
    assert!(!text.contains(&entry.text("/nre")), "{text}");
    assert_eq!(scene.b.book().read, [""; 0]);
    let events = scene.world.caller("practice-a").events(&id).await;
    let last = events.last().expect("it has events");
    assert_eq!(book.taken[1]["seq"], last["seq"]);
    assert_eq!(book.taken[1]["at"], last["at"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_was_down_is_told_in_order_and_once() {
    let scene = Scene::start().await;
    scene.a.set_open(false);
    let mut ids = Vec::new();
    for _ in 0..6 {
        let id = scene.registered().await;
        scene.cancel(&id).await;
        ids.push(id);
    }
    scene.world.logged(&["a callback was not received"]).await;
    scene.a.set_open(true);
    for id in &ids {
        told(&scene.a, id, &["registered", "cancelled"]).await;
    }
    assert_eq!(scene.a.book().taken.len(), 2 * ids.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_delays_its_own_alone() {
    let setup = Setup::default()
        .policy("callbacks.request_within", "60s")
        .policy("callbacks.requests_per_host_max", 4);
    let scene = Scene::with(setup).await;
    scene.a.behaves(Manner::Hangs);
    for _ in 0..6 {
        scene.registered().await;
    }
    read(&scene.a, 4).await;
    let to = format!("{}/events", scene.b.origin());
    let caller = scene.world.caller("practice-b");
    let reply = caller.prescribe_followed(&key(), &drug(), &to).await;
    told(&scene.b, &reply.expect(201).id(), &["registered"]).await;
    assert_eq!(scene.a.book().read.len(), 4, "no more than its share");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_not_followed_and_counts_as_not_received() {
    let scene = Scene::start().await;
    let elsewhere = format!("{}/events", scene.b.origin());
    scene.a.behaves(Manner::Redirects(elsewhere));
    let id = scene.registered().await;
    read(&scene.a, 3).await;
    assert_eq!(scene.b.book().read, [""; 0]);
    scene.a.behaves(Manner::Takes);
    told(&scene.a, &id, &["registered"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_address_is_not_connected_to_unless_it_is_allowed() {
    let mut started = None;
    let world = World::pushing(Setup::default(), &["10.0.0.0/8"], |world| {
        let receiver = Receiver::start(world.certs_dir()).expect("a receiver starts");
        let port = receiver.address().port();
        started = Some(receiver);
        vec![("practice-a", format!("https://localhost:{port}"))]
    })
    .await;
    let receiver = started.expect("it was started");
    let port = receiver.address().port();
    let caller = world.caller("practice-a");
    let to = format!("https://localhost:{port}/events");
    let reply = caller.prescribe_followed(&key(), &drug(), &to).await;
    let id = reply.expect(201).id();
    world.logged(&["address-not-allowed"]).await;
    assert_eq!(receiver.book().read, [""; 0]);
    let events = caller.events(&id).await;
    assert_eq!(states(&events), ["accepted", "registered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_registered_any_more_is_not_pushed_to() {
    let mut scene = Scene::start().await;
    scene.a.set_open(false);
    let id = scene.registered().await;
    scene.world.logged(&["a callback was not received"]).await;
    scene.world.kill().await;
    scene.a.set_open(true);
    let registered = scene.a.origin();
    scene.world.register_hosts(&[]);
    scene.restart().await;
    scene.world.logged(&["not-registered"]).await;
    scene.cancel(&id).await;
    assert_eq!(scene.a.book().read, [""; 0]);
    // It is kept for one who comes back.
    scene.world.kill().await;
    scene.world.register_hosts(&[("practice-a", registered)]);
    assert_eq!(scene.a.book().read, [""; 0]);
    scene.restart().await;
    told(&scene.a, &id, &["registered", "cancelled"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_and_is_pushed_by_nobody_is_said() {
    let mut scene = Scene::start().await;
    scene.a.set_open(false);
    scene.registered().await;
    scene.world.kill().await;
    for key in [
        "trust_file",
        "certificate_file",
        "key_file",
        "signing_certificate_file",
        "signing_key_file",
    ] {
        scene.world.reconfigure(&format!("callbacks.{key}"), "");
    }
    scene.restart().await;
    scene.world.logged(&["nobody pushes them"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_its_certificates_is_watched() {
    let setup = Setup::default().config("signals.metrics_address", "127.0.0.1:0");
    let scene = Scene::with(setup).await;
    let address = crate::signals::page::address(&scene.world).await;
    for file in ["trust_file", "certificate_file", "signing_certificate_file"] {
        let series = format!("argine_certificate_days{{file=\"callbacks.{file}\"}}");
        until(&series, PUSHED_WITHIN, async || {
            let page = crate::signals::page::get(address, "/metrics").await;
            crate::signals::page::value(&page, &series)
        })
        .await;
    }
}

fn states(events: &[Value]) -> Vec<&str> {
    let states = events.iter().map(|event| event["state"].as_str());
    states.map(Option::unwrap_or_default).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_hosts_of_ones_own_are_pushed_to() {
    let scene = Scene::start().await;
    let (own, others) = (scene.a.origin(), scene.b.origin());
    let caller = scene.world.caller("practice-a");
    for (reply_to, rule) in [
        (format!("{others}/events"), "not-registered"),
        (
            "https://software.example/events".to_owned(),
            "not-registered",
        ),
        (
            own.replace("127.0.0.1", "localhost") + "/events",
            "not-registered",
        ),
        (own.replace("https:", "http:") + "/events", "address"),
        (
            own.replace("https://", "https://user@") + "/events",
            "address",
        ),
        (format!("{own}/events?to=me"), "address"),
        (format!("{own}/events#me"), "address"),
        (format!("{own}/persons/RSSMRA80A01H501U"), "address"),
        (format!("{own}/{}", "a".repeat(600)), "address"),
    ] {
        let reply = caller.prescribe_followed(&key(), &drug(), &reply_to).await;
        let reply = reply.expect(422);
        assert!(reply.blames_the_caller(), "{reply_to}");
        assert_eq!(reply.text("/errors/0/parameter"), "X-ReplyTo");
        assert_eq!(reply.text("/errors/0/rule"), rule, "{reply_to}");
    }
    assert_eq!(scene.world.settled().await.stored, 0);
    // What is stored is not said to be not, whatever a repetition asks for.
    let (same, body) = (key(), drug());
    let reply = caller.prescribe(&same, &body).await.expect(201);
    let again = caller.prescribe_followed(&same, &body, "nowhere").await;
    assert_eq!(again.expect(201).id(), reply.id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_is_alarmed_and_can_be_asked_for() {
    let setup = Setup::default().policy("callbacks.give_up_after", "300ms");
    let scene = Scene::with(setup).await;
    scene.a.behaves(Manner::Answers(500));
    let id = scene.registered().await;
    scene.world.logged(&["a callback was given up"]).await;
    let events = scene.world.caller("practice-a").events(&id).await;
    assert_eq!(states(&events), ["accepted", "registered"]);
    // What comes after it is not held up.
    scene.a.behaves(Manner::Takes);
    scene.cancel(&id).await;
    told(&scene.a, &id, &["cancelled"]).await;
}
