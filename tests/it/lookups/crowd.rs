//! Many at once: one call for what all want, and nobody fills the lane alone.

use std::collections::BTreeMap;

use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::registry::population;
use tests::world::prescription::TEST_DOCTOR;
use tests::world::wait::until;
use tests::world::{Setup, World};

use super::{SHOWN_WITHIN, asked_for, listed};

/// How many desks want the same person.
const DESKS: usize = 200;

fn slow(world: &World, ms: u64) {
    let slow = Fault::Slow {
        delay: Delay::Fixed { ms },
    };
    world.faults(vec![Rule::on(Operation::Ricerca, slow)]);
}

/// All desks of a practice at once: one call, and everybody is shown what it brought. One desk is of
/// another doctor, who is not served from it: the SAC denies them themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_desks_are_one_call() {
    let setup = Setup::default().policy("registry.answer_within", "10s");
    let setup = setup.policy("registry.calls.read_within", "10s");
    let world = World::with(setup.policy("registry.gate.slow_after", "9s")).await;
    slow(&world, 2_000);
    let caller = world.caller("practice-a");
    let desks: Vec<_> = (0..DESKS)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.search_person(&listed()).await.expect(200) })
        })
        .collect();
    let stranger = world.caller("practice-b").with_doctor(TEST_DOCTOR);
    let denied = stranger.search_person(&listed()).await.expect(403);
    assert_eq!(denied.code(), "lookup-denied");
    let mut ways = BTreeMap::<String, usize>::new();
    for desk in desks {
        let reply = desk.await.expect("a desk hears an answer");
        let status = reply.header("cache-status").to_owned();
        let way = status.split("; ttl=").next().unwrap_or_default().to_owned();
        *ways.entry(way).or_default() += 1;
    }
    assert_eq!(ways.values().sum::<usize>(), DESKS);
    let collapsed = ways
        .get("argine; fwd=miss; collapsed")
        .copied()
        .unwrap_or_default();
    // Who comes when it is over finds it in memory: on a busy machine most of them.
    assert!(collapsed > 0, "{ways:?}");
    let asked = asked_for(&world, &listed());
    let of_the_doctor = asked.iter().filter(|look_up| look_up.answered == "found");
    assert_eq!(of_the_doctor.count(), 1, "{ways:?}");
    assert!(asked.len() <= 2, "the stranger's and the doctors'");
}

/// Who asked first goes away: the call goes on, and the others are shown what it brings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_takes_nothing_along() {
    let setup = Setup::default().policy("registry.answer_within", "10s");
    let world = World::with(setup.policy("registry.calls.read_within", "10s")).await;
    slow(&world, 1_000);
    let leader = world.caller("practice-a");
    let gone = tokio::spawn(async move { leader.search_person(&listed()).await });
    until("the SAC is asked", SHOWN_WITHIN, async || {
        (!asked_for(&world, &listed()).is_empty()).then_some(())
    })
    .await;
    let others: Vec<_> = (0..5)
        .map(|_| {
            let caller = world.caller("practice-a");
            tokio::spawn(async move { caller.search_person(&listed()).await.expect(200) })
        })
        .collect();
    // Its connection is cut with it.
    gone.abort();
    assert!(
        gone.await.is_err(),
        "the first was answered before it could leave"
    );
    for other in others {
        let reply = other.await.expect("a desk hears an answer");
        assert_eq!(reply.at("/freshness/stale"), false);
    }
    assert_eq!(asked_for(&world, &listed()).len(), 1);
}

/// Who tries out tax codes is told to wait, while everybody is still shown what is known.
#[tokio::test]
async fn a_sweep_of_tax_codes_is_slowed_down() {
    let setup = Setup::default().policy("registry.callers.misses_per_minute", 6);
    let world = World::with(setup.policy("registry.callers.misses_burst", 5)).await;
    let (sweeper, practice) = (world.booking(), world.caller("practice-a"));
    sweeper.search_person(&listed()).await.expect(200);
    practice.search_person(&listed()).await.expect(200);
    let mut statuses = BTreeMap::<u16, usize>::new();
    for number in 5_000..5_050 {
        let reply = sweeper.search_person(&population::person(number)).await;
        *statuses.entry(reply.status).or_default() += 1;
        if reply.status == 429 {
            assert_eq!(reply.code(), "lookup-limited");
            assert_eq!(reply.text("/fault"), "caller");
            let wait: u64 = reply.header("retry-after").parse().expect("seconds");
            assert!((1..=60).contains(&wait), "{wait}");
        }
    }
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [404, 429]);
    assert!(statuses[&404] <= 8, "{statuses:?}");
    for caller in [&sweeper, &practice] {
        let reply = caller.search_person(&listed()).await.expect(200);
        assert!(reply.header("cache-status").starts_with("argine; hit; "));
    }
    practice
        .search_person(&population::person(4))
        .await
        .expect(200);
}
