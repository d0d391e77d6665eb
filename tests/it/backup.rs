//! A store is copied while it is in use, burns down, and is restored: nothing happens twice, and a copy
//! or a restore that is cut off is none (faults K9 and 60).

mod attacks;
mod doubles;
mod refusals;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::upstreams::sac::faults::{Fault, Rule};
use tests::world::World;
use tests::world::caller::Caller;
use tests::world::gateway::Ended;
use tests::world::prescription::{drug, key};

const SOON: Duration = Duration::from_secs(20);
const MANIFEST: &str = "manifest.json";
const STAGING: &str = "restore.unfinished";
/// The exit code of what was named or set wrongly, and of what is wrong on disk.
const MISUSE: Option<i32> = Some(64);
const FILES: Option<i32> = Some(74);

/// Where backups of a world go.
fn copy(world: &World) -> PathBuf {
    world.directory().join("copy")
}

fn done(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.output);
}

/// The SAC takes nothing and answers nothing.
fn down() -> Vec<Rule> {
    vec![Rule::everywhere(Fault::Refuse)]
}

/// A store with one prescription that is registered and one that waits, copied, and burnt down with its
/// gateway.
async fn burnt() -> (World, Caller) {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    caller.prescribe(&key(), &drug()).await.expect(201);
    world.faults(down());
    caller.prescribe(&key(), &drug()).await.expect(202);
    done(&world.backup(&copy(&world)).await);
    world.kill().await;
    world.burn();
    (world, caller)
}

/// Whether a backup was finished there.
fn is_whole(copy: &Path) -> bool {
    copy.join(MANIFEST).exists()
}
