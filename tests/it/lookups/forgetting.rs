//! What is forgotten: a person who went to another doctor, and one whom an operator purges.

use tests::world::prescription::{DOCTOR, TEST_DOCTOR};
use tests::world::{Setup, World};

use super::{away, listed, stale, unavailable};

/// The doctor who loses a person is denied, and from then on not even shown what was known.
#[tokio::test]
async fn a_doctor_who_lost_a_person_sees_them_no_more() {
    let world = World::with(Setup::default().soon_stale()).await;
    let before = world.caller("practice-a");
    let after = world.caller("practice-b").with_doctor(TEST_DOCTOR);
    before.search_person(&listed()).await.expect(200);
    let moved = world
        .sac()
        .change_registry(|registry| registry.move_to_doctor(&listed(), TEST_DOCTOR));
    assert!(moved, "there is such a person");
    let denied =
        tests::world::wait::until("the SAC is asked again", super::SHOWN_WITHIN, async || {
            let reply = before.search_person(&listed()).await;
            (reply.status != 200).then_some(reply)
        })
        .await;
    assert_eq!(
        (denied.status, denied.code()),
        (403, "lookup-denied".to_owned())
    );
    assert_eq!(denied.text("/notices/0/code"), "6002");

    let shown = after.search_person(&listed()).await.expect(200);
    assert_eq!(shown.text("/doctor/tax_code"), TEST_DOCTOR);
    away(&world);
    stale(&after, &listed()).await;
    unavailable(&before.search_person(&listed()).await);
    // Nor at another desk of that doctor.
    unavailable(
        &world
            .caller("practice-b")
            .with_doctor(DOCTOR)
            .search_person(&listed())
            .await,
    );
}

/// A purge takes every view of a person from memory and disk, and of nobody else.
#[tokio::test]
async fn a_purged_person_is_not_known_any_more() {
    let mut world = World::with(Setup::default().soon_stale()).await;
    let (practice, pharmacy) = (world.caller("practice-a"), world.pharmacy());
    let other = tests::upstreams::sac::registry::population::person(4);
    let held = world
        .sac()
        .assisted(&listed())
        .expect("the registry has them")
        .card;
    practice.search_person(&listed()).await.expect(200);
    practice.search_person(&other).await.expect(200);
    pharmacy.search_person(&listed()).await.expect(200);
    pharmacy.verify_card(&listed(), &held).await.expect(200);
    away(&world);
    stale(&practice, &listed()).await;
    stale(&pharmacy, &listed()).await;

    let refused = practice.purge_person(&listed()).await.expect(403);
    assert_eq!(refused.code(), "profile-not-allowed");
    stale(&practice, &listed()).await;
    let purged = world.operator().purge_person(&listed()).await.expect(204);
    assert!(purged.bytes.is_empty());
    let line = world.logged(&["argine::purge", "operator-a"]).await;
    assert!(!line.contains(&listed()), "{line}");
    unavailable(&practice.search_person(&listed()).await);
    unavailable(&pharmacy.search_person(&listed()).await);
    unavailable(&pharmacy.verify_card(&listed(), &held).await);
    stale(&practice, &other).await;

    world.kill().await;
    world.restart().await.expect("the gateway starts again");
    unavailable(&practice.search_person(&listed()).await);
    stale(&practice, &other).await;
    world
        .operator()
        .purge_person("PNIMRA70A01H501P")
        .await
        .expect(204);
}
