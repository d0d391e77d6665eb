//! The simulator's own answers keep to the kit's schemas, where the kit is at hand.

use std::fs;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};
use tests::upstreams::sac::operation::Operation;

use super::client::{DOCTOR, OTHER_DOCTOR, Reply, Sac};
use super::messages::{cancel, drug, lot, service, used, view};

const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// A receipt's schema and the types it goes with.
struct Kit {
    receipt: String,
    types: String,
}

/// The public kit, beside the workspace on machines that have it.
fn kit(receipt: &str, types: &str) -> Option<Kit> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/protocol/wsdl");
    if !folder.is_dir() {
        eprintln!("skipped: the public kit is not at {}", folder.display());
        return None;
    }
    let read = |path: &str| {
        let text = fs::read_to_string(folder.join(path)).unwrap();
        text.trim_start_matches('\u{feff}').to_owned()
    };
    Some(Kit {
        receipt: read(receipt),
        types: read(types),
    })
}

fn named<'a>(schema: &'a Document<'_>, kind: &str, name: &str) -> Option<Node<'a, 'a>> {
    schema
        .root_element()
        .children()
        .find(|n| n.has_tag_name((XSD, kind)) && n.attribute("name") == Some(name))
}

/// Checks the children of `found` against the sequence under `declared`.
fn check(found: Node<'_, '_>, declared: Node<'_, '_>, namespace: &str, types: &Document<'_>) {
    let types_namespace = types.root_element().attribute("targetNamespace").unwrap();
    let sequence = declared
        .descendants()
        .find(|n| n.has_tag_name((XSD, "sequence")))
        .unwrap();
    let mut children = found.children().filter(Node::is_element).peekable();
    for element in sequence
        .children()
        .filter(|n| n.has_tag_name((XSD, "element")))
    {
        let name = element.attribute("name").unwrap();
        let mut count = 0;
        while let Some(child) = children.next_if(|c| c.has_tag_name((namespace, name))) {
            count += 1;
            let kind = element.attribute("type").unwrap();
            let kind = kind.rsplit(':').next().unwrap();
            if let Some(complex) = named(types, "complexType", kind) {
                check(child, complex, types_namespace, types);
            } else if let Some(simple) = named(types, "simpleType", kind) {
                check_text(child.text().unwrap_or_default(), simple, name);
            }
        }
        assert!(
            count > 0 || element.attribute("minOccurs") == Some("0"),
            "{name} is missing"
        );
        assert!(
            count <= 1 || element.attribute("maxOccurs") == Some("unbounded"),
            "{name}"
        );
    }
    let extra = children
        .next()
        .map(|child| child.tag_name().name().to_owned());
    assert_eq!(extra, None, "out of order in {}", found.tag_name().name());
}

fn check_text(text: &str, simple: Node<'_, '_>, name: &str) {
    let length = text.chars().count();
    for facet in simple.descendants().filter(Node::is_element) {
        let Some(value) = facet.attribute("value") else {
            continue;
        };
        let number = || value.parse::<usize>().unwrap();
        let holds = match facet.tag_name().name() {
            "minLength" => length >= number(),
            "maxLength" => length <= number(),
            "pattern" => {
                let (least, most) = digits(value);
                (least..=most).contains(&length) && text.bytes().all(|b| b.is_ascii_digit())
            }
            other => panic!("a facet not known here: {other}"),
        };
        assert!(holds, "{name} is {text:?}, against {value}");
    }
}

/// How many digits a pattern of the kit wants: `[0-9]`, `[0-9]{4}`, `[0-9]{1,7}`.
fn digits(pattern: &str) -> (usize, usize) {
    let count = pattern.strip_prefix("[0-9]").expect("a pattern of digits");
    let count = count.trim_matches(['{', '}']);
    match count.split_once(',') {
        Some((least, most)) => (least.parse().unwrap(), most.parse().unwrap()),
        None if count.is_empty() => (1, 1),
        None => (count.parse().unwrap(), count.parse().unwrap()),
    }
}

fn assert_valid(reply: &Reply, operation: Operation, kit: &Kit) {
    let receipt = Document::parse(&kit.receipt).unwrap();
    let types = Document::parse(&kit.types).unwrap();
    let declared = named(&receipt, "element", operation.receipt_name()).unwrap();
    let answer = Document::parse(&reply.body).unwrap();
    let name = (operation.receipt_namespace(), operation.receipt_name());
    let found = answer
        .descendants()
        .find(|n| n.has_tag_name(name))
        .expect(&reply.body);
    check(found, declared, operation.receipt_namespace(), &types);
}

#[tokio::test]
async fn answers_of_the_prescription_services_are_valid() {
    let sac = Sac::start();
    let kit = |name: &str, types: &str| {
        kit(
            &format!("dematerializzata/{name}.xsd"),
            &format!("dematerializzata/{types}.xsd"),
        )
    };
    let (Some(sent), Some(seen), Some(gone), Some(listed)) = (
        kit("InvioPrescrittoRicevuta", "TipiDati"),
        kit("VisualizzaPrescrittoRicevuta", "TipiDati"),
        kit("AnnullaPrescrittoRicevuta", "TipiDati"),
        kit("InterrogaNreUtilRicevuta", "TipiDatiInterrogaNreUtilizzati"),
    ) else {
        return;
    };
    for body in [drug(&sac.number()), service(&sac.number())] {
        let number = body
            .fields
            .iter()
            .find(|(name, _)| name == "nre")
            .unwrap()
            .1
            .clone();
        // Each answer twice: refused, and done.
        assert_valid(
            &sac.call(&view(&number, DOCTOR)).await,
            Operation::Visualizza,
            &seen,
        );
        assert_valid(
            &sac.call(&used("", DOCTOR)).await,
            Operation::Interroga,
            &listed,
        );
        assert_valid(&sac.call(&body).await, Operation::Invio, &sent);
        assert_valid(&sac.call(&body).await, Operation::Invio, &sent);
        assert_valid(
            &sac.call(&view(&number, DOCTOR)).await,
            Operation::Visualizza,
            &seen,
        );
        assert_valid(
            &sac.call(&used(&number, DOCTOR)).await,
            Operation::Interroga,
            &listed,
        );
        let other = sac
            .call_as(OTHER_DOCTOR, &cancel(&number, OTHER_DOCTOR))
            .await;
        assert_valid(&other, Operation::Annulla, &gone);
        assert_valid(
            &sac.call(&cancel(&number, DOCTOR)).await,
            Operation::Annulla,
            &gone,
        );
    }
}

#[tokio::test]
async fn answers_of_the_lot_service_are_valid() {
    let sac = Sac::start();
    let Some(kit) = kit("nre-lots/LottoRicevutaNRE.xsd", "nre-lots/TipiDatiNRE.xsd") else {
        return;
    };
    for (kind, doctor) in [
        ("0", Some(DOCTOR)),
        ("0", None),
        ("3", None),
        ("4", None),
        ("9", None),
    ] {
        assert_valid(&sac.call(&lot(kind, doctor)).await, Operation::Lotto, &kit);
    }
}
