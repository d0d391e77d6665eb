//! Callers whom PDND vouches for: their keys are fetched before the request is handled, so that no
//! handler waits for PDND.
//!
//! # Invariants
//!
//! 1. PDND is asked for an organisation's key only under a voucher that holds, on a connection of the
//!    organisation that it names.
//! 2. A key signs for the client that PDND says it belongs to. Where PDND does not say, the voucher must
//!    carry the digest of what the key has signed.
//! 3. No voucher is logged, and none is printed.
//!
//! # Failure
//!
//! `pdnd-unavailable`, whose fault is the upstream's, for a key that was never heard of while PDND does
//! not answer.

use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};

use super::Gateway;
use super::caller::{self, Caller, Recognising};
use super::codes;
use super::frame::peer;
use super::proofs::{self, Known, Proof, wrong};
use super::respond::Problem;
use crate::callers::PdndClient;
use crate::tokens::expected::Expected;
use crate::tokens::integrity;
use crate::tokens::jose::Jws;
use crate::tokens::pdnd::{Key, KeyError, Keys};
use crate::tokens::refusal::{Refusal, Wrong};
use crate::tokens::tracking;
use crate::tokens::voucher::{self, ALGORITHM, TYPES, Voucher, VoucherRules};

/// How vouchers are checked.
#[derive(Debug, Clone)]
pub struct Vouchers {
    /// What they must be.
    pub(crate) rules: VoucherRules,
    /// By which keys.
    pub(crate) keys: Keys,
}

/// What became of the voucher of a request, kept with it until its caller is asked for.
struct Vouching(Result<(Caller, Proof), Problem>);

/// Finds out who makes `request`, if it comes under a voucher; [`taken`] says it.
pub(crate) async fn vouch(gateway: &Gateway, request: &HttpRequest) {
    let Ok(text) = caller::bearer(request) else {
        return;
    };
    let Some(token) = Jws::parse_typed(text, &TYPES) else {
        return;
    };
    let callers = gateway.callers.load();
    let caller = match &gateway.vouchers {
        None => Err(Problem::from(&codes::VOUCHER_NOT_ACCEPTED)),
        Some(vouchers) => {
            let asking = Asking {
                vouchers,
                request,
                recognising: Recognising {
                    callers: &callers,
                    replay: &gateway.replay,
                    wall: caller::wall(),
                },
            };
            asking.caller(&token).await
        }
    };
    request.extensions_mut().insert(Vouching(caller));
}

/// Who makes `request`, if it came under a voucher.
pub(super) fn taken(request: &HttpRequest) -> Option<Result<(Caller, Proof), Problem>> {
    let vouching = request.extensions_mut().remove::<Vouching>();
    vouching.map(|vouching| vouching.0)
}

struct Asking<'a> {
    vouchers: &'a Vouchers,
    request: &'a HttpRequest,
    recognising: Recognising<'a>,
}

impl Asking<'_> {
    async fn caller(&self, token: &Jws<'_>) -> Result<(Caller, Proof), Problem> {
        let (rules, wall) = (&self.vouchers.rules, self.recognising.wall);
        let voucher = self.voucher(token).await?;
        let client = self.client(&voucher)?;
        let keys = self.keys(&voucher).await?;
        let known = Known {
            key: &client.key,
            has_signed: &|token| keys.have_signed(token),
            expected: Expected {
                issuer: &voucher.client,
                rules: &rules.beside,
            },
            admit: &|kind, jti, times| self.recognising.admit(&client.key, kind, jti, times),
            is_evidence_once: false,
            wall,
        };
        let headers = self.request.headers();
        let evidence = proofs::evidence(headers, &known)?;
        let proof = Proof::read(headers, &known)?;
        let refuse = |wrong| match wrong {
            Wrong::Substitution => Problem::from(client.key.refusal(wrong)),
            _ => Problem {
                code: &codes::VOUCHER_STATEMENT,
                ..Problem::from(client.key.refusal(wrong))
            },
        };
        let statement = Jws::parse(keys.statement).ok_or(&codes::TOKEN_MALFORMED)?;
        let statement = voucher::statement(&statement, &client.key, rules).map_err(refuse)?;
        let mut caller = Caller::of(Arc::new(statement), &rules.beside, wall);
        caller.evidence = evidence;
        Ok((caller, proof))
    }

    /// The voucher, once PDND has signed it.
    async fn voucher(&self, token: &Jws<'_>) -> Result<Voucher, Problem> {
        let certificate = peer(self.request).ok_or(&codes::TOKEN_CERTIFICATE)?;
        if self.recognising.callers.organization(certificate).is_none() {
            return Err(Problem::from(&codes::TOKEN_CERTIFICATE));
        }
        let kid = token.header.kid.as_deref().ok_or(&codes::TOKEN_MALFORMED)?;
        let key = match self.vouchers.keys.issuer_key(kid).await {
            Ok(key) => key,
            Err(KeyError::Unknown) => return Err(Problem::from(&codes::TOKEN_SIGNATURE)),
            Err(KeyError::Unanswered) => return Err(self.unavailable()),
        };
        if !token.is_signed(&key.key, ALGORITHM) {
            return Err(Problem::from(&codes::TOKEN_SIGNATURE));
        }
        let voucher = Voucher::read(token, &self.vouchers.rules, self.recognising.wall);
        let key = kid.to_owned();
        Ok(voucher.map_err(|wrong| Refusal::Signed { key, wrong })?)
    }

    /// The registered client that `voucher` names, on its own connection and for a purpose of its own.
    fn client(&self, voucher: &Voucher) -> Result<&PdndClient, Problem> {
        let client = self.recognising.callers.pdnd_client(&voucher.client);
        let client = client.ok_or(&codes::VOUCHER_CLIENT)?;
        if !peer(self.request).is_some_and(|peer| client.key.certificates.contains(&peer)) {
            return Err(Problem::from(&codes::TOKEN_CERTIFICATE));
        }
        if !client.purposes.contains(&voucher.purpose) {
            return Err(Problem::from(&codes::VOUCHER_PURPOSE));
        }
        Ok(client)
    }

    /// The keys of the tokens that come with the voucher, of which there must be one.
    async fn keys(&self, voucher: &Voucher) -> Result<ClientKeys<'_>, Problem> {
        let headers = self.request.headers();
        let evidence = proofs::token(headers, tracking::HEADER, &codes::TRACKING_INVALID)?;
        let signature = proofs::token(headers, integrity::HEADER, &codes::INTEGRITY_SIGNATURE)?;
        let shown = evidence.is_some() && voucher.names_evidence();
        match evidence {
            Some(text) if !voucher.agrees_with(text) => {
                let sentence = "must be the evidence whose digest the voucher carries";
                let code = &codes::TRACKING_INVALID;
                return Err(wrong(tracking::HEADER, code, "digest", sentence));
            }
            None if voucher.names_evidence() || signature.is_none() => {
                return Err(Problem::from(&codes::TRACKING_MISSING));
            }
            _ => {}
        }
        let mut keys = ClientKeys {
            statement: evidence.or(signature).unwrap_or_default(),
            keys: Vec::new(),
        };
        for text in [evidence, signature].into_iter().flatten() {
            let token = Jws::parse(text).ok_or(&codes::TOKEN_MALFORMED)?;
            let kid = token.header.kid.clone().ok_or(&codes::TOKEN_MALFORMED)?;
            if keys.get(&kid).is_none() {
                // The first is the evidence, if the voucher speaks of one.
                let is_shown = shown && keys.keys.is_empty();
                let key = self.key(voucher, &kid, is_shown).await?;
                keys.keys.push((kid, key));
            }
        }
        Ok(keys)
    }

    /// The key of this id, if it is the client's; `is_shown` if PDND was shown what it has signed.
    async fn key(&self, voucher: &Voucher, kid: &str, is_shown: bool) -> Result<Arc<Key>, Problem> {
        let unknown = || Problem {
            repeat: Some(
                codes::PDND_KEY_UNKNOWN
                    .repeat
                    .past(self.vouchers.keys.retry_after()),
            ),
            ..Problem::from(&codes::PDND_KEY_UNKNOWN)
        };
        let found = self.vouchers.keys.client_key(&voucher.client, kid).await;
        match found {
            Ok(key) => {
                let is_owned = match &key.client {
                    Some(client) => *client == voucher.client,
                    None => is_shown,
                };
                is_owned.then_some(key).ok_or_else(unknown)
            }
            Err(KeyError::Unknown) => Err(unknown()),
            Err(KeyError::Unanswered) => Err(self.unavailable()),
        }
    }

    fn unavailable(&self) -> Problem {
        let code = &codes::PDND_UNAVAILABLE;
        Problem {
            repeat: Some(code.repeat.past(self.vouchers.keys.retry_after())),
            ..Problem::from(code)
        }
    }
}

/// The keys of the tokens of one request.
struct ClientKeys<'a> {
    /// The token that says what the organisation acts as.
    statement: &'a str,
    keys: Vec<(String, Arc<Key>)>,
}

impl ClientKeys<'_> {
    fn get(&self, kid: &str) -> Option<&Key> {
        let found = self.keys.iter().find(|(known, _)| known == kid);
        found.map(|(_, key)| &**key)
    }

    fn have_signed(&self, token: &Jws<'_>) -> bool {
        let key = token.header.kid.as_deref().and_then(|kid| self.get(kid));
        key.is_some_and(|key| token.is_signed(&key.key, key.algorithm))
    }
}
