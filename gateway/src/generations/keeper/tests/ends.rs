//! How toggles end, and how they do not.

use super::*;
use crate::generations::GATES_TRIED_WITHIN;

const HOUR: Duration = Duration::from_secs(3600);

/// Nobody knows right after a start whether a lane is down.
#[tokio::test]
async fn an_overdue_toggle_stays_until_its_gates_were_tried() {
    let mut world = World::new();
    world.set(wish(BLOCK, "7")).await.unwrap();
    world.lanes.are_down.store(true, Ordering::Relaxed);
    world.pass(HOUR * 20);
    world.keeper.look();
    world.lanes.are_down.store(false, Ordering::Relaxed);
    let mut world = world.paid().await.restarted(&Files::default());
    assert!(world.desk.view().toggles[0].is_overdue);
    world.keeper.look();
    assert_eq!(world.keeper.generations.rules().lots.block, 7);
    world.pass(GATES_TRIED_WITHIN);
    world.keeper.look();
    assert_eq!(world.keeper.generations.rules().lots.block, 1000);
}

#[tokio::test]
async fn one_that_ended_long_ago_does_not_come_back() {
    let mut world = World::new();
    world.set(wish(BLOCK, "7")).await.unwrap();
    world.pass(HOUR + GATES_TRIED_WITHIN);
    let world = world.restarted(&Files::default());
    assert!(world.desk.view().toggles.is_empty());
    assert_eq!(world.desk.view().ended[0].end, End::Expired);
}

#[tokio::test]
async fn no_lane_keeps_a_toggle_for_ever() {
    let mut world = World::new();
    world.set(wish(BLOCK, "7")).await.unwrap();
    world.lanes.are_down.store(true, Ordering::Relaxed);
    world.pass(HOUR * 2);
    world.keeper.look();
    assert!(world.desk.view().toggles[0].is_overdue);
    world.pass(HOUR * 24 * 7);
    world.keeper.look();
    assert!(world.desk.view().toggles.is_empty());
}

/// Two values hold only together; one of them outlives a mode that ends with the other.
#[tokio::test]
async fn a_mode_ends_though_another_toggle_cannot() {
    let mut world = World::new();
    let answer = "sac.prescriptions.answer_within";
    let deadline = "sac.prescriptions.entry_deadline";
    let day = |wish: Wish| Wish {
        lasts: HOUR * 24,
        ..wish
    };
    world.set(wish(answer, "3s")).await.unwrap();
    world.set(day(wish(deadline, "5s"))).await.unwrap();
    world.set(wish(MODE, "forced-open")).await.unwrap();
    world.pass(HOUR);
    world.keeper.look();
    assert_eq!(world.mode(), Mode::Auto);
    assert!(world.keeper.generations.held(answer).unwrap().is_overdue);
    world.pass(HOUR * 23);
    world.keeper.look();
    assert!(world.desk.view().toggles.is_empty());
}

/// Changes that come one after another do not put off what is due.
#[tokio::test]
async fn commands_do_not_postpone_an_end() {
    let world = World::new();
    let World {
        lanes,
        mut keeper,
        desk,
        ..
    } = world;
    keeper.set(wish(MODE, "forced-open")).await.unwrap();
    *lanes.passed.lock().unwrap() += HOUR;
    // There is always another command.
    let asking = async {
        loop {
            let only_asked = Wish {
                dry_run: true,
                ..wish(BLOCK, "7")
            };
            desk.set(only_asked).await.unwrap();
            if desk.view().toggles.is_empty() {
                return;
            }
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(10), async {
        tokio::select! {
            () = keeper.run() => {}
            () = asking => {}
        }
    });
    within.await.expect("it ends in time");
}
