//! A gateway that dies in mid-outage starts warm, and what it shows is as old as it is.

use std::time::Duration;

use tests::upstreams::sac::registry::population;
use tests::world::caller::Reply;
use tests::world::prescription::TEST_DOCTOR;
use tests::world::wait::passed;
use tests::world::{Setup, World};

use super::{asked_for, away, listed, stale, unavailable};

/// What is on its way to the disk when an answer has been given may take this long to get there.
const KEPT_WITHIN: Duration = Duration::from_secs(1);

fn as_of(reply: &Reply) -> i64 {
    let as_of: jiff::Timestamp = reply.text("/freshness/as_of").parse().expect("RFC 3339");
    as_of.as_second()
}

#[tokio::test]
async fn a_restart_in_mid_outage_starts_warm_and_honest() {
    let mut world = World::with(Setup::default().soon_stale()).await;
    let caller = world.caller("practice-a");
    let persons: Vec<String> = (1..10)
        .map(|number| population::person(2 * number))
        .collect();
    let mut given = Vec::new();
    for person in &persons {
        given.push(as_of(&caller.search_person(person).await.expect(200)));
    }
    away(&world);
    stale(&caller, &listed()).await;
    passed(KEPT_WITHIN).await;
    world.kill().await;
    world.restart().await.expect("the gateway starts again");
    for (person, given) in persons.iter().zip(given) {
        let reply = caller.search_person(person).await.expect(200);
        assert_eq!(reply.at("/freshness/stale"), true);
        // Counted in whole seconds by two processes.
        let off = as_of(&reply) - given;
        assert!((-2..=1).contains(&off), "{off} s");
        let age: u64 = reply.header("age").parse().expect("whole seconds");
        assert!(age >= KEPT_WITHIN.as_secs(), "{age} s");
        assert_eq!(asked_for(&world, person).len(), 1);
    }
    // Relations outlive the process as well, and so does the want of one.
    let stranger = world.caller("practice-b").with_doctor(TEST_DOCTOR);
    unavailable(&stranger.search_person(&listed()).await);
    stranger
        .break_glass(&listed(), "emergency")
        .await
        .expect(200);
}
