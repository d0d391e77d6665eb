//! The signed token that a caller presents with every request.

use std::fs;
use std::io;
use std::path::Path;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::signing::{SigningCertificate, chain};
use super::{failed, hex, key_id};

/// The audience of a gateway that configures no other.
pub const AUDIENCE: &str = "https://argine.local/v1";
const LIFETIME_S: i64 = 300;
/// What follows the tax code of a person in the `sub` of an FSE token.
const PERSON_SUFFIX: &str = "^^^&2.16.840.1.113883.2.9.4.3.2&ISO";

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

    fn claim(&self) -> Value {
        json!({
            "subject": self.subject,
            "class_ref": self.class_ref,
            "instant": self.instant,
            "locality": self.locality,
        })
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
            claims["prescriber_authn"] = prescriber.claim();
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

    /// Signs it as an organisation does that signs with certificates, and brings this one along.
    ///
    /// # Errors
    ///
    /// When the key or the certificate cannot be read or used.
    pub fn sign_under(
        &self,
        directory: &Path,
        organization: &str,
        certificate: SigningCertificate,
    ) -> io::Result<String> {
        let stem = directory.join("callers").join(organization);
        self.sign_with_x5c(directory, organization, chain(&stem, certificate)?)
    }

    /// The same with any certificates.
    ///
    /// # Errors
    ///
    /// As [`Token::sign_under`].
    pub fn sign_with_x5c(
        &self,
        directory: &Path,
        organization: &str,
        x5c: Vec<String>,
    ) -> io::Result<String> {
        let key = fs::read(directory.join(format!("callers/{organization}-signing.key")))?;
        let key = EncodingKey::from_rsa_pem(&key).map_err(failed)?;
        let header = Header {
            x5c: Some(x5c),
            ..Header::new(Algorithm::RS256)
        };
        jsonwebtoken::encode(&header, &self.claims, &key).map_err(failed)
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

/// The two tokens that software for the Fascicolo Sanitario Elettronico signs for each request.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Goes into `Authorization`.
    pub auth: Token,
    /// Goes into `FSE-JWT-Signature`.
    pub signature: Token,
}

impl Pair {
    /// A good pair of `organization` for a doctor in this role, over `body` where there is one.
    ///
    /// As some software does, it gives both tokens one `jti`.
    pub fn of(organization: &str, role: &str, doctor: &Prescriber, body: Option<&[u8]>) -> Pair {
        let base = Token::of(organization, "-", None)
            .with("organization", Value::Null)
            .with("profile", Value::Null)
            .with("sub", json!(format!("{}{PERSON_SUFFIX}", doctor.subject)));
        let name = super::signing::common_name(organization);
        let mut signature = base
            .clone()
            .with("iss", json!(format!("integrity:{name}")))
            .with("subject_role", json!(role))
            .with("subject_organization_id", json!("130"))
            .with("subject_organization", json!("Regione Abruzzo"))
            .with(
                "locality",
                json!("130201^^^^^&2.16.840.1.113883.2.9.4.1.3&ISO"),
            )
            .with("purpose_of_use", json!("TREATMENT"))
            .with("action_id", json!("CREATE"))
            .with("patient_consent", json!(true))
            .with("prescriber_authn", doctor.claim());
        if let Some(body) = body {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
            signature = signature.with("attachment_hash", json!(hex(digest.as_ref())));
        }
        Pair {
            auth: base.with("iss", json!(format!("auth:{name}"))),
            signature,
        }
    }

    /// Both of them, signed under one certificate.
    ///
    /// # Errors
    ///
    /// As [`Token::sign_under`].
    pub fn sign_under(
        &self,
        directory: &Path,
        organization: &str,
        certificate: SigningCertificate,
    ) -> io::Result<[String; 2]> {
        let sign = |token: &Token| token.sign_under(directory, organization, certificate);
        Ok([sign(&self.auth)?, sign(&self.signature)?])
    }
}
