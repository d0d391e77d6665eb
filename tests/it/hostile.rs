//! Those who mean no good, or seem to: slow, too many, ambiguous, out of date, guessing.
//!
//! What is measured is counted: connections, answers, bytes held. Somebody else is served meanwhile.

mod connections;
mod flood;
mod heads;
mod probing;
mod raw;
mod rotation;
mod slow;
