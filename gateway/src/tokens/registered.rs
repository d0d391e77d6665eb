//! What every token says of itself: by whom, for whom, and from when until when (RFC 7519,
//! section 4.1).

use std::time::Duration;

use policies::time::Timestamp;
use serde::Deserialize;

/// Longest `jti`.
const JTI_BYTES_MAX: usize = 128;

/// Why claims do not serve. Only who holds the key learns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// One is missing or not of its form.
    Claims,
    /// Another issuer's.
    Issuer,
    /// Meant for somebody else.
    Audience,
    /// Not yet valid: one of the clocks is wrong.
    NotYetValid,
    /// Not valid any more.
    Expired,
    /// From issue to end longer than we allow.
    Lifetime,
}

/// `aud` may be one name or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The registered claims.
#[derive(Deserialize)]
pub(crate) struct Registered {
    iss: Option<String>,
    aud: Audience,
    iat: u64,
    nbf: Option<u64>,
    exp: u64,
    jti: Option<String>,
}

/// What they must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// Whose name they must carry.
    pub(crate) issuer: &'a str,
    /// Whom they must be meant for.
    pub(crate) audience: &'a str,
    /// How far another clock may be from ours.
    pub(crate) clock_skew: Duration,
    /// The longest life; none where the issuer decides.
    pub(crate) lifetime_max: Option<Duration>,
}

impl Registered {
    /// Checks all of them at `wall`; an issuer that is not named is not compared.
    pub(crate) fn check(&self, expected: Expected<'_>, wall: Timestamp) -> Result<(), Bad> {
        let is_name = |jti: &String| (1..=JTI_BYTES_MAX).contains(&jti.len());
        if !self.jti.as_ref().is_none_or(is_name) || self.exp <= self.iat {
            return Err(Bad::Claims);
        }
        if self.iss.as_ref().is_some_and(|iss| iss != expected.issuer) {
            return Err(Bad::Issuer);
        }
        let is_meant_for_us = match &self.aud {
            Audience::One(name) => name == expected.audience,
            Audience::Many(names) => names.iter().any(|name| name == expected.audience),
        };
        if !is_meant_for_us {
            return Err(Bad::Audience);
        }
        let latest = wall + expected.clock_skew;
        if at(self.iat) > latest || self.nbf.is_some_and(|nbf| at(nbf) > latest) {
            return Err(Bad::NotYetValid);
        }
        if self.until() + expected.clock_skew <= wall {
            return Err(Bad::Expired);
        }
        let life = self.until().since(at(self.iat));
        if expected.lifetime_max.is_some_and(|longest| life > longest) {
            return Err(Bad::Lifetime);
        }
        Ok(())
    }

    /// Whether it says by whom it is and what it is called.
    pub(crate) fn is_named(&self) -> bool {
        self.iss.is_some() && self.jti.is_some()
    }

    fn until(&self) -> Timestamp {
        at(self.exp)
    }
}

impl Bad {
    /// The stable name of the rule.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Bad::Claims => "claims",
            Bad::Issuer => "issuer",
            Bad::Audience => "audience",
            Bad::NotYetValid => "not-yet-valid",
            Bad::Expired => "expired",
            Bad::Lifetime => "lifetime",
        }
    }

    /// The rule as a sentence.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Bad::Claims => "lacks a claim, or has one that is not of its form",
            Bad::Issuer => "iss must be who signs",
            Bad::Audience => "aud must name this gateway",
            Bad::NotYetValid => "is not valid yet: compare the clock of the system that signs",
            Bad::Expired => "has expired: sign a new one",
            Bad::Lifetime => "lives too long from iat to exp",
        }
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp(seconds.saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EXPECTED: Expected<'static> = Expected {
        issuer: "a",
        audience: "us",
        clock_skew: Duration::from_secs(30),
        lifetime_max: Some(Duration::from_secs(300)),
    };

    fn checked(change: &Value) -> Result<(), Bad> {
        let mut claims = json!({"iss": "a", "aud": "us", "iat": 1000, "exp": 1100, "jti": "1"});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let claims: Registered = serde_json::from_value(claims).unwrap();
        claims.check(EXPECTED, Timestamp(1_050_000))
    }

    #[test]
    fn each_claim_has_its_rule() {
        let cases = [
            (json!({}), Ok(())),
            (json!({"aud": ["them", "us"]}), Ok(())),
            (json!({"iss": null, "jti": null}), Ok(())),
            (json!({"aud": "them"}), Err(Bad::Audience)),
            (json!({"aud": []}), Err(Bad::Audience)),
            (json!({"iss": "b"}), Err(Bad::Issuer)),
            (json!({"jti": ""}), Err(Bad::Claims)),
            (json!({"exp": 1000}), Err(Bad::Claims)),
            (json!({"exp": 1020, "iat": 900}), Err(Bad::Expired)),
            (json!({"exp": 1021, "iat": 900}), Ok(())),
            (json!({"iat": 1081}), Err(Bad::NotYetValid)),
            (json!({"iat": 1080}), Ok(())),
            (json!({"nbf": 1081}), Err(Bad::NotYetValid)),
            (json!({"exp": 1301}), Err(Bad::Lifetime)),
            (json!({"exp": u64::MAX}), Err(Bad::Lifetime)),
        ];
        for (change, expected) in cases {
            assert_eq!(checked(&change), expected, "{change}");
        }
    }
}
