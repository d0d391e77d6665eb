//! What registrations and cancels are answered.

use super::*;

pub(super) fn registered(nre: &str, code: &str, outcome: &str, rest: &str) -> String {
    format!(
        "<r:nre>{nre}</r:nre><r:codAutenticazione>{code}</r:codAutenticazione>\
         <r:dataInserimento>2026-10-02 10:15:01</r:dataInserimento>\
         <r:codEsitoInserimento>{outcome}</r:codEsitoInserimento>{rest}"
    )
}

fn read_invio(fields: &str) -> Result<Answer, Failure> {
    both(|habit| invio(&message(&INVIO_SERVICE, fields, habit), &nre()))
}

#[test]
fn a_registration_is_done_with_its_code_its_warnings_and_its_pdf() {
    let rest = format!(
        "{}<r:ElencoComunicazioni><t:Comunicazione><t:codice>0199</t:codice>\
         <t:messaggio>COGNOME_MEDICO=PROVA</t:messaggio></t:Comunicazione></r:ElencoComunicazioni>\
         <r:flagPromemoria>0</r:flagPromemoria><r:pdfPromemoria>JVBERi0x\nLjQK</r:pdfPromemoria>",
        problem("1024", 0, WARNING)
    );
    let answer = read_invio(&registered(NRE, CODE, "0001", &rest)).unwrap();
    assert_eq!(answer.fact, Fact::Done);
    assert_eq!(answer.document, Some(Opaque(b"%PDF-1.4\n".to_vec())));
    let receipt = receipt_of(&answer);
    assert_eq!(receipt.codice_autenticazione, CODE);
    assert_eq!(receipt.registered_at, "2026-10-02T10:15:01+02:00");
    assert_eq!(receipt.warnings, [notice("1024", "TESTO 1024", 0)]);
    assert_eq!(
        receipt.communications,
        [notice("0199", "COGNOME_MEDICO=PROVA", 0)]
    );
}

#[test]
fn what_the_sac_says_is_kept_within_bounds() {
    let long = "à".repeat(2_001);
    let item = |text: &str| {
        format!(
            "<t:Comunicazione><t:codice>0197</t:codice><t:messaggio>{text}</t:messaggio>\
             </t:Comunicazione>"
        )
    };
    let said = format!("{}{}", item(&long), item(&long[2..]));
    let list = |items: &str| {
        let rest = format!("<r:ElencoComunicazioni>{items}</r:ElencoComunicazioni>");
        read_invio(&registered(NRE, CODE, "0000", &rest)).unwrap()
    };
    let kept = receipt_of(&list(&said)).communications;
    assert_eq!(kept[0].text, format!("{}…", "à".repeat(1_999)));
    assert_eq!(kept[1].text, long[2..]);

    let problems = problem("1024", 0, WARNING);
    let (open, close) = ("<r:ElencoErroriRicette>", "</r:ElencoErroriRicette>");
    let one = problems.replace(open, "").replace(close, "");
    let all = format!("{open}{}{close}", one.repeat(150));
    let many = format!(
        "{all}<r:ElencoComunicazioni>{}</r:ElencoComunicazioni>",
        item("x").repeat(150)
    );
    let receipt = receipt_of(&read_invio(&registered(NRE, CODE, "0001", &many)).unwrap());
    assert_eq!(
        (receipt.warnings.len(), receipt.communications.len()),
        (150, 50)
    );
    let refused = format!(
        "<r:codEsitoInserimento>9999</r:codEsitoInserimento>{open}{}{}{close}",
        one.repeat(250),
        one.replace("Avviso", "Bloccante").replace("1024", "1233")
    );
    let failure = read_invio(&refused).unwrap_err();
    assert_eq!(failure.code, Code::UpstreamRejected);
    let detail: Vec<Notice> = serde_json::from_slice(&failure.detail.0).unwrap();
    assert_eq!(detail.len(), 200);
    assert_eq!(detail[0].code, "1233", "what refuses comes first");
}

#[test]
fn all_is_well_is_not_an_error_and_no_pdf_is_no_reason_to_doubt() {
    for rest in [
        problem("0000", 0, ""),
        "<r:flagPromemoria>1</r:flagPromemoria>".to_owned(),
        "<r:flagPromemoria>1</r:flagPromemoria><r:pdfPromemoria>JVBERi0=</r:pdfPromemoria>"
            .to_owned(),
        "<r:flagPromemoria>0</r:flagPromemoria><r:pdfPromemoria>%%%</r:pdfPromemoria>".to_owned(),
        "<r:campoNuovo>1</r:campoNuovo>".to_owned(),
    ] {
        let answer = read_invio(&registered(NRE, CODE, "0000", &rest)).unwrap();
        assert_eq!(
            (answer.fact.clone(), answer.document.clone()),
            (Fact::Done, None),
            "{rest}"
        );
        assert_eq!(receipt_of(&answer).warnings, []);
    }
}

#[test]
fn a_rejection_carries_what_the_doctor_must_read() {
    let fields = format!(
        "<r:codEsitoInserimento>9999</r:codEsitoInserimento>{}",
        problem("1233", 2, BLOCKING)
    );
    let failure = read_invio(&fields).unwrap_err();
    assert_eq!(
        (failure.code, failure.outcome),
        (Code::UpstreamRejected, Outcome::Rejected)
    );
    assert_eq!((failure.fault, failure.retry), (Fault::Caller, Retry::No));
    assert_eq!(failure.stops, Stops::Nothing);
    let detail: Vec<Notice> = serde_json::from_slice(&failure.detail.0).unwrap();
    assert_eq!(detail, [notice("1233", "TESTO 1233", 2)]);
}

#[test]
fn codes_that_nobody_documents_go_by_their_weight() {
    let outcome = |code: &str, weight: &str| {
        let fields = format!(
            "<r:codEsitoInserimento>{code}</r:codEsitoInserimento>{}",
            problem("7777", 0, weight)
        );
        read_invio(&fields).unwrap_err().code
    };
    let letters = |letter: &str| format!("<t:tipoErrore>{letter}</t:tipoErrore>");
    assert_eq!(outcome("9999", BLOCKING), Code::UpstreamRejected);
    assert_eq!(outcome("9999", &letters("E")), Code::UpstreamRejected);
    assert_eq!(outcome("9999", ""), Code::UpstreamRejected);
    assert_eq!(outcome("1234", BLOCKING), Code::UpstreamRejected);
    // Not inserted, and nothing that would forbid it: nobody knows.
    assert_eq!(outcome("9999", WARNING), Code::UpstreamGarbage);
    assert_eq!(outcome("9999", &letters("W")), Code::UpstreamGarbage);
    assert_eq!(outcome("1234", ""), Code::UpstreamGarbage);
    let bare = "<r:codEsitoInserimento>9999</r:codEsitoInserimento>";
    assert_eq!(read_invio(bare).unwrap_err().code, Code::UpstreamGarbage);
}

#[test]
fn a_registration_without_its_proof_is_unknown() {
    let cases = [
        (registered(NRE, "", "0000", ""), Code::UpstreamGarbage),
        (
            registered(NRE, &CODE[1..], "0000", ""),
            Code::UpstreamGarbage,
        ),
        (
            registered(NRE, &format!("{CODE}0"), "0000", ""),
            Code::UpstreamGarbage,
        ),
        (
            registered(NRE, &CODE.replace('5', "x"), "0001", ""),
            Code::UpstreamGarbage,
        ),
        (
            registered(NRE, &CODE.replace('5', "٥"), "0000", ""),
            Code::UpstreamGarbage,
        ),
        (registered("", CODE, "0000", ""), Code::UpstreamGarbage),
        (registered(OTHER, CODE, "0000", ""), Code::UpstreamMismatch),
        (
            registered(OTHER, "", "9999", &problem("1233", 0, BLOCKING)),
            Code::UpstreamMismatch,
        ),
        (
            registered(NRE, CODE, "9999", &problem("1233", 0, BLOCKING)),
            Code::UpstreamGarbage,
        ),
        (registered(NRE, CODE, "00", ""), Code::UpstreamGarbage),
        (registered(NRE, CODE, "", ""), Code::UpstreamGarbage),
        (format!("<r:nre>{NRE}</r:nre>"), Code::UpstreamGarbage),
        (
            registered(NRE, CODE, "0000", "<r:nre>1</r:nre>"),
            Code::UpstreamGarbage,
        ),
        (
            registered(NRE, CODE, "0000", "<t:surprise/>"),
            Code::UpstreamGarbage,
        ),
        (
            registered("<r:x>1</r:x>", CODE, "0000", ""),
            Code::UpstreamGarbage,
        ),
    ];
    for (fields, code) in cases {
        let failure = read_invio(&fields).unwrap_err();
        assert_eq!(
            (failure.code, failure.outcome),
            (code, Outcome::Unknown),
            "{fields}"
        );
        assert_eq!(
            (failure.stops, failure.fault),
            (Stops::Gate, Fault::Upstream),
            "{fields}"
        );
    }
}

#[test]
fn names_count_in_their_namespace_only() {
    let good = registered(NRE, CODE, "0000", &problem("1024", 0, WARNING));
    let code = |message: &Element| invio(message, &nre()).map(|_| ()).unwrap_err().code;
    for habit in HABITS {
        // Another operation's receipt, the right name in a foreign namespace, lists in the wrong one.
        assert_eq!(
            code(&message(&ANNULLA_SERVICE, &good, habit)),
            Code::UpstreamGarbage
        );
        let mut foreign = message(&INVIO_SERVICE, &good, habit);
        foreign.namespace = "urn:evil".to_owned();
        assert_eq!(code(&foreign), Code::UpstreamGarbage);
        let swapped = good.replace("t:", "r:");
        assert_eq!(
            code(&message(&INVIO_SERVICE, &swapped, habit)),
            Code::UpstreamGarbage
        );
        let swapped = good.replace("r:nre", "t:nre");
        assert_eq!(
            code(&message(&INVIO_SERVICE, &swapped, habit)),
            Code::UpstreamGarbage
        );
    }
}

#[test]
fn a_cancel_is_done_refused_or_had_nothing_to_cancel() {
    let read =
        |fields: &str| both(|habit| annulla(&message(&ANNULLA_SERVICE, fields, habit), &nre()));
    let fields = |nre: &str, outcome: &str, rest: &str| {
        format!(
            "<r:nre>{nre}</r:nre><r:codEsitoAnnullamento>{outcome}</r:codEsitoAnnullamento>{rest}"
        )
    };
    assert_eq!(read(&fields(NRE, "0000", "")).unwrap().fact, Fact::Done);
    let absent = fields(NRE, "9999", &problem("5005", 0, BLOCKING));
    assert_eq!(read(&absent).unwrap().fact, Fact::Absent);
    let contradictions = [
        fields(NRE, "0000", &problem("5005", 0, BLOCKING)),
        fields(NRE, "9999", &problem("5005", 0, WARNING)),
    ];
    for contradiction in contradictions {
        let failure = read(&contradiction).unwrap_err();
        assert_eq!(
            (failure.code, failure.outcome),
            (Code::UpstreamGarbage, Outcome::Unknown),
            "{contradiction}"
        );
    }
    let refused = read(&fields(NRE, "9999", &problem("1120", 0, BLOCKING))).unwrap_err();
    assert_eq!(
        (refused.code, refused.outcome),
        (Code::UpstreamRejected, Outcome::Rejected)
    );
    assert_eq!(
        read(&fields(OTHER, "0000", "")).unwrap_err().code,
        Code::UpstreamMismatch
    );
    assert_eq!(
        read(&fields("", "0000", "")).unwrap_err().code,
        Code::UpstreamGarbage
    );
}
