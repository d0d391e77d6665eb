//! The front end: whether a request is a call of this service by someone it knows.
//!
//! In order: the client certificate, HTTP headers, well-formedness, envelope, assertion, schema,
//! PIN, and whether the doctor of the assertion is the doctor of the message. The order between
//! assertion and schema is not published.

use base64::Engine;
use jiff::Timestamp;
use roxmltree::{Document, Node, ParsingOptions};

use super::cipher::Opener;
use super::operation::Operation;
use super::saml::{self, Asserted, Refusal, Region, SigningCertificate};
use super::schema::{self, Message};
use super::wire;
use crate::upstreams::http::{Request, Response};

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// More than any request of ours has, fewer than would hurt.
const NODES_MAX: u32 = 20_000;

/// What the front end knows.
#[derive(Debug)]
pub struct FrontEnd {
    /// The region and what it signs with.
    pub region: Region,
    /// Its client certificate, DER.
    pub client_certificate: Vec<u8>,
    /// Its PIN.
    pub pin_code: String,
    /// The SanitelCF key.
    pub opener: Opener,
}

/// A call that was let in.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The request's content.
    pub message: Message,
    /// Who the doctor is; no one for a lot, which needs no assertion, and for an organisation that
    /// asks in its own name.
    pub asserted: Asserted,
    /// The patient's code; none if there is none or it could not be read.
    pub patient: Option<String>,
}

/// A call that was not, with the reason for whoever runs the simulator.
#[derive(Debug, Clone)]
pub struct Turned {
    /// What the caller is told.
    pub response: Response,
    /// Why, naming no one.
    pub reason: String,
}

impl FrontEnd {
    /// Reads what the registers hold from the directory that `tests::certs::mint` filled.
    ///
    /// # Errors
    ///
    /// When a file is missing or is not what its name says.
    pub fn open(certs: &std::path::Path, region: &str) -> std::io::Result<FrontEnd> {
        let invalid = |file: &str| std::io::Error::other(format!("{file} cannot be used"));
        let signing = certificate(&certs.join("region-signing.pem"))?;
        let key = std::fs::read_to_string(certs.join("sanitel.key"))?;
        Ok(FrontEnd {
            region: Region {
                code: region.to_owned(),
                signing: SigningCertificate::from_der(&signing)
                    .ok_or_else(|| invalid("region-signing.pem"))?,
            },
            client_certificate: certificate(&certs.join("region.pem"))?,
            pin_code: std::fs::read_to_string(certs.join("pin-code"))?
                .trim()
                .to_owned(),
            opener: Opener::from_pem(&key).ok_or_else(|| invalid("sanitel.key"))?,
        })
    }

    /// Lets a call in, or says why not.
    ///
    /// # Errors
    ///
    /// The answer that turns it away.
    pub fn admit(
        &self,
        operation: Operation,
        request: &Request,
        now: Timestamp,
    ) -> Result<Admitted, Box<Turned>> {
        if request.peer_certificate.as_ref() != Some(&self.client_certificate) {
            return Err(turned(
                401,
                "Client",
                wire::POLICY,
                "not a registered certificate",
            ));
        }
        headers(operation, request)?;
        let text = decode(request).ok_or_else(|| not_a_call("bytes that are no text"))?;
        let options = ParsingOptions {
            nodes_limit: NODES_MAX,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(&text, options)
            .map_err(|error| not_a_call(&format!("not well-formed: {error}")))?;
        let (header, body) = envelope(&document)?;
        let asserted = match operation {
            Operation::Lotto => Asserted::no_one(),
            // An organisation asks the registry in its own name: without any security header.
            Operation::Ricerca | Operation::Tessera if !saml::has_security(header) => {
                Asserted::no_one()
            }
            _ => saml::verify(header, &self.region, now).map_err(unauthenticated)?,
        };
        let message = schema::validate(operation, body)
            .map_err(|violation| turned(500, "Client", &violation, "against the schema"))?;
        let patient = self.identify(operation, &message, &asserted)?;
        Ok(Admitted {
            message,
            asserted,
            patient,
        })
    }

    fn identify(
        &self,
        operation: Operation,
        message: &Message,
        asserted: &Asserted,
    ) -> Result<Option<String>, Box<Turned>> {
        if operation == Operation::Lotto {
            return Ok(None);
        }
        if self.opener.open(message.get("pinCode")).as_ref() != Some(&self.pin_code) {
            return Err(turned(500, "Client", wire::CREDENTIALS, "another PIN"));
        }
        let spoken_for = match operation {
            // With a substitute it is rule 1212 that decides.
            Operation::Invio if message.get("cfMedico2").is_empty() => message.get("cfMedico1"),
            Operation::Visualizza
            | Operation::Annulla
            | Operation::Ricerca
            | Operation::Tessera => message.get("cfMedico"),
            Operation::Invio | Operation::Interroga | Operation::Lotto => &asserted.subject,
        };
        if spoken_for != asserted.subject {
            return Err(unauthenticated(Refusal::Identity(
                "the message names another doctor",
            )));
        }
        if message.get("tipoRicerca") == "C" && asserted.subject.is_empty() {
            return Err(unauthenticated(Refusal::Identity(
                "a whole search in nobody's name",
            )));
        }
        let sealed = match operation {
            Operation::Ricerca | Operation::Tessera => message.get("codiceFiscale"),
            _ => message.get("codiceAss"),
        };
        Ok(self.opener.open(sealed))
    }
}

/// The only certificate of a PEM file, DER.
///
/// # Errors
///
/// When there is none.
pub fn certificate(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let text = std::fs::read_to_string(path)?;
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    base64::engine::general_purpose::STANDARD
        .decode(body)
        .map_err(std::io::Error::other)
}

fn headers(operation: Operation, request: &Request) -> Result<(), Box<Turned>> {
    let media_type = request
        .header("content-type")
        .and_then(|value| value.split(';').next());
    if !media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case(wire::TEXT_XML)) {
        return Err(not_a_call("another media type"));
    }
    // The quotation marks are part of the value (WS-I Basic Profile 1.0, R2744).
    if request.header("soapaction") != Some(&format!("\"{}\"", operation.action())) {
        return Err(not_a_call("another SOAPAction"));
    }
    Ok(())
}

/// UTF-8, or Latin-1 if the document or its media type says so (specification §3.4).
fn decode(request: &Request) -> Option<String> {
    let start = String::from_utf8_lossy(&request.body[..request.body.len().min(100)]);
    let declared = start
        .split("?>")
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let media_type = request
        .header("content-type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    if [declared, media_type]
        .iter()
        .any(|text| text.contains("iso-8859-1"))
    {
        return Some(request.body.iter().copied().map(char::from).collect());
    }
    String::from_utf8(request.body.clone()).ok()
}

type Parts<'a, 'i> = (Option<Node<'a, 'i>>, Node<'a, 'i>);

/// The header, if any, and the one element in the body.
fn envelope<'a, 'i>(document: &'a Document<'i>) -> Result<Parts<'a, 'i>, Box<Turned>> {
    let root = document.root_element();
    if !root.has_tag_name((SOAP, "Envelope")) {
        return Err(not_a_call("no SOAP 1.1 envelope"));
    }
    let mut parts: Vec<Node<'a, 'i>> = root.children().filter(Node::is_element).collect();
    let body = parts.pop().filter(|part| part.has_tag_name((SOAP, "Body")));
    let body = body.ok_or_else(|| not_a_call("no body"))?;
    let header = parts.pop();
    if !parts.is_empty() || header.is_some_and(|part| !part.has_tag_name((SOAP, "Header"))) {
        return Err(not_a_call("stray elements in the envelope"));
    }
    let mut content = body.children().filter(Node::is_element);
    match (content.next(), content.next()) {
        (Some(only), None) => Ok((header, only)),
        _ => Err(not_a_call("not one message in the body")),
    }
}

fn turned(status: u16, code: &str, text: &str, reason: &str) -> Box<Turned> {
    Box::new(Turned {
        response: wire::fault(status, code, text),
        reason: reason.to_owned(),
    })
}

fn not_a_call(reason: &str) -> Box<Turned> {
    turned(500, "Client", wire::NOT_A_CALL, reason)
}

fn unauthenticated(refusal: Refusal) -> Box<Turned> {
    match refusal {
        Refusal::Policy(reason) => turned(401, "Client", wire::POLICY, reason),
        Refusal::Identity(reason) => turned(500, "Server", wire::AUTHENTICATION, reason),
    }
}
