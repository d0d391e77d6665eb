//! Which doctor authenticated, how and when: what every call to the SAC states in their name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Digits, Invalid, Moment, PrescriberCode};

const CLASS_PREFIX: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:";

/// The classes that stand for two factors or more (S2 §4.1). The last one is for a transition.
const CLASSES: [&str; 9] = [
    "SpidL2",
    "SpidL3",
    "Smartcard",
    "CNS",
    "CIEL2",
    "CIEL3",
    "genericL2",
    "genericL3",
    "FirmaQualificataL3",
];

/// A prescriber's authentication, as the caller's signed token carried it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The doctor.
    pub subject: PrescriberCode,
    /// How they authenticated.
    pub class_ref: ClassRef,
    /// When.
    pub instant: Moment,
    /// The region and health unit they act in, six digits (`130201`).
    pub locality: Locality,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(…)")
    }
}

/// An authentication class that the SAC accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClassRef(usize);

impl ClassRef {
    /// Reads the name of a class (`SpidL2`) or its whole URN.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let name = text.strip_prefix(CLASS_PREFIX).unwrap_or(text);
        CLASSES
            .iter()
            .position(|class| *class == name)
            .map(ClassRef)
            .ok_or(Invalid::AuthenticationClass)
    }

    /// The whole URN.
    pub fn urn(self) -> String {
        format!("{CLASS_PREFIX}{}", CLASSES[self.0])
    }
}

impl TryFrom<String> for ClassRef {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        ClassRef::new(&text)
    }
}

impl From<ClassRef> for String {
    fn from(class: ClassRef) -> String {
        CLASSES[class.0].to_owned()
    }
}

/// Region and health unit in one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Locality(Digits<6>);

impl Locality {
    /// Checks `text`.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        Digits::new(text)
            .map(Locality)
            .map_err(|_| Invalid::LocalityShape)
    }

    /// The six digits.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for Locality {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Locality::new(text)
    }
}

impl From<Locality> for String {
    fn from(locality: Locality) -> String {
        locality.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_read_from_the_claims_of_a_token() {
        let json = r#"{"subject":"PROVAX00X00X000Y","class_ref":"SpidL2",
            "instant":"2026-10-02T08:00:03Z","locality":"130201"}"#;
        let authority: Authority = serde_json::from_str(json).unwrap();
        assert_eq!(
            authority.class_ref.urn(),
            "urn:oasis:names:tc:SAML:2.0:ac:classes:SpidL2"
        );
        let again = serde_json::to_vec(&authority).unwrap();
        assert_eq!(
            serde_json::from_slice::<Authority>(&again).unwrap(),
            authority
        );
        assert_eq!(format!("{authority:?}"), "Authority(…)");
    }

    #[test]
    fn only_two_factors_count_and_only_a_whole_locality() {
        let urn = "urn:oasis:names:tc:SAML:2.0:ac:classes:CNS";
        assert_eq!(ClassRef::new(urn), ClassRef::new("CNS"));
        for wrong in [
            "",
            "SpidL1",
            "spidl2",
            "Password",
            "urn:oasis:names:tc:SAML:2.0:ac:classes:",
        ] {
            assert_eq!(
                ClassRef::new(wrong).err(),
                Some(Invalid::AuthenticationClass),
                "{wrong}"
            );
        }
        for wrong in ["", "13020", "1302011", "13020A"] {
            assert_eq!(
                Locality::new(wrong).err(),
                Some(Invalid::LocalityShape),
                "{wrong}"
            );
        }
    }
}
