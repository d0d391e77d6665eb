//! A morning compressed into a minute: practices prescribe, the SAC fails twice, nothing is lost.
//!
//! `demo --duration 60s` ends by itself, with a summary in `target/demo/summary.json` and exit code
//! 1 if a promise was broken. Without it the gateway stays up after the morning, for a newcomer to
//! try.

#![expect(clippy::disallowed_methods, reason = "a demo has a clock on the wall")]

mod invitation;
mod morning;
mod summary;
mod traffic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::world::caller::Caller;
use tests::world::{Setup, World};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use morning::{Morning, Spell};
use traffic::Log;

/// The morning, where nobody says how long it should take.
const MORNING: Duration = Duration::from_secs(60);
/// The shortest that still shows something.
const MORNING_MIN: Duration = Duration::from_secs(20);
/// How long after the surgeries close what waits may take to be registered.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// Durations of the region, divided.
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/policy.toml");
/// Share of the answers that are lost in that spell.
const LOST_SHARE: f64 = 0.3;

#[tokio::main]
async fn main() -> ExitCode {
    let duration = match duration(std::env::args().skip(1)) {
        Ok(duration) => duration,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(64);
        }
    };
    let directory = directory();
    std::fs::create_dir_all(&directory).expect("target/demo can be made");
    println!("Starting a simulated SAC and the gateway; certificates are minted afresh.");
    let world = World::with(Setup::default().config("policies.file", POLICY)).await;
    invitation::print(&world, &directory);
    // Whoever ends first takes the world along: the gateway is a child of this process.
    tokio::select! {
        code = play(&world, &directory, duration) => code,
        () = invitation::keep_token_fresh(&world, &directory) => ExitCode::FAILURE,
        () = interrupted() => ExitCode::from(130),
    }
}

async fn play(world: &World, directory: &Path, duration: Option<Duration>) -> ExitCode {
    let morning = Morning {
        whole: duration.unwrap_or(MORNING),
    };
    let summary = go_through(world, morning).await;
    let path = directory.join("summary.json");
    let text = serde_json::to_string_pretty(&summary).expect("a summary is JSON");
    std::fs::write(&path, format!("{text}\n")).expect("the summary can be written");
    println!("\n{text}\n\nwritten to {}", path.display());
    let broken = summary::broken_promises(&summary);
    broken
        .iter()
        .for_each(|promise| println!("BROKEN: {promise}"));
    if duration.is_none() {
        println!("\nThe gateway stays up; the commands above work. Ctrl-C ends it.");
        std::future::pending::<()>().await;
    }
    if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Ctrl-C, or a polite request to end.
async fn interrupted() {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be heard");
    tokio::select! {
        ended = tokio::signal::ctrl_c() => drop(ended),
        _ = terminate.recv() => {}
    }
}

/// `--duration 60s`, or nothing.
fn duration(mut arguments: impl Iterator<Item = String>) -> Result<Option<Duration>, String> {
    let usage = format!(
        "usage: demo [--duration SECONDSs], at least {}s",
        MORNING_MIN.as_secs()
    );
    match (
        arguments.next().as_deref(),
        arguments.next(),
        arguments.next(),
    ) {
        (None, ..) => Ok(None),
        (Some("--duration"), Some(text), None) => policies::duration::parse(&text)
            .ok()
            .filter(|duration| *duration >= MORNING_MIN)
            .map(Some)
            .ok_or(usage),
        _ => Err(usage),
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("target")
        .join("demo")
}

/// Prescribes through the morning, waits for what is left, and draws up the account.
async fn go_through(world: &World, morning: Morning) -> Value {
    let practices = vec![world.caller("practice-a"), world.caller("practice-b")];
    let log = Log::default();
    let began = Instant::now();
    let prescribing = tokio::spawn(traffic::prescribe(
        practices.clone(),
        morning,
        began,
        log.clone(),
    ));
    let mut spell = Spell::Well;
    let mut told_at = Duration::ZERO;
    while !prescribing.is_finished() || began.elapsed() < morning.whole {
        let now = morning.spell(began.elapsed());
        if now != spell {
            world.faults(faults(now));
            spell = now;
        }
        if began.elapsed() >= told_at {
            told_at += Duration::from_secs(1);
            tell(world, morning, began.elapsed(), &log);
        }
        sleep(Duration::from_millis(50)).await;
    }
    world.recover();
    let standings = drain(world, &practices, &log, morning, began).await;
    summary::draw(&log.all(), &standings, &world.book())
}

/// What the SAC does in a spell: in the outage some calls hang and the rest meet a dead front end,
/// until after a while nobody listens at all.
fn faults(spell: Spell) -> Vec<Rule> {
    match spell {
        Spell::Well | Spell::Closing => Vec::new(),
        Spell::Outage => vec![Rule::everywhere(Fault::Refuse)],
        Spell::AnswersLost => vec![Rule::everywhere(Fault::LostAnswer).share(LOST_SHARE)],
    }
}

fn tell(world: &World, morning: Morning, elapsed: Duration, log: &Log) {
    let offered = log.all();
    let accepted = offered.iter().filter(|one| one.id.is_some()).count();
    let registered = world.book().prescriptions.len();
    println!(
        "{}  {:<16}  offered {:>5}  accepted {accepted:>5}  in the SAC's book {registered:>5}",
        morning.clock(elapsed),
        morning.spell(elapsed).as_str(),
        offered.len(),
    );
}

/// Waits until every accepted prescription has come to rest.
async fn drain(
    world: &World,
    practices: &[Caller],
    log: &Log,
    morning: Morning,
    began: Instant,
) -> std::collections::BTreeMap<String, summary::Standing> {
    let until = Instant::now() + DRAIN_MAX;
    loop {
        let standings = summary::ask(practices, &log.all()).await;
        if standings.values().all(|standing| !standing.moves()) || Instant::now() >= until {
            return standings;
        }
        tell(world, morning, began.elapsed(), log);
        sleep(Duration::from_secs(1)).await;
    }
}
