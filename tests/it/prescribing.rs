//! What a practice sees of its prescriptions, from the first answer to the reminder.

use serde_json::{Value, json};
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::World;
use tests::world::prescription::{
    MISSPELT_DOCTOR, OTHER_PATIENT, PATIENT, by, drug, key, specialist,
};

/// The states of a prescription's events, in order.
fn states(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["state"].as_str().expect("an event names a state"))
        .collect()
}

/// While the SAC is well, the answer to a write is the registration itself: number, code, PDF.
#[tokio::test]
async fn a_registered_prescription_has_number_code_and_reminder() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    for body in [drug(), specialist()] {
        let reply = caller.prescribe(&key(), &body).await.expect(201);
        assert_eq!(reply.text("/state"), "registered");
        let held = world.book();
        let held = held
            .prescription(&reply.text("/nre"))
            .expect("the SAC holds the number");
        assert_eq!(
            reply.text("/codice_autenticazione"),
            held.codice_autenticazione
        );
        assert!(!reply.text("/registered_at").is_empty());

        let id = reply.text("/id");
        assert_eq!(reply.header("location"), format!("/v1/prescriptions/{id}"));
        assert_eq!(
            caller.prescription(&id).await.expect(200).text("/nre"),
            held.nre
        );
        let reminder = caller.reminder(&id).await.expect(200);
        assert_eq!(reminder.header("content-type"), "application/pdf");
        assert!(reminder.bytes.starts_with(b"%PDF-"));
    }
    assert_eq!(world.settled().await.registered, 2);
}

/// A registration that the SAC sent no PDF for says so, and is a registration all the same.
#[tokio::test]
async fn a_registration_without_a_pdf_has_no_reminder() {
    let world = World::start().await;
    world.sac().configure(|live| live.reminder = false);
    let caller = world.caller("practice-a");
    let reply = caller.prescribe(&key(), &drug()).await.expect(201);
    let reminder = caller.reminder(&reply.text("/id")).await.expect(404);
    assert_eq!(reminder.text("/code"), "reminder-not-available");
}

/// What the SAC refuses while the caller waits is a 422 with the SAC's own words.
#[tokio::test]
async fn a_rejection_reaches_the_caller_with_the_notices_of_the_sac() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let mut body = drug();
    // A health unit that the doctor has no contract with: only the SAC's register can know.
    body["prescriber"]["health_unit"] = json!("999");
    let key = key();
    let reply = caller.prescribe(&key, &body).await.expect(422);
    assert_eq!(reply.text("/code"), "upstream-rejected");
    assert_eq!(reply.text("/outcome"), "rejected");
    assert_eq!(reply.text("/notices/0/code"), "1020");
    assert!(!reply.text("/notices/0/text").is_empty());

    let again = caller.prescribe(&key, &body).await.expect(422);
    assert_eq!(again.text("/instance"), reply.text("/instance"));
    let entry = caller.get(&reply.text("/instance")).await.expect(200);
    assert_eq!(entry.text("/state"), "rejected");
    assert_eq!(entry.at("/nre"), Value::Null);
    let tally = world.settled().await;
    assert_eq!((tally.rejected, tally.stored), (1, 1));
    assert!(world.book().prescriptions.is_empty());
}

/// A success with warnings (0001) is a registration, and the warnings are handed on.
#[tokio::test]
async fn warnings_of_the_sac_are_handed_on() {
    let world = World::start().await;
    let caller = world.caller("practice-a").with_doctor(MISSPELT_DOCTOR);
    let reply = caller
        .prescribe(&key(), &by(MISSPELT_DOCTOR, drug()))
        .await
        .expect(201);
    let notices = reply.at("/notices");
    let notices = notices.as_array().expect("notices are a list");
    let has = |kind, code| {
        let wanted = |notice: &&Value| notice["kind"] == kind && notice["code"] == code;
        notices.iter().any(|notice| wanted(&notice))
    };
    assert!(has("warning", "1024"), "{notices:?}");
    assert!(has("communication", "0199"), "{notices:?}");
}

/// During an outage a prescription is accepted, and nothing of it may be given to the patient.
#[tokio::test]
async fn an_accepted_prescription_has_no_number_until_the_sac_is_back() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    let (key, body) = (key(), drug());
    let reply = caller.prescribe(&key, &body).await.expect(202);
    let id = reply.text("/id");
    assert_eq!(reply.header("location"), format!("/v1/prescriptions/{id}"));

    let page = caller.get("/v1/prescriptions").await.expect(200);
    let shown = [reply, caller.prescription(&id).await.expect(200), page];
    let prefix = &world.regional_lot();
    for reply in shown {
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert!(
            !text.contains("\"nre\"") && !text.contains(prefix),
            "{text}"
        );
    }
    let reminder = caller.reminder(&id).await.expect(409);
    assert_eq!(reminder.text("/code"), "not-registered");

    world.recover();
    let entry = caller.until(&id, "registered").await;
    assert!(world.book().prescription(&entry.text("/nre")).is_some());
    assert!(
        caller
            .reminder(&id)
            .await
            .expect(200)
            .bytes
            .starts_with(b"%PDF-")
    );
    let again = caller.prescribe(&key, &body).await.expect(201);
    assert_eq!(again.text("/nre"), entry.text("/nre"));
    assert_eq!(world.settled().await.registered, 1);
}

/// The steps of a life are told in the order in which they happened, one list for each reader.
#[tokio::test]
async fn events_tell_a_life_in_order() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::on(Operation::Invio, Fault::LostAnswer).times(1)]);
    let reply = caller.prescribe(&key(), &drug()).await.expect(202);
    let id = reply.text("/id");
    caller.until(&id, "registered").await;

    let events = caller.events(&id).await;
    let told = states(&events);
    assert_eq!(
        told.first().zip(told.last()),
        Some((&"accepted", &"registered")),
        "{told:?}"
    );
    assert!(told.contains(&"uncertain"), "{told:?}");
    let numbers: Vec<u64> = events
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    assert!(
        numbers.is_sorted() && numbers.len() == events.len(),
        "{numbers:?}"
    );

    let all = caller.get("/v1/events").await.expect(200);
    assert_eq!(all.at("/items"), Value::Array(events.clone()));
    let after = caller
        .get(&format!("/v1/events?after={}", numbers[0]))
        .await
        .expect(200);
    assert_eq!(after.at("/items"), Value::Array(events[1..].to_vec()));
    let others = world
        .caller("practice-b")
        .get("/v1/events")
        .await
        .expect(200);
    assert_eq!(others.at("/items"), json!([]));
}

/// A list is cut into pages that together hold everything once, the newest first.
#[tokio::test]
async fn pages_hold_every_prescription_once() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let mut written = Vec::new();
    for _ in 0..5 {
        let reply = caller.prescribe(&key(), &drug()).await.expect(201);
        written.insert(0, reply.text("/id"));
    }
    let mut listed = Vec::new();
    let mut path = "/v1/prescriptions?limit=2&state=registered".to_owned();
    for _ in 0..3 {
        let page = caller.get(&path).await.expect(200);
        let items = page.at("/items");
        let items = items.as_array().expect("a page has items");
        listed.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let cursor = page.text("/next_cursor");
        path = format!("/v1/prescriptions?limit=2&state=registered&cursor={cursor}");
        assert_eq!(cursor.is_empty(), listed.len() == written.len());
    }
    assert_eq!(listed, written);
    let none = caller
        .get("/v1/prescriptions?state=parked")
        .await
        .expect(200);
    assert_eq!(none.at("/items"), json!([]));
}

/// A practice finds its prescriptions again by number and by patient, and only its own.
#[tokio::test]
async fn a_search_finds_by_number_and_by_person() {
    let world = World::start().await;
    let (caller, other) = (world.caller("practice-a"), world.caller("practice-b"));
    let first = caller.prescribe(&key(), &drug()).await.expect(201);
    let mut body = drug();
    body["patient"]["code"] = json!(OTHER_PATIENT);
    let second = caller.prescribe(&key(), &body).await.expect(201);
    let searches = [
        (
            json!({ "nre": first.text("/nre") }),
            vec![first.text("/id")],
        ),
        (
            json!({ "tax_code": OTHER_PATIENT }),
            vec![second.text("/id")],
        ),
        (json!({ "tax_code": PATIENT, "state": "parked" }), vec![]),
        (
            json!({ "tax_code": PATIENT, "to": "2020-01-01T00:00:00Z" }),
            vec![],
        ),
    ];
    for (query, expected) in searches {
        let page = caller.search(&query).await.expect(200).at("/items");
        let items = page.as_array().expect("a page has items");
        let ids: Vec<_> = items
            .iter()
            .map(|item| item["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected);
        let theirs = other.search(&query).await.expect(200);
        assert_eq!(theirs.at("/items"), json!([]));
    }
}

/// What one organisation wrote does not exist for another.
#[tokio::test]
async fn another_organisation_sees_nothing() {
    let world = World::start().await;
    let (caller, other) = (world.caller("practice-a"), world.caller("practice-b"));
    let reply = caller.prescribe(&key(), &drug()).await.expect(201);
    let path = format!("/v1/prescriptions/{}", reply.text("/id"));
    for path in [
        path.clone(),
        format!("{path}/events"),
        format!("{path}/reminder"),
    ] {
        caller.get(&path).await.expect(200);
        let refused = other.get(&path).await.expect(404);
        assert_eq!(refused.text("/code"), "no-such-prescription");
    }
    let list = other.get("/v1/prescriptions").await.expect(200);
    assert_eq!(list.at("/items"), json!([]));
}

/// One key is one prescription: its repetition is answered from where the entry stands now.
#[tokio::test]
async fn a_repeated_key_is_answered_from_the_present_state() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    world.faults(vec![Rule::on(
        Operation::Invio,
        Fault::Status { status: 503 },
    )]);
    let (key, body) = (key(), drug());
    let waiting = caller.prescribe(&key, &body).await.expect(202);
    let id = waiting.text("/id");
    assert_eq!(
        caller.prescribe(&key, &body).await.expect(202).text("/id"),
        id
    );
    world.recover();
    caller.until(&id, "registered").await;
    assert_eq!(
        caller.prescribe(&key, &body).await.expect(201).text("/id"),
        id
    );

    let reused = caller.prescribe(&key, &drug()).await.expect(422);
    assert_eq!(reused.text("/code"), "key-reused");
    // The key is the organisation's own: another's is another prescription.
    let other = world
        .caller("practice-b")
        .prescribe(&key, &drug())
        .await
        .expect(201);
    assert_ne!(other.text("/id"), id);
    assert_eq!(world.settled().await.stored, 2);
}

/// A caller may bring a number of its own: once, and none of ours.
#[tokio::test]
async fn a_callers_own_number_is_used_once_and_is_none_of_ours() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let own = world.own_number();
    let mut body = drug();
    body["nre"] = json!(own);
    let reply = caller.prescribe(&key(), &body).await.expect(201);
    assert_eq!(reply.text("/nre"), own);
    let mut other = drug();
    other["nre"] = json!(own);
    let used = caller.prescribe(&key(), &other).await.expect(422);
    assert_eq!(
        (used.text("/code"), used.text("/errors/0/pointer")),
        pair("number-used", "/nre")
    );
    let theirs = world
        .caller("practice-b")
        .prescribe(&key(), &other)
        .await
        .expect(422);
    assert_eq!(theirs.text("/code"), "number-used");

    other["nre"] = json!(format!("{}99999", world.regional_lot()));
    let ours = caller.prescribe(&key(), &other).await.expect(422);
    assert_eq!(
        (ours.text("/code"), ours.text("/errors/0/pointer")),
        pair("number-ours", "/nre")
    );
    // Another region's lots are not to be used up here.
    other["nre"] = json!("0200A4000000001");
    let foreign = caller.prescribe(&key(), &other).await.expect(422);
    assert_eq!(foreign.text("/errors/0/rule"), "nre-region");
    assert_eq!(world.settled().await.stored, 1);
}

/// Before it is registered nobody learns a number, not even by guessing it.
#[tokio::test]
async fn a_number_is_found_only_once_it_is_registered() {
    let world = World::start().await;
    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    let caller = world.caller("practice-a");
    let own = world.own_number();
    let mut body = drug();
    body["nre"] = json!(own);
    caller.prescribe(&key(), &body).await.expect(202);
    let query = json!({ "nre": own });
    let found = async || caller.search(&query).await.expect(200).at("/items");
    assert_eq!(found().await, json!([]));
    world.recover();
    assert_eq!(world.settled().await.registered, 1);
    assert_eq!(found().await[0]["nre"], json!(own));
}

fn pair(code: &str, pointer: &str) -> (String, String) {
    (code.to_owned(), pointer.to_owned())
}
