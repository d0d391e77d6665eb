//! The pair of tokens that software for the Fascicolo Sanitario Elettronico signs: who calls, and what
//! for (`ministero-salute/it-fse-support`, "Integrazione gateway", section 13).
//!
//! # Invariants
//!
//! 1. Both tokens are signed with one certificate, name it in `iss` and speak of one person.
//! 2. A body is the one whose digest was signed, or there is none.
//! 3. A role that is not in [`ROLES`] is nobody here.
//!
//! # Not here
//!
//! `purpose_of_use`, `action_id`, `patient_consent`, `person_id` and `resource_hl7_type` are about
//! documents of the Fascicolo. They must be of their form where they are, and decide nothing.

use std::sync::Arc;

use adapters::model::{Authority, PrescriberCode};
use aws_lc_rs::digest::{SHA256, digest};
use policies::access::Profile;
use serde_json::Value;

use super::claims::{AuthnFault, Claims, Subject, Times, Token};
use super::refusal::Wrong;
use crate::callers::{Signer, TokenRules};

/// The header of the second token.
pub(crate) const HEADER: &str = "FSE-JWT-Signature";

/// What follows a tax code that names a person (HL7 CX with the OID of tax codes).
const PERSON_SUFFIX: &str = "^^^&2.16.840.1.113883.2.9.4.3.2&ISO";

/// The roles that act here, and as what. Others of the value set (Affinity Domain Italia 2.6: PSS, INF,
/// DSA, DAM, ASS, TUT, ING, GEN, NOR, INI, OGC, OPI, MDS, GTW) neither prescribe nor dispense nor book;
/// a citizen comes through a portal.
const ROLES: [(&str, Profile); 7] = [
    // General practitioner or paediatrician of free choice.
    ("APR", Profile::Practice),
    // Doctors of hospitals, homes and networks of care, who prescribe too.
    ("AAS", Profile::Practice),
    ("DRS", Profile::Practice),
    ("RSA", Profile::Practice),
    ("MRP", Profile::Practice),
    ("FAR", Profile::Pharmacy),
    // Administrative staff, who book.
    ("OAM", Profile::Booking),
];

/// The second token as far as the first does not say the same.
pub(crate) struct Signature {
    /// Its name.
    pub(crate) jti: String,
    /// When it holds.
    pub(crate) times: Times,
    /// The digest of the body, where one was signed.
    pub(crate) body: Option<BodyDigest>,
}

/// `attachment_hash`: the SHA-256 of a body, hexadecimal.
#[derive(Debug)]
pub(crate) struct BodyDigest(String);

impl BodyDigest {
    fn parse(text: &str) -> Option<BodyDigest> {
        let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| BodyDigest(text.to_ascii_lowercase()))
    }

    /// Whether it is that of `body`.
    pub(crate) fn is_of(&self, body: &[u8]) -> bool {
        let digest = digest(&SHA256, body);
        let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>() == self.0
    }
}

/// Reads a pair that `signer` has signed: `auth` of `Authorization`, `signature` of [`HEADER`].
pub(crate) fn read(
    auth: &Claims,
    signature: &Claims,
    signer: Signer,
    rules: &TokenRules,
) -> Result<(Token, Signature), Wrong> {
    let name = signer.common_name.as_deref().unwrap_or_default();
    check_issuer(auth, "auth:", name)?;
    check_issuer(signature, "integrity:", name)?;
    let person = auth.text("sub")?;
    let subject = person_code(person).ok_or(Wrong::Claim("sub"))?;
    if signature.text("sub")? != person {
        return Err(Wrong::Unpaired("sub"));
    }
    for claims in [auth, signature] {
        claims.check_audience(rules)?;
    }
    check_forms(signature)?;
    let role = signature.text("subject_role")?;
    let (_, profile) = ROLES
        .into_iter()
        .find(|(known, _)| *known == role)
        .ok_or(Wrong::Role)?;
    if !signer.key.profiles.contains(&profile) {
        return Err(Wrong::Profile);
    }
    let token = Token {
        times: auth.times(rules.one_time_lifetime_max)?,
        jti: auth.jti()?.to_owned(),
        profile,
        prescriber: signature
            .prescriber()
            .map(|authn| authn.and_then(|authn| of_the_subject(authn, &subject))),
        subject: Some(Subject::new(subject.as_str())),
        citizen: None,
        substitutes_for: None,
        key_until: signer.until,
        key: Arc::clone(&signer.key),
    };
    let rest = Signature {
        jti: signature.jti()?.to_owned(),
        times: signature.times(rules.one_time_lifetime_max)?,
        body: body(signature)?,
    };
    Ok((token, rest))
}

fn check_issuer(claims: &Claims, kind: &str, name: &str) -> Result<(), Wrong> {
    let issuer = claims.text("iss")?;
    let is_ours = issuer.strip_prefix(kind) == Some(name) && !name.is_empty();
    is_ours.then_some(()).ok_or(Wrong::Issuer("iss"))
}

/// The claims of the second token that must be there, and those that need not but have a form.
fn check_forms(claims: &Claims) -> Result<(), Wrong> {
    for claim in [
        "subject_organization_id",
        "subject_organization",
        "locality",
        "purpose_of_use",
        "action_id",
    ] {
        claims.text(claim)?;
    }
    claims.text_if_any("resource_hl7_type")?;
    claims.text_if_any("person_id")?;
    match claims.value("patient_consent") {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(_) => Err(Wrong::Claim("patient_consent")),
    }
}

/// The code of a person; that of a professional has the form of a tax code, and not always its letter.
fn person_code(person: &str) -> Option<PrescriberCode> {
    PrescriberCode::new(person.strip_suffix(PERSON_SUFFIX)?).ok()
}

/// The pair itself says neither how nor when the doctor authenticated, which the SAC must be told, and
/// its `locality` is a structure's: that is why `prescriber_authn` is asked for, of the same person.
fn of_the_subject(authn: Authority, subject: &PrescriberCode) -> Result<Authority, AuthnFault> {
    if authn.subject.as_str() == subject.as_str() {
        return Ok(authn);
    }
    Err(AuthnFault {
        rule: "subject",
        sentence: "must be of the person that sub names",
    })
}

fn body(claims: &Claims) -> Result<Option<BodyDigest>, Wrong> {
    let Some(text) = claims.text_if_any("attachment_hash")? else {
        return Ok(None);
    };
    let digest = BodyDigest::parse(text);
    digest.map(Some).ok_or(Wrong::Claim("attachment_hash"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_once_and_none_of_them_operates() {
        for (position, (role, profile)) in ROLES.iter().enumerate() {
            assert!(ROLES[..position].iter().all(|(earlier, _)| earlier != role));
            assert!(matches!(
                profile,
                Profile::Practice | Profile::Pharmacy | Profile::Booking
            ));
        }
    }

    #[test]
    fn a_person_is_a_code_of_the_national_registry() {
        let person = |code: &str| format!("{code}{PERSON_SUFFIX}");
        let read = person_code(&person("PROVAX00X00X000Y"));
        assert_eq!(read.unwrap().as_str(), "PROVAX00X00X000Y");
        for wrong in [
            "PROVAX00X00X000Y".to_owned(),
            person(""),
            person("PROVA"),
            "PROVAX00X00X000Y^^^&2.16.840.1.113883.2.9.4.3.3&ISO".to_owned(),
        ] {
            assert!(person_code(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_body_is_the_one_whose_digest_was_signed() {
        // SHA-256 of "abc" (FIPS 180-4, example B.1).
        let text = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        let digest = BodyDigest::parse(text).unwrap();
        assert!(digest.is_of(b"abc"));
        assert!(!digest.is_of(b"abd") && !digest.is_of(b""));
        for wrong in ["", "ab", &text[1..], &text.replace('B', "G")] {
            assert!(BodyDigest::parse(wrong).is_none(), "{wrong}");
        }
    }
}
