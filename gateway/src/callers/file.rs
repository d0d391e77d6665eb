//! The callers file: a list of `[[caller]]`, each an organisation, its certificates and a way to sign.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use adapters::callbacks::looks_personal;
use engine::entry::Organization;
use jsonwebtoken::{Algorithm, DecodingKey};
use policies::access::Profile;
use serde::Deserialize;

use super::callbacks::Registered;
use super::files::{KEY_BYTES_MAX, Mark, Marking};
use super::known::Known;
use super::{Callers, Pattern, SigningKey, StandIns, TokenRules};
use crate::problem::{HIDDEN, Problem, without_value};
use crate::tls::CertificateDigest;
use crate::tokens::jose::parse_algorithm;
use crate::tokens::keys::{Authorities, point_bytes};

/// Longest name of an organisation or a key.
const NAME_CHARS_MAX: usize = 128;
/// Characters of a certificate's digest by which its holder is told which one is meant.
const DIGEST_SHOWN: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCallers {
    #[serde(default)]
    caller: Vec<RawCaller>,
}

/// A caller signs with a registered key (`key_id`, `key_file`), with a registered certificate, or with
/// keys that PDND knows (`pdnd_client_id`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCaller {
    organization: String,
    profiles: Vec<String>,
    certificate_sha256: Vec<String>,
    #[serde(default = "many_times")]
    pattern: String,
    algorithm: Option<String>,
    key_id: Option<String>,
    key_file: Option<String>,
    #[serde(default)]
    signing_certificate_sha256: Vec<String>,
    #[serde(default)]
    callbacks: Vec<String>,
    #[serde(default)]
    stands_in_for_sha256: Vec<String>,
    pub(super) integrity: Option<String>,
    pub(super) tracking: Option<String>,
    pub(super) pdnd_client_id: Option<String>,
    #[serde(default)]
    pub(super) purpose_ids: Vec<String>,
}

fn many_times() -> String {
    Pattern::IdAuthRest01.as_str().to_owned()
}

impl Callers {
    /// Reads the callers file `text`; key files are relative to the directory of `path`, and noted by
    /// `marking`.
    ///
    /// Lists all problems, each under the caller it belongs to.
    pub(crate) fn parse(
        path: &Path,
        text: &str,
        rules: TokenRules,
        authorities: Option<Authorities>,
        marking: &mut Marking,
    ) -> Result<Callers, Vec<Problem>> {
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
            marking,
            callers: Callers {
                mark: Mark::default(),
                rules,
                keys: BTreeMap::new(),
                leaves: HashMap::new(),
                certificates: HashMap::new(),
                pdnd_clients: HashMap::new(),
                authorities,
                known: Known::default(),
                callbacks: Registered::default(),
            },
            problems: Vec::new(),
        };
        let is_empty = raw.caller.is_empty();
        for (index, caller) in raw.caller.into_iter().enumerate() {
            reading.add(index + 1, &caller);
        }
        if is_empty {
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
}

/// The callers read so far, and what was wrong.
pub(super) struct Reading<'a> {
    directory: &'a Path,
    marking: &'a mut Marking,
    pub(super) callers: Callers,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    /// What is not the word that belongs there may be anything, a key included: `value` is shown
    /// as it is.
    pub(super) fn refuse(&mut self, key: String, value: &str, rule: &str) {
        self.problems.push(Problem {
            key,
            value: value.to_owned(),
            rule: rule.to_owned(),
        });
    }

    fn add(&mut self, number: usize, raw: &RawCaller) {
        let at = |field: &str| format!("caller {number}.{field}");
        if !is_name(&raw.organization) {
            self.refuse(at("organization"), HIDDEN, NAME_RULE);
        }
        let organization = Organization(raw.organization.clone());
        for rule in self.callers.callbacks.add(&organization, &raw.callbacks) {
            self.refuse(at("callbacks"), HIDDEN, &rule);
        }
        let profiles = self.profiles(&at("profiles"), &raw.profiles);
        let certificates = self.certificates(
            &at("certificate_sha256"),
            &organization,
            &raw.certificate_sha256,
        );
        let Some(pattern) = Pattern::parse(&raw.pattern) else {
            let words = Pattern::ALL.map(Pattern::as_str).join(", ");
            self.refuse(at("pattern"), HIDDEN, &format!("must be one of {words}"));
            return;
        };
        let stand_ins = StandIns::parse(&raw.stands_in_for_sha256).unwrap_or_else(|rule| {
            self.refuse(at("stands_in_for_sha256"), HIDDEN, &rule);
            StandIns::default()
        });
        let mut signing = SigningKey {
            stand_ins,
            name: String::new(),
            organization,
            profiles,
            certificates,
            pattern,
            algorithm: Algorithm::RS256,
            duties: self.duties(number, raw),
            key: None,
        };
        if self.add_client(number, raw, &signing) && signs_with_keys_of_pdnd(raw) {
            return;
        }
        let word = raw.algorithm.as_deref().unwrap_or_default();
        let Some(algorithm) = algorithm(word, pattern) else {
            self.refuse(
                at("algorithm"),
                HIDDEN,
                "must be ES256, ES384, PS256, RS256, RS384 or RS512; RS… where the pattern is FSE",
            );
            return;
        };
        signing.algorithm = algorithm;
        match (&raw.key_id, &raw.key_file) {
            (Some(id), Some(file))
                if raw.signing_certificate_sha256.is_empty() && pattern != Pattern::Fse =>
            {
                self.add_key(number, signing, id, file);
            }
            (None, None) if !raw.signing_certificate_sha256.is_empty() => {
                self.add_leaves(number, &signing, &raw.signing_certificate_sha256);
            }
            _ => self.refuse(at("key_id"), HIDDEN, SIGNING_RULE),
        }
    }

    fn add_key(&mut self, number: usize, mut signing: SigningKey, id: &str, file: &str) {
        let at = |field: &str| format!("caller {number}.{field}");
        if !is_name(id) {
            self.refuse(at("key_id"), HIDDEN, NAME_RULE);
        }
        if self.callers.keys.contains_key(id) {
            self.refuse(at("key_id"), id, "must be another caller's nowhere");
        }
        let pem = self.marking.read(&self.directory.join(file), KEY_BYTES_MAX);
        match pem.and_then(|pem| read_key(&pem, signing.algorithm)) {
            Ok(key) => {
                id.clone_into(&mut signing.name);
                signing.key = Some(key);
                self.callers.keys.insert(id.to_owned(), Arc::new(signing));
            }
            Err(rule) => self.refuse(at("key_file"), HIDDEN, &rule),
        }
    }

    fn add_leaves(&mut self, number: usize, signing: &SigningKey, digests: &[String]) {
        let at = format!("caller {number}.signing_certificate_sha256");
        if self.callers.authorities.is_none() {
            self.refuse(at.clone(), "…", "must not be used without signing_ca_file");
        }
        for text in digests {
            let Some(digest) = CertificateDigest::parse(text) else {
                self.refuse(at.clone(), HIDDEN, "must be 64 hexadecimal characters");
                continue;
            };
            let signing = SigningKey {
                name: text[..DIGEST_SHOWN].to_ascii_lowercase(),
                organization: signing.organization.clone(),
                profiles: signing.profiles.clone(),
                certificates: signing.certificates.clone(),
                stand_ins: signing.stand_ins.clone(),
                key: None,
                ..*signing
            };
            let before = self.callers.leaves.insert(digest, Arc::new(signing));
            if before.is_some() {
                self.refuse(at.clone(), text, "must be another caller's nowhere");
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

pub(super) const NAME_RULE: &str = "must be 1 to 128 letters, digits or marks among . _ : - @ /, \
                                    and look like no tax code and no NRE";

const SIGNING_RULE: &str = "must stand with key_file, or both give way to signing_certificate_sha256, \
                            as they must where the pattern is FSE";

/// Whether nothing is said of a key of its own.
fn signs_with_keys_of_pdnd(raw: &RawCaller) -> bool {
    raw.algorithm.is_none()
        && raw.key_id.is_none()
        && raw.key_file.is_none()
        && raw.signing_certificate_sha256.is_empty()
}

/// The algorithm of this word, if tokens of `pattern` may be signed with it.
fn algorithm(word: &str, pattern: Pattern) -> Option<Algorithm> {
    let is_rs = matches!(word, "RS256" | "RS384" | "RS512");
    parse_algorithm(word).filter(|_| is_rs || pattern != Pattern::Fse)
}

pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:-@/".contains(&b))
        // A name stands in every line of the log.
        && !looks_personal(text)
}

fn read_key(pem: &[u8], algorithm: Algorithm) -> Result<DecodingKey, String> {
    let key = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem),
        _ => DecodingKey::from_rsa_pem(pem),
    };
    key.ok()
        .filter(|key| {
            let length = point_bytes(algorithm);
            length.is_none() || length == key.try_get_as_bytes().ok().map(<[u8]>::len)
        })
        .ok_or_else(|| "must hold a public key (PEM) of the kind its algorithm needs".to_owned())
}
