//! Invariant 2: no answer seems younger than it is, whatever the wall clock did.

use super::*;

const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How old the answer is when its process ends.
const AGE: Duration = Duration::from_secs(600);
/// How long no process is there.
const OFF: Duration = Duration::from_secs(1_800);

/// What is set by hand.
struct Clocks {
    clock: Arc<TestClock>,
    machine: Arc<TestMachine>,
}

impl Clocks {
    /// Time goes by, as everybody sees it.
    fn pass(&self, span: Duration) {
        self.clock.advance(span);
        self.machine.set(|machine| {
            machine.uptime += span;
            machine.wall = machine.wall + span;
        });
    }

    fn forward(&self, span: Duration) {
        self.clock.advance(span);
        self.machine
            .set(|machine| machine.wall = machine.wall + span);
    }

    fn back(&self, span: Duration) {
        self.clock.put_back(span);
        self.machine
            .set(|machine| machine.wall = machine.wall - span);
    }

    /// The machine starts anew and has been up for `span`.
    fn reboot(&self, span: Duration) {
        self.machine.set(|machine| {
            machine.boot = Some(Uuid::new_v4());
            machine.uptime = span;
        });
    }

    fn open(&self, directory: &Path) -> Persons {
        let mut settings = settings(directory, &self.clock);
        settings.machine = Arc::clone(&self.machine) as _;
        Persons::open(&settings).unwrap()
    }

    fn now(&self) -> Timestamp {
        engine::ports::Clock::now(&*self.clock)
    }

    /// The age of what lies under `key`, and whether that is a floor.
    async fn age(&self, shelf: &Persons, key: LookupKey) -> (Duration, bool) {
        let found = get(shelf, key).await.expect("it is kept");
        (self.now().since(found.fetched_at), found.age_is_floor)
    }
}

/// A process that put one answer, [`AGE`] ago, and is gone.
async fn left() -> (tempfile::TempDir, Clocks) {
    let directory = world::scratch();
    let clocks = Clocks {
        clock: TestClock::new(),
        machine: TestMachine::new(),
    };
    let shelf = clocks.open(directory.path());
    let mut kept = answer(key(1, 0), "text", START);
    kept.seen_by = vec![(tag(3), START)];
    shelf.put(kept).await.unwrap();
    clocks.pass(AGE);
    shelf.close().await;
    (directory, clocks)
}

type Jump = (&'static str, fn(&Clocks));

const JUMPS: [Jump; 5] = [
    ("none", |_| {}),
    ("an hour ahead", |clocks| clocks.forward(HOUR)),
    ("an hour back", |clocks| clocks.back(HOUR)),
    ("ten years ahead", |clocks| clocks.forward(YEARS)),
    ("ten years back", |clocks| clocks.back(YEARS)),
];

#[tokio::test]
async fn on_the_same_start_of_the_machine_no_jump_changes_an_age() {
    for (name, jump) in JUMPS {
        let (directory, clocks) = left().await;
        clocks.pass(OFF);
        jump(&clocks);
        let shelf = clocks.open(directory.path());
        let age = clocks.age(&shelf, key(1, 0)).await;
        assert_eq!(age, (AGE + OFF, false), "{name}");
        let found = get(&shelf, key(1, 0)).await.unwrap();
        assert_eq!(found.seen_by, [(tag(3), found.fetched_at)], "{name}");
        // Neither all goes at once, nor does it stay for ever.
        let older = |span: Duration| shelf.sweep(clocks.now() - span, 10);
        assert_eq!(older(AGE + OFF).await, Ok(0), "{name}");
        clocks.pass(HOUR);
        let age = clocks.age(&shelf, key(1, 0)).await;
        assert_eq!(age, (AGE + OFF + HOUR, false), "{name}");
        assert_eq!(older(AGE + OFF).await, Ok(1), "{name}");
        shelf.close().await;
    }
}

#[tokio::test]
async fn after_another_start_a_clock_that_follows_is_believed() {
    for up in [Duration::ZERO, OFF] {
        let (directory, clocks) = left().await;
        clocks.pass(OFF);
        clocks.reboot(up);
        let shelf = clocks.open(directory.path());
        let age = clocks.age(&shelf, key(1, 0)).await;
        assert_eq!(age, (AGE + OFF, false));
        shelf.close().await;
    }
}

#[tokio::test]
async fn after_another_start_an_age_that_cannot_be_told_is_a_floor() {
    let up = Duration::from_secs(60);
    for (name, jump) in JUMPS.into_iter().filter(|(name, _)| name.ends_with("back")) {
        let (directory, clocks) = left().await;
        clocks.pass(OFF);
        clocks.reboot(up);
        jump(&clocks);
        let shelf = clocks.open(directory.path());
        let age = clocks.age(&shelf, key(1, 0)).await;
        assert_eq!(age, (AGE + up, true), "{name}: at least since the start");
        let swept = shelf.sweep(clocks.now() - AGE - up, 10).await;
        assert_eq!(swept, Ok(0), "{name}: not all at once");
        let kept = answer(key(2, 0), "later", clocks.now());
        shelf.put(kept).await.unwrap();
        assert!(!clocks.age(&shelf, key(2, 0)).await.1, "{name}");
        shelf.close().await;

        // It stays one, and so does what is put back as one.
        clocks.pass(HOUR);
        let shelf = clocks.open(directory.path());
        let age = clocks.age(&shelf, key(1, 0)).await;
        assert_eq!(age, (AGE + up + HOUR, true), "{name}");
        let age = clocks.age(&shelf, key(2, 0)).await;
        assert_eq!(age, (HOUR, false), "{name}");
        shelf.close().await;
    }
}

/// Off for long or with a wrong clock: what may be past its time is not shown, nor kept.
#[tokio::test]
async fn after_another_start_more_than_thirty_days_later_nothing_is_left() {
    let days = |days: u32| days * 24 * HOUR;
    for (off, is_kept) in [(days(30), true), (days(31), false), (YEARS, false)] {
        let (directory, clocks) = left().await;
        clocks.pass(off);
        clocks.reboot(Duration::from_secs(60));
        let sealed = sealed(directory.path(), key(1, 0));
        let shelf = clocks.open(directory.path());
        assert_eq!(get(&shelf, key(1, 0)).await.is_some(), is_kept, "{off:?}");
        assert_eq!(is_on_disk(directory.path(), &sealed), is_kept, "{off:?}");
        let kept = answer(key(2, 0), "later", clocks.now());
        shelf.put(kept).await.unwrap();
        clocks.pass(HOUR);
        let age = clocks.age(&shelf, key(2, 0)).await;
        assert_eq!(age, (HOUR, false), "{off:?}");
        shelf.close().await;
    }
    // Off on the same start is none: a suspension, or a process that was not there.
    let (directory, clocks) = left().await;
    clocks.pass(days(31));
    let shelf = clocks.open(directory.path());
    let age = clocks.age(&shelf, key(1, 0)).await;
    assert_eq!(age, (AGE + days(31), false));
    shelf.close().await;
}

/// It was up for longer than its clock went on: the clock was put back.
#[tokio::test]
async fn a_clock_that_went_on_by_less_than_the_machine_was_up_is_not_believed() {
    let (directory, clocks) = left().await;
    clocks.pass(OFF);
    clocks.reboot(HOUR);
    let shelf = clocks.open(directory.path());
    let age = clocks.age(&shelf, key(1, 0)).await;
    assert_eq!(age, (AGE + HOUR, true));
    shelf.close().await;
}

#[tokio::test]
async fn a_machine_that_cannot_tell_its_starts_apart_is_taken_for_started_anew() {
    let (directory, clocks) = left().await;
    clocks.pass(OFF);
    clocks.machine.set(|machine| {
        machine.boot = None;
        machine.uptime = Duration::ZERO;
    });
    let shelf = clocks.open(directory.path());
    assert_eq!(clocks.age(&shelf, key(1, 0)).await, (AGE + OFF, false));
    shelf.close().await;
    clocks.pass(OFF);
    clocks
        .machine
        .set(|machine| machine.uptime = Duration::ZERO);
    clocks.back(HOUR);
    let shelf = clocks.open(directory.path());
    assert!(clocks.age(&shelf, key(1, 0)).await.1);
    shelf.close().await;
}

/// A machine without a battery begins in 1970: there is no room for an age before that.
#[tokio::test]
async fn an_instant_before_1970_is_a_floor() {
    let (directory, clocks) = left().await;
    let now = Duration::from_millis(clocks.now().0);
    clocks.back(now);
    let shelf = clocks.open(directory.path());
    let found = get(&shelf, key(1, 0)).await.unwrap();
    assert!(found.age_is_floor && found.seen_by.is_empty());
    shelf.close().await;
}

/// The process is killed: what counts is the last reading it wrote.
#[tokio::test]
async fn the_clocks_are_read_with_every_group_of_writes() {
    let (directory, clocks) = left().await;
    let shelf = clocks.open(directory.path());
    clocks.pass(HOUR);
    shelf
        .put(answer(key(2, 0), "later", clocks.now()))
        .await
        .unwrap();
    let copy = world::scratch();
    for name in [DATABASE, LOG] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    shelf.close().await;
    clocks.reboot(Duration::ZERO);
    clocks.back(2 * HOUR);
    let shelf = clocks.open(copy.path());
    let floor = (AGE + HOUR + Duration::from_millis(1), true);
    assert_eq!(clocks.age(&shelf, key(1, 0)).await, floor);
    shelf.close().await;
}
