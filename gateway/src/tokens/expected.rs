//! What a token must claim that comes beside the one by which its caller is recognised.

use policies::time::Timestamp;

use super::claims::{Claims, Times};
use super::refusal::Wrong;
use crate::callers::TokenRules;

/// Whose it must be, and for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The issuer, where one is named.
    pub(crate) issuer: &'a str,
    /// Audience, clock and life.
    pub(crate) rules: &'a TokenRules,
}

impl Expected<'_> {
    /// Checks `claims`, which are admitted once if they are `is_once`, at `wall`; when they hold.
    pub(crate) fn check(
        &self,
        claims: &Claims,
        is_once: bool,
        wall: Timestamp,
    ) -> Result<Times, Wrong> {
        let issuer = claims.text_if_any("iss")?;
        if issuer.is_some_and(|issuer| issuer != self.issuer) {
            return Err(Wrong::Issuer("iss"));
        }
        claims.check_audience(self.rules)?;
        let times = claims.times(self.rules.longest(is_once))?;
        times.check(self.rules, wall)?;
        Ok(times)
    }
}
