//! The real engine through thousands of bad days, each drawn from one seed: processes that die in
//! mid-write, disks that forget what was not synced, upstreams that lose, delay and half answer.
//! Then faults end, everything must be settled, and nothing that was told may have been a lie.
//!
//! `ARGINE_SIMULATION_SEEDS=n` lives through seeds 1 to n (`make simulate SEEDS=n`);
//! `ARGINE_SIMULATION_SEED=s` through `s` alone, telling every event. Seeds that failed once are
//! kept in `tests/seeds.txt` and come first.

mod asks;
mod callers;
mod chance;
mod disk;
mod journal;
mod kill;
mod logins;
mod operations;
mod options;
mod oracle;
mod payload;
mod process;
mod rows;
mod upstream;
mod witness;
mod world;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use world::{Ending, World};

/// Seeds lived through where nothing else is said.
const SEEDS: u64 = 2_000;

thread_local! {
    /// Whether anything panicked under this seed, caught by a task or not.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Lives through one seed, on a thread's own runtime in paused time.
fn live(seed: u64, told: bool) -> Ending {
    PANICKED.set(false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets needs nothing");
    let lived = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(World::live(seed, told))
    }));
    let mut ending = lived.unwrap_or_else(|_| Ending {
        digest: 0,
        events: 0,
        entries: 0,
        lies: Vec::new(),
    });
    if PANICKED.get() {
        ending.lies.push("a task panicked".to_owned());
    }
    ending
}

fn watch_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICKED.set(true);
        usual(panic);
    }));
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a seed is a whole number"))
}

fn kept_seeds() -> impl Iterator<Item = u64> {
    let lines = include_str!("../seeds.txt").lines();
    let seeds = lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    seeds.map(|line| {
        let seed = line.split_whitespace().next().unwrap_or_default();
        seed.parse()
            .expect("a line of seeds.txt begins with a seed")
    })
}

/// What came of many seeds.
#[derive(Default)]
struct Sum {
    passed: u64,
    failed: Vec<u64>,
    entries: u64,
    events: u64,
}

impl Sum {
    fn add(&mut self, seed: u64, ending: &Ending) {
        self.entries += ending.entries;
        self.events += ending.events;
        if ending.lies.is_empty() {
            self.passed += 1;
            return;
        }
        println!("seed {seed} failed; repeat it with ARGINE_SIMULATION_SEED={seed}");
        ending.lies.iter().for_each(|lie| println!("    {lie}"));
        self.failed.push(seed);
    }
}

/// Lives through `seeds`, each on one thread from its beginning to its end.
fn live_all(seeds: &[u64], told: bool) -> Sum {
    let (next, sum) = (AtomicUsize::new(0), Mutex::new(Sum::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(seeds.len()) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ending = live(*seed, told);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.add(*seed, &ending);
                }
            });
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn nothing_is_lost_doubled_or_lied_about_under_any_seed() {
    watch_panics();
    let alone = number("ARGINE_SIMULATION_SEED");
    let count = number("ARGINE_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let seeds: Vec<u64> = match alone {
        Some(seed) => vec![seed],
        None => kept_seeds().chain(1..=count).collect(),
    };
    let mut sum = live_all(&seeds, alone.is_some());
    sum.failed.sort_unstable();
    println!("{} entries, {} events", sum.entries, sum.events);
    println!("{} passed, {} failed", sum.passed, sum.failed.len());
    assert!(
        sum.failed.is_empty(),
        "keep these in tests/seeds.txt: {:?}",
        sum.failed
    );
}

#[test]
fn the_same_seed_twice_is_the_same_day() {
    for seed in 1..=25 {
        let [once, twice] = [live(seed, false), live(seed, false)];
        assert!(once.events > 20, "seed {seed} shows nothing");
        assert_eq!(
            (once.digest, once.events),
            (twice.digest, twice.events),
            "seed {seed} is not repeatable"
        );
    }
}
