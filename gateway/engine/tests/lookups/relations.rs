//! Who is shown what is known, and what the source's word to one caller does to it.

use std::time::Duration;

use engine::lookup::{Asker, Looked, LookupRefusal, Way};
use engine::ports::Found;
use policies::failure::Code;

use super::rig::shelf::Mood;
use super::rig::source::Turn;
use super::rig::{
    Rig, STALE, breaking_glass, doctor, is_absent, is_denied, key, known, stranger, substitute, way,
};

const DAY: Duration = Duration::from_secs(86_400);
const NOTHING: Duration = Duration::ZERO;

fn has_hit(rig: &Rig, person: u64, asker: &Asker) -> bool {
    rig.hit(person, asker).is_some()
}

#[tokio::test(start_paused = true)]
async fn a_hit_needs_a_relation() {
    let rig = Rig::start();
    rig.ask(5, stranger(1)).await.unwrap();
    assert!(has_hit(&rig, 5, &stranger(1)), "the source has answered it");
    assert!(has_hit(&rig, 5, &doctor(2, 5)), "the listed doctor");
    assert!(
        !has_hit(&rig, 5, &breaking_glass(3)),
        "the source is asked first"
    );
    assert!(!has_hit(&rig, 5, &stranger(4)));
    assert!(!has_hit(&rig, 5, &doctor(4, 6)), "another's doctor");
    rig.source.book().refused.insert(stranger(4).caller);
    assert!(is_denied(&rig.ask(5, stranger(4)).await));
}

#[tokio::test(start_paused = true)]
async fn the_callers_that_were_answered_are_remembered_up_to_the_limit() {
    let rig = Rig::start();
    for n in 1..=5 {
        assert_eq!(way(rig.ask(5, stranger(n)).await), Way::Loaded);
    }
    let seen: Vec<_> = (1..=5)
        .filter(|n| has_hit(&rig, 5, &stranger(*n)))
        .collect();
    assert_eq!(seen, [2, 3, 4, 5], "the one seen longest ago makes room");
}

#[tokio::test(start_paused = true)]
async fn a_relation_that_was_not_used_for_long_is_none() {
    let rig = Rig::start();
    rig.edit(|rules| rules.freshness.relation_for = 8 * DAY);
    rig.ask(5, stranger(1)).await.unwrap();
    rig.pass(5 * DAY).await;
    rig.ask(5, stranger(2)).await.unwrap();
    assert!(has_hit(&rig, 5, &stranger(1)));
    rig.pass(4 * DAY).await;
    rig.source.fails(Code::UpstreamReset);
    assert!(rig.ask(5, stranger(1)).await.is_err());
    assert!(rig.ask(5, stranger(2)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn that_there_is_nothing_is_told_again_to_who_was_told_and_to_nobody_else() {
    let rig = Rig::start();
    let missing = 100_001;
    assert!(is_absent(&rig.ask(missing, stranger(1)).await));
    rig.pass(Duration::from_secs(59)).await;
    let again = rig.ask(missing, stranger(1)).await;
    let Ok(Looked::Absent(age)) = again else {
        panic!("{again:?}");
    };
    assert_eq!((age, rig.source.calls()), (Duration::from_secs(59), 1));
    assert!(is_absent(&rig.ask(missing, stranger(2)).await));
    assert_eq!(rig.source.calls(), 2);
    rig.pass(Duration::from_secs(1)).await;
    rig.source.book().doctors.insert(missing, 5);
    assert_eq!(way(rig.ask(missing, stranger(1)).await), Way::Loaded);
    assert!(has_hit(&rig, missing, &stranger(1)));
}

/// Whether what was known of person 5 is still known after `asker` has heard `turn`.
async fn is_known_after(turn: Turn, asker: Asker) -> bool {
    let rig = Rig::start();
    known(rig.ask(5, doctor(1, 5)).await);
    rig.pass(STALE).await;
    rig.source.next(&[turn]);
    let told = rig.ask(5, asker).await;
    assert!(is_denied(&told) || is_absent(&told), "{told:?}");
    rig.settle().await;
    rig.source.fails(Code::UpstreamReset);
    let is_in_memory = rig.ask(5, doctor(9, 5)).await.is_ok();
    let is_on_disk = rig.shelf.rows().kept.contains_key(&key(5));
    assert_eq!(is_in_memory, is_on_disk);
    is_on_disk
}

#[tokio::test(start_paused = true)]
async fn what_the_source_does_not_tell_its_own_any_more_is_forgotten() {
    for turn in [Turn::Rejects(NOTHING), Turn::Absent(NOTHING)] {
        for related in [doctor(1, 5), doctor(2, 5)] {
            assert!(!is_known_after(turn, related).await, "{turn:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_without_a_relation_can_make_it_forgotten() {
    for turn in [Turn::Rejects(NOTHING), Turn::Absent(NOTHING)] {
        for unrelated in [stranger(2), breaking_glass(2), doctor(2, 6)] {
            assert!(is_known_after(turn, unrelated).await, "{turn:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_no_to_who_stands_in_is_a_no_to_that_one_alone() {
    for turn in [Turn::Rejects(NOTHING), Turn::Absent(NOTHING)] {
        assert!(is_known_after(turn, substitute(2, 5)).await, "{turn:?}");
    }
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    assert!(has_hit(&rig, 5, &substitute(2, 5)), "as the doctor is");
    assert!(!has_hit(&rig, 5, &substitute(2, 6)));
    rig.pass(STALE).await;
    rig.source.next(&[Turn::Rejects(NOTHING)]);
    assert!(is_denied(&rig.ask(5, substitute(2, 5)).await));
    rig.source.fails(Code::UpstreamReset);
    assert!(rig.ask(5, substitute(2, 5)).await.is_err(), "remembered");
    let stale = Way::Stale(Code::UpstreamReset);
    assert_eq!(way(rig.ask(5, substitute(3, 5)).await), stale);
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), stale);
}

#[tokio::test(start_paused = true)]
async fn what_the_source_says_is_told_though_nobody_waits_for_it() {
    let rig = Rig::start();
    let missing = 100_001;
    let turns = [
        Turn::Slow(Duration::from_secs(1)),
        Turn::Absent(Duration::from_secs(1)),
        Turn::Rejects(Duration::from_secs(1)),
    ];
    for (person, turn) in [5, missing, 6].into_iter().zip(turns) {
        rig.source.next(&[turn]);
        let asking = rig.asking(person, stranger(1));
        rig.settle().await;
        asking.abort();
        rig.pass(Duration::from_secs(2)).await;
    }
    // Who is shown to others is not unknown.
    let organization = stranger(1).organization;
    let expected = [
        (organization.clone(), key(5), Found::Known),
        (organization, key(missing), Found::Unknown),
    ];
    assert_eq!(rig.heard.all(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_refused_authority_makes_nothing_forgotten() {
    for turn in [
        Turn::RefusesAuthority(NOTHING),
        Turn::ExpiredAuthority(NOTHING),
    ] {
        assert!(is_known_after(turn, doctor(2, 5)).await, "{turn:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_forgotten_though_only_the_shelf_had_it() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.settle().await;
    let again = rig.restart();
    again.pass(STALE).await;
    again.source.next(&[Turn::Absent(NOTHING)]);
    assert!(is_absent(&again.ask(5, doctor(1, 5)).await));
    again.settle().await;
    assert!(again.shelf.rows().kept.is_empty());
    again.source.fails(Code::UpstreamReset);
    let other = again.ask(5, doctor(2, 5)).await;
    assert!(matches!(other, Err(LookupRefusal::Failed(..))), "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_not_read_back_from_a_shelf_that_keeps_it() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.shelf.is(Mood::WritesFail);
    rig.source.next(&[Turn::Absent(NOTHING)]);
    assert!(is_absent(&rig.ask(5, doctor(1, 5)).await));
    rig.source.fails(Code::UpstreamReset);
    assert!(rig.shelf.rows().kept.contains_key(&key(5)));
    assert!(rig.ask(5, doctor(2, 5)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn when_the_source_lists_another_doctor_nobody_is_remembered_from_before() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.ask(5, stranger(3)).await.unwrap();
    rig.pass(STALE).await;
    rig.source.book().doctors.insert(5, 6);
    rig.ask(5, doctor(2, 6)).await.unwrap();
    assert!(has_hit(&rig, 5, &doctor(9, 6)));
    for earlier in [doctor(1, 5), stranger(3)] {
        assert!(!has_hit(&rig, 5, &earlier), "{earlier:?}");
    }
    rig.source.fails(Code::UpstreamReset);
    assert!(rig.ask(5, doctor(1, 5)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_breaks_the_glass_asks_the_source_first() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    let loaded = way(rig.ask(5, breaking_glass(2)).await);
    assert_eq!((loaded, rig.source.calls()), (Way::Loaded, 2));
    rig.source.next(&[Turn::Rejects(NOTHING)]);
    assert!(is_denied(&rig.ask(5, breaking_glass(3)).await));
    rig.source.fails(Code::UpstreamReset);
    assert_eq!(way(rig.ask(5, breaking_glass(4)).await), Way::Hit);
    assert_eq!(
        way(rig.ask(5, breaking_glass(3)).await),
        Way::Hit,
        "denied when it was asked, and nobody can be asked now"
    );
    assert!(rig.ask(5, stranger(5)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_breaks_the_glass_is_not_served_with_what_another_is_answered() {
    let rig = Rig::start();
    rig.source.always(Turn::Slow(Duration::from_secs(1)));
    let leader = rig.asking(5, doctor(1, 5));
    rig.settle().await;
    let glass = rig.asking(5, breaking_glass(2));
    assert_eq!(way(leader.await.unwrap()), Way::Loaded);
    assert_eq!(way(glass.await.unwrap()), Way::Loaded);
    assert_eq!(rig.source.calls(), 2);
}

/// A process that knows person 5 from its shelf alone, cannot read it, and hears `turn` for `asker`.
async fn told_while_the_shelf_fails(turn: Turn, asker: Asker) -> Rig {
    let rig = Rig::start();
    known(rig.ask(5, asker.clone()).await);
    rig.pass(STALE).await;
    let again = rig.restart();
    again.shelf.is(Mood::ReadsFail);
    again.source.next(&[turn]);
    let told = again.ask(5, asker).await;
    assert!(is_denied(&told) || is_absent(&told), "{told:?}");
    again.shelf.is(Mood::Fine);
    again.pass(Duration::from_secs(60)).await;
    again
}

#[tokio::test(start_paused = true)]
async fn a_no_is_remembered_though_nothing_was_in_hand() {
    for turn in [Turn::Rejects(NOTHING), Turn::Absent(NOTHING)] {
        let rig = told_while_the_shelf_fails(turn, doctor(1, 5)).await;
        rig.source.fails(Code::UpstreamReset);
        let told = rig.ask(5, doctor(1, 5)).await;
        assert!(matches!(told, Err(LookupRefusal::Failed(..))), "{turn:?}");
        let other = way(rig.ask(5, doctor(2, 5)).await);
        assert_eq!(other, Way::Stale(Code::UpstreamReset), "nobody empties it");
        let told = rig.ask(5, doctor(1, 5)).await;
        assert!(told.is_err(), "from memory: {turn:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whom_the_source_has_told_no_is_not_remembered_as_answered() {
    let rig = told_while_the_shelf_fails(Turn::Rejects(NOTHING), stranger(1)).await;
    rig.ask(5, doctor(2, 5)).await.unwrap();
    assert!(has_hit(&rig, 5, &doctor(3, 5)));
    assert!(!has_hit(&rig, 5, &stranger(1)));
    assert_eq!(way(rig.ask(5, stranger(1)).await), Way::Loaded);
    assert!(has_hit(&rig, 5, &stranger(1)), "until it is answered again");
}
