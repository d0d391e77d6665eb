//! Who calls: a certificate of the connection and a signed token that belong together.
//!
//! # Invariants
//!
//! 1. Nothing a token says is believed before its signature has been checked, with the key and the
//!    algorithm that were registered, never with what its own header proposes.
//! 2. A token is worth nothing on a connection of another caller's certificate.
//! 3. Before the signature is checked, all failures look alike; only a caller who holds the key
//!    learns which claim was wrong.
//! 4. A token is never logged, and never printed.
//! 5. A token of `ID_AUTH_REST_02`, and each of a pair of the FSE, is admitted once.
//!
//! # Limits
//!
//! Those of [`crate::tokens::jose`] and [`crate::tokens::replay`]; its times may be off by the
//! configured skew, its life is bounded.

mod allowed;
mod refused;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpMessage, HttpRequest};
use adapters::model::{Authority, PrescriberCode, TaxCode};
use engine::entry::Organization;
use policies::access::Profile;
use policies::time::Timestamp;

use super::codes::{self, Code};
use super::frame::peer;
use super::proofs::{self, Known, Proof};
use super::respond::{FieldError, Problem};
use super::vouching;
use crate::callers::{Callers, Pattern, Signer, SigningKey, TokenRules};
use crate::tls::CertificateDigest;
use crate::tokens::claims::{AuthnFault, Claims, Times, Token, authn_age};
use crate::tokens::expected::Expected;
use crate::tokens::fse::{self, BodyDigest};
use crate::tokens::jose::Jws;
use crate::tokens::refusal::{Refusal, Wrong};
use crate::tokens::replay::{NotAdmitted, OneTime, Replay};
use crate::tokens::rest;
use crate::tokens::tracking::Evidence;
pub(in crate::edge) use allowed::{allowed, not_allowed};

/// The header of the second token of a pair.
const FSE_SIGNATURE: HeaderName = HeaderName::from_static("fse-jwt-signature");

/// Who calls, once both proofs hold.
pub(crate) struct Caller {
    pub(crate) organization: Organization,
    pub(crate) profile: Profile,
    /// The person on the other side, as the organisation names them; for the audit record alone.
    pub(crate) evidence: Option<Evidence>,
    token: Arc<Token>,
    checked_at: Timestamp,
    skew: Duration,
    citizen_authn_age_max: Duration,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("organization", &self.organization)
            .field("profile", &self.profile)
            .field("token", &"…")
            .finish_non_exhaustive()
    }
}

impl Caller {
    pub(super) fn of(token: Arc<Token>, rules: &TokenRules, wall: Timestamp) -> Caller {
        Caller {
            organization: token.key.organization.clone(),
            profile: token.profile,
            evidence: None,
            token,
            checked_at: wall,
            skew: rules.clock_skew,
            citizen_authn_age_max: rules.citizen_authn_age_max,
        }
    }

    /// How long ago the prescriber authenticated; zero if their clock is ahead of ours.
    pub(crate) fn authn_age(&self, authority: &Authority) -> Duration {
        self.checked_at.since(authority.instant.as_timestamp())
    }

    /// The prescriber who authenticated, which every write needs.
    pub(crate) fn authority(&self) -> Result<Authority, Problem> {
        let refuse = |fault: &AuthnFault| {
            let error = FieldError::of_parameter("prescriber_authn", fault.rule, fault.sentence);
            Problem::with_errors(&codes::PRESCRIBER_AUTHN_INVALID, vec![error])
        };
        let authority = match &self.token.prescriber {
            None => return Err(Problem::from(&codes::PRESCRIBER_AUTHN_MISSING)),
            Some(Err(fault)) => return Err(refuse(fault)),
            Some(Ok(authority)) => authority,
        };
        match authn_age(authority.instant, self.checked_at, self.skew) {
            Some(_) => Ok(authority.clone()),
            None => Err(refuse(&IN_THE_FUTURE)),
        }
    }

    /// The citizen who authenticated at a portal, not long ago.
    pub(crate) fn citizen(&self) -> Result<&TaxCode, Problem> {
        let refuse = |fault: &AuthnFault| {
            let error = FieldError::of_parameter("citizen_authn", fault.rule, fault.sentence);
            Problem::with_errors(&codes::CITIZEN_AUTHN_INVALID, vec![error])
        };
        let citizen = match &self.token.citizen {
            None => return Err(Problem::from(&codes::CITIZEN_AUTHN_MISSING)),
            Some(Err(fault)) => return Err(refuse(fault)),
            Some(Ok(citizen)) => citizen,
        };
        match authn_age(citizen.instant, self.checked_at, self.skew) {
            None => Err(refuse(&IN_THE_FUTURE)),
            Some(age) if age > self.citizen_authn_age_max => Err(refuse(&TOO_OLD)),
            Some(_) => Ok(&citizen.subject),
        }
    }

    /// The doctor for whom a substitute stands in.
    pub(crate) fn substitutes_for(&self) -> Option<&PrescriberCode> {
        self.token.substitutes_for.as_ref()
    }

    /// Whether who calls may act in the place of `doctor`: a substitute of whom its token names and no
    /// other, a practice of those for whom its organisation is registered to stand in.
    pub(crate) fn may_stand_in_for(&self, doctor: &PrescriberCode) -> bool {
        match self.profile {
            Profile::Substitute => self.substitutes_for() == Some(doctor),
            _ => self.token.key.stand_ins.has(doctor),
        }
    }

    /// Who is at the desk, for the audit: whom the tracking evidence names, or else the token.
    pub(crate) fn user(&self) -> Option<&str> {
        let evidence = self
            .evidence
            .as_ref()
            .map(|evidence| evidence.user.as_str());
        evidence.or_else(|| Some(self.token.subject.as_ref()?.as_str()))
    }
}

const IN_THE_FUTURE: AuthnFault = AuthnFault {
    rule: "future",
    sentence: "must not be an authentication in the future",
};
const TOO_OLD: AuthnFault = AuthnFault {
    rule: "too-old",
    sentence: "must be a more recent authentication",
};

/// Against what a caller is recognised.
#[derive(Clone, Copy)]
pub(super) struct Recognising<'a> {
    /// Who may call.
    pub(super) callers: &'a Callers,
    /// What may be presented once, and was.
    pub(super) replay: &'a Replay,
    /// The wall clock.
    pub(super) wall: Timestamp,
}

/// Checks both proofs of `request`, and leaves the organisation's name for the log and the digest of the
/// body, where one was signed, for [`check_body`].
fn authenticate(recognising: Recognising<'_>, request: &HttpRequest) -> Result<Caller, Problem> {
    let (caller, proof, body) = match vouching::taken(request) {
        Some(vouched) => {
            let (caller, proof) = vouched?;
            (caller, proof, None)
        }
        None => registered(recognising, request)?,
    };
    if request.method().is_safe() {
        proof.check_bodiless(request.headers())?;
    }
    let mut extensions = request.extensions_mut();
    extensions.insert(caller.organization.clone());
    extensions.insert(proof);
    if let Some(body) = body {
        extensions.insert(body);
    }
    Ok(caller)
}

/// A caller whose key is registered, and what comes beside its token.
fn registered(
    recognising: Recognising<'_>,
    request: &HttpRequest,
) -> Result<(Caller, Proof, Option<SignedBody>), Problem> {
    let Recognising { callers, wall, .. } = recognising;
    let presented = Presented {
        bearer: bearer(request)?,
        signature: signature(request)?,
        peer: peer(request),
    };
    let (mut caller, body) = recognising.recognise(&presented)?;
    let key = Arc::clone(&caller.token.key);
    let known = Known {
        key: &key,
        has_signed: &|token| {
            let signer = callers.signer(token, wall);
            signer.is_ok_and(|signer| {
                let is_its_own = check_connection(&signer.key, presented.peer).is_ok();
                is_its_own && signer.key.organization == key.organization
            })
        },
        expected: Expected {
            issuer: &key.organization.0,
            rules: &callers.rules,
        },
        admit: &|kind, jti, times| recognising.admit(&key, kind, jti, times),
        is_evidence_once: key.pattern != Pattern::IdAuthRest01,
        wall,
    };
    caller.evidence = proofs::evidence(request.headers(), &known)?;
    let proof = Proof::read(request.headers(), &known)?;
    Ok((caller, proof, body))
}

/// Checks that `body` is the one that was signed, if the caller of `request` signs bodies.
pub(crate) fn check_body(request: &HttpRequest, body: &[u8]) -> Result<(), Problem> {
    let extensions = request.extensions();
    let is_signed = match extensions.get::<SignedBody>() {
        None => true,
        Some(SignedBody(None)) => body.is_empty(),
        Some(SignedBody(Some(digest))) => digest.is_of(body),
    };
    if !is_signed {
        return Err(Problem::from(&codes::BODY_ALTERED));
    }
    match extensions.get::<Proof>() {
        Some(proof) => proof.check(request.headers(), body),
        // Nobody's body is believed: a caller is recognised before anything is read.
        None => Err(Problem::from(&codes::INTERNAL)),
    }
}

/// The wall clock: the times in a token are not ours.
pub(crate) fn wall() -> Timestamp {
    Timestamp(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0))
}

pub(super) fn bearer(request: &HttpRequest) -> Result<&str, &'static Code> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(&codes::TOKEN_MISSING);
    };
    let text = value.to_str().map_err(|_| &codes::TOKEN_MALFORMED)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(&codes::TOKEN_MISSING),
    }
}

/// The second token, if there is exactly one.
fn signature(request: &HttpRequest) -> Result<Option<&str>, &'static Code> {
    let mut values = request.headers().get_all(FSE_SIGNATURE);
    match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .map(|text| Some(text.trim()))
            .map_err(|_| &codes::TOKEN_MALFORMED),
        _ => Ok(None),
    }
}

/// The proofs of a request.
struct Presented<'a> {
    bearer: &'a str,
    /// The second token of a pair.
    signature: Option<&'a str>,
    /// The certificate of the connection.
    peer: Option<CertificateDigest>,
}

/// The digest of the body that was signed; none where only an empty one may be sent.
struct SignedBody(Option<BodyDigest>);

impl Recognising<'_> {
    /// Believes what is `presented`, or says why not.
    fn recognise(self, presented: &Presented<'_>) -> Result<(Caller, Option<SignedBody>), Refusal> {
        let Recognising { callers, wall, .. } = self;
        let rules = &callers.rules;
        if let Some(token) = callers.known(presented.bearer) {
            let refuse = |wrong| token.key.refusal(wrong);
            check_connection(&token.key, presented.peer).map_err(refuse)?;
            token.check_moment(rules, wall).map_err(refuse)?;
            return Ok((Caller::of(token, rules, wall), None));
        }
        let (signer, claims) = self.open(presented.bearer)?;
        let key = Arc::clone(&signer.key);
        let refuse = |wrong| key.refusal(wrong);
        check_connection(&key, presented.peer).map_err(refuse)?;
        if key.pattern == Pattern::Fse {
            return self.pair((signer, &claims), presented.signature);
        }
        let token = rest::read(&claims, signer, rules).map_err(refuse)?;
        token.check_moment(rules, wall).map_err(refuse)?;
        let token = Arc::new(token);
        if key.pattern == Pattern::IdAuthRest01 {
            callers.remember(presented.bearer, Arc::clone(&token));
        } else {
            self.admit(&key, "Authorization", &token.jti, token.times)
                .map_err(refuse)?;
        }
        Ok((Caller::of(token, rules, wall), None))
    }

    /// Checks who signed `text`, and only then reads what it claims.
    fn open(self, text: &str) -> Result<(Signer, Claims), Refusal> {
        let token = Jws::parse(text).ok_or(Refusal::Malformed)?;
        let signer = self.callers.signer(&token, self.wall)?;
        let claims = Claims::of(&token).map_err(|wrong| signer.key.refusal(wrong))?;
        Ok((signer, claims))
    }

    /// The same for a pair, of which the first token is open.
    fn pair(
        self,
        (signer, auth): (Signer, &Claims),
        second: Option<&str>,
    ) -> Result<(Caller, Option<SignedBody>), Refusal> {
        let (rules, wall) = (&self.callers.rules, self.wall);
        let key = Arc::clone(&signer.key);
        let refuse = |wrong| key.refusal(wrong);
        let second = second.ok_or_else(|| refuse(Wrong::SecondMissing))?;
        let (other, claims) = self.open(second)?;
        if !Arc::ptr_eq(&key, &other.key) {
            return Err(refuse(Wrong::Unpaired("x5c")));
        }
        let (token, signature) = fse::read(auth, &claims, signer, rules).map_err(refuse)?;
        token.check_moment(rules, wall).map_err(refuse)?;
        signature.times.check(rules, wall).map_err(refuse)?;
        self.admit(&key, "Authorization", &token.jti, token.times)
            .map_err(refuse)?;
        self.admit(&key, fse::HEADER, &signature.jti, signature.times)
            .map_err(refuse)?;
        let caller = Caller::of(Arc::new(token), rules, wall);
        Ok((caller, Some(SignedBody(signature.body))))
    }

    /// Admits a token of `key` and of this kind, which may be presented once.
    pub(super) fn admit(
        self,
        key: &SigningKey,
        kind: &'static str,
        jti: &str,
        times: Times,
    ) -> Result<(), Wrong> {
        let token = OneTime {
            issuer: &key.organization.0,
            kind,
            jti,
            life: times.life(&self.callers.rules),
        };
        let admitted = self.replay.admit(&token, self.wall);
        admitted.map_err(|refused| match refused {
            NotAdmitted::SignedBefore => Wrong::SignedBefore,
            NotAdmitted::Replayed => Wrong::Replayed,
            NotAdmitted::Full(after) => Wrong::Full(after),
        })
    }
}

fn check_connection(key: &SigningKey, peer: Option<CertificateDigest>) -> Result<(), Wrong> {
    let is_its_own = peer.is_some_and(|peer| key.certificates.contains(&peer));
    is_its_own.then_some(()).ok_or(Wrong::Connection)
}

#[cfg(test)]
pub(crate) mod tests;
