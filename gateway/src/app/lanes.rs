//! The lanes of the gateway: one tokio task each for requests, delivery, numbers and look-ups.

use std::sync::Arc;
use std::time::Duration;

use adapters::callbacks::Pusher;
use adapters::sac::{INVIO, LOTS, LOTTO, OPERATIONS, PRESCRIPTIONS, REGISTRY, Sac};
use engine::callbacks::Callbacks;
use engine::calls::Calls;
use engine::core::{Core, Traffic};
use engine::delivery::Delivery;
use engine::lane::read_through::{self, ReadCore, Reader};
use engine::lane::write_behind::{self, Door};
use engine::lots::Lots;
use engine::numbers::Numbers;
use engine::ports::{Clock, Landings, Rng, Signals};
use engine::stop::{Stop, StopSwitch};
use policies::operation::Operation;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Fatal;
use super::in_force::InForce;
use super::kept::Kept;
use crate::policy::Policy;

/// How long the first numbers are waited for. Without them the gateway serves all the same, and
/// refuses prescriptions that bring no number of their own.
const FIRST_NUMBERS_WITHIN: Duration = Duration::from_secs(3);

/// How long a task may take to write down what it was cut short in.
const LET_GO_WITHIN: Duration = Duration::from_secs(5);

/// The lanes, running.
pub(super) struct Lanes {
    /// The way into `sac.prescriptions`.
    pub(super) prescriptions: Door,
    /// The way into `sac.registry`.
    pub(super) persons: Reader,
    /// What governs them.
    pub(super) in_force: Arc<InForce>,
    switch: StopSwitch,
    tasks: JoinSet<()>,
}

/// What lanes are made of.
pub(super) struct Given<'a> {
    pub(super) kept: &'a Kept,
    pub(super) sac: Arc<Sac>,
    /// Who reaches those that events are pushed to, if they are.
    pub(super) pusher: Option<Arc<Pusher>>,
    pub(super) policy: Policy,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) signals: Arc<dyn Signals>,
    pub(super) landings: Arc<dyn Landings>,
    pub(super) alarm: &'a watch::Sender<Option<Fatal>>,
}

/// Chance from the operating system's seed.
struct ThreadRng;

impl Rng for ThreadRng {
    fn unit(&self) -> f64 {
        rand::random()
    }
}

impl Lanes {
    /// Opens every lane, and waits a while for the first numbers.
    pub(super) async fn start(given: Given<'_>) -> Lanes {
        let rng: Arc<dyn Rng> = Arc::new(ThreadRng);
        let (switch, stop) = StopSwitch::new();
        let calls = given.calls(&rng, &stop);
        let in_force = Arc::new(InForce::new(given.policy, calls, given.sac));
        let callbacks = given.pusher.map(|receivers| Callbacks {
            outbox: Arc::clone(&given.kept.entries) as _,
            receivers,
            clock: Arc::clone(given.clock),
            rng: Arc::clone(&rng),
            signals: given.signals,
            rules: in_force.callbacks.clone(),
            stop: stop.clone(),
        });
        let [prescriptions_calls, lots_calls, registry_calls] = &in_force.calls;
        let (persons, look_ups) = read_through::open(ReadCore {
            lane: REGISTRY,
            calls: Arc::clone(registry_calls),
            shelf: Arc::clone(&given.kept.persons) as _,
            landings: given.landings,
            clock: Arc::clone(given.clock),
            rules: in_force.registry.clone(),
            stop: stop.clone(),
        });
        let numbers = Arc::new(Numbers::default());
        let lots = Lots {
            numbers: Arc::clone(&numbers),
            calls: Arc::clone(lots_calls),
            op: LOTTO,
            store: Arc::clone(&given.kept.entries) as _,
            clock: Arc::clone(given.clock),
            rng: Arc::clone(&rng),
            rules: in_force.lots.clone(),
            stop: stop.clone(),
        };
        let core = Arc::new(Core {
            lane: PRESCRIPTIONS,
            write: *operation(INVIO.0),
            started_at: given.clock.now(),
            calls: Arc::clone(prescriptions_calls),
            store: Arc::clone(&given.kept.entries) as _,
            numbers: Arc::clone(&numbers),
            clock: Arc::clone(given.clock),
            rng,
            rules: in_force.prescriptions.clone(),
            stop,
            traffic: Traffic::new(),
        });
        let (prescriptions, lane) = write_behind::open(Arc::clone(&core));
        let mut tasks = JoinSet::new();
        tasks.spawn(watched(lots.run(), given.alarm.clone()));
        tasks.spawn(watched(lane.run(), given.alarm.clone()));
        tasks.spawn(watched(look_ups.run(), given.alarm.clone()));
        tasks.spawn(watched(Delivery::new(core).run(), given.alarm.clone()));
        if let Some(callbacks) = callbacks {
            tasks.spawn(watched(callbacks.run(), given.alarm.clone()));
        }
        await_first(&numbers).await;
        Lanes {
            prescriptions,
            persons,
            in_force,
            switch,
            tasks,
        }
    }

    /// Nothing new begins.
    pub(super) fn drain(&self) {
        self.switch.drain();
    }

    /// Waits until every task has ended, and cuts short what outlasts `drain`.
    pub(super) async fn join(mut self, drain: Duration) {
        self.switch.drain();
        if tokio::time::timeout(drain, all(&mut self.tasks))
            .await
            .is_err()
        {
            tracing::warn!(
                "calls were still in flight when the drain was over; they are uncertain"
            );
        }
        self.switch.force();
        if tokio::time::timeout(LET_GO_WITHIN, all(&mut self.tasks))
            .await
            .is_err()
        {
            tracing::error!("a lane did not end; what it held is uncertain after the next start");
        }
    }
}

/// Raises the alarm if `task` panics: a gateway without one of its lanes must not go on serving.
pub(super) async fn watched(task: impl Future<Output = ()>, alarm: watch::Sender<Option<Fatal>>) {
    struct Watch(watch::Sender<Option<Fatal>>);
    impl Drop for Watch {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.send_replace(Some(Fatal::LaneDied));
            }
        }
    }
    let watch = Watch(alarm);
    task.await;
    drop(watch);
}

async fn all(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(panicked = error.is_panic(), "a lane died");
        }
    }
}

/// Waited for and not done here: a lot asked for in vain is a lot lost.
async fn await_first(numbers: &Numbers) {
    if tokio::time::timeout(FIRST_NUMBERS_WITHIN, numbers.some())
        .await
        .is_err()
    {
        tracing::warn!("serving before the first lot of numbers was received");
    }
}

impl Given<'_> {
    /// The calls of each lane, in the order of [`InForce::calls`].
    fn calls(&self, rng: &Arc<dyn Rng>, stop: &Stop) -> [Arc<Calls>; 3] {
        let lanes = [
            (PRESCRIPTIONS, self.policy.prescriptions_lane()),
            (LOTS, self.policy.lots_lane()),
            (REGISTRY, self.policy.registry_lane()),
        ];
        lanes.map(|(lane, rules)| {
            let rows = OPERATIONS.iter().filter(|row| row.lane == lane).copied();
            let rows: Vec<Operation> = rows.collect();
            Arc::new(Calls::new(
                Arc::clone(&self.sac) as _,
                &rows,
                &rules,
                Arc::clone(self.clock),
                Arc::clone(rng),
                Arc::clone(&self.signals),
                stop.clone(),
            ))
        })
    }
}

fn operation(name: &str) -> &'static Operation {
    let row = OPERATIONS.iter().find(|row| row.op.0 == name);
    row.expect("the adapter's table has every operation it names")
}
