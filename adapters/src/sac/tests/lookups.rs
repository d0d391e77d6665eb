//! Look-ups of persons and cards, in whose name they go and how much they ask.

use super::*;

/// A look-up by a doctor.
pub(super) fn look_up(op: OpName, view: &str) -> Request {
    let mut query = serde_json::json!({
        "tax_code": "PNIMRA70A01H501P", "view": view, "organization": "pharmacy-a",
    });
    if op == TESSERA {
        query["card_number"] = "80380001300000000001".into();
    }
    Request {
        payload: Opaque(query.to_string().into_bytes()),
        number: Opaque::default(),
        ..request()
    }
}

/// Who asks in an organisation's name needs no doctor, and is told to be asked for less.
#[tokio::test]
async fn an_organisation_looks_up_in_its_own_name() {
    let parties = Parties::trusting();
    let (address, mut received, _tasks) = serve(&parties, xml("<r xmlns=\"urn:r\"/>")).await;
    let elsewhere = Settings {
        prescriptions_url: "https://127.0.0.1:1".to_owned(),
        registry_url: format!("https://127.0.0.1:{}", address.port()),
        ..settings(&parties, 1)
    };
    let sac = Sac::open(&elsewhere).unwrap();
    for (op, view) in [(RICERCA, "pharmacy"), (TESSERA, "booking")] {
        let request = Request {
            authority: Opaque::default(),
            ..look_up(op, view)
        };
        sac.call(op, &request, LONG).await.unwrap_err();
        let sent = received.recv().await.unwrap();
        assert!(!sent.contains("saml2:Assertion"), "{sent}");
        let names = ["cfMedico></req:", "strutturaRichiedente>pharmacy-a<"];
        assert!(names.iter().all(|name| sent.contains(name)), "{sent}");
        assert_eq!(sent.contains("tipoRicerca>R<"), op == RICERCA);
        assert!(!sent.contains("PNIMRA70A01H501P"), "the code is encrypted");
    }
    let whole = Request {
        authority: Opaque::default(),
        ..look_up(RICERCA, "practice")
    };
    let failure = sac.call(RICERCA, &whole, LONG).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.stops),
        (Code::AuthorityRefused, Stops::Nothing)
    );
    assert!(
        received.try_recv().is_err(),
        "a whole answer needs a doctor"
    );
}
