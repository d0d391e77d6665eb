//! Durable state: entries and their events, leases, number ranges; and what is known of persons.
//!
//! What [`engine::ports::Store`] promises is kept here on disk. [`sqlite`] is the engine of a
//! single gateway; the tests of the promise take any engine. [`persons`] keeps answers about persons
//! in a file of its own, always on this node: it may be lost, and the store may not. [`audit`] keeps who
//! saw what, in files that nobody can change unnoticed. [`backup`] copies a store that is in use, and puts
//! such a copy back.

pub mod audit;
pub mod backup;
pub mod keys;
pub mod persons;
pub mod sealing;
pub mod sqlite;
