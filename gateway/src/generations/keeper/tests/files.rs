//! Files and toggles that fit each other, or do not, live and after a restart.

use super::kit::{World, wish, withdrawal};
use super::*;

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
