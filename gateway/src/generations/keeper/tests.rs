//! Who keeps the generations, over a store that remembers or refuses, and a clock that is moved.

mod ends;
mod files;
mod kit;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::ports::WriteError;
use policies::gate::Mode;

use self::kit::{Memory, World, wish, withdrawal};
use super::*;
use crate::generations::kept::{Kept, write_last_good};
use crate::rules::{Composer, Files};

const MODE: &str = "sac.prescriptions.mode";
const BLOCK: &str = "sac.lots.block";
const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// The way to nobody.
pub(crate) fn desk_that_is_gone() -> Desk {
    let store = Arc::new(Memory::default());
    let (_keeper, desk) = World::keeper(&store, &Arc::default(), &Files::default());
    desk
}

#[tokio::test]
async fn a_toggle_is_on_disk_before_it_is_in_force() {
    let mut world = World::new();
    world.store.refuses.store(true, Ordering::Relaxed);
    let refused = world.set(wish(MODE, "forced-open")).await;
    assert_eq!(refused, Err(Refusal::Store(WriteError::Refused)));
    assert_eq!((world.mode(), world.adopted()), (Mode::Auto, 0));
    assert!(world.desk.view().toggles.is_empty());

    world.store.refuses.store(false, Ordering::Relaxed);
    let done = world.set(wish(MODE, "forced-open")).await.unwrap();
    assert_eq!(done.number, 2);
    assert_eq!(
        done.changes[0].to_string(),
        "sac.prescriptions.mode: \"auto\" → \"forced-open\"  (live)"
    );
    assert_eq!((world.mode(), world.adopted()), (Mode::ForcedOpen, 1));
    assert_eq!(world.lanes.adopted.lock().unwrap()[0].number, 2);
    let world = world.restarted(&Files::default());
    assert_eq!(world.mode(), Mode::ForcedOpen);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let mut world = World::new();
    let only_asked = Wish {
        dry_run: true,
        ..wish(MODE, "disabled")
    };
    let done = world.set(only_asked).await.unwrap();
    assert_eq!((done.number, done.changes.len()), (1, 1));
    assert_eq!((world.mode(), world.adopted()), (Mode::Auto, 0));
    assert_eq!(world.store.writes.load(Ordering::Relaxed), 0);
    world.set(wish(MODE, "disabled")).await.unwrap();
    let only_asked = Withdrawal {
        dry_run: true,
        ..withdrawal(MODE)
    };
    let done = world.keeper.withdraw(only_asked).await.unwrap();
    assert_eq!((done.number, done.changes.len()), (2, 1));
    assert_eq!(world.mode(), Mode::Disabled);
}

/// Files that were refused come into force with a toggle that makes them good: who sets it is told.
#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_holds_up_nothing() {
    let mut world = World::new();
    world.set(wish(MODE, "forced-open")).await.unwrap();
    world.store.hangs.store(true, Ordering::Relaxed);
    let unknown = world.set(wish(BLOCK, "7")).await;
    assert_eq!(unknown, Err(Refusal::Store(WriteError::Unknown)));
    assert_eq!(world.keeper.generations.rules().lots.block, 1000);
    world.pass(Duration::from_secs(3600));
    world.keeper.look();
    assert_eq!(world.mode(), Mode::Auto);
    world.keeper.pay().await;
    assert_eq!(world.keeper.generations.owed.toggles.len(), 2);
    world.store.hangs.store(false, Ordering::Relaxed);
    world.keeper.pay().await;
    assert!(world.keeper.generations.owed.toggles.is_empty());
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_its_field() {
    let mut world = World::new();
    let long = |target, hours: u64| Wish {
        lasts: Duration::from_secs(hours * 3600),
        ..wish(target, "forced-open")
    };
    let cases = [
        (wish("sac.prescriptions.no_such", "1"), "target"),
        (wish("sac.prescriptions.gate", "1"), "target"),
        (wish("other.prescriptions.mode", "auto"), "target"),
        (wish("sac.prescriptions.calls.queue_max", "2000"), "target"),
        (wish(MODE, "open"), "value"),
        (wish(MODE, "{ a = 1 }"), "value"),
        (wish("sac.prescriptions.answer_within", "40s"), "value"),
        (
            wish("sac.prescriptions.calls.calls_max", "\"many\""),
            "value",
        ),
        (long(MODE, 25), "expires_in"),
        (long(MODE, 0), "expires_in"),
    ];
    for (wish, field) in cases {
        let what = format!("{} = {}", wish.target, wish.value);
        match world.set(wish).await {
            Err(Refusal::Unsound(unsound)) => {
                assert!(
                    unsound.iter().any(|(at, _)| *at == field),
                    "{what}: {unsound:?}"
                );
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    assert_eq!(
        (world.adopted(), world.store.writes.load(Ordering::Relaxed)),
        (0, 0)
    );
}

/// Who took the command is gone with it: nobody can say that nothing was changed.
#[tokio::test]
async fn a_reply_that_never_comes_is_unknown() {
    let World {
        mut keeper, desk, ..
    } = World::new();
    let losing = async { drop(keeper.commands.recv().await) };
    let (answer, ()) = tokio::join!(desk.set(wish(MODE, "disabled")), losing);
    assert_eq!(answer, Err(Refusal::Store(WriteError::Unknown)));
}

#[tokio::test]
async fn a_toggle_ends_on_time_and_after_a_restart_too() {
    let mut world = World::new();
    world.set(wish(MODE, "forced-open")).await.unwrap();
    world.pass(Duration::from_secs(3599));
    world.keeper.look();
    assert_eq!(world.mode(), Mode::ForcedOpen);
    let mut world = world.restarted(&Files::default());
    assert_eq!(world.mode(), Mode::ForcedOpen);
    // Whatever the lane does: its gates find out by themselves.
    world.lanes.are_down.store(true, Ordering::Relaxed);
    world.pass(Duration::from_secs(1));
    world.keeper.look();
    assert_eq!(world.mode(), Mode::Auto);
    assert_eq!(world.desk.view().ended[0].held.toggle.target, MODE);
    world.keeper.pay().await;
    let world = world.restarted(&Files::default());
    assert!(world.desk.view().toggles.is_empty());
    assert_eq!(world.desk.view().ended.len(), 1);
}

#[tokio::test]
async fn a_clock_that_was_set_back_prolongs_no_toggle() {
    let mut world = World::new();
    world.pass(Duration::from_secs(10 * 365 * 86_400));
    world.set(wish(MODE, "forced-open")).await.unwrap();
    *world.lanes.passed.lock().unwrap() = Duration::ZERO;
    let mut world = world.restarted(&Files::default());
    world.pass(Duration::from_secs(3600));
    world.keeper.look();
    assert_eq!(world.mode(), Mode::Auto);
}

#[tokio::test]
async fn a_value_is_kept_while_its_lane_is_down() {
    let mut world = World::new();
    world.set(wish(BLOCK, "7")).await.unwrap();
    world.lanes.are_down.store(true, Ordering::Relaxed);
    world.pass(Duration::from_secs(3601));
    world.keeper.look();
    assert_eq!(world.keeper.generations.rules().lots.block, 7);
    assert!(world.desk.view().toggles[0].is_overdue);
    world.lanes.are_down.store(false, Ordering::Relaxed);
    world.keeper.look();
    assert_eq!(world.keeper.generations.rules().lots.block, 1000);
    assert!(world.desk.view().toggles.is_empty());
}

#[tokio::test]
async fn setting_again_replaces_and_withdrawing_ends() {
    let mut world = World::new();
    world.set(wish(BLOCK, "7")).await.unwrap();
    world.set(wish(BLOCK, "8")).await.unwrap();
    assert_eq!(world.desk.view().toggles.len(), 1);
    let nameless = Withdrawal {
        by: By {
            author: String::new(),
            ..withdrawal(BLOCK).by
        },
        ..withdrawal(BLOCK)
    };
    let refused = world.keeper.withdraw(nameless).await;
    assert!(matches!(refused, Err(Refusal::Unsound(_))), "{refused:?}");
    let done = world.keeper.withdraw(withdrawal(BLOCK)).await.unwrap();
    assert_eq!(
        done.changes[0].to_string(),
        "sac.lots.block: 8 → 1000  (live)"
    );
    let again = world.keeper.withdraw(withdrawal(BLOCK)).await;
    assert_eq!(again, Err(Refusal::NoSuchToggle));
    // Who set the first one, and why, is not lost with it.
    let restarted = world.restarted(&Files::default());
    let ended = &restarted.desk.view().ended;
    let told: Vec<_> = ended
        .iter()
        .map(|ended| (ended.held.toggle.value.as_str(), ended.end.as_str()))
        .collect();
    assert_eq!(told, [("8", "withdrawn"), ("7", "replaced")]);
    assert_eq!(ended[1].end.by().unwrap().reason, "announced maintenance");
}

/// While a gateway runs, a file that a toggle does not fit is refused and the toggle stays: a restart
/// makes no difference.
/// NOW is in September 2026.
/// Two values that tell the policies apart change together, however often, while others read them.
#[test]
fn ten_thousand_reloads_are_each_whole() {
    const RELOADS: u64 = 10_000;
    let file = |answer: &str, rate: u32| {
        Files::whole(&format!(
            "[prescriptions]\nanswer_within = \"{answer}\"\nchecks_off = [\"packs-per-row\"]\n\
             [prescriptions.delivery]\nrate_per_second = {rate}\n"
        ))
    };
    let files = [file("2s", 20), file("3s", 30)];
    let mut world = World::over(Arc::default(), Arc::default(), &files[1]);
    let live = Live::new(world.keeper.generations.policy());
    let adopting = live.clone();
    world.keeper.parts.adopt = Box::new(move |policy| adopting.replace(Arc::clone(policy)));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !ended.load(Ordering::Relaxed) {
                    let policy = live.load();
                    let rules = &policy.prescriptions;
                    let seen = rules.answer_within.as_secs();
                    assert_eq!(u64::from(rules.delivery.rate_per_second), seen * 10);
                    assert_eq!(
                        policy.number % 2,
                        seen % 2,
                        "the number is that of its values"
                    );
                    assert!(policy.number >= last, "an older generation came back");
                    last = policy.number;
                }
            });
        }
        // What makes a candidate was read and checked before: this is about putting it in force.
        let keeper = &mut world.keeper;
        let mut candidates = files.iter().map(|files| {
            let candidate = keeper.generations.consider(Ok(files.clone()), NOW);
            candidate.unwrap_or_else(|_| panic!("{files:?}"))
        });
        let pair = [candidates.next().unwrap(), candidates.next().unwrap()];
        drop(candidates);
        for candidate in pair.iter().cycle().take(RELOADS as usize) {
            let policy = keeper.generations.adopt(candidate.clone(), Vec::new(), NOW);
            (keeper.parts.adopt)(&policy.expect("they differ"));
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(live.load().number, RELOADS + 1);
    // Nothing of a generation is left when the next one is in force.
    let policy = live.load();
    assert_eq!(Arc::strong_count(&policy.prescriptions), 1);
    assert!(world.desk.view().ended.is_empty());
}
