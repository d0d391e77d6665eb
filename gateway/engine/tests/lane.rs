//! What a write-behind lane promises, against an upstream that misbehaves on cue.

mod adoption;
mod cancels;
mod desk;
mod gates;
mod numbers;
mod refusals;
mod rig;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use engine::door::Refusal;
use engine::entry::AppendError;
use policies::failure::{Code, Opaque};
use policies::gate::GateState;
use policies::state::State;
use rig::store::DISK;
use rig::upstream::Turn;
use rig::{LIST, LOOK, LOT, Rig, SEND};

#[tokio::test(start_paused = true)]
async fn a_good_day_registers_within_the_request() {
    let rig = Rig::start().await;
    let submitted = rig.submit("a").await.unwrap();
    assert_eq!(submitted.entry.state, State::Registered);
    assert_eq!(submitted.entry.answer, Some(Opaque(b"receipt".to_vec())));
    assert_eq!(rig.upstream.book().count(SEND), 1);
    assert_eq!(
        rig.upstream.book().count(LOOK),
        0,
        "a closed gate asks nothing first"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_upstream_does_not_hold_the_caller_longer_than_promised() {
    let rig = Rig::start().await;
    rig.upstream
        .next(SEND, &[Turn::Slow(Duration::from_secs(9))]);
    let asked_at = rig.clock.now();
    let submitted = rig.submit("a").await.unwrap();
    assert_eq!(submitted.entry.state, State::Sending);
    assert_eq!(
        rig.clock.now().since(asked_at),
        Duration::from_secs(8) + DISK
    );
    rig.until(submitted.entry.id, State::Registered).await;
    assert_eq!(rig.upstream.book().count(SEND), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_not_sent_again() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::LoseAnswer]);
    let submitted = rig.submit("a").await.unwrap();
    assert_eq!(submitted.entry.state, State::Uncertain);
    rig.until(submitted.entry.id, State::Registered).await;
    let book = rig.upstream.book();
    assert_eq!(
        (book.count(SEND), book.count(LOOK), book.live.len()),
        (1, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_sent_again_under_the_same_number_once_shown_absent() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::LoseRequest]);
    let id = rig.submit("a").await.unwrap().entry.id;
    rig.until(id, State::Registered).await;
    let book = rig.upstream.book();
    let order: Vec<_> = book
        .calls
        .iter()
        .map(|(op, _)| *op)
        .filter(|op| *op != LOT)
        .collect();
    assert_eq!(order, [SEND, LOOK, LIST, SEND]);
    let numbers: std::collections::BTreeSet<_> = book
        .calls
        .iter()
        .map(|(_, number)| number)
        .filter(|n| !n.0.is_empty())
        .collect();
    assert_eq!(numbers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_first_rejection_is_final() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::Reject]);
    let entry = rig.submit("a").await.unwrap().entry;
    assert_eq!(
        (entry.state, entry.reason),
        (State::Rejected, Some(Code::UpstreamRejected))
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_applied_after_its_resend_was_prepared_is_still_one() {
    let rig = Rig::start().await;
    // The first request is lost, the second is refused as a duplicate of what was applied late.
    rig.upstream.next(SEND, &[Turn::LoseRequest, Turn::Reject]);
    let entry = rig.submit("a").await.unwrap().entry;
    while rig.upstream.book().count(SEND) < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rig.upstream
        .book()
        .live
        .insert(entry.number.clone(), Opaque(b"a".to_vec()));
    rig.until(entry.id, State::Registered).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_opens_the_gate_and_everything_is_registered_after_it() {
    let rig = Rig::start().await;
    rig.upstream.always(SEND, Turn::Refuse);
    rig.upstream.always(LOOK, Turn::Refuse);
    let mut ids = Vec::new();
    for n in 0..40 {
        let asked_at = rig.clock.now();
        let submitted = rig.submit(&format!("{n}")).await.unwrap();
        assert_eq!(submitted.entry.state, State::Accepted);
        assert_eq!(
            rig.clock.now(),
            asked_at + DISK,
            "a refused call keeps nobody waiting"
        );
        ids.push(submitted.entry.id);
    }
    assert!(
        rig.upstream.book().count(SEND) <= 6,
        "the gate left the upstream alone"
    );
    let open = rig
        .door
        .gates()
        .into_iter()
        .find(|gate| gate.op == SEND)
        .unwrap();
    assert_eq!(open.view.state, GateState::Open);
    tokio::time::sleep(Duration::from_secs(600)).await;
    rig.upstream.book().always.clear();
    for id in ids {
        rig.until(id, State::Registered).await;
    }
    assert_eq!(rig.upstream.book().live.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_gate_reads_before_it_writes() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::Refuse; 5]);
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(rig.submit(&format!("{n}")).await.unwrap().entry.id);
    }
    for id in ids {
        rig.until(id, State::Registered).await;
    }
    let book = rig.upstream.book();
    let after_the_trip: Vec<_> = book
        .calls
        .iter()
        .map(|(op, _)| *op)
        .skip_while(|op| *op != LOOK)
        .collect();
    assert_eq!(after_the_trip[..2], [LOOK, SEND]);
    assert_eq!(
        book.count(LOOK),
        1,
        "one read, then the write closed the gate"
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_read_fails_leaves_the_upstream_alone_for_a_while() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::Refuse; 5]);
    rig.upstream.always(LOOK, Turn::Refuse);
    for n in 0..40 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let book = rig.upstream.book();
    assert_eq!(
        book.count(SEND),
        5,
        "nothing is sent that was not asked for first"
    );
    assert!(
        book.count(LOOK) <= 20,
        "{} reads in a minute",
        book.count(LOOK)
    );
}

#[tokio::test(start_paused = true)]
async fn equal_keys_at_once_store_one_entry_under_one_number() {
    let rig = Arc::new(Rig::start().await);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let rig = Arc::clone(&rig);
        asking.spawn(async move { rig.submit("the same").await });
    }
    let (mut answered, mut in_flight) = (0, 0);
    while let Some(answer) = asking.join_next().await {
        match answer.unwrap() {
            Ok(_) => answered += 1,
            Err(refusal) => {
                assert_eq!(refusal, Refusal::InFlight);
                in_flight += 1;
            }
        }
    }
    assert_eq!((answered, in_flight), (1, 49));
    assert_eq!(rig.store.disk().rows.entries.len(), 1);
    assert_eq!(rig.upstream.book().count(SEND), 1);
    let replay = rig.submit("the same").await.unwrap();
    assert!(replay.replayed);
    assert_eq!(
        replay.entry.state,
        State::Registered,
        "answered from its present state"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_authority_is_not_presented_twice_and_a_new_one_takes_the_rest_along() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::RefuseAuthority]);
    let first = rig.submit("a").await.unwrap().entry;
    assert_eq!(first.state, State::NeedsAuthorization);
    let second = rig.submit("b").await.unwrap().entry;
    rig.until(second.id, State::NeedsAuthorization).await;
    assert_eq!(
        rig.upstream.book().count(SEND),
        1,
        "the same authority was presented once"
    );
    let mut write = Rig::write("c");
    write.authority = Opaque(b"authenticated at nine".to_vec());
    let third = rig.door.submit(write).await.unwrap().entry;
    assert_eq!(third.state, State::Registered);
    rig.until(first.id, State::Registered).await;
    rig.until(second.id, State::Registered).await;
    // A repetition by someone who has authenticated anew counts as much as a new write.
    rig.upstream.next(SEND, &[Turn::RefuseAuthority]);
    let mut write = Rig::write("d");
    write.authority = Opaque(b"authenticated at ten".to_vec());
    let fourth = rig.door.submit(write.clone()).await.unwrap().entry;
    assert_eq!(fourth.state, State::NeedsAuthorization);
    write.authority = Opaque(b"authenticated at eleven".to_vec());
    assert!(rig.door.submit(write).await.unwrap().replayed);
    rig.until(fourth.id, State::Registered).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_store_says_is_what_the_caller_hears() {
    let rig = Rig::start().await;
    let cases = [
        (AppendError::Full, Refusal::Full),
        (AppendError::Refused, Refusal::Refused),
        (AppendError::Unknown, Refusal::Unknown),
    ];
    for (error, refusal) in cases {
        rig.store.disk().refuse_appends = Some(error);
        assert_eq!(rig.submit("a").await, Err(refusal));
    }
    rig.store.disk().refuse_appends = None;
    assert_eq!(
        rig.upstream.book().count(SEND),
        0,
        "nothing is sent that is not on disk"
    );
    assert!(rig.submit("a").await.is_ok(), "a refused key stays free");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_is_in_flight() {
    let mut rig = Rig::start().await;
    rig.upstream
        .next(SEND, &[Turn::Slow(Duration::from_secs(5))]);
    let door = rig.door.clone();
    let asking = tokio::spawn(async move { door.submit(Rig::write("a")).await });
    while rig.upstream.book().count(SEND) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    rig.stop(Duration::from_secs(30)).await;
    assert_eq!(
        asking.await.unwrap().unwrap().entry.state,
        State::Registered
    );
    assert_eq!(rig.submit("b").await, Err(Refusal::Stopping));
}

#[tokio::test(start_paused = true)]
async fn a_forced_shutdown_leaves_what_is_in_flight_uncertain() {
    let mut rig = Rig::start().await;
    rig.upstream
        .next(SEND, &[Turn::Slow(Duration::from_secs(9))]);
    let door = rig.door.clone();
    let asking = tokio::spawn(async move { door.submit(Rig::write("a")).await });
    while rig.upstream.book().count(SEND) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    rig.stop(Duration::from_millis(100)).await;
    let entry = asking.await.unwrap().unwrap().entry;
    assert_eq!(
        (entry.state, entry.reason),
        (State::Uncertain, Some(Code::ShuttingDown))
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_uncertain_never_due() {
    let rig = Rig::start().await;
    let id = rig.submit("a").await.unwrap().entry.id;
    // As if its deliverer had died in mid-call: leased, and nobody there to settle it.
    {
        let mut disk = rig.store.disk();
        let until = rig.clock.now() + Duration::from_secs(60);
        disk.row_mut(id).lose_deliverer(until);
    }
    rig.until(id, State::Registered).await;
    assert_eq!(
        rig.upstream.book().count(SEND),
        1,
        "it was asked for, not sent again"
    );
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_never_gets_through_does_not_keep_the_lane_to_itself() {
    let rig = Rig::start().await;
    rig.upstream.always(SEND, Turn::LoseRequest);
    let stuck = rig.submit("stuck").await.unwrap().entry.id;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let sends = rig.upstream.book().count(SEND);
    assert!(sends <= 130, "{sends} sends in ten minutes");
    rig.upstream.book().always.clear();
    rig.until(stuck, State::Registered).await;
}

#[tokio::test(start_paused = true)]
async fn a_deliverer_frozen_past_its_lease_sends_nothing() {
    let rig = Rig::start().await;
    let door = rig.door.clone();
    let asking = tokio::spawn(async move { door.submit(Rig::write("a")).await });
    // The write to the disk has begun; the process sleeps through it and through the lease.
    while rig.store.disk().appends_begun == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(3600)).await;
    let entry = asking.await.unwrap().unwrap().entry;
    assert_ne!(
        entry.state,
        State::Registered,
        "it was not sent by this one"
    );
    rig.until(entry.id, State::Registered).await;
    assert_eq!(rig.upstream.book().count(SEND), 1);
}
