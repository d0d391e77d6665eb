//! A lane: one upstream's one group of operations, with its own gates, permits and delivery.

pub mod read_through;
pub mod write_behind;
