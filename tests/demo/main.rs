//! A morning compressed into a minute: practices prescribe, patients wait at the desk, the SAC fails
//! in three ways, and nothing is lost, or done twice without a doctor knowing.
//!
//! `demo --duration 60s` ends by itself, with a summary in `target/demo/summary.json` and exit code
//! 1 if a promise was broken. Without it the gateway stays up after the morning, for a newcomer to
//! try.

#![expect(clippy::disallowed_methods, reason = "a demo has a clock on the wall")]

mod doubles;
mod inbox;
mod invitation;
mod log;
mod morning;
mod pharmacy;
mod standing;
mod story;
mod summary;
mod traffic;
mod visit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::world::caller::Caller;
use tests::world::{Setup, World};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::sleep;

use inbox::{Inbox, Read};
use log::Log;
use morning::{Morning, Spell};
use pharmacy::Pharmacy;
use standing::{Standing, Standings};
use story::Story;

/// The morning, where nobody says how long it should take.
const MORNING: Duration = Duration::from_secs(60);
/// The shortest that still shows something.
const MORNING_MIN: Duration = Duration::from_secs(20);
/// How long after the surgeries close what waits, and what is looked after, may take to come to rest.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// Durations of the region, divided.
const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/policies");
/// How often the world is looked at.
const TICK: Duration = Duration::from_millis(50);

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
    let world = World::with(Setup::default().config("policies.directory", POLICIES)).await;
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
    let inboxes: Vec<Inbox> = practices.iter().cloned().map(Inbox::of).collect();
    let reading = inboxes.iter().cloned().map(Inbox::keep_reading);
    let reading: JoinSet<()> = reading.collect();
    let log = Log::default();
    let began = Instant::now();
    let traffic = traffic::prescribe(practices.clone(), morning, began, log.clone());
    let prescribing = tokio::spawn(traffic);
    let mut story = Story::of(morning);
    let mut pharmacy = Pharmacy::default();
    let mut spell = Spell::Well;
    while !prescribing.is_finished() || began.elapsed() < morning.whole {
        let now = morning.spell(began.elapsed());
        if now != spell {
            world.faults(now.faults());
            spell = now;
        }
        pharmacy.serve(world, &log);
        story.tell(world, began.elapsed(), &log, &inboxes);
        sleep(TICK).await;
    }
    prescribing.await.expect("no visit panics");
    world.recover();
    let tell = || story.tell(world, began.elapsed(), &log, &inboxes);
    let standings = drain(&practices, &log, tell).await;
    drop(reading);
    for inbox in &inboxes {
        inbox.read().await;
    }
    summary::draw(&log.all(), &standings, &Read::all(&inboxes), &world.book())
}

/// Waits until every prescription has come to rest and no number is looked for any more.
async fn drain(practices: &[Caller], log: &Log, mut tell: impl FnMut()) -> Standings {
    let until = Instant::now() + DRAIN_MAX;
    let log = log.all();
    let mut standings = standing::ask(practices, &log, |_| true).await;
    loop {
        let moves = |id: &str| standings.get(id).is_some_and(Standing::moves);
        let moving = standing::ask(practices, &log, moves).await;
        let is_late = Instant::now() >= until;
        if is_late || !moving.values().any(Standing::moves) {
            // What had come to rest may have moved since it was asked for.
            standings = standing::ask(practices, &log, |_| true).await;
            if is_late || !standings.values().any(Standing::moves) {
                return standings;
            }
        }
        standings.extend(moving);
        tell();
        sleep(TICK).await;
    }
}
