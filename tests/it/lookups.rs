//! Look-ups as a desk meets them: what it is shown, how old that is, and what it is not shown.
//!
//! That an answer is never younger than it says, whatever the wall clock does between two processes, is
//! tested where the clocks can be moved: `store/tests/persons/clocks.rs`.

mod answers;
mod crowd;
mod forgetting;
mod outage;
mod restart;

use std::time::Duration;

use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::registry::LookUp;
use tests::upstreams::sac::registry::population;
use tests::world::World;
use tests::world::caller::{Caller, Reply};
use tests::world::wait::until;

/// How long something may take to show.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// A person on the list of the doctor who is at every desk, unless a test says otherwise.
fn listed() -> String {
    population::person(2)
}

/// The registry is not to be reached.
fn away(world: &World) {
    world.faults(vec![
        Rule::on(Operation::Ricerca, Fault::Refuse),
        Rule::on(Operation::Tessera, Fault::Refuse),
    ]);
}

/// Every time that somebody was looked up at the SAC.
fn asked_for(world: &World, person: &str) -> Vec<LookUp> {
    let look_ups = world.sac().look_ups().into_iter();
    look_ups
        .filter(|look_up| look_up.tax_code == person)
        .collect()
}

/// What `caller` is shown of `person`, once that is stale.
async fn stale(caller: &Caller, person: &str) -> Reply {
    until("what is known is stale", SHOWN_WITHIN, async || {
        let reply = caller.search_person(person).await.expect(200);
        (reply.at("/freshness/stale") == true).then_some(reply)
    })
    .await
}

/// Asserts that there is nothing to show because of the SAC, and when to come back.
fn unavailable(reply: &Reply) {
    assert_eq!(
        (reply.status, reply.code()),
        (503, "lookup-unavailable".to_owned())
    );
    assert_eq!(reply.text("/upstream"), "sac");
    assert_eq!(reply.text("/outcome"), "not-done");
    assert_eq!(reply.text("/retry"), "later");
    let wait: u64 = reply
        .header("retry-after")
        .parse()
        .expect("a whole number of seconds");
    assert!((1..=60).contains(&wait), "{wait}");
}
