//! The enveloped signature of an assertion: exactly the algorithms that §4.2 shows.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;

use super::{Refusal, only, text};
use crate::upstreams::sac::c14n::{Options, canonical};

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256_URI: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// A certificate registered for signatures.
#[derive(Clone)]
pub struct SigningCertificate {
    der: Vec<u8>,
    public_key: Vec<u8>,
}

impl fmt::Debug for SigningCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningCertificate(…)")
    }
}

impl SigningCertificate {
    /// Reads it; none when it is not an X.509 certificate.
    pub fn from_der(der: &[u8]) -> Option<SigningCertificate> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let public_key = certificate.public_key().subject_public_key.data.to_vec();
        Some(SigningCertificate {
            der: der.to_vec(),
            public_key,
        })
    }
}

/// Checks that `assertion` as a whole is signed with `registered`.
pub(super) fn verify(
    assertion: Node<'_, '_>,
    registered: &SigningCertificate,
) -> Result<(), Refusal> {
    let signature = only(assertion, DSIG, "Signature").ok_or(Refusal::Policy("unsigned"))?;
    let info = only(signature, DSIG, "SignedInfo").ok_or(Refusal::Policy("no SignedInfo"))?;
    if algorithm(info, "CanonicalizationMethod") != Some(EXCLUSIVE)
        || algorithm(info, "SignatureMethod") != Some(RSA_SHA256)
    {
        return Err(Refusal::Policy("another signature algorithm"));
    }
    let reference = only(info, DSIG, "Reference").ok_or(Refusal::Policy("not one Reference"))?;
    let stated = base64_of(only(reference, DSIG, "DigestValue"));
    if stated.as_deref()
        != Some(digest(&SHA256, &covered(assertion, signature, reference)?).as_ref())
    {
        return Err(Refusal::Policy("changed after it was signed"));
    }
    let certificate = only(signature, DSIG, "KeyInfo")
        .and_then(|info| only(info, DSIG, "X509Data"))
        .and_then(|data| base64_of(only(data, DSIG, "X509Certificate")));
    if certificate.as_deref() != Some(&registered.der) {
        return Err(Refusal::Policy("not the registered signing certificate"));
    }
    let prefixes = inclusive(only(info, DSIG, "CanonicalizationMethod"));
    let signed = canonical(
        info,
        Options {
            omit: None,
            inclusive: &prefixes,
        },
    )
    .ok_or(Refusal::Policy("nested too deep"))?;
    let value = base64_of(only(signature, DSIG, "SignatureValue")).unwrap_or_default();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &registered.public_key)
        .verify(signed.as_bytes(), &value)
        .map_err(|_| Refusal::Policy("signed with another key"))
}

/// The bytes that the reference covers.
fn covered(
    assertion: Node<'_, '_>,
    signature: Node<'_, '_>,
    reference: Node<'_, '_>,
) -> Result<Vec<u8>, Refusal> {
    let id = assertion.attribute("ID").filter(|id| !id.is_empty());
    let id = id.ok_or(Refusal::Policy("an assertion without ID"))?;
    if reference.attribute("URI") != Some(&format!("#{id}")) {
        return Err(Refusal::Policy("signs something else"));
    }
    let same_id = |node: &Node<'_, '_>| {
        ["ID", "Id", "id"]
            .iter()
            .any(|name| node.attribute(*name) == Some(id))
    };
    if assertion.document().descendants().filter(same_id).count() != 1 {
        return Err(Refusal::Policy("an ID that is not unique"));
    }
    let transforms: Vec<_> = only(reference, DSIG, "Transforms")
        .map(|list| {
            list.children()
                .filter(|n| n.has_tag_name((DSIG, "Transform")))
                .collect()
        })
        .unwrap_or_default();
    let names: Vec<_> = transforms
        .iter()
        .map(|t| t.attribute("Algorithm"))
        .collect();
    if names != [Some(ENVELOPED), Some(EXCLUSIVE)]
        || algorithm(reference, "DigestMethod") != Some(SHA256_URI)
    {
        return Err(Refusal::Policy("other transforms or another digest"));
    }
    let prefixes = inclusive(transforms.last().copied());
    canonical(
        assertion,
        Options {
            omit: Some(signature.id()),
            inclusive: &prefixes,
        },
    )
    .map(String::into_bytes)
    .ok_or(Refusal::Policy("nested too deep"))
}

fn algorithm<'a>(parent: Node<'a, '_>, name: &str) -> Option<&'a str> {
    only(parent, DSIG, name)?.attribute("Algorithm")
}

fn inclusive<'a>(method: Option<Node<'a, '_>>) -> Vec<&'a str> {
    method
        .and_then(|method| only(method, EXCLUSIVE, "InclusiveNamespaces"))
        .and_then(|list| list.attribute("PrefixList"))
        .map(|list| list.split_whitespace().collect())
        .unwrap_or_default()
}

fn base64_of(element: Option<Node<'_, '_>>) -> Option<Vec<u8>> {
    let folded: String = text(element).split_whitespace().collect();
    STANDARD.decode(folded).ok()
}
