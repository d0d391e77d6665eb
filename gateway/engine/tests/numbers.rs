//! An uncertain number is annulled, and the prescription goes on under another.

use std::time::Duration;

use engine::door::{Matter, Write};
use engine::entry::EntryId;
use policies::delivery::Uncertain;
use policies::failure::{Code, Opaque};
use policies::state::State;

use crate::rig::upstream::Turn;
use crate::rig::{LIST, LOOK, LOT, Rig, SEND, UNDO};

async fn start() -> Rig {
    Rig::start_under(|rules| rules.uncertain = Uncertain::AnnulAndResend).await
}

/// A prescription of whose late effects its prescriber wants to be rid.
fn with_consent(key: &str) -> Write {
    let mut write = Rig::write(key);
    let Matter::New { annul_consent, .. } = &mut write.matter else {
        unreachable!("a prescription is new");
    };
    *annul_consent = true;
    write
}

fn order(rig: &Rig) -> Vec<&'static str> {
    let book = rig.upstream.book();
    let calls = book.calls.iter().filter(|(op, _)| *op != LOT);
    calls.map(|(op, _)| op.0).collect()
}

/// The number it went under before.
fn first_number(rig: &Rig) -> Opaque {
    rig.upstream.book().number(SEND, 0)
}

async fn uncertain(rig: &Rig, turn: Turn, write: Write) -> EntryId {
    rig.upstream.next(SEND, &[turn]);
    let entry = rig.door.submit(write).await.expect("it is on disk").entry;
    assert_eq!(entry.state, State::Uncertain);
    entry.id
}

#[tokio::test(start_paused = true)]
async fn what_was_applied_is_annulled_and_registered_under_the_next_number() {
    let rig = start().await;
    let id = uncertain(&rig, Turn::LoseAnswer, Rig::write("a")).await;
    rig.until(id, State::Registered).await;
    assert_eq!(order(&rig), [SEND.0, UNDO.0, SEND.0]);
    assert_ne!(first_number(&rig), rig.upstream.book().number(SEND, 1));
    assert_eq!(rig.upstream.book().live.len(), 1);
    rig.pass(70).await;
    assert_eq!(rig.watches(id), [State::Cancelled]);
    assert_eq!(rig.stands(id), (State::Registered, None));
}

#[tokio::test(start_paused = true)]
async fn a_refused_annul_is_read() {
    let rig = start().await;
    let absent = uncertain(&rig, Turn::LoseRequest, Rig::write("a")).await;
    rig.until(absent, State::Registered).await;
    assert_eq!(order(&rig), [SEND.0, UNDO.0, LOOK.0, LIST.0, SEND.0]);
    assert_eq!(rig.watches(absent), [State::Uncertain]);
    // Dispensed already: it stays what it is.
    let taken = uncertain(&rig, Turn::LoseAnswer, Rig::write("b")).await;
    rig.upstream.dispense(2);
    rig.until(taken, State::Registered).await;
    assert_eq!(rig.upstream.book().count(SEND), 3);
    assert!(rig.watches(taken).is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_there_is_no_number_it_stays_uncertain_with_the_one_it_has() {
    let rig = start().await;
    let id = uncertain(&rig, Turn::LoseAnswer, Rig::write("a")).await;
    rig.store.disk().no_blocks = true;
    while rig.numbers.left() > 0 {
        assert!(rig.numbers.take(&*rig.clock).await.is_some());
    }
    rig.pass(30).await;
    let stands = (State::Uncertain, Some(Code::UpstreamReset));
    rig.until(id, State::Uncertain).await;
    assert_eq!(rig.stands(id), stands);
    assert_eq!(rig.store.disk().row(id).sends, 1, "it may have been sent");
    assert_eq!(rig.upstream.book().count(SEND), 1);
    rig.store.disk().no_blocks = false;
    rig.until(id, State::Registered).await;
    assert_eq!(rig.upstream.book().live.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_number_is_verified() {
    let rig = start().await;
    let mut write = Rig::write("a");
    let Matter::New { own_number, .. } = &mut write.matter else {
        unreachable!("a prescription is new");
    };
    *own_number = Some(Opaque(b"its own".to_vec()));
    let id = uncertain(&rig, Turn::LoseRequest, write).await;
    rig.until(id, State::Registered).await;
    assert_eq!(order(&rig), [SEND.0, LOOK.0, LIST.0, SEND.0]);
}

#[tokio::test(start_paused = true)]
async fn a_late_first_number_is_annulled_beside_the_registered_second() {
    let rig = start().await;
    let id = uncertain(&rig, Turn::LoseRequest, with_consent("a")).await;
    rig.until(id, State::Registered).await;
    let late = first_number(&rig);
    rig.upstream.apply_late(0);
    rig.pass(70).await;
    assert_eq!(rig.stands(id), (State::Registered, None));
    let book = rig.upstream.book();
    assert!(book.closed.contains(&late) && book.live.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_after_a_double_was_raised_annuls_both_numbers() {
    let rig = start().await;
    let id = uncertain(&rig, Turn::LoseRequest, Rig::write("a")).await;
    rig.until(id, State::Registered).await;
    rig.upstream.apply_late(0);
    rig.pass(70).await;
    assert_eq!(rig.stands(id), (State::Conflict, Some(Code::LateCommit)));
    assert_eq!(rig.upstream.book().live.len(), 2);
    rig.cancel("b", id).await.unwrap();
    assert_eq!(rig.stands(id), (State::Cancelled, None));
    rig.pass(5).await;
    assert!(rig.upstream.book().live.is_empty());
    assert_eq!(rig.watches(id), [State::Cancelled]);
    assert_eq!(rig.stands(id), (State::Cancelled, None));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_waited_withdraws_it_between_two_numbers() {
    let rig = start().await;
    rig.upstream
        .next(UNDO, &[Turn::Slow(Duration::from_secs(5))]);
    let id = uncertain(&rig, Turn::LoseAnswer, Rig::write("a")).await;
    rig.until(id, State::Verifying).await;
    let cancel = rig.cancel("b", id).await.unwrap().entry;
    assert_eq!(cancel.state, State::Accepted);
    rig.until(id, State::Withdrawn).await;
    rig.pass(70).await;
    assert_eq!(
        rig.stands(id),
        (State::Withdrawn, Some(Code::CancelRequested))
    );
    assert_eq!(rig.state(cancel.id), State::Registered);
    assert_eq!(
        order(&rig),
        [SEND.0, UNDO.0, LOOK.0],
        "the last is the watch's"
    );
    assert!(rig.upstream.book().live.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_second_number_is_final_while_the_first_is_watched() {
    let rig = start().await;
    rig.upstream.next(SEND, &[Turn::LoseAnswer, Turn::Reject]);
    let id = rig.submit("a").await.unwrap().entry.id;
    rig.until(id, State::Rejected).await;
    assert_eq!(rig.watches(id), [State::Uncertain]);
    rig.pass(70).await;
    assert_eq!(rig.watches(id), [State::Cancelled]);
}
