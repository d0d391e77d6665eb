//! The assertion that a region signs for each call: who the doctor is and how he authenticated.
//!
//! Source: "Modalità di accesso tramite autenticazione forte ai servizi WS della ricetta
//! dematerializzata", 1.1 of 03/06/2025, §4. Everything that the document calls mandatory is
//! demanded; the signature is computed over, not looked at.
//!
//! # Failure
//!
//! [`Refusal::Policy`] is what a front end decides from the message alone, [`Refusal::Identity`]
//! what needs to know who is who. Which of the two answers the real system gives in each case is
//! not published; a caller must treat both as a refused authority.

mod signature;

use jiff::Timestamp;
use roxmltree::Node;

pub use signature::SigningCertificate;

const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

/// Classes of at least AAL2 (§4.1). `FirmaQualificataL3` was for a transition whose end is not
/// published, and is not among them.
pub const CLASSES: [&str; 8] = [
    "SpidL2",
    "SpidL3",
    "Smartcard",
    "CNS",
    "CIEL2",
    "CIEL3",
    "genericL2",
    "genericL3",
];
const CLASS_PREFIX: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:";

const ORGANIZATION: &str = "urn:oasis:names:tc:xspa:1.0:subject:organization-id";
const SUBJECT: &str = "urn:oasis:names:tc:xacml:1.0:subject:subject-id";
const LOGIN: &str = "urn:oasis:names:tc:xspa:1.0:resource:org:hoursofoperation:start";
const LEVEL: &str = "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code";
const LOCALITY: &str = "urn:oasis:names:tc:xspa:1.0:environment:locality";

/// Why a call is not let in. The sentence is for whoever runs the simulator, never for the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The front end's policy.
    Policy(&'static str),
    /// The authentication service.
    Identity(&'static str),
}

/// Who a region is: its code and what it signs with.
#[derive(Debug, Clone)]
pub struct Region {
    /// Its ISTAT code.
    pub code: String,
    /// The certificate registered for its signatures.
    pub signing: SigningCertificate,
}

/// What a valid assertion says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asserted {
    /// The doctor's tax code.
    pub subject: String,
    /// Region and health unit.
    pub locality: String,
}

impl Asserted {
    /// What a call says that carries no assertion.
    pub fn no_one() -> Asserted {
        Asserted {
            subject: String::new(),
            locality: String::new(),
        }
    }
}

/// Whether there is a security header at all.
pub fn has_security(header: Option<Node<'_, '_>>) -> bool {
    header.is_some_and(|header| {
        let mut parts = header.children();
        parts.any(|part| part.has_tag_name((WSSE, "Security")))
    })
}

/// Checks the assertion in a SOAP header at the instant `now`.
///
/// # Errors
///
/// The first thing wrong with it.
pub fn verify(
    header: Option<Node<'_, '_>>,
    region: &Region,
    now: Timestamp,
) -> Result<Asserted, Refusal> {
    let header = header.ok_or(Refusal::Policy("no header"))?;
    let security = only(header, WSSE, "Security").ok_or(Refusal::Policy("not one Security"))?;
    let assertion =
        only(security, SAML, "Assertion").ok_or(Refusal::Policy("not one Assertion"))?;
    let elsewhere = header
        .document()
        .descendants()
        .filter(|n| n.has_tag_name((SAML, "Assertion")));
    if elsewhere.count() != 1 {
        return Err(Refusal::Policy("another Assertion in the message"));
    }
    if assertion.attribute("Version") != Some("2.0") {
        return Err(Refusal::Policy("not SAML 2.0"));
    }
    signature::verify(assertion, &region.signing)?;
    timely(assertion, now)?;
    if text(only(assertion, SAML, "Issuer")) != region.code {
        return Err(Refusal::Policy("another issuer"));
    }
    statements(assertion, region, now)
}

fn timely(assertion: Node<'_, '_>, now: Timestamp) -> Result<(), Refusal> {
    let issued = instant(Some(assertion), "IssueInstant");
    if issued.is_none_or(|issued| issued > now) {
        return Err(Refusal::Policy(
            "issued in the future, or at no known instant",
        ));
    }
    let conditions = only(assertion, SAML, "Conditions");
    match (
        instant(conditions, "NotBefore"),
        instant(conditions, "NotOnOrAfter"),
    ) {
        (Some(from), Some(until)) if from <= now && now < until => Ok(()),
        (Some(_), Some(_)) => Err(Refusal::Policy("outside its conditions")),
        _ => Err(Refusal::Policy("without conditions")),
    }
}

fn statements(
    assertion: Node<'_, '_>,
    region: &Region,
    now: Timestamp,
) -> Result<Asserted, Refusal> {
    let subject = only(assertion, SAML, "Subject").and_then(|s| only(s, SAML, "NameID"));
    let subject = text(subject);
    if subject.is_empty() {
        return Err(Refusal::Identity("no subject"));
    }
    let authentication = only(assertion, SAML, "AuthnStatement");
    if instant(authentication, "AuthnInstant").is_none_or(|at| at > now) {
        return Err(Refusal::Identity(
            "authenticated in the future, or at no known instant",
        ));
    }
    let class = authentication
        .and_then(|a| only(a, SAML, "AuthnContext"))
        .and_then(|c| only(c, SAML, "AuthnContextClassRef"));
    if !text(class)
        .strip_prefix(CLASS_PREFIX)
        .is_some_and(|class| CLASSES.contains(&class))
    {
        return Err(Refusal::Identity("a class below AAL2"));
    }
    let attributes =
        only(assertion, SAML, "AttributeStatement").ok_or(Refusal::Identity("no attributes"))?;
    if attribute(attributes, SUBJECT) != subject {
        return Err(Refusal::Identity("subject-id is not the NameID"));
    }
    if attribute(attributes, ORGANIZATION) != region.code {
        return Err(Refusal::Identity("organization-id is not the issuer"));
    }
    if !is_date_time(attribute(attributes, LOGIN)) {
        return Err(Refusal::Identity("no login time"));
    }
    if attribute(attributes, LEVEL) != "AAL2" {
        return Err(Refusal::Identity("not AAL2"));
    }
    let locality = attribute(attributes, LOCALITY);
    if locality.len() != 6 || !locality.starts_with(&region.code) {
        return Err(Refusal::Identity("the locality is not of the region"));
    }
    Ok(Asserted {
        subject: subject.to_owned(),
        locality: locality.to_owned(),
    })
}

/// The one child of this name; none if there is none or more than one.
fn only<'a, 'i>(parent: Node<'a, 'i>, namespace: &str, name: &str) -> Option<Node<'a, 'i>> {
    let mut found = parent
        .children()
        .filter(|child| child.has_tag_name((namespace, name)));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The text of an element without elements in it, trimmed as the specification's examples need.
fn text<'a>(element: Option<Node<'a, '_>>) -> &'a str {
    element
        // One run of text and nothing else: a comment must not cut a value in two.
        .filter(|element| element.children().count() == 1)
        .and_then(|element| element.text())
        .unwrap_or_default()
        .trim()
}

fn attribute<'a>(statement: Node<'a, '_>, name: &str) -> &'a str {
    let mut found = statement
        .children()
        .filter(|n| n.has_tag_name((SAML, "Attribute")) && n.attribute("Name") == Some(name));
    match (found.next(), found.next()) {
        (Some(attribute), None) => text(only(attribute, SAML, "AttributeValue")),
        _ => "",
    }
}

fn instant(element: Option<Node<'_, '_>>, name: &str) -> Option<Timestamp> {
    element?.attribute(name)?.parse().ok()
}

fn is_date_time(value: &str) -> bool {
    value.parse::<Timestamp>().is_ok() || value.parse::<jiff::civil::DateTime>().is_ok()
}
