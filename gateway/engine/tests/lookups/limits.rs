//! How much the lane takes, and how it ends.

use std::time::Duration;

use engine::lookup::{LookupRefusal, Way};
use policies::failure::Code;

use super::rig::source::Turn;
use super::rig::{Rig, STALE, doctor, key, stranger, way};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_sweep_of_codes_displaces_nothing_that_desks_use() {
    let rig = Rig::start_under(|rules| {
        rules.cache.memory_bytes_max = 1 << 20;
        rules.callers.misses_burst = 1_000_000;
    });
    rig.source.book().padding = 1_500;
    // A memory in use is full of what was asked for once.
    for person in 100..1_000 {
        rig.ask(person, doctor(1, person)).await.unwrap();
    }
    let desk = 0..100;
    for round in 0..5 {
        for person in desk.clone() {
            let shown = way(rig.ask(person, doctor(1, person)).await);
            assert_eq!(shown == Way::Hit, round > 0);
        }
    }
    // The desks go on, one look-up for twenty of the sweep.
    let (mut looked, mut hits) = (0, 0);
    for person in 1_000..21_000 {
        assert_eq!(way(rig.ask(person, stranger(2)).await), Way::Loaded);
        if person % 20 == 0 {
            let person = looked % desk.end;
            looked += 1;
            let hit = rig.hit(person, &doctor(1, person));
            hits += u64::from(hit.is_some());
        }
    }
    assert_eq!((looked, rig.source.calls()), (1_000, 21_000));
    let is_nearly_all = hits * 100 >= looked * 95;
    assert!(
        is_nearly_all,
        "the sweep has displaced what desks use: {hits} of {looked} are hits"
    );
}

#[tokio::test(start_paused = true)]
async fn who_sweeps_codes_is_told_to_wait_and_nobody_else_is() {
    let rig = Rig::start();
    let mut limited = 0;
    for person in 1_000..21_000 {
        match rig.ask(person, stranger(2)).await {
            Ok(_) => {}
            Err(LookupRefusal::Limited(wait)) => {
                assert_eq!(
                    wait,
                    Duration::from_millis(100),
                    "until the next is allowed"
                );
                limited += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((limited, rig.source.calls()), (19_900, 100));
    assert_eq!(way(rig.ask(1, doctor(1, 1)).await), Way::Loaded);
    assert_eq!(way(rig.ask(1, doctor(1, 1)).await), Way::Hit);
    rig.pass(Duration::from_millis(100)).await;
    assert!(rig.ask(30_000, stranger(2)).await.is_ok());
    assert!(rig.ask(30_001, stranger(2)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn codes_that_are_nobodys_are_counted_too() {
    let rig = Rig::start();
    for missing in 100_000..100_100 {
        assert!(rig.ask(missing, stranger(2)).await.is_ok());
    }
    let refusal = rig.ask(100_100, stranger(2)).await.unwrap_err();
    assert!(matches!(refusal, LookupRefusal::Limited(_)));
}

#[tokio::test(start_paused = true)]
async fn one_caller_has_so_many_loads_under_way_and_no_more() {
    let rig = Rig::start_under(|rules| rules.callers.loads_max = 3);
    rig.source.always(Turn::Slow(SECOND));
    let asking: Vec<_> = (0..4)
        .map(|person| rig.asking(person, stranger(2)))
        .collect();
    let mut ends = Vec::new();
    for one in asking {
        ends.push(one.await.unwrap());
    }
    assert!(ends[..3].iter().all(Result::is_ok));
    let Err(LookupRefusal::Limited(wait)) = ends[3] else {
        panic!("{ends:?}");
    };
    assert_eq!(wait, 5 * SECOND);
    assert!(
        rig.ask(4, stranger(2)).await.is_ok(),
        "what ended makes room"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_limited_is_shown_what_is_known() {
    let rig = Rig::start_under(|rules| {
        rules.callers.misses_burst = 1;
        rules.callers.misses_per_minute = 1;
    });
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    assert!(rig.ask(6, doctor(1, 6)).await.is_ok());
    let shown = way(rig.ask(5, doctor(1, 5)).await);
    assert_eq!(shown, Way::Stale(Code::LaneBusy));
}

#[tokio::test(start_paused = true)]
async fn a_lane_without_a_free_call_shows_what_is_known_or_says_so_at_once() {
    let rig = Rig::start_under(|rules| {
        rules.calls.calls_max = 4;
        rules.calls.calls_min = 4;
    });
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.source.always(Turn::Slow(60 * SECOND));
    let busy: Vec<_> = (10..14).map(|n| rig.asking(n, stranger(n))).collect();
    rig.settle().await;
    let asked_at = rig.now();
    let shown = way(rig.ask(5, doctor(1, 5)).await);
    assert_eq!(shown, Way::Stale(Code::LaneBusy));
    let refusal = rig.ask(6, doctor(1, 6)).await.unwrap_err();
    assert!(matches!(refusal, LookupRefusal::Busy(wait) if wait == 5 * SECOND));
    assert_eq!(rig.now(), asked_at);
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_shows_what_is_known_or_refuses() {
    let rig = Rig::start_under(|rules| {
        rules.calls.queue_max = 2;
        rules.calls.calls_max = 64;
    });
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.source.always(Turn::Slow(60 * SECOND));
    // Two are served, two wait.
    let waiting: Vec<_> = (10..14).map(|n| rig.asking(n, stranger(n))).collect();
    tokio::task::yield_now().await;
    rig.settle().await;
    let more: Vec<_> = (20..22).map(|n| rig.asking(n, stranger(n))).collect();
    rig.settle().await;
    let shown = way(rig.ask(5, doctor(1, 5)).await);
    assert_eq!(shown, Way::Stale(Code::LaneBusy));
    let refusal = rig.ask(5, stranger(3)).await.unwrap_err();
    assert!(matches!(refusal, LookupRefusal::Busy(wait) if wait == 3 * SECOND));
    drop((waiting, more));
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_what_has_begun_and_begins_nothing() {
    let mut rig = Rig::start();
    rig.source.always(Turn::Slow(2 * SECOND));
    let begun = rig.asking(5, doctor(1, 5));
    rig.settle().await;
    rig.switch.drain();
    let refusal = rig.ask(6, doctor(1, 6)).await.unwrap_err();
    assert!(matches!(refusal, LookupRefusal::Stopping));
    assert!(rig.ended(3 * SECOND).await);
    assert_eq!(way(begun.await.unwrap()), Way::Loaded);
    assert!(
        rig.shelf.rows().kept.contains_key(&key(5)),
        "what it brought is on the shelf"
    );
    assert!(
        rig.reader.purge(key(5).person).await.is_err(),
        "nobody purges any more"
    );
}

#[tokio::test(start_paused = true)]
async fn a_forced_stop_cuts_loads_short_and_shows_what_is_known() {
    let mut rig = Rig::start();
    rig.ask(5, doctor(1, 5)).await.unwrap();
    rig.pass(STALE).await;
    rig.source.always(Turn::Slow(4 * SECOND));
    let known = rig.asking(5, doctor(1, 5));
    let unknown = rig.asking(6, doctor(1, 6));
    rig.settle().await;
    let asked_at = rig.now();
    rig.switch.drain();
    rig.switch.force();
    assert!(rig.ended(SECOND).await);
    assert_eq!(rig.now(), asked_at);
    assert_eq!(way(known.await.unwrap()), Way::Stale(Code::ShuttingDown));
    let refusal = unknown.await.unwrap().unwrap_err();
    assert!(matches!(refusal, LookupRefusal::Stopping));
}
