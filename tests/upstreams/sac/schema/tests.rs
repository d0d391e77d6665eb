//! The tables against the kit, where it is at hand; the walk over a message.

use std::fs;
use std::path::{Path, PathBuf};

use roxmltree::Document;

use super::*;

const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// The public kit, beside the workspace on machines that have it.
fn kit() -> Option<PathBuf> {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/protocol/wsdl");
    if kit.is_dir() {
        return Some(kit);
    }
    eprintln!("skipped: the public kit is not at {}", kit.display());
    None
}

fn facet_of(types: &Document<'_>, name: &str) -> Facet {
    let definition = types
        .descendants()
        .find(|n| n.has_tag_name((XSD, "simpleType")) && n.attribute("name") == Some(name))
        .unwrap_or_else(|| panic!("{name}"));
    let value = |facet: &str| {
        definition
            .descendants()
            .find(|n| n.has_tag_name((XSD, facet)))
            .and_then(|n| n.attribute("value"))
    };
    match value("pattern") {
        Some("[0-9]" | "[0-9]{1}") => return Facet::Digits(1),
        Some(other) => panic!("{other}"),
        None => {}
    }
    let number = |facet| value(facet).map(|text| text.parse::<usize>().unwrap());
    match (number("minLength"), number("maxLength")) {
        (None, None) => Facet::Any,
        (least, most) => Facet::Length(least.unwrap_or(0), most.unwrap_or(usize::MAX)),
    }
}

fn compare(fields: &[Field], elements: Node<'_, '_>, types: &Document<'_>) {
    let declared: Vec<Node<'_, '_>> = elements
        .descendants()
        .filter(|n| n.has_tag_name((XSD, "element")) && n.has_attribute("type"))
        .collect();
    let names: Vec<&str> = declared
        .iter()
        .map(|n| n.attribute("name").unwrap())
        .collect();
    assert_eq!(fields.iter().map(|f| f.name).collect::<Vec<_>>(), names);
    for (field, node) in fields.iter().zip(declared) {
        assert_eq!(
            field.mandatory,
            node.attribute("minOccurs") != Some("0"),
            "{}",
            field.name
        );
        if let Kind::Simple(type_name, facet) = field.kind {
            let declared_type = node.attribute("type").unwrap();
            assert_eq!(
                type_name,
                declared_type.trim_start_matches("td:"),
                "{}",
                field.name
            );
            assert_eq!(facet, facet_of(types, type_name), "{}", field.name);
        }
    }
}

#[test]
fn the_tables_are_those_of_the_kit() {
    let Some(kit) = kit() else { return };
    let read = |path: &str| {
        let text = fs::read_to_string(kit.join(path)).unwrap();
        text.trim_start_matches('\u{feff}').to_owned()
    };
    let cases = [
        (
            Operation::Invio,
            "dematerializzata/InvioPrescrittoRichiesta.xsd",
            "TipiDati.xsd",
        ),
        (
            Operation::Visualizza,
            "dematerializzata/VisualizzaPrescrittoRichiesta.xsd",
            "TipiDati.xsd",
        ),
        (
            Operation::Annulla,
            "dematerializzata/AnnullaPrescrittoRichiesta.xsd",
            "TipiDati.xsd",
        ),
        (
            Operation::Interroga,
            "dematerializzata/InterrogaNreUtilRichiesta.xsd",
            "TipiDatiInterrogaNreUtilizzati.xsd",
        ),
        (
            Operation::Lotto,
            "nre-lots/LottoRichiestaNRE.xsd",
            "TipiDatiNRE.xsd",
        ),
    ];
    for (operation, path, types) in cases {
        let text = read(path);
        let schema = Document::parse(&text).unwrap();
        let root = schema.root_element();
        assert_eq!(
            root.attribute("targetNamespace"),
            Some(operation.request_namespace())
        );
        let folder = path.split('/').next().unwrap();
        let types = read(&format!("{folder}/{types}"));
        let types = Document::parse(&types).unwrap();
        let declared = types.root_element().attribute("targetNamespace");
        assert_eq!(declared, Some(operation.types_namespace()));
        compare(tables::of(operation), root, &types);
        for field in tables::of(operation) {
            if let Kind::Rows { fields, .. } = field.kind {
                let row = types
                    .descendants()
                    .find(|n| n.attribute("name") == Some("dettaglioPrescrizioneType"));
                compare(fields, row.unwrap(), &types);
            }
        }
    }
}

fn check(operation: Operation, body: &str) -> Result<Message, String> {
    let text = format!(
        "<r:{name} xmlns:r=\"{}\" xmlns:t=\"{}\">{body}</r:{name}>",
        operation.request_namespace(),
        operation.types_namespace(),
        name = operation.request_name()
    );
    validate(operation, Document::parse(&text).unwrap().root_element())
}

#[test]
fn order_presence_and_facets_are_checked() {
    let pin = "<r:pinCode>p</r:pinCode>";
    let cases = [
        (
            format!("{pin}<r:nre>1</r:nre><r:cfMedico>c</r:cfMedico>"),
            None,
        ),
        (
            format!("{pin}<r:cfMedico>c</r:cfMedico><r:nre>1</r:nre>"),
            Some("cvc-particle 3.1"),
        ),
        (format!("{pin}<r:nre>1</r:nre>"), Some("cvc-particle 3.1")),
        (
            format!("{pin}<r:nre>1234567890123456</r:nre>"),
            Some("cvc-simple-type 1"),
        ),
        (format!("{pin}<t:nre>1</t:nre>"), Some("cvc-particle 3.1")),
        (format!("{pin}<nre>1</nre>"), Some("cvc-particle 3.1")),
        (
            format!("{pin}<r:nre>1</r:nre><r:cfMedico>c</r:cfMedico><r:nre>2</r:nre>"),
            Some("cvc-particle 2.1"),
        ),
        ("text".to_owned(), Some("cvc-complex-type 2.3")),
        (
            format!("{pin}<r:nre a='1'>1</r:nre>"),
            Some("cvc-complex-type 3.2.2"),
        ),
        (
            format!("{pin}<r:nre><r:x/></r:nre>"),
            Some("cvc-type 3.1.2"),
        ),
    ];
    for (body, expected) in cases {
        let found = check(Operation::Annulla, &body);
        match expected {
            None => assert_eq!(found.unwrap().get("nre"), "1"),
            Some(start) => assert!(found.as_ref().unwrap_err().starts_with(start), "{found:?}"),
        }
    }
}

#[test]
fn rows_belong_to_the_common_types() {
    let head = |namespace: &str| {
        format!(
            "<r:pinCode/><r:cfMedico1/><r:codRegione>130</r:codRegione><r:codASLAo/>\
             <r:codSpecializzazione>F</r:codSpecializzazione><r:tipoPrescrizione>F</r:tipoPrescrizione>\
             <r:dataCompilazione/><r:tipoVisita>A</r:tipoVisita><r:ElencoDettagliPrescrizioni>\
             <t:DettaglioPrescrizione><{namespace}:quantita>2</{namespace}:quantita>\
             </t:DettaglioPrescrizione></r:ElencoDettagliPrescrizioni>"
        )
    };
    let message = check(Operation::Invio, &head("t")).unwrap();
    assert_eq!(message.rows()[0].get("quantita"), "2");
    assert!(check(Operation::Invio, &head("r")).is_err());
}
