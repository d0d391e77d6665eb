//! Pure decisions: what a lane does next, told apart from how it does it.
//!
//! Nothing here reads a clock, draws a random number or touches a socket: the instant and the
//! jitter are arguments, so every rule can be tried as a table of cases and replayed from a seed.

pub mod access;
pub mod admission;
pub mod allowance;
pub mod budget;
pub mod callback;
pub mod delivery;
pub mod duration;
pub mod failure;
pub mod family;
pub mod freshness;
pub mod gate;
pub mod operation;
pub mod pace;
pub mod rules;
pub mod schedule;
pub mod state;
pub mod time;
pub mod toggle;
