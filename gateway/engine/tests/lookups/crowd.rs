//! Many who ask for one thing at the same time.

use std::time::Duration;

use engine::lookup::{Known, LookupRefusal, Way};
use policies::failure::Code;

use super::rig::shelf::Mood;
use super::rig::source::Turn;
use super::rig::{Rig, doctor, is_absent, is_denied, known, stranger, way};

const SECOND: Duration = Duration::from_secs(1);
const SLOW: Turn = Turn::Slow(SECOND);

#[tokio::test(start_paused = true)]
async fn a_thousand_who_are_related_cost_one_call_and_a_stranger_among_them_asks_for_itself() {
    let rig = Rig::start();
    rig.source.always(SLOW);
    rig.shelf.is(Mood::SlowToRead(SECOND / 10));
    let who = |n| {
        if n == 500 { stranger(n) } else { doctor(n, 5) }
    };
    let asking: Vec<_> = (0..1_000).map(|n| rig.asking(5, who(n))).collect();
    let mut answers: Vec<Known> = Vec::new();
    for one in asking {
        answers.push(known(one.await.unwrap()));
    }
    let book = rig.source.book();
    assert_eq!(book.calls.len(), 2, "one for all, and one for the stranger");
    assert_eq!(book.calls[1].1, stranger(500).caller);
    assert_eq!(answers[500].way, Way::Loaded);
    assert_ne!(
        answers[500].body, answers[0].body,
        "the stranger was shown another's"
    );
    let collapsed = answers.iter().filter(|known| known.way == Way::Collapsed);
    assert_eq!(collapsed.count(), 998);
    assert_eq!(rig.words.count("collapsed"), 998);
    assert_eq!(rig.words.count("loaded"), 2);
    assert_eq!(rig.shelf.rows().reads, 1, "the shelf is read once for all");
}

#[tokio::test(start_paused = true)]
async fn a_stranger_whom_the_source_refuses_sees_nothing_of_what_the_others_are_shown() {
    let rig = Rig::start();
    rig.source.always(SLOW);
    rig.source.book().refused.insert(stranger(2).caller);
    let (one, other) = (rig.asking(5, doctor(1, 5)), rig.asking(5, stranger(2)));
    assert_eq!(way(one.await.unwrap()), Way::Loaded);
    assert!(is_denied(&other.await.unwrap()));
    assert!(matches!(
        rig.ask(5, stranger(2)).await,
        Err(LookupRefusal::Denied(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_leaves_leaves_the_others_served() {
    let rig = Rig::start();
    rig.source.always(SLOW);
    let leader = rig.asking(5, doctor(0, 5));
    rig.settle().await;
    let others: Vec<_> = (1..10).map(|n| rig.asking(5, doctor(n, 5))).collect();
    rig.settle().await;
    leader.abort();
    for other in others {
        assert_eq!(way(other.await.unwrap()), Way::Collapsed);
    }
    assert_eq!(rig.source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_everybody_has_left_is_kept() {
    let rig = Rig::start();
    rig.source.always(SLOW);
    let leader = rig.asking(5, doctor(0, 5));
    rig.settle().await;
    leader.abort();
    rig.pass(2 * SECOND).await;
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), Way::Hit);
    assert_eq!(rig.source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_less_than_the_load_takes_is_told_so_and_the_next_is_served_with_it() {
    let rig = Rig::start();
    rig.source.always(Turn::Slow(4 * SECOND));
    let asked_at = rig.now();
    let mut lookup = rig.lookup(5, doctor(1, 5));
    lookup.wait_max = Some(SECOND);
    let refusal = rig.reader.lookup(lookup).await.unwrap_err();
    let LookupRefusal::Failed(Code::UpstreamTimeout, wait) = refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(rig.now().since(asked_at), SECOND);
    assert_eq!(wait, 4 * SECOND, "what is left of the longest load");
    // Who takes its own time waits as long as the policy says, with those who joined.
    let later = rig.ask(5, doctor(2, 5)).await;
    assert_eq!(way(later), Way::Collapsed);
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), Way::Hit);
    assert_eq!(rig.source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_policy_says() {
    let rig = Rig::start();
    rig.source.always(Turn::Slow(60 * SECOND));
    let asked_at = rig.now();
    let asking: Vec<_> = (0..20).map(|n| rig.asking(5, doctor(n, 5))).collect();
    for one in asking {
        let refusal = one.await.unwrap().unwrap_err();
        assert!(matches!(
            refusal,
            LookupRefusal::Failed(Code::UpstreamTimeout, _)
        ));
    }
    assert_eq!(rig.now().since(asked_at), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_the_source_says_of_one_caller_one_of_the_others_asks_for_the_rest() {
    for turn in [
        Turn::Rejects(SECOND),
        Turn::Absent(SECOND),
        Turn::RefusesAuthority(SECOND),
        Turn::ExpiredAuthority(SECOND),
    ] {
        let rig = Rig::start();
        rig.source.next(&[turn]);
        rig.source.always(SLOW);
        let leader = rig.asking(5, doctor(0, 5));
        let others: Vec<_> = (1..4).map(|n| rig.asking(5, doctor(n, 5))).collect();
        let led = leader.await.unwrap();
        assert!(is_denied(&led) || is_absent(&led), "{led:?}");
        let mut ways = Vec::new();
        for other in others {
            ways.push(way(other.await.unwrap()));
        }
        ways.sort_by_key(|way| *way != Way::Loaded);
        assert_eq!(
            ways,
            [Way::Loaded, Way::Collapsed, Way::Collapsed],
            "{turn:?}"
        );
        assert_eq!(rig.source.calls(), 2, "{turn:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_caller_is_refused_once_however_often_it_asks() {
    let rig = Rig::start();
    rig.source.next(&[Turn::Rejects(SECOND)]);
    let asking: Vec<_> = (0..10).map(|_| rig.asking(5, stranger(1))).collect();
    for one in asking {
        assert!(is_denied(&one.await.unwrap()));
    }
    assert_eq!(rig.source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn whom_the_source_refuses_one_after_the_other_ask_for_themselves_at_last() {
    let rig = Rig::start();
    rig.source.always(Turn::Rejects(SECOND / 2));
    let asked_at = rig.now();
    let asking: Vec<_> = (0..10).map(|n| rig.asking(5, doctor(n, 5))).collect();
    for one in asking {
        assert!(is_denied(&one.await.unwrap()));
    }
    assert_eq!(rig.source.calls(), 10, "each is told once");
    assert_eq!(rig.now().since(asked_at), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_asked_once_for_all_who_wait() {
    let rig = Rig::start();
    rig.source.always(Turn::Fails(SECOND, Code::UpstreamReset));
    let asking: Vec<_> = (0..100).map(|n| rig.asking(5, stranger(n))).collect();
    for one in asking {
        let refusal = one.await.unwrap().unwrap_err();
        assert!(matches!(
            refusal,
            LookupRefusal::Failed(Code::UpstreamReset, _)
        ));
    }
    assert_eq!(rig.source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_panics_leaves_nobody_waiting_and_the_key_free() {
    let rig = Rig::start();
    rig.source.next(&[Turn::Panics(SECOND)]);
    let asked_at = rig.now();
    let asking: Vec<_> = (0..10).map(|n| rig.asking(5, doctor(n, 5))).collect();
    for one in asking {
        let refusal = one.await.unwrap().unwrap_err();
        assert!(matches!(
            refusal,
            LookupRefusal::Failed(Code::UpstreamGarbage, _)
        ));
    }
    assert_eq!(rig.now().since(asked_at), SECOND);
    assert_eq!(way(rig.ask(5, doctor(1, 5)).await), Way::Loaded);
    assert_eq!(rig.words.all(), 11, "each look-up is told once");
}
