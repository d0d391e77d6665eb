//! Lanes: everything between the edge and one upstream's group of operations.
//!
//! The engine knows bytes, operations, keys and numbers, not health data, and does all its input
//! and output through [`ports`].

// In the order in which a write passes through.
pub mod door;
pub mod lane;

pub mod attempt;
mod authority;
mod cache;
pub mod callbacks;
pub mod calls;
pub mod core;
pub mod delivery;
pub mod gate;
mod in_flight;
pub mod lots;
pub mod numbers;

pub mod clock;
pub mod entry;
pub mod live;
pub mod lookup;
pub mod ports;
mod slots;
pub mod stop;
mod waits;
