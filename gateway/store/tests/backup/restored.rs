//! A store that was put back is known as one, whatever else is true of the machine it is on.

use std::fs;
use std::time::Duration;

use engine::ports::Store;
use policies::failure::Code;
use policies::state::State;
use store::sqlite::{OpenError, Sqlite};

use super::{DATABASE, STAGING, Site, files, with_numbers};
use crate::world::{
    self, LEASE, SEND, VERIFY, accept, entry, lease_one, recalled, red_recipe, settle, stands,
};

const DAY: Duration = Duration::from_secs(86_400);

/// A store that was copied with an entry in each state that matters, and then burnt down.
async fn burnt() -> Site {
    let site = Site::new();
    let store = site.open();
    with_numbers(&store).await;
    let leased = lease_one(&store, SEND).await;
    settle(&store, &leased, State::Registered, None).await;
    accept(&store, entry("sending")).await;
    lease_one(&store, SEND).await;
    accept(&store, entry("waiting")).await;
    accept(&store, red_recipe("at the desk")).await;
    site.lay_beside();
    site.make();
    store.close().await;
    site.burn();
    site
}

/// No number is left, and nothing is sent that has not been asked for.
async fn is_distrusted(store: &Sqlite, what: &str) {
    assert_eq!(store.numbers_left().await, Ok(0), "{what}");
    assert_eq!(store.lease_block(10).await, Ok(None), "{what}");
    assert!(
        store.lease_due(SEND, 9, LEASE).await.unwrap().is_empty(),
        "{what}"
    );
    for key in ["sending", "waiting"] {
        let uncertain = (State::Uncertain, Some(Code::LeaseExpired));
        assert_eq!(recalled(store, key).await, uncertain, "{what}: {key}");
    }
    assert_eq!(recalled(store, "numbered").await.0, State::Registered);
    assert_eq!(recalled(store, "at the desk").await.0, State::Withdrawn);
    assert!(store.tally().await.unwrap().balances(), "{what}");
}

#[tokio::test]
async fn fault_60_what_waited_is_asked_for_and_no_number_is_given() {
    let site = burnt().await;
    let restored = site.restore();
    assert_eq!(restored.made_at, world::START);
    assert_eq!((restored.prescriptions, restored.numbers), (4, 999_999));
    assert!(!site.store().join(STAGING).exists());
    let store = site.open();
    is_distrusted(&store, "restored").await;
    let looking = store.lease_due(VERIFY, 9, LEASE).await.unwrap();
    assert_eq!(looking.len(), 2);
    for leased in &looking {
        assert_eq!(leased.sends, 1, "it may have been sent since");
        settle(&store, leased, State::Accepted, None).await;
    }
    assert_eq!(store.lease_due(SEND, 9, LEASE).await.unwrap().len(), 2);
    store.close().await;
    // It is a store of its own from here on.
    let store = site.open();
    let waiting = store.lease_due(VERIFY, 9, LEASE).await.unwrap().len();
    assert_eq!(waiting, 2, "leases of an earlier process have ended");
    store.close().await;
}

/// Its files are those of the store, byte for byte.
#[tokio::test]
async fn fault_60_what_lay_beside_the_database_is_back() {
    let site = burnt().await;
    site.restore();
    let held = [
        "audit/000001",
        "audit/node-a/000002",
        DATABASE,
        "entries.guard",
        "keys",
    ];
    assert_eq!(files(&site.store()), held);
    for file in ["audit/000001", "audit/node-a/000002", "keys"] {
        let read = |at: std::path::PathBuf| fs::read(at.join(file)).unwrap();
        assert_eq!(read(site.copy()), read(site.store()), "{file}");
    }
}

/// The guard is the machine's word on the store, and no copy goes by it: not when it is gone, and not
/// when it says that this very store was closed in order.
#[tokio::test]
async fn fault_60_a_copy_is_known_whatever_the_guard_says() {
    for guard in [None, Some(""), Some("argine store 1 closed\n"), Some("?")] {
        let site = burnt().await;
        site.restore();
        let path = site.store().join("entries.guard");
        match guard {
            None => fs::remove_file(path).unwrap(),
            Some(word) => fs::write(path, word).unwrap(),
        }
        if guard == Some("?") {
            let settings = world::settings(&site.store(), &site.clock);
            let refused = Sqlite::open(&settings).err();
            assert!(matches!(refused, Some(OpenError::LogGone { .. })));
            continue;
        }
        let store = site.open();
        is_distrusted(&store, &format!("{guard:?}")).await;
        store.close().await;
    }
}

#[tokio::test]
async fn fault_60_a_copy_is_known_whatever_the_clock_says() {
    for (ahead, back) in [(DAY * 400, Duration::ZERO), (Duration::ZERO, DAY * 400)] {
        let site = burnt().await;
        site.restore();
        site.clock.advance(ahead);
        site.clock.put_back(back);
        let store = site.open();
        is_distrusted(&store, &format!("{ahead:?} ahead, {back:?} back")).await;
        let parked = store.sweep(9).await.unwrap().parked;
        assert_eq!(parked, 0, "a deadline that passed in between was acted on");
        store.close().await;
    }
}

/// Put where the store was by hand, with all that lay beside it still there.
#[tokio::test]
async fn fault_60_a_copy_put_back_by_hand_is_known_too() {
    let site = Site::new();
    let store = site.open();
    with_numbers(&store).await;
    for key in ["sending", "waiting", "at the desk"] {
        accept(&store, entry(key)).await;
    }
    let leased = lease_one(&store, SEND).await;
    site.make();
    settle(&store, &leased, State::Registered, None).await;
    store.close().await;
    fs::copy(site.copy().join(DATABASE), site.store().join(DATABASE)).unwrap();
    let store = site.open();
    assert_eq!(store.numbers_left().await, Ok(0));
    assert!(store.lease_due(SEND, 9, LEASE).await.unwrap().is_empty());
    assert_eq!(stands(&store, leased.id).await.0, State::Uncertain);
    store.close().await;
}

/// A restore that is cut off has not happened: nothing opens, and repeating it finishes it. As many
/// files as there are are in place, in the order in which they get there.
#[tokio::test]
async fn fault_k9_a_restore_cut_off_anywhere_is_finished_by_repeating_it() {
    for placed in 0..=3 {
        let site = burnt().await;
        site.restore();
        let staging = site.store().join(STAGING);
        fs::create_dir(&staging).unwrap();
        for name in ["keys", "audit", DATABASE].iter().skip(placed) {
            fs::rename(site.store().join(name), staging.join(name)).unwrap();
        }
        let settings = world::settings(&site.store(), &site.clock);
        let refused = Sqlite::open(&settings).err();
        let is_told = matches!(refused, Some(OpenError::HalfRestored { .. }));
        assert!(is_told, "{placed}: {refused:?}");
        site.restore();
        assert_eq!(files(&site.store()).len(), 5, "{placed}");
        let store = site.open();
        is_distrusted(&store, &format!("{placed} files in place")).await;
        store.close().await;
    }
}

/// What is in place by then is compared with the backup, and never written over.
#[tokio::test]
async fn fault_k9_a_restore_is_not_repeated_over_something_else() {
    for name in ["keys", "audit/000001", DATABASE] {
        let site = burnt().await;
        site.restore();
        fs::create_dir(site.store().join(STAGING)).unwrap();
        fs::write(site.store().join(name), "of another backup").unwrap();
        let refused = site.try_restore(1).unwrap_err().to_string();
        assert!(refused.contains(name), "{refused}");
        let there = fs::read(site.store().join(name)).unwrap();
        assert_eq!(there, b"of another backup");
    }
}

/// A copy of a copy that was never opened is a copy.
#[tokio::test]
async fn fault_60_a_copy_of_a_copy_is_one() {
    let site = burnt().await;
    site.restore();
    fs::remove_dir_all(site.copy()).unwrap();
    site.make();
    site.burn();
    site.restore();
    let store = site.open();
    is_distrusted(&store, "a copy of a copy").await;
    store.close().await;
}

/// Whoever asks for what came after the last event that the lost gateway told hears all that is found
/// out, and no event has a number that was another's: not though the same copy is put back twice.
#[tokio::test]
async fn fault_60_no_event_has_the_number_of_one_that_was_lost() {
    let site = Site::new();
    let store = site.open();
    accept(&store, entry("sending")).await;
    let leased = lease_one(&store, SEND).await;
    site.make();
    settle(&store, &leased, State::Registered, None).await;
    for n in 0..20 {
        accept(&store, entry(&format!("lost-{n}"))).await;
    }
    let mut told = 0;
    for round in 0..3 {
        let store = match round {
            0 => {
                told = last_told(&store, told).await.unwrap();
                store.close().await;
                continue;
            }
            _ => {
                site.burn();
                site.restore();
                site.clock.advance(Duration::from_secs(1));
                site.open()
            }
        };
        // Nothing but the start has written: the lease of the lost gateway has ended.
        let found = last_told(&store, told).await;
        told = found.expect("what was found out is told");
        store.close().await;
        let store = site.open();
        for n in 0..20 {
            accept(&store, entry(&format!("after-{round}-{n}"))).await;
        }
        let first = store.events_after(world::practice(), told, 1).await;
        assert_eq!(first.unwrap()[0].seq, told + 1);
        told = last_told(&store, told).await.unwrap();
        assert!(told < 1 << 53, "JSON cannot count to {told}");
        store.close().await;
    }
}

/// A copy in which nothing waits leaves its gap too, and a second start keeps it.
#[tokio::test]
async fn fault_60_the_gap_outlasts_a_start_that_finds_nothing_to_do() {
    let site = Site::new();
    let store = site.open();
    accept(&store, entry("registered")).await;
    let leased = lease_one(&store, SEND).await;
    settle(&store, &leased, State::Registered, None).await;
    site.make();
    accept(&store, entry("lost")).await;
    let told = last_told(&store, 0).await.unwrap();
    store.close().await;
    site.burn();
    site.restore();
    site.open().close().await;
    let store = site.open();
    accept(&store, entry("new")).await;
    let found = last_told(&store, told + (1 << 40) - 1).await;
    assert!(found.is_some(), "a number was given again");
    store.close().await;
}

/// The number of the last event after `after`.
async fn last_told(store: &Sqlite, after: u64) -> Option<u64> {
    let events = store.events_after(world::practice(), after, 100).await;
    events.unwrap().last().map(|event| event.seq)
}
