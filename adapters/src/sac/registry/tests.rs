//! Answers of the registry, good and spoilt, and what each means.

use policies::failure::{Code, Outcome, Stops};

use super::*;
use crate::model::{PatientCode, PrescriberCode};
use crate::sac::soap::read::document;

const PERSON: &str = "PNIMRA70A01H501P";
const CARD: &str = "80380001300000000001";

const FOUND: &str = "<codEsitoRichiesta>0000</codEsitoRichiesta>\
    <assistito><codiceFiscale>PNIMRA70A01H501P</codiceFiscale><cognome>PINI</cognome>\
    <nome>MARIO</nome><sesso>M</sesso><dataNascita>1970-01-01</dataNascita>\
    <comuneNascita>ROMA</comuneNascita><provinciaNascita>RM</provinciaNascita><dataDecesso/>\
    <assistitoSSN>SI</assistitoSSN><regioneAssistenza>130</regioneAssistenza>\
    <aslAssistenza>201</aslAssistenza><comuneResidenza>L'AQUILA</comuneResidenza>\
    <aslResidenza>201</aslResidenza><medico><codiceFiscale>PROVAX00X00X000Y</codiceFiscale>\
    <cognome>PROVA</cognome><nome>MEDICO</nome><dataInizio>2020-01-01</dataInizio><dataFine/>\
    </medico><tesseraSanitaria><numero>80380001300000000001</numero>\
    <dataScadenza>2030-01-01</dataScadenza></tesseraSanitaria><ElencoEsenzioni><t:Esenzione>\
    <t:codEsenzione>E01</t:codEsenzione><t:dataInizio>2020-01-01</t:dataInizio>\
    <t:dataFine>2027-03-31</t:dataFine></t:Esenzione></ElencoEsenzioni></assistito>";

const HOLDS: &str = "<codEsitoRichiesta>0000</codEsitoRichiesta><tessera>\
    <codiceFiscale>PNIMRA70A01H501P</codiceFiscale>\
    <numeroTessera>80380001300000000001</numeroTessera><tesseraValida>SI</tesseraValida>\
    <tipoTessera>TS</tipoTessera><dataScadenza>2030-01-01</dataScadenza><motivo/></tessera>";

fn refused(codes: &[&str]) -> String {
    let errors: String = codes
        .iter()
        .map(|code| {
            format!(
                "<t:ErroreRicetta><t:codEsito>{code}</t:codEsito><t:esito>NO</t:esito>\
                 <t:tipoErrore>Bloccante</t:tipoErrore></t:ErroreRicetta>"
            )
        })
        .collect();
    format!(
        "<codEsitoRichiesta>9999</codEsitoRichiesta><ElencoErroriRicette>{errors}\
         </ElencoErroriRicette>"
    )
}

fn receipt(name: &str, namespace: &str, content: &str) -> Element {
    let text = format!(
        "<{name} xmlns=\"{namespace}\" xmlns:t=\"http://tipodati.xsd.dem.sanita.finanze.it\">\
         {content}</{name}>"
    );
    document(text.as_bytes()).unwrap()
}

fn relations() -> Relations {
    Relations::new(&[7; 32])
}

fn asked(view: View) -> Asked {
    Asked::Person(PersonQuery {
        tax_code: PatientCode::new(PERSON).unwrap(),
        view,
        organization: "pharmacy-a".to_owned(),
    })
}

fn read_on(content: &str, view: View, today: &str) -> Result<Answer, Failure> {
    let service = &RICERCA_SERVICE;
    let message = receipt(service.receipt_name, service.receipt, content);
    answer(
        &message,
        &asked(view),
        &relations(),
        Day::new(today).unwrap(),
    )
}

fn read(content: &str) -> Result<Answer, Failure> {
    read_on(content, View::Practice, "2026-10-02")
}

fn read_card(content: &str) -> Result<Answer, Failure> {
    let service = &TESSERA_SERVICE;
    let message = receipt(service.receipt_name, service.receipt, content);
    let asked = Asked::Card(CardQuery {
        tax_code: PatientCode::new(PERSON).unwrap(),
        card_number: crate::model::CardNumber::new(CARD).unwrap(),
        view: View::Pharmacy,
        organization: "pharmacy-a".to_owned(),
    });
    let today = Day::new("2026-10-02").unwrap();
    answer(&message, &asked, &relations(), today)
}

fn code(answer: Result<Answer, Failure>) -> Code {
    answer.unwrap_err().code
}

#[test]
fn a_person_is_shown_to_their_view_with_their_doctor_as_relation() {
    let whole = crate::model::person_for_tests();
    for view in [View::Practice, View::Pharmacy, View::Booking, View::Portal] {
        let answer = read_on(FOUND, view, "2026-10-02").unwrap();
        assert_eq!(answer.fact, Fact::Done);
        assert_eq!(answer.body.0, whole.to_json(view));
        let doctor = PrescriberCode::new("PROVAX00X00X000Y").unwrap();
        let oneself = relations().oneself(PERSON);
        let oneself = (view == View::Portal).then_some(oneself);
        let doctor = relations().doctor(&doctor);
        let tags: Vec<_> = [doctor].into_iter().chain(oneself).collect();
        assert_eq!(answer.tags, tags);
    }
}

#[test]
fn a_doctor_is_a_relation_only_from_their_first_day_to_their_last() {
    let left = FOUND.replace("<dataFine/>", "<dataFine>2026-09-30</dataFine>");
    let tags = |content: &str, today| read_on(content, View::Practice, today).unwrap().tags.len();
    assert_eq!(tags(&left, "2026-09-30"), 1);
    assert_eq!(tags(&left, "2026-10-01"), 0);
    assert_eq!(tags(FOUND, "2019-12-31"), 0);
    let none = cut(FOUND, "<medico>", "</medico>");
    assert_eq!(tags(&none, "2026-10-02"), 0);
}

/// `text` without what stands from the first of `from` to the end of the first of `to`.
fn cut(text: &str, from: &str, to: &str) -> String {
    let start = text.find(from).unwrap();
    let end = start + text[start..].find(to).unwrap() + to.len();
    format!("{}{}", &text[..start], &text[end..])
}

#[test]
fn nobody_is_absent_unless_the_registry_says_so_and_nothing_else() {
    for answer in [read(&refused(&["6001"])), read_card(&refused(&["6001"]))] {
        let answer = answer.unwrap();
        assert_eq!((answer.fact, answer.tags.len()), (Fact::Absent, 0));
    }
    let contradictions = [
        refused(&["6001", "6002"]),
        refused(&["6001"]).replace("Bloccante", "Avviso"),
        refused(&["6001"]).replace("9999", "0000"),
        format!(
            "{}{}",
            refused(&["6001"]),
            &FOUND["<codEsitoRichiesta>0000</codEsitoRichiesta>".len()..]
        ),
        "<codEsitoRichiesta>0000</codEsitoRichiesta>".to_owned(),
        "<codEsitoRichiesta>9999</codEsitoRichiesta>".to_owned(),
    ];
    for content in contradictions {
        assert_eq!(code(read(&content)), Code::UpstreamGarbage, "{content}");
    }
}

#[test]
fn a_refusal_is_the_callers_and_stops_nothing() {
    for answer in [read(&refused(&["6002"])), read_card(&refused(&["6003"]))] {
        let failure = answer.unwrap_err();
        assert_eq!(
            (failure.code, failure.outcome, failure.stops),
            (Code::UpstreamRejected, Outcome::Rejected, Stops::Nothing)
        );
        let notices: Vec<crate::sac::Notice> = serde_json::from_slice(&failure.detail.0).unwrap();
        assert_eq!(notices.len(), 1);
    }
}

#[test]
fn an_answer_about_somebody_else_or_another_card_is_none() {
    let other = FOUND.replace(PERSON, "RSSMRA80A01H501U");
    assert_eq!(code(read(&other)), Code::UpstreamMismatch);
    let other = HOLDS.replace(PERSON, "RSSMRA80A01H501U");
    assert_eq!(code(read_card(&other)), Code::UpstreamMismatch);
    let other = HOLDS.replace(CARD, "80380001300000000002");
    assert_eq!(code(read_card(&other)), Code::UpstreamMismatch);
}

#[test]
fn a_card_holds_or_the_registry_says_why_not() {
    let valid = read_card(HOLDS).unwrap();
    assert_eq!(
        valid.body.0,
        br#"{"is_valid":true,"kind":"TS","expires_on":"2030-01-01"}"#
    );
    for (motive, reason) in [
        ("S", "expired"),
        ("D", "replaced"),
        ("A", "not-this-person"),
    ] {
        let content = HOLDS
            .replace(">SI<", ">NO<")
            .replace("<motivo/>", &format!("<motivo>{motive}</motivo>"));
        let body = read_card(&content).unwrap().body.0;
        let expected = format!("{{\"is_valid\":false,\"reason\":\"{reason}\"}}");
        assert_eq!(body, expected.as_bytes());
    }
    let untold = HOLDS.replace(">SI<", ">NO<");
    assert_eq!(code(read_card(&untold)), Code::UpstreamGarbage);
}

/// Every field that must be there, each way of being wrong.
#[test]
fn what_is_not_whole_is_garbage() {
    let spoilt = [
        ("<cognome>PINI</cognome>", ""),
        (
            "<cognome>PINI</cognome>",
            "<cognome>PINI</cognome><cognome>PINI</cognome>",
        ),
        ("<nome>MARIO</nome>", "<nome/>"),
        ("<sesso>M</sesso>", "<sesso>X</sesso>"),
        ("1970-01-01", "1970-02-30"),
        ("1970-01-01", "01/01/1970"),
        (">RM<", ">ROMA<"),
        (">SI<", ">FORSE<"),
        ("<aslAssistenza>201</aslAssistenza>", ""),
        ("<comuneResidenza>L'AQUILA</comuneResidenza>", ""),
        ("<aslResidenza>201<", "<aslResidenza>20<"),
        (
            "<dataInizio>2020-01-01</dataInizio><dataFine/>",
            "<dataFine/>",
        ),
        ("80380001300000000001", "8038000130000000000"),
        ("2027-03-31", "2019-03-31"),
        ("<t:codEsenzione>E01<", "<t:codEsenzione>e 01<"),
        ("<t:Esenzione>", "<t:Esenzione xmlns:t=\"urn:other\">"),
        (
            "<codiceFiscale>PNIMRA70A01H501P<",
            "<codiceFiscale>PNIMRA70A01H501X<",
        ),
        ("<codEsitoRichiesta>0000</codEsitoRichiesta>", ""),
    ];
    for (from, to) in spoilt {
        assert!(FOUND.contains(from), "{from}");
        let content = FOUND.replacen(from, to, 1);
        assert_eq!(code(read(&content)), Code::UpstreamGarbage, "{from} {to}");
    }
    let long = FOUND.replace("PINI", &"A".repeat(101));
    assert_eq!(code(read(&long)), Code::UpstreamGarbage);
    let start = FOUND.find("<t:Esenzione>").unwrap();
    let end = FOUND.find("</ElencoEsenzioni>").unwrap();
    let many = |count: usize| {
        let exemptions = FOUND[start..end].repeat(count);
        format!("{}{exemptions}{}", &FOUND[..start], &FOUND[end..])
    };
    assert!(read(&many(200)).is_ok());
    assert_eq!(code(read(&many(201))), Code::UpstreamGarbage);
}

#[test]
fn an_answer_of_the_other_operation_is_none() {
    let message = receipt("VerificaTesseraRicevuta", TESSERA_SERVICE.receipt, HOLDS);
    let today = Day::new("2026-10-02").unwrap();
    let answer = answer(&message, &asked(View::Practice), &relations(), today);
    assert_eq!(code(answer), Code::UpstreamGarbage);
}
