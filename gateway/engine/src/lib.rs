//! Lanes: everything between the edge and one upstream's group of operations.
//!
//! The engine knows bytes, operations, keys and numbers, not health data, and does all its input
//! and output through [`ports`].

pub mod door;
pub mod entry;
pub mod lane;
pub mod ports;
