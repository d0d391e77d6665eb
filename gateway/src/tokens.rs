//! Signed tokens, as Italian public bodies authenticate one another with (AgID, ModI security
//! patterns): read, and checked against a key that was known before.
//!
//! # Not here
//!
//! Who may do what is `policies::access`; which connection a token came over is `edge::caller`.

pub(crate) mod claims;
pub(crate) mod fse;
pub(crate) mod jose;
pub(crate) mod keys;
pub(crate) mod refusal;
pub(crate) mod replay;
pub(crate) mod rest;
