//! SOAP 1.1 envelopes, written and read.

pub(super) mod read;
pub(super) mod write;

/// The namespace of the envelope.
pub(super) const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The namespace of the security header.
pub(super) const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
