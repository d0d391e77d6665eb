//! Numbers that were given up are looked after.

use std::time::Duration;

use engine::entry::EntryId;
use policies::failure::Code;
use policies::gate::{GateState, Mode};
use policies::state::State;

use crate::rig::upstream::Turn;
use crate::rig::{LOOK, Rig, SEND, UNDO};

const HOUR: u64 = 3600;

/// A lane whose horizon is three hours.
async fn start() -> Rig {
    Rig::start_under(|rules| rules.watch.horizon = Duration::from_secs(3 * HOUR)).await
}

/// Given up while nobody knows whether it was applied.
async fn given_up(rig: &Rig, annul_consent: bool) -> EntryId {
    rig.upstream.next(SEND, &[Turn::LoseRequest]);
    let write = Rig::at_the_desk("a", annul_consent);
    let entry = rig.door.submit(write).await.expect("it is on disk").entry;
    assert_eq!(entry.state, State::Withdrawn);
    entry.id
}

fn looks(rig: &Rig) -> usize {
    rig.upstream.book().count(LOOK)
}

#[tokio::test(start_paused = true)]
async fn it_looks_by_its_schedule_and_lets_go_at_the_horizon() {
    let rig = start().await;
    let id = given_up(&rig, true).await;
    // 1 min, 5 min, 30 min after this process began to look, and the horizon.
    let mut passed = 0;
    for (seconds, made) in [
        (59, 0),
        (62, 1),
        (299, 1),
        (302, 2),
        (1_790, 2),
        (1_802, 3),
        (3 * HOUR - 5, 3),
    ] {
        rig.pass(seconds - passed).await;
        passed = seconds;
        assert_eq!(looks(&rig), made, "after {seconds} s");
        assert_eq!(rig.watches(id), [State::Uncertain]);
    }
    rig.pass(10).await;
    assert_eq!((looks(&rig), rig.watches(id)), (4, vec![State::Withdrawn]));
    assert_eq!(rig.stands(id), (State::Withdrawn, Some(Code::PaperMissing)));
}

#[tokio::test(start_paused = true)]
async fn what_is_applied_late_is_annulled_with_consent_and_raised_without() {
    for (annul_consent, stands, watch) in [
        (
            true,
            (State::Withdrawn, Some(Code::Annulled)),
            State::Cancelled,
        ),
        (
            false,
            (State::Conflict, Some(Code::LateCommit)),
            State::Conflict,
        ),
    ] {
        let rig = start().await;
        let id = given_up(&rig, annul_consent).await;
        rig.pass(100).await;
        rig.upstream.apply_late(0);
        rig.pass(250).await;
        assert_eq!(rig.stands(id), stands);
        assert_eq!(rig.watches(id), [watch]);
        let annulled = usize::from(annul_consent);
        assert_eq!(rig.upstream.book().count(UNDO), annulled);
        assert_eq!(rig.upstream.book().closed.len(), annulled);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_dispensed_is_raised() {
    let rig = start().await;
    let id = given_up(&rig, true).await;
    rig.upstream.apply_late(0);
    rig.upstream.dispense(0);
    rig.pass(62).await;
    assert_eq!(rig.stands(id), (State::Conflict, Some(Code::Dispensed)));
    assert_eq!(rig.upstream.book().count(UNDO), 0);
}

#[tokio::test(start_paused = true)]
async fn a_look_without_authority_is_a_possible_double() {
    let rig = start().await;
    let id = given_up(&rig, true).await;
    rig.upstream.next(LOOK, &[Turn::RefuseAuthority]);
    rig.pass(62).await;
    let raised = (State::Conflict, Some(Code::PossibleDouble));
    assert_eq!(rig.stands(id), raised);
}

#[tokio::test(start_paused = true)]
async fn an_annul_that_fails_is_made_again_and_a_look_that_fails_stays_due() {
    let rig = start().await;
    let id = given_up(&rig, true).await;
    rig.upstream.apply_late(0);
    rig.upstream.next(LOOK, &[Turn::Refuse, Turn::LoseAnswer]);
    rig.upstream.next(UNDO, &[Turn::Refuse, Turn::LoseRequest]);
    rig.pass(90).await;
    assert_eq!(rig.stands(id), (State::Withdrawn, Some(Code::Annulled)));
    assert_eq!(rig.upstream.book().count(UNDO), 3);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_hastens_it_and_moves_its_horizon() {
    let rig = start().await;
    let id = given_up(&rig, true).await;
    rig.pass(2 * HOUR).await;
    assert_eq!(looks(&rig), 3);
    // The write's gate opens, and closes again.
    rig.upstream.next(SEND, &[Turn::Refuse; 5]);
    for n in 0..5 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    rig.pass(60).await;
    let is_open = |rig: &Rig| {
        let gates = rig.door.gates();
        gates
            .iter()
            .any(|gate| gate.op == SEND && gate.view.state != GateState::Closed)
    };
    assert!(!is_open(&rig));
    let before = looks(&rig);
    rig.pass(1_700).await;
    assert_eq!(looks(&rig), before);
    rig.pass(150).await;
    assert_eq!(looks(&rig), before + 1, "30 min after the recovery");
    // Past the horizon that it had, and at the one it has now.
    rig.pass(HOUR).await;
    assert_eq!(rig.watches(id), [State::Uncertain]);
    rig.pass(2 * HOUR).await;
    assert_eq!(rig.watches(id), [State::Withdrawn]);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_let_go_while_its_upstream_has_yet_to_recover() {
    let rig = start().await;
    let id = given_up(&rig, true).await;
    rig.pass(2 * HOUR).await;
    // Reading works, writing does not.
    rig.upstream.always(SEND, Turn::Refuse);
    for n in 0..8 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    rig.pass(3 * HOUR).await;
    assert_eq!(rig.watches(id), [State::Uncertain]);
    rig.upstream.book().always.clear();
    rig.pass(3 * HOUR + 600).await;
    assert_eq!(rig.watches(id), [State::Withdrawn]);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_was_left_alone_on_purpose_recovers_when_it_no_longer_is() {
    let rig = start().await;
    let id = given_up(&rig, true).await;
    rig.set_mode(Mode::ForcedOpen);
    rig.pass(4 * HOUR).await;
    assert_eq!((looks(&rig), rig.watches(id)), (0, vec![State::Uncertain]));
    rig.set_mode(Mode::Auto);
    rig.pass(3 * HOUR - 60).await;
    assert_eq!(rig.watches(id), [State::Uncertain], "its horizon is new");
    rig.pass(120).await;
    assert_eq!(rig.watches(id), [State::Withdrawn]);
}

#[tokio::test(start_paused = true)]
async fn an_open_gate_that_is_overruled_keeps_no_watch_for_ever() {
    let rig = start().await;
    let id = given_up(&rig, true).await;
    rig.upstream.next(SEND, &[Turn::Refuse; 5]);
    for n in 0..5 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    rig.set_mode(Mode::ForcedClosed);
    rig.pass(3 * HOUR - 60).await;
    assert_eq!(rig.watches(id), [State::Uncertain]);
    rig.pass(120).await;
    assert_eq!(rig.watches(id), [State::Withdrawn]);
    let gates = rig.door.gates();
    let write = gates.iter().find(|gate| gate.op == SEND).unwrap();
    assert_eq!(write.view.state, GateState::Open, "it was never probed");
}

/// As long as the gate is not closed they go on looking, and only a send closes it.
#[tokio::test(start_paused = true)]
async fn watches_that_could_use_up_the_rate_leave_a_turn_to_sends() {
    let rig = Rig::start_under(|rules| {
        rules.delivery.rate_per_second = 1;
        rules.watch.look_after_recovery = Duration::from_secs(1);
    })
    .await;
    rig.upstream.next(SEND, &[Turn::LoseRequest; 5]);
    for n in 0..5 {
        let write = Rig::at_the_desk(&format!("{n}"), true);
        rig.door.submit(write).await.expect("it is on disk");
    }
    rig.upstream.always(SEND, Turn::Refuse);
    let id = rig.submit("a").await.unwrap().entry.id;
    rig.pass(400).await;
    let before = looks(&rig);
    rig.pass(60).await;
    assert!(looks(&rig) >= before + 50, "they would use up the rate");
    rig.upstream.book().always.clear();
    rig.pass(120).await;
    assert_eq!(rig.state(id), State::Registered);
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_deliverer_died_goes_on() {
    let rig = start().await;
    let id = given_up(&rig, true).await;
    rig.upstream
        .next(LOOK, &[Turn::Slow(Duration::from_secs(4))]);
    let watch = {
        let disk = rig.store.disk();
        let watch = disk.rows.watches(id).next().unwrap();
        watch.new.id
    };
    rig.until(watch, State::Verifying).await;
    let until = rig.clock.now() + Duration::from_secs(30);
    rig.store.disk().row_mut(watch).lose_deliverer(until);
    rig.upstream.apply_late(0);
    rig.pass(60).await;
    assert_eq!(rig.stands(id), (State::Withdrawn, Some(Code::Annulled)));
    assert_eq!(rig.watches(id), [State::Cancelled], "the same watch");
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_after_it_was_sent_is_watched() {
    let rig = Rig::start_under(|rules| {
        rules.entry_deadline = Duration::from_secs(60);
        rules.watch.horizon = Duration::from_secs(3 * HOUR);
    })
    .await;
    rig.upstream.next(SEND, &[Turn::LoseRequest]);
    rig.upstream.always(LOOK, Turn::Refuse);
    let id = rig.submit("a").await.unwrap().entry.id;
    rig.until(id, State::Parked).await;
    rig.upstream.book().always.clear();
    rig.upstream.apply_late(0);
    rig.pass(200).await;
    assert_eq!(rig.stands(id), (State::Conflict, Some(Code::LateCommit)));
}
