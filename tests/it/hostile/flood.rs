//! One caller who asks for ten times what it may have, and what that takes from the others.

use std::time::Duration;

use futures_util::future::join_all;
use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::registry::population;
use tests::world::caller::Caller;
use tests::world::wait::{passed, until};
use tests::world::{Setup, World, prescription};

use crate::signals::page;

/// What a caller may ask at once, and a second.
const BURST: usize = 100;
/// What it asks all the same, as fast as it can.
const FLOOD: usize = 10 * BURST;
/// Over so many connections.
const CONNECTIONS: usize = 100;
/// Connections that it may have: a pool opens some that it does not use.
const CONNECTIONS_MAX: usize = 3 * CONNECTIONS;
/// Prescriptions that may be pending.
const ENTRIES_MAX: usize = 40;
/// More than a gateway under this flood needs.
const MEMORY_MAX_KIB: u64 = 192 << 10;
/// How often the page is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The most that was seen of everything that has a limit.
#[derive(Debug, Default)]
struct Peaks {
    connections: f64,
    calls: f64,
    calls_max: f64,
    entries: f64,
    memory_kib: u64,
}

impl Peaks {
    async fn look(&mut self, world: &World, at: std::net::SocketAddr) {
        let text = page::get(at, "/metrics").await;
        let most = |prefix: &str| {
            let values = text.lines().filter(|line| line.starts_with(prefix));
            let values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            values.fold(0.0, f64::max)
        };
        self.connections = self.connections.max(most("argine_connections "));
        self.calls = self.calls.max(most("argine_calls_under_way"));
        self.calls_max = self.calls_max.max(most("argine_calls_max"));
        let pending = ["waiting", "uncertain"];
        let pending = pending.map(|state| format!("argine_entries{{state=\"{state}\"}}"));
        let pending: f64 = pending.iter().map(|series| most(series)).sum();
        self.entries = self.entries.max(pending);
        self.memory_kib = self.memory_kib.max(world.memory_kib());
    }
}

/// Asks for [`FLOOD`] over all connections at once; the status of each answer.
async fn flood(mad: &Caller) -> Vec<u16> {
    let connections = (0..CONNECTIONS).map(async |connection| {
        let mut statuses = Vec::new();
        for number in 0..FLOOD / CONNECTIONS {
            let reply = if number % 2 == 0 {
                let person = population::person(1_000 + connection * 10 + number);
                mad.search_person(&person).await
            } else {
                mad.prescribe(&prescription::key(), &prescription::drug())
                    .await
            };
            statuses.push(reply.status);
        }
        statuses
    });
    join_all(connections).await.concat()
}

/// Asks [`BURST`] times, calmly; how often that was served.
async fn others(calm: &Caller) -> usize {
    let mut served = 0;
    for number in 0..BURST {
        let reply = if number % 10 == 0 {
            calm.search_person(&population::person(2)).await
        } else {
            calm.get("/v1/status").await
        };
        if reply.status == 200 {
            served += 1;
        } else {
            println!("another is refused: {} {}", reply.status, reply.code());
        }
        passed(Duration::from_millis(20)).await;
    }
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_52_a_tenfold_flood_stays_within_every_limit() {
    let setup = Setup::default()
        .config("signals.metrics_address", "127.0.0.1:0")
        .config("limits.requests_burst", BURST)
        .config("limits.requests_per_second", BURST)
        .config("listen.connections_per_network_max", CONNECTIONS_MAX)
        .config("store.entries_max", ENTRIES_MAX);
    let world = World::with(setup).await;
    let at = page::address(&world).await;
    let slow = || Fault::Slow {
        delay: Delay::Fixed { ms: 200 },
    };
    let operations = [Operation::Ricerca, Operation::Invio];
    world.faults(operations.map(|one| Rule::on(one, slow())).to_vec());
    let (mad, calm) = (world.caller("practice-a"), world.caller("practice-b"));
    let mut peaks = Peaks::default();
    let both = async { tokio::join!(flood(&mad), others(&calm)) };
    let mut both = std::pin::pin!(both);
    let (flooded, served) = loop {
        tokio::select! {
            ended = &mut both => break ended,
            () = passed(LOOK_EVERY) => peaks.look(&world, at).await,
        }
    };
    let limited = flooded.iter().filter(|status| **status == 429).count();
    println!("{peaks:?}; {limited} of {FLOOD} refused; {served} of {BURST} others served");
    assert!(
        flooded
            .iter()
            .all(|status| matches!(status, 200..=202 | 404 | 429 | 503))
    );
    assert!(limited > 0, "there was a flood");
    assert!(served * 100 >= BURST * 99, "{served} of {BURST}");
    assert!(
        peaks.calls > 0.0 && peaks.calls <= peaks.calls_max,
        "{peaks:?}"
    );
    assert!(
        peaks.entries > 0.0 && peaks.entries <= ENTRIES_MAX as f64,
        "{peaks:?}"
    );
    assert!(peaks.connections <= CONNECTIONS_MAX as f64, "{peaks:?}");
    assert!(peaks.memory_kib <= MEMORY_MAX_KIB, "{peaks:?}");
    world.recover();
    until(
        "the caller is served again",
        Duration::from_secs(30),
        async || (mad.get("/v1/status").await.status == 200).then_some(()),
    )
    .await;
}
