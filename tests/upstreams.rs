//! Upstreams as servers: real sockets, real TLS, real rules, and every way in which they fail.
//!
//! A simulator that is kinder than the system it stands for hides the defects it was built to
//! show, so each one keeps the published rules and refuses what they refuse. Nothing here may use
//! the crates under test: an error made twice in the same way would be invisible.

pub mod callbacks;
pub mod http;
pub mod sac;
