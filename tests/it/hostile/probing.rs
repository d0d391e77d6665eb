//! An organisation that tries tax codes out.

use tests::upstreams::sac::registry::population::person;
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
