//! The process dies in the middle of a backup, of a restore, and of the first start after one.

use std::fs;

use policies::state::State;
use tests::world::World;
use tests::world::gateway::was_killed;
use tests::world::load::Load;
use tests::world::strace::Start;
use tests::world::wait::until;

use super::{MISUSE, SOON, STAGING, burnt, copy, done, is_whole};

/// Every call by which a file comes into being, grows, or gets a name.
const WRITING: &str = "write,pwrite64,ftruncate,fsync,fdatasync,rename,mkdir,rmdir,unlink,unlinkat";
/// Of the first calls each is struck, and then fewer and fewer: most are pages of one file.
const EACH: usize = 12;
/// Steps of a start that are struck, by file and call: what comes after them is service.
const STEPS_MAX: usize = 6;

/// The calls that are struck, one a run.
fn moments() -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1), |when| Some(when + 1 + when / EACH * when / 3))
}

/// K9: killed at any step of a backup, under load: it is whole or none, the next one in its place is
/// whole, and the store has everything that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_k9_killed_during_a_backup() {
    let mut world = World::start().await;
    let load = Load::start(vec![world.caller("practice-a"); 4]);
    until("the desks are at work", SOON, async || {
        (load.answered() >= 20).then_some(())
    })
    .await;
    let to = copy(&world);
    let mut struck = 0;
    for when in moments() {
        let fault = format!("{WRITING}:signal=SIGKILL:when={when}");
        let Some(status) = world.backup_under(&to, &fault).await else {
            return;
        };
        if !was_killed(status) {
            assert!(status.success(), "{fault}: {}", world.output());
            break;
        }
        struck += 1;
        if is_whole(&to) {
            fs::remove_dir_all(&to).expect("a backup can be thrown away");
        }
    }
    println!("{struck} steps");
    assert!(struck > EACH, "a backup has more steps than {struck}");
    assert!(is_whole(&to), "what was cut off was not cleared away");
    world.kill().await;
    load.stop().await;
    world.equation();
    world.restart().await.expect("the live store opens");
    world.settled().await;
    world.kill().await;
    world.burn();
    done(&world.restore(&to).await);
    world.restart().await.expect("the copy opens");
    world.settled_after_restore().await;
}

/// K9: the gateway is killed while its store is being copied: the copy is whole, and so is the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_k9_the_gateway_dies_while_it_is_copied() {
    let mut world = World::start().await;
    let load = Load::start(vec![world.caller("practice-a"); 4]);
    until("the desks are at work", SOON, async || {
        (load.answered() >= 20).then_some(())
    })
    .await;
    let to = copy(&world);
    // Each page takes its time, so that there is a while in which to die.
    let slow = "pwrite64:delay_enter=10000";
    let killing = async {
        until("the copy has begun", SOON, async || {
            let size = fs::metadata(to.join("entries.db")).map_or(0, |file| file.len());
            (size > 0).then_some(())
        })
        .await;
        let pid = world.gateway_pid();
        assert!(!is_whole(&to), "it was over too soon");
        tests::world::gateway::kill(pid);
    };
    let (status, ()) = tokio::join!(world.backup_under(&to, slow), killing);
    let Some(status) = status else {
        return;
    };
    assert!(status.success(), "{}", world.output());
    world.ended().await;
    load.stop().await;
    world.equation();
    world.restart().await.expect("the live store opens");
    world.settled().await;
    world.kill().await;
    world.burn();
    done(&world.restore(&to).await);
    world.restart().await.expect("the copy opens");
    world.settled_after_restore().await;
}

/// K9: killed at every step of a restore: it has not happened and no gateway starts on it, or it is
/// finished; and repeating it finishes it.
#[tokio::test]
async fn fault_k9_killed_at_every_step_of_a_restore() {
    let (mut world, _) = burnt().await;
    let (mut struck, mut halves) = (0, 0);
    for when in moments() {
        let fault = format!("{WRITING}:signal=SIGKILL:when={when}");
        let Some(status) = world.restore_under(&copy(&world), &fault).await else {
            return;
        };
        if !was_killed(status) {
            assert!(status.success(), "{fault}: {}", world.output());
            break;
        }
        struck += 1;
        if world.store_dir().join(STAGING).exists() {
            halves += 1;
            let ended = world.restart().await.expect_err("it is half restored");
            assert!(
                ended.output.contains("repeat `argine restore`"),
                "{}",
                ended.output
            );
            done(&world.restore(&copy(&world)).await);
        } else if world.store_dir().join("entries.db").exists() {
            // It was the last word that could not be said.
            let again = world.restore(&copy(&world)).await;
            assert_eq!(again.code, MISUSE, "{}", again.output);
        } else {
            done(&world.restore(&copy(&world)).await);
        }
        world.burn();
    }
    println!("{struck} steps, {halves} of them half way");
    assert!(halves > 5, "a restore has more steps than {halves}");
    world.recover();
    world.restart().await.expect("a restored store opens");
    assert_eq!(world.settled().await.registered, 2);
}

/// 60: killed at every step of the first start after a restore: what waited is asked for all the same.
#[tokio::test]
async fn fault_60_killed_at_every_step_of_the_first_start() {
    let (mut world, _) = burnt().await;
    let mut struck = 0;
    for file in ["entries.db-wal", "entries.db", "entries.guard"] {
        for call in ["pwrite64,write", "fsync,fdatasync", "ftruncate"] {
            for when in 1..=STEPS_MAX {
                done(&world.restore(&copy(&world)).await);
                let fault = format!("{call}:signal=SIGKILL:when={when}");
                let Some(start) = world.start_under(file, &fault).await else {
                    return;
                };
                let restarted = world.restart().await;
                restarted.unwrap_or_else(|ended| panic!("{file} {fault}: {}", ended.output));
                // The SAC is away: what is asked for stays so, and only what is sent could be due.
                let states: Vec<State> = world.entries().into_values().collect();
                let trusted = states
                    .iter()
                    .any(|state| matches!(state, State::Accepted | State::Sending));
                assert!(!trusted, "{file} {fault}: {states:?}");
                world.kill().await;
                world.burn();
                if start == Start::Served {
                    break;
                }
                struck += 1;
            }
        }
    }
    println!("{struck} steps");
    assert!(struck > 8, "a start has more steps than {struck}");
    done(&world.restore(&copy(&world)).await);
    world.recover();
    world.restart().await.expect("a restored store opens");
    assert_eq!(world.settled().await.registered, 2);
}
