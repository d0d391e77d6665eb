//! One driver for every operation of the description of the API: it is asked for with planted words, and does
//! what it is for.

use reqwest::Method;
use serde_json::{Value, json};
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::registry::population;
use tests::world::caller::{Reply, answer};
use tests::world::gateway;
use tests::world::prescription::{DOCTOR, PATIENT, TEST_DOCTOR, drug, waiting};

use super::operators::{change, withdrawal};
use super::scene::{AUTHOR, CARD, LISTED, PAPER, REASON, Scene, diagnosed, planted};

/// Drives every operation that `argine openapi` prints. One without a driver fails.
pub(super) async fn drive_every_operation(scene: &mut Scene) {
    for operation in operations() {
        let reply = drive(scene, &operation).await;
        assert!(
            (200..300).contains(&reply.status),
            "{operation}: {}",
            reply.code()
        );
    }
}

/// The names of the operations that there are.
fn operations() -> Vec<String> {
    let printed = std::process::Command::new(gateway::binary())
        .arg("openapi")
        .output();
    let printed = printed.expect("the binary can be run").stdout;
    let description: Value = serde_json::from_slice(&printed).expect("it is JSON");
    let paths = description["paths"].as_object().expect("there are paths");
    let methods = paths.values().filter_map(Value::as_object).flatten();
    let names = methods.filter_map(|(_, operation)| operation["operationId"].as_str());
    let names: Vec<_> = names.map(str::to_owned).collect();
    assert!(names.len() > 20, "the description is not whole: {names:?}");
    names
}

async fn drive(scene: &mut Scene, operation: &str) -> Reply {
    let (caller, operator) = (scene.practice(), scene.world.operator());
    match operation {
        "searchAssistedPerson" => look_ups(scene).await,
        "verifyHealthCard" => scene.world.pharmacy().verify_card(LISTED, CARD).await,
        "writePrescription" => writes(scene).await,
        "searchPrescriptions" => searches(scene).await,
        "prescription" => {
            let id = scene.registered().await.id();
            scene.practice().prescription(&id).await
        }
        "prescriptionEvents" => {
            let id = scene.registered().await.id();
            caller.get(&format!("/v1/prescriptions/{id}/events")).await
        }
        "reminder" => {
            let id = scene.registered().await.id();
            let reply = caller.reminder(&id).await;
            assert!(reply.bytes.starts_with(b"%PDF"));
            reply
        }
        "cancelPrescription" => {
            let id = scene.registered().await.id();
            let key = scene.key();
            caller.about_under(&key, &id, "cancel", None).await
        }
        "confirmPaper" | "acknowledge" => doubled(scene, operation).await,
        "prescriptions" => caller.get("/v1/prescriptions").await,
        "events" => caller.get("/v1/events").await,
        "status" => caller.get("/v1/status").await,
        "openapi" => caller.get("/v1/openapi.json").await,
        "keys" => operator.get("/ops/v1/keys").await,
        "rotateKeys" => operator.post("/ops/v1/keys/rotate", &json!({})).await,
        "purgePerson" => operator.purge_person(LISTED).await,
        "policies" => operator.get("/ops/v1/policies").await,
        "toggles" => {
            let reply = operator.get("/ops/v1/toggles").await;
            assert_eq!(reply.status, 200);
            reply
        }
        "setToggle" => {
            let reply = operator.post("/ops/v1/toggles", &change()).await;
            let listed = operator.get("/ops/v1/toggles").await.expect(200);
            let text = String::from_utf8_lossy(&listed.bytes).into_owned();
            assert!(text.contains(REASON) && text.contains(AUTHOR), "{text}");
            reply
        }
        "withdrawToggle" => {
            operator.post("/ops/v1/toggles", &change()).await;
            operator
                .post("/ops/v1/toggles/withdraw", &withdrawal())
                .await
        }
        _ => panic!("{operation} has no driver: plant words in it"),
    }
}

/// A person as each view shows them, to a doctor, a substitute, a citizen, and through the glass.
async fn look_ups(scene: &mut Scene) -> Reply {
    let caller = scene.practice();
    let shown = caller.search_person(LISTED).await.expect(200);
    assert_eq!(shown.text("/family_name"), "BERENGARIO");
    assert_eq!(shown.text("/residence/municipality"), "QUATTORDIO");
    for desk in [scene.world.pharmacy(), scene.world.booking()] {
        desk.search_person(LISTED).await.expect(200);
    }
    let any = scene.world.caller("any-a");
    let citizen = population::person(5);
    scene.words.plant(&citizen);
    let now = jiff::Timestamp::now().to_string();
    let claim = json!({ "subject": citizen, "class_ref": "SpidL2", "instant": now });
    let portal = any
        .clone()
        .acting_as("portal")
        .token()
        .with("citizen_authn", claim);
    let mut substitute = any.clone().with_doctor(TEST_DOCTOR);
    "substitute".clone_into(&mut substitute.profile);
    let substitute = substitute.token().with("substitutes_for", json!(DOCTOR));
    for (token, person) in [(portal, citizen.as_str()), (substitute, LISTED)] {
        scene.words.plant_token(&any.sign(&token));
        let body = json!({ "tax_code": person });
        let path = "/v1/assisted-persons/search";
        let reply = any.ask_with(&token, "POST", path, Some(body)).await;
        assert_eq!(reply.expect(200).text("/tax_code"), person);
    }
    // Only while the SAC is away: otherwise it says no itself.
    let away = Rule::on(Operation::Ricerca, Fault::Refuse);
    scene.world.faults(vec![away]);
    let stranger = scene.world.caller("practice-b").with_doctor(TEST_DOCTOR);
    let reply = stranger.break_glass(LISTED, "emergency").await;
    scene.world.recover();
    reply
}

/// A prescription of either kind, under every kind of token.
async fn writes(scene: &mut Scene) -> Reply {
    scene.registered().await;
    let key = scene.key();
    let caller = scene.practice();
    caller.prescribe(&key, &diagnosed()).await.expect(201);
    // Once more the same.
    let body = planted(drug());
    let key = scene.key();
    let first = caller.prescribe(&key, &body).await.expect(201);
    assert_eq!(caller.prescribe(&key, &body).await.id(), first.id());
    // One of the second in which the gateway began is told to sign again.
    tests::world::wait::passed(std::time::Duration::from_millis(1_100)).await;
    let own = scene.paired(tests::certs::SigningCertificate::Good).await;
    own.expect(201);
    let key = scene.key();
    let vouched = scene.vouched(Method::POST, "/v1/prescriptions");
    let vouched = vouched
        .header("Idempotency-Key", key)
        .header("Content-Type", "application/json")
        .body(planted(drug()).to_string());
    let reply = answer(vouched).await.expect("the gateway answers");
    assert_eq!(reply.status, 201, "a voucher: {}", reply.code());
    let asked = scene.vouched(Method::GET, "/v1/prescriptions");
    answer(asked)
        .await
        .expect("the gateway answers")
        .expect(200);
    let key = scene.key();
    let signed = scene.signed(Method::POST, "/v1/prescriptions", &planted(drug()));
    let reply = answer(signed.header("Idempotency-Key", key)).await;
    reply.expect("the gateway answers")
}

async fn searches(scene: &mut Scene) -> Reply {
    let nre = scene.registered().await.text("/nre");
    let caller = scene.practice();
    let found = caller.search(&json!({ "nre": nre })).await.expect(200);
    assert_eq!(found.text("/items/0/nre"), nre);
    caller.search(&json!({ "tax_code": PATIENT })).await
}

/// One that the SAC applied after its patient had left with a red form: confirmed, and taken note of.
async fn doubled(scene: &mut Scene, operation: &str) -> Reply {
    let lost = Rule::on(Operation::Invio, Fault::LostAnswer).times(1);
    scene.world.faults(vec![lost]);
    let (caller, key) = (scene.practice(), scene.key());
    let late = caller.prescribe(&key, &waiting(planted(drug()))).await;
    let id = late.expect(503).id();
    scene.world.recover();
    caller.until(&id, "conflict").await;
    let paper = caller.paper(&id, PAPER).await;
    match operation {
        "acknowledge" => caller.about(&id, "acknowledge", None).await,
        _ => paper,
    }
}
