//! The claims of a token whose signature holds, read once.
//!
//! # Invariants
//!
//! 1. A claim that is absent or not of its form is named; its value never is.
//! 2. What is kept of a token is bounded by its form: neither the token nor its text.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use adapters::model::{Authority, ClassRef, Invalid, Moment, PrescriberCode, TaxCode};
use policies::access::Profile;
use policies::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jose::Jws;
use super::refusal::Wrong;
use super::replay::Life;
use crate::callers::{SigningKey, TokenRules};

/// Longest text that is read from a claim.
const TEXT_BYTES_MAX: usize = 256;
/// Longest `jti`.
const JTI_BYTES_MAX: usize = 128;

/// What a token claims.
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    /// The claims of `token`, which was checked.
    pub(crate) fn of(token: &Jws<'_>) -> Result<Claims, Wrong> {
        token.claims().map(Claims).ok_or(Wrong::Claim("iss"))
    }

    /// A text that must be there.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, Wrong> {
        self.text_if_any(name)?.ok_or(Wrong::Claim(name))
    }

    /// A text that may be absent.
    pub(crate) fn text_if_any(&self, name: &'static str) -> Result<Option<&str>, Wrong> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if (1..=TEXT_BYTES_MAX).contains(&text.len()) => {
                Ok(Some(text))
            }
            Some(_) => Err(Wrong::Claim(name)),
        }
    }

    /// Anything that may be absent; null is absent.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The name of the token.
    pub(crate) fn jti(&self) -> Result<&str, Wrong> {
        let jti = self.text("jti")?;
        if jti.len() > JTI_BYTES_MAX {
            return Err(Wrong::Claim("jti"));
        }
        Ok(jti)
    }

    /// Checks that the token is meant for us; `aud` may be one name or several.
    pub(crate) fn check_audience(&self, rules: &TokenRules) -> Result<(), Wrong> {
        let is_ours = |name: &Value| name.as_str() == Some(&rules.audience);
        let is_meant_for_us = match self.value("aud") {
            Some(Value::String(name)) => *name == rules.audience,
            Some(Value::Array(names)) => names.iter().any(is_ours),
            _ => return Err(Wrong::Claim("aud")),
        };
        is_meant_for_us.then_some(()).ok_or(Wrong::Audience)
    }

    /// When it holds, which may be for `lifetime_max`.
    pub(crate) fn times(&self, lifetime_max: Duration) -> Result<Times, Wrong> {
        let seconds = |name: &'static str| match self.0.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .map(|seconds| Some(Timestamp(seconds.saturating_mul(1_000))))
                .ok_or(Wrong::Claim(name)),
        };
        let required = |name| seconds(name)?.ok_or(Wrong::Claim(name));
        let times = Times {
            issued: required("iat")?,
            not_before: seconds("nbf")?,
            expires: required("exp")?,
        };
        if times.expires <= times.issued {
            return Err(Wrong::Claim("exp"));
        }
        if times.expires.since(times.issued) > lifetime_max {
            return Err(Wrong::Lifetime(lifetime_max));
        }
        Ok(times)
    }

    /// Which prescriber authenticated, if it says so.
    pub(crate) fn prescriber(&self) -> Option<Result<Authority, AuthnFault>> {
        let claim = self.value("prescriber_authn")?;
        let of_the_claim = AuthnFault {
            rule: "claims",
            sentence: "must have subject, class_ref, instant, locality only",
        };
        Some(Authority::deserialize(claim).map_err(|error| fault(&error, of_the_claim)))
    }

    /// Which citizen authenticated, if it says so.
    pub(crate) fn citizen(&self) -> Option<Result<Citizen, AuthnFault>> {
        let claim = self.value("citizen_authn")?;
        let of_the_claim = AuthnFault {
            rule: "claims",
            sentence: "must have subject, class_ref, instant only",
        };
        Some(Citizen::deserialize(claim).map_err(|error| fault(&error, of_the_claim)))
    }

    /// For whom a substitute stands in, which a substitute must say, and whoever registered `key` for its
    /// organisation must have said too: a relation nobody else vouches for would be anybody's.
    pub(crate) fn substitutes_for(
        &self,
        profile: Profile,
        key: &SigningKey,
    ) -> Result<Option<PrescriberCode>, Wrong> {
        if profile != Profile::Substitute {
            return Ok(None);
        }
        let code = PrescriberCode::new(self.text("substitutes_for")?);
        let code = code.map_err(|_| Wrong::Claim("substitutes_for"))?;
        match key.stand_ins.has(&code) {
            true => Ok(Some(code)),
            false => Err(Wrong::Substitution),
        }
    }
}

/// Claims are about persons.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(…)")
    }
}

fn fault(error: &serde_json::Error, otherwise: AuthnFault) -> AuthnFault {
    match Invalid::in_message(&error.to_string()) {
        Some(invalid) => AuthnFault {
            rule: invalid.rule(),
            sentence: invalid.sentence(),
        },
        None => otherwise,
    }
}

/// When a token holds, by the clock of who signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    issued: Timestamp,
    not_before: Option<Timestamp>,
    expires: Timestamp,
}

impl Times {
    /// Checks that it holds at `wall`, give or take the clock skew that `rules` allow.
    pub(crate) fn check(&self, rules: &TokenRules, wall: Timestamp) -> Result<(), Wrong> {
        let skew = rules.clock_skew;
        for (claim, from) in [("iat", Some(self.issued)), ("nbf", self.not_before)] {
            if let Some(from) = from.filter(|from| *from > wall + skew) {
                return Err(Wrong::Ahead(claim, from.since(wall)));
            }
        }
        if self.expires + skew <= wall {
            return Err(Wrong::Expired(wall.since(self.expires)));
        }
        Ok(())
    }

    /// How long it must be remembered to be admitted once.
    pub(crate) fn life(&self, rules: &TokenRules) -> Life {
        Life {
            issued: self.issued,
            until: self.expires + rules.clock_skew,
        }
    }
}

/// Why an authentication that a token speaks of cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AuthnFault {
    /// The stable name of the rule it breaks.
    pub(crate) rule: &'static str,
    /// The rule as a sentence.
    pub(crate) sentence: &'static str,
}

/// A citizen's authentication at a portal, as the portal's signed token carried it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Citizen {
    /// The citizen.
    pub(crate) subject: TaxCode,
    /// How they authenticated: two factors or more, as a prescriber.
    #[serde(rename = "class_ref")]
    _class_ref: ClassRef,
    /// When.
    pub(crate) instant: Moment,
}

impl fmt::Debug for Citizen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Citizen(…)")
    }
}

/// The person at the desk, as the caller names them: it may be a tax code. Written down in the audit alone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Subject(String);

impl Subject {
    /// Whom the `sub` of a token names.
    pub(crate) fn new(text: &str) -> Subject {
        Subject(text.to_owned())
    }

    /// Its text, for the audit.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(…)")
    }
}

/// A token that is believed, as far as the moment and the connection allow: all of it that does not
/// depend on them was checked.
pub(crate) struct Token {
    /// Who signed it.
    pub(crate) key: Arc<SigningKey>,
    /// When the certificate of the key ends, where there is one.
    pub(crate) key_until: Option<Timestamp>,
    /// When it holds.
    pub(crate) times: Times,
    /// Its name.
    pub(crate) jti: String,
    /// What the caller acts as.
    pub(crate) profile: Profile,
    /// The person at the desk.
    pub(crate) subject: Option<Subject>,
    /// Which prescriber authenticated.
    pub(crate) prescriber: Option<Result<Authority, AuthnFault>>,
    /// Which citizen authenticated.
    pub(crate) citizen: Option<Result<Citizen, AuthnFault>>,
    /// For whom a substitute stands in.
    pub(crate) substitutes_for: Option<PrescriberCode>,
}

impl Token {
    /// Checks what depends on the moment.
    pub(crate) fn check_moment(&self, rules: &TokenRules, wall: Timestamp) -> Result<(), Wrong> {
        if self.key_until.is_some_and(|until| until < wall) {
            return Err(Wrong::SigningCertificate(super::keys::ChainFault::Expired));
        }
        self.times.check(rules, wall)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How old an authentication is at `wall`; none if it lies further in the future than `skew`.
pub(crate) fn authn_age(instant: Moment, wall: Timestamp, skew: Duration) -> Option<Duration> {
    let at = instant.as_timestamp();
    (at <= wall + skew).then(|| wall.since(at))
}
