//! The signed token that a caller presents with every request.

use std::fs;
use std::io;
use std::path::Path;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{failed, key_id};

/// The audience of a gateway that configures no other.
pub const AUDIENCE: &str = "https://argine.local/v1";
const LIFETIME_S: i64 = 300;

/// Which doctor authenticated, how, when and where.
#[derive(Debug, Clone)]
pub struct Prescriber {
    /// The doctor's tax code.
    pub subject: String,
    /// The SAML class, short (`SpidL2`) or whole.
    pub class_ref: String,
    /// When, RFC 3339.
    pub instant: String,
    /// Region and health unit (`130201`).
    pub locality: String,
}

impl Prescriber {
    /// The doctor of the SAC's own test environment, authenticated just now.
    pub fn test_doctor() -> Prescriber {
        Prescriber {
            subject: "PROVAX00X00X000Y".to_owned(),
            class_ref: "SpidL2".to_owned(),
            instant: jiff::Timestamp::now().to_string(),
            locality: "130201".to_owned(),
        }
    }
}

/// A token before it is signed: every claim can be bent, so that tests can forge bad ones.
#[derive(Debug, Clone)]
pub struct Token {
    /// The `kid` of the header.
    pub key_id: String,
    /// The claims.
    pub claims: Value,
}

impl Token {
    /// A good token of `organization`, valid for five minutes from now.
    pub fn of(organization: &str, profile: &str, prescriber: Option<&Prescriber>) -> Token {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "iss": organization,
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_S,
            "jti": uuid::Uuid::now_v7().to_string(),
            "organization": organization,
            "profile": profile,
        });
        if let Some(prescriber) = prescriber {
            claims["prescriber_authn"] = json!({
                "subject": prescriber.subject,
                "class_ref": prescriber.class_ref,
                "instant": prescriber.instant,
                "locality": prescriber.locality,
            });
        }
        Token {
            key_id: key_id(organization),
            claims,
        }
    }

    /// The same token with one claim changed; a null takes the claim away.
    #[must_use]
    pub fn with(mut self, claim: &str, value: Value) -> Token {
        if let Some(claims) = self.claims.as_object_mut() {
            if value.is_null() {
                claims.remove(claim);
            } else {
                claims.insert(claim.to_owned(), value);
            }
        }
        self
    }

    /// Signs it with the key that [`super::mint`] wrote for `organization` into `directory`.
    ///
    /// # Errors
    ///
    /// When that key cannot be read or used.
    pub fn sign(&self, directory: &Path, organization: &str) -> io::Result<String> {
        let key = fs::read(directory.join(format!("callers/{organization}-signing.key")))?;
        let key = EncodingKey::from_ec_pem(&key).map_err(failed)?;
        let header = Header {
            kid: Some(self.key_id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, &self.claims, &key).map_err(failed)
    }
}
