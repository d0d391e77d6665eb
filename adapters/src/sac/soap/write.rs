//! Writes an envelope, element by element; the writer escapes every value.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::{ENVELOPE, SECURITY};

/// A prefix and the namespace it stands for.
pub(in crate::sac) type Prefix = (&'static str, &'static str);

/// An XML document being written.
pub(in crate::sac) struct Xml(Writer<Vec<u8>>);

impl Xml {
    /// Opens `prefix:name`; [`Xml::close`] must follow with the same name.
    pub(in crate::sac) fn open(&mut self, prefix: &str, name: &str) {
        self.event(Event::Start(BytesStart::new(format!("{prefix}:{name}"))));
    }

    /// Closes `prefix:name`.
    pub(in crate::sac) fn close(&mut self, prefix: &str, name: &str) {
        self.event(Event::End(BytesEnd::new(format!("{prefix}:{name}"))));
    }

    /// An element that holds `value`, also where that is empty.
    pub(in crate::sac) fn field(&mut self, prefix: &str, name: &str, value: &str) {
        self.open(prefix, name);
        self.event(Event::Text(BytesText::new(value)));
        self.close(prefix, name);
    }

    /// An element that opens with namespace declarations.
    fn open_with(&mut self, prefix: &str, name: &str, declared: &[Prefix]) {
        let mut start = BytesStart::new(format!("{prefix}:{name}"));
        for (prefix, namespace) in declared {
            start.push_attribute((format!("xmlns:{prefix}").as_str(), *namespace));
        }
        self.event(Event::Start(start));
    }

    fn event(&mut self, event: Event<'_>) {
        self.0
            .write_event(event)
            .expect("a vector takes every write");
    }
}

/// A whole envelope: `security` (a signed assertion, as the bytes that were signed) in its header,
/// what `body` writes in its body.
pub(in crate::sac) fn envelope(
    declared: &[Prefix],
    security: Option<&str>,
    body: impl FnOnce(&mut Xml),
) -> Vec<u8> {
    const SOAP: &str = "soapenv";
    const WSSE: &str = "wsse";
    let mut xml = Xml(Writer::new(Vec::new()));
    xml.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    let declared: Vec<Prefix> = [(SOAP, ENVELOPE)]
        .into_iter()
        .chain(declared.iter().copied())
        .collect();
    xml.open_with(SOAP, "Envelope", &declared);
    xml.open(SOAP, "Header");
    if let Some(assertion) = security {
        xml.open_with(WSSE, "Security", &[(WSSE, SECURITY)]);
        xml.0.get_mut().extend_from_slice(assertion.as_bytes());
        xml.close(WSSE, "Security");
    }
    xml.close(SOAP, "Header");
    xml.open(SOAP, "Body");
    body(&mut xml);
    xml.close(SOAP, "Body");
    xml.close(SOAP, "Envelope");
    xml.0.into_inner()
}
