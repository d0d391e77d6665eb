//! No tax code, name, number or clinical word leaves in a log, an error or a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::certs::PIN_CODE;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::caller::{Caller, answer};
use tests::world::prescription::{
    DOCTOR, FAMILY_NAME, PATIENT, TEST_DOCTOR, by, consenting, drug, key, specialist, waiting,
};
use tests::world::wait::until;
use tests::world::{Setup, World};

use crate::signals::collector::{Collector, Manner};
use crate::signals::page;

/// What stands in the prescriptions of this test and may stand nowhere else.
const PLANTED: [&str; 14] = [
    PATIENT,
    DOCTOR,
    TEST_DOCTOR,
    FAMILY_NAME,
    "ZEBEDEO",
    "VIA DEI PIOPPI",
    "LEVETIRACETAM",
    "IPERTENSIONE",
    PIN_CODE,
    PAPER,
    LISTED,
    CARD,
    "QUATTORDIO",
    "BERENGARIO",
];

/// A person on the doctor's list, and the card they hold.
const LISTED: &str = "DBBLCU30C03G482N";
const CARD: &str = "80380001300000000002";

const SOON: Duration = Duration::from_secs(10);

/// The number of a red form.
const PAPER: &str = "130227418529637";

/// Prescriptions of every fate, with the planted words in every place a caller can put them.
async fn every_fate(world: &World, caller: &Caller) {
    let planted = |mut body: serde_json::Value| {
        body["patient"]["given_name"] = json!("ZEBEDEO");
        body["patient"]["address"]["street"] = json!("VIA DEI PIOPPI, 1");
        body
    };
    let registered = caller.prescribe(&key(), &planted(drug())).await.expect(201);
    caller
        .prescribe(&key(), &planted(specialist()))
        .await
        .expect(201);
    caller.reminder(&registered.text("/id")).await.expect(200);
    caller
        .search(&json!({ "nre": registered.text("/nre") }))
        .await
        .expect(200);
    caller
        .search(&json!({ "tax_code": PATIENT }))
        .await
        .expect(200);

    let mut rejected = planted(drug());
    rejected["prescriber"]["health_unit"] = json!("999");
    caller.prescribe(&key(), &rejected).await.expect(422);
    let faults = [
        Fault::LostAnswer,
        Fault::OtherNumber,
        Fault::Truncated,
        Fault::Garbage,
        Fault::MaintenancePage,
        Fault::SchemaFault,
        Fault::AuthenticationFault,
    ];
    for fault in faults {
        world.faults(vec![Rule::on(Operation::Invio, fault).times(1)]);
        caller.prescribe(&key(), &planted(drug())).await;
    }
    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    caller.prescribe(&key(), &planted(drug())).await;
}

/// What is done about prescriptions, and what is looked after when they were given up.
async fn every_regret(world: &World, caller: &Caller) {
    world.recover();
    // The authentication before was refused.
    let caller = &caller.clone().with_doctor(DOCTOR);
    let mut ids = Vec::new();
    for body in [drug(), consenting(drug())] {
        let id = caller.prescribe(&key(), &body).await.id();
        caller.until(&id, "registered").await;
        ids.push(id);
    }
    caller.about(&ids[0], "cancel", None).await.expect(200);
    caller.paper(&ids[1], PAPER).await.expect(200);
    caller.until_reason(&ids[1], "annulled").await;
    world.faults(vec![Rule::on(Operation::Invio, Fault::LostAnswer).times(1)]);
    let late = caller.prescribe(&key(), &waiting(drug())).await.expect(503);
    let late = late.id();
    caller.until(&late, "conflict").await;
    caller.paper(&late, PAPER).await.expect(200);
    caller.about(&late, "acknowledge", None).await.expect(200);
    // Numbers where they should not be.
    for number in [PATIENT, "130227418529637X", "x"] {
        let reply = caller.paper(&late, number).await.expect(422);
        clean("an answer", &reply.bytes, &PLANTED);
    }
    let odd = caller.paper(PAPER, PAPER).await.expect(404);
    clean("an answer", &odd.bytes, &PLANTED);
}

/// Look-ups of every fate, of a person with planted names.
async fn every_lookup(world: &World) {
    world.recover();
    world.sac().change_registry(|registry| {
        let person = registry.find_mut(LISTED).expect("the registry has them");
        "BERENGARIO".clone_into(&mut person.family_name);
        "QUATTORDIO".clone_into(&mut person.lives_in);
        assert_eq!(person.card, CARD);
    });
    let caller = world.caller("practice-a");
    let shown = caller.search_person(LISTED).await.expect(200);
    assert_eq!(shown.text("/family_name"), "BERENGARIO");
    assert_eq!(shown.text("/residence/municipality"), "QUATTORDIO");
    for desk in [world.pharmacy(), world.booking()] {
        desk.search_person(LISTED).await.expect(200);
        desk.verify_card(LISTED, CARD).await.expect(200);
        let unrelated = desk.verify_card(DOCTOR, CARD).await.expect(200);
        assert_eq!(unrelated.text("/reason"), "not-this-person");
    }
    let stranger = world.caller("practice-b").with_doctor(TEST_DOCTOR);
    let denied = stranger.search_person(LISTED).await.expect(403);
    clean("an answer", &denied.bytes, &PLANTED);
    let faults = [
        Fault::Garbage,
        Fault::Truncated,
        Fault::SchemaFault,
        Fault::Refuse,
    ];
    for fault in faults {
        world.faults(vec![Rule::everywhere(fault)]);
        let refused = stranger.search_person(LISTED).await;
        assert!(refused.status >= 400, "{}", refused.status);
        clean("an answer", &refused.bytes, &PLANTED);
        stranger.break_glass(LISTED, "emergency").await.expect(200);
    }
    let purged = world.operator().purge_person(PATIENT).await.expect(204);
    clean("an answer", &purged.bytes, &PLANTED);
    // Numbers where they should not be.
    for (code, card) in [(CARD, LISTED), (LISTED, LISTED), (FAMILY_NAME, CARD)] {
        let reply = caller.verify_card(code, card).await.expect(422);
        clean("an answer", &reply.bytes, &PLANTED);
    }
    let reply = caller.break_glass(LISTED, LISTED).await.expect(422);
    clean("an answer", &reply.bytes, &PLANTED);
    let url = format!("/v1/assisted-persons/search?tax_code={LISTED}");
    let reply = caller.get(&url).await.expect(405);
    clean("an answer", &reply.bytes, &PLANTED);
}

/// The same words where no caller should put them: paths, queries, headers, keys, broken bodies.
async fn every_mistake(caller: &Caller) {
    for path in [
        format!("/v1/prescriptions/{PATIENT}"),
        format!("/v1/prescriptions?tax_code={PATIENT}"),
        format!("/v1/prescriptions?{PATIENT}=1"),
        format!("/{FAMILY_NAME}/{PATIENT}"),
    ] {
        let reply = caller.get(&path).await;
        assert!((400..500).contains(&reply.status), "{path}");
        clean("an answer", &reply.bytes, &PLANTED);
    }
    let mut keyed = drug();
    keyed[PATIENT] = json!(FAMILY_NAME);
    let mut wrong = drug();
    wrong["patient"]["code"] = json!("PNIMRA70A01H501X");
    wrong["visit"] = json!(FAMILY_NAME);
    for body in [keyed, wrong, json!(PATIENT), json!([PATIENT])] {
        let reply = caller.prescribe(&key(), &body).await;
        assert!((400..500).contains(&reply.status));
        clean("an answer", &reply.bytes, &PLANTED);
    }
    let broken = format!("{{\"patient\": {{\"code\": \"{PATIENT}\", {FAMILY_NAME}");
    let request = caller
        .request(Method::POST, "/v1/prescriptions")
        .header("Idempotency-Key", PATIENT)
        .header("User-Agent", FAMILY_NAME)
        .header("Prefer", format!("wait={PATIENT}"))
        .header("traceparent", PATIENT)
        .header("Content-Type", "application/json")
        .body(broken);
    let reply = answer(request).await.expect("a bad request is answered");
    clean("an answer", &reply.bytes, &PLANTED);
    let method = Method::from_bytes(FAMILY_NAME.as_bytes()).expect("a method is any word");
    let odd = caller.request(method, "/v1/prescriptions");
    drop(answer(odd).await);
}

/// Fails if one of `words` stands in `bytes`, whatever their case.
fn clean(what: &str, bytes: &[u8], words: &[impl AsRef<str>]) {
    let text = String::from_utf8_lossy(bytes).to_uppercase();
    for word in words.iter().map(AsRef::as_ref) {
        let Some(at) = text.find(&word.to_uppercase()) else {
            continue;
        };
        let from = text.floor_char_boundary(at.saturating_sub(120));
        let until = text.ceil_char_boundary((at + 120).min(text.len()));
        panic!("{what} holds {word:?}: …{}…", &text[from..until]);
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory).expect("the store's directory can be listed");
    let paths = listed.map(|entry| entry.expect("an entry has a name").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Everything that must not be found: what was sent in, what the SAC gave out, and the token.
fn words(world: &World, token: &str) -> Vec<String> {
    let mut words: Vec<String> = PLANTED.iter().map(|word| (*word).to_owned()).collect();
    for held in world.book().prescriptions {
        words.extend([held.nre, held.codice_autenticazione]);
    }
    words.extend(
        world
            .book()
            .received
            .into_iter()
            .map(|received| received.nre),
    );
    words.extend(token.split('.').map(str::to_owned));
    assert!(
        words.len() > PLANTED.len() + 10,
        "too little happened to show anything"
    );
    words
}

/// Everything the process printed at its most talkative, and everything it left on disk when it was
/// killed: none of it names a person, a number, a code or a drug.
#[tokio::test]
async fn nothing_personal_is_printed_or_stored_in_clear() {
    let collector = Collector::start(Manner::Takes).await;
    let talkative = Setup::default()
        .watching()
        .config("log.level", "trace")
        .config("signals.otlp_url", collector.url())
        .config("signals.sample_share", 1)
        .config("signals.metrics_address", "127.0.0.1:0");
    let mut world = World::with(talkative).await;
    let caller = world.caller("practice-a");
    every_fate(&world, &caller).await;
    every_regret(&world, &caller).await;
    let doctor = world.caller("practice-a").with_doctor(TEST_DOCTOR);
    world.recover();
    doctor.prescribe(&key(), &by(TEST_DOCTOR, drug())).await;
    every_lookup(&world).await;
    every_mistake(&caller).await;
    let token = caller.signed();
    let reply = answer(caller.bare(Method::GET, "/v1/events").bearer_auth(&token)).await;
    assert_eq!(reply.expect("the token is good").status, 200);
    let metrics = page::get(page::address(&world).await, "/metrics").await;
    until("every kind of span is exported", SOON, async || {
        let spans = collector.spans();
        let kinds = ["GET /v1/events", "attempt", "call"];
        let is_there = |kind: &str| spans.iter().any(|span| span.name == kind);
        kinds.into_iter().all(is_there).then_some(())
    })
    .await;
    world.kill().await;

    let words = words(&world, &token);
    let output = world.output();
    assert!(
        output.contains("practice-a"),
        "the output does not even name its callers"
    );
    clean("the output", output.as_bytes(), &words);
    assert!(metrics.contains("state=\"rejected\""), "{metrics}");
    clean("the metrics", metrics.as_bytes(), &words);
    clean("the spans", &collector.bytes(), &words);
    let stored = files(world.store_dir());
    assert!(
        stored.iter().any(|file| file.ends_with("persons.db")),
        "what is known of persons was not searched"
    );
    let mut organization_seen = false;
    for file in stored {
        let bytes = fs::read(&file).expect("a file of the store can be read");
        organization_seen |= bytes.windows(10).any(|window| window == b"practice-a");
        clean(&file.display().to_string(), &bytes, &words);
    }
    assert!(
        organization_seen,
        "the files that were searched are not the store's"
    );
}
