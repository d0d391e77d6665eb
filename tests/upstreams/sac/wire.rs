//! Answers as bytes: receipts under either namespace habit, and SOAP faults.

use super::operation::Operation;
use super::settings::Prefixes;
use crate::upstreams::http::Response;

/// The media type that the front end gives every answer.
pub const TEXT_XML: &str = "text/xml";

/// What an authentication service answers that will not say more (500).
pub const AUTHENTICATION: &str = "Errore generico di autenticazione";
/// What the front end answers to a call that its policy refuses (401).
pub const POLICY: &str = "Rejected by policy. (from client)";
/// What is answered to a wrong PIN (500).
pub const CREDENTIALS: &str = "Credenziali invalide";
/// What the front end answers to what is no SOAP call of this service (500).
pub const NOT_A_CALL: &str = "Internal Error (from client)";

/// Which of an answer's two namespaces an element belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ns {
    /// That of the receipt.
    Receipt,
    /// That of the common types.
    Types,
}

/// An element of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    ns: Ns,
    name: &'static str,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Text(String),
    Children(Vec<Element>),
}

impl Element {
    /// An element with text in it.
    pub fn text(ns: Ns, name: &'static str, text: impl Into<String>) -> Element {
        Element {
            ns,
            name,
            content: Content::Text(text.into()),
        }
    }

    /// An element with elements in it.
    pub fn of(ns: Ns, name: &'static str, children: Vec<Element>) -> Element {
        Element {
            ns,
            name,
            content: Content::Children(children),
        }
    }
}

/// A notice in an answer (`ErroreRicetta`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Four digits.
    pub code: String,
    /// Its text.
    pub text: String,
    /// The row it speaks of, from one; zero for the whole.
    pub row: usize,
    /// Whether nothing was done because of it.
    pub blocking: bool,
}

impl Notice {
    /// Nothing is done because of this.
    pub fn blocking(code: &str, text: &str, row: usize) -> Notice {
        Notice {
            code: code.to_owned(),
            text: text.to_owned(),
            row,
            blocking: true,
        }
    }

    /// It is done all the same.
    pub fn warning(code: &str, text: &str) -> Notice {
        Notice {
            blocking: false,
            ..Notice::blocking(code, text, 0)
        }
    }
}

/// The list of notices. On success the real one ends with the entry 0000, whose kind is an empty
/// element everywhere but on invio, where it is missing.
pub fn notices(operation: Operation, notices: &[Notice]) -> Element {
    let entry = |code: &str, text: &str, row: usize, kind: Option<&str>| {
        let mut entry = vec![
            Element::text(Ns::Types, "codEsito", code),
            Element::text(Ns::Types, "esito", text),
            Element::text(Ns::Types, "progPresc", row.to_string()),
        ];
        entry.extend(kind.map(|kind| Element::text(Ns::Types, "tipoErrore", kind)));
        Element::of(Ns::Types, "ErroreRicetta", entry)
    };
    let mut list: Vec<Element> = notices
        .iter()
        .map(|n| {
            let kind = if n.blocking { "Bloccante" } else { "Avviso" };
            entry(&n.code, &n.text, n.row, Some(kind))
        })
        .collect();
    if notices.iter().all(|notice| !notice.blocking) {
        let kind = (operation != Operation::Invio).then_some("");
        list.push(entry("0000", "Operazione eseguita correttamente", 0, kind));
    }
    Element::of(Ns::Receipt, "ElencoErroriRicette", list)
}

/// The outcome code of a whole answer.
pub fn outcome(notices: &[Notice]) -> &'static str {
    if notices.iter().any(|notice| notice.blocking) {
        "9999"
    } else if notices.is_empty() {
        "0000"
    } else {
        "0001"
    }
}

/// The list of communications.
pub fn communications(list: &[(&str, String)]) -> Element {
    let list = list
        .iter()
        .map(|(code, text)| {
            Element::of(
                Ns::Types,
                "Comunicazione",
                vec![
                    Element::text(Ns::Types, "codice", *code),
                    Element::text(Ns::Types, "messaggio", text.as_str()),
                ],
            )
        })
        .collect();
    Element::of(Ns::Receipt, "ElencoComunicazioni", list)
}

/// The envelope of a receipt.
pub fn receipt(operation: Operation, prefixes: Prefixes, children: Vec<Element>) -> Response {
    let types_by_default = operation == Operation::Visualizza;
    let (of_receipt, of_types) = match prefixes {
        Prefixes::Everywhere => ("ric", "tip"),
        Prefixes::AsReal if types_by_default => ("ns2", ""),
        Prefixes::Swapped if !types_by_default => ("ns2", ""),
        Prefixes::AsReal | Prefixes::Swapped => ("", "ns2"),
    };
    let declare = |prefix: &str, uri: &str| {
        let colon = if prefix.is_empty() { "" } else { ":" };
        format!(" xmlns{colon}{prefix}=\"{uri}\"")
    };
    let name = qualified(of_receipt, operation.receipt_name());
    let mut body = format!(
        "<{name} xmlns:ns3=\"{}\"{}{}>",
        operation.request_namespace(),
        declare(of_types, operation.types_namespace()),
        declare(of_receipt, operation.receipt_namespace()),
    );
    for child in &children {
        write(child, of_receipt, of_types, &mut body);
    }
    body.push_str(&format!("</{name}>"));
    let envelope = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>{body}\
         </soapenv:Body></soapenv:Envelope>"
    );
    Response::new(200, TEXT_XML, envelope)
}

/// A SOAP fault, as the front end writes it: it ends the connection.
pub fn fault(status: u16, code: &str, text: &str) -> Response {
    let envelope = format!(
        "<?xml version='1.0' ?>\n<env:Envelope \
         xmlns:env='http://schemas.xmlsoap.org/soap/envelope/'><env:Body><env:Fault>\
         <faultcode>env:{code}</faultcode><faultstring>{}</faultstring></env:Fault></env:Body>\
         </env:Envelope>\n",
        escape(text)
    );
    let mut response = Response::new(status, TEXT_XML, envelope);
    response.headers = vec![
        ("X-Backside-Transport", "FAIL FAIL".to_owned()),
        ("Connection", "close".to_owned()),
    ];
    response
}

fn qualified(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}:{name}")
    }
}

fn write(element: &Element, of_receipt: &str, of_types: &str, out: &mut String) {
    let prefix = if element.ns == Ns::Receipt {
        of_receipt
    } else {
        of_types
    };
    let name = qualified(prefix, element.name);
    match &element.content {
        Content::Text(text) if text.is_empty() => out.push_str(&format!("<{name}/>")),
        Content::Text(text) => out.push_str(&format!("<{name}>{}</{name}>", escape(text))),
        Content::Children(children) => {
            out.push_str(&format!("<{name}>"));
            for child in children {
                write(child, of_receipt, of_types, out);
            }
            out.push_str(&format!("</{name}>"));
        }
    }
}

/// Text as XML, letters beyond ASCII as numbers: so does the real system.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_ascii() => escaped.push(c),
            c => escaped.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    escaped
}
