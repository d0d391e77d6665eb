//! What the black-box tests and the demo stand on: certificates, and upstreams that misbehave.

pub mod certs;
pub mod upstreams;
pub mod world;
