//! A whole lane over a store and an upstream in memory, under paused time.

pub(crate) mod rows;
pub(crate) mod store;
pub(crate) mod upstream;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use engine::calls::Calls;
use engine::core::{Core, Traffic};
use engine::delivery::Delivery;
use engine::door::{Matter, Refusal, Submitted, Write};
use engine::entry::{EntryId, Organization};
use engine::lane::write_behind::{self, Door};
use engine::live::Live;
use engine::lots::Lots;
use engine::numbers::Numbers;
use engine::ports::{Clock, Rng, Unwatched};
use engine::stop::StopSwitch;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::delivery::{Fallback, Uncertain};
use policies::failure::{Code, Opaque};
use policies::family::Role;
use policies::gate::Mode;
use policies::operation::{LaneName, Late, OpName, Operation, Resend, Strategy};
use policies::rules::{
    AuthnAgeRules, FallbackRules, GateRules, LotRules, WatchRules, WriteBehindRules,
};
use policies::state::State;
use policies::time::Timestamp;
use tokio::task::JoinSet;

pub(crate) const SEND: OpName = OpName("send");
pub(crate) const LOOK: OpName = OpName("look");
pub(crate) const LIST: OpName = OpName("list");
pub(crate) const UNDO: OpName = OpName("undo");
pub(crate) const LOT: OpName = OpName("lot");

const LANE: LaneName = LaneName("model.writes");

const fn row(op: OpName, strategy: Strategy, settle_by: &'static [OpName]) -> Operation {
    let (resend, late) = (Resend::Same, Late::Watch);
    Operation {
        op,
        lane: LANE,
        strategy,
        settle_by,
        undo_by: None,
        resend,
        late,
    }
}

const WRITE: Operation = Operation {
    undo_by: Some(UNDO),
    ..row(SEND, Strategy::WriteBehind, &[LOOK, LIST])
};
const OPERATIONS: &[Operation] = &[
    WRITE,
    row(UNDO, Strategy::WriteBehind, &[LOOK]),
    row(LOOK, Strategy::PassThrough, &[]),
    row(LIST, Strategy::PassThrough, &[]),
    row(LOT, Strategy::PassThrough, &[]),
];

/// tokio's paused time.
struct PausedClock(tokio::time::Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000) + self.0.elapsed()
    }
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(span).boxed()
    }
}

struct Middle;

impl Rng for Middle {
    fn unit(&self) -> f64 {
        0.5
    }
}

pub(crate) fn rules() -> (WriteBehindRules, LotRules) {
    let seconds = Duration::from_secs;
    let writes = WriteBehindRules {
        mode: Mode::Auto,
        answer_within: seconds(8),
        entry_deadline: seconds(72 * 3600),
        uncertain: Uncertain::Verify,
        checks_off: Vec::new(),
        fallback: FallbackRules {
            patient_waiting: "red-recipe".to_owned(),
            otherwise: "hold".to_owned(),
            allowed: vec!["red-recipe".to_owned(), "hold".to_owned()],
            paper_within: seconds(2 * 3600),
            legal_basis: None,
        },
        watch: WatchRules {
            look_after: vec![seconds(60), seconds(300)],
            look_after_recovery: seconds(1800),
            horizon: seconds(48 * 3600),
        },
        authn_age_max: AuthnAgeRules {
            send: seconds(72 * 3600),
            annul: seconds(168 * 3600),
            read: seconds(168 * 3600),
        },
        calls: policies::rules::CallRules {
            calls_max: 8,
            calls_min: 2,
            admission: policies::rules::AdmissionKind::Adaptive,
            live_reserve: 2,
            queue_max: 64,
            write_within: seconds(10),
            read_within: seconds(5),
        },
        delivery: policies::rules::DeliveryRules {
            rate_per_second: 100,
            lease_for: seconds(60),
            resend_after: vec![seconds(2), seconds(5)],
            verify_after: vec![seconds(1), seconds(5)],
            jitter_share: 0.0,
            retry_share: 0.1,
            retry_floor_per_second: 10,
        },
        gate: GateRules {
            failures_in_row: 5,
            failure_share: 0.5,
            slow_share: 0.8,
            slow_after: seconds(9),
            window: seconds(10),
            calls_min: 20,
            open_for: seconds(2),
            open_for_max: seconds(60),
            ramp: seconds(5),
        },
    };
    let lots = LotRules {
        mode: Mode::Auto,
        kind: 3,
        low_water: 500,
        block: 100,
        request_within: seconds(30),
        retry_after: vec![seconds(2)],
    };
    (writes, lots)
}

/// Hands writes over as the edge does: under the policy in force when they come.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    door: Door,
    rules: Live<WriteBehindRules>,
}

impl Desk {
    pub(crate) async fn submit(&self, write: Write) -> Result<Submitted, Refusal> {
        let rules = self.rules.load();
        self.door.submit(Write { rules, ..write }).await
    }

    /// The policy may be replaced while the request is read.
    pub(crate) async fn submit_read_for(
        &self,
        write: Write,
        span: Duration,
    ) -> Result<Submitted, Refusal> {
        let rules = self.rules.load();
        tokio::time::sleep(span).await;
        self.door.submit(Write { rules, ..write }).await
    }
}

impl Deref for Desk {
    type Target = Door;
    fn deref(&self) -> &Door {
        &self.door
    }
}

pub(crate) struct Rig {
    pub store: Arc<store::ModelStore>,
    pub upstream: Arc<upstream::ModelUpstream>,
    pub door: Desk,
    pub(crate) calls: Arc<Calls>,
    pub clock: Arc<dyn Clock>,
    pub(crate) numbers: Arc<Numbers>,
    switch: StopSwitch,
    tasks: JoinSet<()>,
}

impl Rig {
    pub(crate) async fn start() -> Rig {
        Rig::start_under(|_| {}).await
    }

    /// Under rules that `edit` has changed.
    pub(crate) async fn start_under(edit: impl FnOnce(&mut WriteBehindRules)) -> Rig {
        let (mut writes, lots) = rules();
        edit(&mut writes);
        Rig::start_with((writes, lots)).await
    }

    pub(crate) async fn start_with((rules, lot_rules): (WriteBehindRules, LotRules)) -> Rig {
        let clock: Arc<dyn Clock> = Arc::new(PausedClock(tokio::time::Instant::now()));
        let rng: Arc<dyn Rng> = Arc::new(Middle);
        let store = Arc::new(store::ModelStore::new(Arc::clone(&clock)));
        let upstream = Arc::new(upstream::ModelUpstream::new(Arc::clone(&clock)));
        let (switch, stop) = StopSwitch::new();
        let calls = Arc::new(Calls::new(
            Arc::clone(&upstream) as _,
            OPERATIONS,
            &rules.lane(),
            Arc::clone(&clock),
            Arc::clone(&rng),
            Arc::new(Unwatched),
            stop.clone(),
        ));
        let live = Live::new(rules);
        let numbers = Arc::new(Numbers::default());
        let lots = Lots {
            numbers: Arc::clone(&numbers),
            calls: Arc::clone(&calls),
            op: LOT,
            store: Arc::clone(&store) as _,
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            rules: Live::new(lot_rules),
            stop: stop.clone(),
        };
        let core = Arc::new(Core {
            lane: LANE,
            write: WRITE,
            started_at: clock.now(),
            calls: Arc::clone(&calls),
            store: Arc::clone(&store) as _,
            numbers: Arc::clone(&numbers),
            clock: Arc::clone(&clock),
            rng,
            traffic: Traffic::new(),
            rules: live.clone(),
            stop,
        });
        let (door, lane) = write_behind::open(Arc::clone(&core));
        let door = Desk { door, rules: live };
        let mut tasks = JoinSet::new();
        tasks.spawn(lots.run());
        numbers.some().await;
        tasks.spawn(lane.run());
        tasks.spawn(Delivery::new(core).run());
        Rig {
            store,
            upstream,
            door,
            calls,
            clock,
            numbers,
            switch,
            tasks,
        }
    }

    /// Puts `rules` in force: for gates and calls, for delivery, and for writes that come from now on.
    /// Sets the mode of the lane's gates, and of nothing else.
    pub(crate) fn set_mode(&self, mode: Mode) {
        let mut rules = WriteBehindRules::clone(&self.door.rules.load());
        rules.mode = mode;
        self.calls.adopt(&rules.lane());
    }

    pub(crate) fn adopt(&self, rules: &Arc<WriteBehindRules>) {
        self.calls.adopt(&rules.lane());
        self.door.rules.replace(Arc::clone(rules));
    }

    pub(crate) fn write(key: &str) -> Write {
        let matter = Matter::New {
            payload: Opaque(key.as_bytes().to_vec()),
            person: None,
            own_number: None,
            fallback: Fallback::Hold,
            annul_consent: false,
        };
        Write {
            organization: Organization("practice-a".to_owned()),
            key: key.to_owned(),
            fingerprint: Opaque(key.as_bytes().to_vec()),
            identity: Opaque(b"doctor".to_vec()),
            authority: Opaque(b"authenticated at eight".to_vec()),
            resumes: true,
            matter,
            wait_max: None,
            trace: None,
            audit: Opaque::default(),
            reply_to: None,
            rules: Arc::new(rules().0),
        }
    }

    /// A prescription whose patient waits at the desk.
    pub(crate) fn at_the_desk(key: &str, annul_consent: bool) -> Write {
        let matter = Matter::New {
            payload: Opaque(key.as_bytes().to_vec()),
            person: None,
            own_number: None,
            fallback: Fallback::RedRecipe,
            annul_consent,
        };
        Write {
            matter,
            ..Rig::write(key)
        }
    }

    /// What is written about a prescription that is on disk.
    pub(crate) fn about(key: &str, parent: EntryId, role: Role) -> Write {
        let payload = Opaque(key.as_bytes().to_vec());
        Write {
            matter: Matter::About {
                parent,
                role,
                payload,
            },
            ..Rig::write(key)
        }
    }

    pub(crate) async fn submit(&self, key: &str) -> Result<Submitted, Refusal> {
        self.door.submit(Rig::write(key)).await
    }

    pub(crate) fn state(&self, id: EntryId) -> State {
        self.store.disk().row(id).state
    }

    /// Where a prescription stands, and why.
    pub(crate) fn stands(&self, id: EntryId) -> (State, Option<Code>) {
        let disk = self.store.disk();
        let row = disk.row(id);
        (row.state, row.reason)
    }

    /// Where the watches over its numbers stand, the oldest first.
    pub(crate) fn watches(&self, id: EntryId) -> Vec<State> {
        let disk = self.store.disk();
        disk.rows.watches(id).map(|watch| watch.state).collect()
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) async fn cancel(&self, key: &str, parent: EntryId) -> Result<Submitted, Refusal> {
        let write = Rig::about(key, parent, Role::Cancel);
        self.door.submit(write).await
    }

    /// Waits, in paused time, until the entry stands there.
    pub(crate) async fn until(&self, id: EntryId, state: State) {
        for _ in 0..100_000 {
            if self.state(id) == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("still {:?}, not {state:?}", self.state(id));
    }

    /// Stops as a shutdown does: drains for `grace`, then cuts short.
    pub(crate) async fn stop(&mut self, grace: Duration) {
        self.switch.drain();
        let drained = tokio::time::timeout(grace, async {
            while self.tasks.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            self.switch.force();
            while self.tasks.join_next().await.is_some() {}
        }
    }
}
