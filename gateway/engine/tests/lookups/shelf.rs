//! The shelf under the memory: through a restart, and when it fails.

use std::time::Duration;

use engine::lookup::Way;
use policies::failure::Code;

use super::rig::shelf::Mood;
use super::rig::source::Turn;
use super::rig::{Rig, STALE, doctor, key, known, stranger, way};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_restart_knows_what_was_known_with_its_age() {
    let rig = Rig::start();
    rig.ask(5, stranger(1)).await.unwrap();
    rig.pass(10 * SECOND).await;
    let again = rig.restart();
    again.source.fails(Code::UpstreamReset);
    let hit = known(again.ask(5, stranger(1)).await);
    assert_eq!((hit.way, hit.age), (Way::Hit, 10 * SECOND));
    assert_eq!(again.source.calls(), 0);
    let hit = again.hit(5, &stranger(1));
    assert!(hit.is_some(), "it is in memory again");
    again.pass(STALE).await;
    let shown = way(again.ask(5, doctor(2, 5)).await);
    assert_eq!(shown, Way::Stale(Code::UpstreamReset));
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_an_outage_shows_what_is_stale_to_its_own_alone() {
    let rig = Rig::start();
    rig.ask(5, stranger(1)).await.unwrap();
    rig.pass(STALE).await;
    let again = rig.restart();
    again.source.fails(Code::UpstreamUnreachable);
    assert!(again.ask(5, stranger(2)).await.is_err());
    let shown = way(again.ask(5, stranger(1)).await);
    assert_eq!(shown, Way::Stale(Code::UpstreamUnreachable));
}

#[tokio::test(start_paused = true)]
async fn whom_the_source_answered_before_the_restart_is_remembered_after_the_next_load() {
    let rig = Rig::start();
    rig.ask(5, stranger(1)).await.unwrap();
    rig.pass(STALE).await;
    let again = rig.restart();
    again.ask(5, stranger(2)).await.unwrap();
    assert!(again.hit(5, &stranger(1)).is_some());
    again.settle().await;
    assert_eq!(again.shelf.rows().kept[&key(5)].seen_by.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_shelf_that_fails_stops_no_look_up() {
    let rig = Rig::start();
    rig.shelf.is(Mood::Fails);
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), Way::Loaded);
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), Way::Hit);
}

#[tokio::test(start_paused = true)]
async fn a_shelf_that_hangs_costs_a_look_up_a_quarter_of_a_second() {
    let rig = Rig::start();
    rig.shelf.is(Mood::Hangs);
    let asked_at = rig.now();
    let asking: Vec<_> = (0..10).map(|n| rig.asking(5, doctor(n, 5))).collect();
    for one in asking {
        assert!(one.await.unwrap().is_ok());
    }
    assert_eq!(rig.now().since(asked_at), Duration::from_millis(250));
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), Way::Hit);
}

#[tokio::test(start_paused = true)]
async fn a_shelf_that_does_not_keep_up_loses_answers_on_disk_and_nowhere_else() {
    let mut rig = Rig::start_under(|rules| rules.callers.misses_burst = 1_000_000);
    rig.shelf.is(Mood::WritesHang);
    for person in 0..6_000 {
        let shown = way(rig.ask(person, doctor(1, person)).await);
        assert_eq!(shown, Way::Loaded);
    }
    assert_eq!(way(rig.ask(5_999, doctor(1, 5_999)).await), Way::Hit);
    rig.switch.drain();
    assert!(!rig.ended(60 * SECOND).await, "it waits for the shelf");
    rig.switch.force();
    assert!(rig.ended(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_kept_blindly_takes_nobody_off_the_shelf() {
    let rig = Rig::start();
    rig.ask(5, stranger(1)).await.unwrap();
    rig.pass(STALE).await;
    let again = rig.restart();
    again.shelf.is(Mood::ReadsFail);
    again.source.next(&[Turn::Slow(SECOND)]);
    let asking = again.asking(5, stranger(2));
    again.settle().await;
    again.shelf.is(Mood::Fine);
    assert_eq!(way(asking.await.unwrap()), Way::Loaded);
    again.settle().await;
    assert_eq!(again.shelf.rows().kept[&key(5)].seen_by.len(), 2);
    assert!(again.hit(5, &stranger(1)).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_of_one_person_takes_nothing_from_another() {
    let rig = Rig::start();
    rig.ask(5, stranger(1)).await.unwrap();
    rig.pass(STALE).await;
    let again = rig.restart();
    again.source.next(&[Turn::Slow(SECOND)]);
    let asking = again.asking(5, stranger(2));
    again.settle().await;
    again.reader.purge(key(6).person).await.unwrap();
    assert_eq!(way(asking.await.unwrap()), Way::Loaded);
    assert!(again.hit(5, &stranger(1)).is_some());
}
