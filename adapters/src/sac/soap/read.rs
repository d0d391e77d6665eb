//! Reads an envelope into a small tree, by expanded names: prefixes are the SAC's to choose, and it
//! chooses differently from one operation to the next.
//!
//! # Invariants
//!
//! 1. Whatever the bytes are, reading ends without a panic, in a tree or in [`Garbage`].
//! 2. A tree comes from one well-formed document in UTF-8, with nothing behind it, no document type,
//!    no processing instruction, and every name bound to a namespace or to none.
//!
//! # Limits
//!
//! [`DEPTH_MAX`], [`ELEMENTS_MAX`], [`ATTRIBUTES_MAX`]; the size of the document is the client's
//! `ANSWER_MAX`.

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

use super::ENVELOPE;

/// Deepest nesting. The SAC's deepest answer has seven levels.
const DEPTH_MAX: usize = 64;
/// Most elements of a document.
const ELEMENTS_MAX: usize = 20_000;
/// Most attributes of an element, namespace declarations included.
const ATTRIBUTES_MAX: usize = 64;

/// Why bytes are not an answer. The word goes into the debug log; the bytes never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::sac) enum Garbage {
    #[error("not UTF-8, or declared as something else")]
    Charset,
    #[error("not well-formed XML")]
    Malformed,
    #[error("a document type or a processing instruction")]
    Forbidden,
    #[error("deeper or larger than any answer")]
    TooLarge,
    #[error("content behind the document")]
    Trailing,
    #[error("not a SOAP 1.1 envelope with one body")]
    Envelope,
    #[error("another message than the operation's receipt")]
    Receipt,
    #[error("an element of a foreign namespace")]
    Foreign,
    #[error("a field that occurs twice")]
    Duplicate,
    #[error("a field that is missing or not in its form")]
    Field,
}

/// An element with its expanded name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::sac) struct Element {
    /// Empty where it is in no namespace.
    pub(in crate::sac) namespace: String,
    pub(in crate::sac) name: String,
    /// Its own text, without that of its children.
    text: String,
    pub(in crate::sac) children: Vec<Element>,
}

impl Element {
    pub(in crate::sac) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// Its text without the white space around it. Refuses an element that has children.
    pub(in crate::sac) fn text(&self) -> Result<&str, Garbage> {
        if self.children.is_empty() {
            Ok(self.text.trim())
        } else {
            Err(Garbage::Field)
        }
    }

    /// Refuses text between children.
    fn holds_only_elements(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// What a body holds.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sac) enum Body {
    Fault(Fault),
    Message(Element),
}

/// A SOAP 1.1 fault.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sac) struct Fault {
    /// The code without its prefix.
    pub(in crate::sac) code: String,
    pub(in crate::sac) string: String,
}

/// Reads an envelope and what its body holds.
pub(in crate::sac) fn envelope(bytes: &[u8]) -> Result<Body, Garbage> {
    let root = document(bytes)?;
    if !root.is(ENVELOPE, "Envelope") || !root.holds_only_elements() {
        return Err(Garbage::Envelope);
    }
    let mut parts = root.children.into_iter().peekable();
    parts.next_if(|part| part.is(ENVELOPE, "Header"));
    let (Some(mut body), None) = (parts.next(), parts.next()) else {
        return Err(Garbage::Envelope);
    };
    if !body.is(ENVELOPE, "Body") || !body.holds_only_elements() || body.children.len() != 1 {
        return Err(Garbage::Envelope);
    }
    let content = body.children.remove(0);
    if content.is(ENVELOPE, "Fault") {
        return fault(&content).map(Body::Fault);
    }
    Ok(Body::Message(content))
}

fn fault(element: &Element) -> Result<Fault, Garbage> {
    let part = |name: &str| {
        let mut found = element.children.iter().filter(|child| child.name == name);
        match (found.next(), found.next()) {
            (Some(part), None) => part.text().map(str::to_owned),
            (None, _) => Ok(String::new()),
            (Some(_), Some(_)) => Err(Garbage::Duplicate),
        }
    };
    let code = part("faultcode")?;
    let code = code.rsplit(':').next().unwrap_or_default().to_owned();
    Ok(Fault {
        code,
        string: part("faultstring")?,
    })
}

/// Reads one document into its root element.
pub(in crate::sac) fn document(bytes: &[u8]) -> Result<Element, Garbage> {
    let text = std::str::from_utf8(bytes).map_err(|_| Garbage::Charset)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut tree = Tree::default();
    let mut first = true;
    loop {
        let (namespace, event) = reader
            .read_resolved_event()
            .map_err(|_| Garbage::Malformed)?;
        match event {
            Event::Start(start) => tree.open(namespace, &start)?,
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => tree.text(&resolved(&reference)?)?,
            Event::Comment(_) => {}
            Event::Decl(declaration) if first => check_encoding(&declaration)?,
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) => return Err(Garbage::Forbidden),
            Event::Empty(_) => return Err(Garbage::Malformed),
            Event::Eof => return tree.finish(),
        }
        first = false;
    }
}

fn check_encoding(declaration: &quick_xml::events::BytesDecl<'_>) -> Result<(), Garbage> {
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(_) => Err(Garbage::Charset),
    }
}

/// The character that a reference stands for: one of the five of XML, or a number.
fn resolved(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, Garbage> {
    if let Some(character) = reference
        .resolve_char_ref()
        .map_err(|_| Garbage::Malformed)?
    {
        return Ok(character.to_string());
    }
    quick_xml::escape::resolve_predefined_entity(&reference.xml10_content())
        .map(str::to_owned)
        .ok_or(Garbage::Forbidden)
}

/// A tree that grows: the elements that are open, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn open(
        &mut self,
        namespace: ResolveResult<'_>,
        start: &BytesStart<'_>,
    ) -> Result<(), Garbage> {
        if self.root.is_some() {
            return Err(Garbage::Trailing);
        }
        self.elements += 1;
        if self.elements > ELEMENTS_MAX || self.open.len() == DEPTH_MAX {
            return Err(Garbage::TooLarge);
        }
        let mut attributes = 0;
        for attribute in start.attributes() {
            attribute.map_err(|_| Garbage::Malformed)?;
            attributes += 1;
            if attributes > ATTRIBUTES_MAX {
                return Err(Garbage::TooLarge);
            }
        }
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.into_inner().to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(_) => return Err(Garbage::Foreign),
        };
        let name = start.local_name().into_inner().to_owned();
        self.open.push(Element {
            namespace,
            name,
            ..Element::default()
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Garbage> {
        let closed = self.open.pop().ok_or(Garbage::Malformed)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => self.root = Some(closed),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Garbage> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None if self.root.is_some() => return Err(Garbage::Trailing),
            None => return Err(Garbage::Malformed),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, Garbage> {
        if !self.open.is_empty() {
            return Err(Garbage::Malformed);
        }
        self.root.ok_or(Garbage::Malformed)
    }
}

#[cfg(test)]
mod tests;
