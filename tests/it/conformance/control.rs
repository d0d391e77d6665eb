//! The control port and the limits, as a demo or an operator uses them.

use serde_json::{Value, json};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::settings::Capacity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{DOCTOR, PATIENT, Sac};
use super::messages::{drug, person, view};

/// One request to the control port: its status and its JSON.
async fn control(sac: &Sac, method: &str, path: &str, body: Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(sac.simulator.control_address())
        .await
        .unwrap();
    let body = body.to_string();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        if let Ok(json) = serde_json::from_str(body) {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            return (status, json);
        }
    }
}

#[tokio::test]
async fn faults_are_set_shown_and_lifted() {
    let sac = Sac::start();
    let rules = json!([
        { "operation": "invio", "fault": { "kind": "status", "status": 503 }, "times": 1 },
        { "operation": "*", "fault": { "kind": "slow", "delay": { "shape": "fixed", "ms": 1 } } },
    ]);
    let (status, shown) = control(&sac, "PUT", "/faults", rules).await;
    assert_eq!(
        (status, &shown[0]["times"], &shown[1]["share"]),
        (200, &json!(1), &json!(1.0))
    );
    assert_eq!(sac.call(&drug(&sac.number())).await.status, 503);
    sac.call(&drug(&sac.number())).await.assert_done();
    let (_, shown) = control(&sac, "GET", "/faults", Value::Null).await;
    assert_eq!(shown[0]["times"], 0);
    let refuse = json!([{ "operation": "*", "fault": { "kind": "refuse" } }]);
    control(&sac, "PUT", "/faults", refuse).await;
    TcpStream::connect(sac.simulator.address())
        .await
        .unwrap_err();
    assert_eq!(
        control(&sac, "DELETE", "/faults", Value::Null).await,
        (200, json!([]))
    );
    sac.call(&drug(&sac.number())).await.assert_done();
}

#[tokio::test]
async fn a_rule_that_makes_no_sense_is_refused() {
    let sac = Sac::start();
    let cases = [
        json!([{ "operation": "invio", "fault": { "kind": "no-such" } }]),
        json!([{ "operation": "no-such", "fault": { "kind": "hang" } }]),
        json!([{ "operation": "*", "fault": { "kind": "hang" }, "shares": 0.5 }]),
        json!([{ "operation": "*", "fault": { "kind": "hang" }, "share": 1.5 }]),
        json!([{ "operation": "*", "fault": { "kind": "refuse" }, "share": 0.5 }]),
        json!({}),
    ];
    for rules in cases {
        assert_eq!(
            control(&sac, "PUT", "/faults", rules.clone()).await.0,
            422,
            "{rules}"
        );
    }
    assert_eq!(
        control(&sac, "GET", "/faults", Value::Null).await.1,
        json!([])
    );
}

#[tokio::test]
async fn the_book_is_open() {
    let sac = Sac::start();
    let number = sac.number();
    sac.call(&drug(&number)).await.assert_done();
    let (_, book) = control(&sac, "GET", "/book", Value::Null).await;
    let held = &book["prescriptions"][0];
    assert_eq!(
        (&held["nre"], &held["doctor"]),
        (&json!(number), &json!(DOCTOR))
    );
    assert_eq!(
        (&held["patient"], &held["state"]),
        (&json!(PATIENT), &json!(3))
    );
    assert_eq!(held["codice_autenticazione"].as_str().unwrap().len(), 30);
    assert_eq!(book["calls"]["invio"]["answered"], 1);
    assert_eq!(book["received"][0]["outcome"], "0000");
    assert_eq!(book["lots"][0]["prefix"], "1300A30042");
}

#[tokio::test]
async fn a_state_is_moved_along_its_transitions() {
    let sac = Sac::start();
    let number = sac.number();
    sac.call(&drug(&number)).await.assert_done();
    let path = format!("/book/{number}/state");
    assert_eq!(
        control(&sac, "POST", &path, json!({ "state": 8 })).await.0,
        409
    );
    assert_eq!(
        control(&sac, "POST", &path, json!({ "state": 5 })).await.0,
        200
    );
    assert_eq!(
        control(&sac, "POST", &path, json!({ "state": 8 })).await.0,
        200
    );
    assert_eq!(
        sac.call(&view(&number, DOCTOR)).await.text("statoProcesso"),
        "8"
    );
    assert_eq!(
        control(&sac, "POST", "/book/x/state", json!({ "state": 5 }))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn settings_change_by_the_key() {
    let sac = Sac::start();
    let change = json!({ "reminder": false, "regional_sentence": "FRASE" });
    let (status, settings) = control(&sac, "PUT", "/settings", change).await;
    assert_eq!((status, &settings["reminder"]), (200, &json!(false)));
    assert!(settings["doctors"].as_array().unwrap().len() > 1);
    let reply = sac.call(&drug(&sac.number())).await;
    assert_eq!(reply.text("flagPromemoria"), "1");
    assert!(reply.texts("pdfPromemoria").is_empty());
    assert_eq!(reply.texts("codice"), ["0199", "0198", "0197", "0100"]);
    assert_eq!(
        control(&sac, "PUT", "/settings", json!({ "no_such": 1 }))
            .await
            .0,
        422
    );
    let (status, lot) = control(&sac, "POST", "/lots", json!({ "kind": 6 })).await;
    assert_eq!((status, lot["prefix"].as_str().unwrap().len()), (200, 8));
    assert_eq!(control(&sac, "GET", "/no-such", Value::Null).await.0, 404);
}

#[tokio::test]
async fn what_is_beyond_its_capacity_is_turned_away() {
    let sac = Sac::start();
    sac.simulator.configure(|live| {
        live.capacity = Some(Capacity {
            concurrent: Some(0),
            per_second: None,
        });
    });
    assert_eq!(sac.call(&drug(&sac.number())).await.status, 503);
    sac.simulator.configure(|live| {
        live.capacity = Some(Capacity {
            concurrent: Some(1),
            per_second: Some(1_000),
        });
    });
    for _ in 0..3 {
        sac.call(&drug(&sac.number())).await.assert_done();
    }
    sac.simulator.configure(|live| {
        live.capacity = Some(Capacity {
            concurrent: None,
            per_second: Some(0),
        });
    });
    assert_eq!(sac.call(&drug(&sac.number())).await.status, 503);
    let book = sac.simulator.book();
    let calls = book.calls(Operation::Invio);
    assert_eq!(
        (calls.received, calls.answered, calls.over_capacity),
        (5, 3, 2)
    );
    assert!((1..=5).contains(&book.peak_per_second));
}

#[tokio::test]
async fn assisted_persons_are_moved_given_cards_and_removed() {
    let sac = Sac::start();
    let of_patient = json!({ "tax_code": PATIENT });
    let before = sac.simulator.assisted(PATIENT).unwrap();
    let moved = json!({ "tax_code": PATIENT, "doctor": "RSSMRA80A01H501U" });
    let (status, _) = control(&sac, "POST", "/registry/move", moved).await;
    assert_eq!(status, 200);
    let (status, new) = control(&sac, "POST", "/registry/replace-card", of_patient.clone()).await;
    assert_eq!(status, 200);
    let after = sac.simulator.assisted(PATIENT).unwrap();
    assert_eq!(after.doctor, "RSSMRA80A01H501U");
    assert_eq!(
        (&after.former_cards, &after.card),
        (
            &vec![before.card],
            &new["card"].as_str().unwrap().to_owned()
        )
    );
    for expected in [200, 404] {
        let body = of_patient.clone();
        let (status, _) = control(&sac, "POST", "/registry/remove", body).await;
        assert_eq!(status, expected);
    }
    sac.call(&person(PATIENT, DOCTOR, "practice-a"))
        .await
        .assert_refused(&["6001"]);
    let (_, look_ups) = control(&sac, "GET", "/registry/look-ups", Value::Null).await;
    assert_eq!(look_ups[0]["answered"], "6001");
    assert_eq!(look_ups[0]["operation"], "ricerca");
}
