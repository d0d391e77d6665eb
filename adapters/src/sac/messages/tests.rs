//! The requests against the public schemas, and against the order and escaping they must have.

use std::path::{Path, PathBuf};
use std::process::Command;

use roxmltree::{Document, Node};

use super::*;
use crate::model::tests::{drug, full, service};
use crate::sac::soap::{ENVELOPE, SECURITY};

const ASSERTION: &str = "<a xmlns=\"urn:a\">signed</a>";

fn nre() -> Nre {
    Nre::new("1300A4019294901").unwrap()
}

fn sealed() -> Sealed {
    Sealed {
        pin_code: "UElO".to_owned(),
        patient_code: "Q09ERQ==".to_owned(),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// The only element in the body.
fn body<'a, 'input>(document: &'a Document<'input>) -> Node<'a, 'input> {
    let body = document
        .root_element()
        .children()
        .find(|child| child.has_tag_name((ENVELOPE, "Body")))
        .expect("a body");
    let content: Vec<_> = body.children().collect();
    assert_eq!(content.len(), 1);
    content[0]
}

fn names(node: Node<'_, '_>) -> Vec<String> {
    node.children()
        .map(|child| child.tag_name().name().to_owned())
        .collect()
}

fn value<'a>(node: Node<'a, '_>, name: &str) -> &'a str {
    let found: Vec<_> = node
        .descendants()
        .filter(|child| child.tag_name().name() == name)
        .collect();
    assert_eq!(found.len(), 1, "{name}");
    found[0].text().unwrap_or_default()
}

/// The elements of a registration and of a row, as their schemas order them.
const HEAD: &str = "\
    pinCode cfMedico1 cfMedico2 codRegione codASLAo codStruttura codSpecializzazione \
    testata1 testata2 nre tipoRic codiceAss cognNome indirizzo oscuramDati numTessSasn \
    socNavigaz tipoPrescrizione ricettaInterna codEsenzione nonEsente reddito codDiagnosi \
    descrizioneDiagnosi dataCompilazione tipoVisita dispReg provAssistito aslAssistito \
    indicazionePrescr altro classePriorita statoEstero istituzCompetente numIdentPers \
    numIdentTess dataNascitaEstero dataScadTessera";
const ROW: &str = "\
    codProdPrest descrProdPrest codGruppoEquival descrGruppoEquival testoLibero \
    descrTestoLiberoNote nonSost motivazNote codMotivazione notaProd quantita prescrizione1 \
    prescrizione2 codCatalogoPrescr tipoAccesso numeroNota condErogabilita \
    approprPrescrittiva patologia numsedute";

#[test]
fn a_registration_has_every_field_in_the_order_of_the_schema() {
    for prescription in [drug(), service(), full()] {
        let xml = text(invio(&prescription, &nre(), &sealed(), ASSERTION));
        let document = Document::parse(&xml).unwrap();
        let message = body(&document);
        assert!(message.has_tag_name((INVIO_SERVICE.request, "InvioPrescrittoRichiesta")));
        assert_eq!(
            names(message).join(" "),
            format!("{HEAD} ElencoDettagliPrescrizioni")
        );
        let row = message.last_child().unwrap().first_child().unwrap();
        assert!(row.has_tag_name((TYPES, "DettaglioPrescrizione")));
        let has_sessions = prescription.rows.as_slice()[0].sessions.is_some();
        let expected = if has_sessions {
            ROW
        } else {
            ROW.trim_end_matches(" numsedute")
        };
        assert_eq!(names(row).join(" "), expected);
        assert!(
            row.children()
                .all(|field| field.tag_name().namespace() == Some(TYPES))
        );
        let own = message
            .children()
            .all(|field| field.tag_name().namespace() == Some(INVIO_SERVICE.request));
        assert!(own);
    }
}

/// What the prescription with every field set says on the wire.
const MEANT: &[(&str, &str)] = &[
    ("pinCode", "UElO"),
    ("cfMedico1", "PROVAX00X00X000Y"),
    ("cfMedico2", "PROVAX00X00X000Z"),
    ("codRegione", "130"),
    ("codASLAo", "201"),
    ("codStruttura", "130201"),
    ("codSpecializzazione", "F"),
    ("testata1", "PT=1234;"),
    ("testata2", "EROGDPC"),
    ("nre", "1300A4019294901"),
    ("tipoRic", "NX"),
    ("codiceAss", "Q09ERQ=="),
    ("cognNome", "PINI MARIO"),
    ("indirizzo", "VIA ROMA, 1|67100|L'AQUILA|AQ"),
    ("oscuramDati", "1"),
    ("numTessSasn", "123"),
    ("socNavigaz", "TIRRENIA & \"FIGLI\" <SPA>"),
    ("tipoPrescrizione", "P"),
    ("ricettaInterna", "1"),
    ("codEsenzione", "E02"),
    ("nonEsente", ""),
    ("reddito", "1"),
    ("codDiagnosi", "250.0"),
    ("descrizioneDiagnosi", "DIABETE"),
    ("dataCompilazione", "2026-12-02 10:15:00"),
    ("tipoVisita", "D"),
    ("dispReg", "DISPOSIZIONE"),
    ("provAssistito", "AQ"),
    ("aslAssistito", "201"),
    ("indicazionePrescr", "H"),
    ("altro", "A"),
    ("classePriorita", "B"),
    ("statoEstero", "CH"),
    ("istituzCompetente", "KVG"),
    ("numIdentPers", "756"),
    ("numIdentTess", "807"),
    ("dataNascitaEstero", "1970-01-31"),
    ("dataScadTessera", "2027-12-31"),
    ("codProdPrest", "012345678"),
    ("descrProdPrest", "FARMACO"),
    ("codGruppoEquival", "G3B"),
    ("descrGruppoEquival", "GRUPPO"),
    ("testoLibero", ""),
    ("descrTestoLiberoNote", "NOTA"),
    ("nonSost", "1"),
    ("motivazNote", "1 AL GIORNO"),
    ("codMotivazione", "1"),
    ("notaProd", "13"),
    ("quantita", "1"),
    ("prescrizione1", "TV;"),
    ("prescrizione2", "R"),
    ("codCatalogoPrescr", "C1"),
    ("tipoAccesso", "0"),
    ("numeroNota", "11"),
    ("condErogabilita", "22"),
    ("approprPrescrittiva", "33"),
    ("patologia", "44"),
    ("numsedute", "9"),
];

#[test]
fn a_registration_says_what_the_doctor_meant() {
    let xml = text(invio(&full(), &nre(), &sealed(), ASSERTION));
    let document = Document::parse(&xml).unwrap();
    let message = body(&document);
    for (name, expected) in MEANT {
        assert_eq!(value(message, name), *expected, "{name}");
    }
    assert!(xml.contains("TIRRENIA &amp; "), "the writer escapes");
}

#[test]
fn who_pays_is_one_of_three_boxes() {
    let boxes = |exemption: Option<Exemption>| {
        let prescription = Prescription {
            exemption,
            ..drug()
        };
        let xml = text(invio(&prescription, &nre(), &sealed(), ASSERTION));
        let document = Document::parse(&xml).unwrap();
        let message = body(&document);
        ["codEsenzione", "nonEsente", "reddito"].map(|name| value(message, name).to_owned())
    };
    let code = crate::model::ExemptionCode::new("048").unwrap();
    assert_eq!(boxes(None), ["", "", ""]);
    assert_eq!(boxes(Some(Exemption::NotExempt)), ["", "1", ""]);
    assert_eq!(boxes(Some(Exemption::Code(code))), ["048", "", ""]);
    assert_eq!(boxes(Some(Exemption::Income(None))), ["", "", "1"]);
}

#[test]
fn each_call_by_number_names_the_doctor_it_must() {
    let substituted = full();
    let acting = substituted.acting_prescriber();
    let read = text(visualizza(&nre(), acting, &sealed(), ASSERTION));
    let cancel = text(annulla(&nre(), acting, &sealed(), ASSERTION));
    for xml in [read, cancel] {
        let document = Document::parse(&xml).unwrap();
        assert_eq!(names(body(&document)), ["pinCode", "nre", "cfMedico"]);
        assert_eq!(value(body(&document), "cfMedico"), "PROVAX00X00X000Z");
    }
    let ask = text(interroga(&nre(), &substituted, &sealed(), ASSERTION));
    let document = Document::parse(&ask).unwrap();
    let expected = ["pinCode", "codRegione", "nre", "cfMedico", "cfAssistito"];
    assert_eq!(names(body(&document)), expected);
    assert_eq!(value(body(&document), "cfMedico"), "PROVAX00X00X000Y");
}

#[test]
fn the_assertion_goes_into_the_header_as_it_was_signed() {
    let xml = text(visualizza(
        &nre(),
        &drug().prescriber.code,
        &sealed(),
        ASSERTION,
    ));
    assert!(xml.contains(&format!(
        "<wsse:Security xmlns:wsse=\"{SECURITY}\">{ASSERTION}</wsse"
    )));
    let lot = text(lotto(&Region::new("130").unwrap(), 3));
    assert!(lot.contains("<soapenv:Header></soapenv:Header>"), "{lot}");
    let document = Document::parse(&lot).unwrap();
    assert_eq!(
        names(body(&document)),
        ["CodRegione", "IdentificativoLotto", "CFMedico"]
    );
    assert_eq!(value(body(&document), "IdentificativoLotto"), "3");
}

/// The folder of the public schemas, beside the repository where there is one.
fn schemas() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/protocol/wsdl");
    folder.is_dir().then_some(folder)
}

/// What xmllint finds wrong with the body of `xml`: nothing, where it is valid. `None` where it is
/// not installed.
fn faults(xml: &str, schema: &Path, folder: &Path) -> Option<String> {
    let document = Document::parse(xml).unwrap();
    let message = body(&document);
    let name = message.tag_name().name();
    let start = format!("<req:{name}>");
    let declared = format!(
        "<req:{name} xmlns:req=\"{}\" xmlns:tip=\"{TYPES}\">",
        message.tag_name().namespace().unwrap()
    );
    let alone = xml[message.range()].replacen(&start, &declared, 1);
    let file = folder.join("message.xml");
    std::fs::write(&file, alone).unwrap();
    let output = Command::new("xmllint")
        .args(["--noout", "--schema"])
        .arg(schema)
        .arg(&file)
        .output();
    let output = output.ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() {
        String::new()
    } else {
        said
    })
}

/// The schemas, in one folder, as they would be usable.
///
/// The types of interroga are invalid as published: an occurrence on a type, which has none. Eight
/// files share one namespace with other facets, so that each message is validated by itself.
fn repaired(wsdl: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for kit in ["dematerializzata", "nre-lots"] {
        for file in std::fs::read_dir(wsdl.join(kit)).unwrap() {
            let file = file.unwrap();
            let schema = std::fs::read_to_string(file.path()).unwrap();
            let schema = schema.replace(
                "name=\"elencoNreUtilRecordType\" minOccurs=\"0\"",
                "name=\"elencoNreUtilRecordType\"",
            );
            std::fs::write(folder.path().join(file.file_name()), schema).unwrap();
        }
    }
    folder
}

#[test]
fn requests_validate_against_the_public_schemas() {
    let Some(wsdl) = schemas() else {
        eprintln!("skipped: the public schemas are not beside the repository");
        return;
    };
    let folder = repaired(&wsdl);
    let doctor = drug().prescriber.code;
    let cases = [
        (
            "InvioPrescrittoRichiesta.xsd",
            invio(&drug(), &nre(), &sealed(), ASSERTION),
        ),
        (
            "InvioPrescrittoRichiesta.xsd",
            invio(&service(), &nre(), &sealed(), ASSERTION),
        ),
        (
            "InvioPrescrittoRichiesta.xsd",
            invio(&full(), &nre(), &sealed(), ASSERTION),
        ),
        (
            "VisualizzaPrescrittoRichiesta.xsd",
            visualizza(&nre(), &doctor, &sealed(), ASSERTION),
        ),
        (
            "AnnullaPrescrittoRichiesta.xsd",
            annulla(&nre(), &doctor, &sealed(), ASSERTION),
        ),
        (
            "InterrogaNreUtilRichiesta.xsd",
            interroga(&nre(), &drug(), &sealed(), ASSERTION),
        ),
        (
            "LottoRichiestaNRE.xsd",
            lotto(&Region::new("130").unwrap(), 3),
        ),
    ];
    for (schema, request) in cases {
        let xml = text(request);
        let schema_file = folder.path().join(schema);
        let Some(found) = faults(&xml, &schema_file, folder.path()) else {
            eprintln!("skipped: xmllint is not installed");
            return;
        };
        assert_eq!(found, "", "{schema}");
        // The oracle can say no: without its number, or its region, a message is not valid.
        let broken = xml
            .replace("<req:nre>", "<req:nr>")
            .replace("</req:nre>", "</req:nr>");
        let broken = broken.replace("CodRegione>", "Regione>");
        let found = faults(&broken, &schema_file, folder.path());
        assert!(
            found.is_some_and(|found| found.contains("validity error")),
            "{schema}"
        );
    }
}
