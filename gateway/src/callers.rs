//! Who may call: the registered organisations, their certificates and their signing keys.
//!
//! # Invariants
//!
//! 1. A key id names one key, and a key is used with one algorithm: what a token's own header says
//!    about its algorithm is compared, never followed.
//! 2. A certificate belongs to one organisation.

mod known;
mod obligations;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use engine::entry::Organization;
use jsonwebtoken::{Algorithm, DecodingKey};
use policies::access::Profile;
use serde::Deserialize;

use crate::files::read_bounded;
use crate::problem::{HIDDEN, Problem, without_value};
use crate::tls::CertificateDigest;
use crate::tokens::jose::{Jws, parse_algorithm};
use known::Known;
pub(crate) use obligations::{Duties, PdndClient};

/// Longest name of an organisation or a key.
const NAME_CHARS_MAX: usize = 128;
/// Largest key file that is read.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// What a token must look like, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// The audience it must name.
    pub audience: String,
    /// How far a caller's clock may be from ours.
    pub clock_skew: Duration,
    /// Its longest life, from `iat` to `exp`.
    pub lifetime_max: Duration,
}

/// Every registered caller.
pub struct Callers {
    pub(crate) rules: TokenRules,
    keys: BTreeMap<String, SigningKey>,
    certificates: HashMap<CertificateDigest, Organization>,
    pdnd_clients: HashMap<String, PdndClient>,
    known: Known,
}

/// A key under which an organisation signs its tokens.
pub(crate) struct SigningKey {
    pub(crate) organization: Organization,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) certificates: Vec<CertificateDigest>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
    pub(crate) duties: Duties,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCallers {
    #[serde(default)]
    caller: Vec<RawCaller>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCaller {
    organization: String,
    profiles: Vec<String>,
    certificate_sha256: Vec<String>,
    key_id: Option<String>,
    algorithm: Option<String>,
    key_file: Option<String>,
    integrity: Option<String>,
    tracking: Option<String>,
    pdnd_client_id: Option<String>,
    #[serde(default)]
    purpose_ids: Vec<String>,
}

impl Callers {
    /// Reads the callers file `text`; key files are relative to the directory of `path`.
    ///
    /// Lists all problems, each under the caller it belongs to.
    pub fn parse(path: &Path, text: &str, rules: TokenRules) -> Result<Callers, Vec<Problem>> {
        let raw: RawCallers = toml::from_str(text).map_err(|error| {
            vec![Problem {
                key: path.display().to_string(),
                value: "(the file)".to_owned(),
                rule: format!(
                    "must be a list of [[caller]]: {}",
                    without_value(error.message())
                ),
            }]
        })?;
        let mut reading = Reading {
            directory: path.parent().unwrap_or(Path::new(".")),
            callers: Callers {
                rules,
                keys: BTreeMap::new(),
                certificates: HashMap::new(),
                pdnd_clients: HashMap::new(),
                known: Known::default(),
            },
            problems: Vec::new(),
        };
        for (index, caller) in raw.caller.into_iter().enumerate() {
            reading.add(index + 1, caller);
        }
        if reading.callers.certificates.is_empty() && reading.problems.is_empty() {
            reading.refuse(
                "caller".to_owned(),
                "(none)",
                "must name at least one caller",
            );
        }
        if reading.problems.is_empty() {
            Ok(reading.callers)
        } else {
            Err(reading.problems)
        }
    }

    /// The key of this id.
    pub(crate) fn key(&self, id: &str) -> Option<&SigningKey> {
        self.keys.get(id)
    }

    /// Whether `key` has signed `token`; its signature is checked once a token.
    pub(crate) fn is_signed(&self, token: &Jws<'_>, key: &SigningKey) -> bool {
        let check = || token.is_signed(&key.key, key.algorithm);
        self.known.is_signed(token.text(), check)
    }

    /// The registered client that PDND calls `id`.
    pub(crate) fn pdnd_client(&self, id: &str) -> Option<&PdndClient> {
        self.pdnd_clients.get(id)
    }

    /// The organisation that presents this certificate.
    pub(crate) fn organization(&self, certificate: CertificateDigest) -> Option<&Organization> {
        self.certificates.get(&certificate)
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers")
            .field("keys", &self.keys.len())
            .field("certificates", &self.certificates.len())
            .finish_non_exhaustive()
    }
}

/// The callers read so far, and what was wrong.
struct Reading<'a> {
    directory: &'a Path,
    callers: Callers,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    /// What is not the word that belongs there may be anything, a key included: `value` is shown
    /// as it is.
    fn refuse(&mut self, key: String, value: &str, rule: &str) {
        self.problems.push(Problem {
            key,
            value: value.to_owned(),
            rule: rule.to_owned(),
        });
    }

    fn add(&mut self, number: usize, raw: RawCaller) {
        let at = |field: &str| format!("caller {number}.{field}");
        if !is_name(&raw.organization) {
            self.refuse(at("organization"), HIDDEN, NAME_RULE);
        }
        let organization = Organization(raw.organization.clone());
        let profiles = self.profiles(&at("profiles"), &raw.profiles);
        let certificates = self.certificates(
            &at("certificate_sha256"),
            &organization,
            &raw.certificate_sha256,
        );
        let duties = self.duties(number, &raw);
        let of_pdnd = self.pdnd(
            number,
            &raw,
            PdndClient {
                organization: organization.clone(),
                profiles: profiles.clone(),
                certificates: certificates.clone(),
                purposes: Vec::new(),
                duties,
            },
        );
        match (raw.key_id, raw.algorithm, raw.key_file) {
            (None, None, None) if of_pdnd => {}
            (Some(id), Some(algorithm), Some(file)) => {
                let Some((algorithm, key)) = self.key(number, &id, &algorithm, &file) else {
                    return;
                };
                let signing = SigningKey {
                    organization,
                    profiles,
                    certificates,
                    algorithm,
                    key,
                    duties,
                };
                self.callers.keys.insert(id, signing);
            }
            _ => self.refuse(
                at("key_id"),
                HIDDEN,
                "must stand with algorithm and key_file; all three may be absent with pdnd_client_id",
            ),
        }
    }

    fn key(
        &mut self,
        number: usize,
        id: &str,
        algorithm: &str,
        file: &str,
    ) -> Option<(Algorithm, DecodingKey)> {
        let at = |field: &str| format!("caller {number}.{field}");
        if !is_name(id) {
            self.refuse(at("key_id"), HIDDEN, NAME_RULE);
        }
        if self.callers.keys.contains_key(id) {
            self.refuse(at("key_id"), id, "must be another caller's nowhere");
        }
        let Some(algorithm) = parse_algorithm(algorithm) else {
            self.refuse(
                at("algorithm"),
                HIDDEN,
                "must be ES256, ES384, PS256, RS256, RS384 or RS512",
            );
            return None;
        };
        match read_key(&self.directory.join(file), algorithm) {
            Ok(key) => Some((algorithm, key)),
            Err(rule) => {
                self.refuse(at("key_file"), HIDDEN, &rule);
                None
            }
        }
    }

    fn profiles(&mut self, at: &str, words: &[String]) -> Vec<Profile> {
        if words.is_empty() {
            self.refuse(at.to_owned(), "(none)", "must name at least one profile");
        }
        let mut profiles = Vec::new();
        for word in words {
            match Profile::parse(word) {
                Some(profile) => profiles.push(profile),
                None => {
                    let words = Profile::ALL.map(Profile::as_str).join(", ");
                    self.refuse(at.to_owned(), HIDDEN, &format!("must be one of {words}"));
                }
            }
        }
        profiles
    }

    fn certificates(
        &mut self,
        at: &str,
        organization: &Organization,
        texts: &[String],
    ) -> Vec<CertificateDigest> {
        if texts.is_empty() {
            self.refuse(
                at.to_owned(),
                "(none)",
                "must name at least one certificate",
            );
        }
        let mut certificates = Vec::new();
        for text in texts {
            let Some(digest) = CertificateDigest::parse(text) else {
                self.refuse(at.to_owned(), HIDDEN, "must be 64 hexadecimal characters");
                continue;
            };
            let owner = self.callers.certificates.entry(digest);
            if owner.or_insert_with(|| organization.clone()) != organization {
                self.refuse(
                    at.to_owned(),
                    text,
                    "must not be another organisation's too",
                );
            }
            certificates.push(digest);
        }
        certificates
    }
}

const NAME_RULE: &str = "must be 1 to 128 letters, digits or marks among . _ : - @ /";

fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:-@/".contains(&b))
}

fn read_key(path: &Path, algorithm: Algorithm) -> Result<DecodingKey, String> {
    let pem = read_bounded(path, KEY_BYTES_MAX)?;
    let key = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(&pem),
        _ => DecodingKey::from_rsa_pem(&pem),
    };
    // An uncompressed point: one byte of form and two coordinates.
    let point_bytes = match algorithm {
        Algorithm::ES256 => Some(65),
        Algorithm::ES384 => Some(97),
        _ => None,
    };
    key.ok()
        .filter(|key| {
            point_bytes.is_none() || point_bytes == key.try_get_as_bytes().ok().map(<[u8]>::len)
        })
        .ok_or_else(|| "must hold a public key (PEM) of the kind its algorithm needs".to_owned())
}

#[cfg(test)]
mod tests;
