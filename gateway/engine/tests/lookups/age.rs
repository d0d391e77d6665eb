//! How old an answer may be, and what is shown while the source fails.

use std::time::Duration;

use engine::lookup::{Known, LookupRefusal, Way};
use engine::ports::Shelf;
use policies::failure::Code;
use policies::gate::Mode;

use super::rig::source::Turn;
use super::rig::{FIND, Rig, STALE, breaking_glass, doctor, is_denied, key, known, stranger, way};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// A lane that knows person 5 since `age` ago.
async fn knowing(age: Duration) -> Rig {
    let rig = Rig::start();
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), Way::Loaded);
    rig.pass(age).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn what_is_fresh_is_shown_without_asking_and_says_for_how_long_it_is() {
    let rig = knowing(Duration::from_secs(890)).await;
    let Known {
        age,
        age_is_floor,
        fresh_for,
        way,
        ..
    } = rig.hit(5, &doctor(2, 5)).unwrap();
    assert_eq!((age, way), (Duration::from_secs(890), Way::Hit));
    assert!(!age_is_floor);
    assert_eq!(fresh_for, Some(Duration::from_secs(10)));
    rig.pass(10 * SECOND).await;
    assert!(rig.hit(5, &doctor(2, 5)).is_none());
    assert_eq!(rig.source.calls(), 1);
    assert_eq!((rig.words.count("hit"), rig.words.all()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_as_old_as_the_question() {
    let rig = Rig::start();
    rig.source.next(&[Turn::Slow(2 * SECOND)]);
    let asked_at = rig.now();
    let loaded = known(rig.ask(5, doctor(1, 5)).await);
    assert_eq!((loaded.fetched_at, loaded.age), (asked_at, 2 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_is_asked_for_first() {
    let rig = knowing(STALE).await;
    let loaded = known(rig.ask(5, doctor(1, 5)).await);
    assert_eq!((loaded.way, loaded.age), (Way::Renewed, Duration::ZERO));
    assert_eq!(rig.source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn every_failure_of_the_source_shows_what_is_known_with_its_age() {
    for code in [
        Code::UpstreamUnreachable,
        Code::UpstreamTimeout,
        Code::UpstreamReset,
        Code::UpstreamUnavailable,
        Code::UpstreamGarbage,
        Code::PeerCertificate,
    ] {
        let rig = knowing(STALE).await;
        rig.source.fails(code);
        let shown = known(rig.ask(5, doctor(2, 5)).await);
        assert_eq!(shown.way, Way::Stale(code));
        assert_eq!((shown.age, shown.fresh_for), (STALE, None));
        let refusal = rig.ask(5, stranger(3)).await.unwrap_err();
        assert!(matches!(refusal, LookupRefusal::Failed(failed, _) if failed == code));
        let glass = rig.ask(5, breaking_glass(4)).await;
        assert_eq!(way(glass), Way::Stale(code));
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_no_longer_is_shown_what_is_known_and_the_load_is_kept() {
    let rig = knowing(STALE).await;
    rig.source.next(&[Turn::Slow(4 * SECOND)]);
    let asked_at = rig.now();
    let shown = known(rig.ask(5, doctor(2, 5)).await);
    assert_eq!(shown.way, Way::Stale(Code::UpstreamTimeout));
    assert_eq!(rig.now().since(asked_at), 3 * SECOND);
    rig.pass(2 * SECOND).await;
    let hit = known(rig.ask(5, doctor(2, 5)).await);
    assert_eq!((hit.way, hit.fetched_at), (Way::Hit, asked_at));
    assert_eq!(rig.source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_no_to_this_caller_is_never_answered_from_what_is_known() {
    for turn in [
        Turn::Rejects(Duration::ZERO),
        Turn::RefusesAuthority(Duration::ZERO),
        Turn::ExpiredAuthority(Duration::ZERO),
    ] {
        let rig = knowing(STALE).await;
        rig.source.next(&[turn]);
        assert!(is_denied(&rig.ask(5, doctor(1, 5)).await), "{turn:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_never_shown() {
    let rig = knowing(7 * DAY - SECOND).await;
    rig.source.fails(Code::UpstreamReset);
    let shown = way(rig.ask(5, doctor(1, 5)).await);
    assert_eq!(shown, Way::Stale(Code::UpstreamReset));
    rig.pass(SECOND).await;
    for asker in [doctor(1, 5), breaking_glass(2)] {
        let refusal = rig.ask(5, asker).await.unwrap_err();
        assert!(matches!(refusal, LookupRefusal::Failed(..)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_bound_holds_from_the_next_look() {
    let rig = knowing(600 * SECOND).await;
    rig.source.fails(Code::UpstreamReset);
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), Way::Hit);
    rig.edit(|rules| rules.freshness.fresh_for = 300 * SECOND);
    let shown = way(rig.ask(5, doctor(1, 5)).await);
    assert_eq!(shown, Way::Stale(Code::UpstreamReset));
    rig.edit(|rules| rules.freshness.stale_for = 600 * SECOND);
    assert!(rig.ask(5, doctor(1, 5)).await.is_err());
    assert!(rig.ask(5, breaking_glass(1)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_age_that_is_only_a_floor_is_never_fresh() {
    let rig = knowing(Duration::ZERO).await;
    rig.settle().await;
    let again = rig.restart();
    let mut kept = rig.shelf.rows().kept[&key(5)].clone();
    kept.age_is_floor = true;
    rig.shelf.put(kept).await.unwrap();
    again.source.fails(Code::UpstreamReset);
    let shown = known(again.ask(5, doctor(1, 5)).await);
    assert_eq!(shown.way, Way::Stale(Code::UpstreamReset));
    assert_eq!((shown.fresh_for, shown.age_is_floor), (None, true));
    assert!(again.hit(5, &doctor(1, 5)).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_open_gate_costs_no_wait() {
    let rig = knowing(STALE).await;
    rig.source.fails(Code::UpstreamUnreachable);
    for _ in 0..5 {
        known(rig.ask(5, doctor(1, 5)).await);
    }
    let (calls, asked_at) = (rig.source.calls(), rig.now());
    let shown = way(rig.ask(5, doctor(1, 5)).await);
    assert_eq!(shown, Way::Stale(Code::GateOpen));
    let refusal = rig.ask(6, doctor(1, 6)).await.unwrap_err();
    let LookupRefusal::Failed(Code::GateOpen, wait) = refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(Some(wait), rig.calls.retry_after(FIND));
    assert!(!wait.is_zero());
    assert_eq!((rig.source.calls(), rig.now()), (calls, asked_at));
}

#[tokio::test(start_paused = true)]
async fn forced_open_shows_what_is_known_and_asks_nothing() {
    let rig = knowing(Duration::ZERO).await;
    rig.set_mode(Mode::ForcedOpen);
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), Way::Hit);
    rig.pass(STALE).await;
    let shown = way(rig.ask(5, doctor(1, 5)).await);
    assert_eq!(shown, Way::Stale(Code::GateOpen));
    let refusal = rig.ask(6, doctor(1, 6)).await.unwrap_err();
    assert!(matches!(refusal, LookupRefusal::Failed(Code::GateOpen, _)));
    assert_eq!(rig.source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn disabled_shows_nothing() {
    let rig = knowing(Duration::ZERO).await;
    rig.set_mode(Mode::Disabled);
    assert!(rig.hit(5, &doctor(1, 5)).is_none());
    let refusal = rig.ask(5, doctor(1, 5)).await.unwrap_err();
    assert!(matches!(refusal, LookupRefusal::Disabled));
}

#[tokio::test(start_paused = true)]
async fn who_will_not_wait_leaves_the_source_time_to_answer() {
    for (takes, expected) in [
        (400, Way::Renewed),
        (600, Way::Stale(Code::UpstreamTimeout)),
    ] {
        let rig = knowing(STALE).await;
        let takes = Duration::from_millis(takes);
        rig.source.next(&[Turn::Slow(takes)]);
        let asked_at = rig.now();
        let mut lookup = rig.lookup(5, doctor(1, 5));
        lookup.wait_max = Some(Duration::ZERO);
        assert_eq!(way(rig.reader.lookup(lookup).await), expected);
        let within = takes.min(Duration::from_millis(500));
        assert_eq!(rig.now().since(asked_at), within);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_up_goes_by_the_rules_that_its_request_was_begun_under() {
    let rig = knowing(600 * SECOND).await;
    let lookup = rig.lookup(5, doctor(1, 5));
    let rules = rig.rules.load();
    rig.edit(|rules| {
        rules.freshness.fresh_for = SECOND;
        rules.mode = Mode::Disabled;
    });
    let hit = |rules| rig.reader.hit(FIND, key(5), &doctor(1, 5), rules);
    assert!(hit(&rules).is_some());
    assert!(hit(&rig.rules.load()).is_none());
    assert_eq!(way(rig.reader.lookup(lookup).await), Way::Hit);
    let refusal = rig.ask(5, doctor(1, 5)).await.unwrap_err();
    assert!(matches!(refusal, LookupRefusal::Disabled));
}
