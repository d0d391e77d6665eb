//! What is found under a number, and whether it is ours.

use super::*;

/// The content of the SAC for `ours`, as it comes back: the patient's code empty.
pub(super) fn seen(ours: &Prescription, state: &str) -> String {
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
            let mut fields = seen(&ours, state);
            if *fact == Fact::Absent {
                fields = fields.replace(CODE, "");
            }
            let answer = read_visualizza(&fields, &ours).unwrap();
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

/// What would let a number be sent again must not be read out of an answer that says two things.
#[test]
fn absent_is_what_nothing_contradicts() {
    let outcome =
        |code: &str| format!("<r:codEsitoVisualizzazione>{code}</r:codEsitoVisualizzazione>");
    let absent = format!("{}{}", outcome("9999"), problem("5005", 0, BLOCKING));
    let found = seen(&drug(), "3");
    let lot = format!("{}<r:statoProcesso>2</r:statoProcesso>", outcome("0000"));
    assert_eq!(read_visualizza(&lot, &drug()).unwrap().fact, Fact::Absent);
    let code = format!("<r:codAutenticazione>{CODE}</r:codAutenticazione>");
    let contradictions = [
        format!("{absent}<r:statoProcesso>3</r:statoProcesso>"),
        format!("{absent}<r:statoProcesso>1</r:statoProcesso>"),
        format!("{absent}{code}"),
        format!("{}{}", outcome("0000"), problem("5005", 0, BLOCKING)),
        format!("{}{}", outcome("9999"), problem("5005", 0, WARNING)),
        found.replace(">0000<", ">5005<"),
        format!("{found}{}", problem("5005", 0, WARNING)),
        lot.replace(">0000<", ">9999<"),
        format!(
            "{}{}",
            lot.replace(">0000<", ">9999<"),
            problem("1125", 0, WARNING)
        ),
        format!("{lot}{code}"),
        format!("{lot}{}", problem("5011", 0, BLOCKING)),
    ];
    for fields in contradictions {
        let failure = read_visualizza(&fields, &drug()).unwrap_err();
        assert_eq!(
            (failure.code, failure.outcome, failure.stops),
            (Code::UpstreamGarbage, Outcome::Unknown, Stops::Gate),
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
    let short = good.replace(CODE, &CODE[1..]);
    let failure = read_visualizza(&short, &drug()).unwrap_err();
    assert_eq!(failure.code, Code::UpstreamGarbage);
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
    assert_eq!(code(&record.replace(CODE, "12345")), Code::UpstreamGarbage);
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
    for contradiction in [
        outcome.replace("0000", "9999"),
        outcome.replace("0000", "0001"),
        format!("{outcome}{}", problem("5005", 0, BLOCKING)),
        format!("{outcome}{}", problem("1234", 0, WARNING)),
        format!("{}{}", list(""), problem("1153", 0, BLOCKING)),
        format!("{not_present}<r:ElencoNreUtilRecord>{record}</r:ElencoNreUtilRecord>"),
    ] {
        let failure = read_interroga(&contradiction, &drug()).unwrap_err();
        assert_eq!(
            (failure.code, failure.outcome),
            (Code::UpstreamGarbage, Outcome::Unknown),
            "{contradiction}"
        );
    }
}
