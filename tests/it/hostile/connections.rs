//! Connections by the thousand, and a process that runs out of handles.

use std::io::ErrorKind;
use std::time::Duration;

use futures_util::future::join_all;
use tests::world::wait::until;
use tests::world::{Setup, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::raw::{Raw, STATUS, client, dial, greeting, metric, network};

/// Connections that one peer tries to have.
const IDLE: usize = 5_000;
/// Those that it gets.
const MAX: usize = 200;
/// More than the gateway ever needs with them, and less than 5,000 would take.
const MEMORY_MAX_KIB: u64 = 256 << 10;
const WITHIN: Duration = Duration::from_secs(30);

fn setup() -> Setup {
    Setup::default()
        .config("signals.metrics_address", "127.0.0.1:0")
        .config("listen.connections_per_network_max", MAX)
        // None of them is let go of meanwhile for having asked nothing.
        .config("listen.header_within", "60s")
}

async fn is_served(world: &World, from: u8) {
    let connected = Raw::connect(world, "practice-b", network(from)).await;
    let answer = connected.expect("another connects").ask(STATUS).await;
    let answer = answer.expect("another is answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_53_five_thousand_idle_connections_of_one_peer_shut_nobody_out() {
    let world = World::with(setup()).await;
    let config = client(world.certs_dir(), "practice-a");
    let mut idle = Vec::new();
    let mut refused = 0;
    for _ in 0..IDLE {
        match Raw::with(config.clone(), network(3), world.address()).await {
            Ok(connection) => idle.push(connection),
            Err(_) => refused += 1,
        }
        if (idle.len() + refused) % 1_000 == 0 {
            is_served(&world, 4).await;
        }
    }
    assert_eq!((idle.len(), refused), (MAX, IDLE - MAX));
    let full = r#"argine_connections_ended_total{reason="network-full"}"#;
    assert!(metric(&world, full).await >= refused as f64);
    let open = metric(&world, "argine_connections").await;
    assert!(open <= (MAX + 16) as f64, "{open}");
    assert!(
        world.memory_kib() < MEMORY_MAX_KIB,
        "{}",
        world.memory_kib()
    );
    drop(idle);
    until("the places are free again", WITHIN, async || {
        let again = Raw::with(config.clone(), network(3), world.address()).await;
        again.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_53_handshakes_that_do_not_go_on_hold_up_their_own_network_only() {
    let setup = setup()
        .config("listen.handshake_within", "6s")
        .config("listen.handshakes_max", 4)
        .config("listen.handshakes_per_network_max", 4);
    let world = World::with(setup).await;
    let mut silent: Vec<TcpStream> = Vec::new();
    for _ in 0..MAX {
        silent.push(dial(network(5), world.address()).await.expect("connects"));
    }
    for _ in 0..10 {
        is_served(&world, 4).await;
    }
    let first = silent[0].try_read(&mut [0; 1]);
    let first = first.expect_err("nobody had to wait until they were let go of");
    assert_eq!(first.kind(), ErrorKind::WouldBlock);
    for mut socket in silent {
        // Closed or reset, but not left open.
        let read = tokio::time::timeout(WITHIN, socket.read(&mut [0; 1])).await;
        assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    }
    let slow = r#"argine_connections_ended_total{reason="handshake-slow"}"#;
    until("slow handshakes are counted", WITHIN, async || {
        (metric(&world, slow).await >= MAX as f64).then_some(())
    })
    .await;
}

/// Those of one network alone would not fill what all share: so these are of many, and some of them say
/// a first word.
#[tokio::test(flavor = "multi_thread")]
async fn fault_53_silent_sockets_of_many_networks_hold_up_nobody_else() {
    const NETWORKS: u8 = 20;
    const OF_EACH: usize = 4;
    let setup = setup()
        .config("listen.handshake_within", "15s")
        .config("listen.handshakes_max", OF_EACH)
        .config("listen.handshakes_per_network_max", OF_EACH);
    let world = World::with(setup).await;
    let hello = greeting(client(world.certs_dir(), "practice-a"));
    let mut silent = Vec::new();
    for last in 10..10 + NETWORKS {
        for number in 0..OF_EACH {
            let mut socket = dial(network(last), world.address())
                .await
                .expect("connects");
            if number % 2 == 0 {
                socket.write_all(&hello).await.expect("it is taken");
            }
            silent.push(socket);
        }
    }
    for _ in 0..5 {
        is_served(&world, 4).await;
    }
    let first = silent[1].try_read(&mut [0; 1]);
    let first = first.expect_err("nobody had to wait until they were let go of");
    assert_eq!(first.kind(), ErrorKind::WouldBlock);
    let slow = r#"argine_connections_ended_total{reason="handshake-slow"}"#;
    until("all of them are let go of", WITHIN, async || {
        (metric(&world, slow).await >= silent.len() as f64).then_some(())
    })
    .await;
}

/// As many as the system lets one process have, of as many networks as that takes.
#[tokio::test(flavor = "multi_thread")]
async fn fault_53_five_thousand_idle_connections_are_held_and_others_are_served() {
    const OF_EACH: usize = 400;
    /// Twice what one takes.
    const EACH_MAX_KIB: u64 = 96;
    let setup = Setup::default()
        .config("signals.metrics_address", "127.0.0.1:0")
        .config("limits.requests_burst", 100_000)
        .config("listen.keep_alive", "600s");
    let world = World::with(setup).await;
    is_served(&world, 4).await;
    let before = world.memory_kib();
    let config = client(world.certs_dir(), "practice-a");
    let count = IDLE.min(handles().saturating_sub(500));
    let mut idle = Vec::with_capacity(count);
    while idle.len() < count {
        let number = idle.len();
        let some = (number..count.min(number + 16)).map(|number| {
            let last = u8::try_from(10 + number / OF_EACH).expect("few networks");
            let config = config.clone();
            let at = world.address();
            async move {
                let mut caller = Raw::with(config, network(last), at).await?;
                // Who has asked nothing yet is not idle, but slow.
                caller.ask(STATUS).await?;
                Ok::<_, std::io::Error>(caller)
            }
        });
        let connected = join_all(some).await.into_iter();
        idle.extend(connected.map(|connected| connected.expect("an idle caller connects")));
        if number % 1_024 == 0 {
            is_served(&world, 4).await;
        }
    }
    let open = metric(&world, "argine_connections").await;
    assert!(open >= count as f64, "{open}");
    is_served(&world, 4).await;
    let each = world.memory_kib().saturating_sub(before) / count as u64;
    println!("{count} idle connections of TLS, {each} KiB each");
    assert!(each <= EACH_MAX_KIB, "{each} KiB");
}

/// The handles that this process may have, and the gateway that it starts.
fn handles() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("a process has limits");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let number = line.and_then(|line| line.split_whitespace().nth(3));
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or(1_024)
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_55_a_gateway_without_handles_serves_again_once_it_has_some() {
    let setup = Setup::default().config("listen.connections_per_network_max", 100_000);
    let mut world = World::with(setup).await;
    let limited = std::process::Command::new("prlimit")
        .args([
            "--pid",
            &world.gateway_pid().to_string(),
            "--nofile=256:256",
        ])
        .status();
    if !limited.is_ok_and(|status| status.success()) {
        println!("skipped: the handles of a process cannot be limited here");
        return;
    }
    let mut held = Vec::new();
    for _ in 0..600 {
        held.push(dial(network(6), world.address()).await.expect("connects"));
    }
    world.logged(&["Error accepting connection"]).await;
    drop(held);
    until("it serves again", WITHIN, async || {
        let connected = Raw::connect(&world, "practice-b", network(4)).await;
        connected.ok()?.ask(STATUS).await.ok()
    })
    .await;
    assert!(world.terminate().await.success());
}
