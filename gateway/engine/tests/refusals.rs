//! What a lane refuses, what it says then, and what it costs in numbers.

use std::time::Duration;

use engine::door::Refusal;
use engine::entry::AppendError;
use futures_util::FutureExt;
use policies::failure::Opaque;

use crate::rig::upstream::Turn;
use crate::rig::{LOT, Rig};

#[tokio::test(start_paused = true)]
async fn nothing_was_stored_is_said_only_when_it_is_true() {
    let mut rig = Rig::start().await;
    let first = rig.submit("a").await.unwrap().entry;
    // Whatever keeps a new write out, a repetition hears what it is a repetition of.
    rig.store.disk().refuse_appends = Some(AppendError::Refused);
    let repeated = rig.submit("a").await.unwrap();
    assert_eq!((repeated.replayed, repeated.entry.id), (true, first.id));
    assert_eq!(rig.submit("b").await, Err(Refusal::Refused));
    let mut other = Rig::write("a");
    other.fingerprint = Opaque(b"another body".to_vec());
    assert_eq!(rig.door.submit(other).await, Err(Refusal::KeyReused));
    rig.stop(Duration::from_secs(30)).await;
    assert!(rig.submit("a").await.unwrap().replayed);
    assert_eq!(rig.submit("b").await, Err(Refusal::Stopping));
    rig.store.disk().refuse_appends = Some(AppendError::Unknown);
    assert_eq!(rig.submit("a").await, Err(Refusal::Unknown));
}

/// The first request waits in a queue that is full: its repetition must not hear that nothing was
/// stored, because a moment later something is.
#[tokio::test(start_paused = true)]
async fn a_key_that_waits_for_its_turn_is_in_flight() {
    let rig = Rig::start_under(|rules| rules.calls.queue_max = 1).await;
    let mut first = Box::pin(rig.submit("a"));
    assert_eq!((&mut first).now_or_never(), None, "it waits in the queue");
    let repeated = rig.submit("a").now_or_never();
    assert_eq!(repeated, Some(Err(Refusal::InFlight)));
    let recalled = rig.door.recall(&Rig::write("a")).now_or_never();
    assert_eq!(recalled, Some(Err(Refusal::InFlight)));
    let entry = first.await.unwrap().entry;
    let recalled = rig.door.recall(&Rig::write("a")).await.unwrap();
    assert_eq!(recalled.map(|submitted| submitted.entry.id), Some(entry.id));
}

#[tokio::test(start_paused = true)]
async fn a_repetition_takes_no_number() {
    let rig = Rig::start().await;
    let before = rig.numbers.left();
    rig.submit("a").await.unwrap();
    for _ in 0..50 {
        assert!(rig.submit("a").await.unwrap().replayed);
    }
    assert_eq!(rig.numbers.left(), before - 1);
}

#[tokio::test(start_paused = true)]
async fn numbers_on_disk_are_given_out_also_while_no_lot_can_be_had() {
    let rig = Rig::start().await;
    // Two lots of a thousand would keep the stock above low water; from now on there are none.
    rig.upstream.always(LOT, Turn::Refuse);
    for n in 0..900 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    assert!(
        rig.upstream.book().count(LOT) < 20,
        "and the upstream is left alone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lot_already_held_is_not_asked_for_at_once_again() {
    let rig = Rig::start().await;
    rig.upstream.book().same_lot_again = true;
    let before = rig.upstream.book().count(LOT);
    for n in 0..700 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let asked = rig.upstream.book().count(LOT) - before;
    assert!((1..=15).contains(&asked), "asked {asked} times in 20 s");
}
