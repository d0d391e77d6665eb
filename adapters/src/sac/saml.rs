//! The assertion that names the doctor on whose behalf the region calls (S2 §4).
//!
//! # Invariants
//!
//! 1. The document is written in its canonical form (exclusive XML canonicalization, prefix `xsd`
//!    included): the bytes that are sent are the bytes that were digested, with the signature between
//!    them.
//! 2. How the doctor authenticated, and when, is what their token said; only the instant of issue and
//!    the conditions are new for each call.
//!
//! Canonical form asks for: namespace declarations first, sorted by prefix; attributes sorted; no
//! empty-element tags; `"` around values; nothing escaped that need not be. Every value here is made
//! of characters that need no escaping, which is asserted where it is written.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use crate::model::{Authority, Region, in_rome};

/// How long before its issue an assertion is valid: their clock may be behind.
const BEFORE: SignedDuration = SignedDuration::from_mins(1);
/// How long after.
const AFTER: SignedDuration = SignedDuration::from_mins(10);
/// What the assertion says about the strength of the authentication: two factors at least.
const ASSURANCE: &str = "AAL2";

const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const XSD: &str = "http://www.w3.org/2001/XMLSchema";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const NAME_FORMAT: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri";

/// Signs assertions in the name of a region.
pub(super) struct Signer {
    region: Region,
    key: RsaKeyPair,
    /// The certificate of that key, DER in base64.
    certificate: String,
    random: SystemRandom,
}

/// Why an assertion could not be signed: the machine has no entropy, or the key is broken.
#[derive(Debug, thiserror::Error)]
#[error("the assertion could not be signed")]
pub(super) struct SignError;

impl Signer {
    /// `certificate` is the one that belongs to `key`.
    pub(super) fn new(region: Region, key: RsaKeyPair, certificate_der: &[u8]) -> Signer {
        let certificate = STANDARD.encode(certificate_der);
        Signer {
            region,
            key,
            certificate,
            random: SystemRandom::new(),
        }
    }

    /// A signed assertion for one call at `now`.
    pub(super) fn assertion(&self, who: &Authority, now: Timestamp) -> Result<String, SignError> {
        let mut id = [0; 16];
        self.random.fill(&mut id).map_err(|_| SignError)?;
        // An XML identifier does not begin with a digit.
        let id = format!("_{:032x}", u128::from_be_bytes(id));
        let (before, after) = self.unsigned(&id, who, now);
        let hashed = digest(&SHA256, format!("{before}{after}").as_bytes());
        let signature = self.signature(&id, &STANDARD.encode(hashed))?;
        Ok(format!("{before}{signature}{after}"))
    }

    /// The assertion in two parts: the signature goes between them.
    fn unsigned(&self, id: &str, who: &Authority, now: Timestamp) -> (String, String) {
        let region = plain(self.region.as_str());
        let subject = plain(who.subject.as_str());
        let class = plain(&who.class_ref.urn()).to_owned();
        let locality = plain(who.locality.as_str());
        let authenticated_at = who.instant.instant();
        let login = in_rome(authenticated_at, "%Y-%m-%dT%H:%M:%S");
        let before = format!(
            "<saml2:Assertion xmlns:saml2=\"{SAML}\" xmlns:xsd=\"{XSD}\" ID=\"{id}\" \
             IssueInstant=\"{issued}\" Version=\"2.0\"><saml2:Issuer>{region}</saml2:Issuer>",
            issued = instant(now),
        );
        let attributes = [
            (
                "urn:oasis:names:tc:xspa:1.0:subject:organization-id",
                "string",
                region,
            ),
            (
                "urn:oasis:names:tc:xacml:1.0:subject:subject-id",
                "string",
                subject,
            ),
            (
                "urn:oasis:names:tc:xspa:1.0:resource:org:hoursofoperation:start",
                "dateTime",
                &login,
            ),
            (
                "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code",
                "string",
                ASSURANCE,
            ),
            (
                "urn:oasis:names:tc:xspa:1.0:environment:locality",
                "string",
                locality,
            ),
        ];
        let attributes: String = attributes
            .into_iter()
            .map(|(name, kind, value)| attribute(name, kind, value))
            .collect();
        let after = format!(
            "<saml2:Subject><saml2:NameID>{subject}</saml2:NameID></saml2:Subject>\
             <saml2:Conditions NotBefore=\"{not_before}\" NotOnOrAfter=\"{not_after}\">\
             </saml2:Conditions>\
             <saml2:AuthnStatement AuthnInstant=\"{authenticated}\"><saml2:AuthnContext>\
             <saml2:AuthnContextClassRef>{class}</saml2:AuthnContextClassRef>\
             </saml2:AuthnContext></saml2:AuthnStatement>\
             <saml2:AttributeStatement>{attributes}</saml2:AttributeStatement></saml2:Assertion>",
            not_before = instant(now - BEFORE),
            not_after = instant(now + AFTER),
            authenticated = instant(authenticated_at),
        );
        (before, after)
    }

    fn signature(&self, id: &str, digest: &str) -> Result<String, SignError> {
        let info = signed_info(id, digest);
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &self.random,
                info.as_bytes(),
                &mut signature,
            )
            .map_err(|_| SignError)?;
        Ok(format!(
            "<ds:Signature xmlns:ds=\"{DSIG}\">{info}\
             <ds:SignatureValue>{signature}</ds:SignatureValue>\
             <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate>\
             </ds:X509Data></ds:KeyInfo></ds:Signature>",
            signature = STANDARD.encode(signature),
            certificate = self.certificate,
        ))
    }

    /// The public key, as its certificate should have it (PKCS#1 DER).
    pub(super) fn public_key(key: &RsaKeyPair) -> &[u8] {
        key.public_key().as_ref()
    }
}

/// What is signed. It declares its prefix although its parent does: canonicalized alone it must.
fn signed_info(id: &str, digest: &str) -> String {
    format!(
        "<ds:SignedInfo xmlns:ds=\"{DSIG}\">\
         <ds:CanonicalizationMethod Algorithm=\"{EXC_C14N}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\">\
         </ds:SignatureMethod>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{DSIG}enveloped-signature\"></ds:Transform>\
         <ds:Transform Algorithm=\"{EXC_C14N}\">\
         <ec:InclusiveNamespaces xmlns:ec=\"{EXC_C14N}\" PrefixList=\"xsd\">\
         </ec:InclusiveNamespaces></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
         <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
}

fn attribute(name: &str, kind: &str, value: &str) -> String {
    format!(
        "<saml2:Attribute Name=\"{name}\" NameFormat=\"{NAME_FORMAT}\">\
         <saml2:AttributeValue xmlns:xsi=\"{XSI}\" xsi:type=\"xsd:{kind}\">{value}\
         </saml2:AttributeValue></saml2:Attribute>"
    )
}

/// `text`, which no escaping would change.
fn plain(text: &str) -> &str {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'.' | b'-' | b'_');
    assert!(
        text.bytes().all(is_plain),
        "values of an assertion need no escaping"
    );
    text
}

/// An instant in UTC with milliseconds, as SAML has it.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests;
