//! Who may call: the registered organisations, their certificates and their signing keys.
//!
//! # Invariants
//!
//! 1. A key id and a signing certificate name one key each, and a key is used with one algorithm: what
//!    a token's own header says about its algorithm is compared, never followed.
//! 2. A certificate belongs to one organisation.
//! 3. A key belongs to one pattern: what was registered as a pair, or for one use, is worth nothing alone
//!    or again.

mod callbacks;
mod file;
pub(crate) mod files;
mod known;
mod obligations;
pub(crate) mod reload;
mod stand_ins;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engine::entry::Organization;
use jsonwebtoken::{Algorithm, DecodingKey};
use policies::access::Profile;
use policies::time::Timestamp;

use crate::tls::CertificateDigest;
use crate::tokens::claims::Token;
use crate::tokens::jose::{Jws, parse_algorithm};
use crate::tokens::keys::{Authorities, Chain};
use crate::tokens::refusal::{Refusal, Wrong};
use callbacks::Registered;
use files::Mark;
use known::Known;
pub(crate) use obligations::{Duties, PdndClient};
pub(crate) use stand_ins::StandIns;

/// What a token must look like, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// The audience it must name.
    pub audience: String,
    /// How far a caller's clock may be from ours.
    pub clock_skew: Duration,
    /// Its longest life, from `iat` to `exp`.
    pub lifetime_max: Duration,
    /// The same of one that is admitted once and remembered as long as it lives.
    pub one_time_lifetime_max: Duration,
    /// How long ago a citizen may have authenticated at a portal.
    pub citizen_authn_age_max: Duration,
}

/// Every registered caller.
pub struct Callers {
    /// The same of two that were read from the same.
    pub(crate) mark: Mark,
    pub(crate) rules: TokenRules,
    keys: BTreeMap<String, Arc<SigningKey>>,
    leaves: HashMap<CertificateDigest, Arc<SigningKey>>,
    certificates: HashMap<CertificateDigest, Organization>,
    pdnd_clients: HashMap<String, PdndClient>,
    authorities: Option<Authorities>,
    known: Known<Token>,
    callbacks: Registered,
}

impl TokenRules {
    /// The longest life of a token that is admitted once, if it `is_once`, or many times.
    pub(crate) fn longest(&self, is_once: bool) -> Duration {
        match is_once {
            true => self.one_time_lifetime_max,
            false => self.lifetime_max,
        }
    }
}

/// How an organisation's tokens are presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// One token, many times.
    IdAuthRest01,
    /// One token, once.
    IdAuthRest02,
    /// A pair of tokens, once.
    Fse,
}

impl Pattern {
    const ALL: [Pattern; 3] = [Pattern::IdAuthRest01, Pattern::IdAuthRest02, Pattern::Fse];

    fn as_str(self) -> &'static str {
        match self {
            Pattern::IdAuthRest01 => "ID_AUTH_REST_01",
            Pattern::IdAuthRest02 => "ID_AUTH_REST_02",
            Pattern::Fse => "FSE",
        }
    }

    fn parse(word: &str) -> Option<Pattern> {
        Pattern::ALL
            .into_iter()
            .find(|known| known.as_str() == word)
    }
}

/// A key under which an organisation signs its tokens.
pub(crate) struct SigningKey {
    /// What it is called before whoever holds it: its id, or the beginning of a certificate's digest.
    pub(crate) name: String,
    pub(crate) organization: Organization,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) certificates: Vec<CertificateDigest>,
    pub(crate) pattern: Pattern,
    pub(crate) algorithm: Algorithm,
    /// For whom those who sign with it may stand in.
    pub(crate) stand_ins: StandIns,
    /// What must come with its tokens.
    pub(crate) duties: Duties,
    /// The key itself; absent where tokens bring it along in a registered certificate.
    key: Option<DecodingKey>,
}

/// Who has signed a token.
#[derive(Clone)]
pub(crate) struct Signer {
    /// By which key.
    pub(crate) key: Arc<SigningKey>,
    /// The common name of its certificate, where there is one.
    pub(crate) common_name: Option<String>,
    /// When that certificate ends.
    pub(crate) until: Option<Timestamp>,
}

impl SigningKey {
    /// A refusal that whoever holds the key may hear.
    pub(crate) fn refusal(&self, wrong: Wrong) -> Refusal {
        Refusal::Signed {
            key: self.name.clone(),
            wrong,
        }
    }
}

impl Callers {
    /// Who has signed `token`, as far as can be said at `wall`.
    ///
    /// A key is found by `kid`, or else by the leaf of `x5c`. The algorithm is compared first; whether
    /// the certificates of an `x5c` hold is said to whoever has their key.
    pub(crate) fn signer(&self, token: &Jws<'_>, wall: Timestamp) -> Result<Signer, Refusal> {
        let by_id = token.header.kid.as_deref().and_then(|id| self.keys.get(id));
        if let Some(key) = by_id {
            let decoding = key.key.as_ref().ok_or(Refusal::Signature)?;
            check_signature(token, key, decoding)?;
            return Ok(Signer {
                key: Arc::clone(key),
                common_name: None,
                until: None,
            });
        }
        let Some(x5c) = &token.header.x5c else {
            let is_named = token.header.kid.is_some();
            return Err(if is_named {
                Refusal::Signature
            } else {
                Refusal::Malformed
            });
        };
        let chain = Chain::parse(x5c).ok_or(Refusal::Malformed)?;
        self.signer_by(&chain, token, wall)
    }

    fn signer_by(
        &self,
        chain: &Chain,
        token: &Jws<'_>,
        wall: Timestamp,
    ) -> Result<Signer, Refusal> {
        let key = self.leaves.get(&chain.leaf()).ok_or(Refusal::Signature)?;
        let authorities = self.authorities.as_ref().ok_or(Refusal::Signature)?;
        let decoding = chain.key(key.algorithm).ok_or(Refusal::Signature)?;
        check_signature(token, key, &decoding)?;
        let until = authorities.check(chain, wall);
        let until = until.map_err(|fault| key.refusal(Wrong::SigningCertificate(fault)))?;
        Ok(Signer {
            key: Arc::clone(key),
            common_name: chain.common_name(),
            until: Some(until),
        })
    }

    /// The token of this text, if it was believed before: it is signed once and presented many times.
    pub(crate) fn known(&self, text: &str) -> Option<Arc<Token>> {
        self.known.get(text)
    }

    /// Remembers that `text` is `token`, which may be presented again.
    pub(crate) fn remember(&self, text: &str, token: Arc<Token>) {
        self.known.add(text, token);
    }

    /// Whether events may be pushed to `host` (with its port) for `organization`.
    pub(crate) fn may_receive(&self, organization: &Organization, host: &str) -> bool {
        self.callbacks.has(organization, host)
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

fn check_signature(
    token: &Jws<'_>,
    key: &SigningKey,
    decoding: &DecodingKey,
) -> Result<(), Refusal> {
    let is_of_its_algorithm = parse_algorithm(&token.header.alg) == Some(key.algorithm);
    if is_of_its_algorithm && token.is_signed(decoding, key.algorithm) {
        Ok(())
    } else {
        Err(Refusal::Signature)
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

#[cfg(test)]
mod tests;
