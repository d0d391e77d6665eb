//! What a read-through lane promises, against a source and a shelf that misbehave on cue.

mod age;
mod crowd;
mod forgetting;
mod limits;
mod relations;
mod rig;
mod schedules;
mod shelf;
