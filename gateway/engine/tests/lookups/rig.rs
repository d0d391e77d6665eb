//! A read-through lane over a shelf and a source in memory, under paused time.

pub(crate) mod shelf;
pub(crate) mod source;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::calls::Calls;
use engine::entry::Organization;
use engine::lane::read_through::{self, ReadCore, Reader};
use engine::live::Live;
use engine::lookup::{Asker, Known, Looked, Lookup, LookupKey, LookupRefusal, Tag, Way};
use engine::ports::{Clock, Found, Landings, Rng, Signals};
use engine::stop::StopSwitch;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::failure::Opaque;
use policies::gate::Mode;
use policies::operation::{LaneName, Late, OpName, Operation, Resend, Strategy};
use policies::rules::{
    AdmissionKind, CacheRules, CallerRules, FreshnessRules, GateRules, ReadCallRules, RegistryRules,
};
use policies::state::State;
use policies::time::Timestamp;
use tokio::task::JoinSet;
use tracing::Span;

use shelf::ModelShelf;
use source::Source;

pub(crate) const FIND: OpName = OpName("find");
const LANE: LaneName = LaneName("model.reads");
const OPERATIONS: &[Operation] = &[Operation {
    op: FIND,
    lane: LANE,
    strategy: Strategy::ReadThrough,
    settle_by: &[],
    undo_by: None,
    resend: Resend::Never,
    late: Late::None,
}];

/// tokio's paused time: it moves only when everybody waits.
pub(crate) struct PausedClock(tokio::time::Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000_000) + self.0.elapsed()
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

/// The words that look-ups ended with.
#[derive(Default)]
pub(crate) struct Words(Mutex<Vec<&'static str>>);

impl Words {
    pub(crate) fn count(&self, word: &str) -> usize {
        let words = self.0.lock().expect("no test panics under this lock");
        words.iter().filter(|said| **said == word).count()
    }

    pub(crate) fn all(&self) -> usize {
        self.0.lock().expect("no test panics under this lock").len()
    }
}

/// What has landed: for whom, of whom, and whether the source knows them.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<(Organization, LookupKey, Found)>>);

impl Heard {
    pub(crate) fn all(&self) -> Vec<(Organization, LookupKey, Found)> {
        let heard = self.0.lock().expect("no test panics under this lock");
        heard.clone()
    }
}

impl Landings for Heard {
    fn landed(&self, organization: &Organization, key: LookupKey, found: Found) {
        let mut heard = self.0.lock().expect("no test panics under this lock");
        heard.push((organization.clone(), key, found));
    }
}

impl Signals for Words {
    fn attempt(&self, _: LaneName, _: OpName, _: Option<&str>) -> Span {
        Span::none()
    }
    fn call(&self, _: OpName) -> Span {
        Span::none()
    }
    fn called(&self, _: &Span, _: LaneName, _: OpName, _: &'static str, _: Duration) {}
    fn looked_up(&self, _: LaneName, _: OpName, result: &'static str) {
        self.0
            .lock()
            .expect("no test panics under this lock")
            .push(result);
    }
    fn accepted(&self, _: LaneName, _: OpName) {}
    fn settled(&self, _: LaneName, _: OpName, _: State) {}
    fn pushed(&self, _: &'static str) {}
}

pub(crate) fn rules() -> RegistryRules {
    let seconds = Duration::from_secs;
    RegistryRules {
        mode: Mode::Auto,
        answer_within: seconds(3),
        authn_age_max: seconds(72 * 3600),
        freshness: FreshnessRules {
            fresh_for: seconds(900),
            stale_for: seconds(7 * 86_400),
            negative_for: seconds(60),
            relation_for: seconds(90 * 86_400),
        },
        cache: CacheRules {
            memory_bytes_max: 16 << 20,
            negative_max: 1_000,
            seen_by_max: 4,
            sweep_every: seconds(3_600),
        },
        callers: CallerRules {
            misses_per_minute: 600,
            misses_burst: 100,
            loads_max: 100,
            callers_max: 10_000,
        },
        calls: ReadCallRules {
            calls_max: 32,
            calls_min: 4,
            admission: AdmissionKind::Fixed,
            queue_max: 2_048,
            read_within: seconds(5),
        },
        gate: GateRules {
            failures_in_row: 5,
            failure_share: 0.5,
            slow_share: 0.8,
            slow_after: seconds(30),
            window: seconds(10),
            calls_min: 2_000,
            open_for: seconds(2),
            open_for_max: seconds(60),
            ramp: seconds(1),
        },
    }
}

pub(crate) const STALE: Duration = Duration::from_secs(1_000);

/// Who asks: `n` is the caller, and by default has no relation to anybody.
pub(crate) fn stranger(n: u64) -> Asker {
    Asker {
        caller: tag(1, n),
        organization: Organization(n.to_string()),
        tags: Vec::new(),
        lent: Vec::new(),
        is_remembered: true,
        breaks_glass: false,
    }
}

/// A caller who has proved to be the doctor `doctor`.
pub(crate) fn doctor(n: u64, doctor: u64) -> Asker {
    Asker {
        tags: vec![tag(2, 999), tag(2, doctor)],
        ..stranger(n)
    }
}

/// A caller who stands in for the doctor `doctor`.
pub(crate) fn substitute(n: u64, doctor: u64) -> Asker {
    Asker {
        lent: vec![tag(2, doctor)],
        ..stranger(n)
    }
}

pub(crate) fn breaking_glass(n: u64) -> Asker {
    Asker {
        breaks_glass: true,
        ..stranger(n)
    }
}

pub(crate) fn tag(kind: u8, n: u64) -> Tag {
    let mut digest = [kind; 16];
    digest[8..].copy_from_slice(&n.to_be_bytes());
    Tag(digest)
}

pub(crate) fn key(person: u64) -> LookupKey {
    LookupKey {
        person: tag(7, person).0,
        question: tag(8, person).0,
    }
}

pub(crate) struct Rig {
    pub(crate) source: Arc<Source>,
    pub(crate) shelf: Arc<ModelShelf>,
    pub(crate) reader: Reader,
    pub(crate) calls: Arc<Calls>,
    pub(crate) rules: Live<RegistryRules>,
    pub(crate) words: Arc<Words>,
    pub(crate) heard: Arc<Heard>,
    pub(crate) switch: StopSwitch,
    clock: Arc<dyn Clock>,
    tasks: JoinSet<()>,
}

impl Rig {
    pub(crate) fn start() -> Rig {
        Rig::start_under(|_| {})
    }

    /// Under rules that `edit` has changed.
    pub(crate) fn start_under(edit: impl FnOnce(&mut RegistryRules)) -> Rig {
        let clock: Arc<dyn Clock> = Arc::new(PausedClock(tokio::time::Instant::now()));
        let shelf = Arc::new(ModelShelf::default());
        Rig::over(clock, shelf, edit)
    }

    /// A new process over the shelf of this one.
    pub(crate) fn restart(&self) -> Rig {
        Rig::over(Arc::clone(&self.clock), Arc::clone(&self.shelf), |_| {})
    }

    fn over(
        clock: Arc<dyn Clock>,
        shelf: Arc<ModelShelf>,
        edit: impl FnOnce(&mut RegistryRules),
    ) -> Rig {
        let mut rules = rules();
        edit(&mut rules);
        let source = Arc::new(Source::new(Arc::clone(&clock)));
        let (switch, stop) = StopSwitch::new();
        let words = Arc::new(Words::default());
        let heard = Arc::new(Heard::default());
        let calls = Arc::new(Calls::new(
            Arc::clone(&source) as _,
            OPERATIONS,
            &rules.lane(),
            Arc::clone(&clock),
            Arc::new(Middle),
            Arc::clone(&words) as _,
            stop.clone(),
        ));
        let rules = Live::new(rules);
        let (reader, lane) = read_through::open(ReadCore {
            lane: LANE,
            calls: Arc::clone(&calls),
            shelf: Arc::clone(&shelf) as _,
            landings: Arc::clone(&heard) as _,
            clock: Arc::clone(&clock),
            rules: rules.clone(),
            stop,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(lane.run());
        Rig {
            source,
            shelf,
            reader,
            calls,
            rules,
            words,
            heard,
            switch,
            clock,
            tasks,
        }
    }

    pub(crate) fn edit(&self, edit: impl FnOnce(&mut RegistryRules)) {
        let mut rules = RegistryRules::clone(&self.rules.load());
        edit(&mut rules);
        self.rules.replace(Arc::new(rules));
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets the mode of the gates, as long as no other rules are adopted.
    pub(crate) fn set_mode(&self, mode: Mode) {
        let rules = RegistryRules {
            mode,
            ..RegistryRules::clone(&self.rules.load())
        };
        self.calls.adopt(&rules.lane());
    }

    /// What memory has for `asker` at once.
    pub(crate) fn hit(&self, person: u64, asker: &Asker) -> Option<Known> {
        self.reader
            .hit(FIND, key(person), asker, &self.rules.load())
    }

    /// A look-up as the edge makes it, past the synchronous hit.
    pub(crate) fn lookup(&self, person: u64, asker: Asker) -> Lookup {
        Lookup {
            op: FIND,
            key: key(person),
            authority: Opaque(asker.caller.0.to_vec()),
            asker,
            rules: self.rules.load(),
            payload: Opaque(person.to_be_bytes().to_vec()),
            wait_max: None,
            trace: None,
        }
    }

    /// Asks as the edge does: what memory has at once, else the lane.
    pub(crate) async fn ask(&self, person: u64, asker: Asker) -> Result<Looked, LookupRefusal> {
        match self.hit(person, &asker) {
            Some(known) => Ok(Looked::Known(known)),
            None => self.reader.lookup(self.lookup(person, asker)).await,
        }
    }

    /// Asks in the background.
    pub(crate) fn asking(&self, person: u64, asker: Asker) -> Asking {
        let (reader, lookup) = (self.reader.clone(), self.lookup(person, asker));
        tokio::spawn(async move { reader.lookup(lookup).await })
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    /// Lets everybody do what can be done without time passing.
    pub(crate) async fn settle(&self) {
        self.pass(Duration::from_millis(1)).await;
    }

    /// Whether the lane dies within `grace`.
    pub(crate) async fn dies(&mut self, grace: Duration) -> bool {
        let ended = tokio::time::timeout(grace, self.tasks.join_next()).await;
        matches!(ended, Ok(Some(Err(error))) if error.is_panic())
    }

    /// Waits for the lane to end; false if it has not within `grace`.
    pub(crate) async fn ended(&mut self, grace: Duration) -> bool {
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(grace, ended).await.is_ok()
    }
}

pub(crate) type Asking = tokio::task::JoinHandle<Result<Looked, LookupRefusal>>;

/// The answer, which must be one.
pub(crate) fn known(result: Result<Looked, LookupRefusal>) -> Known {
    match result {
        Ok(Looked::Known(known)) => known,
        other => panic!("not an answer: {other:?}"),
    }
}

/// How an answer was come by.
pub(crate) fn way(result: Result<Looked, LookupRefusal>) -> Way {
    known(result).way
}

pub(crate) fn is_absent(result: &Result<Looked, LookupRefusal>) -> bool {
    matches!(result, Ok(Looked::Absent(_)))
}

pub(crate) fn is_denied(result: &Result<Looked, LookupRefusal>) -> bool {
    matches!(result, Err(LookupRefusal::Denied(_)))
}
