//! A SAC that is well: who is shown what, and in which head.

use serde_json::Value;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::registry::population;
use tests::world::caller::Reply;
use tests::world::prescription::TEST_DOCTOR;
use tests::world::{Setup, World};

use super::{asked_for, listed};

/// An age and a `Cache-Status` as every answer to a look-up has them.
fn head(reply: &Reply) -> (u64, String) {
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(!reply.header("x-ratelimit-limit").is_empty());
    let age = reply.header("age").parse().expect("whole seconds");
    (age, reply.header("cache-status").to_owned())
}

/// The first look-up asks the SAC, the second does not, and both say the same of the person.
#[tokio::test]
async fn a_person_is_looked_up_once_and_then_known() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let held = world
        .sac()
        .assisted(&listed())
        .expect("the registry has them");
    let first = caller.search_person(&listed()).await.expect(200);
    assert_eq!(head(&first), (0, "argine; fwd=miss; stored".to_owned()));
    assert_eq!(first.text("/freshness/source"), "sac");
    assert_eq!(first.at("/freshness/stale"), false);
    let as_of: jiff::Timestamp = first.text("/freshness/as_of").parse().expect("RFC 3339");
    let off = jiff::Timestamp::now().duration_since(as_of).as_secs();
    assert!((0..30).contains(&off), "{off} s");
    assert_eq!(first.text("/tax_code"), held.tax_code);
    assert_eq!(first.text("/family_name"), held.family_name);
    assert_eq!(first.text("/doctor/tax_code"), held.doctor);
    assert_eq!(first.text("/residence/municipality"), held.lives_in);
    assert_eq!(first.text("/health_card/number"), held.card);
    assert_eq!(first.at("/is_assisted"), true);
    assert_eq!(first.at("/died_on"), Value::Null);

    let second = caller.search_person(&listed()).await.expect(200);
    let (age, status) = head(&second);
    let ttl = status.strip_prefix("argine; hit; ttl=").expect("a hit");
    let ttl: u64 = ttl.parse().expect("whole seconds");
    assert!(age <= 30 && (870..900).contains(&ttl), "{age}, {ttl}");
    let without_freshness = |reply: &Reply| {
        let mut body = reply.json();
        body["freshness"].take();
        body
    };
    assert_eq!(without_freshness(&second), without_freshness(&first));
    assert_eq!(asked_for(&world, &listed()).len(), 1);
}

/// A pharmacy's view lacks what is for practices, whatever is known to a practice already; and a
/// practice is not shown the pharmacy's.
#[tokio::test]
async fn every_profile_is_shown_its_own_view() {
    let world = World::start().await;
    world
        .caller("practice-a")
        .search_person(&listed())
        .await
        .expect(200);
    for caller in [world.pharmacy(), world.booking()] {
        for way in ["fwd=miss", "hit"] {
            let reply = caller.search_person(&listed()).await.expect(200);
            let (_, status) = head(&reply);
            assert!(status.starts_with(&format!("argine; {way}")), "{status}");
            let body = reply.json();
            let members = body.as_object().expect("an object");
            assert!(!members.contains_key("residence") && !members.contains_key("doctor"));
            assert!(members.contains_key("exemptions") && members.contains_key("health_card"));
        }
    }
    let practice = world.caller("practice-a").search_person(&listed()).await;
    assert!(!practice.expect(200).text("/doctor/tax_code").is_empty());
    // A practice, a pharmacy and a booking centre: each has asked for itself.
    assert_eq!(asked_for(&world, &listed()).len(), 3);
}

/// Who may not look persons up is told so, before the SAC hears of it.
#[tokio::test]
async fn a_portal_without_a_citizen_and_an_operator_look_nobody_up() {
    let world = World::start().await;
    let refusals = [
        ("portal", "citizen-authn-missing"),
        ("operator", "profile-not-allowed"),
    ];
    for (profile, code) in refusals {
        let caller = world.caller("operator-a").acting_as(profile);
        let reply = caller.search_person(&listed()).await.expect(403);
        assert_eq!(reply.code(), code);
        let card = caller.verify_card(&listed(), "80380001300000000002").await;
        assert_eq!(card.expect(403).code(), code);
    }
    let desk = world.caller("practice-a").without_prescriber();
    let reply = desk.search_person(&listed()).await.expect(403);
    assert_eq!(reply.code(), "prescriber-authn-missing");
    assert!(asked_for(&world, &listed()).is_empty());
}

/// That nobody is registered under a code is told again for a while, with the age of that.
#[tokio::test]
async fn who_is_not_registered_is_not_found() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let unknown = population::person(5_000);
    for _ in 0..2 {
        let reply = caller.search_person(&unknown).await.expect(404);
        assert_eq!(reply.code(), "person-not-found");
        assert_eq!(
            (reply.text("/fault"), reply.text("/upstream")),
            ("caller".to_owned(), "sac".to_owned())
        );
        assert_eq!(reply.header("retry-after"), "");
    }
    assert_eq!(asked_for(&world, &unknown).len(), 1);
    // To another caller it is not told: they may be shown more, or less.
    let other = world.pharmacy().search_person(&unknown).await;
    assert_eq!(other.expect(404).code(), "person-not-found");
    assert_eq!(asked_for(&world, &unknown).len(), 2);
}

/// The SAC's no is a no, in the SAC's words, even where the person is known to somebody else.
#[tokio::test]
async fn a_doctor_of_another_list_is_denied() {
    let world = World::start().await;
    world
        .caller("practice-a")
        .search_person(&listed())
        .await
        .expect(200);
    let other = world.caller("practice-b").with_doctor(TEST_DOCTOR);
    let reply = other.search_person(&listed()).await.expect(403);
    assert_eq!(reply.code(), "lookup-denied");
    assert_eq!(reply.text("/notices/0/code"), "6002");
    assert_eq!(reply.text("/upstream"), "sac");
    // The one it is known to still is shown it, without asking: nobody else can empty the cache.
    let reply = world
        .caller("practice-a")
        .search_person(&listed())
        .await
        .expect(200);
    assert!(reply.header("cache-status").starts_with("argine; hit"));
}

/// A doctor whose authentication the SAC refuses must authenticate again.
#[tokio::test]
async fn an_authentication_that_is_refused_must_be_renewed() {
    let world = World::start().await;
    let before = world.caller("practice-a").authenticated_at(&ago(2));
    let fault = Fault::AuthenticationFault;
    world.faults(vec![Rule::on(Operation::Ricerca, fault).times(1)]);
    for _ in 0..2 {
        let reply = before.search_person(&listed()).await.expect(403);
        assert_eq!(reply.code(), "prescriber-authn-invalid");
        assert_eq!(reply.text("/errors/0/rule"), "refused");
    }
    // The second was not tried: repeating it may revoke the user.
    assert!(asked_for(&world, &listed()).is_empty());
    let after = world.caller("practice-a").authenticated_at(&ago(1));
    after.search_person(&listed()).await.expect(200);
}

/// An instant so many minutes ago.
fn ago(minutes: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes)).to_string()
}

/// One that is too old is refused here, as that of a prescription is.
#[tokio::test]
async fn an_authentication_that_is_too_old_reaches_no_sac() {
    let world = World::with(Setup::default().policy("registry.authn_age_max", "1h")).await;
    let caller = world.caller("practice-a");
    let old = caller.clone().authenticated_at(&ago(61));
    let reply = old.search_person(&listed()).await.expect(403);
    assert_eq!(
        (reply.code(), reply.text("/errors/0/rule")),
        ("prescriber-authn-invalid".to_owned(), "too-old".to_owned())
    );
    assert!(asked_for(&world, &listed()).is_empty());
    caller
        .authenticated_at(&ago(59))
        .search_person(&listed())
        .await
        .expect(200);
}

/// A card holds, or does not and why; the answer has an age like any other.
#[tokio::test]
async fn a_card_is_verified() {
    let world = World::start().await;
    let pharmacy = world.pharmacy();
    let held = world
        .sac()
        .assisted(&listed())
        .expect("the registry has them")
        .card;
    let first = pharmacy.verify_card(&listed(), &held).await.expect(200);
    assert_eq!(first.at("/is_valid"), true);
    assert_eq!(first.text("/kind"), "TS");
    assert_eq!(head(&first), (0, "argine; fwd=miss; stored".to_owned()));
    let again = pharmacy.verify_card(&listed(), &held).await.expect(200);
    assert!(head(&again).1.starts_with("argine; hit; ttl="));
    let new = world
        .sac()
        .change_registry(|registry| registry.replace_card(&listed()));
    let new = new.expect("there is such a person");
    let reply = pharmacy.verify_card(&listed(), &new).await.expect(200);
    assert_eq!(reply.at("/is_valid"), true);
    // What is asked of a practice has a key of its own.
    let practice = world
        .caller("practice-a")
        .verify_card(&listed(), &held)
        .await
        .expect(200);
    assert_eq!(
        (practice.at("/is_valid"), practice.text("/reason")),
        (Value::from(false), "replaced".to_owned())
    );
    let stranger = pharmacy
        .verify_card(&listed(), "80380001300000000007")
        .await
        .expect(200);
    assert_eq!(stranger.text("/reason"), "not-this-person");
    let nobody = pharmacy
        .verify_card(&population::person(5_000), &held)
        .await;
    assert_eq!(nobody.expect(404).code(), "card-not-found");
}
