//! The systems upstream of the gateway: one module each, with its wire format and its failures.
//!
//! Whatever happens on the wire leaves this crate as an `engine::ports::Answer` or as a
//! `policies::failure::Failure`, and nothing else does: no HTTP type, no wire type, no text of an
//! upstream except what its specification means for the caller. [`operator`] is no upstream: it is the
//! other side of our own edge. Nor is who receives [`callbacks`].

pub mod callbacks;
mod client;
pub mod model;
pub mod operator;
pub mod sac;

pub use client::{ClientError, Collector, Unanswered};
