//! `InvioPrescritto`, §4.2.1: the one way in, and everything that is turned away.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tests::upstreams::sac::rules::unpublished;
use tests::upstreams::sac::settings::{Doctor, Duplicate};

use super::client::{DOCTOR, ODD_DOCTOR, OTHER_DOCTOR, PATIENT, Sac, encrypted};
use super::messages::{Body, cancel, drug, service};

/// Sends a prescription that must be refused for these reasons, and leave no trace.
pub(super) async fn refused(sac: &Sac, body: &Body, codes: &[&str]) {
    sac.call(body).await.assert_refused(codes);
    let book = sac.simulator.book();
    assert_eq!(book.prescriptions, [], "a refusal was applied");
    assert_eq!(book.received.last().unwrap().outcome, "9999");
}

/// A drug prescription spoilt in one way.
pub(super) async fn refused_drug(spoil: impl FnOnce(Body) -> Body, codes: &[&str]) {
    let sac = Sac::start();
    refused(&sac, &spoil(drug(&sac.number())), codes).await;
}

/// A prescription of a service spoilt in one way.
pub(super) async fn refused_service(spoil: impl FnOnce(Body) -> Body, codes: &[&str]) {
    let sac = Sac::start();
    refused(&sac, &spoil(service(&sac.number())), codes).await;
}

/// §4.2.1, InvioPrescrittoRicevuta: number, code, communications 0199, 0198, 0100, and the PDF.
#[tokio::test]
async fn a_good_prescription_is_registered() {
    let sac = Sac::start();
    for body in [drug(&sac.number()), service(&sac.number())] {
        let reply = sac.call(&body).await;
        reply.assert_done();
        let number = reply.text("nre");
        assert!(body.fields.contains(&("nre".to_owned(), number.clone())));
        let code = reply.text("codAutenticazione");
        assert!(
            code.len() == 30 && code.bytes().all(|b| b.is_ascii_digit()),
            "{code}"
        );
        assert_eq!(reply.texts("codice"), ["0199", "0198", "0100"]);
        assert_eq!(reply.texts("messaggio")[0], "COGNOME_MEDICO=PRO");
        assert_eq!(reply.text("flagPromemoria"), "0");
        let pdf = STANDARD.decode(reply.text("pdfPromemoria")).unwrap();
        assert!(pdf.starts_with(b"%PDF-1.4") && String::from_utf8_lossy(&pdf).contains(&number));
        let book = sac.simulator.book();
        let held = book.prescription(&number).unwrap();
        assert_eq!((held.state, held.patient.as_str()), (3, PATIENT));
        assert_eq!(held.codice_autenticazione, code);
    }
}

/// §4.2.1, nre: without one, the SAC gives one, to a SAR too.
#[tokio::test]
async fn a_prescription_without_number_gets_one() {
    let sac = Sac::start();
    let reply = sac.call(&drug("")).await;
    reply.assert_done();
    assert_eq!(reply.text("nre").len(), 15);
    assert!(
        sac.simulator
            .book()
            .prescription(&reply.text("nre"))
            .is_some()
    );
}

/// Seen in the test environment: a wrong check letter of the doctor is worth a warning.
#[tokio::test]
async fn a_doctors_wrong_check_letter_is_a_warning() {
    let sac = Sac::start();
    let body = drug(&sac.number()).with("cfMedico1", ODD_DOCTOR);
    let reply = sac.call_as(ODD_DOCTOR, &body).await;
    assert_eq!(reply.outcome(), "0001");
    assert_eq!(reply.texts("codEsito"), ["1024", "0000"]);
    assert_eq!(reply.texts("tipoErrore"), ["Avviso"]);
    assert!(!reply.text("codAutenticazione").is_empty());
}

/// §5, §4.2.2: a number is used once, whatever became of its prescription.
#[tokio::test]
async fn a_number_is_used_once_for_ever() {
    let sac = Sac::start();
    let number = sac.number();
    sac.call(&drug(&number)).await.assert_done();
    let first = sac.simulator.book();
    for state in [3, 4] {
        if state == 4 {
            sac.call(&cancel(&number, DOCTOR)).await.assert_done();
        }
        for body in [drug(&number), service(&number)] {
            sac.call(&body).await.assert_refused(&["1900"]);
        }
        let book = sac.simulator.book();
        assert_eq!(book.prescriptions.len(), 1);
        assert_eq!(book.prescriptions[0].state, state);
        assert_eq!(
            book.prescriptions[0].content,
            first.prescriptions[0].content
        );
    }
    assert_eq!(sac.simulator.book().duplicate_attempts().count(), 4);
}

/// What the SAC answers to a used number is not public: each answer can be had.
#[tokio::test]
async fn the_answer_to_a_used_number_can_be_chosen() {
    let sac = Sac::start();
    let number = sac.number();
    let code = sac.call(&drug(&number)).await.text("codAutenticazione");
    sac.simulator.configure(|live| {
        live.duplicate = Duplicate::Reject {
            code: "1777".to_owned(),
            text: "x".to_owned(),
        };
    });
    sac.call(&drug(&number)).await.assert_refused(&["1777"]);
    sac.simulator
        .configure(|live| live.duplicate = Duplicate::AsNew);
    let again = sac.call(&service(&number)).await;
    again.assert_done();
    assert_eq!(again.text("codAutenticazione"), code);
    sac.simulator
        .configure(|live| live.duplicate = Duplicate::Fault);
    sac.call(&drug(&number))
        .await
        .assert_fault(500, "Internal Error");
    assert_eq!(sac.simulator.book().prescriptions.len(), 1);
}

/// sac.md §1.8: a refusal uses no number.
#[tokio::test]
async fn a_refused_prescription_may_be_sent_again_under_its_number() {
    let sac = Sac::start();
    let number = sac.number();
    refused(
        &sac,
        &service(&number).with("descrizioneDiagnosi", ""),
        &["1233"],
    )
    .await;
    sac.call(&service(&number)).await.assert_done();
}

/// Two live prescriptions of one content are what an oracle looks for.
#[tokio::test]
async fn the_book_shows_a_request_that_took_effect_twice() {
    let sac = Sac::start();
    let body = drug(&sac.number());
    sac.call(&body).await.assert_done();
    assert!(sac.simulator.book().doubles().is_empty());
    let again = sac.number();
    sac.call(&body.clone().with("nre", &again))
        .await
        .assert_done();
    let book = sac.simulator.book();
    assert_eq!(book.doubles().len(), 1);
    assert_eq!(book.doubles()[0].len(), 2);
    sac.call(&cancel(&again, DOCTOR)).await.assert_done();
    assert!(sac.simulator.book().doubles().is_empty());
}

/// §5.1: region, group, kind, nine digits.
#[tokio::test]
async fn a_number_of_another_form_is_refused() {
    for number in [
        "1300A3004200",
        "13000A300420001",
        "1300A8004200001",
        "1300a3004200001",
    ] {
        refused_drug(
            |body| body.with("nre", number),
            &[unpublished::NUMBER_FORM.code],
        )
        .await;
    }
}

/// §4.1: a region numbers from lots that it was given.
#[tokio::test]
async fn a_number_of_no_lot_of_the_region_is_refused() {
    for number in ["1300A3999900001", "1200A3004200001", "1300A4019294833"] {
        refused_drug(
            |body| body.with("nre", number),
            &[unpublished::NUMBER_LOT.code],
        )
        .await;
    }
}

/// §4.1: a lot bound to a doctor is his.
#[tokio::test]
async fn a_number_of_another_doctors_lot_is_refused() {
    let sac = Sac::start();
    let lot = sac.simulator.give_lot(0, Some(OTHER_DOCTOR)).unwrap();
    let body = drug(&format!("{}00", lot.prefix));
    refused(&sac, &body, &[unpublished::NUMBER_DOCTOR.code]).await;
    let body = body.with("cfMedico1", OTHER_DOCTOR);
    sac.call_as(OTHER_DOCTOR, &body).await.assert_done();
}

/// §4.2.1, codRegione, codASLAo, codSpecializzazione: the position that the SAC has of him.
#[tokio::test]
async fn a_position_that_is_not_the_doctors_is_refused() {
    for (field, text) in [
        ("codASLAo", "999"),
        ("codRegione", "120"),
        ("codSpecializzazione", "P"),
    ] {
        refused_drug(|body| body.with(field, text), &["1020"]).await;
    }
}

/// §4.2.1, codStruttura: empty where the region registered none, mandatory where it did.
#[tokio::test]
async fn a_structure_is_given_exactly_where_one_is_registered() {
    refused_drug(|body| body.with("codStruttura", "000001"), &["1020"]).await;
    let sac = Sac::with(|settings| {
        let mut doctor = Doctor::practitioner(DOCTOR, "PRO", "VA");
        doctor.position.as_mut().unwrap().structure = "000001".to_owned();
        settings.live.doctors = vec![doctor];
    });
    refused(&sac, &drug(&sac.number()), &["1020"]).await;
    sac.call(&drug(&sac.number()).with("codStruttura", "000001"))
        .await
        .assert_done();
}

/// §4.2.1: a doctor that nobody registered has no position.
#[tokio::test]
async fn an_unknown_doctor_is_refused() {
    let sac = Sac::with(|settings| settings.live.doctors.clear());
    refused(&sac, &drug(&sac.number()), &["1020"]).await;
}

/// §4.2.1, codiceAss: a code of the right form, encrypted.
#[tokio::test]
async fn a_patients_malformed_code_is_refused() {
    let cases = [
        "PNIMRA70A01H501Q",
        "pnimra70a01h501p",
        "STP12345",
        "01234567890",
        "X",
    ];
    for code in cases {
        refused_drug(|body| body.with("codiceAss", &encrypted(code)), &["1036"]).await;
    }
    refused_drug(|body| body.with("codiceAss", PATIENT), &["1036"]).await;
    refused_drug(|body| body.with("codiceAss", ""), &["1036"]).await;
}

/// §4.2.1, tipoRic and codiceAss agree: STP and ENI with ST, foreign insured with no code.
#[tokio::test]
async fn a_patients_code_agrees_with_the_kind_of_prescription() {
    let code = unpublished::PATIENT_KIND.code;
    let stp = encrypted("STP1302010000001");
    refused_drug(|body| body.with("codiceAss", &stp), &[code]).await;
    refused_drug(|body| body.with("tipoRic", "ST"), &[code]).await;
    let sac = Sac::start();
    let body = drug(&sac.number())
        .with("codiceAss", &stp)
        .with("tipoRic", "ST");
    sac.call(&body).await.assert_done();
    let foreign = |body: Body| {
        body.with("tipoRic", "UE")
            .with("statoEstero", "DE")
            .with("istituzCompetente", "AOK")
            .with("numIdentPers", "1")
            .with("dataNascitaEstero", "1970-01-01")
    };
    refused_drug(foreign, &[code]).await;
    let body = foreign(drug(&sac.number())).with("codiceAss", "");
    sac.call(&body).await.assert_done();
}

/// §4.2.1, foreign block: filled for foreign insured persons, its dates `aaaa-mm-gg`.
#[tokio::test]
async fn an_incomplete_foreign_block_is_refused() {
    let code = unpublished::FOREIGN_BLOCK.code;
    refused_drug(
        |body| body.with("tipoRic", "EE").with("codiceAss", ""),
        &[code],
    )
    .await;
    refused_drug(|body| body.with("dataScadTessera", "31/12/2030"), &[code]).await;
}

/// §4.2.1, numTessSasn and socNavigaz: mandatory for SASN.
#[tokio::test]
async fn a_seafarer_without_card_or_company_is_refused() {
    let code = unpublished::SASN.code;
    refused_drug(|body| body.with("tipoRic", "NA"), &[code]).await;
    refused_drug(
        |body| body.with("tipoRic", "ND").with("numTessSasn", "1"),
        &[code],
    )
    .await;
}

/// §4.2.1: each coded field has its values.
#[tokio::test]
async fn a_value_that_a_field_does_not_have_is_refused() {
    let code = unpublished::VALUE.code;
    let fields = [
        ("tipoRic", "ZZ"),
        ("tipoVisita", "X"),
        ("indicazionePrescr", "X"),
        ("altro", "X"),
        ("classePriorita", "X"),
        ("oscuramDati", "0"),
        ("ricettaInterna", "1"),
        ("nonEsente", "S"),
        ("reddito", "2"),
        ("testata1", "PT=1234"),
    ];
    for (field, text) in fields {
        refused_drug(|body| body.with(field, text), &[code]).await;
    }
    for (field, text) in [
        ("nonSost", "2"),
        ("prescrizione1", "TV"),
        ("testoLibero", "1"),
    ] {
        refused_drug(|body| body.row(field, text), &[code]).await;
    }
    refused_service(|body| body.row("tipoAccesso", "2"), &[code]).await;
}

/// §4.2.1, tipoPrescrizione: F or P.
#[tokio::test]
async fn a_kind_other_than_drugs_and_services_is_refused() {
    refused_drug(
        |body| body.with("tipoPrescrizione", "X"),
        &[unpublished::VALUE.code],
    )
    .await;
}

/// §4.2.1, provAssistito and aslAssistito: both or none.
#[tokio::test]
async fn half_a_residence_is_refused() {
    let code = unpublished::RESIDENCE.code;
    refused_drug(|body| body.with("provAssistito", ""), &[code]).await;
    refused_drug(|body| body.with("aslAssistito", ""), &[code]).await;
    let sac = Sac::start();
    let body = drug(&sac.number())
        .with("provAssistito", "")
        .with("aslAssistito", "");
    sac.call(&body).await.assert_done();
}

/// §4.2.1, dataCompilazione: `aaaa-mm-gg HH:MM:SS`, and what is prescribed has been prescribed.
#[tokio::test]
async fn an_instant_of_another_form_or_in_the_future_is_refused() {
    let cases = [
        "",
        "2026-10-02",
        "2026-10-02T10:15:00",
        "02/10/2026 10:15:00",
        "2026-02-30 10:15:00",
        "2026-10-02 25:15:00",
        "2026-10-02 1:15:00",
        "2999-01-01 00:00:00",
    ];
    for text in cases {
        let code = unpublished::COMPILED_AT.code;
        refused_drug(|body| body.with("dataCompilazione", text), &[code]).await;
    }
}

/// §4.2.1, codDiagnosi and descrizioneDiagnosi: at least one, for services.
#[tokio::test]
async fn a_service_without_diagnosis_is_refused() {
    refused_service(|body| body.with("descrizioneDiagnosi", ""), &["1233"]).await;
    let sac = Sac::start();
    let body = service(&sac.number())
        .with("descrizioneDiagnosi", "")
        .with("codDiagnosi", "786.2");
    sac.call(&body).await.assert_done();
}
