//! Authorities that the source refuses.

use std::time::Duration;

use engine::lookup::{Asker, LookupRefusal, Way};
use policies::failure::Code;

use super::rig::source::Turn;
use super::rig::{Rig, STALE, doctor, is_denied, known, stranger, way};

const SECOND: Duration = Duration::from_secs(1);
const REFUSES: Turn = Turn::RefusesAuthority(Duration::ZERO);

/// A lane that knows person 5 as stale, and has heard the authority of caller 1 refused.
async fn refusing() -> Rig {
    let rig = Rig::start();
    known(rig.ask(5, doctor(1, 5)).await);
    rig.pass(STALE).await;
    rig.source.next(&[REFUSES]);
    assert!(is_denied(&rig.ask(6, doctor(1, 6)).await));
    rig
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_was_refused_is_not_presented_again() {
    let rig = refusing().await;
    assert!(is_denied(&rig.ask(6, doctor(1, 6)).await));
    assert_eq!(rig.source.calls(), 2);
    assert_eq!(way(rig.ask(6, doctor(2, 6)).await), Way::Loaded);
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_was_refused_is_presented_again_after_a_minute() {
    let rig = refusing().await;
    rig.pass(59 * SECOND).await;
    assert!(is_denied(&rig.ask(6, doctor(1, 6)).await));
    rig.pass(SECOND).await;
    assert_eq!(way(rig.ask(6, doctor(1, 6)).await), Way::Loaded);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_refuses_everybody_has_failed() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.source.always(REFUSES);
    for caller in 1..5 {
        assert!(is_denied(&rig.ask(5, doctor(caller, 5)).await));
    }
    let stale = Way::Stale(Code::UpstreamUnavailable);
    for caller in [5, 6, 1] {
        assert_eq!(way(rig.ask(5, doctor(caller, 5)).await), stale);
    }
    let refusal = rig.ask(6, stranger(7)).await.unwrap_err();
    assert!(matches!(refusal, LookupRefusal::Failed(..)), "{refusal:?}");
    rig.source.always(Turn::Fine);
    assert_eq!(way(rig.ask(5, doctor(8, 5)).await), Way::Renewed);
    assert!(is_denied(&rig.ask(6, doctor(1, 6)).await), "one of few");
}

#[tokio::test(start_paused = true)]
async fn one_organisation_that_is_refused_does_not_make_the_source_fail() {
    let rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.source.always(REFUSES);
    for caller in 2..12 {
        let one_of_many = Asker {
            organization: stranger(2).organization,
            ..doctor(caller, 5)
        };
        assert!(is_denied(&rig.ask(5, one_of_many).await), "{caller}");
    }
    assert!(is_denied(&rig.ask(5, doctor(1, 5)).await));
}

#[tokio::test(start_paused = true)]
async fn who_waits_under_a_refused_authority_is_shown_nothing_that_is_stale() {
    for turn in [
        Turn::Fails(SECOND, Code::UpstreamReset),
        Turn::Slow(60 * SECOND),
    ] {
        let rig = refusing().await;
        rig.source.next(&[turn]);
        let leader = rig.asking(5, doctor(2, 5));
        rig.settle().await;
        assert!(is_denied(&rig.ask(5, doctor(1, 5)).await), "{turn:?}");
        assert!(leader.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_served_under_a_refused_authority_is_shown_nothing_that_is_stale() {
    let rig = Rig::start_under(|rules| rules.calls.queue_max = 1);
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.source.next(&[REFUSES]);
    assert!(is_denied(&rig.ask(6, doctor(1, 6)).await));
    rig.settle().await;
    rig.source.always(Turn::Slow(60 * SECOND));
    let served = rig.asking(10, stranger(10));
    rig.settle().await;
    let waiting = rig.asking(11, stranger(11));
    rig.settle().await;
    let shown = way(rig.ask(5, doctor(2, 5)).await);
    assert_eq!(shown, Way::Stale(Code::LaneBusy));
    assert!(is_denied(&rig.ask(5, doctor(1, 5)).await));
    drop((served, waiting));
}
