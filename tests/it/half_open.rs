//! The SAC comes back, or half of it does: what it is asked to bear, counted where it is borne.

use std::time::Duration;

use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::caller::Caller;
use tests::world::load::Load;
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};
use tokio::task::JoinSet;
use tokio::time::Instant;

const DESKS: usize = 1_000;
const CALLS_MAX: f64 = 20.0;
const RAMP: Duration = Duration::from_secs(6);
/// What the SAC takes for an answer while it comes back.
const ANSWERS_IN_MS: u64 = 1_500;
/// Calls that may begin at one instant of the ramp, its first included.
const BURST: f64 = 3.0;
/// How late a count may be.
const LATE: Duration = Duration::from_millis(200);

/// What the simulator had counted at some instant.
#[derive(Debug, Clone, Copy)]
struct Count {
    at: Instant,
    reads: u64,
    writes: u64,
}

fn count(world: &World) -> Count {
    let book = world.book();
    Count {
        at: Instant::now(),
        reads: book.calls(Operation::Visualizza).received,
        writes: book.calls(Operation::Invio).received,
    }
}

/// The state of the gate of the write.
async fn gate(caller: &Caller) -> String {
    let status = caller.get("/v1/status").await.json();
    let lanes = status["lanes"].as_array().cloned().unwrap_or_default();
    let gates = lanes
        .iter()
        .flat_map(|lane| lane["gates"].as_array().cloned());
    let gate = gates.flatten().find(|gate| gate["operation"] == "invio");
    gate.expect("the status shows the gate of invio")["state"].to_string()
}

async fn opened(world: &World, caller: &Caller) {
    until("the gate opens", Duration::from_secs(20), async || {
        caller.prescribe(&key(), &drug()).await.expect(202);
        (gate(caller).await == "\"open\"").then_some(())
    })
    .await;
    assert_eq!(count(world).reads, 0, "nothing was uncertain");
}

/// Counts until `is_over` says so; only what differs from the count before is kept.
async fn counts(world: &World, mut is_over: impl FnMut(&[Count]) -> bool) -> Vec<Count> {
    let mut counts = vec![count(world)];
    until(
        "everything was counted",
        Duration::from_secs(60),
        async || {
            let (now, last) = (count(world), counts[counts.len() - 1]);
            let is_news = (now.reads, now.writes) != (last.reads, last.writes);
            if is_news {
                counts.push(now);
            }
            is_over(&counts).then_some(())
        },
    )
    .await;
    counts
}

/// A gate that soon asks again, and a ramp up to [`CALLS_MAX`].
fn coming_back() -> Setup {
    let ramp = format!("{}s", RAMP.as_secs());
    Setup::default()
        // All of them come from one address.
        .config("listen.connections_per_network_max", 4_096)
        .config("listen.handshakes_per_network_max", 64)
        .config("listen.handshake_within", "30s")
        .policy("prescriptions.gate.open_for", "4s")
        .policy("prescriptions.gate.open_for_max", "4s")
        .policy("prescriptions.gate.ramp", ramp)
        .policy("prescriptions.gate.slow_after", "4s")
        .policy("prescriptions.calls.write_within", "5s")
        .policy("prescriptions.calls.read_within", "5s")
        .policy("prescriptions.delivery.lease_for", "25s")
        .policy("prescriptions.calls.admission", "fixed")
        .policy("prescriptions.calls.calls_max", CALLS_MAX as u64)
        .policy("prescriptions.calls.calls_min", 1)
        .policy("prescriptions.calls.live_reserve", 4)
        .policy("prescriptions.delivery.rate_per_second", 10_000)
}

/// A thousand desks wait when the SAC comes back: it is asked one question, gets one prescription,
/// and then the rest along the ramp.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_meet_a_sac_that_comes_back() {
    let world = World::with(coming_back()).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    opened(&world, &caller).await;
    let slow = |operation| {
        let delay = Delay::Fixed { ms: ANSWERS_IN_MS };
        Rule::on(operation, Fault::Slow { delay })
    };
    world.faults(vec![slow(Operation::Visualizza), slow(Operation::Invio)]);
    let before = count(&world);
    let mut desks = JoinSet::new();
    for _ in 0..DESKS {
        let caller = caller.clone();
        desks.spawn(async move { caller.prescribe(&key(), &drug()).await.status });
    }
    let answer = Duration::from_millis(ANSWERS_IN_MS);
    let counts = counts(&world, |counts| {
        let probe = counts.iter().find(|count| count.writes > before.writes);
        probe.is_some_and(|probe| probe.at.elapsed() > answer + RAMP)
    })
    .await;

    // One read, and once it is answered one write; nothing else before that one is answered.
    let seen = |count: &Count| (count.reads - before.reads, count.writes - before.writes);
    let told: Vec<_> = counts.iter().map(seen).take(4).collect();
    assert_eq!(told[..3], [(0, 0), (1, 0), (1, 1)], "{told:?}");
    let [asked, wrote, next] = [1, 2, 3].map(|place: usize| counts[place].at);
    assert!(wrote - asked + LATE >= answer, "it was not asked first");
    assert!(
        next - wrote + LATE >= answer,
        "a second call beside the probe"
    );
    // Then never more than the line from a tenth to all of it.
    let (start, whole) = (wrote + answer, RAMP.as_secs_f64());
    for count in &counts[3..] {
        let at = (count.at.saturating_duration_since(start) + LATE)
            .as_secs_f64()
            .min(whole);
        let line = CALLS_MAX * (0.1 * at + 0.45 * at * at / whole);
        let begun = (count.writes - before.writes - 1) as f64;
        assert!(
            begun <= line + BURST,
            "{begun} begun after {at} s, not {line}"
        );
    }
    let begun = counts[counts.len() - 1].writes - before.writes;
    assert!(begun >= 15, "only {begun} along the whole ramp: it starves");
    world.recover();
    while let Some(status) = desks.join_next().await {
        assert!(matches!(status, Ok(201 | 202)), "{status:?}");
    }
    assert!(world.settled().await.registered >= DESKS as u64);
}

/// How long the gate of the second test stays open at first and at most.
const OPEN_FOR: Duration = Duration::from_millis(200);
const OPEN_FOR_MAX: Duration = Duration::from_millis(3_200);
/// How long a write of the second test hangs.
const HANGS: Duration = Duration::from_millis(500);
/// Openings that are looked at.
const OPENINGS: usize = 7;

/// Reads work, so that every probe begins well; and every write hangs. It gets one write an
/// opening, and each opening is longer than the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sac_whose_invio_hangs_is_left_alone_longer_and_longer() {
    let setup = Setup::default()
        .policy("prescriptions.gate.open_for", "200ms")
        .policy("prescriptions.gate.open_for_max", "3200ms")
        .policy("prescriptions.gate.slow_after", "400ms")
        .policy("prescriptions.calls.write_within", "500ms");
    let world = World::with(setup).await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::on(Operation::Invio, Fault::Hang)]);
    let load = Load::start(vec![caller.clone(), caller.clone(), caller.clone()]);
    until("the gate opens", Duration::from_secs(20), async || {
        (gate(&caller).await == "\"open\"").then_some(())
    })
    .await;
    load.stop().await;
    // What was under way when it opened has run its course after one more deadline.
    let opened = Instant::now();
    let all = counts(&world, |counts| {
        let probes = counts.iter().filter(|count| count.at > opened + HANGS);
        let writes: Vec<_> = probes.map(|count| count.writes).collect();
        writes
            .last()
            .zip(writes.first())
            .is_some_and(|(last, first)| last - first >= OPENINGS as u64)
    })
    .await;
    let mut probes = all;
    probes.dedup_by_key(|count| count.writes);
    probes.retain(|count| count.at > opened + HANGS);
    let gaps: Vec<Duration> = probes
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    let bursts = probes
        .windows(2)
        .filter(|pair| pair[1].writes - pair[0].writes != 1);
    assert_eq!(bursts.count(), 0, "{gaps:?}");
    let full = OPEN_FOR_MAX / 2 + HANGS;
    for pair in gaps.windows(2) {
        let is_longer = pair[1] + LATE >= pair[0] || pair[1] + LATE >= full;
        assert!(is_longer, "it oscillates: {gaps:?}");
    }
    assert!(
        gaps.iter().all(|gap| *gap + LATE >= OPEN_FOR / 2 + HANGS),
        "{gaps:?}"
    );
    assert!(gaps[gaps.len() - 1] + LATE >= full, "{gaps:?}");
    world.recover();
    let tally = world.settled().await;
    assert_eq!(tally.registered, tally.stored, "{tally:?}");
}
