//! What the edge shows of itself and whom it trusts: read from files, whole or not at all.
//!
//! # Invariants
//!
//! 1. The key is the certificate's.
//! 2. A list of revoked certificates is signed by one of the authorities; where there are lists, every
//!    authority has one, and a certificate that none of them speaks of is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use policies::time::Timestamp;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::{at, date, provider, server_config};
use crate::config::pem::{self, LISTS_BYTES_MAX, PEM_BYTES_MAX};
use crate::files::read_bounded;

/// Tells the contents of the files from what they were.
pub(crate) type Mark = [u8; SHA256_OUTPUT_LEN];

/// Where everything lies.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Our certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of callers.
    pub authorities: PathBuf,
    /// Lists of what these have revoked.
    pub revoked: Option<PathBuf>,
}

/// What a file holds, or the rule that it breaks.
type Text = Result<Zeroizing<Vec<u8>>, String>;

/// What the files held when they were read.
pub(crate) struct Texts {
    certificate: Text,
    key: Text,
    authorities: Text,
    revoked: Option<Text>,
}

impl TlsFiles {
    /// Reads all of them.
    pub(crate) fn read(&self) -> Texts {
        let bounded = |path: &Path, max| read_bounded(path, max).map(Zeroizing::new);
        let text = |path: &Path| bounded(path, PEM_BYTES_MAX);
        let lists = |path: &Path| bounded(path, LISTS_BYTES_MAX);
        Texts {
            certificate: text(&self.certificate),
            key: text(&self.key),
            authorities: text(&self.authorities),
            revoked: self.revoked.as_deref().map(lists),
        }
    }
}

impl Texts {
    /// What stands for files that cannot be read.
    pub(crate) fn unreadable(rule: &str) -> Texts {
        let text = || Err(rule.to_owned());
        Texts {
            certificate: text(),
            key: text(),
            authorities: text(),
            revoked: None,
        }
    }

    /// The same of two readings of the same.
    pub(crate) fn mark(&self) -> Mark {
        let three = [&self.certificate, &self.key, &self.authorities];
        mark_of(three.into_iter().chain(&self.revoked))
    }

    /// The same of two readings with the same authorities and lists.
    fn trust_mark(&self) -> Mark {
        mark_of([&self.authorities].into_iter().chain(&self.revoked))
    }
}

fn mark_of<'a>(texts: impl Iterator<Item = &'a Text>) -> Mark {
    let mut context = Context::new(&SHA256);
    for text in texts {
        let (word, bytes) = match text {
            Ok(bytes) => (1, bytes.as_slice()),
            Err(rule) => (0, rule.as_bytes()),
        };
        context.update(&[word]);
        context.update(&bytes.len().to_be_bytes());
        context.update(bytes);
    }
    let mut mark = Mark::default();
    mark.copy_from_slice(context.finish().as_ref());
    mark
}

/// A file that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The key of `[listen]` that names the file.
    pub key: &'static str,
    /// The rule.
    pub rule: String,
}

impl Flaw {
    fn new(key: &'static str, rule: impl Into<String>) -> Flaw {
        let rule = rule.into();
        Flaw { key, rule }
    }
}

/// What the edge shows and whom it trusts, as one value.
pub struct Credentials {
    /// Counts those of this process.
    pub(crate) number: u64,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    pub(crate) mark: Mark,
    certified: CertifiedKey,
    /// From when to when our certificate is valid.
    validity: (Timestamp, Timestamp),
    trust_mark: Mark,
}

impl Credentials {
    /// Makes the credentials of this number from `texts`.
    ///
    /// # Errors
    ///
    /// Every file that breaks a rule.
    pub(crate) fn compose(texts: &Texts, number: u64) -> Result<Credentials, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let ours = ours(texts, &mut flaws);
        let verifier = verifier(texts, &mut flaws);
        match (ours, verifier) {
            (Some((certified, validity)), Some(verifier)) => Ok(Credentials {
                number,
                config: server_config(Arc::clone(&verifier), certified.clone()),
                verifier,
                mark: texts.mark(),
                certified,
                validity,
                trust_mark: texts.trust_mark(),
            }),
            _ => Err(flaws),
        }
    }

    /// The rule that our certificate breaks at `now`: one that is not valid takes no other's place.
    pub(crate) fn flaw_at(&self, now: Timestamp) -> Option<Flaw> {
        let (from, until) = self.validity;
        let rule = if now < from {
            let from = date(from);
            format!("must hold a certificate that is valid already, this one is from {from}")
        } else if now >= until {
            let until = date(until);
            format!("must hold a certificate that is valid still, this one was until {until}")
        } else {
            return None;
        };
        Some(Flaw::new("certificate_file", rule))
    }

    /// Whether `other` trusts the same authorities and lists.
    pub(crate) fn trusts_as(&self, other: &Credentials) -> bool {
        self.trust_mark == other.trust_mark
    }

    /// The same trust, behind the certificate of `shown`.
    pub(crate) fn behind(self, shown: &Credentials) -> Credentials {
        let certified = shown.certified.clone();
        Credentials {
            config: server_config(Arc::clone(&self.verifier), certified.clone()),
            certified,
            validity: shown.validity,
            ..self
        }
    }
}

fn told<T>(read: Result<T, String>, key: &'static str, flaws: &mut Vec<Flaw>) -> Option<T> {
    read.map_err(|rule| flaws.push(Flaw::new(key, rule))).ok()
}

fn bytes(text: &Text) -> Result<&[u8], String> {
    text.as_ref()
        .map(|bytes| bytes.as_slice())
        .map_err(String::clone)
}

/// Our certificate with its key, and its validity.
fn ours(texts: &Texts, flaws: &mut Vec<Flaw>) -> Option<(CertifiedKey, (Timestamp, Timestamp))> {
    let chain = bytes(&texts.certificate).and_then(pem::certificates_in);
    let chain = told(chain, "certificate_file", flaws);
    let key = bytes(&texts.key).and_then(pem::private_key_in);
    let (chain, key) = (chain, told(key, "key_file", flaws)?);
    let chain = chain?;
    let (_, leaf) = x509_parser::parse_x509_certificate(&chain[0]).ok()?;
    let validity = leaf.validity();
    let validity = (at(validity.not_before), at(validity.not_after));
    let certified = told(pem::certified(chain.clone(), &key), "key_file", flaws)?;
    Some((certified, validity))
}

/// Accepts certificates issued under the authorities and not revoked, and no connection without one.
fn verifier(texts: &Texts, flaws: &mut Vec<Flaw>) -> Option<Arc<dyn ClientCertVerifier>> {
    let key = "callers_ca_file";
    let authorities = told(
        bytes(&texts.authorities).and_then(pem::certificates_in),
        key,
        flaws,
    );
    let lists = match &texts.revoked {
        None => Some(Vec::new()),
        Some(text) => {
            let lists = bytes(text).and_then(pem::revocation_lists_in);
            told(lists, "callers_crl_file", flaws)
        }
    };
    let (authorities, lists) = (authorities?, lists?);
    if texts.revoked.is_some() {
        let signed = are_of(&lists, &authorities);
        told(signed, "callers_crl_file", flaws)?;
    }
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let added = roots.add(authority).map_err(not_authorities);
        told(added, key, flaws)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .with_crls(lists)
        .build()
        .map_err(not_authorities);
    told(verifier, key, flaws)
}

fn not_authorities(error: impl std::fmt::Display) -> String {
    format!("must hold certificates of authorities: {error}")
}

/// Whether every list is signed by an authority, and every authority has a list.
fn are_of(
    lists: &[CertificateRevocationListDer<'_>],
    authorities: &[CertificateDer<'_>],
) -> Result<(), String> {
    let mut spoken_of = vec![false; authorities.len()];
    for list in lists {
        let (_, list) = CertificateRevocationList::from_der(list)
            .map_err(|_| "must hold lists of revoked certificates".to_owned())?;
        let mut is_signed = false;
        for (authority, spoken_of) in authorities.iter().zip(&mut spoken_of) {
            if is_signed_by(&list, authority) {
                is_signed = true;
                *spoken_of = true;
            }
        }
        if !is_signed {
            return Err("must be signed by authorities of callers_ca_file".to_owned());
        }
    }
    if spoken_of.contains(&false) {
        return Err("must hold a list of every authority of callers_ca_file".to_owned());
    }
    Ok(())
}

fn is_signed_by(list: &CertificateRevocationList<'_>, authority: &CertificateDer<'_>) -> bool {
    let Ok((_, authority)) = X509Certificate::from_der(authority) else {
        return false;
    };
    let key = authority.public_key().subject_public_key.data.as_ref();
    let (text, signature) = (list.tbs_cert_list.as_ref(), &list.signature_value.data);
    let algorithms = provider().signature_verification_algorithms.all;
    authority.subject().as_raw() == list.issuer().as_raw()
        && algorithms
            .iter()
            .any(|algorithm| algorithm.verify_signature(key, text, signature).is_ok())
}

#[cfg(test)]
pub(super) mod tests;
