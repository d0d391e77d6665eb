//! The token of `ID_AUTH_REST_01` and `ID_AUTH_REST_02` (AgID, Determinazione 128/2023, security
//! patterns), with the claims `organization` and `profile` of this gateway.

use std::sync::Arc;

use policies::access::Profile;

use super::claims::{Claims, Subject, Token};
use super::refusal::Wrong;
use crate::callers::{Pattern, Signer, SigningKey, TokenRules};

/// Reads the claims of a token that `signer` has signed.
pub(crate) fn read(claims: &Claims, signer: Signer, rules: &TokenRules) -> Result<Token, Wrong> {
    for claim in ["iss", "organization"] {
        if claims.text(claim)? != signer.key.organization.0 {
            return Err(Wrong::Issuer(claim));
        }
    }
    claims.check_audience(rules)?;
    let is_once = signer.key.pattern != Pattern::IdAuthRest01;
    let times = claims.times(rules.longest(is_once))?;
    let profile = profile(claims, &signer.key)?;
    Ok(Token {
        times,
        jti: claims.jti()?.to_owned(),
        profile,
        subject: claims.text_if_any("sub")?.map(Subject::new),
        prescriber: claims.prescriber(),
        // Only a portal vouches for a citizen.
        citizen: (profile == Profile::Portal)
            .then(|| claims.citizen())
            .flatten(),
        substitutes_for: claims.substitutes_for(profile, &signer.key)?,
        key_until: signer.until,
        key: Arc::clone(&signer.key),
    })
}

/// What the token says its caller acts as, if that is registered.
pub(super) fn profile(claims: &Claims, key: &SigningKey) -> Result<Profile, Wrong> {
    Profile::parse(claims.text("profile")?)
        .filter(|profile| key.profiles.contains(profile))
        .ok_or(Wrong::Profile)
}
