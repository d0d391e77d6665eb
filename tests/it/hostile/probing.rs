//! An organisation that tries tax codes out.

use std::time::Duration;

use serde_json::json;
use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::registry::population::person;
use tests::world::caller::{Caller, answer};
use tests::world::wait::until;
use tests::world::{Setup, World};

/// Persons of the registry; who is beyond them is unknown.
const KNOWN: usize = 20;
const UNKNOWN_MAX: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_tax_codes_out_is_named_and_slowed_and_nobody_else() {
    let setup = Setup::default()
        .population(KNOWN, 1)
        .config("probing.unknown_persons_max", UNKNOWN_MAX)
        .config("probing.wait", "30s");
    let world = World::with(setup).await;
    let (guessing, calm) = (
        world.pharmacy(),
        world.caller("booking-a").acting_as("booking"),
    );
    for known in 0..3 {
        guessing.search_person(&person(known)).await.expect(200);
    }
    for guess in 0..=UNKNOWN_MAX {
        guessing
            .search_person(&person(KNOWN + guess))
            .await
            .expect(404);
    }
    let line = world.logged(&["argine::enumeration", "pharmacy-a"]).await;
    assert!(
        line.contains(r#""unknown":6"#) && line.contains(r#""asked":9"#),
        "{line}"
    );
    assert!(!line.contains(&person(KNOWN)), "{line}");

    let slowed = guessing
        .search_person(&person(KNOWN + 50))
        .await
        .expect(429);
    assert_eq!(slowed.code(), "probing-slowed");
    let wait: u64 = slowed.header("retry-after").parse().expect("seconds");
    assert!((1..=30).contains(&wait), "{wait}");
    guessing.search_person(&person(0)).await.expect(200);
    calm.search_person(&person(KNOWN + 50)).await.expect(404);
    calm.search_person(&person(1)).await.expect(200);
}

/// A search for `tax_code` that is not waited for as long as it takes.
fn hasty(caller: &Caller, tax_code: &str) -> reqwest::RequestBuilder {
    caller
        .request(reqwest::Method::POST, "/v1/assisted-persons/search")
        .header("Content-Type", "application/json")
        .body(json!({ "tax_code": tax_code }).to_string())
}

/// Whoever does not wait for the answer has guessed all the same.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_before_the_answer_is_found_out_all_the_same() {
    for is_dropped in [false, true] {
        let setup = Setup::default()
            .population(KNOWN, 1)
            .config("probing.unknown_persons_max", UNKNOWN_MAX)
            .config("probing.wait", "30s");
        let world = World::with(setup).await;
        let delay = Delay::Fixed { ms: 1_500 };
        world.faults(vec![Rule::on(Operation::Ricerca, Fault::Slow { delay })]);
        let guessing = world.pharmacy();
        for guess in 0..=UNKNOWN_MAX {
            let request = hasty(&guessing, &person(KNOWN + guess));
            if is_dropped {
                let left = answer(request.timeout(Duration::from_millis(400))).await;
                assert!(left.is_err(), "it left before the answer");
            } else {
                let reply = answer(request.header("Prefer", "wait=0")).await;
                let reply = reply.expect("the gateway answers").expect(503);
                assert_eq!(reply.code(), "lookup-unavailable");
            }
        }
        let line = world.logged(&["argine::enumeration", "pharmacy-a"]).await;
        assert!(line.contains(r#""unknown":6"#), "{line}");
        until("it is slowed", Duration::from_secs(5), async || {
            let reply = guessing.search_person(&person(KNOWN + 50)).await;
            (reply.code() == "probing-slowed").then_some(())
        })
        .await;
    }
}
