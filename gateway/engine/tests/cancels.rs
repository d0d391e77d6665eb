//! A prescription is taken back.

use std::time::Duration;

use engine::door::Refusal;
use engine::entry::EntryId;
use policies::failure::{Code, Opaque};
use policies::gate::GateState;
use policies::state::State;
use uuid::Uuid;

use crate::rig::upstream::Turn;
use crate::rig::{LOOK, Rig, SEND, UNDO};

async fn registered(rig: &Rig, key: &str) -> EntryId {
    let entry = rig.submit(key).await.expect("nothing is in its way").entry;
    assert_eq!(entry.state, State::Registered);
    entry.id
}

fn gate(rig: &Rig, op: policies::operation::OpName) -> GateState {
    let gates = rig.door.gates();
    gates
        .into_iter()
        .find(|gate| gate.op == op)
        .expect("every operation has one")
        .view
        .state
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_withdrawn_in_one_step() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::Refuse]);
    let id = rig.submit("a").await.unwrap().entry.id;
    let cancel = rig.cancel("b", id).await.unwrap().entry;
    assert_eq!(cancel.state, State::Registered);
    let withdrawn = (State::Withdrawn, Some(Code::CancelRequested));
    assert_eq!(rig.stands(id), withdrawn);
    rig.pass(600).await;
    assert_eq!(rig.stands(id), withdrawn);
    let book = rig.upstream.book();
    assert_eq!((book.count(SEND), book.count(UNDO)), (1, 0));
    assert!(rig.watches(id).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_registered_is_annulled_within_the_request() {
    let rig = Rig::start().await;
    let id = registered(&rig, "a").await;
    let cancel = rig.cancel("b", id).await.unwrap();
    assert_eq!(cancel.entry.state, State::Registered);
    assert_eq!(rig.stands(id), (State::Cancelled, None));
    let again = rig.cancel("b", id).await.unwrap();
    assert_eq!((again.replayed, again.entry.id), (true, cancel.entry.id));
    let book = rig.upstream.book();
    assert_eq!((book.live.len(), book.count(UNDO)), (0, 1));
    assert_eq!(book.number(UNDO, 0), book.number(SEND, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_annul_is_on_its_way_and_then_done() {
    let rig = Rig::start().await;
    let id = registered(&rig, "a").await;
    rig.upstream
        .next(UNDO, &[Turn::Slow(Duration::from_secs(9))]);
    let cancel = rig.cancel("b", id).await.unwrap().entry;
    assert_eq!(cancel.state, State::Sending);
    assert_eq!(rig.stands(id), (State::Cancelling, None));
    rig.until(id, State::Cancelled).await;
}

#[tokio::test(start_paused = true)]
async fn an_annul_without_answer_is_looked_into() {
    let rig = Rig::start().await;
    for (key, turn, undone) in [("a", Turn::LoseAnswer, 1), ("b", Turn::LoseRequest, 3)] {
        let id = registered(&rig, key).await;
        rig.upstream.next(UNDO, &[turn]);
        let cancel = rig.cancel(&format!("{key}, back"), id).await.unwrap();
        assert_eq!(cancel.entry.state, State::Uncertain);
        rig.until(id, State::Cancelled).await;
        assert_eq!(rig.upstream.book().count(UNDO), undone);
    }
    assert!(rig.upstream.book().live.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_annul_whose_deliverer_died_is_looked_into() {
    let rig = Rig::start().await;
    let id = registered(&rig, "a").await;
    rig.upstream
        .next(UNDO, &[Turn::Slow(Duration::from_secs(9))]);
    let cancel = rig.cancel("b", id).await.unwrap().entry;
    let until = rig.clock.now() + Duration::from_secs(60);
    rig.store.disk().row_mut(cancel.id).lose_deliverer(until);
    rig.until(id, State::Cancelled).await;
    assert_eq!(rig.upstream.book().count(UNDO), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_waits_for_what_is_being_sent() {
    let rig = Rig::start().await;
    rig.upstream
        .next(SEND, &[Turn::Slow(Duration::from_secs(9))]);
    let id = rig.submit("a").await.unwrap().entry.id;
    assert_eq!(rig.state(id), State::Sending);
    let cancel = rig.cancel("b", id).await.unwrap().entry;
    assert_eq!(cancel.state, State::Accepted);
    assert_eq!(rig.upstream.book().count(UNDO), 0);
    rig.until(id, State::Cancelled).await;
    assert_eq!(rig.state(cancel.id), State::Registered);
    assert!(rig.upstream.book().live.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_absent_while_a_cancel_waits_is_not_sent_again() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::LoseRequest]);
    let id = rig.submit("a").await.unwrap().entry.id;
    rig.cancel("b", id).await.unwrap();
    rig.until(id, State::Withdrawn).await;
    assert_eq!(rig.watches(id), [State::Uncertain]);
    // It is applied after all; the cancel was its prescriber's consent.
    rig.upstream.apply_late(0);
    rig.pass(62).await;
    assert_eq!(rig.upstream.book().count(SEND), 1);
    assert!(rig.upstream.book().live.is_empty());
    let asked = (State::Withdrawn, Some(Code::CancelRequested));
    assert_eq!(rig.stands(id), asked);
}

#[tokio::test(start_paused = true)]
async fn a_refused_annul_leaves_what_was_dispensed_and_ends_what_was_cancelled_elsewhere() {
    let rig = Rig::start().await;
    let dispensed = registered(&rig, "a").await;
    rig.upstream.dispense(0);
    let cancel = rig.cancel("b", dispensed).await.unwrap().entry;
    assert_eq!(cancel.state, State::Rejected);
    let refused = (State::Registered, Some(Code::CancelRefused));
    assert_eq!(rig.stands(dispensed), refused);
    let elsewhere = registered(&rig, "c").await;
    rig.upstream.cancel(1);
    rig.cancel("d", elsewhere).await.unwrap();
    assert_eq!(rig.stands(elsewhere), (State::Cancelled, None));
}

/// The first annul is lost, the second refused: nobody knows yet whether the first one comes.
async fn refused_in_doubt(rig: &Rig) -> (EntryId, EntryId) {
    let id = registered(rig, "a").await;
    let turns = [Turn::LoseRequest, Turn::Reject];
    rig.upstream.next(UNDO, &turns);
    let cancel = rig.cancel("b", id).await.expect("it is on disk").entry;
    rig.pass(40).await;
    assert_eq!(rig.upstream.book().count(UNDO), turns.len());
    let in_doubt = (State::Uncertain, Some(Code::UpstreamRejected));
    assert_eq!(rig.stands(cancel.id), in_doubt);
    assert_eq!(rig.stands(id), (State::Cancelling, None));
    (id, cancel.id)
}

#[tokio::test(start_paused = true)]
async fn an_annul_that_comes_after_a_later_one_was_refused_cancels_all_the_same() {
    let rig = Rig::start().await;
    let (id, cancel) = refused_in_doubt(&rig).await;
    rig.upstream.cancel(0);
    rig.pass(90).await;
    assert_eq!(rig.stands(id), (State::Cancelled, None));
    assert_eq!(rig.stands(cancel), (State::Registered, None));
    assert_eq!(rig.upstream.book().count(UNDO), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_lost_annul_is_told_once_that_one_cannot_come_any_more() {
    let horizon = Duration::from_secs(3 * 3600);
    let rig = Rig::start_under(|rules| rules.watch.horizon = horizon).await;
    let (id, cancel) = refused_in_doubt(&rig).await;
    rig.pass(horizon.as_secs() - 60).await;
    assert_eq!(rig.stands(id), (State::Cancelling, None));
    rig.pass(90).await;
    let refused = (State::Registered, Some(Code::CancelRefused));
    assert_eq!(rig.stands(id), refused);
    let rejected = (State::Rejected, Some(Code::UpstreamRejected));
    assert_eq!(rig.stands(cancel), rejected);
    assert_eq!(rig.upstream.book().count(UNDO), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_its_own_prescribers_and_of_what_can_be_cancelled() {
    let rig = Rig::start().await;
    let id = registered(&rig, "a").await;
    let mut write = Rig::about("b", id, policies::family::Role::Cancel);
    write.identity = Opaque(b"another doctor".to_vec());
    assert_eq!(rig.door.submit(write).await, Err(Refusal::OtherIdentity));
    let nobody = EntryId(Uuid::from_u128(7));
    assert_eq!(rig.cancel("b", nobody).await, Err(Refusal::NoParent));
    rig.cancel("b", id).await.unwrap();
    assert_eq!(
        rig.cancel("c", id).await,
        Err(Refusal::Moot(State::Cancelled))
    );
    assert_eq!(rig.upstream.book().count(UNDO), 1);
}

#[tokio::test(start_paused = true)]
async fn annuls_have_a_gate_of_their_own() {
    let rig = Rig::start().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(registered(&rig, &format!("{n}")).await);
    }
    rig.upstream.next(UNDO, &[Turn::Refuse; 5]);
    for (n, id) in ids.iter().enumerate() {
        rig.cancel(&format!("{n}, back"), *id).await.unwrap();
    }
    assert_eq!(
        (gate(&rig, UNDO), gate(&rig, SEND)),
        (GateState::Open, GateState::Closed)
    );
    registered(&rig, "meanwhile").await;
    for id in ids {
        rig.until(id, State::Cancelled).await;
    }
    let looked = rig.upstream.book().count(LOOK) > 0;
    assert!(looked, "a half-open gate looks before it annuls");
    // And the other way round.
    let id = registered(&rig, "b").await;
    rig.upstream.always(SEND, Turn::Refuse);
    for n in 10..15 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    assert_eq!(gate(&rig, SEND), GateState::Open);
    rig.cancel("b, back", id).await.unwrap();
    assert_eq!(rig.stands(id), (State::Cancelled, None));
}

#[tokio::test(start_paused = true)]
async fn an_annul_without_authority_waits_and_goes_on_with_a_new_one() {
    let rig = Rig::start().await;
    let id = registered(&rig, "a").await;
    rig.upstream.next(UNDO, &[Turn::RefuseAuthority]);
    let cancel = rig.cancel("b", id).await.unwrap().entry;
    assert_eq!(cancel.state, State::NeedsAuthorization);
    assert_eq!(rig.stands(id), (State::Cancelling, None));
    let mut write = Rig::write("c");
    write.authority = Opaque(b"authenticated at nine".to_vec());
    rig.door.submit(write).await.unwrap();
    rig.until(id, State::Cancelled).await;
}
