//! The assertion, canonicalized again by an independent writer over another parser's tree.

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use roxmltree::{Document, Node};

use super::*;
use crate::sac::soap::write::envelope;

fn authority() -> Authority {
    let claims = r#"{"subject":"PROVAX00X00X000Y","class_ref":"SpidL2",
        "instant":"2026-10-02T08:00:03Z","locality":"130201"}"#;
    serde_json::from_str(claims).unwrap()
}

fn signer() -> Signer {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    Signer::new(Region::new("130").unwrap(), key, b"a certificate")
}

fn now() -> Timestamp {
    "2026-10-02T08:14:58.250Z".parse().unwrap()
}

/// Exclusive canonical form of `node` as an apex, without its signature, `included` prefixes treated
/// as in inclusive form. Enough of the rules for documents without comments, `xml:` attributes and
/// default namespaces.
fn canonical(node: Node<'_, '_>, included: &[&str], rendered: &[(String, String)]) -> String {
    let prefix_of = |namespace: Option<&str>| -> String {
        let found = namespace.and_then(|uri| node.lookup_prefix(uri));
        found.map(str::to_owned).unwrap_or_default()
    };
    let mut used: Vec<String> = vec![prefix_of(node.tag_name().namespace())];
    used.extend(
        node.attributes()
            .filter_map(|a| a.namespace().map(|ns| prefix_of(Some(ns)))),
    );
    used.extend(included.iter().map(|prefix| (*prefix).to_owned()));
    used.sort();
    used.dedup();
    let mut rendered = rendered.to_vec();
    let mut declared = String::new();
    for prefix in used {
        let Some(uri) = node.lookup_namespace_uri(Some(&prefix)) else {
            continue;
        };
        let pair = (prefix, uri.to_owned());
        if !rendered.contains(&pair) {
            declared.push_str(&format!(" xmlns:{}=\"{}\"", pair.0, pair.1));
            rendered.push(pair);
        }
    }
    let mut attributes: Vec<_> = node.attributes().collect();
    attributes.sort_by_key(|a| (a.namespace().unwrap_or_default(), a.name()));
    let attributes: String = attributes
        .into_iter()
        .map(|a| {
            let prefix = a.namespace().map(|ns| format!("{}:", prefix_of(Some(ns))));
            format!(
                " {}{}=\"{}\"",
                prefix.unwrap_or_default(),
                a.name(),
                a.value()
            )
        })
        .collect();
    let name = format!(
        "{}:{}",
        prefix_of(node.tag_name().namespace()),
        node.tag_name().name()
    );
    let content: String = node
        .children()
        .filter(|child| !child.has_tag_name((DSIG, "Signature")))
        .map(|child| match child.text().filter(|_| child.is_text()) {
            Some(text) => text.to_owned(),
            None => canonical(child, included, &rendered),
        })
        .collect();
    format!("<{name}{declared}{attributes}>{content}</{name}>")
}

fn find<'a, 'input>(document: &'a Document<'input>, name: &str) -> Node<'a, 'input> {
    let mut found = document
        .descendants()
        .filter(|node| node.tag_name().name() == name);
    let node = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} occurs twice");
    node
}

#[test]
fn the_bytes_that_are_sent_are_canonical_and_signed() {
    let signer = signer();
    let assertion = signer.assertion(&authority(), now()).unwrap();
    // Inside an envelope, whose namespaces must not reach the canonical form.
    let xml = envelope(&[("req", "urn:req")], Some(&assertion), |_| {});
    let xml = String::from_utf8(xml).unwrap();
    let document = Document::parse(&xml).unwrap();

    let unsigned = canonical(find(&document, "Assertion"), &["xsd"], &[]);
    let start = assertion.find("<ds:Signature ").unwrap();
    let end = assertion.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    assert_eq!(
        unsigned,
        format!("{}{}", &assertion[..start], &assertion[end..])
    );
    let hashed = STANDARD.encode(digest(&SHA256, unsigned.as_bytes()));
    assert_eq!(find(&document, "DigestValue").text(), Some(hashed.as_str()));

    let info = canonical(find(&document, "SignedInfo"), &[], &[]);
    assert!(assertion.contains(&info), "{info}");
    let signature = STANDARD
        .decode(find(&document, "SignatureValue").text().unwrap())
        .unwrap();
    let public_key = Signer::public_key(&signer.key);
    let public_key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key);
    assert!(public_key.verify(info.as_bytes(), &signature).is_ok());
    let tampered = info.replace("PrefixList", "Prefixlist");
    assert!(public_key.verify(tampered.as_bytes(), &signature).is_err());
}

#[test]
fn it_says_who_authenticated_how_and_when() {
    let assertion = signer().assertion(&authority(), now()).unwrap();
    let document = Document::parse(&assertion).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("Version"), Some("2.0"));
    assert_eq!(
        root.attribute("IssueInstant"),
        Some("2026-10-02T08:14:58.250Z")
    );
    let id = root.attribute("ID").unwrap();
    assert!(id.len() == 33 && id.starts_with('_'), "{id}");
    let reference = format!("#{id}");
    assert_eq!(
        find(&document, "Reference").attribute("URI"),
        Some(reference.as_str())
    );
    assert_eq!(find(&document, "Issuer").text(), Some("130"));
    assert_eq!(find(&document, "NameID").text(), Some("PROVAX00X00X000Y"));
    let conditions = find(&document, "Conditions");
    assert_eq!(
        conditions.attribute("NotBefore"),
        Some("2026-10-02T08:13:58.250Z")
    );
    assert_eq!(
        conditions.attribute("NotOnOrAfter"),
        Some("2026-10-02T08:24:58.250Z")
    );
    let statement = find(&document, "AuthnStatement");
    assert_eq!(
        statement.attribute("AuthnInstant"),
        Some("2026-10-02T08:00:03.000Z")
    );
    assert_eq!(
        find(&document, "AuthnContextClassRef").text(),
        Some("urn:oasis:names:tc:SAML:2.0:ac:classes:SpidL2")
    );
}

#[test]
fn its_attributes_are_those_of_the_specification() {
    let assertion = signer().assertion(&authority(), now()).unwrap();
    let document = Document::parse(&assertion).unwrap();
    let attributes: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name((SAML, "Attribute")))
        .map(|node| (node.attribute("Name").unwrap(), node.first_child().unwrap()))
        .map(|(name, value)| {
            (
                name,
                value.attribute((XSI, "type")).unwrap(),
                value.text().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        attributes,
        [
            (
                "urn:oasis:names:tc:xspa:1.0:subject:organization-id",
                "xsd:string",
                "130"
            ),
            (
                "urn:oasis:names:tc:xacml:1.0:subject:subject-id",
                "xsd:string",
                "PROVAX00X00X000Y"
            ),
            (
                "urn:oasis:names:tc:xspa:1.0:resource:org:hoursofoperation:start",
                "xsd:dateTime",
                // Italian local time, while the instants are in UTC.
                "2026-10-02T10:00:03"
            ),
            (
                "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code",
                "xsd:string",
                "AAL2"
            ),
            (
                "urn:oasis:names:tc:xspa:1.0:environment:locality",
                "xsd:string",
                "130201"
            ),
        ]
    );
}

#[test]
fn two_assertions_have_two_names() {
    let signer = signer();
    let id = |assertion: &str| assertion.split("ID=\"").nth(1).unwrap()[..33].to_owned();
    let first = signer.assertion(&authority(), now()).unwrap();
    let second = signer.assertion(&authority(), now()).unwrap();
    assert_ne!(id(&first), id(&second));
}
