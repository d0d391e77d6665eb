//! Who keeps the generations, over a store that remembers or refuses, and a clock that is moved.

mod ends;
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
#[tokio::test]
async fn files_that_a_toggle_makes_good_are_announced() {
    let mut world = World::new();
    world
        .set(wish("sac.lots.low_water", "10000"))
        .await
        .unwrap();
    let files = Files::whole("[lots]\nblock = 20000\n[prescriptions]\nmode = \"disabled\"\n");
    world.keeper.found(Ok(files));
    let wish = Wish {
        dry_run: true,
        ..wish("sac.lots.low_water", "30000")
    };
    let would = world.set(wish.clone()).await.unwrap();
    assert_eq!(would.changes.len(), 3, "{:?}", would.changes);
    assert_eq!(world.mode(), Mode::Auto);
    let wish = Wish {
        dry_run: false,
        ..wish
    };
    let done = world.set(wish).await.unwrap();
    assert_eq!(done.changes, would.changes);
    assert_eq!(world.mode(), Mode::Disabled);
    assert_eq!(world.desk.view().problems, [""; 0]);
}

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

#[tokio::test]
async fn toggles_that_do_not_fit_the_files_any_more_are_let_go_of() {
    let mut world = World::new();
    world
        .set(wish("sac.prescriptions.entry_deadline", "10s"))
        .await
        .unwrap();
    let longer = Files::whole("[prescriptions]\nanswer_within = \"20s\"\n");
    let world = world.restarted(&longer);
    assert!(world.desk.view().toggles.is_empty());
    assert_eq!(world.desk.view().ended[0].end, End::Unfit);
    let rules = world.keeper.generations.rules();
    assert_eq!(rules.prescriptions.answer_within, Duration::from_secs(20));
}

/// While a gateway runs, a file that a toggle does not fit is refused and the toggle stays: a restart
/// makes no difference.
#[tokio::test]
async fn a_restart_drops_no_toggle_that_the_last_good_files_fit() {
    let mut world = World::new();
    let deadline = "sac.prescriptions.entry_deadline";
    world.set(wish(deadline, "10s")).await.unwrap();
    world.set(wish(MODE, "forced-open")).await.unwrap();
    let longer = Files::whole("[prescriptions]\nanswer_within = \"20s\"\n");
    let mut world = world.paid().await.restarted(&longer);
    assert_eq!(world.desk.view().toggles.len(), 2);
    let problems = &world.desk.view().problems;
    assert!(problems[0].starts_with("toggles: "), "{problems:?}");
    let done = world.keeper.withdraw(withdrawal(deadline)).await.unwrap();
    assert_eq!(done.changes.len(), 2, "the file too: {:?}", done.changes);
    assert_eq!(world.desk.view().problems, [""; 0]);
}

#[tokio::test]
async fn only_what_does_not_fit_is_let_go_of() {
    let mut world = World::new();
    world
        .set(wish("sac.prescriptions.entry_deadline", "10s"))
        .await
        .unwrap();
    world.set(wish(MODE, "forced-open")).await.unwrap();
    world.set(wish(BLOCK, "7")).await.unwrap();
    let longer = Files::whole("[prescriptions]\nanswer_within = \"20s\"\n");
    let world = world.restarted(&longer);
    assert_eq!(world.desk.view().toggles.len(), 2);
    assert_eq!(world.mode(), Mode::ForcedOpen);
    let ended = &world.desk.view().ended;
    assert_eq!((ended.len(), &ended[0].end), (1, &End::Unfit));
}

#[tokio::test]
async fn a_file_that_is_gone_is_refused_live_and_at_start() {
    let good = Files::whole("[prescriptions]\nmode = \"forced-open\"\n");
    let mut world = World::over(Arc::default(), Arc::default(), &good);
    world.keeper.found(Ok(Files::default()));
    assert_eq!(world.mode(), Mode::ForcedOpen);
    let said = world.desk.view().problems.concat();
    assert!(said.contains("only the line"), "{said}");
    let mut world = world.paid().await;
    assert_eq!(
        world.store.writes.load(Ordering::Relaxed),
        0,
        "a bad policy is not kept"
    );
    world.keeper.found(Ok(good));
    let mut world = world.paid().await.restarted(&Files::default());
    assert_eq!(world.mode(), Mode::ForcedOpen);
    assert!(world.desk.view().problems[0].contains("only the line"));
    world.keeper.found(Ok(Files::whole("")));
    assert_eq!(world.mode(), Mode::Auto);
    assert_eq!(world.desk.view().problems, [""; 0]);
}

/// NOW is in September 2026.
#[tokio::test]
async fn a_law_that_ended_takes_nothing_out_of_force_and_is_not_taken_up() {
    let leaning = |until: &str, block: u32| {
        let law = format!("{{ act = \"DL 1\", article = \"1\", valid_until = \"{until}\" }}");
        Files::whole(&format!(
            "[lots]\nblock = {block}\n[prescriptions.fallback]\nlegal_basis = {law}\n"
        ))
    };
    let mut world = World::over(Arc::default(), Arc::default(), &leaning("2026-10-01", 17));
    world.set(wish(MODE, "forced-open")).await.unwrap();
    world.pass(Duration::from_secs(40 * 86_400));
    world.keeper.look();
    assert_eq!(world.mode(), Mode::Auto, "a toggle ends all the same");
    assert!(world.keeper.alarmed.is_some());
    world.set(wish(MODE, "disabled")).await.unwrap();
    world.keeper.withdraw(withdrawal(MODE)).await.unwrap();
    world.keeper.found(Ok(leaning("2026-10-02", 18)));
    let said = world.desk.view().problems.concat();
    assert!(said.contains("has passed"), "{said}");
    assert_eq!(world.keeper.generations.rules().lots.block, 17);
    let until = "sac.prescriptions.fallback.legal_basis.valid_until";
    let refused = world.set(wish(until, "\"2026-10-03\"")).await;
    assert!(matches!(refused, Err(Refusal::Unsound(_))), "{refused:?}");
    world.set(wish(until, "\"2999-10-03\"")).await.unwrap();
    world.keeper.look();
    assert_eq!(world.keeper.alarmed, None);
    let world = world.restarted(&leaning("2026-10-01", 17));
    assert_eq!(world.keeper.generations.rules().lots.block, 17);
}

#[tokio::test]
async fn a_bad_file_leaves_the_last_good_one_and_a_toggle_can_make_it_good() {
    let good = Files::whole("[prescriptions]\nentry_deadline = \"1h\"\n");
    let mut world = World::over(Arc::default(), Arc::default(), &good);
    world
        .set(wish("sac.lots.low_water", "10000"))
        .await
        .unwrap();
    world
        .keeper
        .found(Ok(Files::of("[prescriptions]\nentry_deadline = \"2h\"\n")));
    assert!(world.desk.view().problems[0].contains("# end of policy"));
    world
        .keeper
        .found(Err(vec!["the directory is gone".to_owned()]));
    assert_eq!(world.desk.view().problems, ["the directory is gone"]);
    let hour = Duration::from_secs(3600);
    assert_eq!(
        world
            .keeper
            .generations
            .rules()
            .prescriptions
            .entry_deadline,
        hour
    );

    // Good by itself, and not under the toggle: it is taken up when that is withdrawn.
    world
        .keeper
        .found(Ok(Files::whole("[lots]\nblock = 20000\n")));
    assert!(world.desk.view().problems[0].starts_with("toggles: lots.block"));
    world
        .keeper
        .withdraw(withdrawal("sac.lots.low_water"))
        .await
        .unwrap();
    assert_eq!(world.desk.view().problems, [""; 0]);
    assert_eq!(world.keeper.generations.rules().lots.block, 20_000);
}

#[tokio::test]
async fn the_last_good_files_serve_after_a_restart() {
    let good = Files::whole("[lots]\nblock = 17\n");
    let store = Arc::new(Memory::default());
    write_last_good(&good, store.as_ref()).await.unwrap();
    let kept = Kept::read(store.as_ref()).await.unwrap();
    let begin = |found, kept| Generations::begin(Composer::new(None), found, kept, NOW);
    let bad = || Ok(Files::whole("[lots]\nblock = 0\n"));
    let begun = begin(bad(), kept).unwrap();
    assert_eq!(begun.rules().lots.block, 17);
    assert!(begun.problems()[0].contains("lots.block = 0"));
    let error = begin(bad(), Kept::default()).unwrap_err();
    assert_eq!(error.problems, begun.problems());
}

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
