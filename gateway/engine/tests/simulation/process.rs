//! One process of the gateway: the real engine over the model's disk and upstream.

use std::sync::Arc;
use std::time::Duration;

use engine::calls::Calls;
use engine::core::{Core, Traffic};
use engine::delivery::Delivery;
use engine::lane::write_behind::{self, Door};
use engine::live::Live;
use engine::lots::Lots;
use engine::numbers::Numbers;
use engine::ports::{Clock, Rng, Unwatched};
use engine::stop::StopSwitch;
use tokio::task::JoinSet;

use super::chance::Chance;
use super::journal::PausedClock;
use super::operations::{LANE, LOT, OPERATIONS, WRITE};
use super::upstream::Near;
use super::witness::Witness;
use super::world::World;

/// A running process; dropped, it is dead.
pub(crate) struct Process {
    pub(crate) door: Door,
    switch: StopSwitch,
    tasks: JoinSet<()>,
}

impl Process {
    /// Starts on what the disk holds.
    pub(crate) async fn start(world: &World, instance: u64) -> Process {
        let options = &world.options;
        let rules = options.policy(instance);
        let clock: Arc<dyn Clock> = Arc::new(PausedClock::at(&world.journal));
        let rng: Arc<dyn Rng> = Arc::new(Chance::new(world.seed, &format!("engine {instance}")));
        let store = world.disk.open().await;
        let witness = Arc::new(Witness::new(
            rules.calls.calls_max,
            Arc::clone(&world.ledger),
            Arc::clone(&world.disk),
            Arc::clone(&world.journal),
        ));
        let near = Near {
            far: Arc::clone(&world.far),
            witness: Arc::clone(&witness),
        };
        let (switch, stop) = StopSwitch::new();
        let calls = Arc::new(Calls::new(
            Arc::new(near),
            OPERATIONS,
            &rules.lane(),
            Arc::clone(&clock),
            Arc::clone(&rng),
            Arc::new(Unwatched),
            stop.clone(),
        ));
        world.ledger.recovers(clock.now());
        drop(witness.calls.set(Arc::downgrade(&calls)));
        let numbers = Arc::new(Numbers::default());
        let lots = Lots {
            numbers: Arc::clone(&numbers),
            calls: Arc::clone(&calls),
            op: LOT,
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            rules: Live::new(options.lots.clone()),
            stop: stop.clone(),
        };
        let core = Arc::new(Core {
            lane: LANE,
            write: WRITE,
            started_at: clock.now(),
            calls,
            store,
            numbers,
            clock,
            rng,
            rules: Live::new(rules.clone()),
            stop,
            traffic: Traffic::new(),
        });
        let (door, lane) = write_behind::open(Arc::clone(&core));
        let mut tasks = JoinSet::new();
        tasks.spawn(lots.run());
        tasks.spawn(lane.run());
        tasks.spawn(Delivery::new(core).run());
        Process {
            door,
            switch,
            tasks,
        }
    }

    /// `kill -9`: every task ends where it stands.
    pub(crate) async fn kill(mut self) {
        self.tasks.shutdown().await;
    }

    /// An orderly end; whether it came within `grace` and as much again.
    pub(crate) async fn stop(&mut self, grace: Duration) -> bool {
        self.switch.drain();
        if tokio::time::timeout(grace, ended(&mut self.tasks))
            .await
            .is_ok()
        {
            return true;
        }
        self.switch.force();
        tokio::time::timeout(grace, ended(&mut self.tasks))
            .await
            .is_ok()
    }
}

async fn ended(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}
