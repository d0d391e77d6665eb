//! A gateway that dies in mid-outage starts warm, and what it shows is as old as it is.

use std::time::Duration;

use tests::upstreams::sac::registry::population;
use tests::world::account::persons_kept;
use tests::world::caller::Reply;
use tests::world::prescription::TEST_DOCTOR;
use tests::world::wait::until;
use tests::world::{Setup, World};

use super::{asked_for, away, listed, stale, unavailable};

/// What is on its way to the disk when an answer has been given may take this long to get there.
const KEPT_WITHIN: Duration = Duration::from_secs(20);

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
    let all = persons.len();
    until("every answer is on disk", KEPT_WITHIN, async || {
        (persons_kept(world.store_dir()) >= all).then_some(())
    })
    .await;
    world.kill().await;
    world.restart().await.expect("the gateway starts again");
    for (person, given) in persons.iter().zip(given) {
        let reply = caller.search_person(person).await.expect(200);
        assert_eq!(reply.at("/freshness/stale"), true);
        // Counted in whole seconds by two processes.
        let off = as_of(&reply) - given;
        assert!((-2..=1).contains(&off), "{off} s");
        let age: u64 = reply.header("age").parse().expect("whole seconds");
        let since = jiff::Timestamp::now().as_second() - given;
        let off = since - i64::try_from(age).expect("an age in seconds");
        assert!((-2..=2).contains(&off), "{age} s, and {since} s ago");
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
