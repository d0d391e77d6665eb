//! A patient waits at the desk: registered in time, or a paper form and nothing forgotten.

use std::sync::Arc;
use std::time::Duration;

use engine::door::Refusal;
use engine::entry::WriteError;
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;

use crate::rig::store::DISK;
use crate::rig::upstream::Turn;
use crate::rig::{LOOK, Rig, SEND, UNDO};

const TOO_SLOW: Turn = Turn::Slow(Duration::from_secs(9));

#[tokio::test(start_paused = true)]
async fn in_time_it_is_registered() {
    let rig = Rig::start().await;
    rig.upstream
        .next(SEND, &[Turn::Slow(Duration::from_secs(7))]);
    let entry = rig.door.submit(Rig::at_the_desk("a", false)).await.unwrap();
    assert_eq!(entry.entry.state, State::Registered);
    assert!(rig.watches(entry.entry.id).is_empty());
}

#[tokio::test(start_paused = true)]
async fn too_late_it_is_withdrawn_on_disk_before_the_desk_hears_of_it() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[TOO_SLOW]);
    let asked_at = rig.clock.now();
    let submitted = rig.door.submit(Rig::at_the_desk("a", true)).await.unwrap();
    let entry = submitted.entry;
    assert_eq!(
        rig.clock.now().since(asked_at),
        Duration::from_secs(8) + DISK
    );
    let lost = (State::Withdrawn, Some(Code::UpstreamTimeout));
    assert_eq!((entry.state, entry.reason), lost);
    assert_eq!(rig.stands(entry.id), lost, "and so it is on disk");
    assert!(entry.watched && entry.paper_due.is_some());
    assert_eq!(rig.watches(entry.id), [State::Uncertain]);
    // The call under way goes on; what it hears makes the watch look at once, and annul.
    rig.pass(3).await;
    assert_eq!(
        rig.stands(entry.id),
        (State::Withdrawn, Some(Code::Annulled))
    );
    assert_eq!(rig.watches(entry.id), [State::Cancelled]);
    let book = rig.upstream.book();
    assert_eq!((book.live.len(), book.closed.len()), (0, 1));
    assert_eq!(
        (book.count(SEND), book.count(LOOK), book.count(UNDO)),
        (1, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_applied_too_late_is_raised_without_consent() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[TOO_SLOW]);
    let submitted = rig.door.submit(Rig::at_the_desk("a", false)).await.unwrap();
    let id = submitted.entry.id;
    rig.pass(3).await;
    assert_eq!(rig.stands(id), (State::Conflict, Some(Code::LateCommit)));
    assert_eq!(rig.upstream.book().count(UNDO), 0);
    // Its prescriber takes it back.
    assert!(rig.cancel("take it back", id).await.is_ok());
    rig.until(id, State::Cancelled).await;
    assert!(rig.upstream.book().live.is_empty());
}

#[tokio::test(start_paused = true)]
async fn with_its_gate_open_nothing_is_sent_and_no_number_taken() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::Refuse; 5]);
    for n in 0..5 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    rig.upstream.always(LOOK, Turn::Refuse);
    let (left, sent) = (rig.numbers.left(), rig.upstream.book().count(SEND));
    let asked_at = rig.clock.now();
    let entry = rig
        .door
        .submit(Rig::at_the_desk("a", true))
        .await
        .unwrap()
        .entry;
    assert_eq!(rig.clock.now(), asked_at + DISK);
    let refused = (State::Withdrawn, Some(Code::GateOpen));
    assert_eq!((entry.state, entry.reason), refused);
    assert_eq!(rig.stands(entry.id), refused);
    assert!(!entry.watched && entry.paper_due.is_some() && entry.number.0.is_empty());
    assert!(
        rig.watches(entry.id).is_empty(),
        "there is nothing to watch"
    );
    assert_eq!(
        (rig.numbers.left(), rig.upstream.book().count(SEND)),
        (left, sent)
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_the_desk_has_given_up() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::Refuse; 5]);
    for n in 0..5 {
        let write = Rig::at_the_desk(&format!("{n}"), true);
        rig.door.submit(write).await.unwrap();
    }
    // The gate is half-open by then: it is asked for before it is sent, and that takes too long.
    rig.pass(3).await;
    rig.upstream
        .next(LOOK, &[Turn::Slow(Duration::from_secs(3))]);
    let mut write = Rig::at_the_desk("a", true);
    write.wait_max = Some(Duration::from_secs(2));
    let entry = rig.door.submit(write).await.unwrap().entry;
    let given_up = (State::Withdrawn, Some(Code::UpstreamTimeout));
    assert_eq!((entry.state, entry.reason), given_up);
    assert_eq!(rig.upstream.book().count(LOOK), 1);
    rig.pass(30).await;
    assert_eq!(rig.upstream.book().count(SEND), 5);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_failed_is_not_repeated() {
    let rig = Rig::start().await;
    for (key, turn, watched) in [("a", Turn::Refuse, false), ("b", Turn::LoseRequest, true)] {
        rig.upstream.next(SEND, &[turn]);
        let asked_at = rig.clock.now();
        let submitted = rig.door.submit(Rig::at_the_desk(key, true)).await.unwrap();
        assert_eq!(rig.clock.now(), asked_at + DISK, "the desk need not wait");
        let entry = submitted.entry;
        assert_eq!((entry.state, entry.watched), (State::Withdrawn, watched));
    }
    rig.pass(600).await;
    assert_eq!(rig.upstream.book().count(SEND), 2);
}

#[tokio::test(start_paused = true)]
async fn where_the_withdrawal_cannot_be_written_nobody_knows() {
    for error in [WriteError::Refused, WriteError::Unknown] {
        let rig = Rig::start().await;
        rig.upstream.next(SEND, &[TOO_SLOW]);
        rig.store.disk().refuse_settles = Some(error);
        let refused = rig.door.submit(Rig::at_the_desk("a", true)).await;
        assert_eq!(refused, Err(Refusal::Unknown));
        // The desk repeats its key before it writes a paper form, and hears that there is no need.
        rig.store.disk().refuse_settles = None;
        rig.pass(2).await;
        let repeated = rig.door.submit(Rig::at_the_desk("a", true)).await.unwrap();
        assert_eq!(
            (repeated.replayed, repeated.entry.state),
            (true, State::Registered)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_names_its_patience_hears_a_second_before() {
    let rig = Rig::start().await;
    let waits = [(5, 4), (60, 8), (1, 0), (0, 0)];
    for (n, (wait, answered_after)) in waits.into_iter().enumerate() {
        rig.upstream.next(SEND, &[TOO_SLOW]);
        let mut write = Rig::at_the_desk(&format!("{n}"), true);
        write.wait_max = Some(Duration::from_secs(wait));
        let asked_at = rig.clock.now();
        let entry = rig.door.submit(write).await.unwrap().entry;
        let waited = rig.clock.now().since(asked_at);
        assert_eq!(waited, Duration::from_secs(answered_after) + DISK);
        assert_eq!(entry.state, State::Withdrawn);
        rig.pass(20).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_key_hears_how_it_stands_before_and_after() {
    let rig = Arc::new(Rig::start().await);
    rig.upstream.next(SEND, &[TOO_SLOW]);
    let asking = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.door.submit(Rig::at_the_desk("a", true)).await }
    });
    while rig.upstream.book().count(SEND) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let meanwhile = rig.door.submit(Rig::at_the_desk("a", true)).await.unwrap();
    assert_eq!(
        (meanwhile.replayed, meanwhile.entry.state),
        (true, State::Sending)
    );
    let first = asking.await.unwrap().unwrap().entry;
    let after = rig.door.submit(Rig::at_the_desk("a", true)).await.unwrap();
    assert_eq!((after.replayed, after.entry), (true, first));
    assert_eq!(rig.upstream.book().count(SEND), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deliverer_that_died_leaves_it_withdrawn_and_watched() {
    let rig = Rig::start().await;
    let submitted = rig.door.submit(Rig::at_the_desk("a", true)).await.unwrap();
    let id = submitted.entry.id;
    let until = rig.clock.now() + Duration::from_secs(60);
    rig.store.disk().row_mut(id).lose_deliverer(until);
    rig.until(id, State::Withdrawn).await;
    assert_eq!(rig.watches(id), [State::Uncertain]);
    rig.pass(61).await;
    assert_eq!(rig.stands(id), (State::Withdrawn, Some(Code::Annulled)));
}

#[tokio::test(start_paused = true)]
async fn paper_ends_it_and_a_missing_form_is_raised() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::Refuse; 2]);
    let paper = |parent| Rig::about("number of the form", parent, Role::Paper);
    let written = rig.door.submit(Rig::at_the_desk("a", true)).await.unwrap();
    let forgotten = rig.door.submit(Rig::at_the_desk("b", true)).await.unwrap();
    let confirmed = rig.door.submit(paper(written.entry.id)).await.unwrap();
    assert_eq!(confirmed.entry.state, State::Registered);
    rig.pass(7_202).await;
    assert_eq!(rig.stands(written.entry.id), (State::RedRecipe, None));
    let missing = (State::Withdrawn, Some(Code::PaperMissing));
    assert_eq!(rig.stands(forgotten.entry.id), missing);
    let noted = Rig::about("noted", forgotten.entry.id, Role::Acknowledge);
    assert!(rig.door.submit(noted).await.is_ok());
    assert!(rig.store.disk().row(forgotten.entry.id).acknowledged);
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_the_paper_form_is_annulled() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[TOO_SLOW]);
    let submitted = rig.door.submit(Rig::at_the_desk("a", true)).await.unwrap();
    let id = submitted.entry.id;
    let paper = Rig::about("number of the form", id, Role::Paper);
    rig.door.submit(paper).await.unwrap();
    assert_eq!(rig.stands(id), (State::RedRecipe, None));
    rig.pass(3).await;
    assert_eq!(rig.stands(id), (State::RedRecipe, Some(Code::Annulled)));
    assert!(rig.upstream.book().live.is_empty());
}

#[tokio::test(start_paused = true)]
async fn paper_while_it_is_asked_for_gives_it_up_and_watches() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::LoseAnswer]);
    rig.upstream
        .next(LOOK, &[Turn::Slow(Duration::from_secs(3))]);
    let id = rig.submit("a").await.unwrap().entry.id;
    rig.until(id, State::Verifying).await;
    let paper = Rig::about("number of the form", id, Role::Paper);
    rig.door.submit(paper).await.unwrap();
    assert_eq!(rig.stands(id), (State::RedRecipe, None));
    rig.pass(5).await;
    let raised = (State::Conflict, Some(Code::LateCommit));
    assert_eq!(rig.stands(id), raised, "the look under way found it");
}
