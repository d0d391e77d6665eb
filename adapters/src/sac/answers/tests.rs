//! Answers as the SAC gives them, in both of its namespace habits, and what is made of them.

use proptest::prelude::*;

use super::*;
use crate::model::tests::{drug, full, service, with};
use crate::sac::operations::{
    ANNULLA_SERVICE, INTERROGA_SERVICE, INVIO_SERVICE, LOTTO_SERVICE, Service, TYPES,
    VISUALIZZA_SERVICE,
};
use crate::sac::soap::read::{Body, envelope};
use policies::failure::{Code, Fault, Outcome, Retry, Stops};

const NRE: &str = "1300A4019294901";
const OTHER: &str = "1300A4019294902";
const CODE: &str = "021020261015012040000000012345";

/// How a document binds its two namespaces.
#[derive(Clone, Copy, Debug)]
enum Habit {
    /// The receipt's is the default, the types' is `ns2` (seen on invio and annulla).
    ReceiptIsDefault,
    /// The types' is the default, the receipt's is `ns2` (seen on visualizza).
    TypesAreDefault,
}

const HABITS: [Habit; 2] = [Habit::ReceiptIsDefault, Habit::TypesAreDefault];

/// A document in which `r:` stands for the receipt's namespace and `t:` for the types'.
fn document(service: &Service, fields: &str, habit: Habit) -> String {
    let (receipt, types) = (service.receipt, TYPES);
    let name = service.receipt_name;
    let fields = fields.replace("</", "<\u{1}");
    let (fields, open, close, declared) = match habit {
        Habit::ReceiptIsDefault => (
            fields.replace("r:", "").replace("t:", "ns2:"),
            name.to_owned(),
            name.to_owned(),
            format!("xmlns=\"{receipt}\" xmlns:ns2=\"{types}\""),
        ),
        Habit::TypesAreDefault => (
            fields.replace("r:", "ns2:").replace("t:", ""),
            format!("ns2:{name}"),
            format!("ns2:{name}"),
            format!("xmlns=\"{types}\" xmlns:ns2=\"{receipt}\""),
        ),
    };
    let fields = fields.replace("<\u{1}", "</");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">\n <soapenv:Body>\
         <{open} {declared}>{fields}</{close}></soapenv:Body></soapenv:Envelope>"
    )
}

fn message(service: &Service, fields: &str, habit: Habit) -> Element {
    let document = document(service, fields, habit);
    match envelope(document.as_bytes()) {
        Ok(Body::Message(message)) => message,
        other => panic!("{document} reads as {other:?}"),
    }
}

fn nre() -> Nre {
    Nre::new(NRE).unwrap()
}

fn problem(code: &str, row: u32, weight: &str) -> String {
    format!(
        "<r:ElencoErroriRicette><t:ErroreRicetta><t:codEsito>{code}</t:codEsito>\
         <t:esito>TESTO {code}</t:esito><t:progPresc>{row}</t:progPresc>{weight}</t:ErroreRicetta>\
         </r:ElencoErroriRicette>"
    )
}

const BLOCKING: &str = "<t:tipoErrore>Bloccante</t:tipoErrore>";
const WARNING: &str = "<t:tipoErrore>Avviso</t:tipoErrore>";

fn registered(nre: &str, code: &str, outcome: &str, rest: &str) -> String {
    format!(
        "<r:nre>{nre}</r:nre><r:codAutenticazione>{code}</r:codAutenticazione>\
         <r:dataInserimento>2026-10-02 10:15:01</r:dataInserimento>\
         <r:codEsitoInserimento>{outcome}</r:codEsitoInserimento>{rest}"
    )
}

/// The same under both habits; they must agree.
fn both(read: impl Fn(Habit) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
    let [first, second] = HABITS.map(read);
    assert_eq!(first, second);
    first
}

fn read_invio(fields: &str) -> Result<Answer, Failure> {
    both(|habit| invio(&message(&INVIO_SERVICE, fields, habit), &nre()))
}

fn receipt_of(answer: &Answer) -> Receipt {
    serde_json::from_slice(&answer.body.0).unwrap()
}

fn notice(code: &str, text: &str, row: u32) -> Notice {
    Notice {
        code: code.to_owned(),
        text: text.to_owned(),
        row,
    }
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

/// The content of the SAC for `ours`, as it comes back: the patient's code empty.
fn seen(ours: &Prescription, state: &str) -> String {
    let rows: String = ours
        .rows
        .as_slice()
        .iter()
        .map(|row| {
            format!(
                "<t:DettaglioPrescrizione><t:codProdPrest>{}</t:codProdPrest>\
                 <t:codGruppoEquival>{}</t:codGruppoEquival><t:quantita>{}</t:quantita>\
                 <t:numsedute>0</t:numsedute></t:DettaglioPrescrizione>",
                row.code.as_ref().map_or("", |code| code.as_str()),
                row.equivalence_group
                    .as_ref()
                    .map_or("", |group| group.code.as_str()),
                row.quantity.get()
            )
        })
        .collect();
    format!(
        "<r:nre>{NRE}</r:nre><r:cfMedico1>{}</r:cfMedico1><r:cfMedico2>{}</r:cfMedico2>\
         <r:testata1>COGNOME_MEDICO=X;NOME_MEDICO=Y</r:testata1><r:codiceAss></r:codiceAss>\
         <r:tipoPrescrizione>{}</r:tipoPrescrizione><r:dataCompilazione>{}</r:dataCompilazione>\
         <r:ElencoDettagliPrescrizioni>{rows}</r:ElencoDettagliPrescrizioni>\
         <r:statoProcesso>{state}</r:statoProcesso><r:codAutenticazione>{CODE}</r:codAutenticazione>\
         <r:dataInserimento>2026-12-02 10:15:01</r:dataInserimento>\
         <r:codEsitoVisualizzazione>0000</r:codEsitoVisualizzazione>",
        ours.prescriber.code.as_str(),
        ours.substitute.as_ref().map_or("", |code| code.as_str()),
        ours.kind.wire(),
        ours.compiled_at.to_wire(),
    )
}

fn read_visualizza(fields: &str, ours: &Prescription) -> Result<Answer, Failure> {
    both(|habit| visualizza(&message(&VISUALIZZA_SERVICE, fields, habit), &nre(), ours))
}

#[test]
fn what_is_found_stands_as_the_sac_says() {
    let states = [
        ("3", Fact::Found(Standing::Live)),
        ("4", Fact::Found(Standing::Closed)),
        ("10", Fact::Found(Standing::Closed)),
        ("5", Fact::Found(Standing::Taken)),
        ("6", Fact::Found(Standing::Taken)),
        ("7", Fact::Found(Standing::Taken)),
        ("8", Fact::Found(Standing::Taken)),
        ("9", Fact::Found(Standing::Taken)),
        ("1", Fact::Absent),
        ("2", Fact::Absent),
    ];
    for ours in [drug(), service(), full()] {
        for (state, fact) in &states {
            let answer = read_visualizza(&seen(&ours, state), &ours).unwrap();
            assert_eq!(answer.fact, *fact, "{state}");
            if *fact != Fact::Absent {
                let receipt = receipt_of(&answer);
                assert_eq!(receipt.codice_autenticazione, CODE);
                assert_eq!(receipt.registered_at, "2026-12-02T10:15:01+01:00");
            }
        }
        for state in ["11", "0", "x"] {
            let failure = read_visualizza(&seen(&ours, state), &ours).unwrap_err();
            assert_eq!(failure.code, Code::UpstreamGarbage, "{state}");
        }
    }
    // Dispensed outside the health service: 5221 comes with state 5.
    let outside = seen(&drug(), "5").replace(">0000<", ">5221<");
    let answer = read_visualizza(&outside, &drug()).unwrap();
    assert_eq!(answer.fact, Fact::Found(Standing::Taken));
}

#[test]
fn a_number_that_is_not_there_is_absent() {
    let outcomes = [
        format!(
            "<r:codEsitoVisualizzazione>9999</r:codEsitoVisualizzazione>{}",
            problem("5005", 0, BLOCKING)
        ),
        "<r:codEsitoVisualizzazione>5005</r:codEsitoVisualizzazione>".to_owned(),
        format!(
            "<r:nre>{NRE}</r:nre><r:codEsitoVisualizzazione>9999</r:codEsitoVisualizzazione>{}",
            problem("5005", 0, "")
        ),
    ];
    for fields in outcomes {
        assert_eq!(
            read_visualizza(&fields, &drug()).unwrap().fact,
            Fact::Absent,
            "{fields}"
        );
    }
}

#[test]
fn a_number_that_holds_something_else_is_taken() {
    let ours = with(&drug(), "/substitute", "RSSMRA80A01H501U".into()).unwrap();
    let good = seen(&ours, "3");
    let other = [
        good.replace("PROVAX00X00X000Y", "PROVAX00X00X000Z"),
        good.replace("RSSMRA80A01H501U", ""),
        good.replace(">F</r:tipo", ">P</r:tipo"),
        good.replace("2026-10-02 10:15:00", "2026-10-02 10:15:01"),
        good.replace("<t:quantita>2", "<t:quantita>1"),
        good.replace(">G3B<", ">G3C<"),
        good.replace(
            "</t:DettaglioPrescrizione>",
            "</t:DettaglioPrescrizione>\
            <t:DettaglioPrescrizione><t:quantita>1</t:quantita></t:DettaglioPrescrizione>",
        ),
        good.replace("<r:codiceAss>", "<r:codiceAss>RSSMRA80A01H501U"),
    ];
    assert!(read_visualizza(&good, &ours).is_ok());
    for fields in other {
        assert_ne!(fields, good);
        let failure = read_visualizza(&fields, &ours).unwrap_err();
        assert_eq!(
            (failure.code, failure.outcome),
            (Code::NumberTaken, Outcome::Rejected),
            "{fields}"
        );
        assert_eq!((failure.stops, failure.retry), (Stops::Nothing, Retry::No));
    }
    let other_doctor = format!(
        "<r:codEsitoVisualizzazione>9999</r:codEsitoVisualizzazione>{}",
        problem("1125", 0, BLOCKING)
    );
    assert_eq!(
        read_visualizza(&other_doctor, &ours).unwrap_err().code,
        Code::NumberTaken
    );
}

#[test]
fn what_cannot_be_compared_proves_nothing() {
    let good = seen(&drug(), "3");
    let encrypted = good.replace(
        "<r:codiceAss>",
        "<r:codiceAss>OTtlH0tVJ1SmJKrU9dlt8Ef4lelutLg=",
    );
    assert!(read_visualizza(&encrypted, &drug()).is_ok());
    let enriched = good.replace("<t:codProdPrest>", "<t:codProdPrest>012345678");
    assert!(read_visualizza(&enriched, &drug()).is_ok());
    for part in ["PROVAX00X00X000Y", "2026-10-02 10:15:00", CODE, NRE] {
        let failure = read_visualizza(&good.replace(part, ""), &drug()).unwrap_err();
        assert_eq!(
            (failure.code, failure.outcome),
            (Code::UpstreamGarbage, Outcome::Unknown),
            "{part}"
        );
    }
    let failure = read_visualizza(&good.replace(NRE, OTHER), &drug()).unwrap_err();
    assert_eq!(
        (failure.code, failure.stops),
        (Code::UpstreamMismatch, Stops::Gate)
    );
}

fn read_interroga(fields: &str, ours: &Prescription) -> Result<Answer, Failure> {
    both(|habit| interroga(&message(&INTERROGA_SERVICE, fields, habit), &nre(), ours))
}

#[test]
fn a_used_number_has_one_record_of_ours() {
    let outcome = "<r:codEsitoInterrogaNreUtilizzati>0000</r:codEsitoInterrogaNreUtilizzati>";
    let record = format!(
        "<t:NreUtilRecord><t:nre>{NRE}</t:nre><t:cfMedico>PROVAX00X00X000Y</t:cfMedico>\
         <t:tipoPrescrizione>F</t:tipoPrescrizione>\
         <t:dataCompilazioneRicetta>2026-10-02 10:15:00</t:dataCompilazioneRicetta>\
         <t:cfAssistito>PNIMRA70A01H501P</t:cfAssistito><t:provenienza>0</t:provenienza>\
         <t:lotto>1300A4</t:lotto><t:codAutenticazione>{CODE}</t:codAutenticazione></t:NreUtilRecord>"
    );
    let list = |records: &str| {
        format!("{outcome}<r:ElencoNreUtilRecord>{records}</r:ElencoNreUtilRecord>")
    };
    let answer = read_interroga(&list(&record), &drug()).unwrap();
    assert_eq!(answer.fact, Fact::Found(Standing::Live));
    assert_eq!(receipt_of(&answer).codice_autenticazione, CODE);

    for fields in [outcome.to_owned(), list("")] {
        assert_eq!(read_interroga(&fields, &drug()).unwrap().fact, Fact::Absent);
    }
    let not_present = format!(
        "{}{}",
        outcome.replace("0000", "9999"),
        problem("5005", 0, BLOCKING)
    );
    assert_eq!(
        read_interroga(&not_present, &drug()).unwrap().fact,
        Fact::Absent
    );

    let code = |records: &str| read_interroga(&list(records), &drug()).unwrap_err().code;
    assert_eq!(code(&record.replace(NRE, OTHER)), Code::UpstreamMismatch);
    assert_eq!(code(&record.replace(NRE, "")), Code::UpstreamGarbage);
    assert_eq!(code(&record.replace(CODE, "")), Code::UpstreamGarbage);
    assert_eq!(code(&record.repeat(2)), Code::UpstreamGarbage);
    assert_eq!(
        code(&record.replace("PROVAX00X00X000Y", "PROVAX00X00X000Z")),
        Code::NumberTaken
    );
    assert_eq!(
        code(&record.replace("PNIMRA70A01H501P", "RSSMRA80A01H501U")),
        Code::NumberTaken
    );
    assert_eq!(code(&record.replace(">F<", ">P<")), Code::NumberTaken);

    let refused = format!(
        "{}{}",
        outcome.replace("0000", "9999"),
        problem("1153", 0, BLOCKING)
    );
    assert_eq!(
        read_interroga(&refused, &drug()).unwrap_err().code,
        Code::UpstreamRejected
    );
    let contradiction = outcome.replace("0000", "9999");
    assert_eq!(
        read_interroga(&contradiction, &drug()).unwrap_err().code,
        Code::UpstreamGarbage
    );
}

#[test]
fn a_lot_becomes_a_range_with_its_zeros_kept() {
    let read = |fields: &str, kind: u8| {
        let region = Region::new("130").unwrap();
        both(|habit| lotto(&message(&LOTTO_SERVICE, fields, habit), &region, kind))
    };
    let fields = |region: &str, group: &str, kind: &str, lot: &str| {
        format!(
            "<r:CodRegione>{region}</r:CodRegione><r:CodRagLotto>{group}</r:CodRagLotto>\
             <r:IdentificativoLotto>{kind}</r:IdentificativoLotto><r:CodLotto>{lot}</r:CodLotto>\
             <r:CFMedico></r:CFMedico><r:CodEsito>00</r:CodEsito><r:Esito>OK</r:Esito>"
        )
    };
    let good = fields("130", "0A", "3", "0042");
    let Fact::Range(range) = read(&good, 3).unwrap().fact else {
        panic!("a lot is a range")
    };
    assert_eq!((range.prefix.as_str(), range.digits), ("1300A30042", 5));
    assert_eq!(range.number(17), "1300A3004200017");
    let billion = fields("130", "Z9", "4", "");
    let Fact::Range(range) = read(&billion, 4).unwrap().fact else {
        panic!("a lot is a range")
    };
    assert_eq!((range.prefix.as_str(), range.digits), ("130Z94", 9));

    let code = |fields: &str| read(fields, 3).unwrap_err().code;
    assert_eq!(
        code(&fields("120", "0A", "3", "0042")),
        Code::UpstreamMismatch
    );
    assert_eq!(
        code(&fields("130", "0A", "2", "00042")),
        Code::UpstreamMismatch
    );
    for lot in ["042", "00042", "", "00X2"] {
        assert_eq!(
            code(&fields("130", "0A", "3", lot)),
            Code::UpstreamGarbage,
            "{lot}"
        );
    }
    assert_eq!(code(&fields("130", "", "3", "0042")), Code::UpstreamGarbage);
    assert_eq!(
        code(&fields("130", "a!", "3", "0042")),
        Code::UpstreamGarbage
    );
    assert_eq!(
        code(&good.replace("<r:CodEsito>00</r:CodEsito>", "")),
        Code::UpstreamGarbage
    );

    let refused = read(
        "<r:CodEsito>12</r:CodEsito><r:Esito>REGIONE NON ABILITATA</r:Esito>",
        3,
    );
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.code, refused.outcome),
        (Code::UpstreamRejected, Outcome::Rejected)
    );
    assert_eq!(
        (refused.fault, refused.stops),
        (Fault::Gateway, Stops::Gate)
    );
    let detail: Vec<Notice> = serde_json::from_slice(&refused.detail.0).unwrap();
    assert_eq!(detail, [notice("12", "REGIONE NON ABILITATA", 0)]);
}

proptest! {
    /// A good answer with a piece cut out, doubled or overwritten is read, or refused; it never
    /// panics, and it is never taken for another number's.
    #[test]
    fn broken_answers_never_panic(
        at in 0_usize..2_000, length in 0_usize..80, doubled in any::<bool>(), noise in "[<>a:/\"&]{0,3}",
    ) {
        let ours = drug();
        let good = [
            document(&INVIO_SERVICE, &registered(NRE, CODE, "0001", &problem("1024", 0, WARNING)), HABITS[0]),
            document(&VISUALIZZA_SERVICE, &seen(&ours, "3"), HABITS[1]),
        ];
        for (index, document) in good.iter().enumerate() {
            let start = at.min(document.len());
            let end = (start + length).min(document.len());
            let piece = if doubled { document[start..end].repeat(2) } else { noise.clone() };
            let broken = format!("{}{piece}{}", &document[..start], &document[end..]);
            let Ok(Body::Message(message)) = envelope(broken.as_bytes()) else { continue };
            let read = if index == 0 { invio(&message, &nre()) } else { visualizza(&message, &nre(), &ours) };
            if let Ok(answer) = read && answer.fact == Fact::Done {
                prop_assert!(broken.contains(NRE));
            }
        }
    }
}
