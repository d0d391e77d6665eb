//! What a read-through lane promises, against a source and a shelf that misbehave on cue.

mod age;
mod authority;
mod crowd;
mod forgetting;
mod keepers;
mod limits;
mod order;
mod relations;
mod rig;
mod schedules;
mod shelf;
