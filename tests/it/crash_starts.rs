//! The process dies while it starts, at every step of it.

use tests::world::World;
use tests::world::prescription::{drug, key};
use tests::world::strace::Start;

/// K9: killed at every step of a start after a crash, file by file and call by call: the next start
/// has everything, and refuses nothing.
#[tokio::test]
async fn fault_k9_killed_at_every_step_of_a_start() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    let mut struck = 0;
    for file in ["entries.db-wal", "entries.db", "entries.guard"] {
        for call in ["pwrite64,write", "fsync,fdatasync", "ftruncate"] {
            for when in 1.. {
                // Something that stands in the log only, for the start to find.
                caller.prescribe(&key(), &drug()).await.expect(201);
                world.kill().await;
                let fault = format!("{call}:signal=SIGKILL:when={when}");
                let Some(start) = world.start_under(file, &fault).await else {
                    return;
                };
                let restarted = world.restart().await;
                restarted.unwrap_or_else(|ended| panic!("{file} {fault}: {}", ended.output));
                if start == Start::Served {
                    break;
                }
                struck += 1;
            }
        }
    }
    println!("{struck} steps");
    assert!(struck > 10, "a start has more steps than {struck}");
    let tally = world.settled().await;
    assert_eq!(tally.registered, tally.stored);
}
