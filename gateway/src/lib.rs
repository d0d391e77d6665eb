//! The edge of Argine and the composition of its parts.
//!
//! A request comes in through [`edge`], which knows the caller from [`callers`] and [`tls`] and
//! hands a checked write to a lane; [`app`] builds the lanes, the store and the adapters from
//! [`config`] and [`rules`], gathered by [`told`], and owns the order in which they start and stop.

pub mod access;
pub mod audit;
pub mod backup;
pub mod check;
pub mod config;
pub mod generations;
pub mod keys;
pub mod operator;
pub mod policy;
pub mod problem;
pub mod rules;
pub mod told;

mod files;

pub mod callers;
pub mod telemetry;
pub mod tls;

mod tokens;

pub mod edge;

pub mod app;
