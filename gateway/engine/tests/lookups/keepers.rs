//! The tasks behind the look-ups: what sweeps, and what writes to the shelf.

use std::time::Duration;

use engine::ports::WriteError;

use super::rig::shelf::Mood;
use super::rig::{Rig, doctor, key};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_lane_whose_writer_panics_dies() {
    let mut rig = Rig::start();
    rig.settle().await;
    rig.shelf.is(Mood::Panics);
    rig.ask(5, doctor(1, 5)).await.unwrap();
    assert!(rig.dies(SECOND).await, "it goes on without its shelf");
    assert!(rig.ask(6, doctor(1, 6)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lane_whose_timer_panics_dies() {
    let mut rig = Rig::start();
    rig.shelf.is(Mood::Panics);
    assert!(rig.dies(SECOND).await, "nothing would expire any more");
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_forgotten_does_not_wait_for_the_backlog_of_a_sweep() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.shelf.rows().backlog = Some(5 * SECOND);
    rig.pass(3_601 * SECOND).await;
    rig.shelf.is(Mood::WritesFail);
    let purged = rig.reader.purge(key(5).person).await;
    assert_eq!(purged, Err(WriteError::Refused));
    rig.shelf.is(Mood::Fine);
    rig.pass(3_601 * SECOND).await;
    assert!(rig.shelf.rows().kept.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_still_to_be_forgotten_is_forgotten_at_a_stop() {
    let mut rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.settle().await;
    rig.shelf.is(Mood::WritesFail);
    let purged = rig.reader.purge(key(5).person).await;
    assert_eq!(purged, Err(WriteError::Refused));
    rig.shelf.is(Mood::Fine);
    rig.switch.drain();
    assert!(rig.ended(SECOND).await);
    assert!(rig.shelf.rows().kept.is_empty());
}
