//! Callers who take their time to ask and to listen, hundreds at once, and one who asks without end.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tests::world::wait::until;
use tests::world::{Setup, World};

use super::raw::{Raw, STATUS, client, metric, network};

const SLOW: usize = 100;
const WITHIN: Duration = Duration::from_secs(30);
const MEMORY_MAX_KIB: u64 = 256 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn fault_53_slow_callers_are_let_go_of_and_others_are_served() {
    let setup = Setup::default()
        .config("signals.metrics_address", "127.0.0.1:0")
        .config("listen.header_within", "5s")
        .config("listen.write_within", "1s");
    let world = World::with(setup).await;
    let config = client(world.certs_dir(), "practice-a");
    let connect = |_| Raw::with(config.clone(), network(7), world.address());
    let connected = join_all((0..3 * SLOW).map(connect)).await;
    let mut slow: Vec<Raw> = connected
        .into_iter()
        .map(|connected| connected.expect("a slow caller connects"))
        .collect();
    let token = world.caller("practice-a").signed();
    let body = format!(
        "POST /v1/prescriptions/search HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{{"
    );
    // Answers that nobody reads: more than the buffers of both ends together.
    let unread = "GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    for (number, caller) in slow.iter_mut().enumerate() {
        let text = match number % 3 {
            0 => "GET /v1/status HTTP/1.1\r\nHost: lo",
            1 => body.as_str(),
            _ => unread.as_str(),
        };
        caller.send(text).await.expect("it is taken");
    }
    for _ in 0..10 {
        let another = Raw::connect(&world, "practice-b", network(8)).await;
        let answer = another.expect("another connects").ask(STATUS).await;
        assert!(answer.expect("it is answered").starts_with("HTTP/1.1 200"));
    }
    assert!(
        world.memory_kib() < MEMORY_MAX_KIB,
        "{}",
        world.memory_kib()
    );
    until("the slow are let go of", WITHIN, async || {
        (metric(&world, "argine_connections").await <= 8.0).then_some(())
    })
    .await;
    let readers = r#"argine_connections_ended_total{reason="reader-slow"}"#;
    let readers = metric(&world, readers).await;
    assert!(readers >= SLOW as f64, "{readers}");
}

/// A question whose answer is long.
const LONG: &str = "GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn fault_53_a_slow_reader_that_goes_on_gets_all_of_it() {
    const ANSWERS: usize = 12;
    let setup = Setup::default().config("listen.write_within", "1s");
    let world = World::with(setup).await;
    let whole = world.caller("practice-a").get("/v1/openapi.json").await;
    let expected = ANSWERS * whole.bytes.len();
    let connected = Raw::connect(&world, "practice-b", network(7)).await;
    let mut slow = connected.expect("a slow caller connects");
    slow.send(&LONG.repeat(ANSWERS)).await.expect("it is taken");
    // Some seconds for all of it, and longer than write_within for each answer.
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let mut read = 0;
    while read < expected {
        pace.tick().await;
        let bytes = slow.read(12 << 10).await.expect("it goes on");
        assert_ne!(bytes, 0, "closed after {read} of {expected} bytes");
        read += bytes;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_53_what_nobody_reads_takes_no_more_memory_than_is_said() {
    const UNREAD: usize = 500;
    /// What `ARCHITECTURE.md` says, and what an idle connection takes.
    const EACH_MAX_KIB: u64 = 160 + 48;
    let setup = Setup::default()
        .config("signals.metrics_address", "127.0.0.1:0")
        .config("limits.requests_burst", 100_000)
        .config("listen.write_within", "60s");
    let world = World::with(setup).await;
    let config = client(world.certs_dir(), "practice-a");
    let first = Raw::with(config.clone(), network(7), world.address()).await;
    first
        .expect("a caller connects")
        .ask(STATUS)
        .await
        .expect("it is answered");
    let before = world.memory_kib();
    let questions = LONG.repeat(16);
    let mut unread = Vec::new();
    for _ in 0..UNREAD {
        let connected = Raw::with(config.clone(), network(7), world.address()).await;
        let mut caller = connected.expect("a caller connects");
        caller.send(&questions).await.expect("it is taken");
        unread.push(caller);
    }
    let asked = r#"argine_http_request_duration_seconds_count{method="GET",route="/v1/openapi.json",status="200"}"#;
    until("all of them are answered", WITHIN, async || {
        (metric(&world, asked).await >= UNREAD as f64).then_some(())
    })
    .await;
    let each = world.memory_kib().saturating_sub(before) / UNREAD as u64;
    println!("{UNREAD} connections whose answers nobody reads, {each} KiB each");
    assert!(each <= EACH_MAX_KIB, "{each} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_52_one_mad_caller_takes_from_its_own_allowance_only() {
    const REQUESTS: usize = 1_000;
    const CONNECTIONS: usize = 50;
    let setup = Setup::default()
        .config("limits.requests_burst", 100)
        .config("limits.requests_per_second", 10);
    let world = World::with(setup).await;
    let (mad, calm) = (world.caller("practice-a"), world.caller("practice-b"));
    let flood = join_all((0..CONNECTIONS).map(async |_| {
        let mut answers = Vec::new();
        for _ in 0..REQUESTS / CONNECTIONS {
            answers.push(mad.get("/v1/status").await);
        }
        answers
    }));
    let others = async {
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(calm.get("/v1/status").await);
        }
        answers
    };
    let (flooded, others) = tokio::join!(flood, others);
    let flooded = flooded.concat();
    let refused: Vec<_> = flooded.iter().filter(|reply| reply.status == 429).collect();
    // What comes back meanwhile is a few a second.
    assert!(refused.len() > REQUESTS / 2, "{}", refused.len());
    assert!(refused.iter().all(|reply| reply.code() == "rate-limited"));
    assert!(
        refused
            .iter()
            .all(|reply| reply.header("retry-after") == "1")
    );
    assert!(others.iter().all(|reply| reply.status == 200));
    for reply in flooded.iter().chain(&others) {
        assert_eq!(reply.header("x-ratelimit-limit"), "100");
        assert!(!reply.header("x-ratelimit-remaining").is_empty());
        assert!(!reply.header("x-ratelimit-reset").is_empty());
    }
    let search = calm.search(&json!({})).await;
    assert_ne!(search.status, 429);
}
