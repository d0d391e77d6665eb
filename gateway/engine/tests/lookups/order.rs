//! Answers that land in another order than they were asked for, or find no place on the shelf.

use std::time::Duration;

use engine::lookup::Shelved;

use super::rig::shelf::Mood;
use super::rig::source::Turn;
use super::rig::{Rig, STALE, doctor, key, stranger, tag};

const SECOND: Duration = Duration::from_secs(1);

/// Stranger 2 asks about person 5 before stranger 3, and is answered after: of the doctor `before`,
/// whereas stranger 3 is told of doctor 6.
async fn overtaken(before: u64) -> Rig {
    let rig = Rig::start();
    let doctor_is = |doctor| rig.source.book().doctors.insert(5, doctor);
    doctor_is(6);
    rig.source
        .next(&[Turn::Slow(SECOND), Turn::Slow(2 * SECOND), Turn::Fine]);
    let first = rig.asking(5, stranger(1));
    rig.settle().await;
    let overtaken = rig.asking(5, stranger(2));
    assert!(first.await.expect("no panic").is_ok());
    rig.settle().await;
    assert!(rig.ask(5, stranger(3)).await.is_ok());
    doctor_is(before);
    assert!(overtaken.await.expect("no panic").is_ok());
    assert_eq!(rig.source.calls(), 3);
    rig.settle().await;
    rig
}

fn on_shelf(rig: &Rig) -> Shelved {
    rig.shelf.rows().kept[&key(5)].clone()
}

#[tokio::test(start_paused = true)]
async fn the_younger_answer_stays_and_whoever_was_answered_late_is_related_to_it() {
    let rig = overtaken(6).await;
    let hit = rig.hit(5, &stranger(2)).expect("it was answered");
    assert!(hit.body.starts_with(b"{\"person\":5,\"serial\":3"));
    let kept = on_shelf(&rig);
    assert_eq!((kept.body, kept.seen_by.len()), (hit.body, 3));
}

#[tokio::test(start_paused = true)]
async fn what_lands_late_brings_no_former_doctor_back() {
    let rig = overtaken(5).await;
    assert!(rig.hit(5, &doctor(9, 6)).is_some());
    assert!(rig.hit(5, &doctor(9, 5)).is_none());
    assert!(rig.hit(5, &stranger(2)).is_none());
    assert_eq!(on_shelf(&rig).tags, [tag(2, 6)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_put_leaves_none_of_the_former_doctor_on_the_shelf() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.source.book().doctors.insert(5, 6);
    rig.shelf.is(Mood::WritesFail);
    rig.ask(5, doctor(2, 6)).await.unwrap();
    rig.settle().await;
    assert_eq!(on_shelf(&rig).tags, [tag(2, 5)]);
    rig.shelf.is(Mood::Fine);
    rig.pass(3_601 * SECOND).await;
    assert!(!rig.shelf.rows().kept.contains_key(&key(5)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_finds_no_place_to_wait_leaves_none_of_the_former_doctor_either() {
    let rig = Rig::start_under(|rules| rules.callers.misses_burst = 1_000_000);
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.source.book().doctors.insert(5, 6);
    rig.shelf.is(Mood::WritesWait);
    for person in 10..5_010 {
        rig.ask(person, doctor(1, person)).await.unwrap();
    }
    rig.ask(5, doctor(2, 6)).await.unwrap();
    rig.shelf.is(Mood::Fine);
    rig.pass(2 * 3_601 * SECOND).await;
    assert!(rig.shelf.rows().kept.len() > 4_000);
    assert!(!rig.shelf.rows().kept.contains_key(&key(5)));
}
