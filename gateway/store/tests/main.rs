//! The tests of the store, by kind.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod audit;
mod backup;
mod clock;
mod contract;
mod corruption;
mod invariants;
mod limits;
mod model;
mod operator;
mod outbox;
mod persons;
mod world;
