//! What is purged, and what leaves by itself.

use std::time::Duration;

use engine::lookup::{LookupRefusal, Way};
use engine::ports::WriteError;
use policies::failure::Code;

use super::rig::shelf::Mood;
use super::rig::source::Turn;
use super::rig::{Rig, STALE, doctor, is_absent, key, stranger, way};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(start_paused = true)]
async fn a_purge_forgets_one_person_in_memory_and_on_the_shelf() {
    let rig = Rig::start();
    for person in [5, 6] {
        rig.ask(person, doctor(1, person)).await.unwrap();
    }
    rig.settle().await;
    assert_eq!(rig.reader.purge(key(5).person).await, Ok(1));
    assert!(rig.hit(5, &doctor(1, 5)).is_none());
    assert!(rig.hit(6, &doctor(1, 6)).is_some());
    let kept: Vec<_> = rig.shelf.rows().kept.keys().copied().collect();
    assert_eq!(kept, [key(6)]);
    rig.source.fails(Code::UpstreamReset);
    assert!(rig.ask(5, doctor(1, 5)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_purge_forgets_that_there_was_nothing() {
    let rig = Rig::start();
    let missing = 100_001;
    assert!(is_absent(&rig.ask(missing, stranger(1)).await));
    rig.reader.purge(key(missing).person).await.unwrap();
    rig.source.book().doctors.insert(missing, 5);
    assert_eq!(way(rig.ask(missing, stranger(1)).await), Way::Loaded);
}

#[tokio::test(start_paused = true)]
async fn a_load_begun_before_a_purge_is_not_kept_and_joined_by_nobody() {
    let rig = Rig::start();
    rig.source.next(&[Turn::Slow(2 * SECOND)]);
    let before = rig.asking(5, doctor(1, 5));
    rig.pass(SECOND).await;
    rig.reader.purge(key(5).person).await.unwrap();
    assert_eq!(
        way(rig.ask(5, doctor(2, 5)).await),
        Way::Loaded,
        "it joined what came before"
    );
    assert_eq!(way(before.await.unwrap()), Way::Loaded, "it asked before");
    rig.settle().await;
    let hit = rig.hit(5, &doctor(3, 5)).unwrap();
    assert!(
        hit.body.starts_with(b"{\"person\":5,\"serial\":2"),
        "what came before was kept"
    );
    let kept = rig.shelf.rows().kept[&key(5)].clone();
    assert_eq!((&kept.body, kept.seen_by.len()), (&hit.body, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_look_up_holds_is_let_go_of_when_it_is_purged_meanwhile() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.source
        .always(Turn::Fails(2 * SECOND, Code::UpstreamReset));
    let asking = rig.asking(5, doctor(1, 5));
    rig.pass(SECOND).await;
    rig.reader.purge(key(5).person).await.unwrap();
    let refusal = asking.await.unwrap().unwrap_err();
    assert!(matches!(
        refusal,
        LookupRefusal::Failed(Code::UpstreamReset, _)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_purge_overtakes_a_read_of_the_shelf_and_writes_that_wait() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.settle().await;
    let again = rig.restart();
    again.source.fails(Code::UpstreamReset);
    again.shelf.is(Mood::SlowToRead(Duration::from_millis(200)));
    let asking = again.asking(5, doctor(1, 5));
    again.pass(Duration::from_millis(100)).await;
    again.reader.purge(key(5).person).await.unwrap();
    assert!(
        asking.await.unwrap().is_err(),
        "it was shown what was purged"
    );
    assert!(again.ask(5, doctor(1, 5)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_shelf_that_does_not_forget_is_not_believed_and_told_again() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.settle().await;
    rig.shelf.is(Mood::WritesFail);
    assert_eq!(
        rig.reader.purge(key(5).person).await,
        Err(WriteError::Refused)
    );
    rig.source.fails(Code::UpstreamReset);
    assert!(rig.shelf.rows().kept.contains_key(&key(5)));
    assert!(rig.ask(5, doctor(1, 5)).await.is_err());
    rig.shelf.is(Mood::Fine);
    rig.pass(3_601 * SECOND).await;
    assert!(rig.shelf.rows().kept.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shelf_that_hangs_over_a_purge_is_told_of_as_unknown() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.settle().await;
    rig.shelf.is(Mood::WritesHang);
    assert_eq!(
        rig.reader.purge(key(5).person).await,
        Err(WriteError::Unknown)
    );
    rig.source.fails(Code::UpstreamReset);
    assert!(rig.ask(5, doctor(1, 5)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_leaves_memory_and_shelf_within_one_sweep() {
    let rig = Rig::start();
    rig.edit(|rules| {
        rules.callers.misses_burst = 10_000;
        rules.callers.loads_max = 10_000;
    });
    for person in 0..1_200 {
        rig.ask(person, doctor(person, person)).await.unwrap();
    }
    rig.pass(DAY).await;
    rig.ask(5_000, doctor(1, 5_000)).await.unwrap();
    rig.settle().await;
    assert_eq!(rig.shelf.rows().kept.len(), 1_201);
    rig.pass(6 * DAY - 2 * SECOND).await;
    assert_eq!(
        rig.shelf.rows().kept.len(),
        1_201,
        "nothing leaves before its time"
    );
    rig.pass(3_602 * SECOND).await;
    let kept: Vec<_> = rig.shelf.rows().kept.keys().copied().collect();
    assert_eq!(kept, [key(5_000)]);
    // Were it in memory still, a longer bound would bring it back.
    rig.edit(|rules| rules.freshness.stale_for = 30 * DAY);
    rig.source.fails(Code::UpstreamReset);
    assert!(rig.ask(5, doctor(5, 5)).await.is_err());
    assert!(rig.ask(5_000, doctor(1, 5_000)).await.is_ok());
}
