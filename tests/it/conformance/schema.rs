//! §3.4: what does not validate against the kit's schema is answered by a `cvc-…` fault.

use tests::upstreams::sac::operation::DEM_TYPES;

use super::assertion::Assertion;
use super::client::{Call, DOCTOR, Sac, region};
use super::messages::{Body, cancel, drug, lot, used, view};

async fn violates(body: &Body, rule: &str) {
    let sac = Sac::start();
    sac.call(body).await.assert_fault(500, rule);
    let book = sac.simulator.book();
    assert!(book.prescriptions.is_empty() && book.received.is_empty());
}

/// Elements come in the order of the schema.
#[tokio::test]
async fn an_element_out_of_order_is_a_violation() {
    for (one, other) in [(1, 2), (3, 4), (0, 37)] {
        let mut body = drug("1300A3004200001");
        body.fields.swap(one, other);
        let sac = Sac::start();
        let reply = sac.call(&body).await;
        reply.assert_fault(500, "cvc-particle");
    }
}

/// Mandatory elements are there.
#[tokio::test]
async fn a_missing_mandatory_element_is_a_violation() {
    let mandatory = [
        "pinCode",
        "cfMedico1",
        "codRegione",
        "codASLAo",
        "codSpecializzazione",
        "tipoPrescrizione",
        "dataCompilazione",
        "tipoVisita",
    ];
    for name in mandatory {
        violates(&drug("").without(name), "cvc-particle 3.1").await;
    }
    let mut without_rows = drug("");
    without_rows.rows.clear();
    violates(&without_rows, "cvc-particle 3.1").await;
    for name in ["pinCode", "nre", "cfMedico"] {
        violates(
            &view("1300A3004200001", DOCTOR).without(name),
            "cvc-particle 3.1",
        )
        .await;
        violates(
            &cancel("1300A3004200001", DOCTOR).without(name),
            "cvc-particle 3.1",
        )
        .await;
    }
}

/// Optional elements may be missing.
#[tokio::test]
async fn a_missing_optional_element_is_none() {
    let sac = Sac::start();
    let body = drug(&sac.number())
        .without("cfMedico2")
        .without("testata1")
        .without("altro");
    sac.call(&body).await.assert_done();
}

/// Lengths and patterns of the invio.
#[tokio::test]
async fn a_value_that_does_not_fit_is_a_violation() {
    let cases = [
        ("codRegione", ""),
        ("codRegione", "13"),
        ("cfMedico1", "PROVAX00X00X000Y1"),
        ("codSpecializzazione", ""),
        ("nre", "1300A30042000011"),
        ("tipoRic", "ABC"),
        ("tipoPrescrizione", ""),
        ("dataCompilazione", "2026-10-02 10:15:00.5"),
        ("tipoVisita", "AD"),
        ("classePriorita", "UB"),
    ];
    for (name, text) in cases {
        violates(&drug("").with(name, text), "cvc-simple-type 1").await;
    }
    for text in ["12", "", "x"] {
        violates(&drug("").row("quantita", text), "cvc-simple-type 1").await;
    }
    violates(&drug("").row("tipoAccesso", "10"), "cvc-simple-type 1").await;
    violates(&drug("").row_end("numsedute", ""), "cvc-simple-type 1").await;
}

/// sac.md §1.2: the same type name has other facets in another service: a lot code of an
/// interroga has 1 to 13 characters, a date exactly 19.
#[tokio::test]
async fn each_service_has_its_own_facets() {
    let ask = |name: &str, text: &str| {
        let mut body = used("", DOCTOR);
        let at = if name == "codLotto" { 3 } else { 4 };
        body.fields.insert(at, (name.to_owned(), text.to_owned()));
        body
    };
    violates(&ask("codLotto", ""), "cvc-simple-type 1").await;
    violates(&ask("tipoPrescr", ""), "cvc-simple-type 1").await;
    for text in ["", "2026-10-02"] {
        violates(
            &ask("dataCompilazioneRicettaDal", text),
            "cvc-simple-type 1",
        )
        .await;
    }
    violates(&lot("33", None), "cvc-simple-type 1").await;
    violates(&lot("", None), "cvc-simple-type 1").await;
    violates(
        &lot("3", None).with("CodRegione", "1300"),
        "cvc-simple-type 1",
    )
    .await;
}

/// Elements that the schema does not have.
#[tokio::test]
async fn an_unknown_element_is_a_violation() {
    let mut body = view("1300A3004200001", DOCTOR);
    body.fields.push(("altro".to_owned(), String::new()));
    violates(&body, "cvc-particle 2.1").await;
    violates(&drug("").row_end("sconosciuto", ""), "cvc-particle 2.1").await;
}

/// Namespaces count, prefixes do not: rows belong to the common types, fields to the message.
#[tokio::test]
async fn an_element_of_another_namespace_is_a_violation() {
    let sac = Sac::start();
    let assertion = Assertion::of(DOCTOR, region()).signed();
    let good = Call::new(&drug(&sac.number()), &assertion);
    let other = format!(
        "xmlns:t=\"{}\"",
        "http://tipodati.xsd.nre.mirsac.sanita.finanze.it"
    );
    let cases = [
        good.body.replace("r:testata1", "t:testata1"),
        good.body
            .replace("<r:testata1></r:testata1>", "<testata1></testata1>"),
        good.body
            .replace(&format!("xmlns:t=\"{DEM_TYPES}\""), &other),
        good.body
            .replace("t:DettaglioPrescrizione", "r:DettaglioPrescrizione"),
    ];
    for body in cases {
        assert_ne!(body, good.body);
        let reply = Call {
            body,
            ..good.clone()
        }
        .send(&sac)
        .await
        .unwrap();
        reply.assert_fault(500, "cvc-particle");
    }
    let renamed = good
        .body
        .replace("<r:", "<qq:")
        .replace("</r:", "</qq:")
        .replace(":r=", ":qq=");
    Call {
        body: renamed,
        ..good
    }
    .send(&sac)
    .await
    .unwrap()
    .assert_done();
}

/// A message of another service is none of this one.
#[tokio::test]
async fn a_message_of_another_service_is_a_violation() {
    let sac = Sac::start();
    let assertion = Assertion::of(DOCTOR, region()).signed();
    let call = Call {
        body: cancel("1300A3004200001", DOCTOR).xml(),
        ..Call::new(&view("1300A3004200001", DOCTOR), &assertion)
    };
    call.send(&sac)
        .await
        .unwrap()
        .assert_fault(500, "cvc-elt 1");
}

/// sac.md §1.1: the quoted SOAPAction, `text/xml`, SOAP 1.1, well-formed, no document type.
#[tokio::test]
async fn what_is_no_call_of_the_service_is_refused_by_the_front_end() {
    let sac = Sac::start();
    let assertion = Assertion::of(DOCTOR, region()).signed();
    let good = Call::new(&drug(&sac.number()), &assertion);
    let unquoted = good.operation.action().to_owned();
    let soap12 = "http://www.w3.org/2003/05/soap-envelope".to_owned();
    let bad = [
        Call {
            action: Some(unquoted),
            ..good.clone()
        },
        Call {
            action: Some("\"\"".to_owned()),
            ..good.clone()
        },
        Call {
            action: None,
            ..good.clone()
        },
        Call {
            media_type: "application/soap+xml".to_owned(),
            ..good.clone()
        },
        Call {
            media_type: "application/xml".to_owned(),
            ..good.clone()
        },
        Call {
            envelope: soap12,
            ..good.clone()
        },
        Call {
            body: good.body.replace("</r:pinCode>", ""),
            ..good.clone()
        },
        Call {
            body: format!("{0}{0}", good.body),
            ..good.clone()
        },
        Call {
            body: String::new(),
            ..good.clone()
        },
    ];
    for call in bad {
        let reply = call.send(&sac).await.unwrap();
        reply.assert_fault(500, "Internal Error (from client)");
    }
    assert_eq!(sac.simulator.book().prescriptions, []);
    good.send(&sac).await.unwrap().assert_done();
}
