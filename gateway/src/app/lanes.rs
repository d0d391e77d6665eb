//! The lanes of the gateway: one tokio task each for requests, delivery, numbers and look-ups.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapters::sac::{INVIO, LOTS, LOTTO, OPERATIONS, PRESCRIPTIONS, REGISTRY, Sac};
use engine::calls::Calls;
use engine::core::{Core, Traffic};
use engine::delivery::Delivery;
use engine::lane::read_through::{self, ReadCore, Reader};
use engine::lane::write_behind::{self, Door};
use engine::live::Live;
use engine::lots::Lots;
use engine::numbers::Numbers;
use engine::ports::{Clock, Rng, Shelf, Signals, Store};
use engine::stop::{Stop, StopSwitch};
use policies::operation::{LaneName, Operation};
use policies::rules::{LaneRules, LotRules, RegistryRules, WriteBehindRules};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Fatal;
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
    /// The calls of each lane.
    pub(super) calls: [Arc<Calls>; 3],
    /// The policy in force, for the edge to load.
    pub(super) policy: Live<Policy>,
    rules: Live<WriteBehindRules>,
    lot_rules: Live<LotRules>,
    registry_rules: Live<RegistryRules>,
    /// One generation is put in force at a time.
    adopting: Mutex<()>,
    sac: Arc<Sac>,
    switch: StopSwitch,
    tasks: JoinSet<()>,
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
    pub(super) async fn start(
        store: Arc<dyn Store>,
        shelf: Arc<dyn Shelf>,
        sac: Arc<Sac>,
        policy: Policy,
        clock: &Arc<dyn Clock>,
        signals: &Arc<dyn Signals>,
        alarm: &watch::Sender<Option<Fatal>>,
    ) -> Lanes {
        let rng: Arc<dyn Rng> = Arc::new(ThreadRng);
        let (switch, stop) = StopSwitch::new();
        let lanes = [
            (PRESCRIPTIONS, policy.prescriptions_lane()),
            (LOTS, policy.lots_lane()),
            (REGISTRY, policy.registry_lane()),
        ];
        let [prescriptions_calls, lots_calls, registry_calls] = lanes.map(|(lane, rules)| {
            let signals = Arc::clone(signals);
            Arc::new(calls(lane, &sac, &rules, clock, &rng, signals, &stop))
        });
        let rules = Live::from(Arc::clone(&policy.prescriptions));
        let lot_rules = Live::from(Arc::clone(&policy.lots));
        let registry_rules = Live::from(Arc::clone(&policy.registry));
        let (persons, look_ups) = read_through::open(ReadCore {
            lane: REGISTRY,
            calls: Arc::clone(&registry_calls),
            shelf,
            clock: Arc::clone(clock),
            rules: registry_rules.clone(),
            stop: stop.clone(),
        });
        let numbers = Arc::new(Numbers::default());
        let lots = Lots {
            numbers: Arc::clone(&numbers),
            calls: Arc::clone(&lots_calls),
            op: LOTTO,
            store: Arc::clone(&store),
            clock: Arc::clone(clock),
            rng: Arc::clone(&rng),
            rules: lot_rules.clone(),
            stop: stop.clone(),
        };
        let core = Arc::new(Core {
            lane: PRESCRIPTIONS,
            write: *operation(INVIO.0),
            started_at: clock.now(),
            calls: Arc::clone(&prescriptions_calls),
            store,
            numbers: Arc::clone(&numbers),
            clock: Arc::clone(clock),
            rng,
            rules: rules.clone(),
            stop: stop.clone(),
            traffic: Traffic::new(),
        });
        let (prescriptions, lane) = write_behind::open(Arc::clone(&core));
        let mut tasks = JoinSet::new();
        tasks.spawn(watched(lots.run(), alarm.clone()));
        tasks.spawn(watched(lane.run(), alarm.clone()));
        tasks.spawn(watched(look_ups.run(), alarm.clone()));
        tasks.spawn(watched(Delivery::new(core).run(), alarm.clone()));
        // Waited for and not done here: a lot asked for in vain is a lot lost.
        if tokio::time::timeout(FIRST_NUMBERS_WITHIN, numbers.some())
            .await
            .is_err()
        {
            tracing::warn!("serving before the first lot of numbers was received");
        }
        Lanes {
            prescriptions,
            persons,
            policy: Live::new(policy),
            rules,
            lot_rules,
            registry_rules,
            adopting: Mutex::new(()),
            sac,
            calls: [prescriptions_calls, lots_calls, registry_calls],
            switch,
            tasks,
        }
    }

    /// Puts `policy` in force everywhere: for requests that come from now on, for the next attempt of
    /// what is on disk, and for every gate. What is under way goes on by the policy it began under.
    pub(super) fn adopt(&self, policy: &Arc<Policy>) {
        let _one_at_a_time = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        let [prescriptions, lots, registry] = &self.calls;
        prescriptions.adopt(&policy.prescriptions_lane());
        lots.adopt(&policy.lots_lane());
        registry.adopt(&policy.registry_lane());
        self.sac.adopt(policy.authn_age_max());
        self.rules.replace(Arc::clone(&policy.prescriptions));
        self.lot_rules.replace(Arc::clone(&policy.lots));
        self.registry_rules.replace(Arc::clone(&policy.registry));
        self.policy.replace(Arc::clone(policy));
        tracing::info!(policy.number, "a policy was put in force");
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

fn calls(
    lane: LaneName,
    sac: &Arc<Sac>,
    rules: &LaneRules,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
    signals: Arc<dyn Signals>,
    stop: &Stop,
) -> Calls {
    let rows: Vec<Operation> = OPERATIONS
        .iter()
        .filter(|row| row.lane == lane)
        .copied()
        .collect();
    let (upstream, clock, rng) = (Arc::clone(sac) as _, Arc::clone(clock), Arc::clone(rng));
    Calls::new(upstream, &rows, rules, clock, rng, signals, stop.clone())
}

fn operation(name: &str) -> &'static Operation {
    let row = OPERATIONS.iter().find(|row| row.op.0 == name);
    row.expect("the adapter's table has every operation it names")
}
