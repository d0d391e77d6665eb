//! Why a token is not believed.
//!
//! # Invariants
//!
//! 1. Whoever has not shown that they hold a registered key hears [`Refusal::Malformed`] or
//!    [`Refusal::Signature`] and nothing more: no key id, no claim, no clock.

use std::time::Duration;

use super::keys::ChainFault;

/// A token that is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no signed token that can be read.
    Malformed,
    /// It is not signed by a registered key, with the algorithm of that key.
    Signature,
    /// It is signed by a registered key, and something else is wrong.
    Signed {
        /// What the key is called: its id, or the beginning of its certificate's digest.
        key: String,
        /// What is wrong.
        wrong: Wrong,
    },
}

/// What is wrong with a token whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The signing certificate does not hold at this moment.
    SigningCertificate(ChainFault),
    /// The connection is of another caller's certificate.
    Connection,
    /// A claim is absent or not of its form.
    Claim(&'static str),
    /// A claim names another issuer than the key belongs to.
    Issuer(&'static str),
    /// It is meant for another service.
    Audience,
    /// It claims a profile that is not registered.
    Profile,
    /// It names a doctor for whom its organisation is not registered to stand in.
    Substitution,
    /// It claims a role that is not served here.
    Role,
    /// Its time was over this long ago.
    Expired(Duration),
    /// This claim lies this far ahead of our clock.
    Ahead(&'static str, Duration),
    /// It lives longer than this, which is allowed.
    Lifetime(Duration),
    /// The pair lacks its second token.
    SecondMissing,
    /// This claim of the second token is not that of the first.
    Unpaired(&'static str),
    /// It was signed before this process began.
    SignedBefore,
    /// It was presented before.
    Replayed,
    /// Too many tokens are remembered; one of them is forgotten after this.
    Full(Duration),
}
