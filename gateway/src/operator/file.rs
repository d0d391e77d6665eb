//! The operator's file: which gateway, and who asks.
//!
//! # Invariants
//!
//! 1. Secrets are named by path; nothing printed from here is one.

use std::fmt;
use std::path::{Path, PathBuf};

use adapters::ClientError;
use adapters::operator::Settings;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::json;

use crate::files::{read_bounded, read_table};
use crate::problem::without_value;
use crate::tokens::jose::parse_algorithm;
use crate::told::chain;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// How long a token lives: one request, and a clock that is a little off.
const TOKEN_SECONDS: i64 = 60;

/// What is wrong: where, and the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    place: String,
    rule: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.rule)
    }
}

impl FileError {
    fn at(place: impl fmt::Display, rule: impl Into<String>) -> FileError {
        FileError {
            place: place.to_string(),
            rule: rule.into(),
        }
    }

    pub(super) fn of_client(error: &ClientError) -> FileError {
        FileError::at("trust_file, certificate_file, key_file", chain(error))
    }
}

/// The file, checked.
pub struct OperatorFile {
    pub(super) settings: Settings,
    organization: String,
    audience: String,
    key_id: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl fmt::Debug for OperatorFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorFile")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    url: String,
    trust_file: PathBuf,
    certificate_file: PathBuf,
    key_file: PathBuf,
    signing_key_file: PathBuf,
    key_id: String,
    organization: String,
    audience: String,
    #[serde(default = "es256")]
    algorithm: String,
}

fn es256() -> String {
    "ES256".to_owned()
}

impl OperatorFile {
    /// Reads the file at `path`; what it names is relative to its directory.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn read(path: &Path) -> Result<OperatorFile, Vec<FileError>> {
        let place = path.display().to_string();
        let table =
            read_table(path, FILE_BYTES_MAX).map_err(|rule| vec![FileError::at(&place, rule)])?;
        let raw: Raw = table.try_into().map_err(|error: toml::de::Error| {
            vec![FileError::at(&place, without_value(error.message()))]
        })?;
        let mut problems = Vec::new();
        if !raw.url.starts_with("https://") {
            problems.push(FileError::at("url", "must begin with https://"));
        }
        let algorithm = parse_algorithm(&raw.algorithm);
        if algorithm.is_none() {
            let rule = "must be ES256, ES384, PS256 or RS256";
            problems.push(FileError::at("algorithm", rule));
        }
        let base = path.parent().unwrap_or(Path::new("."));
        let key = algorithm.map(|algorithm| {
            signing_key(&base.join(&raw.signing_key_file), algorithm)
                .map_err(|rule| problems.push(FileError::at("signing_key_file", rule)))
        });
        match (algorithm, key) {
            (Some(algorithm), Some(Ok(key))) if problems.is_empty() => Ok(OperatorFile {
                settings: Settings {
                    url: raw.url,
                    trust_file: base.join(raw.trust_file),
                    certificate_file: base.join(raw.certificate_file),
                    key_file: base.join(raw.key_file),
                },
                organization: raw.organization,
                audience: raw.audience,
                key_id: raw.key_id,
                algorithm,
                key,
            }),
            _ => Err(problems),
        }
    }

    /// A token for one request.
    pub(super) fn token(&self) -> Result<String, FileError> {
        let now = jiff::Timestamp::now().as_second();
        let claims = json!({
            "iss": self.organization, "organization": self.organization,
            "aud": self.audience, "profile": "operator",
            "jti": uuid::Uuid::now_v7().to_string(),
            "iat": now, "nbf": now, "exp": now + TOKEN_SECONDS,
        });
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|_| FileError::at("signing_key_file", "must be a key for the algorithm"))
    }
}

fn signing_key(path: &Path, algorithm: Algorithm) -> Result<EncodingKey, String> {
    let shown = path.display();
    let pem = zeroize::Zeroizing::new(
        read_bounded(path, FILE_BYTES_MAX).map_err(|rule| format!("{shown}: {rule}"))?,
    );
    let key = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(&pem),
        _ => EncodingKey::from_rsa_pem(&pem),
    };
    key.map_err(|_| format!("{shown}: must be a private key in PEM, for the algorithm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_the_file_names_its_place_and_shows_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("operator.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let problems = OperatorFile::read(&path).unwrap_err();
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            lines.join("\n")
        };
        assert!(read("url = 1\n").contains("operator.toml"));
        assert!(read("").contains("missing field"));
        std::fs::write(directory.path().join("no.key"), "hunter2").unwrap();
        let text = "url = \"http://a\"\ntrust_file = \"a\"\ncertificate_file = \"b\"\n\
             key_file = \"c\"\nsigning_key_file = \"no.key\"\nkey_id = \"k\"\n\
             organization = \"o\"\naudience = \"a\"\n";
        let said = read(text);
        assert!(said.contains("url: must begin with https://"), "{said}");
        assert!(said.contains("no.key: must be a private key"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(read(&format!("{text}colour = 1\n")).contains("colour"));
        assert!(read(&format!("{text}algorithm = \"none\"\n")).contains("must be ES256"));
        std::fs::remove_file(&path).unwrap();
        let problems = OperatorFile::read(&path).unwrap_err();
        assert!(problems[0].to_string().contains("must be readable"));
    }
}
