//! Durable state: entries and their events, leases, number ranges.
//!
//! What [`engine::ports::Store`] promises is kept here on disk. [`sqlite`] is the engine of a
//! single gateway; the tests of the promise take any engine.

pub mod sealing;
pub mod sqlite;
