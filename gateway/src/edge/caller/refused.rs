//! What a caller hears whose token is not believed: the code, and to who holds the key also which claim,
//! which key, and by how much whose clock.

use std::borrow::Cow;
use std::time::Duration;

use crate::edge::codes::{self, Code};
use crate::edge::respond::{FieldError, Problem};
use crate::tokens::refusal::{Refusal, Wrong};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        match refusal {
            Refusal::Malformed => Problem::from(&codes::TOKEN_MALFORMED),
            Refusal::Signature => Problem::from(&codes::TOKEN_SIGNATURE),
            Refusal::Signed { key, wrong } => {
                let (code, error) = explain(&wrong, &key);
                let mut problem = Problem::with_errors(code, error.into_iter().collect());
                if let Wrong::Full(after) = wrong {
                    problem.repeat = Some(code.repeat.past(after));
                }
                problem
            }
        }
    }
}

/// The code of what is `wrong`, and the claim it is about, told to who holds `key`.
fn explain(wrong: &Wrong, key: &str) -> (&'static Code, Option<FieldError>) {
    let about = |claim, rule, what: Cow<'static, str>| {
        let detail = format!("{what} (key {key})");
        Some(FieldError::of_parameter(claim, rule, detail))
    };
    let seconds = |span: &Duration| span.as_millis().div_ceil(1_000);
    match wrong {
        Wrong::SigningCertificate(fault) => (
            &codes::TOKEN_SIGNING_CERTIFICATE,
            about("x5c", fault.rule(), "its chain does not hold".into()),
        ),
        Wrong::Connection => (&codes::TOKEN_CERTIFICATE, None),
        Wrong::Claim(claim) => (
            &codes::TOKEN_CLAIMS,
            about(claim, "claim", "absent, or not of its form".into()),
        ),
        Wrong::Issuer(claim) => (
            &codes::TOKEN_ISSUER,
            about(claim, "issuer", "does not name the owner of the key".into()),
        ),
        Wrong::Audience => (
            &codes::TOKEN_AUDIENCE,
            about("aud", "audience", "does not name this gateway".into()),
        ),
        Wrong::Profile => (&codes::TOKEN_PROFILE, None),
        Wrong::Substitution => (
            &codes::SUBSTITUTION_NOT_REGISTERED,
            about(
                "substitutes_for",
                "substitution",
                "names a doctor for whom the organisation may not stand in".into(),
            ),
        ),
        Wrong::Role => (
            &codes::TOKEN_ROLE,
            about("subject_role", "role", "no role that is served".into()),
        ),
        Wrong::Expired(ago) => {
            let what = format!("over since {} s by our clock", seconds(ago));
            (&codes::TOKEN_EXPIRED, about("exp", "expired", what.into()))
        }
        Wrong::Ahead(claim, by) => {
            let what = format!("your clock is {} s ahead of ours", seconds(by));
            let claim = about(claim, "ahead", what.into());
            (&codes::TOKEN_NOT_YET_VALID, claim)
        }
        Wrong::Lifetime(allowed) => {
            let what = format!("more than {} s after iat", allowed.as_secs());
            let exp = about("exp", "lifetime", what.into());
            (&codes::TOKEN_LIFETIME, exp)
        }
        Wrong::SecondMissing => (&codes::FSE_SIGNATURE_MISSING, None),
        Wrong::Unpaired(claim) => (
            &codes::TOKEN_PAIR,
            about(claim, "pair", "differs between the two tokens".into()),
        ),
        Wrong::SignedBefore => (
            &codes::SIGN_AGAIN,
            about("iat", "signed-before", "before the gateway started".into()),
        ),
        Wrong::Replayed => (
            &codes::TOKEN_REPLAYED,
            about("jti", "replayed", "presented before".into()),
        ),
        Wrong::Full(_) => (&codes::TOKENS_FULL, None),
    }
}
