//! A SAML assertion written in its canonical form, so that signing it needs no canonicaliser.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::client::pem;

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// What an assertion says, and what it is signed with. The default is a good one.
#[derive(Debug, Clone)]
pub(super) struct Assertion {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) subject_id: String,
    pub(super) organization: String,
    pub(super) class: String,
    pub(super) level: String,
    pub(super) locality: String,
    pub(super) login: String,
    pub(super) issued: Timestamp,
    pub(super) not_before: Timestamp,
    pub(super) not_on_or_after: Timestamp,
    pub(super) authenticated: Timestamp,
    /// `<stem>.pem` and `<stem>.key`.
    pub(super) signing: PathBuf,
    /// What is changed in the signature's own words before they are signed.
    pub(super) rewording: Option<(&'static str, &'static str)>,
    /// The certificate shown, if it is another one.
    pub(super) shown: Option<PathBuf>,
}

impl Assertion {
    /// For this doctor, signed with the region's key of this directory.
    pub(super) fn of(doctor: &str, certs: &Path) -> Assertion {
        let now = Timestamp::now();
        Assertion {
            issuer: "130".to_owned(),
            subject: doctor.to_owned(),
            subject_id: doctor.to_owned(),
            organization: "130".to_owned(),
            class: "SpidL2".to_owned(),
            level: "AAL2".to_owned(),
            locality: "130201".to_owned(),
            login: "2026-10-02T10:00:03".to_owned(),
            issued: now,
            not_before: now,
            not_on_or_after: now + SignedDuration::from_mins(10),
            authenticated: now - SignedDuration::from_mins(30),
            signing: certs.join("region-signing"),
            rewording: None,
            shown: None,
        }
    }

    /// The assertion without a signature.
    pub(super) fn unsigned(&self) -> String {
        let (head, tail) = self.halves();
        head + &tail
    }

    /// The assertion with its signature in place.
    pub(super) fn signed(&self) -> String {
        let (head, tail) = self.halves();
        let covered = STANDARD.encode(digest(&SHA256, format!("{head}{tail}").as_bytes()));
        let mut info = signed_info(&covered);
        if let Some((from, to)) = self.rewording {
            assert!(info.contains(from), "{from}");
            info = info.replace(from, to);
        }
        // What is signed declares the prefix itself; in the document it is inherited.
        let canonical = info.replacen(
            "<ds:SignedInfo>",
            &format!("<ds:SignedInfo xmlns:ds=\"{DSIG}\">"),
            1,
        );
        let value = STANDARD.encode(self.sign(canonical.as_bytes()));
        let shown = self
            .shown
            .clone()
            .unwrap_or_else(|| self.signing.with_extension("pem"));
        let certificate = STANDARD.encode(pem(&shown));
        format!(
            "{head}<ds:Signature xmlns:ds=\"{DSIG}\">{info}<ds:SignatureValue>{value}\
             </ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}\
             </ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>{tail}"
        )
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let key = KeyPair::from_pkcs8(&pem(&self.signing.with_extension("key"))).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message,
            &mut signature,
        )
        .unwrap();
        signature
    }

    /// What comes before and after the place of the signature.
    fn halves(&self) -> (String, String) {
        let head = format!(
            "<saml2:Assertion xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" ID=\"_a1\" IssueInstant=\"{}\" \
             Version=\"2.0\"><saml2:Issuer>{}</saml2:Issuer>",
            self.issued, self.issuer
        );
        let attributes = [
            (
                "urn:oasis:names:tc:xspa:1.0:subject:organization-id",
                "string",
                &self.organization,
            ),
            (
                "urn:oasis:names:tc:xacml:1.0:subject:subject-id",
                "string",
                &self.subject_id,
            ),
            (
                "urn:oasis:names:tc:xspa:1.0:resource:org:hoursofoperation:start",
                "dateTime",
                &self.login,
            ),
            (
                "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code",
                "string",
                &self.level,
            ),
            (
                "urn:oasis:names:tc:xspa:1.0:environment:locality",
                "string",
                &self.locality,
            ),
        ];
        let attributes: String = attributes
            .into_iter()
            .filter(|(.., value)| !value.is_empty())
            .map(|(name, kind, value)| attribute(name, kind, value))
            .collect();
        let tail = format!(
            "<saml2:Subject><saml2:NameID>{}</saml2:NameID></saml2:Subject><saml2:Conditions \
             NotBefore=\"{}\" NotOnOrAfter=\"{}\"></saml2:Conditions><saml2:AuthnStatement \
             AuthnInstant=\"{}\"><saml2:AuthnContext><saml2:AuthnContextClassRef>\
             urn:oasis:names:tc:SAML:2.0:ac:classes:{}</saml2:AuthnContextClassRef>\
             </saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement>{attributes}\
             </saml2:AttributeStatement></saml2:Assertion>",
            self.subject, self.not_before, self.not_on_or_after, self.authenticated, self.class
        );
        (head, tail)
    }
}

fn attribute(name: &str, kind: &str, value: &str) -> String {
    format!(
        "<saml2:Attribute Name=\"{name}\" \
         NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:uri\"><saml2:AttributeValue \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"xsd:{kind}\">{value}\
         </saml2:AttributeValue></saml2:Attribute>"
    )
}

fn signed_info(digest: &str) -> String {
    format!(
        "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\">\
         </ds:CanonicalizationMethod><ds:SignatureMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#_a1\"><ds:Transforms><ds:Transform \
         Algorithm=\"{DSIG}enveloped-signature\"></ds:Transform><ds:Transform \
         Algorithm=\"{EXCLUSIVE}\"><ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE}\" \
         PrefixList=\"xsd\"></ec:InclusiveNamespaces></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\">\
         </ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>\
         </ds:SignedInfo>"
    )
}

/// The header that carries an assertion.
pub(super) fn security(assertion: &str) -> String {
    format!(
        "<wsse:Security xmlns:wsse=\"http://docs.oasis-open.org/wss/2004/01/\
         oasis-200401-wss-wssecurity-secext-1.0.xsd\">{assertion}</wsse:Security>"
    )
}
