//! A SAC that fails: what is known is shown with its age to whoever is related to it, and to nobody
//! else.

use std::time::Duration;

use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::caller::Reply;
use tests::world::prescription::TEST_DOCTOR;
use tests::world::wait::until;
use tests::world::{Setup, World};

use super::{SHOWN_WITHIN, asked_for, away, listed, stale, unavailable};

/// What a stale answer says of how it was come by, and why: `fwd=stale` of a request that went out,
/// `hit` of one that did not.
fn why(reply: &Reply) -> String {
    let age: i64 = reply.header("age").parse().expect("whole seconds");
    let status = reply.header("cache-status").to_owned();
    let (way, rest) = status.split_once("; ttl=").expect("a time to live");
    let (ttl, detail) = rest.split_once("; detail=").expect("a reason");
    let ttl: i64 = ttl.parse().expect("whole seconds");
    assert!(ttl < 0 && -ttl <= age + 1, "{age}: {status}");
    let expected = match detail {
        "gate-open" | "lane-busy" | "upstream-unreachable" => "argine; hit",
        _ => "argine; fwd=stale",
    };
    assert_eq!(way, expected, "{status}");
    assert_eq!(reply.at("/freshness/stale"), true);
    detail.to_owned()
}

/// However the SAC fails, the doctor sees who is on the list; who has no relation is refused.
#[tokio::test]
async fn every_failure_of_the_sac_shows_what_is_known() {
    let world = World::with(Setup::default().soon_stale()).await;
    let caller = world.caller("practice-a");
    let shown = caller.search_person(&listed()).await.expect(200);
    let slow = Fault::Slow {
        delay: Delay::Fixed { ms: 1_500 },
    };
    let cases = [
        (Fault::Refuse, "upstream-unreachable"),
        (Fault::Hang, "upstream-timeout"),
        (slow, "upstream-timeout"),
        (Fault::Garbage, "upstream-garbage"),
        (Fault::Status { status: 503 }, "upstream-unavailable"),
        (Fault::MaintenancePage, "upstream-garbage"),
        (Fault::ResetAfter, "upstream-reset"),
    ];
    for (fault, reason) in cases {
        world.recover();
        until("the gate lets calls pass", SHOWN_WITHIN, async || {
            let reply = caller.search_person(&listed()).await.expect(200);
            reply
                .header("cache-status")
                .ends_with("; stored")
                .then_some(())
        })
        .await;
        println!("{fault:?}");
        world.faults(vec![Rule::on(Operation::Ricerca, fault)]);
        let reply = stale(&caller, &listed()).await;
        assert_eq!(why(&reply), reason);
        assert_eq!(reply.text("/family_name"), shown.text("/family_name"));
    }
}

/// Once the gate is open nobody waits for the SAC any more, and the status says so.
#[tokio::test]
async fn an_open_gate_shows_what_is_known_at_once() {
    let setup = Setup::default()
        .soon_stale()
        .policy("registry.gate.open_for", "10s");
    let setup = setup.policy("registry.gate.open_for_max", "10s");
    let world = World::with(setup).await;
    let caller = world.caller("practice-a");
    caller.search_person(&listed()).await.expect(200);
    away(&world);
    let reply = until("the gate is open", SHOWN_WITHIN, async || {
        let reply = caller.search_person(&listed()).await.expect(200);
        reply
            .header("cache-status")
            .contains("gate-open")
            .then_some(reply)
    })
    .await;
    assert_eq!(why(&reply), "gate-open");
    let status = caller.get("/v1/status").await.expect(200);
    assert_eq!(status.text("/state"), "degraded");
    let lanes = status.at("/lanes");
    let lane = lanes
        .as_array()
        .into_iter()
        .flatten()
        .find(|lane| lane["name"] == "sac.registry");
    let gates = lane.expect("the lane of look-ups is shown")["gates"].clone();
    let gates = gates.as_array().expect("a list");
    assert_eq!(gates.len(), 2);
    assert!(
        gates
            .iter()
            .any(|gate| gate["operation"] == "ricerca" && gate["state"] == "open")
    );
}

/// An unrelated practice is shown nothing of what is cached for another, unless it breaks the glass;
/// that leaves a line in the log with its reason.
#[tokio::test]
async fn a_stranger_sees_nothing_without_breaking_the_glass() {
    let world = World::with(Setup::default().soon_stale()).await;
    world
        .caller("practice-a")
        .search_person(&listed())
        .await
        .expect(200);
    away(&world);
    stale(&world.caller("practice-a"), &listed()).await;

    let stranger = world.caller("practice-b").with_doctor(TEST_DOCTOR);
    unavailable(&stranger.search_person(&listed()).await);
    unavailable(&world.pharmacy().search_person(&listed()).await);
    // The doctor on whose list the person is, at another practice: related by the list alone.
    let elsewhere = world.caller("practice-b");
    elsewhere.search_person(&listed()).await.expect(200);

    for reason in ["emergency", "substitution", "continuity-of-care"] {
        let reply = stranger.break_glass(&listed(), reason).await.expect(200);
        assert_eq!(reply.at("/freshness/stale"), true);
        let line = world.logged(&["argine::break_glass", reason]).await;
        for part in ["practice-b", "practice", "WARN", "trace_id"] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains(&listed()), "{line}");
    }
    // Having broken it once is no relation.
    unavailable(&stranger.search_person(&listed()).await);
    let pharmacy = world
        .pharmacy()
        .break_glass(&listed(), "emergency")
        .await
        .expect(403);
    assert_eq!(pharmacy.code(), "profile-not-allowed");
}

/// Past `stale_for` nothing is shown any more, on time, and not even to whoever breaks the glass.
#[tokio::test]
async fn nothing_is_shown_past_its_bound() {
    let bound = Duration::from_secs(2);
    let setup = Setup::default()
        .soon_stale()
        .policy("registry.freshness.stale_for", "2s");
    let world = World::with(setup.policy("registry.cache.sweep_every", "1s")).await;
    let caller = world.caller("practice-a");
    caller.search_person(&listed()).await.expect(200);
    away(&world);
    let refused = until("it has expired", SHOWN_WITHIN, async || {
        let reply = caller.search_person(&listed()).await;
        if reply.status == 200 {
            let age: u64 = reply.header("age").parse().expect("whole seconds");
            assert!(age < bound.as_secs(), "{age} s");
            return None;
        }
        Some(reply)
    })
    .await;
    unavailable(&refused);
    for _ in 0..20 {
        unavailable(&caller.search_person(&listed()).await);
        unavailable(&caller.break_glass(&listed(), "emergency").await);
    }
    assert!(asked_for(&world, &listed()).len() <= 2);
}

/// A desk that will not wait is answered when it said, with what is known.
#[tokio::test]
async fn who_waits_less_is_answered_earlier() {
    let world = World::with(
        Setup::default()
            .soon_stale()
            .policy("registry.answer_within", "20s")
            .policy("registry.calls.read_within", "20s"),
    )
    .await;
    let caller = world.caller("practice-a");
    caller.search_person(&listed()).await.expect(200);
    stale_under_hang(&world, &caller).await;
}

async fn stale_under_hang(world: &World, caller: &tests::world::caller::Caller) {
    world.faults(vec![Rule::on(Operation::Ricerca, Fault::Hang)]);
    let query = serde_json::json!({ "tax_code": listed() });
    let began = tokio::time::Instant::now();
    let reply = until("what is known is stale", SHOWN_WITHIN, async || {
        let request = caller.person_search(&query).header("Prefer", "wait=1");
        let reply = tests::world::caller::answer(request).await.ok()?;
        (reply.at("/freshness/stale") == true).then_some(reply)
    })
    .await;
    assert_eq!(why(&reply), "upstream-timeout");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it was made to wait"
    );
}
