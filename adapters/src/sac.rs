//! Placeholder.

pub mod checks;
