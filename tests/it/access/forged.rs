//! Tokens that name a doctor for whom nobody has registered their organisation: the relation that they
//! claim opens nothing.

use serde_json::json;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::caller::Reply;
use tests::world::prescription::{DOCTOR, TEST_DOCTOR, drug, key};

use super::page::{PROFILES, Page};
use super::{Desk, known_to_others, world};

/// A doctor for whom nobody is registered.
const ELSEWHERE: &str = "PNIMRA70A01H501P";

fn is_forged(reply: &Reply) -> bool {
    let is_forged = reply.status == 403 && reply.code() == "substitution-not-registered";
    if is_forged {
        assert!(reply.blames_the_caller());
        assert_eq!(reply.text("/errors/0/rule"), "substitution");
        assert!(!reply.json().to_string().contains(ELSEWHERE));
    }
    is_forged
}

/// For every profile: the claim is nothing, or nothing but a refusal.
#[tokio::test]
async fn a_forged_substitution_is_no_relation() {
    let (world, page) = (world().await, Page::read());
    let person = known_to_others();
    world
        .caller("practice-a")
        .search_person(&person)
        .await
        .expect(200);
    world.faults(vec![Rule::on(Operation::Ricerca, Fault::Refuse)]);
    for profile in PROFILES {
        for doctor in [ELSEWHERE, DOCTOR] {
            let desk = Desk::of(&world, profile).standing_in_for(doctor);
            let reply = desk.search(&person).await;
            let code = reply.code();
            let is_registered = doctor == DOCTOR;
            let may = profile == "substitute"
                && is_registered
                && page.allows(profile, "show-known", "listed-doctor");
            assert_eq!(reply.status == 200, may, "{profile} {doctor}: {code}");
            let forged = profile == "substitute" && !is_registered;
            assert_eq!(is_forged(&reply), forged, "{profile} {doctor}: {code}");
        }
    }
    let mut forger = Desk::of(&world, "substitute").standing_in();
    forger.caller = world.caller("forger-a").with_doctor(TEST_DOCTOR);
    forger.caller.profile = "substitute".to_owned();
    assert!(is_forged(&forger.search(&person).await), "another's list");
}

/// Who writes in another's name stands in for that one.
#[tokio::test]
async fn a_forged_substitution_writes_nothing() {
    let world = world().await;
    let mut body = drug();
    body["substitute"] = json!(TEST_DOCTOR);
    // A practice that is registered for nobody, and one that is for this doctor.
    let alone = world.caller("practice-a").with_doctor(TEST_DOCTOR);
    let reply = alone.prescribe(&key(), &body).await;
    assert!(is_forged(&reply), "{}", reply.code());
    assert_eq!(reply.text("/errors/0/pointer"), "/prescriber/code");
    let write = async |desk: Desk, body| desk.ask("POST", "/v1/prescriptions", Some(body)).await;
    let group = write(Desk::of(&world, "practice"), body.clone()).await;
    assert!(!is_forged(&group), "{}", group.code());
    let named = write(Desk::of(&world, "substitute").standing_in(), body.clone()).await;
    assert!(!is_forged(&named), "{}", named.code());
    let of_another = write(Desk::of(&world, "substitute"), body).await;
    assert!(is_forged(&of_another), "{}", of_another.code());
}
