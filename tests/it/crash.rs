//! The process dies at a random point, again and again: what was acknowledged is there, what was
//! not is there once or not at all, and the SAC holds nothing twice.
//!
//! `ARGINE_CRASH_KILLS` sets the number of kills, `ARGINE_CRASH_SEED` repeats a run.

use std::str::FromStr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::World;
use tests::world::load::Load;
use tests::world::wait::{passed, until};

const KILLS: u64 = 20;
/// Desks that write all the time.
const DESKS: usize = 4;
/// A gateway lives at most this long before it is killed.
const LIFE_MAX: Duration = Duration::from_millis(600);
/// Of so many starts, one is killed before it has ended.
const KILLED_STARTING_EVERY: u64 = 4;
/// Kills between two looks at the account.
const ACCOUNT_EVERY: u64 = 5;
const WORK_WITHIN: Duration = Duration::from_secs(30);

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn moment(chance: &mut StdRng) -> Duration {
    LIFE_MAX.mul_f64(chance.random::<f64>())
}

/// K11: `kill -9` in a loop under load, while the SAC loses answers and is slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_k11_killed_in_a_loop_under_load() {
    let kills = setting("ARGINE_CRASH_KILLS", KILLS);
    let seed = setting("ARGINE_CRASH_SEED", rand::random::<u64>());
    println!("ARGINE_CRASH_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let mut world = World::start().await;
    let slow = Fault::Slow {
        delay: Delay::Uniform {
            from_ms: 0,
            until_ms: 60,
        },
    };
    world.faults(vec![
        Rule::on(Operation::Invio, slow),
        Rule::on(Operation::Invio, Fault::LostAnswer).share(0.1),
        Rule::on(Operation::Invio, Fault::ResetBefore).share(0.05),
        Rule::on(Operation::Visualizza, Fault::Status { status: 503 }).share(0.1),
    ]);
    let load = Load::start(vec![world.caller("practice-a"); DESKS]);
    for kill in 1..=kills {
        passed(moment(&mut chance)).await;
        world.kill().await;
        if kill % ACCOUNT_EVERY == 0 {
            world.equation();
        }
        if kill % KILLED_STARTING_EVERY == 0 {
            world.start_and_kill(moment(&mut chance)).await;
        }
        world
            .restart()
            .await
            .expect("a killed gateway starts again");
    }
    let enough = load.answered() + DESKS as u64;
    until("the desks go on", WORK_WITHIN, async || {
        (load.answered() >= enough).then_some(())
    })
    .await;
    let written = load.stop().await;
    world.recover();
    let tally = world.settled().await;
    println!("{kills} kills, {written} prescriptions answered, {tally:?}");
    assert!(
        written > kills,
        "the desks hardly wrote: this run shows little"
    );
    assert_eq!(tally.registered, tally.stored, "{tally:?}");
}
