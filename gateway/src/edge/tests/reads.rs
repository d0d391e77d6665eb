//! Prescriptions, events, reminders and the status, as their owners find them again.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use engine::entry::{Document, Event};
use policies::failure::Opaque;
use policies::state::State;
use serde_json::json;

use super::get;
use super::kit::{self, Kit};
use super::store::{NRE, entry, practice};

#[actix_web::test]
async fn an_entry_is_its_writers_alone_and_its_number_waits_for_the_sac() {
    let kit = Kit::new();
    let waiting = kit.shelf.put("a", entry(1, State::Accepted));
    let registered = kit.shelf.put("a", entry(2, State::Registered));
    let anothers = kit.shelf.put("b", entry(3, State::Registered));
    let paths = [waiting, registered, anothers].map(|id| format!("/v1/prescriptions/{id}"));
    let requests = paths.iter().map(|path| get(&kit, path)).collect();
    let heard = kit.ask(requests).await;
    let waiting = heard[0].json();
    assert_eq!(waiting["state"], "accepted");
    assert!(!String::from_utf8_lossy(&heard[0].bytes).contains(NRE));
    assert_eq!(waiting.get("codice_autenticazione"), None);
    let registered = heard[1].json();
    assert_eq!(registered["nre"], NRE);
    assert_eq!(registered["codice_autenticazione"], "010203");
    assert_eq!(registered["notices"][0]["kind"], "warning");
    assert_eq!(
        (heard[2].status.as_u16(), heard[2].code().as_str()),
        (404, "no-such-prescription")
    );
}

#[actix_web::test]
async fn pages_follow_each_other_and_end() {
    let kit = Kit::new();
    for number in 1..=3 {
        kit.shelf.put("a", entry(number, State::Accepted));
    }
    kit.shelf.put("b", entry(9, State::Accepted));
    let cursor = uuid::Uuid::from_u128(2);
    let requests = vec![
        get(&kit, "/v1/prescriptions?limit=2"),
        get(&kit, &format!("/v1/prescriptions?limit=2&cursor={cursor}")),
    ];
    let heard = kit.ask(requests).await;
    let first = heard[0].json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    assert_eq!(first["next_cursor"], cursor.to_string());
    let second = heard[1].json();
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert_eq!(second.get("next_cursor"), None);
}

#[actix_web::test]
async fn what_waits_for_an_acknowledgement_is_asked_for_by_name() {
    let kit = Kit::new();
    let list = |query: &str| get(&kit, &format!("/v1/prescriptions?{query}"));
    let requests = vec![
        list("unacknowledged=true"),
        list("unacknowledged=false"),
        list("state=parked"),
        list("unacknowledged=yes"),
        list("unacknowledged"),
    ];
    let heard = kit.ask(requests).await;
    let codes: Vec<_> = heard.iter().map(|heard| heard.code()).collect();
    assert_eq!(codes, ["", "", "", "query-invalid", "query-invalid"]);
    let filters = kit.shelf.filters.lock().unwrap();
    let asked: Vec<_> = filters.iter().map(|filter| filter.unacknowledged).collect();
    assert_eq!(asked, [true, false, false]);
}

#[actix_web::test]
async fn a_search_takes_a_number_or_a_person_and_refuses_the_rest() {
    let kit = Kit::new();
    let search = |body: serde_json::Value| {
        kit.request(Method::POST, "/v1/prescriptions/search")
            .insert_header(("content-type", "application/json"))
            .set_payload(body.to_string())
    };
    let cases = [
        (json!({"nre": NRE}), Some(0)),
        (
            json!({"tax_code": "RSSMRA80A01H501U", "state": "parked", "limit": 5}),
            Some(0),
        ),
        (json!({}), None),
        (json!({"nre": NRE, "tax_code": "RSSMRA80A01H501U"}), None),
        (json!({"tax_code": "RSSMRA80A01H501X"}), None),
        (json!({"nre": "1"}), None),
        (json!({"nre": NRE, "state": "done"}), None),
        (json!({"nre": NRE, "from": "yesterday"}), None),
        (json!({"nre": NRE, "cursor": "x"}), None),
        (json!({"nre": NRE, "limit": 201}), None),
    ];
    let requests = cases.iter().map(|(body, _)| search(body.clone())).collect();
    for (heard, (body, found)) in kit.ask(requests).await.iter().zip(&cases) {
        match found {
            Some(_) => assert_eq!(heard.status.as_u16(), 200, "{body}"),
            None => assert_eq!(heard.code(), "content-refused", "{body}"),
        }
    }
    let filters = kit.shelf.filters.lock().unwrap();
    assert_eq!(filters[0].number, Some(Opaque(NRE.into())));
    assert_eq!(filters[1].person, Some(Opaque("RSSMRA80A01H501U".into())));
    assert_eq!(filters[1].state, Some(State::Parked));
}

#[actix_web::test]
async fn a_number_is_found_once_it_is_registered() {
    let kit = Kit::new();
    let states = [
        State::Accepted,
        State::Uncertain,
        State::Rejected,
        State::Registered,
        State::Cancelled,
    ];
    for (number, state) in (1..).zip(states) {
        kit.shelf.put("a", entry(number, state));
    }
    let search = |body: serde_json::Value| {
        kit.request(Method::POST, "/v1/prescriptions/search")
            .insert_header(("content-type", "application/json"))
            .set_payload(body.to_string())
    };
    let requests = vec![
        search(json!({"nre": NRE})),
        search(json!({"tax_code": "RSSMRA80A01H501U"})),
    ];
    let heard = kit.ask(requests).await;
    let found = |heard: &kit::Heard| {
        let page = heard.json();
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&heard[0]), ["cancelled", "registered"]);
    assert_eq!(found(&heard[1]).len(), states.len());
}

#[actix_web::test]
async fn a_reminder_is_the_sacs_or_an_honest_refusal() {
    let kit = Kit::new();
    let ids = [1, 2, 3].map(|number| kit.shelf.put("a", entry(number, State::Registered)));
    *kit.shelf.documents.lock().unwrap() = vec![
        (ids[0], Document::Found(Opaque(b"%PDF-1.4".to_vec()))),
        (ids[1], Document::NotRegistered(State::Accepted)),
        (ids[2], Document::None),
    ];
    let anothers = kit.shelf.put("b", entry(4, State::Registered));
    let requests = ids.into_iter().chain([anothers]);
    let requests = requests
        .map(|id| get(&kit, &format!("/v1/prescriptions/{id}/reminder")))
        .collect();
    let heard = kit.ask(requests).await;
    assert_eq!(heard[0].header("content-type"), "application/pdf");
    assert_eq!(heard[0].bytes, b"%PDF-1.4");
    let refused: Vec<_> = heard[1..].iter().map(|heard| heard.code()).collect();
    assert_eq!(
        refused,
        [
            "not-registered",
            "reminder-not-available",
            "no-such-prescription"
        ]
    );
    assert_eq!(heard[1].status.as_u16(), 409);
}

#[actix_web::test]
async fn events_are_heard_once_each_and_by_their_owner() {
    let kit = Kit::new();
    let id = kit.shelf.put("a", entry(1, State::Registered));
    let event = |owner: &str, seq| {
        let event = Event {
            seq,
            at: kit::THEN,
            entry: id,
            state: State::Registered,
            reason: None,
        };
        (practice(owner), event)
    };
    *kit.shelf.events.lock().unwrap() = vec![event("a", 3), event("b", 4), event("a", 7)];
    let requests = vec![
        get(&kit, "/v1/events?limit=1"),
        get(&kit, "/v1/events?after=3"),
        get(&kit, "/v1/events?after=7"),
        get(&kit, &format!("/v1/prescriptions/{id}/events")),
    ];
    let heard: Vec<_> = kit
        .ask(requests)
        .await
        .iter()
        .map(|heard| heard.json())
        .collect();
    let sequence = |page: &serde_json::Value| {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|event| event["seq"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (sequence(&heard[0]), &heard[0]["next_cursor"]),
        (vec![3], &json!("3"))
    );
    assert_eq!(
        (sequence(&heard[1]), &heard[1]["next_cursor"]),
        (vec![7], &json!("7"))
    );
    assert_eq!(
        (sequence(&heard[2]), &heard[2]["next_cursor"]),
        (vec![], &json!("7"))
    );
    assert_eq!(heard[3]["items"].as_array().unwrap().len(), 3);
}

#[actix_web::test]
async fn the_service_itself_needs_no_token_and_is_503_without_the_store() {
    let serving = Kit::new();
    let heard = serving.ask_one(TestRequest::with_uri("/v1/status")).await;
    assert_eq!(heard.status.as_u16(), 200);
    assert_eq!(heard.header("content-type"), "application/problem+json");
    let status = heard.json();
    assert_eq!(
        (&status["state"], &status["waiting"]),
        (&json!("serving"), &json!(2))
    );
    assert_eq!(status["lanes"][0]["name"], "sac.lots");
    assert_eq!(status["lanes"][1]["gates"].as_array().unwrap().len(), 4);
    assert_eq!(status["numbers_left"], 500);

    let description = Kit::new();
    let request = TestRequest::with_uri("/v1/openapi.json");
    let heard = description.ask_one(request).await;
    assert_eq!(heard.json()["openapi"], "3.1.0");

    let down = Kit::new();
    *down.shelf.is_unavailable.lock().unwrap() = true;
    let heard = down.ask_one(TestRequest::with_uri("/v1/status")).await;
    assert_eq!(
        (heard.status.as_u16(), heard.code().as_str()),
        (503, "store-unreadable")
    );
    assert!(!heard.header("retry-after").is_empty());
}
